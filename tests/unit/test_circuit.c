/* SPDX-License-Identifier: Apache-2.0 */

/* Breakers for applications: when they open, whom they let pass, and what closes them. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/duration.h"
#include "breaker/circuit.h"

#define T0 ((uint64_t)100000 * USEC_PER_SEC)

static struct circuit begin(struct circuit_policy policy) {
    struct circuit circuit;
    circuit_init(&circuit, &policy, T0);
    return circuit;
}

static struct circuit usual(void) {
    return begin(circuit_policy_default);
}

/* Calls of one kind, a millisecond apart. Return: time behind them. */
static uint64_t calls(struct circuit *circuit, unsigned n, bool failed, uint64_t duration_usec,
                      uint64_t now) {
    for (unsigned i = 0; i < n; i++, now += USEC_PER_MSEC) {
        circuit_call(circuit, now, failed, duration_usec, 0.5);
    }
    return now;
}

static bool pressure(struct circuit *circuit, uint64_t now, double utilisation, unsigned waiting) {
    return circuit_pressure(circuit, now, &(struct circuit_pressure){utilisation, waiting, 0}, 0.5);
}

static void expect(const struct circuit *circuit, enum breaker_state state,
                   enum circuit_reason reason) {
    assert_string_equal(breaker_state_names[circuit->breaker.state], breaker_state_names[state]);
    assert_string_equal(circuit_reason_names[circuit->reason], circuit_reason_names[reason]);
}

static void failures_in_a_row_open_it(void **state) {
    struct circuit circuit = usual();
    uint64_t now = calls(&circuit, 4, true, 0, T0);
    now = calls(&circuit, 1, false, 0, now);
    now = calls(&circuit, 4, true, 0, now);
    expect(&circuit, BREAKER_CLOSED, CIRCUIT_NO_REASON);
    assert_true(circuit_call(&circuit, now, true, 0, 0.5));
    expect(&circuit, BREAKER_OPEN, CIRCUIT_FAILURES);
    assert_false(circuit_allow(&circuit, now));
}

static void half_of_enough_calls_open_it(void **state) {
    struct circuit circuit = usual();
    uint64_t now = T0;
    for (unsigned i = 0; i < 4; i++) {
        now = calls(&circuit, 1, true, 0, now);
        now = calls(&circuit, 1, false, 0, now);
    }
    now = calls(&circuit, 1, false, 0, now);
    expect(&circuit, BREAKER_CLOSED,
           CIRCUIT_NO_REASON); /* 4 of 9: too few calls, too few failures */
    calls(&circuit, 1, true, 0, now);
    expect(&circuit, BREAKER_OPEN, CIRCUIT_FAILURE_RATE); /* 5 of 10 */
}

static void what_is_older_than_the_window_does_not_count(void **state) {
    struct circuit circuit = usual();
    uint64_t now = T0;
    for (unsigned i = 0; i < 4; i++) {
        now = calls(&circuit, 1, true, 0, now);
        now = calls(&circuit, 1, false, 0, now);
    }
    now += 61 * USEC_PER_SEC;
    now = calls(&circuit, 9, false, 0, now);
    calls(&circuit, 4, true, 0, now);
    expect(&circuit, BREAKER_CLOSED, CIRCUIT_NO_REASON); /* 4 of 13 */
    assert_int_equal(call_window_counts(&circuit.window, now).calls, 13);
}

static void slow_calls_open_it_only_when_they_are_judged(void **state) {
    struct circuit_policy policy = circuit_policy_default;
    struct circuit circuit = begin(policy);
    calls(&circuit, 50, false, 200 * USEC_PER_MSEC, T0);
    expect(&circuit, BREAKER_CLOSED, CIRCUIT_NO_REASON);
    assert_int_equal(circuit.calls_total[CIRCUIT_SLOW], 50);
    policy.slow_rate = 0.8;
    circuit = begin(policy);
    uint64_t now = calls(&circuit, 2, false, 100 * USEC_PER_MSEC, T0); /* not over it */
    now = calls(&circuit, 7, false, 101 * USEC_PER_MSEC, now);
    expect(&circuit, BREAKER_CLOSED, CIRCUIT_NO_REASON);
    calls(&circuit, 1, false, 101 * USEC_PER_MSEC, now);
    expect(&circuit, BREAKER_OPEN, CIRCUIT_SLOW_RATE);
}

