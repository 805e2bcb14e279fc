/* SPDX-License-Identifier: Apache-2.0 */

/* Moments as text: before and after 1970, with and without milliseconds, as far as they go. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/macros.h"
#include "base/utc.h"

static void a_moment_is_written_in_utc(void **state) {
    static const struct {
        int64_t t_ms;
        const char *seconds, *ms;
    } cases[] = {
        {0, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"},
        {1700000000123, "2023-11-14T22:13:20Z", "2023-11-14T22:13:20.123Z"},
        {-1, "1969-12-31T23:59:59Z", "1969-12-31T23:59:59.999Z"},
        {-1000, "1969-12-31T23:59:59Z", "1969-12-31T23:59:59.000Z"},
        {951782400000, "2000-02-29T00:00:00Z", "2000-02-29T00:00:00.000Z"},
        {INT64_MAX, "292278994-08-17T07:12:55Z", "292278994-08-17T07:12:55.807Z"},
        {INT64_MIN, "-292275055-05-16T16:47:04Z", "-292275055-05-16T16:47:04.192Z"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[UTC_TEXT_BYTES];
        assert_string_equal(utc_format(cases[i].t_ms, UTC_RFC3339, text), cases[i].seconds);
        assert_string_equal(utc_format_ms(cases[i].t_ms, text), cases[i].ms);
    }
}

static void what_does_not_fit_is_empty(void **state) {
    char text[UTC_TEXT_BYTES];
    assert_string_equal(utc_format(0, "%Y%Y%Y%Y%Y%Y%Y%Y%Y%Y", text), "");
    assert_string_equal(utc_format(1700000000000, UTC_SHOWN, text), "2023-11-14 22:13:20 UTC");
    assert_string_equal(utc_format(1700000000000, "%b %d %H:%M", text), "Nov 14 22:13");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_moment_is_written_in_utc),
        cmocka_unit_test(what_does_not_fit_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
