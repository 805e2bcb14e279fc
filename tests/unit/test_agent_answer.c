/* SPDX-License-Identifier: Apache-2.0 */

/* What an agent-check is told, line by line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "tests/support/fake_sampler.h"
#include "web/agent_answer.h"

#define SECOND ((uint64_t)1000 * 1000)
#define NOW    (1000 * SECOND)
#define HERE   1

struct world {
    struct sampler sampler;
    struct fake_target *replica;
    struct agent_memory memory;
    struct strbuf out;
};

static int set_up(void **state) {
    struct world *w = calloc(1, sizeof(*w));
    w->replica = fake_sampler_add(&w->sampler, "orders-2", KIND_POSTGRES, "10.0.0.2:5432");
    w->replica->view.standing.role = ROLE_REPLICA;
    w->replica->view.last_round_usec = NOW;
    w->replica->view.lag_seconds = 1;
    fake_sampler_add(&w->sampler, "host-1", KIND_HOST, "db1");
    log_set_level(LOG_LEVEL_ERROR);
    *state = w;
    return 0;
}

static int tear_down(void **state) {
    struct world *w = *state;
    strbuf_deinit(&w->out);
    free(w);
    return 0;
}

static const char *tell(struct world *w, const char *line, uint64_t peer, uint64_t now) {
    strbuf_clear(&w->out);
    agent_answer(&w->memory, &w->sampler, str_of(line), peer, now, &w->out);
    return strbuf_view(&w->out).data;
}

static const char *told(struct world *w, const char *line) {
    return tell(w, line, HERE, NOW);
}

static void goes_down(struct world *w, const char *why) {
    w->replica->view.health = TARGET_DOWN;
    w->replica->view.last_failure = (struct client_failure){.reason = REASON_REFUSED};
    error_say(&w->replica->view.last_failure.error, -1, "%s", why);
}

static void a_fit_server_is_up_with_its_weight(void **state) {
    struct world *w = *state;
    assert_string_equal(told(w, "orders-2 replica lag=5s"), "up 80%\n");
    assert_string_equal(told(w, "  orders-2   replica  lag=2s \r"), "up 50%\n");
    assert_string_equal(told(w, "orders-2"), "up 100%\n");
}

static void another_one_is_down_with_the_reason(void **state) {
    struct world *w = *state;
    assert_string_equal(told(w, "orders-2 primary"),
                        "down #it is no primary, its role is replica\n");
    assert_string_equal(told(w, "orders-2 replica lag=500ms"),
                        "down #it is 1.0 s behind, and 0.5 s are allowed\n");
    goes_down(w, "connection refused");
    assert_string_equal(told(w, "orders-2"), "down #it is down: connection refused\n");
}

static void a_reason_is_one_short_line_of_ascii(void **state) {
    struct world *w = *state;
    goes_down(
        w, "a\nready \xc3\xa9 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
           "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    const char *line = told(w, "orders-2");
    assert_true(strlen(line) < 120);
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    assert_non_null(strstr(line, "#it is down: a?ready ?? xxx"));
}

static void gentle_words_must_be_asked_for_and_are_lifted(void **state) {
    struct world *w = *state;
    assert_string_equal(told(w, "orders-2 replica lag=5s drain"), "ready up 80%\n");
    assert_non_null(strstr(told(w, "orders-2 replica lag=0s drain"), "drain #it is 1.0 s behind"));
    assert_non_null(strstr(told(w, "orders-2 replica lag=0s drain=no"), "down #"));
    facts_set(&w->replica->view.facts, FACT_PAUSED, 1);
    assert_string_equal(told(w, "orders-2 replica drain"), "maint #it is paused\n");
    assert_string_equal(told(w, "orders-2 replica"), "down #it is paused\n");
    goes_down(w, "gone");
    assert_non_null(strstr(told(w, "orders-2 replica drain"), "down #"));
}

static void nothing_is_said_of_what_is_not_known(void **state) {
    struct world *w = *state;
    assert_string_equal(tell(w, "orders-2 replica", HERE, NOW + 60 * SECOND), "");
    w->replica->view.health = TARGET_PENDING;
    assert_string_equal(told(w, "orders-2 replica"), "");
    assert_false(agent_leave(&w->memory, NOW));
}

static void nothing_is_said_to_a_mistake(void **state) {
    struct world *w = *state;
    static const char *const cases[] = {
        "",
        " ",
        "orders-3 replica",
        "orders-2 replicas",
        "host-1",
        "orders-2 replica lag=x",
        "orders-2 replica lags=5s",
        "replica orders-2",
        "orders-2 replica =",
        "orders-2 replica fallback",
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_string_equal(told(w, cases[i]), "");
    }
}

static void who_was_told_down_is_told_up_before_we_leave(void **state) {
    struct world *w = *state;
    told(w, "orders-2 replica lag=5s");
    assert_false(agent_leave(&w->memory, NOW));
    w->memory.leaving = false;
    told(w, "orders-2 replica lag=0s");
    tell(w, "orders-2 replica lag=0s", HERE + 1, NOW);
    told(w, "orders-2 read-only lag=0s drain");
    assert_true(agent_leave(&w->memory, NOW));
    goes_down(w, "gone");
    assert_string_equal(told(w, "orders-2 read-only lag=0s drain"), "ready up 100%\n");
    assert_string_equal(told(w, "orders-2 replica lag=0s"), "up 100%\n");
    assert_string_equal(told(w, "orders-2 replica lag=0s"), "up 100%\n"); /* of another backend */
    assert_string_equal(told(w, "orders-2 replica lag=5s"), "");
    assert_string_equal(tell(w, "orders-2 replica lag=0s", HERE + 1, NOW), "up 100%\n");
    assert_string_equal(tell(w, "orders-2 replica lag=0s", HERE + 2, NOW), "");
}

