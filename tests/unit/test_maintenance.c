/* SPDX-License-Identifier: Apache-2.0 */

/* Windows of the week, at their edges and over midnight. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "base/macros.h"
#include "failover/maintenance.h"

/* Sunday, 2026-11-22 00:00 UTC. */
#define SUNDAY_MS 1795305600000
#define MINUTE_MS ((int64_t)60 * 1000)
#define DAY_MS    (24 * 60 * MINUTE_MS)

static bool covers(const char *text, int day, int hour, int minute) {
    struct maintenance_window window;
    assert_int_equal(maintenance_window_read(str_of(text), &window, NULL), 0);
    return maintenance_window_covers(&window,
                                     SUNDAY_MS + day * DAY_MS + (hour * 60 + minute) * MINUTE_MS);
}

static void a_window_of_every_day_has_its_edges(void **state) {
    for (int day = 0; day < 14; day++) {
        assert_false(covers("02:00-04:30", day, 1, 59));
        assert_true(covers("02:00-04:30", day, 2, 0));
        assert_true(covers("02:00-04:30", day, 4, 29));
        assert_false(covers("02:00-04:30", day, 4, 30));
    }
}

static void one_over_midnight_belongs_to_the_day_on_which_it_begins(void **state) {
    assert_false(covers("Sat 22:00-06:00", 0, 21, 59));
    assert_true(covers("Sat 22:00-06:00", 0, 5, 59)); /* Sunday morning */
    assert_false(covers("Sat 22:00-06:00", 0, 6, 0));
    assert_false(covers("Sat 22:00-06:00", 6, 5, 0)); /* Saturday morning */
    assert_true(covers("Sat 22:00-06:00", 6, 22, 0));
    assert_true(covers("Sun,Wed 22:00-06:00", 4, 1, 0)); /* the night to Thursday */
    assert_false(covers("Sun,Wed 22:00-06:00", 3, 1, 0));
    assert_true(covers("Sun,Wed 22:00-06:00", 1, 1, 0));
}

static void a_day_may_end_at_24(void **state) {
    assert_true(covers("Mon 00:00-24:00", 1, 23, 59));
    assert_true(covers("Mon 00:00-24:00", 1, 0, 0));
    assert_false(covers("Mon 00:00-24:00", 2, 0, 0));
    assert_false(covers("Mon 00:00-24:00", 0, 23, 59));
}

static void what_is_no_window_is_refused(void **state) {
    static const char *const texts[] = {
        "",
        "02:00",
        "02:00-",
        "02:00-02:00",
        "2:00-04:00",
        "Sat",
        "Sat02:00-04:00",
        "sat 02:00-04:00",
        "Sat, 02:00-04:00",
        "25:00-26:00",
        "02:60-04:00",
        "02:00-24:01",
        "Sat,Foo 02:00-04:00",
        "02:00-04:00 ",
        " 02:00-04:00",
        ", 02:00-04:00",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct maintenance_window window;
        struct error err = {0};
        if (maintenance_window_read(str_of(texts[i]), &window, &err) != -EINVAL) {
            fail_msg("'%s' was read", texts[i]);
        }
        assert_true(error_is_set(&err));
    }
}

static void what_is_announced_ends_by_the_clock_that_never_jumps(void **state) {
    (void)state;
    assert_int_equal(maintenance_deadline(5000, 2000, 70), 3000070);
    assert_int_equal(maintenance_deadline(5000, 5000, 70), 0);
    assert_int_equal(maintenance_deadline(0, 5000, 70), 0);
    assert_int_equal(maintenance_deadline(-5, 5000, 70), 0);
    assert_int_equal(maintenance_deadline(2, -3, 0), 5000); /* a clock before 1970 */
}

static void what_has_no_end_has_none(void **state) {
    (void)state;
    assert_true(maintenance_deadline(INT64_MAX, 5000, 70) == UINT64_MAX);
    assert_true(maintenance_deadline(INT64_MAX - 1, 5000, 70) == UINT64_MAX);
    assert_true(maintenance_deadline(INT64_MAX - 1, INT64_MIN, 70) == UINT64_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_of_every_day_has_its_edges),
        cmocka_unit_test(one_over_midnight_belongs_to_the_day_on_which_it_begins),
        cmocka_unit_test(a_day_may_end_at_24),
        cmocka_unit_test(what_is_no_window_is_refused),
        cmocka_unit_test(what_is_announced_ends_by_the_clock_that_never_jumps),
        cmocka_unit_test(what_has_no_end_has_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
