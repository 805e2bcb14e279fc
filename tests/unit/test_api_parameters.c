/* SPDX-License-Identifier: Apache-2.0 */

/* Parameters of the HTTP API, as Prometheus reads them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "web/api_parameters.h"

struct fixture {
    struct arena arena;
    struct web_request request;
    struct api_failure failure;
};

static struct fixture fixture;

static int set_up(void **state) {
    fixture = (struct fixture){0};
    fixture.request.arena = &fixture.arena;
    return 0;
}

static int tear_down(void **state) {
    arena_deinit(&fixture.arena);
    return 0;
}

static const struct web_request *query(const char *text) {
    struct error err = {0};
    fixture.request.n_parameters = 0;
    fixture.failure = (struct api_failure){0};
    assert_int_equal(web_request_parse_form(&fixture.request, str_of(text), &err), 0);
    return &fixture.request;
}

static void reads_times_in_seconds_and_rfc3339(void **state) {
    static const struct {
        const char *text;
        int64_t t_ms;
    } rows[] = {
        {"0", 0},
        {"1700000000", 1700000000000},
        {"1700000000.123", 1700000000123},
        {"1700000000.1236", 1700000000124},
        {"1.7e9", 1700000000000},
        {"-1.5", -1500},
        {"2023-11-14T22:13:20Z", 1700000000000},
        {"2023-11-14T22:13:20.123456789Z", 1700000000123},
        {"2023-11-15T00:13:20+02:00", 1700000000000},
        {"2023-11-14T14:13:20.5-08:00", 1700000000500},
        {"2024-02-29T00:00:00Z", 1709164800000},
        {"1969-12-31T23:59:59Z", -1000},
        {"-292273086-05-16T16:47:06Z", API_LEAST_TIME_MS},
        {"292277025-08-18T07:12:54.999999999Z", API_MOST_TIME_MS},
        {"1e300", API_MOST_TIME_MS},
        {"-Inf", API_LEAST_TIME_MS},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t t_ms = -1;
        if (!api_parse_time(str_of(rows[i].text), &t_ms) || t_ms != rows[i].t_ms) {
            fail_msg("'%s' is %lld, not %lld", rows[i].text, (long long)t_ms,
                     (long long)rows[i].t_ms);
        }
    }
}

static void refuses_what_is_no_time(void **state) {
    static const char *const texts[] = {
        "",
        "now",
        "NaN",
        "1700000000s",
        "2023-11-14",
        "2023-11-14T22:13:20",
        "2023-11-14 22:13:20Z",
        "2023-13-14T22:13:20Z",
        "2023-02-29T00:00:00Z",
        "2023-11-14T24:13:20Z",
        "2023-11-14T22:13:20.Z",
        "2023-11-14T22:13:20+0200",
        "2023-11-14T22:13:20Zx",
        "2023-11-14T22:13:20.123",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        int64_t t_ms;
        if (api_parse_time(str_of(texts[i]), &t_ms)) {
            fail_msg("'%s' is a time", texts[i]);
        }
    }
}

static void reads_durations(void **state) {
    int64_t usec = 0;
    assert_int_equal(api_parse_duration(str_of("15"), &usec), 0);
    assert_int_equal(usec, 15000000);
    assert_int_equal(api_parse_duration(str_of("0.25"), &usec), 0);
    assert_int_equal(usec, 250000);
    assert_int_equal(api_parse_duration(str_of("1m30s"), &usec), 0);
    assert_int_equal(usec, 90000000);
    assert_int_equal(api_parse_duration(str_of("-5"), &usec), 0);
    assert_int_equal(usec, -5000000);
    assert_true(api_parse_duration(str_of("1e30"), &usec) < 0);
    assert_true(api_parse_duration(str_of("NaN"), &usec) < 0);
    assert_true(api_parse_duration(str_of("+Inf"), &usec) < 0);
    assert_true(api_parse_duration(str_of("5 m"), &usec) < 0);
    assert_true(api_parse_duration(str_of(""), &usec) < 0);
}

static void says_which_parameter_is_wrong_in_the_words_of_prometheus(void **state) {
    int64_t t_ms = 7;
    uint64_t limit = 7;
    assert_int_equal(api_time_parameter(query("other=1"), "time", &t_ms, &fixture.failure), 0);
    assert_int_equal(t_ms, 7);
    assert_true(api_time_parameter(query("time=x%22"), "time", &t_ms, &fixture.failure) < 0);
    assert_string_equal(fixture.failure.text,
                        "invalid parameter \"time\": invalid time value for 'time': cannot parse "
                        "\"x\\\"\" to a valid timestamp");
    assert_true(api_limit_parameter(query("limit=-1"), "limit", &limit, &fixture.failure) < 0);
    assert_string_equal(fixture.failure.text,
                        "invalid parameter \"limit\": limit must be non-negative");
    assert_true(api_limit_parameter(query("limit=1.5"), "limit", &limit, &fixture.failure) < 0);
    assert_string_equal(
        fixture.failure.text,
        "invalid parameter \"limit\": strconv.Atoi: parsing \"1.5\": invalid syntax");
    assert_int_equal(limit, 7);
    assert_int_equal(fixture.failure.type, API_BAD_DATA);
}

static void long_values_are_cut_in_errors(void **state) {
    char text[8000] = "time=";
    int64_t t_ms;
    memset(text + 5, 'a', 7000);
    assert_true(api_time_parameter(query(text), "time", &t_ms, &fixture.failure) < 0);
    assert_true(strlen(fixture.failure.text) < 400);
}

static void a_range_needs_all_three(void **state) {
    static const struct {
        const char *query, *error;
    } rows[] = {
        {"end=1&step=1", "invalid parameter \"start\": cannot parse \"\" to a valid timestamp"},
        {"start=1&step=1", "invalid parameter \"end\": cannot parse \"\" to a valid timestamp"},
        {"start=1&end=2", "invalid parameter \"step\": cannot parse \"\" to a valid duration"},
        {"start=2&end=1&step=1",
         "invalid parameter \"end\": end timestamp must not be before start time"},
        {"start=1&end=2&step=0",
         "invalid parameter \"step\": zero or negative query resolution step widths are not "
         "accepted. Try a positive integer"},
        {"start=1&end=2&step=-1",
         "invalid parameter \"step\": zero or negative query resolution step widths are not "
         "accepted. Try a positive integer"},
        {"start=0&end=11001&step=1",
         "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query "
         "resolution (?step=XX)"},
        {"start=-Inf&end=Inf&step=1ms",
         "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query "
         "resolution (?step=XX)"},
    };
    struct api_range range;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_true(api_range_parameters(query(rows[i].query), &range, &fixture.failure) < 0);
        assert_string_equal(fixture.failure.text, rows[i].error);
    }
    assert_int_equal(
        api_range_parameters(query("start=0&end=11000&step=1"), &range, &fixture.failure), 0);
    assert_int_equal(range.end_ms, 11000000);
    assert_int_equal(range.step_ms, 1000);
}

static void a_form_comes_before_the_url(void **state) {
    static const struct web_pair headers[] = {
        {{"Content-Type", 12}, {"application/x-www-form-urlencoded; charset=UTF-8", 48}}};
    struct web_request with_form;
    query("query=url&time=1");
    fixture.request.headers = headers;
    fixture.request.n_headers = 1;
    fixture.request.body = str_of("query=form&match%5B%5D=a");
    fixture.request.method = str_of("GET");
    assert_int_equal(api_take_form(&fixture.request, &with_form, &fixture.failure), 0);
    assert_true(str_is(web_request_parameter(&with_form, "query"), "url"));
    fixture.request.method = str_of("POST");
    assert_int_equal(api_take_form(&fixture.request, &with_form, &fixture.failure), 0);
    assert_true(str_is(web_request_parameter(&with_form, "query"), "form"));
    assert_true(str_is(web_request_parameter(&with_form, "time"), "1"));
    assert_true(str_is(web_request_parameter(&with_form, "match[]"), "a"));
    fixture.request.n_headers = 0;
    assert_int_equal(api_take_form(&fixture.request, &with_form, &fixture.failure), 0);
    assert_true(str_is(web_request_parameter(&with_form, "query"), "url"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(reads_times_in_seconds_and_rfc3339),
        TEST(refuses_what_is_no_time),
        TEST(reads_durations),
        TEST(says_which_parameter_is_wrong_in_the_words_of_prometheus),
        TEST(long_values_are_cut_in_errors),
        TEST(a_range_needs_all_three),
        TEST(a_form_comes_before_the_url),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
