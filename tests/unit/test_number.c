/* SPDX-License-Identifier: Apache-2.0 */

/* Numbers as text: exact, short, and read back as the same double. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "base/random.h"
#include "base/str.h"

static void writes_the_shortest_exact_text(void **state) {
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0, "0"},
        {-0.0, "-0"},
        {1, "1"},
        {-17, "-17"},
        {0.1, "0.1"},
        {0.0001, "0.0001"},
        {0.00009, "9e-05"},
        {-1.5, "-1.5"},
        {0.000100001, "0.000100001"},
        {999999.999999999, "999999.999999999"},
        {999999999.999999, "999999999.999999"},
        {1763722000.125, "1763722000.125"},
        {999999999999.999, "999999999999.999"},
        {1234567890123.25, "1234567890123.25"},
        {1.0 / 3, "0.3333333333333333"},
        {1e15, "1000000000000000"},
        {9007199254740991, "9007199254740991"},
        {-9007199254740991, "-9007199254740991"},
        {9007199254740992, "9007199254740992"},
        {9007199254740994, "9007199254740994"},
        {1e17, "1e+17"},
        {1e300, "1e+300"},
        {5e-324, "4.94065645841247e-324"},
        {0.30000000000000004, "0.30000000000000004"},
        {INFINITY, "+Inf"},
        {-INFINITY, "-Inf"},
        {NAN, "NaN"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[NUMBER_TEXT_SIZE];
        size_t len = number_format(cases[i].value, text);
        assert_string_equal(text, cases[i].text);
        assert_int_equal(len, strlen(text));
    }
}

static void any_double_reads_back_the_same(void **state) {
    for (int i = 0; i < 200000; i++) {
        uint64_t bits = random_u64();
        double value, again;
        memcpy(&value, &bits, sizeof(value));
        if (isnan(value)) {
            continue;
        }
        char text[NUMBER_TEXT_SIZE];
        size_t len = number_format(value, text);
        assert_in_range(len, 1, NUMBER_TEXT_SIZE - 1);
        assert_true(str_to_double((struct str){text, len}, &again));
        assert_memory_equal(&value, &again, sizeof(value));
    }
}

static void whole_numbers_have_neither_point_nor_exponent(void **state) {
    for (int i = 0; i < 20000; i++) {
        int64_t whole = (int64_t)(random_u64() >> 11) - ((int64_t)1 << 52);
        char text[NUMBER_TEXT_SIZE];
        int64_t again;
        size_t len = number_format((double)whole, text);
        assert_true(str_to_int64((struct str){text, len}, &again));
        assert_int_equal(again, whole);
    }
}

/* Decimals of any number of places around every bound of size. */
static void decimals_are_what_printf_makes_of_them(void **state) {
    for (int i = 0; i < 300000; i++) {
        const int digits = 1 + (int)(random_u64() % 17), places = (int)(random_u64() % 14);
        double value = (double)(random_u64() % (uint64_t)pow(10, digits)) / pow(10, places);
        char text[NUMBER_TEXT_SIZE], expected[NUMBER_TEXT_SIZE];
        value = i % 3 == 0 ? -value : value;
        if (value == floor(value)) {
            continue;
        }
        number_format(value, text);
        for (int precision = 15; precision <= 17; precision++) {
            snprintf(expected, sizeof(expected), "%.*g", precision, value);
            if (strtod(expected, NULL) == value) {
                break;
            }
        }
        assert_string_equal(text, expected);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_the_shortest_exact_text),
        cmocka_unit_test(any_double_reads_back_the_same),
        cmocka_unit_test(decimals_are_what_printf_makes_of_them),
        cmocka_unit_test(whole_numbers_have_neither_point_nor_exponent),
    };
    return cmocka_run_group_tests_name("number", tests, NULL, NULL);
}
