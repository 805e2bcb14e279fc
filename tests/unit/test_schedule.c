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

#define INTERVAL    (5 * USEC_PER_SEC)
#define MOST_JITTER (INTERVAL / 100)

static void ticks_come_once_an_interval(void **state) {
    (void)state;
    struct schedule schedule;
    schedule_init(&schedule, str_of("orders-1"), INTERVAL);
    uint64_t now = 1234567890;
    uint64_t tick = schedule_next(&schedule, now);
    assert_true(tick > now && tick <= now + INTERVAL + MOST_JITTER);
    for (int i = 0; i < 100; i++) {
        uint64_t next = schedule_next(&schedule, tick);
        assert_in_range(next - tick, INTERVAL - MOST_JITTER, INTERVAL + MOST_JITTER);
        tick = next;
    }
}

static void jitter_is_at_most_a_hundredth_and_does_not_add_up(void **state) {
    (void)state;
    struct schedule schedule;
    uint64_t now = 77 * USEC_PER_SEC, least = INTERVAL, most = 0;
    schedule_init(&schedule, str_of("orders-1"), INTERVAL);
    for (int i = 0; i < 1000; i++) {
        now = schedule_next(&schedule, now);
        uint64_t late = (now - schedule.phase_usec) % INTERVAL;
        least = late < least ? late : least;
        most = late > most ? late : most;
    }
    assert_true(most <= MOST_JITTER);
    assert_true(least < MOST_JITTER / 10 && most > MOST_JITTER * 9 / 10);
}

static void schedules_of_one_phase_tick_at_the_same_moments(void **state) {
    (void)state;
    struct schedule a, b;
    uint64_t now = 1234567890;
    schedule_init(&a, str_of("x"), INTERVAL);
    schedule_init(&b, str_of("x"), INTERVAL);
    for (int i = 0; i < 100; i++) {
        uint64_t tick = schedule_next(&a, now);
        assert_int_equal(schedule_next(&b, now + 100), tick);
        now = tick;
    }
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
        cmocka_unit_test(schedules_of_one_phase_tick_at_the_same_moments),
        cmocka_unit_test(a_fleet_is_spread_over_the_interval),
        cmocka_unit_test(a_phase_survives_a_restart),
        cmocka_unit_test(the_first_ticks_come_soon_and_one_after_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