struct pressure_case {
    double utilisation;
    unsigned waiting;
    uint64_t wait_usec;
    enum circuit_reason reason;
};

static void pressure_opens_at_its_limits(void **state) {
    static const struct pressure_case cases[] = {
        {0.849, 4, 0, CIRCUIT_NO_REASON},        {0.85, 0, 0, CIRCUIT_UTILISATION},
        {1.0, 0, 0, CIRCUIT_UTILISATION},        {0.1, 5, 2 * USEC_PER_SEC, CIRCUIT_WAITING},
        {0.1, 5, 0, CIRCUIT_NO_REASON},          {NAN, 0, 0, CIRCUIT_NO_REASON},
        {NAN, 9, USEC_PER_SEC, CIRCUIT_WAITING},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct circuit_policy policy = circuit_policy_default;
        policy.minimum_wait_usec = USEC_PER_SEC;
        struct circuit circuit = begin(policy);
        const struct circuit_pressure sample = {cases[i].utilisation, cases[i].waiting,
                                                cases[i].wait_usec};
        bool opened = circuit_pressure(&circuit, T0, &sample, 0.5);
        assert_int_equal(opened, cases[i].reason != CIRCUIT_NO_REASON);
        expect(&circuit, opened ? BREAKER_OPEN : BREAKER_CLOSED, cases[i].reason);
    }
}

static void a_burst_is_no_pressure_when_rounds_are_asked_for(void **state) {
    struct circuit_policy policy = circuit_policy_default;
    policy.rounds = 3;
    struct circuit circuit = begin(policy);
    assert_false(pressure(&circuit, T0, 0.9, 0));
    assert_false(pressure(&circuit, T0, 0.9, 0));
    assert_false(pressure(&circuit, T0, 0.5, 0));
    assert_false(pressure(&circuit, T0, 0.9, 0));
    assert_false(pressure(&circuit, T0, 0.9, 0));
    assert_true(pressure(&circuit, T0, 0.9, 9));
}

/* Opened by pressure at T0. Return: when its timeout is over. */
static uint64_t open_and_wait(struct circuit *circuit) {
    assert_true(pressure(circuit, T0, 0.9, 0));
    return circuit->breaker.next_attempt_usec;
}

static void calm_samples_close_it_but_only_after_the_timeout(void **state) {
    struct circuit circuit = usual();
    uint64_t half = open_and_wait(&circuit);
    assert_false(pressure(&circuit, half - 1, 0.1, 0));
    expect(&circuit, BREAKER_OPEN, CIRCUIT_UTILISATION);
    assert_int_equal(circuit_retry_after(&circuit, half - 1), 1);
    assert_false(pressure(&circuit, half, 0.69, 0));
    expect(&circuit, BREAKER_HALF_OPEN, CIRCUIT_UTILISATION);
    assert_false(pressure(&circuit, half, 0.1, 0));
    assert_true(pressure(&circuit, half, 0.1, 0));
    expect(&circuit, BREAKER_CLOSED, CIRCUIT_NO_REASON);
}

static void between_both_levels_it_opens_again_for_longer(void **state) {
    struct circuit circuit = usual();
    uint64_t half = open_and_wait(&circuit);
    uint64_t first = half - T0;
    assert_true(pressure(&circuit, half, 0.75, 0)); /* opens at 0.85, closes below 0.70 */
    expect(&circuit, BREAKER_OPEN, CIRCUIT_UTILISATION);
    uint64_t second = circuit.breaker.next_attempt_usec - half;
    assert_true(second > first * 3 / 2);
}

static void an_unknown_pool_neither_closes_nor_opens_it(void **state) {
    struct circuit circuit = usual();
    uint64_t half = open_and_wait(&circuit);
    for (unsigned i = 0; i < 10; i++) {
        assert_false(pressure(&circuit, half, NAN, 0));
    }
    expect(&circuit, BREAKER_HALF_OPEN, CIRCUIT_UTILISATION);
}

