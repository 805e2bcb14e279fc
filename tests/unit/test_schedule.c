/* SPDX-License-Identifier: Apache-2.0 */

/* When rounds happen: spread over the interval, regular, never in the past. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/duration.h"
#include "sampler/schedule.h"

#define INTERVAL (5 * USEC_PER_SEC)

static void ticks_come_once_an_interval(void **state) {
    (void)state;
    struct schedule schedule;
    schedule_init(&schedule, str_of("orders-1"), INTERVAL);
    uint64_t now = 1234567890;
    uint64_t tick = schedule_next(&schedule, now, 0);
    assert_true(tick > now && tick <= now + INTERVAL);
    for (int i = 0; i < 100; i++) {
        uint64_t next = schedule_next(&schedule, tick, 0);
        assert_int_equal(next - tick, INTERVAL);
        tick = next;
    }
}

static void jitter_is_at_most_a_hundredth_and_does_not_add_up(void **state) {
    (void)state;
    struct schedule schedule;
    schedule_init(&schedule, str_of("orders-1"), INTERVAL);
    uint64_t plain = schedule_next(&schedule, 77 * USEC_PER_SEC, 0);
    uint64_t late = schedule_next(&schedule, 77 * USEC_PER_SEC, 0.9999);
    assert_true(late > plain && late - plain <= INTERVAL / 100);
    assert_int_equal(schedule_next(&schedule, late, 0), plain + INTERVAL);
}

static void a_fleet_is_spread_over_the_interval(void **state) {
    (void)state;
    unsigned by_tenth[10] = {0};
    for (int i = 0; i < 1000; i++) {
        char name[32];
        struct schedule schedule;
        snprintf(name, sizeof(name), "target-%d", i);
        schedule_init(&schedule, str_of(name), INTERVAL);
        assert_true(schedule.phase_usec < INTERVAL);
        by_tenth[schedule.phase_usec * 10 / INTERVAL]++;
    }
    for (int i = 0; i < 10; i++) {
        assert_in_range(by_tenth[i], 50, 150);
    }
}

static void a_phase_survives_a_restart(void **state) {
    (void)state;
    struct schedule schedule;
    schedule_init(&schedule, str_of("orders-1"), INTERVAL);
    /* FNV-1a of the name, so that neither a restart nor an upgrade moves it. */
    assert_int_equal(schedule.phase_usec, 0x94ba1084fadd6f06ULL % INTERVAL);
}

static void the_first_ticks_come_soon_and_one_after_another(void **state) {
    (void)state;
    struct schedule schedule;
    schedule_init(&schedule, str_of("x"), INTERVAL);
    assert_int_equal(schedule_first(&schedule, 100, 0), 100);
    assert_true(schedule_first(&schedule, 100, 1) > 100);
    for (size_t i = 0; i < 5000; i++) {
        assert_true(schedule_first(&schedule, 100, i) < 100 + INTERVAL);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ticks_come_once_an_interval),
        cmocka_unit_test(jitter_is_at_most_a_hundredth_and_does_not_add_up),
        cmocka_unit_test(a_fleet_is_spread_over_the_interval),
        cmocka_unit_test(a_phase_survives_a_restart),
        cmocka_unit_test(the_first_ticks_come_soon_and_one_after_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
