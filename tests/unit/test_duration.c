/* SPDX-License-Identifier: Apache-2.0 */

/* Durations: what is read, what is refused, how they are written. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/duration.h"

static void reads_what_prometheus_writes(void **state) {
    static const struct {
        const char *text;
        uint64_t usec;
    } cases[] = {
        {"0", 0},
        {"0s", 0},
        {"500ms", 500 * USEC_PER_MSEC},
        {"10s", 10 * USEC_PER_SEC},
        {"1m30s", 90 * USEC_PER_SEC},
        {"90m", 5400 * USEC_PER_SEC},
        {"1h", 3600 * USEC_PER_SEC},
        {"7d", 7 * 86400 * USEC_PER_SEC},
        {"1w", 7 * 86400 * USEC_PER_SEC},
        {"1y", 365 * 86400 * USEC_PER_SEC},
        {"1y2w3d4h5m6s7ms",
         ((365 + 14 + 3) * 86400ULL + 4 * 3600 + 5 * 60 + 6) * USEC_PER_SEC + 7 * USEC_PER_MSEC},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t usec = 42;
        struct error err = {0};
        assert_int_equal(duration_parse(str_of(cases[i].text), &usec, &err), 0);
        assert_int_equal(usec, cases[i].usec);
        assert_false(error_is_set(&err));
    }
}

static void refuses_everything_else_and_leaves_the_result_alone(void **state) {
    static const char *const cases[] = {"",    "5",    "s",    "-5s", "1.5s",  " 5s",  "5s ", "5S",
                                        "5 s", "5s5m", "5s5s", "5us", "1ms1s", "1h30", "ms",  "00"};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t usec = 42;
        struct error err = {0};
        assert_int_equal(duration_parse(str_of(cases[i]), &usec, &err), -EINVAL);
        assert_int_equal(usec, 42);
        assert_non_null(strstr(err.text, "is not a duration (examples: 500ms, 10s, 1m30s, 2h)"));
    }
    uint64_t usec = 42;
    assert_int_equal(duration_parse((struct str){NULL, 0}, &usec, NULL), -EINVAL);
}

static void refuses_more_than_fits(void **state) {
    static const char *const cases[] = {"300000y", "99999999999999999999s", "18446744073709551615y",
                                        "292471y9223372036854775807ms"};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t usec = 42;
        assert_true(duration_parse(str_of(cases[i]), &usec, NULL) < 0);
        assert_int_equal(usec, 42);
    }
}

static void a_view_ends_where_it_ends(void **state) {
    uint64_t usec = 0;
    assert_int_equal(duration_parse((struct str){"10s30", 3}, &usec, NULL), 0);
    assert_int_equal(usec, 10 * USEC_PER_SEC);
}

static void writes_the_shortest_text(void **state) {
    static const struct {
        uint64_t usec;
        const char *text;
    } cases[] = {
        {0, "0s"},
        {999, "0s"},
        {1500, "1ms"},
        {90 * USEC_PER_SEC, "1m30s"},
        {24 * 3600 * USEC_PER_SEC, "1d"},
        {7 * 86400 * USEC_PER_SEC, "1w"},
        {8 * 86400 * USEC_PER_SEC, "8d"},
        {366 * 86400 * USEC_PER_SEC, "366d"},
        {365 * 86400 * USEC_PER_SEC, "1y"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[32];
        assert_string_equal(duration_format(cases[i].usec, text), cases[i].text);
    }
}

static void what_is_written_reads_back(void **state) {
    for (uint64_t ms = 1; ms < (uint64_t)1 << 45; ms = ms * 3 + 1) {
        char text[32];
        uint64_t usec = 0;
        duration_format(ms * USEC_PER_MSEC, text);
        assert_int_equal(duration_parse(str_of(text), &usec, NULL), 0);
        assert_int_equal(usec, ms * USEC_PER_MSEC);
    }
    char longest[32];
    assert_in_range(strlen(duration_format(UINT64_MAX, longest)), 1, 31);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_prometheus_writes),
        cmocka_unit_test(refuses_everything_else_and_leaves_the_result_alone),
        cmocka_unit_test(refuses_more_than_fits),
        cmocka_unit_test(a_view_ends_where_it_ends),
        cmocka_unit_test(writes_the_shortest_text),
        cmocka_unit_test(what_is_written_reads_back),
    };
    return cmocka_run_group_tests_name("duration", tests, NULL, NULL);
}
