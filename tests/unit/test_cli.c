/* SPDX-License-Identifier: Apache-2.0 */

/* The command line: finding commands, what they print, and what happens when nobody can read it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "collectors/collector.h"

#define MOST_ARGUMENTS 8

/* Stand-ins for the two commands that need the whole daemon: they say what they were given. */
static int say_arguments(const char *command, int argc, char **argv) {
    struct strbuf text = {0};
    strbuf_add_text(&text, command);
    for (int i = 1; i < argc; i++) {
        strbuf_printf(&text, " [%s]", argv[i]);
    }
    int status = cli_print(strbuf_view(&text));
    strbuf_deinit(&text);
    return status != 0 ? status : 7;
}

int cli_run(int argc, char **argv) {
    return say_arguments("run", argc, argv);
}

int cli_check(int argc, char **argv) {
    return say_arguments("check", argc, argv);
}

/* What a run came to. */
struct outcome {
    int status;
    char *out, *err;
};

static char *read_back(int fd) {
    off_t length = lseek(fd, 0, SEEK_END);
    char *text = mem_alloc((size_t)length + 1);
    assert_int_equal(pread(fd, text, (size_t)length, 0), length);
    close(fd);
    return text;
}

/* Runs cli_main() with stdout going to out_fd and stderr into memory. */
static struct outcome run_into(int out_fd, const char *const *arguments) {
    char *argv[MOST_ARGUMENTS + 1] = {(char *)(uintptr_t) "dbvitals"};
    int argc = 1;
    for (; arguments[argc - 1] != NULL; argc++) {
        assert_true(argc < MOST_ARGUMENTS);
        argv[argc] = (char *)(uintptr_t)arguments[argc - 1];
    }
    fflush(stdout);
    int err_fd = memfd_create("stderr", MFD_CLOEXEC);
    int saved_out = dup(STDOUT_FILENO), saved_err = dup(STDERR_FILENO);
    dup2(out_fd, STDOUT_FILENO);
    dup2(err_fd, STDERR_FILENO);
    struct outcome outcome = {.status = cli_main(argc, argv)};
    fflush(stdout);
    fflush(stderr);
    dup2(saved_out, STDOUT_FILENO);
    dup2(saved_err, STDERR_FILENO);
    close(saved_out);
    close(saved_err);
    outcome.err = read_back(err_fd);
    return outcome;
}

static struct outcome run(const char *const *arguments) {
    int out_fd = memfd_create("stdout", MFD_CLOEXEC);
    struct outcome outcome = run_into(out_fd, arguments);
    outcome.out = read_back(out_fd);
    return outcome;
}

#define RUN(...) run((const char *const[]){__VA_ARGS__, NULL})

static void outcome_deinit(struct outcome *outcome) {
    free(outcome->out);
    free(outcome->err);
}

static void assert_outcome(struct outcome outcome, int status, const char *out, const char *err) {
    assert_int_equal(outcome.status, status);
    if (strstr(outcome.out, out) == NULL) {
        fail_msg("'%s' is not in:\n%s", out, outcome.out);
    }
    assert_string_equal(outcome.err, err);
    outcome_deinit(&outcome);
}

static void help_lists_all_commands_and_flags(void **state) {
    static const char *const spellings[] = {"help", "--help", "-h"};
    for (size_t i = 0; i < ARRAY_LEN(spellings); i++) {
        struct outcome outcome = RUN(spellings[i]);
        assert_int_equal(outcome.status, 0);
        for (const struct cli_command *command = cli_commands; command->name != NULL; command++) {
            assert_non_null(strstr(outcome.out, command->name));
            assert_non_null(strstr(outcome.out, command->help));
        }
        assert_non_null(strstr(outcome.out, "--web.listen-address"));
        outcome_deinit(&outcome);
    }
}

static void every_command_has_its_own_help(void **state) {
    for (const struct cli_command *command = cli_commands; command->name != NULL; command++) {
        if (command->run != cli_run && command->run != cli_check) {
            assert_outcome(RUN(command->name, "--help"), 0, "Usage: dbvitals", "");
        }
    }
}

static void help_of_a_command_is_that_command_s_help(void **state) {
    assert_outcome(RUN("help", "metrics"), 0, "Usage: dbvitals metrics [FLAGS]\n", "");
    assert_outcome(RUN("help", "run"), 7, "run [--help]", "");
    assert_outcome(RUN("help", "rnu"), 1, "",
                   "dbvitals: unknown command 'rnu' (did you mean 'run'?)\n");
}

static void help_fits_into_a_terminal(void **state) {
    struct outcome outcome = RUN("help");
    struct str rest = str_of(outcome.out);
    while (rest.len > 0) {
        struct str line = str_cut(&rest, '\n');
        if (line.len > 80) {
            fail_msg("too long: %.*s", (int)line.len, line.data);
        }
    }
    outcome_deinit(&outcome);
}

