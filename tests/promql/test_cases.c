/* SPDX-License-Identifier: Apache-2.0 */

/* Runs the .test files beside it, and those of the folder in DBVITALS_PROMQL_CASES when it is
 * there. One test per file; what failed in it is shown line by line. */

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "promql/case_file.h"

#define MOST_FILES      200
#define MOST_FILE_BYTES ((size_t)4 * 1024 * 1024)

static unsigned n_tests, n_failed;

static void case_failed(void *userdata, const char *file, unsigned line, const char *why) {
    struct strbuf *problems = userdata;
    strbuf_printf(problems, "# %s:%u: %s\n", file, line, why);
}

static bool read_file(const char *path, struct strbuf *ret) {
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return false;
    }
    char *into = strbuf_reserve(ret, MOST_FILE_BYTES);
    ret->len += fread(into, 1, MOST_FILE_BYTES, file);
    fclose(file);
    return true;
}

static void run_file(const char *folder, const char *name) {
    struct strbuf problems = {0}, text = {0};
    struct case_counts counts = {0};
    struct case_options options = {.failed = case_failed, .userdata = &problems};
    struct error err = {0};
    char *path = mem_printf("%s/%s", folder, name);
    /* Files called classic-* hold cases in which names are dropped at once. */
    options.classic_names = strncmp(name, "classic-", 8) == 0;
    bool good = read_file(path, &text);
    if (good && case_file_run(name, strbuf_view(&text), &options, &counts, &err) < 0) {
        char why[512];
        strbuf_printf(&problems, "# %s\n", error_format(&err, why, sizeof(why)));
        good = false;
    }
    good = good && counts.failed == 0 && counts.passed > 0;
    printf("%s %u - %s: %zu cases\n%s", good ? "ok" : "not ok", ++n_tests, name,
           counts.passed + counts.failed, problems.data != NULL ? problems.data : "");
    n_failed += !good;
    strbuf_deinit(&problems);
    strbuf_deinit(&text);
    free(path);
}

static int is_case_file(const struct dirent *entry) {
    const char *dot = strrchr(entry->d_name, '.');
    return dot != NULL && strcmp(dot, ".test") == 0;
}

static void run_folder(const char *folder) {
    struct dirent **entries;
    int n = scandir(folder, &entries, is_case_file, alphasort);
    for (int i = 0; i < n; i++) {
        if (i < MOST_FILES) {
            run_file(folder, entries[i]->d_name);
        }
        free(entries[i]);
    }
    if (n >= 0) {
        free(entries);
    }
}

int main(int argc, char **argv) {
    const char *more = getenv("DBVITALS_PROMQL_CASES");
    if (argc != 2) {
        fprintf(stderr, "usage: test_cases FOLDER\n");
        return 1;
    }
    run_folder(argv[1]);
    if (more != NULL) {
        run_folder(more);
    }
    printf("1..%u\n", n_tests);
    return n_failed == 0 && n_tests > 0 ? 0 : 1;
}
