/* SPDX-License-Identifier: Apache-2.0 */

/* The weight of a server: single factors by their table, and what holds for all of them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "web/weight.h"

#define UNKNOWN ((double)NAN)

static const struct weight_inputs nothing = {UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN};

static void nothing_known_is_the_whole_weight(void **state) {
    (void)state;
    assert_int_equal(weight_percent(&nothing), 100);
}

static void each_factor_falls_where_the_table_says(void **state) {
    (void)state;
    static const struct {
        struct weight_inputs inputs;
        unsigned percent;
    } cases[] = {
        {{0, UNKNOWN, UNKNOWN, UNKNOWN}, 100},
        {{0.25, UNKNOWN, UNKNOWN, UNKNOWN}, 75},
        {{0.9, UNKNOWN, UNKNOWN, UNKNOWN}, 10},
        {{1, UNKNOWN, UNKNOWN, UNKNOWN}, 1},
        {{UNKNOWN, 0.70, UNKNOWN, UNKNOWN}, 100},
        {{UNKNOWN, 0.75, UNKNOWN, UNKNOWN}, 80},
        {{UNKNOWN, 0.825, UNKNOWN, UNKNOWN}, 50},
        {{UNKNOWN, 0.95, UNKNOWN, UNKNOWN}, 1},
        {{UNKNOWN, 1.2, UNKNOWN, UNKNOWN}, 1},
        {{UNKNOWN, UNKNOWN, 2, UNKNOWN}, 100},
        {{UNKNOWN, UNKNOWN, 6, UNKNOWN}, 60},
        {{UNKNOWN, UNKNOWN, 1000, UNKNOWN}, 20},
        {{UNKNOWN, UNKNOWN, UNKNOWN, 0.80}, 100},
        {{UNKNOWN, UNKNOWN, UNKNOWN, 0.90}, 60},
        {{UNKNOWN, UNKNOWN, UNKNOWN, 1}, 20},
        {{0.5, 0.825, 6, 0.90}, 9},
        {{1, 1, 1000, 1}, 1},
        {{-1, -1, -1, -1}, 100},
        {{INFINITY, 0, 0, 0}, 1},
        {{-INFINITY, 0, 0, 0}, 100},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(weight_percent(&cases[i].inputs), cases[i].percent);
    }
}

static uint64_t next(uint64_t *seed) {
    *seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return *seed >> 33;
}

static double some_input(uint64_t *seed) {
    static const double odd[] = {0, 0.7, 0.8, 0.95, 1, 2, 10, 1e300, -1};
    uint64_t choice = next(seed) % 12;
    return choice < sizeof(odd) / sizeof(odd[0]) ? odd[choice]
                                                 : (double)(next(seed) % 12000) / 1000;
}

static double *input_of(struct weight_inputs *inputs, size_t i) {
    return (double *)(void *)((char *)inputs + weight_factors[i].offset);
}

/* And what is not known never counts against a server. */
static void more_of_anything_is_never_more_weight(void **state) {
    (void)state;
    uint64_t seed = 42;
    for (int round = 0; round < 200000; round++) {
        struct weight_inputs less = {0}, more, less_known;
        for (size_t i = 0; i < WEIGHT_FACTORS; i++) {
            *input_of(&less, i) = next(&seed) % 8 == 0 ? UNKNOWN : some_input(&seed);
        }
        size_t changed = next(&seed) % WEIGHT_FACTORS;
        more = less_known = less;
        *input_of(&more, changed) += some_input(&seed) + 1; /* at least nothing is added */
        *input_of(&less_known, changed) = UNKNOWN;
        unsigned weight = weight_percent(&less);
        assert_in_range(weight, 1, 100);
        assert_true(weight_percent(&more) <= weight);
        assert_true(weight_percent(&less_known) >= weight);
    }
}

static void the_table_reaches_every_input_once(void **state) {
    (void)state;
    for (size_t i = 0; i < WEIGHT_FACTORS; i++) {
        assert_true(weight_factors[i].from < weight_factors[i].to);
        assert_true(weight_factors[i].least >= 0 && weight_factors[i].least < 1);
        for (size_t other = i + 1; other < WEIGHT_FACTORS; other++) {
            assert_true(weight_factors[i].offset != weight_factors[other].offset);
        }
    }
    assert_int_equal(sizeof(struct weight_inputs), WEIGHT_FACTORS * sizeof(double));
}

static void a_few_milliseconds_are_no_slowness(void **state) {
    (void)state;
    assert_true(isnan(weight_slowness(1, 0)));
    assert_true(weight_slowness(0.008, 0.001) < 2);
    assert_true(weight_slowness(0.2, 0.1) < 2);
    assert_true(weight_slowness(1, 0.05) > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_known_is_the_whole_weight),
        cmocka_unit_test(each_factor_falls_where_the_table_says),
        cmocka_unit_test(more_of_anything_is_never_more_weight),
        cmocka_unit_test(the_table_reaches_every_input_once),
        cmocka_unit_test(a_few_milliseconds_are_no_slowness),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