static void runs_the_daemon_without_a_command(void **state) {
    assert_outcome(run((const char *const[]){NULL}), 7, "run", "");
    assert_outcome(RUN("--log.level=debug", "--x"), 7, "run [--log.level=debug] [--x]", "");
    assert_outcome(RUN("run", "--log.level=debug"), 7, "run [--log.level=debug]", "");
    assert_outcome(RUN("check", "--target", "a"), 7, "check [--target] [a]", "");
}

static void suggests_a_command(void **state) {
    assert_outcome(RUN("metrcis"), 1, "",
                   "dbvitals: unknown command 'metrcis' (did you mean 'metrics'?)\n");
    assert_outcome(RUN("frobnicate"), 1, "",
                   "dbvitals: unknown command 'frobnicate' ('dbvitals help' lists all)\n");
}

static void refuses_unknown_flags_of_commands(void **state) {
    assert_outcome(RUN("metrics", "--fromat=text"), 1, "",
                   "dbvitals: unknown flag '--fromat' (did you mean '--format'?)\n");
    assert_outcome(RUN("version", "now"), 1, "",
                   "dbvitals: unexpected argument 'now' (flags begin with '--')\n");
    assert_outcome(RUN("check-config", "--config.file"), 1, "",
                   "dbvitals: --config.file needs a value: --config.file=FILE\n");
}

static void version_is_one_line(void **state) {
    struct outcome outcome = RUN("--version");
    assert_int_equal(outcome.status, 0);
    assert_int_equal(strncmp(outcome.out, "dbvitals ", 9), 0);
    assert_int_equal(strcspn(outcome.out, "\n"), strlen(outcome.out) - 1);
    assert_non_null(strstr(outcome.out, "libpq "));
    outcome_deinit(&outcome);
}

static void metrics_name_every_metric_and_option_of_every_collector(void **state) {
    static const enum cli_metrics_format formats[] = {CLI_METRICS_TEXT, CLI_METRICS_MARKDOWN};
    for (size_t f = 0; f < ARRAY_LEN(formats); f++) {
        struct strbuf text = {0};
        cli_metrics_render(formats[f], &text);
        for (size_t i = 0; collector_list[i] != NULL; i++) {
            const struct collector *collector = collector_list[i];
            assert_non_null(strstr(text.data, collector->help));
            for (const struct column *row = collector->columns; row->kind != COLUMN_END; row++) {
                if (row->kind == COUNTER || row->kind == GAUGE) {
                    assert_non_null(strstr(text.data, row->metric));
                }
            }
            const struct option *option = collector->options;
            for (; option != NULL && option->name != NULL; option++) {
                assert_non_null(strstr(text.data, option->name));
            }
        }
        strbuf_deinit(&text);
    }
}

static void check_config_prints_what_a_file_means(void **state) {
    char path[] = "/tmp/dbvitals-cli-XXXXXX", file[64], refused[128];
    static const char good[] = "global: {interval: 7s}\n", bad[] = "golbal: {}\n";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, good, sizeof(good) - 1), sizeof(good) - 1);
    snprintf(file, sizeof(file), "--config.file=%s", path);
    assert_outcome(RUN("check-config", file), 0,
                   "global:\n  interval: 7s\n  timeout: 3s\n  labels: {}\nhistory:\n", "");
    assert_int_equal(pwrite(fd, bad, sizeof(bad) - 1, 0), sizeof(bad) - 1);
    assert_int_equal(ftruncate(fd, sizeof(bad) - 1), 0);
    snprintf(refused, sizeof(refused),
             "dbvitals: %s:1:1: unknown key 'golbal' (did you mean 'global'?)\n", path);
    assert_outcome(RUN("check-config", file), 1, "", refused);
    close(fd);
    unlink(path);
}

/* A file with this text in /tmp. */
static int write_file(char *path, const char *text) {
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    return fd;
}

static void check_rules_tells_all_mistakes_with_their_places(void **state) {
    char path[] = "/tmp/dbvitals-rules-XXXXXX", wanted[1024];
    int fd = write_file(path, "groups:\n- name: a\n  rules:\n"
                              "  - record: a:b\n    expr: sum(\n"
                              "  - record: pg_settings_port\n    expr: up\n"
                              "  - alert: x\n    expr: up\n    fro: 1m\n");
    struct outcome outcome = RUN("check-rules", path);
    assert_int_equal(outcome.status, 1);
    snprintf(wanted, sizeof(wanted), "Checking %s\n  FAILED:\n\n", path);
    assert_string_equal(outcome.out, wanted);
    snprintf(wanted, sizeof(wanted), "%s:5:11: group 'a': could not parse expression: 1:5: ", path);
    assert_non_null(strstr(outcome.err, wanted));
    snprintf(wanted, sizeof(wanted),
             "%s:6:5: group 'a': recorded series may not be called "
             "'pg_settings_port'",
             path);
    assert_non_null(strstr(outcome.err, wanted));
    snprintf(wanted, sizeof(wanted), "%s:10:5: ", path);
    assert_non_null(strstr(outcome.err, wanted));
    outcome_deinit(&outcome);
    close(fd);
    unlink(path);
}

