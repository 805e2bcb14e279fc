/* SPDX-License-Identifier: Apache-2.0 */

/* Flags: the command line, the environment, and what is said about mistakes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <errno.h>

#include "config/flag_table.h"
#include "config/flags.h"

#define MOST_ARGUMENTS 16

/* Parses a NULL-terminated list of arguments. */
static int parse(struct flags *flags, struct error *err, const char *const *arguments) {
    char *argv[MOST_ARGUMENTS + 1] = {(char *)(uintptr_t) "dbvitals"};
    int argc = 1;
    for (; arguments[argc - 1] != NULL; argc++) {
        assert_true(argc < MOST_ARGUMENTS);
        argv[argc] = (char *)(uintptr_t)arguments[argc - 1];
    }
    *err = (struct error){0};
    return flags_parse(argc, argv, flags, err);
}

#define PARSE(flags, err, ...) parse(flags, err, (const char *const[]){__VA_ARGS__, NULL})

static void assert_refused(const char *argument, const char *text) {
    struct flags flags = {0};
    struct error err;
    assert_int_equal(PARSE(&flags, &err, argument), -EINVAL);
    assert_string_equal(err.text, text);
    assert_int_equal(flags.n_listen_addresses, 0); /* untouched */
}

static void has_defaults_without_arguments(void **state) {
    struct flags flags;
    struct error err;
    assert_int_equal(parse(&flags, &err, (const char *const[]){NULL}), 0);
    assert_null(flags.config_file);
    assert_int_equal(flags.n_listen_addresses, 1);
    assert_string_equal(flags.listen_addresses[0], ":9719");
    assert_string_equal(flags.telemetry_path, "/metrics");
    assert_null(flags.external_url);
    assert_string_equal(flags.route_prefix, "");
    assert_false(flags.enable_lifecycle);
    assert_null(flags.storage_path);
    assert_int_equal(flags.log_level, LOG_LEVEL_INFO);
    assert_int_equal(flags.log_format, LOG_FORMAT_LOGFMT);
    assert_null(flags.log_file);
    assert_null(flags.log_error_file);
    assert_int_equal(flags.log_max_bytes, 100 * 1024 * 1024);
    assert_int_equal(flags.log_keep, 7);
    assert_false(flags.no_service_names);
    assert_false(flags.help);
    assert_false(flags.version);
}

static void reads_values_behind_an_equals_sign_and_apart(void **state) {
    struct flags flags;
    struct error err;
    assert_int_equal(
        PARSE(&flags, &err, "--config.file=/etc/a=b.yml", "--log.level", "debug",
              "--log.format=json", "--storage.path", ":memory:", "--web.route-prefix=/db",
              "--web.external-url=https://db.example/x", "--log.max-size=64KiB", "--log.keep", "0"),
        0);
    assert_int_equal(flags.log_max_bytes, 65536);
    assert_int_equal(flags.log_keep, 0);
    assert_string_equal(flags.config_file, "/etc/a=b.yml");
    assert_int_equal(flags.log_level, LOG_LEVEL_DEBUG);
    assert_int_equal(flags.log_format, LOG_FORMAT_JSON);
    assert_string_equal(flags.storage_path, ":memory:");
    assert_string_equal(flags.route_prefix, "/db");
    assert_string_equal(flags.external_url, "https://db.example/x");
}

static void reads_booleans_in_all_spellings(void **state) {
    struct flags flags;
    struct error err;
    assert_int_equal(PARSE(&flags, &err, "--web.enable-lifecycle", "--help", "--version"), 0);
    assert_true(flags.enable_lifecycle);
    assert_true(flags.help);
    assert_true(flags.version);
    assert_int_equal(PARSE(&flags, &err, "--web.enable-lifecycle=false"), 0);
    assert_false(flags.enable_lifecycle);
    assert_int_equal(PARSE(&flags, &err, "--web.enable-lifecycle", "--no-web.enable-lifecycle"), 0);
    assert_false(flags.enable_lifecycle);
    assert_int_equal(PARSE(&flags, &err, "-h"), 0);
    assert_true(flags.help);
}

static void collects_listen_addresses_instead_of_the_default(void **state) {
    struct flags flags;
    struct error err;
    assert_int_equal(
        PARSE(&flags, &err, "--web.listen-address=127.0.0.1:1", "--web.listen-address", "[::1]:2"),
        0);
    assert_int_equal(flags.n_listen_addresses, 2);
    assert_string_equal(flags.listen_addresses[0], "127.0.0.1:1");
    assert_string_equal(flags.listen_addresses[1], "[::1]:2");
}