static void exactly_the_fraction_passes_while_half_open(void **state) {
    static const struct {
        double fraction;
        unsigned of, pass;
    } cases[] = {{0.5, 1000, 500}, {0.1, 1000, 100},  {1, 10, 10},
                 {0, 1000, 0},     {0.25, 1001, 251}, {0.333333, 999999, 333333}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct circuit_policy policy = circuit_policy_default;
        policy.fraction = cases[i].fraction;
        struct circuit circuit = begin(policy);
        uint64_t half = open_and_wait(&circuit);
        unsigned passed = 0, row = 0, longest = 0;
        for (unsigned n = 0; n < cases[i].of; n++) {
            bool pass = circuit_allow(&circuit, half);
            passed += pass;
            row = pass ? row + 1 : 0;
            longest = row > longest ? row : longest;
        }
        assert_int_equal(passed, cases[i].pass);
        assert_int_equal(circuit.breaker.rejected_total, cases[i].of - passed);
        assert_true(cases[i].fraction > 0.5 || longest <= 1); /* evenly spread */
    }
}

/* ---- shedding ---- */

static struct circuit shedder(double fraction, unsigned rounds) {
    struct circuit_policy policy = circuit_policy_default;
    policy.shed_fraction = fraction;
    policy.rounds = rounds;
    return begin(policy);
}

static unsigned rejected_of(struct circuit *circuit, unsigned asked) {
    unsigned rejected = 0;
    for (unsigned i = 0; i < asked; i++) {
        rejected += !circuit_allow(circuit, T0);
    }
    return rejected;
}

static void exactly_the_shed_fraction_is_told_no(void **state) {
    static const struct {
        double fraction;
        unsigned of, rejected;
    } cases[] = {{0.5, 1000, 500}, {0.1, 1000, 100},       {0.25, 1000, 250},
                 {0.2, 1004, 200}, {0.01, 1000, 10},       {1, 100, 100},
                 {0.9, 1000, 900}, {0.000001, 1000000, 1}, {0, 100000, 0}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct circuit circuit = shedder(cases[i].fraction, 1);
        assert_false(pressure(&circuit, T0, 0.75, 0));
        assert_int_equal(rejected_of(&circuit, cases[i].of), cases[i].rejected);
        assert_int_equal(circuit.breaker.rejected_total, cases[i].rejected);
        expect(&circuit, BREAKER_CLOSED, CIRCUIT_NO_REASON);
    }
}

/* A share is kept over samples: each of them starting anew would let the first one pass again. */
static void the_share_goes_on_from_sample_to_sample(void **state) {
    struct circuit circuit = shedder(0.75, 1);
    unsigned rejected = 0;
    for (unsigned i = 0; i < 400; i++) {
        assert_false(pressure(&circuit, T0, 0.75, 0));
        rejected += rejected_of(&circuit, 1);
    }
    assert_int_equal(rejected, 300);
}

static void it_sheds_from_its_level_up_to_the_one_that_opens(void **state) {
    static const struct {
        double utilisation;
        enum circuit_reason reason;
    } cases[] = {{0.699, CIRCUIT_NO_REASON},
                 {0.70, CIRCUIT_UTILISATION},
                 {0.849, CIRCUIT_UTILISATION},
                 {NAN, CIRCUIT_NO_REASON}};
    struct circuit circuit = shedder(0.5, 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_false(pressure(&circuit, T0, cases[i].utilisation, 4));
        assert_int_equal(circuit.shed_reason, cases[i].reason);
        bool sheds = cases[i].reason != CIRCUIT_NO_REASON;
        assert_int_equal(rejected_of(&circuit, 10), sheds ? 5 : 0);
        assert_int_equal(circuit_retry_after(&circuit, T0), sheds ? USEC_PER_SEC : 0);
    }
    assert_false(pressure(&circuit, T0, 0.8, 0));
    assert_true(pressure(&circuit, T0, 0.85, 0));
    expect(&circuit, BREAKER_OPEN, CIRCUIT_UTILISATION);
    assert_false(circuit_is_shedding(&circuit));
}

static void rounds_that_are_not_enough_to_open_it_shed(void **state) {
    struct circuit circuit = shedder(0.5, 3);
    circuit.policy.shed_utilisation = 0; /* by these rounds alone */
    assert_false(pressure(&circuit, T0, 0.84, 4));
    assert_int_equal(rejected_of(&circuit, 10), 0);
    assert_false(pressure(&circuit, T0, 0.1, 5));
    assert_int_equal(circuit.shed_reason, CIRCUIT_WAITING);
    assert_int_equal(rejected_of(&circuit, 10), 5);
    assert_false(pressure(&circuit, T0, 0.9, 5));
    assert_false(pressure(&circuit, T0, 0.1, 0));
    assert_int_equal(rejected_of(&circuit, 10), 0); /* a burst, and it is over */
    for (unsigned round = 1; round <= 3; round++) {
        assert_int_equal(pressure(&circuit, T0, 0.1, 5), round == 3);
    }
    expect(&circuit, BREAKER_OPEN, CIRCUIT_WAITING);
}

