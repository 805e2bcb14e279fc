/* SPDX-License-Identifier: Apache-2.0 */

/* Sizes: what is read, what is refused. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/bytes.h"

static void reads_numbers_with_and_without_units(void **state) {
    static const struct {
        const char *text;
        uint64_t bytes;
    } cases[] = {
        {"0", 0},
        {"4096", 4096},
        {"12B", 12},
        {"64KiB", 65536},
        {"100MiB", 104857600},
        {"2GiB", 2147483648},
        {"1TiB", 1099511627776},
        {"18446744073709551615", UINT64_MAX},
        {"17179869183GiB", (uint64_t)17179869183 << 30},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t bytes = 1;
        assert_int_equal(bytes_parse(str_of(cases[i].text), &bytes, NULL), 0);
        assert_int_equal(bytes, cases[i].bytes);
    }
}

static void refuses_everything_else_and_leaves_the_result_alone(void **state) {
    static const char *const cases[] = {
        "",     "KiB",   "-1",    "1.5MiB",         "1 MiB",
        " 1",   "1 ",    "1MB",   "1kib",           "1M",
        "0x10", "1MiBx", "1KiB1", "17179869184GiB", "18446744073709551616"};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t bytes = 42;
        struct error err = {0};
        assert_int_equal(bytes_parse(str_of(cases[i]), &bytes, &err), -EINVAL);
        assert_int_equal(bytes, 42);
        assert_string_equal(err.text, "is not a size (examples: 4096, 64KiB, 100MiB, 2GiB)");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_numbers_with_and_without_units),
        cmocka_unit_test(refuses_everything_else_and_leaves_the_result_alone),
    };
    return cmocka_run_group_tests_name("bytes", tests, NULL, NULL);
}
