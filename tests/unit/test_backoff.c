/* SPDX-License-Identifier: Apache-2.0 */

/* Back-off: doubling, its ceiling, jitter. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/backoff.h"
#include "base/random.h"

#define NO_JITTER 0.5 /* the middle of the random range */

static void doubles_until_the_maximum(void **state) {
    struct backoff backoff = {.first_usec = 100, .max_usec = 1000, .jitter = 0.2};
    const uint64_t expected[] = {100, 200, 400, 800, 1000, 1000};
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(backoff_next(&backoff, NO_JITTER), expected[i]);
    }
}

static void begins_anew_after_a_reset(void **state) {
    struct backoff backoff = {.first_usec = 100, .max_usec = 1000};
    backoff_next(&backoff, NO_JITTER);
    backoff_next(&backoff, NO_JITTER);
    backoff_reset(&backoff);
    assert_int_equal(backoff_next(&backoff, NO_JITTER), 100);
}

static void jitter_stays_within_its_share(void **state) {
    struct backoff backoff = {.first_usec = 1000, .max_usec = 1000, .jitter = 0.2};
    assert_int_equal(backoff_next(&backoff, 0.0), 800);
    for (int i = 0; i < 10000; i++) {
        uint64_t wait = backoff_next(&backoff, random_unit());
        assert_in_range(wait, 800, 1200);
    }
}

static void stays_at_the_maximum_however_often_it_fails(void **state) {
    struct backoff backoff = {.first_usec = 1, .max_usec = UINT64_MAX / 2 + 5};
    uint64_t last = 0;
    for (int i = 0; i < 200; i++) {
        uint64_t wait = backoff_next(&backoff, NO_JITTER);
        assert_true(wait >= last);
        last = wait;
    }
    assert_true(last > UINT64_MAX / 4);
}

static void random_units_fill_their_range(void **state) {
    unsigned tenths[10] = {0};
    for (int i = 0; i < 10000; i++) {
        double value = random_unit();
        assert_true(value >= 0.0 && value < 1.0);
        tenths[(int)(value * 10)]++;
    }
    for (int i = 0; i < 10; i++) {
        assert_in_range(tenths[i], 700, 1300);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_until_the_maximum),
        cmocka_unit_test(begins_anew_after_a_reset),
        cmocka_unit_test(jitter_stays_within_its_share),
        cmocka_unit_test(stays_at_the_maximum_however_often_it_fails),
        cmocka_unit_test(random_units_fill_their_range),
    };
    return cmocka_run_group_tests_name("backoff", tests, NULL, NULL);
}
