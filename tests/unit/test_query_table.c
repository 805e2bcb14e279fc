/* SPDX-License-Identifier: Apache-2.0 */

/* Answers as tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "cli/query_table.h"

static struct arena arena;
static struct strbuf out;

static int tear_down(void **state) {
    arena_deinit(&arena);
    strbuf_deinit(&out);
    return 0;
}

static int render(const char *text, size_t bars) {
    const struct json_value *data = NULL;
    struct error err = {0};
    assert_int_equal(json_read(str_of(text), &arena, &data, &err), 0);
    strbuf_clear(&out);
    return query_render(data, bars, &out);
}

static void a_vector_is_a_line_for_each_series(void **state) {
    assert_int_equal(render("{\"resultType\":\"vector\",\"result\":["
                            "{\"metric\":{\"__name__\":\"up\",\"a\":\"x\"},\"value\":[1,\"1\"]},"
                            "{\"metric\":{\"a\":\"y\\u001b[31m\"},\"value\":[1,\"12.5\"]}]}",
                            0),
                     0);
    assert_string_equal(out.data, "up{a=\"x\"}           1\n"
                                  "{a=\"y\\x1b[31m\"}  12.5\n");
}

static void single_values_stand_alone(void **state) {
    assert_int_equal(render("{\"resultType\":\"scalar\",\"result\":[1,\"2\"]}", 0), 0);
    assert_string_equal(out.data, "2\n");
    assert_int_equal(render("{\"resultType\":\"vector\",\"result\":[]}", 0), 0);
    assert_int_equal(out.len, 0);
}

static const char matrix[] =
    "{\"resultType\":\"matrix\",\"result\":["
    "{\"metric\":{\"a\":\"x\"},\"values\":[[0,\"1\"],[10,\"3\"],[20,\"NaN\"],[30,\"2\"]]},"
    "{\"metric\":{},\"values\":[[30,\"7\"]]}]}";

static void a_range_shows_its_bounds_and_its_last_value(void **state) {
    assert_int_equal(render(matrix, 0), 0);
    assert_string_equal(out.data, "SERIES   LEAST .. MOST  LAST\n"
                                  "{a=\"x\"}         1 .. 3     2\n"
                                  "{}              7 .. 7     7\n");
}

static void bars_follow_time(void **state) {
    const double times[] = {0, 10, 30}, values[] = {0, 7, 3.5};
    query_add_bars(times, values, 3, 0, 40, 4, &out);
    assert_string_equal(out.data, "\u2588 \u2585 ");
    assert_int_equal(render(matrix, 4), 0);
    assert_non_null(strstr(out.data, "2  \u2581"));
}

static void refuses_what_is_no_answer(void **state) {
    static const char *const texts[] = {
        "{}",
        "[]",
        "{\"resultType\":\"vector\",\"result\":{}}",
        "{\"resultType\":\"vector\",\"result\":[{}]}",
        "{\"resultType\":\"vector\",\"result\":[{\"value\":[1]}]}",
        "{\"resultType\":\"matrix\",\"result\":[{\"values\":[[1,\"x\"]]}]}",
        "{\"resultType\":\"scalar\",\"result\":[1,2]}",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        assert_int_equal(render(texts[i], 5), -EINVAL);
        assert_int_equal(out.len, 0);
    }
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_vector_is_a_line_for_each_series),
        TEST(single_values_stand_alone),
        TEST(a_range_shows_its_bounds_and_its_last_value),
        TEST(bars_follow_time),
        TEST(refuses_what_is_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