static void it_sheds_only_while_it_is_closed_and_sees_the_pool(void **state) {
    struct circuit_policy policy;
    struct circuit circuit = shedder(0.5, 1);
    assert_false(pressure(&circuit, T0, 0.8, 0));
    circuit_pressure_unknown(&circuit);
    assert_int_equal(rejected_of(&circuit, 10), 0);
    assert_false(pressure(&circuit, T0, 0.8, 0));
    assert_true(circuit_order(&circuit, BREAKER_FORCE_CLOSED, T0));
    assert_false(pressure(&circuit, T0, 0.8, 0));
    assert_int_equal(rejected_of(&circuit, 10), 0);
    assert_true(circuit_order(&circuit, BREAKER_LIFT, T0));
    assert_false(pressure(&circuit, T0, 0.8, 0));
    assert_int_equal(rejected_of(&circuit, 10), 5);
    policy = circuit.policy;
    policy.shed_fraction = 0;
    circuit_configure(&circuit, &policy);
    assert_false(circuit_is_shedding(&circuit));
    assert_int_equal(rejected_of(&circuit, 10), 0);
    assert_false(pressure(&circuit, T0, 0.8, 0));
    assert_false(circuit_is_shedding(&circuit));
}

static void calls_prove_it_or_refute_it(void **state) {
    struct circuit circuit = usual();
    uint64_t half = open_and_wait(&circuit);
    assert_true(circuit_allow(&circuit, half));
    calls(&circuit, 2, false, 0, half);
    expect(&circuit, BREAKER_HALF_OPEN, CIRCUIT_UTILISATION);
    calls(&circuit, 1, false, 0, half);
    expect(&circuit, BREAKER_CLOSED, CIRCUIT_NO_REASON);
    half = open_and_wait(&circuit);
    assert_true(circuit_tick(&circuit, half));
    assert_true(circuit_call(&circuit, half, true, 0, 0.5));
    expect(&circuit, BREAKER_OPEN, CIRCUIT_FAILURES);
}

static void old_failures_do_not_open_a_closed_one_again(void **state) {
    struct circuit_policy policy = circuit_policy_default;
    policy.timeout_usec = USEC_PER_SEC;
    struct circuit circuit = begin(policy);
    uint64_t now = calls(&circuit, 5, false, 0, T0);
    now = calls(&circuit, 5, true, 0, now);
    expect(&circuit, BREAKER_OPEN, CIRCUIT_FAILURES);
    now = circuit.breaker.next_attempt_usec; /* within the window of those calls */
    assert_true(circuit_allow(&circuit, now));
    now = calls(&circuit, 3, false, 0, now);
    expect(&circuit, BREAKER_CLOSED, CIRCUIT_NO_REASON);
    calls(&circuit, 1, true, 0, now);
    expect(&circuit, BREAKER_CLOSED, CIRCUIT_NO_REASON);
}

static void an_expression_opens_and_closes_it(void **state) {
    struct circuit circuit = usual();
    assert_false(circuit_signal(&circuit, T0, false, 0.5));
    assert_true(circuit_signal(&circuit, T0, true, 0.5));
    expect(&circuit, BREAKER_OPEN, CIRCUIT_EXPRESSION);
    uint64_t half = circuit.breaker.next_attempt_usec;
    assert_false(circuit_signal(&circuit, half, false, 0.5));
    assert_false(circuit_signal(&circuit, half, false, 0.5));
    assert_true(circuit_signal(&circuit, half, false, 0.5));
    expect(&circuit, BREAKER_CLOSED, CIRCUIT_NO_REASON);
}

static void an_operator_has_the_last_word(void **state) {
    struct circuit circuit = usual();
    assert_true(circuit_order(&circuit, BREAKER_FORCE_CLOSED, T0));
    assert_false(pressure(&circuit, T0, 1.0, 99));
    calls(&circuit, 20, true, 0, T0);
    assert_true(circuit_allow(&circuit, T0));
    assert_true(circuit_order(&circuit, BREAKER_FORCE_OPEN, T0));
    assert_false(circuit_allow(&circuit, T0 + 3600 * USEC_PER_SEC));
    assert_true(circuit_retry_after(&circuit, T0) > 0);
    assert_true(circuit_order(&circuit, BREAKER_LIFT, T0));
    assert_true(circuit_allow(&circuit, T0));
    expect(&circuit, BREAKER_CLOSED, CIRCUIT_NO_REASON);
}

