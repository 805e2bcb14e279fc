/* SPDX-License-Identifier: Apache-2.0 */

/* The circuit breaker: its table is complete, and it opens, finds out and closes as it should. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/duration.h"
#include "base/str.h"
#include "breaker/breaker.h"

#define T0 ((uint64_t)1000 * USEC_PER_SEC)

static const struct breaker_options usual = {
    .consecutive_failures = 5,
    .successes = 3,
    .timeout_usec = 30 * USEC_PER_SEC,
    .max_timeout_usec = 300 * USEC_PER_SEC,
};

static void fail_times(struct breaker *breaker, unsigned times, uint64_t now) {
    for (unsigned i = 0; i < times; i++) {
        breaker_failure(breaker, now, 0.5);
    }
}

static void every_state_and_event_has_its_row(void **state) {
    (void)state;
    for (int from = 0; from < BREAKER_STATE_COUNT; from++) {
        for (int event = 0; event < BREAKER_EVENT_COUNT; event++) {
            const struct breaker_transition *row =
                &breaker_transitions[from * BREAKER_EVENT_COUNT + event];
            assert_int_equal(row->from, from);
            assert_int_equal(row->event, event);
            assert_in_range(row->to, 0, BREAKER_STATE_COUNT - 1);
            if (row->action == BREAKER_KEEP) {
                assert_int_equal(row->to, row->from);
            }
        }
    }
}

static void every_state_is_reached_from_closed(void **state) {
    (void)state;
    bool reached[BREAKER_STATE_COUNT] = {[BREAKER_CLOSED] = true};
    for (int step = 0; step < BREAKER_STATE_COUNT; step++) {
        for (int i = 0; i < BREAKER_STATE_COUNT * BREAKER_EVENT_COUNT; i++) {
            if (reached[breaker_transitions[i].from]) {
                reached[breaker_transitions[i].to] = true;
            }
        }
    }
    for (int i = 0; i < BREAKER_STATE_COUNT; i++) {
        assert_true(reached[i]);
    }
}

static void only_a_proof_or_an_operator_closes_it(void **state) {
    (void)state;
    for (int i = 0; i < BREAKER_STATE_COUNT * BREAKER_EVENT_COUNT; i++) {
        const struct breaker_transition *row = &breaker_transitions[i];
        if (row->to == BREAKER_CLOSED && row->from != BREAKER_CLOSED) {
            assert_true(row->event == BREAKER_PROVEN || row->event == BREAKER_LIFT);
        }
    }
}

/* docs/breakers.md holds this text; whoever changes the table pastes the new one. */
static void the_diagram_in_the_manual_is_this_table(void **state) {
    (void)state;
    const char *path = getenv("DBVITALS_BREAKER_DOC");
    assert_non_null(path);
    struct strbuf wanted = {0}, found = {0};
    for (int i = 0; i < BREAKER_STATE_COUNT * BREAKER_EVENT_COUNT; i++) {
        const struct breaker_transition *row = &breaker_transitions[i];
        if (row->to != row->from) {
            strbuf_printf(&wanted, "    %-13s --%s--> %s\n", breaker_state_names[row->from],
                          breaker_event_names[row->event], breaker_state_names[row->to]);
        }
    }
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    char line[512];
    while (fgets(line, sizeof(line), file) != NULL) {
        strbuf_add_text(&found, line);
    }
    fclose(file);
    if (strstr(found.data, wanted.data) == NULL) {
        print_error("%s lacks this diagram:\n%s", path, wanted.data);
        fail();
    }
    strbuf_deinit(&wanted);
    strbuf_deinit(&found);
}

static void opens_after_failures_in_a_row_only(void **state) {
    (void)state;
    struct breaker breaker;
    breaker_init(&breaker, &usual, T0);
    fail_times(&breaker, 4, T0);
    breaker_success(&breaker, T0);
    fail_times(&breaker, 4, T0);
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    assert_true(breaker_failure(&breaker, T0, 0.5));
    assert_int_equal(breaker.state, BREAKER_OPEN);
    assert_int_equal(breaker_metric_state(&breaker), 1);
}

static void refuses_until_the_timeout_and_then_tries(void **state) {
    (void)state;
    struct breaker breaker;
    breaker_init(&breaker, &usual, T0);
    fail_times(&breaker, 5, T0);
    assert_int_equal(breaker_allow(&breaker, T0 + 29 * USEC_PER_SEC), BREAKER_REJECT);
    assert_int_equal(breaker.rejected_total, 1);
    assert_int_equal(breaker_allow(&breaker, T0 + 30 * USEC_PER_SEC), BREAKER_TRY);
    assert_int_equal(breaker_metric_state(&breaker), 2);
}

