/* SPDX-License-Identifier: Apache-2.0 */

/* Facts are what servers say: whatever it is, nothing overflows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "collectors/facts.h"

static void computed_numbers_are_cut_at_the_ends(void **state) {
    assert_true(fact_of(1.9) == 1);
    assert_true(fact_of(-1.9) == -1);
    assert_true(fact_of(0x1p62) == INT64_C(1) << 62);
    assert_true(fact_of(0x1p63) == INT64_MAX);
    assert_true(fact_of((double)INFINITY) == INT64_MAX);
    assert_true(fact_of(-0x1p63) == INT64_MIN);
    assert_true(fact_of(-1e300) == INT64_MIN);
    assert_true(fact_of((double)NAN) == 0);
}

static void distances_are_cut_at_the_ends(void **state) {
    assert_true(fact_distance(5, 7) == -2);
    assert_true(fact_distance(INT64_MAX, 1) == INT64_MAX - 1);
    assert_true(fact_distance(INT64_MAX, -1) == INT64_MAX);
    assert_true(fact_distance(0, INT64_MIN) == INT64_MAX);
    assert_true(fact_distance(INT64_MIN, 1) == INT64_MIN);
    assert_true(fact_distance(-1, INT64_MIN) == INT64_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(computed_numbers_are_cut_at_the_ends),
        cmocka_unit_test(distances_are_cut_at_the_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