/* Else writes would go there as soon as nobody watches. */
static void what_was_said_about_roles_stands(void **state) {
    struct world *w = *state;
    assert_string_equal(told(w, "orders-2 primary"),
                        "down #it is no primary, its role is replica\n");
    told(w, "orders-2 writable");
    w->replica->view.standing.role = ROLE_PRIMARY;
    told(w, "orders-2 replica");
    goes_down(w, "gone");
    assert_string_equal(told(w, "orders-2 primary"), "down #it is down: gone\n");
    assert_false(agent_leave(&w->memory, NOW));
    assert_string_equal(told(w, "orders-2 primary"), "");
}

static void who_is_up_again_or_has_not_asked_for_long_is_not_waited_for(void **state) {
    struct world *w = *state;
    w->replica->view.lag_seconds = 9;
    told(w, "orders-2 replica lag=5s");
    w->replica->view.lag_seconds = 1;
    told(w, "orders-2 replica lag=5s");
    assert_false(agent_leave(&w->memory, NOW));
    w->memory.leaving = false;
    w->replica->view.lag_seconds = 9;
    told(w, "orders-2 replica lag=5s");
    assert_true(agent_leave(&w->memory, NOW + 59 * SECOND));
    assert_false(agent_leave(&w->memory, NOW + 60 * SECOND));
}

static void remembers_a_bounded_number(void **state) {
    struct world *w = *state;
    uint64_t end = NOW + 3 * AGENT_MOST_HELD;
    goes_down(w, "gone");
    for (uint64_t peer = 0; peer < 3 * AGENT_MOST_HELD; peer++) {
        assert_non_null(strstr(tell(w, "orders-2", peer, NOW + peer), "down #"));
    }
    assert_true(agent_leave(&w->memory, end));
    for (uint64_t peer = 0; peer < 3 * AGENT_MOST_HELD; peer++) {
        const char *expected = peer < 2 * AGENT_MOST_HELD ? "" : "up 100%\n";
        assert_string_equal(tell(w, "orders-2", peer, end), expected);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_fit_server_is_up_with_its_weight, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_one_is_down_with_the_reason, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_reason_is_one_short_line_of_ascii, set_up, tear_down),
        cmocka_unit_test_setup_teardown(gentle_words_must_be_asked_for_and_are_lifted, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_said_of_what_is_not_known, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_said_to_a_mistake, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_was_told_down_is_told_up_before_we_leave, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_was_said_about_roles_stands, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_up_again_or_has_not_asked_for_long_is_not_waited_for,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(remembers_a_bounded_number, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
