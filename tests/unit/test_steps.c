/* SPDX-License-Identifier: Apache-2.0 */

/* The steps of a failover: what the table promises, proven over all ways through it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "failover/steps.h"

#define N_ROWS (STEPS * STEP_EVENTS)

static void every_step_and_event_has_its_row(void **state) {
    for (int i = 0; i < N_ROWS; i++) {
        assert_int_equal(step_rows[i].from, i / STEP_EVENTS);
        assert_int_equal(step_rows[i].event, i % STEP_EVENTS);
        assert_in_range(step_rows[i].to, 0, STEPS - 1);
        assert_non_null(step_names[step_rows[i].from]);
        assert_non_null(step_event_names[step_rows[i].event]);
    }
}

/* reached[a][b]: b can be reached from a by one event or more, itself only by a way back. */
static void find_ways(bool reached[STEPS][STEPS]) {
    for (int i = 0; i < N_ROWS; i++) {
        if (step_rows[i].from != step_rows[i].to) {
            reached[step_rows[i].from][step_rows[i].to] = true;
        }
    }
    for (int via = 0; via < STEPS; via++) {
        for (int from = 0; from < STEPS; from++) {
            for (int to = 0; to < STEPS; to++) {
                reached[from][to] |= reached[from][via] && reached[via][to];
            }
        }
    }
}

static void no_step_is_ever_entered_twice(void **state) {
    bool reached[STEPS][STEPS] = {{false}};
    find_ways(reached);
    for (int step = 0; step < STEPS; step++) {
        assert_false(reached[step][step]);
        assert_true(step == STEP_DRAFTED || reached[STEP_DRAFTED][step]);
        assert_true(step == STEP_CLOSED || reached[step][STEP_CLOSED]);
    }
}

/* On the way to a promotion stand the fence and the last look, and only their success leads on. */
static void a_promotion_stands_behind_the_fence_and_the_last_look(void **state) {
    static const enum step way[] = {STEP_FENCE, STEP_LOOK, STEP_PROMOTE};
    for (int i = 0; i < N_ROWS; i++) {
        for (size_t k = 1; k < sizeof(way) / sizeof(way[0]); k++) {
            if (step_rows[i].to == way[k] && step_rows[i].from != way[k]) {
                assert_int_equal(step_rows[i].from, way[k - 1]);
                assert_int_equal(step_rows[i].event, STEP_SUCCEEDED);
            }
        }
    }
}

static void observing_runs_nothing(void **state) {
    assert_int_equal(step_next(STEP_DRAFTED, STEP_OBSERVE), STEP_WOULD_HAVE);
    assert_true(step_is_end(STEP_WOULD_HAVE));
    assert_false(step_is_latched(STEP_WOULD_HAVE));
}

static void a_restart_repeats_nothing(void **state) {
    for (int step = 0; step < STEPS; step++) {
        enum step next = step_next((enum step)step, STEP_RESTARTED);
        assert_true(step_is_end(next));
        /* What has begun to act is looked at by people; what has not is dropped. */
        bool acted = step >= STEP_PRE && !step_is_end((enum step)step);
        assert_true(!acted || next == STEP_UNKNOWN);
    }
}

static void an_answer_that_is_missing_is_no_failure_once_it_may_be_promoted(void **state) {
    assert_int_equal(step_next(STEP_PROMOTE, STEP_LOST), STEP_UNKNOWN);
    assert_int_equal(step_next(STEP_CONFIRM, STEP_LOST), STEP_UNKNOWN);
    assert_int_equal(step_next(STEP_PROMOTE, STEP_FAILURE), STEP_UNDO);
}

static void an_old_primary_that_returns_stops_what_has_not_promoted(void **state) {
    assert_int_equal(step_next(STEP_DRAFTED, STEP_RETURNED), STEP_WITHDRAWN);
    assert_int_equal(step_next(STEP_WAITING, STEP_RETURNED), STEP_WITHDRAWN);
    assert_int_equal(step_next(STEP_LOOK, STEP_RETURNED), STEP_UNDO);
    assert_int_equal(step_next(STEP_CONFIRM, STEP_RETURNED), STEP_CONFIRM);
}

static void ends_are_left_by_an_acknowledgement_alone(void **state) {
    for (int i = 0; i < N_ROWS; i++) {
        if (step_is_end(step_rows[i].from) && step_rows[i].to != step_rows[i].from) {
            assert_int_equal(step_rows[i].event, STEP_ACKNOWLEDGED);
            assert_int_equal(step_rows[i].to, STEP_CLOSED);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_step_and_event_has_its_row),
        cmocka_unit_test(no_step_is_ever_entered_twice),
        cmocka_unit_test(a_promotion_stands_behind_the_fence_and_the_last_look),
        cmocka_unit_test(observing_runs_nothing),
        cmocka_unit_test(a_restart_repeats_nothing),
        cmocka_unit_test(an_answer_that_is_missing_is_no_failure_once_it_may_be_promoted),
        cmocka_unit_test(an_old_primary_that_returns_stops_what_has_not_promoted),
        cmocka_unit_test(ends_are_left_by_an_acknowledgement_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
