/* SPDX-License-Identifier: Apache-2.0 */

/* What `dbvitals check` prints, and which status it ends with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "cli/check_format.h"
#include "tests/support/fake_sampler.h"

static const struct collector info_collector = {.name = "info"};
static const struct collector settings_collector = {.name = "settings"};

static void fail_with(struct client_failure *failure, enum client_reason reason, const char *text) {
    *failure = (struct client_failure){.end = CLIENT_ALIVE, .reason = reason};
    error_say(&failure->error, -EPROTO, "%s", text);
}

/* Up, with two collectors that succeeded and a pool that is used by half. */
static struct fake_target *add_up(struct sampler *sampler, const char *name) {
    struct fake_target *fake = fake_sampler_add(sampler, name, KIND_POSTGRES, "10.0.0.1:5432");
    fake->view.last_round_seconds = 0.00425;
    fake->collectors[0] = (struct collector_view){&info_collector, true, .samples = 40};
    fake->collectors[1] = (struct collector_view){&settings_collector, true, .samples = 2};
    fake->n_collectors = 2;
    facts_set(&fake->view.facts, FACT_ROLE, ROLE_PRIMARY);
    facts_set(&fake->view.facts, FACT_CLIENT_BACKENDS, 50);
    facts_set(&fake->view.facts, FACT_MAX_CONNECTIONS, 100);
    return fake;
}

static struct fake_target *add_down(struct sampler *sampler, const char *name) {
    struct fake_target *fake = fake_sampler_add(sampler, name, KIND_REDIS, "10.0.0.3:6379");
    fake->view.health = TARGET_DOWN;
    fake->view.last_round_seconds = 3;
    fail_with(&fake->view.last_failure, REASON_REFUSED, "a|b\n'c' \"d\"");
    return fake;
}

static struct fake_target *add_failing(struct sampler *sampler, const char *name) {
    struct fake_target *fake = add_up(sampler, name);
    fake->view.failed_collectors = 1;
    fake->collectors[1].samples = 0;
    fail_with(&fake->collectors[1].failure, REASON_PERMISSION, "permission denied | for x");
    return fake;
}

static struct fake_target *add_pending(struct sampler *sampler, const char *name) {
    struct fake_target *fake = fake_sampler_add(sampler, name, KIND_SENTINEL, "[::1]:26379");
    fake->view.health = TARGET_PENDING;
    return fake;
}

static void assert_rendered(const struct sampler *sampler, const char *only,
                            enum check_format format, int status, const char *expected) {
    struct strbuf out = {0};
    struct check_count count;
    assert_int_equal(check_render(sampler, only, format, &out, &count), status);
    assert_string_equal(out.data, expected);
    strbuf_deinit(&out);
}

static int status_of(const struct sampler *sampler) {
    struct strbuf out = {0};
    struct check_count count;
    int status = (int)check_render(sampler, NULL, CHECK_TABLE, &out, &count);
    strbuf_deinit(&out);
    return status;
}

static void the_worst_target_decides(void **state) {
    struct sampler sampler = {0};
    add_up(&sampler, "a");
    assert_int_equal(status_of(&sampler), 0);
    add_failing(&sampler, "b");
    assert_int_equal(status_of(&sampler), 1);
    add_pending(&sampler, "c");
    assert_int_equal(status_of(&sampler), 3);
    add_down(&sampler, "d");
    assert_int_equal(status_of(&sampler), 2);
}

static void the_table_has_a_line_for_each(void **state) {
    struct sampler sampler = {0};
    add_failing(&sampler, "a");
    add_pending(&sampler, "c");
    assert_rendered(&sampler, NULL, CHECK_TABLE, CHECK_UNKNOWN,
                    "TARGET      TYPE       ADDRESS         STATE\n"
                    "a           postgres   10.0.0.1:5432   up       primary     4.2 ms     40 "
                    "samples  pool 50 "
                    "%\n"
                    "  collector 'settings': permission: permission denied | for x\n"
                    "c           sentinel   [::1]:26379     pending  no round has ended\n");
}

