/* SPDX-License-Identifier: Apache-2.0 */

/* dbvitals test-promql: files of test cases in the form of Prometheus' own. */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>

#include "promql/case_file.h"

struct test_promql_flags {
    struct cli_files files;
    bool classic_names, help;
};

static const struct flag test_promql_flags[] = {
    {"FILE...", FLAG_OPERANDS, offsetof(struct test_promql_flags, files.names),
     .count_offset = offsetof(struct test_promql_flags, files.count), .most = CLI_MOST_FILES,
     .no_environment = true, .help = "Files of test cases (.test)."},
    {"--classic-names", FLAG_BOOL, offsetof(struct test_promql_flags, classic_names),
     .no_environment = true,
     .help = "Drop names of metrics at once, as rules and the HTTP API do, not at the end."},
    {"--help", FLAG_BOOL, offsetof(struct test_promql_flags, help), .no_environment = true,
     .help = "Print this text; also -h."},
    {NULL},
};

static void say_failed(void *userdata, const char *file, unsigned line, const char *why) {
    printf("%s:%u: %s\n", file, line, why);
}

/* Return: whether the file itself could be read. */
static bool run_file(const char *name, const struct case_options *options,
                     struct case_counts *counts) {
    size_t length;
    struct error err = {0};
    char *text = cli_read_file(name, &length);
    if (text == NULL) {
        return false;
    }
    int r = case_file_run(name, (struct str){text, length}, options, counts, &err);
    if (r < 0) {
        char message[512];
        fflush(stdout);
        cli_fail(error_format(&err, message, sizeof(message)));
    }
    free(text);
    return r == 0;
}

int cli_test_promql(int argc, char **argv) {
    struct test_promql_flags flags = {0};
    struct case_counts counts = {0};
    int status = 0;
    if (!cli_flags(test_promql_flags,
                   "Usage: dbvitals test-promql FILE...\n\nRuns test cases of PromQL in the form "
                   "of Prometheus' own: series are loaded,\nexpressions evaluated, results "
                   "compared. One line for each case that fails; exits\nwith 1 when there are any.",
                   offsetof(struct test_promql_flags, help), argc, argv, &flags, &status)) {
        return status;
    }
    if (flags.files.count == 0) {
        return cli_fail("test-promql needs a FILE (--help tells more)");
    }
    const struct case_options options = {.classic_names = flags.classic_names,
                                         .failed = say_failed};
    bool good = true;
    for (size_t i = 0; i < flags.files.count; i++) {
        good &= run_file(flags.files.names[i], &options, &counts);
    }
    printf("%zu passed, %zu failed\n", counts.passed, counts.failed);
    fflush(stdout);
    return good && counts.failed == 0 ? 0 : 1;
}
