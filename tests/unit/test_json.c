/* SPDX-License-Identifier: Apache-2.0 */

/* The JSON writer: commas, escapes, numbers that JSON has no word for. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "base/json.h"

static void nesting_puts_commas_where_they_belong(void **state) {
    struct strbuf out = {0};
    struct json_writer json = {.out = &out};
    json_object_begin(&json, NULL);
    json_text(&json, "a", "x");
    json_list_begin(&json, "b");
    json_int(&json, NULL, -1);
    json_uint(&json, NULL, UINT64_MAX);
    json_object_begin(&json, NULL);
    json_object_end(&json);
    json_list_begin(&json, NULL);
    json_list_end(&json);
    json_list_end(&json);
    json_bool(&json, "c", true);
    json_null(&json, "d");
    json_object_end(&json);
    assert_string_equal(out.data, "{\"a\":\"x\",\"b\":[-1,18446744073709551615,{},[]],\"c\":true,"
                                  "\"d\":null}");
    strbuf_deinit(&out);
}

static void text_is_escaped(void **state) {
    static const struct {
        struct str text;
        const char *json;
    } cases[] = {
        {{"", 0}, "\"\""},
        {{"a\"b\\c/d", 7}, "\"a\\\"b\\\\c/d\""},
        {{"\n\r\t\0\x1f\x7f", 6}, "\"\\n\\u000d\\u0009\\u0000\\u001f\\u007f\""},
        {{"\xc3\xa4\xf0\x9f\x98\x80", 6}, "\"\xc3\xa4\xf0\x9f\x98\x80\""},
        {{"a\xff"
          "b",
          3},
         "\"a\\ufffdb\""},
        {{"\xc3", 1}, "\"\\ufffd\""},
        {{"\xed\xa0\x80", 3}, "\"\\ufffd\\ufffd\\ufffd\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct strbuf out = {0};
        json_escape(&out, cases[i].text);
        assert_string_equal(out.data, cases[i].json);
        strbuf_deinit(&out);
    }
}

static void keys_are_escaped_too(void **state) {
    struct strbuf out = {0};
    struct json_writer json = {.out = &out};
    json_object_begin(&json, NULL);
    json_int(&json, "a\"b", 1);
    json_object_end(&json);
    assert_string_equal(out.data, "{\"a\\\"b\":1}");
    strbuf_deinit(&out);
}

static void a_key_may_be_part_of_a_longer_text(void **state) {
    struct strbuf out = {0};
    struct json_writer json = {.out = &out};
    json_object_begin(&json, NULL);
    json_key(&json, (struct str){"abc", 1});
    json_int(&json, NULL, 1);
    json_key(&json, (struct str){"b\"", 2});
    json_object_begin(&json, NULL);
    json_object_end(&json);
    json_object_end(&json);
    assert_string_equal(out.data, "{\"a\":1,\"b\\\"\":{}}");
    strbuf_deinit(&out);
}

static void what_is_no_json_number_becomes_null(void **state) {
    struct strbuf out = {0};
    struct json_writer json = {.out = &out};
    json_list_begin(&json, NULL);
    json_double(&json, NULL, NAN);
    json_double(&json, NULL, INFINITY);
    json_double(&json, NULL, -INFINITY);
    json_double(&json, NULL, 0.25);
    json_double(&json, NULL, 1e300);
    json_text(&json, NULL, NULL);
    json_list_end(&json);
    assert_string_equal(out.data, "[null,null,null,0.25,1e+300,null]");
    strbuf_deinit(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nesting_puts_commas_where_they_belong),
        cmocka_unit_test(text_is_escaped),
        cmocka_unit_test(keys_are_escaped_too),
        cmocka_unit_test(a_key_may_be_part_of_a_longer_text),
        cmocka_unit_test(what_is_no_json_number_becomes_null),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