static void the_table_is_as_wide_as_what_is_in_it(void **state) {
    struct sampler sampler = {0};
    add_up(&sampler, "a-name-that-is-longer-than-others");
    fake_sampler_add(&sampler, "b", KIND_REDIS, "cache.eu-central-1.example.org:6379")
        ->view.health = TARGET_PENDING;
    add_up(&sampler, "c")->view.facts = (struct facts){0};
    assert_rendered(&sampler, NULL, CHECK_TABLE, CHECK_UNKNOWN,
                    "TARGET                             TYPE       "
                    "ADDRESS                              STATE\n"
                    "a-name-that-is-longer-than-others  postgres   "
                    "10.0.0.1:5432                        "
                    "up       primary     4.2 ms     42 samples  pool 50 %\n"
                    "b                                  redis      "
                    "cache.eu-central-1.example.org:6379  pending  no round has ended\n"
                    "c                                  postgres   "
                    "10.0.0.1:5432                        "
                    "up                   4.2 ms     42 samples\n");
}

/* As add_down(), of a target that nobody has named. */
static struct fake_target *add_guessed(struct sampler *sampler, const char *name,
                                       enum client_reason reason) {
    struct fake_target *fake = add_down(sampler, name);
    fake->options.guessed = true;
    fake->view.last_failure = (struct client_failure){0};
    fail_with(&fake->view.last_failure, reason, "why");
    return fake;
}

static void a_guess_that_is_not_there_decides_nothing(void **state) {
    struct sampler sampler = {0};
    struct strbuf out = {0};
    struct check_count count;
    add_up(&sampler, "postgres");
    add_guessed(&sampler, "redis", REASON_REFUSED);
    assert_int_equal(check_render(&sampler, NULL, CHECK_TABLE, &out, &count), CHECK_OK);
    assert_int_equal(count.targets, 2);
    assert_int_equal(count.absent, 1);
    assert_non_null(strstr(out.data, "\nredis       redis      10.0.0.3:6379   not found  refused: "
                                     "why\n"));
    strbuf_deinit(&out);
    assert_int_equal(check_render(&sampler, NULL, CHECK_NAGIOS, &out, &count), CHECK_OK);
    static const char head[] = "DBVITALS OK - 1 of 1 targets are up |";
    assert_memory_equal(out.data, head, strlen(head));
    assert_null(strstr(out.data, "'redis_up'"));
    assert_non_null(strstr(out.data, "\nredis (redis 10.0.0.3:6379): not found, refused: why\n"));
    strbuf_deinit(&out);
    assert_int_equal(check_render(&sampler, "redis", CHECK_JSON, &out, &count), CHECK_OK);
    assert_int_equal(count.absent, count.targets);
    assert_non_null(strstr(out.data, "\"status\":\"not_found\",\"health\":\"down\""));
    strbuf_deinit(&out);
}

static void a_guess_that_answers_no_counts(void **state) {
    struct sampler sampler = {0};
    add_guessed(&sampler, "postgres", REASON_AUTH);
    assert_int_equal(status_of(&sampler), CHECK_CRITICAL);
    struct sampler hanging = {0};
    add_guessed(&hanging, "postgres", REASON_TIMEOUT);
    assert_int_equal(status_of(&hanging), CHECK_CRITICAL);
}

static void a_plugin_says_ok_in_one_line_with_performance_data(void **state) {
    struct sampler sampler = {0};
    add_up(&sampler, "orders-1");
    assert_rendered(&sampler, NULL, CHECK_NAGIOS, CHECK_OK,
                    "DBVITALS OK - 1 of 1 targets are up | 'orders-1_up'=1;;1:;0;1 "
                    "'orders-1_time'=0.004250s;;;0 'orders-1_samples'=42;;;0 "
                    "'orders-1_failed'=0;0;;0 'orders-1_pool'=50.0%;;;0\n"
                    "orders-1 (postgres 10.0.0.1:5432): up, primary, 4.2 ms, 42 samples, "
                    "pool 50 %\n");
}

static void a_plugin_names_what_is_bad_and_keeps_its_separators(void **state) {
    struct sampler sampler = {0};
    add_failing(&sampler, "a");
    add_down(&sampler, "b");
    add_pending(&sampler, "c");
    struct strbuf out = {0};
    struct check_count count;
    assert_int_equal(check_render(&sampler, NULL, CHECK_NAGIOS, &out, &count), CHECK_CRITICAL);
    assert_int_equal(count.targets, 3);
    static const char head[] = "DBVITALS CRITICAL - b: down; c: no answer yet; a: a collector "
                               "fails; 1 of 3 targets are up | 'a_up'=1;;1:;0;1 ";
    assert_memory_equal(out.data, head, strlen(head));
    assert_non_null(
        strstr(out.data, " 'b_up'=0;;1:;0;1 'b_time'=3.000000s;;;0 'c_up'=0;;1:;0;1\n"));
    assert_non_null(strstr(out.data, "\nb (redis 10.0.0.3:6379): down, refused: a/b 'c' \"d\"\n"));
    assert_non_null(
        strstr(out.data, "\na collector settings: permission: permission denied / for x\n"));
    assert_ptr_equal(strchr(out.data, '|'), strrchr(out.data, '|'));
    strbuf_deinit(&out);
}

