/* SPDX-License-Identifier: Apache-2.0 */

/* The lag of a replica over several rounds: never an alarm for an idle primary, never silence about
 * a lost one. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sampler/lag.h"

#define T0 ((int64_t)1000000)

static struct facts replica(int64_t received, int64_t replayed, bool connected) {
    struct facts facts = {0};
    facts_set(&facts, FACT_ROLE, ROLE_REPLICA);
    facts_set(&facts, FACT_RECEIVE_POSITION, received);
    facts_set(&facts, FACT_REPLAY_POSITION, replayed);
    facts_set(&facts, FACT_RECEIVER_CONNECTED, connected);
    return facts;
}

static struct facts with_age(struct facts facts, int64_t age_ms) {
    facts_set(&facts, FACT_REPLAY_AGE_MS, age_ms);
    return facts;
}

static double lag_at(struct lag *lag, struct facts facts, int64_t now_ms) {
    double seconds = -1;
    return lag_update(lag, &facts, now_ms, &seconds) ? seconds : -1;
}

static void is_zero_on_an_idle_caught_up_replica(void **state) {
    (void)state;
    struct lag lag = {0};
    for (int64_t minute = 0; minute < 60; minute++) {
        struct facts facts = with_age(replica(100, 100, true), minute * 60000);
        assert_true(lag_at(&lag, facts, T0 + minute * 60000) == 0);
    }
}

static void grows_from_zero_while_replay_is_paused(void **state) {
    (void)state;
    struct lag lag = {0};
    assert_true(lag_at(&lag, with_age(replica(100, 100, true), 86400000), T0) == 0);
    assert_true(lag_at(&lag, with_age(replica(200, 100, true), 86401000), T0 + 1000) == 1);
    assert_true(lag_at(&lag, with_age(replica(300, 100, true), 86405000), T0 + 5000) == 5);
    assert_true(lag_at(&lag, replica(300, 300, true), T0 + 6000) == 0);
}

static void grows_although_no_transaction_was_replayed_since_the_start(void **state) {
    (void)state;
    struct lag lag = {0};
    assert_true(lag_at(&lag, replica(100, 100, true), T0) == 0);
    assert_true(lag_at(&lag, replica(200, 100, true), T0 + 3000) == 3);
}

static void grows_after_the_sender_is_lost(void **state) {
    (void)state;
    struct lag lag = {0};
    assert_true(lag_at(&lag, replica(100, 100, true), T0) == 0);
    assert_true(lag_at(&lag, with_age(replica(100, 100, false), 3600000), T0 + 60000) == 60);
}

static void a_busy_replica_is_as_far_behind_as_its_last_transaction(void **state) {
    (void)state;
    struct lag lag = {0};
    assert_true(lag_at(&lag, replica(100, 100, true), T0) == 0);
    /* It never catches up, but replays what was committed 200 ms ago. */
    assert_true(lag_at(&lag, with_age(replica(900, 800, true), 200), T0 + 60000) == 0.2);
}

static void is_unknown_until_something_was_seen(void **state) {
    (void)state;
    struct lag lag = {0};
    assert_true(lag_at(&lag, replica(200, 100, true), T0) == -1);
    assert_true(lag_at(&lag, with_age(replica(200, 100, true), 7000), T0) == 7);
}

static void a_primary_has_none_and_forgets_its_past(void **state) {
    (void)state;
    struct lag lag = {0};
    assert_true(lag_at(&lag, replica(100, 100, true), T0) == 0);
    struct facts primary = {0};
    facts_set(&primary, FACT_ROLE, ROLE_PRIMARY);
    assert_true(lag_at(&lag, primary, T0 + 1000) == -1);
    assert_true(lag_at(&lag, replica(200, 100, true), T0 + 2000) == -1);
}

static void a_clock_of_the_server_that_is_ahead_gives_no_negative_lag(void **state) {
    (void)state;
    struct lag lag = {0};
    assert_true(lag_at(&lag, with_age(replica(200, 100, true), -500), T0) == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_zero_on_an_idle_caught_up_replica),
        cmocka_unit_test(grows_from_zero_while_replay_is_paused),
        cmocka_unit_test(grows_although_no_transaction_was_replayed_since_the_start),
        cmocka_unit_test(grows_after_the_sender_is_lost),
        cmocka_unit_test(a_busy_replica_is_as_far_behind_as_its_last_transaction),
        cmocka_unit_test(is_unknown_until_something_was_seen),
        cmocka_unit_test(a_primary_has_none_and_forgets_its_past),
        cmocka_unit_test(a_clock_of_the_server_that_is_ahead_gives_no_negative_lag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