static void closes_after_enough_successes(void **state) {
    (void)state;
    struct breaker breaker;
    breaker_init(&breaker, &usual, T0);
    fail_times(&breaker, 5, T0);
    breaker_allow(&breaker, T0 + 30 * USEC_PER_SEC);
    assert_false(breaker_success(&breaker, T0 + 31 * USEC_PER_SEC));
    assert_false(breaker_success(&breaker, T0 + 32 * USEC_PER_SEC));
    assert_true(breaker_success(&breaker, T0 + 33 * USEC_PER_SEC));
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    assert_true(breaker_open_seconds(&breaker, T0 + 60 * USEC_PER_SEC) == 30.0);
}

static void waits_longer_each_time_it_opens_again(void **state) {
    (void)state;
    struct breaker breaker;
    breaker_init(&breaker, &usual, T0);
    uint64_t now = T0, waits[6];
    fail_times(&breaker, 5, now);
    for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
        waits[i] = (breaker.next_attempt_usec - now) / USEC_PER_SEC;
        now = breaker.next_attempt_usec;
        assert_int_equal(breaker_allow(&breaker, now), BREAKER_TRY);
        assert_true(breaker_failure(&breaker, now, 0.5));
    }
    const uint64_t wanted[] = {30, 60, 120, 240, 300, 300};
    assert_memory_equal(waits, wanted, sizeof(wanted));
}

static void jitter_stays_within_a_fifth(void **state) {
    (void)state;
    const double numbers[] = {0.0, 0.999999};
    const uint64_t wanted[] = {24, 35};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        struct breaker breaker;
        breaker_init(&breaker, &usual, T0);
        for (int n = 0; n < 5; n++) {
            breaker_failure(&breaker, T0, numbers[i]);
        }
        assert_int_equal((breaker.next_attempt_usec - T0) / USEC_PER_SEC, wanted[i]);
    }
}

static void around_sampling_each_call_is_a_try_and_one_success_closes(void **state) {
    (void)state;
    struct breaker breaker;
    struct breaker_options sampling = usual;
    sampling.probe_while_open = true;
    sampling.successes = 1;
    breaker_init(&breaker, &sampling, T0);
    fail_times(&breaker, 5, T0);
    assert_int_equal(breaker_allow(&breaker, T0 + 1), BREAKER_TRY);
    assert_false(breaker_failure(&breaker, T0 + 2, 0.5));
    assert_int_equal(breaker_allow(&breaker, T0 + 3), BREAKER_TRY);
    assert_true(breaker_success(&breaker, T0 + 4));
    assert_int_equal(breaker_allow(&breaker, T0 + 5), BREAKER_PASS);
}

static void an_order_stands_until_it_is_lifted(void **state) {
    (void)state;
    struct breaker breaker;
    breaker_init(&breaker, &usual, T0);
    assert_true(breaker_order(&breaker, BREAKER_FORCE_OPEN, T0));
    breaker_success(&breaker, T0 + 1);
    assert_int_equal(breaker_allow(&breaker, T0 + 3600 * USEC_PER_SEC), BREAKER_REJECT);
    assert_true(breaker_order(&breaker, BREAKER_FORCE_CLOSED, T0 + 2));
    fail_times(&breaker, 50, T0 + 3);
    assert_int_equal(breaker_allow(&breaker, T0 + 4), BREAKER_PASS);
    assert_int_equal(breaker_metric_state(&breaker), 0);
    assert_true(breaker_order(&breaker, BREAKER_LIFT, T0 + 5));
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    assert_false(breaker_order(&breaker, BREAKER_TRIPPED, T0 + 6));
}

static void counts_each_change_of_state(void **state) {
    (void)state;
    struct breaker breaker;
    breaker_init(&breaker, &usual, T0);
    fail_times(&breaker, 5, T0);
    breaker_allow(&breaker, T0 + 30 * USEC_PER_SEC);
    breaker_failure(&breaker, T0 + 30 * USEC_PER_SEC, 0.5);
    assert_int_equal(breaker.transitions[BREAKER_CLOSED][BREAKER_OPEN], 1);
    assert_int_equal(breaker.transitions[BREAKER_OPEN][BREAKER_HALF_OPEN], 1);
    assert_int_equal(breaker.transitions[BREAKER_HALF_OPEN][BREAKER_OPEN], 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_and_event_has_its_row),
        cmocka_unit_test(every_state_is_reached_from_closed),
        cmocka_unit_test(only_a_proof_or_an_operator_closes_it),
        cmocka_unit_test(the_diagram_in_the_manual_is_this_table),
        cmocka_unit_test(opens_after_failures_in_a_row_only),
        cmocka_unit_test(refuses_until_the_timeout_and_then_tries),
        cmocka_unit_test(closes_after_enough_successes),
        cmocka_unit_test(waits_longer_each_time_it_opens_again),
        cmocka_unit_test(jitter_stays_within_a_fifth),
        cmocka_unit_test(around_sampling_each_call_is_a_try_and_one_success_closes),
        cmocka_unit_test(an_order_stands_until_it_is_lifted),
        cmocka_unit_test(counts_each_change_of_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
