/* SPDX-License-Identifier: Apache-2.0 */

/* Runs the text files beside it. valid/x.yml must give the effective configuration in x.out, which
 * must mean the same when it is read again; invalid/x.yml must be refused with the one line in
 * x.error. Collectors that an .out does not mention are not compared, so that a new collector
 * changes no case. Passwords in the cases contain "hunter2", which must show nowhere. */

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/config.h"
#include "config/read_file.h"

#define MOST_FILE_BYTES ((size_t)4 * 1024 * 1024)
#define PASSWORD        "hunter2"

static unsigned n_tests, n_failed;

static void report(const char *folder, const char *name, const struct strbuf *problem) {
    n_tests++;
    printf("%s %u - %s/%s\n", problem->len == 0 ? "ok" : "not ok", n_tests, folder, name);
    if (problem->len != 0) {
        n_failed++;
        struct str rest = strbuf_view(problem);
        while (rest.len != 0) {
            struct str line = str_cut(&rest, '\n');
            printf("# %.*s\n", (int)line.len, line.data);
        }
    }
    fflush(stdout);
}

/* The file that belongs to a case, "x.yml" and ".out" give "x.out". */
static char *read_companion(const char *name, const char *extension) {
    char path[512];
    char *text = NULL;
    size_t length = 0;
    struct error err = {0};
    snprintf(path, sizeof(path), "%.*s%s", (int)(strlen(name) - strlen(".yml")), name, extension);
    return read_file(path, MOST_FILE_BYTES, &text, &length, &err) == 0 ? text : NULL;
}

static int load(const char *path, struct config *ret, struct error *err) {
    CLEANUP(config_files_freep)
    struct config_files *files = NULL;
    int r = config_files_read(path, &files, err);
    return r < 0 ? r : config_parse(files, ret, err);
}

/* "      name: {enabled: ..." of a collector that expected does not have. */
static bool is_unmentioned_collector(struct str line, const char *expected) {
    const char *colon = memchr(line.data, ':', line.len);
    if (!str_starts_with(line, "      ") || colon == NULL ||
        !str_starts_with((struct str){colon, line.len - (size_t)(colon - line.data)},
                         ": {enabled: ")) {
        return false;
    }
    char *start = mem_strndup(line.data, (size_t)(colon - line.data) + 1);
    bool mentioned = strstr(expected, start) != NULL;
    free(start);
    return !mentioned;
}

static void compare(const struct strbuf *printed, const char *expected, struct strbuf *problem) {
    struct strbuf shown = {0};
    struct str rest = strbuf_view(printed);
    while (rest.len != 0) {
        struct str line = str_cut(&rest, '\n');
        if (!is_unmentioned_collector(line, expected)) {
            strbuf_add_str(&shown, line);
            strbuf_add_char(&shown, '\n');
        }
    }
    if (!str_is(strbuf_view(&shown), expected)) {
        strbuf_printf(problem, "expected:\n%s\nfound:\n%s", expected, shown.data);
    }
    if (strstr(shown.data, PASSWORD) != NULL) {
        strbuf_add_text(problem, "a password is shown\n");
    }
    strbuf_deinit(&shown);
}

static bool has_password(const struct target_options *target) {
    return target->pg.password != NULL || target->pg.key_password != NULL ||
           target->redis.password != NULL || target->app.http.password != NULL ||
           target->app.http.credentials != NULL;
}

static bool same_config(const struct config *a, const struct config *b) {
    if (a->interval_usec != b->interval_usec || a->timeout_usec != b->timeout_usec ||
        a->n_labels != b->n_labels || a->n_targets != b->n_targets) {
        return false;
    }
    for (size_t i = 0; i < a->n_targets; i++) {
        unsigned difference = target_options_compare(&a->targets[i], &b->targets[i]);
        if (has_password(&a->targets[i])) {
            difference &= ~(unsigned)TARGET_CONNECTION; /* <secret> is another password */
        }
        if (difference != 0 || strcmp(a->targets[i].name, b->targets[i].name) != 0) {
            return false;
        }
    }
    return true;
}

