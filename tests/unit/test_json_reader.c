/* SPDX-License-Identifier: Apache-2.0 */

/* JSON of others becomes a tree, or an error with its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "base/json.h"
#include "base/json_reader.h"

static struct arena arena;

static int tear_down(void **state) {
    arena_deinit(&arena);
    return 0;
}

static const struct json_value *read_text(const char *text) {
    const struct json_value *value = NULL;
    struct error err = {0};
    assert_int_equal(json_read(str_of(text), &arena, &value, &err), 0);
    return value;
}

static void reads_all_kinds_of_values(void **state) {
    const struct json_value *root =
        read_text("{\"b\": [1, 2.5, \"x\\u0000y\"], \"a\": true, \"n\": null}");
    assert_int_equal(root->kind, JSON_IS_OBJECT);
    assert_int_equal(root->n_items, 3);
    assert_true(str_is(root->items[0].key, "b")); /* the order stays */
    const struct json_value *list = json_member(root, "b");
    assert_int_equal(list->kind, JSON_IS_LIST);
    assert_true(list->items[0].number == 1 && list->items[1].number == 2.5);
    assert_int_equal(list->items[2].text.len, 3);
    assert_true(json_member(root, "a")->truth);
    assert_int_equal(json_member(root, "n")->kind, JSON_IS_NULL);
    assert_null(json_member(root, "absent"));
    assert_null(json_member(list, "b"));
    assert_null(json_member(NULL, "b"));
    assert_int_equal(json_text_of(list).len, 0);
    assert_true(str_is(json_text_of(read_text("\"alone\"")), "alone"));
}

static void refuses_what_is_no_json(void **state) {
    static const char *const texts[] = {"",         "{",  "{\"a\":1,\"a\":2}", "[1,]", "nan",
                                        "\"\xff\"", "1 2"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        const struct json_value *value = NULL;
        struct error err = {0};
        assert_int_equal(json_read(str_of(texts[i]), &arena, &value, &err), -EINVAL);
        assert_null(value);
        assert_non_null(strstr(err.text, "this is no JSON: "));
    }
    struct error err = {0};
    const struct json_value *value;
    json_read(str_of("{\n  x"), &arena, &value, &err);
    assert_int_equal(err.at.line, 2);
}

static void depth_is_bounded(void **state) {
    struct strbuf text = {0};
    struct error err = {0};
    const struct json_value *value;
    for (int i = 0; i < 100000; i++) {
        strbuf_add_char(&text, '[');
    }
    assert_int_equal(json_read(strbuf_view(&text), &arena, &value, &err), -EINVAL);
    strbuf_deinit(&text);
}

static void the_library_keeps_its_own_null(void **state) {
    struct strbuf out = {0};
    struct json_writer json = {.out = &out};
    json_null(&json, NULL);
    assert_string_equal(out.data, "null");
    assert_int_equal(read_text("[null, null]")->n_items, 2);
    strbuf_deinit(&out);
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

static int read_within(const char *text, size_t most_values, size_t most_depth) {
    const struct json_value *value = NULL;
    struct error err = {0};
    int r = json_read_within(str_of(text), most_values, most_depth, &arena, &value, &err);
    assert_true((r == 0) == (value != NULL) && (r == 0) != error_is_set(&err));
    return r;
}

static void values_and_depth_may_be_limited(void **state) {
    assert_int_equal(read_within("[1,{\"a\":[2]}]", 5, 3), 0);
    assert_int_equal(read_within("[1,{\"a\":[2]}]", 4, 3), -E2BIG);
    assert_int_equal(read_within("[1,{\"a\":[2]}]", 5, 2), -E2BIG);
    assert_int_equal(read_within("[[],[],[]]", 9, 2), 0);
    assert_int_equal(read_within("[\"[[[,,,\\\"[[\", \"\\\\\"]", 3, 1), 0); /* texts do not count */
    assert_int_equal(read_within("]]]]", 3, 1), -EINVAL);
    assert_int_equal(read_within("\"\\", 3, 1), -EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(reads_all_kinds_of_values),
        TEST(refuses_what_is_no_json),
        TEST(depth_is_bounded),
        TEST(values_and_depth_may_be_limited),
        TEST(the_library_keeps_its_own_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