static void refuses_more_addresses_than_fit(void **state) {
    struct flags flags;
    struct error err;
    const char *arguments[FLAGS_MOST_ADDRESSES + 2] = {NULL};
    for (size_t i = 0; i < FLAGS_MOST_ADDRESSES; i++) {
        arguments[i] = "--web.listen-address=:1";
    }
    assert_int_equal(parse(&flags, &err, arguments), 0);
    assert_int_equal(flags.n_listen_addresses, FLAGS_MOST_ADDRESSES);
    arguments[FLAGS_MOST_ADDRESSES] = "--web.listen-address=:1";
    assert_int_equal(parse(&flags, &err, arguments), -EINVAL);
    assert_string_equal(err.text, "--web.listen-address was given more than 8 times");
}

static void takes_a_route_prefix_of_one_slash_as_none(void **state) {
    struct flags flags;
    struct error err;
    assert_int_equal(PARSE(&flags, &err, "--web.route-prefix=/"), 0);
    assert_string_equal(flags.route_prefix, "");
}

static void reads_the_environment_and_prefers_the_command_line(void **state) {
    struct flags flags;
    struct error err;
    setenv("DBVITALS_WEB_LISTEN_ADDRESS", "127.0.0.1:7", 1);
    setenv("DBVITALS_LOG_LEVEL", "error", 1);
    setenv("DBVITALS_COMPAT_NO_SERVICE_NAMES", "true", 1);
    setenv("DBVITALS_CONFIG_FILE", "", 1);
    assert_int_equal(PARSE(&flags, &err, "--log.level=warn"), 0);
    assert_int_equal(flags.n_listen_addresses, 1);
    assert_string_equal(flags.listen_addresses[0], "127.0.0.1:7");
    assert_int_equal(flags.log_level, LOG_LEVEL_WARN);
    assert_true(flags.no_service_names);
    assert_null(flags.config_file);
    assert_int_equal(PARSE(&flags, &err, "--web.listen-address=:8", "--web.listen-address=:9"), 0);
    assert_int_equal(flags.n_listen_addresses, 2);
    assert_string_equal(flags.listen_addresses[0], ":8");

    setenv("DBVITALS_LOG_LEVEL", "loud", 1);
    assert_int_equal(PARSE(&flags, &err, "--log.format=json"), -EINVAL);
    assert_string_equal(err.text,
                        "DBVITALS_LOG_LEVEL must be one of error, warn, info, debug, not 'loud'");
    unsetenv("DBVITALS_WEB_LISTEN_ADDRESS");
    unsetenv("DBVITALS_LOG_LEVEL");
    unsetenv("DBVITALS_COMPAT_NO_SERVICE_NAMES");
    unsetenv("DBVITALS_CONFIG_FILE");
}

static void suggests_what_a_misspelt_flag_may_have_meant(void **state) {
    assert_refused("--web.listen-adress=:1",
                   "unknown flag '--web.listen-adress' (did you mean '--web.listen-address'?)");
    assert_refused("-config.file=x", "unknown flag '-config.file' (did you mean '--config.file'?)");
    assert_refused("--frobnicate", "unknown flag '--frobnicate' (--help lists all)");
    assert_refused("--no-help", "unknown flag '--no-help' (did you mean '--help'?)");
}

static void says_what_is_wrong_with_a_value(void **state) {
    assert_refused("--config.file", "--config.file needs a value: --config.file=FILE");
    assert_refused("--config.file=", "--config.file is empty: give it a value or leave it out");
    assert_refused("--log.format=xml",
                   "--log.format must be one of logfmt, json, console, journal, not 'xml'");
    assert_refused("--web.enable-lifecycle=maybe",
                   "--web.enable-lifecycle must be true or false, not 'maybe'");
    assert_refused("--web.telemetry-path=metrics",
                   "--web.telemetry-path must be a path such as /metrics, not / itself");
    assert_refused("--web.telemetry-path=/",
                   "--web.telemetry-path must be a path such as /metrics, not / itself");
    assert_refused("--web.route-prefix=/db/",
                   "--web.route-prefix must be a path such as /db, without a slash at its end");
    assert_refused("--web.listen-address=:1,:2",
                   "--web.listen-address must be one address (repeat the flag for several)");
    assert_refused("--log.max-size=1MB",
                   "--log.max-size: '1MB' is not a size (examples: 4096, 64KiB, 100MiB, 2GiB)");
    assert_refused("--log.keep=1001", "--log.keep must be a number from 0 to 1000, not '1001'");
    assert_refused("--log.keep=-1", "--log.keep must be a number from 0 to 1000, not '-1'");
    assert_refused("run", "unexpected argument 'run' (flags begin with '--')");
    assert_refused("-", "unexpected argument '-' (flags begin with '--')");
}