static void a_plugin_names_a_few_and_counts_the_rest(void **state) {
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g"};
    struct sampler sampler = {0};
    struct strbuf out = {0};
    struct check_count count;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        add_down(&sampler, names[i]);
    }
    check_render(&sampler, NULL, CHECK_NAGIOS, &out, &count);
    assert_non_null(strstr(out.data, "- a, b, c, d, e and 2 more: down; 0 of 7 targets are up |"));
    strbuf_deinit(&out);
}

static void json_has_all_that_the_table_has(void **state) {
    struct sampler sampler = {0};
    add_failing(&sampler, "a")->view.pooler = true;
    add_down(&sampler, "b")->options.cluster = (char *)(uintptr_t) "cache";
    add_pending(&sampler, "c");
    assert_rendered(
        &sampler, NULL, CHECK_JSON, CHECK_CRITICAL,
        "[{\"name\":\"a\",\"type\":\"postgres\",\"instance\":\"10.0.0.1:5432\",\"cluster\":null,"
        "\"status\":\"warning\",\"health\":\"up\",\"role\":\"primary\",\"round_seconds\":0.00425,"
        "\"samples\":40,\"pool_usage_percent\":50,\"pooler\":true,\"failure\":null,"
        "\"failed_collectors\":[{\"name\":\"settings\",\"reason\":\"permission\","
        "\"text\":\"permission denied | for x\"}]},"
        "{\"name\":\"b\",\"type\":\"redis\",\"instance\":\"10.0.0.3:6379\",\"cluster\":\"cache\","
        "\"status\":\"critical\",\"health\":\"down\",\"role\":null,\"round_seconds\":3,"
        "\"samples\":0,\"pool_usage_percent\":null,\"pooler\":false,"
        "\"failure\":{\"reason\":\"refused\",\"text\":\"a|b\\n'c' \\\"d\\\"\"},"
        "\"failed_collectors\":[]},"
        "{\"name\":\"c\",\"type\":\"sentinel\",\"instance\":\"[::1]:26379\",\"cluster\":null,"
        "\"status\":\"unknown\",\"health\":\"pending\",\"role\":null,\"round_seconds\":null,"
        "\"samples\":0,\"pool_usage_percent\":null,\"pooler\":false,\"failure\":null,"
        "\"failed_collectors\":[]}]\n");
}

static void only_one_target_may_be_asked_for(void **state) {
    struct sampler sampler = {0};
    struct strbuf out = {0};
    struct check_count count;
    add_up(&sampler, "a");
    add_down(&sampler, "b");
    assert_int_equal(check_render(&sampler, "a", CHECK_JSON, &out, &count), CHECK_OK);
    assert_int_equal(count.targets, 1);
    assert_null(strstr(out.data, "\"b\""));
    check_render(&sampler, "x", CHECK_NAGIOS, &out, &count);
    assert_int_equal(count.targets, 0);
    strbuf_deinit(&out);
}

static void a_failed_check_is_unknown_in_one_line(void **state) {
    struct strbuf out = {0};
    check_render_failure("x.yml:1:2: 'a|b'\nis wrong", &out);
    assert_string_equal(out.data, "DBVITALS UNKNOWN - x.yml:1:2: 'a/b' is wrong\n");
    strbuf_deinit(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_worst_target_decides),
        cmocka_unit_test(the_table_has_a_line_for_each),
        cmocka_unit_test(the_table_is_as_wide_as_what_is_in_it),
        cmocka_unit_test(a_guess_that_is_not_there_decides_nothing),
        cmocka_unit_test(a_guess_that_answers_no_counts),
        cmocka_unit_test(a_plugin_says_ok_in_one_line_with_performance_data),
        cmocka_unit_test(a_plugin_names_what_is_bad_and_keeps_its_separators),
        cmocka_unit_test(a_plugin_names_a_few_and_counts_the_rest),
        cmocka_unit_test(json_has_all_that_the_table_has),
        cmocka_unit_test(only_one_target_may_be_asked_for),
        cmocka_unit_test(a_failed_check_is_unknown_in_one_line),
    };
    return cmocka_run_group_tests_name("check_format", tests, NULL, NULL);
}