/* Reads what was printed, prints it again. */
static void check_round_trip(const struct config *config, const struct strbuf *printed,
                             struct strbuf *problem) {
    char path[] = "/tmp/dbvitals-config-XXXXXX";
    struct config again;
    struct error err = {0};
    struct strbuf printed_again = {0};
    int fd = mkstemp(path);
    if (fd < 0 || write(fd, printed->data, printed->len) != (ssize_t)printed->len) {
        strbuf_add_text(problem, "no temporary file\n");
    } else if (load(path, &again, &err) < 0) {
        strbuf_printf(problem, "what was printed does not parse: %s\n", err.text);
    } else {
        config_print(&again, &printed_again);
        if (!str_equal(strbuf_view(printed), strbuf_view(&printed_again)) ||
            !same_config(config, &again)) {
            strbuf_printf(problem, "what was printed means something else:\n%s", printed->data);
        }
        config_deinit(&again);
    }
    close(fd);
    unlink(path);
    strbuf_deinit(&printed_again);
}

static void run_valid(const char *name, struct strbuf *problem) {
    struct config config;
    struct error err = {0};
    struct strbuf printed = {0};
    char *expected = read_companion(name, ".out");
    char text[1024];
    if (expected == NULL) {
        strbuf_add_text(problem, "there is no .out file\n");
    } else if (load(name, &config, &err) < 0) {
        strbuf_printf(problem, "refused: %s\n", error_format(&err, text, sizeof(text)));
    } else {
        config_print(&config, &printed);
        compare(&printed, expected, problem);
        check_round_trip(&config, &printed, problem);
        config_deinit(&config);
    }
    strbuf_deinit(&printed);
    free(expected);
}

static void run_invalid(const char *name, struct strbuf *problem) {
    struct config config;
    struct error err = {0};
    char *expected = read_companion(name, ".error");
    char text[1024];
    if (expected == NULL) {
        strbuf_add_text(problem, "there is no .error file\n");
    } else if (load(name, &config, &err) == 0) {
        strbuf_add_text(problem, "accepted\n");
        config_deinit(&config);
    } else {
        error_format(&err, text, sizeof(text));
        expected[strcspn(expected, "\n")] = '\0';
        if (strcmp(text, expected) != 0) {
            strbuf_printf(problem, "expected: %s\nfound:    %s\n", expected, text);
        }
        if (strstr(text, PASSWORD) != NULL) {
            strbuf_add_text(problem, "a password is shown\n");
        }
    }
    free(expected);
}

static int is_case(const struct dirent *entry) {
    size_t length = strlen(entry->d_name);
    return length > 4 && strcmp(entry->d_name + length - 4, ".yml") == 0;
}

/* Inside the folder, so that messages name files without it. */
static int run_folder(const char *root, const char *folder,
                      void (*run)(const char *name, struct strbuf *problem)) {
    struct dirent **entries;
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", root, folder);
    if (chdir(path) < 0) {
        return -errno;
    }
    int count = scandir(".", &entries, is_case, alphasort);
    for (int i = 0; i < count; i++) {
        struct strbuf problem = {0};
        run(entries[i]->d_name, &problem);
        report(folder, entries[i]->d_name, &problem);
        strbuf_deinit(&problem);
        free(entries[i]);
    }
    if (count >= 0) {
        free(entries);
    }
    return count > 0 ? 0 : -ENOENT;
}

int main(int argc, char **argv) {
    const char *root = argc > 1 ? argv[1] : ".";
    char *full = realpath(root, NULL);
    setenv("CASE_HOST", "db.example.org", 1);
    setenv("CASE_PORT", "6433", 1);
    setenv("CASE_PASSWORD", PASSWORD " ${CASE_HOST} $$", 1);
    setenv("CASE_YAML", "[a, {b: c}] # \"'\n- x", 1);
    setenv("CASE_EMPTY", "", 1);
    setenv("CASE_BINARY", "\xff", 1);
    setenv("CREDENTIALS_DIRECTORY", "secrets", 1);
    unsetenv("CASE_UNSET");
    if (full == NULL || run_folder(full, "valid", run_valid) < 0 ||
        run_folder(full, "invalid", run_invalid) < 0) {
        printf("Bail out! no cases in %s\n", root);
        return 1;
    }
    free(full);
    printf("1..%u\n", n_tests);
    return n_failed != 0;
}