static void refuses_one_file_for_both_logs(void **state) {
    struct flags flags;
    struct error err;
    assert_int_equal(PARSE(&flags, &err, "--log.file=x", "--log.error-file=x"), -EINVAL);
    assert_string_equal(err.text, "--log.error-file must be another file than --log.file");
    assert_int_equal(PARSE(&flags, &err, "--log.file=x", "--log.error-file=y"), 0);
    assert_int_equal(PARSE(&flags, &err, "--log.error-file=y"), 0);
    assert_int_equal(PARSE(&flags, &err, "--log.format=journal", "--log.file=x"), -EINVAL);
    assert_string_equal(err.text, "--log.format=journal and log files exclude each other");
    assert_int_equal(PARSE(&flags, &err, "--log.format=journal"), 0);
}

static void never_repeats_a_password_in_a_url(void **state) {
    struct flags flags;
    struct error err;
    assert_int_equal(PARSE(&flags, &err, "--web.external-url=http://u:hunter2@host/"), -EINVAL);
    assert_null(strstr(err.text, "hunter2"));
}

static void shows_strange_bytes_as_question_marks(void **state) {
    assert_refused("--a\n\033[31m\xff=1", "unknown flag '--a??[31m?' (--help lists all)");
}

static void help_names_every_flag_with_default_and_variable(void **state) {
    static const char *const names[] = {"--config.file=FILE",
                                        "--web.listen-address=ADDRESS",
                                        "--web.telemetry-path=PATH",
                                        "--web.external-url=URL",
                                        "--web.route-prefix=PATH",
                                        "--web.enable-lifecycle\n",
                                        "--storage.path=DIR",
                                        "--log.level=LEVEL",
                                        "--log.format=FORMAT",
                                        "--compat.no-service-names\n",
                                        "--help\n",
                                        "--version\n",
                                        "[default: :9719]",
                                        "[DBVITALS_WEB_LISTEN_ADDRESS]",
                                        "[DBVITALS_COMPAT_NO_SERVICE_NAMES]"};
    struct strbuf help = {0};
    flags_help(&help);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strstr(help.data, names[i]) == NULL) {
            fail_msg("'%s' is missing", names[i]);
        }
    }
    strbuf_deinit(&help);
}

struct with_operands {
    const char *names[2];
    size_t count;
    bool loud;
};

static const struct flag operand_rows[] = {
    {"FILE...", FLAG_OPERANDS, offsetof(struct with_operands, names),
     .count_offset = offsetof(struct with_operands, count), .most = 2, .no_environment = true,
     .help = "Files."},
    {"--loud", FLAG_BOOL, offsetof(struct with_operands, loud), .no_environment = true,
     .help = "Says more."},
    {NULL},
};

static int parse_operands(struct with_operands *ret, struct error *err, int argc,
                          const char *const *arguments) {
    *ret = (struct with_operands){0};
    *err = (struct error){0};
    return flag_table_parse(operand_rows, argc, (char **)(uintptr_t)arguments, ret, err);
}

static void takes_what_has_no_dashes_where_a_command_wants_it(void **state) {
    struct with_operands got;
    struct error err;
    assert_int_equal(parse_operands(&got, &err, 4, (const char *const[]){"x", "a", "--loud", "b"}),
                     0);
    assert_int_equal(got.count, 2);
    assert_string_equal(got.names[0], "a");
    assert_string_equal(got.names[1], "b");
    assert_true(got.loud);
    assert_int_equal(parse_operands(&got, &err, 3, (const char *const[]){"x", "--", "--loud"}), 0);
    assert_string_equal(got.names[0], "--loud");
    assert_false(got.loud);
    assert_int_equal(parse_operands(&got, &err, 4, (const char *const[]){"x", "a", "b", "c"}),
                     -EINVAL);
    assert_refused("a", "unexpected argument 'a' (flags begin with '--')");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_defaults_without_arguments),
        cmocka_unit_test(reads_values_behind_an_equals_sign_and_apart),
        cmocka_unit_test(reads_booleans_in_all_spellings),
        cmocka_unit_test(collects_listen_addresses_instead_of_the_default),
        cmocka_unit_test(refuses_more_addresses_than_fit),
        cmocka_unit_test(takes_what_has_no_dashes_where_a_command_wants_it),
        cmocka_unit_test(takes_a_route_prefix_of_one_slash_as_none),
        cmocka_unit_test(reads_the_environment_and_prefers_the_command_line),
        cmocka_unit_test(suggests_what_a_misspelt_flag_may_have_meant),
        cmocka_unit_test(says_what_is_wrong_with_a_value),
        cmocka_unit_test(refuses_one_file_for_both_logs),
        cmocka_unit_test(never_repeats_a_password_in_a_url),
        cmocka_unit_test(shows_strange_bytes_as_question_marks),
        cmocka_unit_test(help_names_every_flag_with_default_and_variable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
