/* SPDX-License-Identifier: Apache-2.0 */

/* What another daemon says of its primary. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "base/duration.h"
#include "base/macros.h"
#include "failover/witness_report.h"

static int read_data(const char *data, struct witness_report *ret) {
    struct strbuf text = {0};
    struct error err = {0};
    strbuf_printf(&text, "{\"status\": \"success\", \"data\": %s}", data);
    int r = witness_report_read(strbuf_view(&text), "orders", ret, &err);
    assert_int_equal(r < 0, error_is_set(&err));
    strbuf_deinit(&text);
    return r;
}

static void a_report_is_read(void **state) {
    struct witness_report report;
    assert_int_equal(read_data("{\"cluster\": \"orders\", \"primary\": \"a\", \"answered_ms_ago\": "
                               "12, \"fails\": true, \"system\": \"7001\"}",
                               &report),
                     0);
    assert_true(report.answered && report.fails);
    assert_int_equal(report.age_usec, 12 * USEC_PER_MSEC);
    assert_string_equal(report.system, "7001");
    assert_int_equal(read_data("{\"cluster\": \"orders\", \"answered_ms_ago\": null, \"fails\": "
                               "false}",
                               &report),
                     0);
    assert_false(report.answered || report.fails);
    assert_string_equal(report.system, "");
}

static void anything_else_is_refused(void **state) {
    static const char *const bad[] = {
        "null",
        "[]",
        "{}",
        "{\"cluster\": \"other\", \"answered_ms_ago\": 1, \"fails\": true}",
        "{\"cluster\": \"orders\", \"answered_ms_ago\": -1, \"fails\": true}",
        "{\"cluster\": \"orders\", \"answered_ms_ago\": 1e300, \"fails\": true}",
        "{\"cluster\": \"orders\", \"answered_ms_ago\": \"1\", \"fails\": true}",
        "{\"cluster\": \"orders\", \"answered_ms_ago\": 1, \"fails\": 1}",
        "{\"cluster\": \"orders\", \"answered_ms_ago\": 1}",
        "{\"cluster\": \"orders\", \"fails\": true}",
        "{\"cluster\": \"orders\", \"answered_ms_ago\": 1, \"fails\": true, \"system\": "
        "\"123456789012345678901234567890123456789012345678\"}",
        "{\"cluster\": \"orders\", \"answered_ms_ago\": 1, \"fails\": true",
    };
    struct witness_report report;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(read_data(bad[i], &report), -EPROTO);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_report_is_read),
        cmocka_unit_test(anything_else_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
