/* SPDX-License-Identifier: Apache-2.0 */

/* The bytes of the HTTP API. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdio.h>

#include "promql/printer.h"
#include "web/api_json.h"

static struct strbuf out;

static int set_up(void **state) {
    out = (struct strbuf){0};
    return 0;
}

static int tear_down(void **state) {
    strbuf_deinit(&out);
    return 0;
}

static void values_have_the_shortest_digits(void **state) {
    static const struct {
        double value;
        const char *text;
    } rows[] = {
        {0, "\"0\""},
        {-0.0, "\"-0\""},
        {1, "\"1\""},
        {-1.5, "\"-1.5\""},
        {0.1, "\"0.1\""},
        {1.0 / 3, "\"0.3333333333333333\""},
        {1e-6, "\"0.000001\""},
        {1.5e-5, "\"0.000015\""},
        {9.99e-7, "\"9.99e-07\""},
        {1e-7, "\"1e-07\""},
        {-1e-7, "\"-1e-07\""},
        {123456789012345680, "\"123456789012345680\""},
        {1e20, "\"100000000000000000000\""},
        {1e21, "\"1e+21\""},
        {-2.5e22, "\"-2.5e+22\""},
        {1e100, "\"1e+100\""},
        {DBL_MAX, "\"1.7976931348623157e+308\""},
        {5e-324, "\"5e-324\""},
        {1700000000.123, "\"1700000000.123\""},
        {(double)NAN, "\"NaN\""},
        {(double)INFINITY, "\"+Inf\""},
        {(double)-INFINITY, "\"-Inf\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        strbuf_clear(&out);
        api_write_value(&out, rows[i].value);
        assert_string_equal(out.data, rows[i].text);
    }
}

/* The printer's way of finding digits is another one. */
static void values_agree_with_the_printer_of_expressions(void **state) {
    struct strbuf printed = {0};
    uint64_t seed = 88172645463325252;
    for (int i = 0; i < 20000; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        double value = (double)(int64_t)seed / (double)(UINT64_C(1) << (seed % 64));
        value = i % 2 == 0 ? value : value / 1e6;
        if (fabs(value) < 1e-6 || fabs(value) >= 1e21) {
            continue;
        }
        strbuf_clear(&out);
        strbuf_clear(&printed);
        api_write_value(&out, value);
        strbuf_add_char(&printed, '"');
        print_number(value, &printed);
        strbuf_add_char(&printed, '"');
        assert_string_equal(out.data, printed.data);
    }
    strbuf_deinit(&printed);
}

static void times_have_a_fraction_only_if_there_is_one(void **state) {
    static const struct {
        int64_t t_ms;
        const char *text;
    } rows[] = {
        {0, "0"},
        {1, "0.001"},
        {1000, "1"},
        {1500, "1.500"},
        {1700000000120, "1700000000.120"},
        {-1500, "-1.500"},
        {-1, "-0.001"},
        {API_MOST_TIME_MS, "4000000000000"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        strbuf_clear(&out);
        api_write_time(&out, rows[i].t_ms);
        assert_string_equal(out.data, rows[i].text);
    }
}

static void days_are_printed_as_go_does(void **state) {
    struct json_writer json = {.out = &out};
    api_write_rfc3339(&json, NULL, 1700000000000);
    api_write_rfc3339(&json, NULL, 1700000000120);
    api_write_rfc3339(&json, NULL, 0);
    assert_string_equal(out.data, "\"2023-11-14T22:13:20Z\",\"2023-11-14T22:13:20.12Z\","
                                  "\"0001-01-01T00:00:00Z\"");
}

static void the_envelope_shows_ten_annotations_of_each_kind(void **state) {
    char texts[12][16];
    char *list[12];
    for (int i = 0; i < 12; i++) {
        snprintf(texts[i], sizeof(texts[i]), "w%d", i);
        list[i] = texts[i];
    }
    const struct annotation_list warnings = {list, 12, 12}, infos = {list, 1, 12};
    api_write_head(&out);
    strbuf_add_text(&out, "[]");
    api_write_tail(&out, &warnings, &infos);
    assert_string_equal(out.data,
                        "{\"status\":\"success\",\"data\":[],\"warnings\":[\"w0\",\"w1\",\"w2\","
                        "\"w3\",\"w4\",\"w5\",\"w6\",\"w7\",\"w8\",\"w9\","
                        "\"2 more warning annotations omitted\"],\"infos\":[\"w0\"]}");
    strbuf_clear(&out);
    api_write_head(&out);
    strbuf_add_text(&out, "[]");
    api_write_tail(&out, &infos, &warnings);
    assert_non_null(strstr(out.data, "\"2 more info annotations omitted\"]}"));
}

static void errors_have_their_type(void **state) {
    api_write_error(&out, API_EXECUTION, str_of("a \"b\""));
    assert_string_equal(
        out.data, "{\"status\":\"error\",\"errorType\":\"execution\",\"error\":\"a \\\"b\\\"\"}");
    assert_int_equal(api_error_kinds[API_EXECUTION].status, 422);
    assert_int_equal(api_error_kinds[API_BAD_DATA].status, 400);
    assert_int_equal(api_error_kinds[API_TIMEOUT].status, 503);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(values_have_the_shortest_digits),
        TEST(values_agree_with_the_printer_of_expressions),
        TEST(times_have_a_fraction_only_if_there_is_one),
        TEST(days_are_printed_as_go_does),
        TEST(the_envelope_shows_ten_annotations_of_each_kind),
        TEST(errors_have_their_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
