/* SPDX-License-Identifier: Apache-2.0 */

/* The times of a source: ticks, late times, forgetting. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/time_log.h"

static void assert_found(struct time_log *log, int64_t t_ms, uint32_t tick, uint32_t offset) {
    uint32_t got_tick, got_offset;
    assert_true(time_log_find(log, t_ms, &got_tick, &got_offset));
    assert_int_equal(got_tick, tick);
    assert_int_equal(got_offset, offset);
    assert_true(time_log_time(log, got_tick) + got_offset == t_ms);
}

static void each_later_time_is_the_next_tick(void **state) {
    struct time_log log = {0};
    for (uint32_t i = 0; i < 1000; i++) {
        assert_found(&log, (int64_t)i * 10 - 500, i, 0);
        assert_found(&log, (int64_t)i * 10 - 500, i, 0);
    }
    assert_found(&log, -500, 0, 0);
    assert_found(&log, 0, 50, 0);
    assert_int_equal(time_log_after(&log, -501), 0);
    assert_int_equal(time_log_after(&log, -500), 1);
    assert_int_equal(time_log_after(&log, -1), 50);
    assert_int_equal(time_log_after(&log, INT64_MAX), 1000);
    assert_int_equal(time_log_after(&log, INT64_MIN), 0);
    time_log_deinit(&log);
}

static void a_late_time_stands_behind_a_tick(void **state) {
    struct time_log log = {0};
    assert_found(&log, 1000, 0, 0);
    assert_found(&log, 2000, 1, 0);
    assert_found(&log, 1999, 0, 999);
    assert_found(&log, 2001, 2, 0);
    time_log_deinit(&log);
}

static void before_all_others_there_is_room_until_something_is_forgotten(void **state) {
    struct time_log log = {0};
    uint32_t tick, offset;
    assert_found(&log, 1000, 0, 0);
    for (uint32_t i = 1; i <= 200; i++) {
        assert_found(&log, 1000 - (int64_t)i * 10, 0 - i, 0);
    }
    assert_found(&log, 2000, 1, 0);
    assert_found(&log, -995, (uint32_t)-200, 5);
    time_log_trim(&log, 1500);
    assert_int_equal(log.first, 0); /* the last one that is too old stays */
    assert_false(time_log_find(&log, 999, &tick, &offset));
    assert_found(&log, 1001, 0, 1);
    time_log_deinit(&log);
}

static void a_time_too_long_behind_a_tick_has_none(void **state) {
    struct time_log log = {0};
    uint32_t tick, offset;
    assert_found(&log, 0, 0, 0);
    assert_found(&log, INT64_C(10000000000), 1, 0);
    assert_found(&log, UINT32_MAX, 0, UINT32_MAX);
    assert_false(time_log_find(&log, (int64_t)UINT32_MAX + 1, &tick, &offset));
    time_log_deinit(&log);
}

static void the_ring_goes_round(void **state) {
    struct time_log log = {0};
    for (uint32_t i = 0; i < 10000; i++) {
        assert_found(&log, i, i, 0);
        time_log_trim(&log, (int64_t)i - 30);
        assert_true(log.next - log.first <= 31);
    }
    assert_int_equal(log.capacity, 64);
    assert_int_equal(time_log_after(&log, 9990), 9991);
    time_log_deinit(&log);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_later_time_is_the_next_tick),
        cmocka_unit_test(a_late_time_stands_behind_a_tick),
        cmocka_unit_test(before_all_others_there_is_room_until_something_is_forgotten),
        cmocka_unit_test(a_time_too_long_behind_a_tick_has_none),
        cmocka_unit_test(the_ring_goes_round),
    };
    return cmocka_run_group_tests_name("time_log", tests, NULL, NULL);
}
