/* SPDX-License-Identifier: Apache-2.0 */

/* What is kept of a server's good rounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sampler/standing.h"

static struct facts server(enum server_role role, int64_t timeline) {
    struct facts facts = {0};
    facts_set(&facts, FACT_ROLE, role);
    facts_set(&facts, FACT_TIMELINE, timeline);
    return facts;
}

static struct facts host(int64_t busy, int64_t total) {
    struct facts facts = {0};
    facts_set(&facts, FACT_CPU_BUSY_TICKS, busy);
    facts_set(&facts, FACT_CPU_TOTAL_TICKS, total);
    return facts;
}

static void update(struct standing *standing, struct facts facts, double seconds, uint64_t now) {
    standing_update(standing, &facts, seconds, now);
}

static void a_role_has_the_time_of_the_first_round_that_found_it(void **state) {
    (void)state;
    struct standing standing = {0};
    update(&standing, server(ROLE_REPLICA, 1), 0.1, 10);
    update(&standing, server(ROLE_REPLICA, 1), 0.1, 20);
    assert_int_equal(standing.since_usec, 10);
    update(&standing, server(ROLE_PRIMARY, 2), 0.1, 30);
    assert_int_equal(standing.role, ROLE_PRIMARY);
    assert_int_equal(standing.timeline, 2);
    assert_int_equal(standing.since_usec, 30);
}

static void what_is_usual_does_not_include_the_last_round(void **state) {
    (void)state;
    struct standing standing = {0};
    update(&standing, server(ROLE_PRIMARY, 1), 0.1, 10);
    assert_true(standing.usual_round_seconds == 0);
    for (uint64_t i = 0; i < 50; i++) {
        update(&standing, server(ROLE_PRIMARY, 1), 0.1, 20 + i);
    }
    update(&standing, server(ROLE_PRIMARY, 1), 2.0, 100);
    assert_true(fabs(standing.usual_round_seconds - 0.1) < 1e-9);
    assert_true(standing.last_round_seconds == 2.0);
    update(&standing, server(ROLE_PRIMARY, 1), 2.0, 110);
    assert_true(fabs(standing.usual_round_seconds - 0.29) < 1e-9);
}

static void processors_are_judged_from_round_to_round(void **state) {
    (void)state;
    struct standing standing = {0};
    update(&standing, host(1000, 100000), 0, 10);
    assert_true(isnan(standing.cpu_busy_ratio));
    update(&standing, host(1090, 100100), 0, 20);
    assert_true(fabs(standing.cpu_busy_ratio - 0.9) < 1e-9);
    update(&standing, host(1090, 100100), 0, 30); /* was not asked */
    assert_true(fabs(standing.cpu_busy_ratio - 0.9) < 1e-9);
    update(&standing, host(5, 10), 0, 40); /* began anew */
    assert_true(isnan(standing.cpu_busy_ratio));
    update(&standing, host(INT64_MIN, INT64_MAX), 0, 50);
    assert_true(isnan(standing.cpu_busy_ratio));
}

static void a_server_without_processors_has_no_share(void **state) {
    (void)state;
    struct standing standing = {0};
    update(&standing, server(ROLE_PRIMARY, 1), 0.1, 10);
    update(&standing, server(ROLE_PRIMARY, 1), 0.1, 20);
    assert_true(isnan(standing.cpu_busy_ratio));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_role_has_the_time_of_the_first_round_that_found_it),
        cmocka_unit_test(what_is_usual_does_not_include_the_last_round),
        cmocka_unit_test(processors_are_judged_from_round_to_round),
        cmocka_unit_test(a_server_without_processors_has_no_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
