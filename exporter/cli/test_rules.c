/* SPDX-License-Identifier: Apache-2.0 */

/* dbvitals test-rules: runs unit tests of rules as `promtool test rules` does. */
#include "cli/cli.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/read_file.h"
#include "rules/test_file.h"

#define MOST_BYTES ((size_t)16 * 1024 * 1024)
#define MOST_FILES 1000

struct test_rules_flags {
    bool help;
};

static const struct flag test_rules_flags[] = {
    {"--help", FLAG_BOOL, offsetof(struct test_rules_flags, help), .no_environment = true,
     .help = "Print this text; also -h."},
    {NULL},
};

/* The rule files of a test file; texts and names are owned. */
struct rule_texts {
    char *owned_names[MOST_FILES], *owned_texts[MOST_FILES];
    struct str names[MOST_FILES], texts[MOST_FILES];
    size_t n;
};

static void rule_texts_free(struct rule_texts *rules) {
    for (size_t i = 0; i < rules->n; i++) {
        free(rules->owned_names[i]);
        free(rules->owned_texts[i]);
    }
    free(rules);
}

static int read_named(const char *path, char **ret, size_t *ret_len, struct error *err) {
    struct error why = {0};
    int r = read_file(path, MOST_BYTES, ret, ret_len, &why);
    return r < 0 ? error_say(err, r, "'%s' %s", path, why.text) : 0;
}

static int add_rule_file(struct rule_texts *rules, const char *path, struct error *err) {
    size_t len, i = rules->n;
    if (i == MOST_FILES) {
        return error_say(err, -E2BIG, "more than %d rule files", MOST_FILES);
    }
    int r = read_named(path, &rules->owned_texts[i], &len, err);
    if (r < 0) {
        return r;
    }
    rules->owned_names[i] = mem_strdup(path);
    rules->names[i] = str_of(rules->owned_names[i]);
    rules->texts[i] = (struct str){rules->owned_texts[i], len};
    rules->n++;
    return 0;
}

/* Patterns are relative to the test file. One that finds nothing is an error: tests that expect no
 * alert would pass without any rules. */
static int add_pattern(struct rule_texts *rules, const char *test_path, struct str pattern,
                       struct error *err) {
    const char *slash = strrchr(test_path, '/');
    int folder = slash != NULL && pattern.len > 0 && pattern.data[0] != '/'
                     ? (int)(slash - test_path) + 1
                     : 0;
    char *whole = mem_printf("%.*s%.*s", folder, test_path, (int)pattern.len, pattern.data);
    glob_t found = {0};
    int r = glob(whole, 0, NULL, &found) == 0
                ? 0
                : error_say(err, -ENOENT, "no rule file matches '%s'", whole);
    for (size_t i = 0; r == 0 && i < found.gl_pathc; i++) {
        r = add_rule_file(rules, found.gl_pathv[i], err);
    }
    globfree(&found);
    free(whole);
    return r;
}

/* Return: whether all tests of the file passed. */
static bool run_tests(const char *path, struct str text, struct strbuf *out, struct error *err) {
    struct rule_texts *rules = mem_alloc(sizeof(*rules));
    struct rule_test_file file;
    int r = rule_test_parse(path, text, &file, err);
    for (size_t i = 0; r == 0 && i < file.n_rule_files; i++) {
        r = add_pattern(rules, path, file.rule_files[i], err);
    }
    bool good = r == 0 && rule_test_run(&file, rules->names, rules->texts, rules->n, out) == 0;
    rule_test_deinit(&file);
    rule_texts_free(rules);
    return good;
}

static bool run_file(const char *path, struct strbuf *out) {
    struct strbuf differences = {0};
    struct error err = {0};
    char *text = NULL, line[600];
    size_t len;
    bool good = read_named(path, &text, &len, &err) == 0 &&
                run_tests(path, (struct str){text, len}, &differences, &err);
    strbuf_printf(out, "Unit Testing:  %s\n  %s\n", path, good ? "SUCCESS" : "FAILED:");
    if (error_is_set(&err)) {
        strbuf_printf(out, "    %s\n", error_format(&err, line, sizeof(line)));
    }
    strbuf_add_str(out, strbuf_view(&differences));
    strbuf_add_char(out, '\n');
    strbuf_deinit(&differences);
    free(text);
    return good;
}

int cli_test_rules(int argc, char **argv) {
    struct test_rules_flags flags = {0};
    int status = 0, n_files = 0, n_flags = 1;
    char **files = mem_array((size_t)argc + 1, sizeof(char *));
    char **given = mem_array((size_t)argc + 1, sizeof(char *));
    given[0] = argv[0];
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '-') {
            given[n_flags++] = argv[i];
        } else {
            files[n_files++] = argv[i];
        }
    }
    if (cli_flags(test_rules_flags,
                  "Usage: dbvitals test-rules FILE...\n\nRuns unit tests of rules, in the form of "
                  "`promtool test rules`.\nExits with 1 when a test failed.",
                  offsetof(struct test_rules_flags, help), n_flags, given, &flags, &status)) {
        struct strbuf out = {0};
        for (int i = 0; i < n_files; i++) {
            status |= !run_file(files[i], &out);
        }
        status |= n_files == 0 ? cli_fail("test-rules needs files") : cli_print(strbuf_view(&out));
        strbuf_deinit(&out);
    }
    free(files);
    free(given);
    return status;
}