static void check_rules_counts_rules_and_warns(void **state) {
    char path[] = "/tmp/dbvitals-rules-XXXXXX", wanted[1024];
    int fd = write_file(path, "groups:\n- name: a\n  rules:\n"
                              "  - record: a:b\n    expr: 1 + histogram_count(x)\n"
                              "  - alert: y\n    expr: rate(x[7h]) > 1\n");
    struct outcome outcome = RUN("check-rules", path);
    assert_int_equal(outcome.status, 0);
    snprintf(wanted, sizeof(wanted),
             "Checking %s\n"
             "  WARNING: %s:5:11: rule 'a:b': histogram_count() reads native histograms, which are "
             "not collected: its result is empty\n"
             "  WARNING: %s:7:11: rule 'y': it looks back 7h, but history is kept for at most 6h: "
             "it is not evaluated\n"
             "  SUCCESS: 2 rules found\n\n",
             path, path, path);
    assert_string_equal(outcome.out, wanted);
    assert_string_equal(outcome.err, "");
    outcome_deinit(&outcome);
    close(fd);
    unlink(path);
    assert_outcome(RUN("check-rules"), 1, "",
                   "dbvitals: check-rules needs a FILE (--help tells more)\n");
}

/* Bytes of the file up to the second case. */
#define FIRST_CASE (sizeof("load 1m\n  a 1 2 3\n\neval instant at 1m a\n  a 2\n") - 1)

static void test_promql_says_which_cases_fail(void **state) {
    char path[] = "/tmp/dbvitals-cases-XXXXXX", wanted[256];
    int fd = write_file(path, "load 1m\n  a 1 2 3\n\neval instant at 1m a\n  a 2\n\n"
                              "eval instant at 2m a\n  a 4\n");
    struct outcome outcome = RUN("test-promql", path);
    assert_int_equal(outcome.status, 1);
    snprintf(wanted, sizeof(wanted), "%s:7: ", path);
    assert_int_equal(strncmp(outcome.out, wanted, strlen(wanted)), 0);
    assert_string_equal(strchr(outcome.out, '\n'), "\n1 passed, 1 failed\n");
    outcome_deinit(&outcome);
    assert_int_equal(ftruncate(fd, FIRST_CASE), 0); /* without the second case */
    assert_outcome(RUN("test-promql", path), 0, "1 passed, 0 failed\n", "");
    close(fd);
    unlink(path);
    assert_outcome(
        RUN("test-promql", path), 1, "0 passed, 0 failed\n",
        (snprintf(wanted, sizeof(wanted), "dbvitals: file '%s' does not exist\n", path), wanted));
}

static void query_says_whom_it_cannot_ask(void **state) {
    struct outcome outcome = RUN("query", "up", "--url=http://127.0.0.1:1");
    assert_int_equal(outcome.status, 1);
    assert_string_equal(outcome.out, "");
    assert_non_null(strstr(outcome.err, "dbvitals: 'http://127.0.0.1:1' cannot be asked: "));
    outcome_deinit(&outcome);
    outcome = RUN("query", "up", "--url=file:///etc/passwd");
    assert_int_equal(outcome.status, 1);
    assert_non_null(strstr(outcome.err, "cannot be asked: "));
    outcome_deinit(&outcome);
    assert_outcome(RUN("query"), 1, "", "dbvitals: query needs an EXPR (--help tells more)\n");
    assert_outcome(RUN("query", "up", "--step=1m"), 1, "",
                   "dbvitals: --end and --step need --start\n");
}

static void a_reader_that_goes_away_is_no_error(void **state) {
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    close(ends[0]);
    struct outcome outcome = run_into(ends[1], (const char *const[]){"metrics", NULL});
    assert_int_equal(outcome.status, 0);
    assert_string_equal(outcome.err, "");
    close(ends[1]);
    outcome_deinit(&outcome);
}

static void a_full_disk_is_an_error(void **state) {
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    struct outcome outcome = run_into(fd, (const char *const[]){"metrics", NULL});
    assert_int_equal(outcome.status, 1);
    assert_string_equal(outcome.err,
                        "dbvitals: cannot write to standard output: No space left on device\n");
    close(fd);
    outcome_deinit(&outcome);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_lists_all_commands_and_flags),
        cmocka_unit_test(every_command_has_its_own_help),
        cmocka_unit_test(help_of_a_command_is_that_command_s_help),
        cmocka_unit_test(help_fits_into_a_terminal),
        cmocka_unit_test(runs_the_daemon_without_a_command),
        cmocka_unit_test(suggests_a_command),
        cmocka_unit_test(refuses_unknown_flags_of_commands),
        cmocka_unit_test(version_is_one_line),
        cmocka_unit_test(metrics_name_every_metric_and_option_of_every_collector),
        cmocka_unit_test(check_config_prints_what_a_file_means),
        cmocka_unit_test(check_rules_tells_all_mistakes_with_their_places),
        cmocka_unit_test(check_rules_counts_rules_and_warns),
        cmocka_unit_test(test_promql_says_which_cases_fail),
        cmocka_unit_test(query_says_whom_it_cannot_ask),
        cmocka_unit_test(a_reader_that_goes_away_is_no_error),
        cmocka_unit_test(a_full_disk_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