/* The window is compared with a list of all calls: what it holds is what lies in its buckets. */
static void another_policy_keeps_state_and_timeout(void **state) {
    struct circuit_policy policy = circuit_policy_default;
    struct circuit circuit = usual();
    uint64_t now = calls(&circuit, 5, true, 0, T0);
    policy.timeout_usec = 2 * USEC_PER_SEC;
    policy.consecutive_failures = 1;
    circuit_configure(&circuit, &policy);
    expect(&circuit, BREAKER_OPEN, CIRCUIT_FAILURES);
    assert_false(circuit_tick(&circuit, T0 + 29 * USEC_PER_SEC));
    assert_true(circuit_tick(&circuit, T0 + 31 * USEC_PER_SEC));
    assert_int_equal(call_window_counts(&circuit.window, now).failures, 5);
    calls(&circuit, 3, false, 0, T0 + 31 * USEC_PER_SEC);
    expect(&circuit, BREAKER_CLOSED, CIRCUIT_NO_REASON);
    calls(&circuit, 1, true, 0, T0 + 32 * USEC_PER_SEC);
    expect(&circuit, BREAKER_OPEN, CIRCUIT_FAILURES);
    assert_int_equal(circuit_retry_after(&circuit, T0 + 32 * USEC_PER_SEC), 2 * USEC_PER_SEC);
}

static void a_reopened_one_has_its_reason(void **state) {
    struct circuit circuit = usual();
    assert_true(circuit_reopen(&circuit, T0, CIRCUIT_WAITING, 0.5));
    expect(&circuit, BREAKER_OPEN, CIRCUIT_WAITING);
    assert_false(circuit_reopen(&circuit, T0, CIRCUIT_FAILURES, 0.5));
}

static void the_window_counts_what_lies_in_it(void **state) {
    struct call_window window;
    static uint64_t times[4096];
    size_t n = 0, first = 0;
    uint64_t now = T0, random = 88172645463325252u;
    call_window_init(&window, 12 * USEC_PER_SEC);
    for (unsigned step = 0; step < 4096; step++) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        now += random % (random % 50 == 0 ? 20 * USEC_PER_SEC : 300 * USEC_PER_MSEC);
        call_window_add(&window, now, false, false);
        times[n++] = now;
        while (times[first] / USEC_PER_SEC + CALL_WINDOW_BUCKETS <= now / USEC_PER_SEC) {
            first++;
        }
        assert_int_equal(call_window_counts(&window, now).calls, n - first);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failures_in_a_row_open_it),
        cmocka_unit_test(half_of_enough_calls_open_it),
        cmocka_unit_test(what_is_older_than_the_window_does_not_count),
        cmocka_unit_test(slow_calls_open_it_only_when_they_are_judged),
        cmocka_unit_test(pressure_opens_at_its_limits),
        cmocka_unit_test(a_burst_is_no_pressure_when_rounds_are_asked_for),
        cmocka_unit_test(calm_samples_close_it_but_only_after_the_timeout),
        cmocka_unit_test(between_both_levels_it_opens_again_for_longer),
        cmocka_unit_test(an_unknown_pool_neither_closes_nor_opens_it),
        cmocka_unit_test(exactly_the_fraction_passes_while_half_open),
        cmocka_unit_test(exactly_the_shed_fraction_is_told_no),
        cmocka_unit_test(the_share_goes_on_from_sample_to_sample),
        cmocka_unit_test(it_sheds_from_its_level_up_to_the_one_that_opens),
        cmocka_unit_test(rounds_that_are_not_enough_to_open_it_shed),
        cmocka_unit_test(it_sheds_only_while_it_is_closed_and_sees_the_pool),
        cmocka_unit_test(calls_prove_it_or_refute_it),
        cmocka_unit_test(old_failures_do_not_open_a_closed_one_again),
        cmocka_unit_test(an_expression_opens_and_closes_it),
        cmocka_unit_test(an_operator_has_the_last_word),
        cmocka_unit_test(another_policy_keeps_state_and_timeout),
        cmocka_unit_test(a_reopened_one_has_its_reason),
        cmocka_unit_test(the_window_counts_what_lies_in_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
