/* SPDX-License-Identifier: Apache-2.0 */

/* Views and buffers of text, numbers in them, and guesses at misspelt words. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "base/macros.h"
#include "base/str.h"

static void no_text_and_empty_text_compare_equal(void **state) {
    struct str none = str_of(NULL);
    assert_null(none.data);
    assert_true(str_equal(none, str_of("")));
    assert_int_equal(str_compare(none, str_of("")), 0);
    assert_true(str_starts_with(none, ""));
    assert_int_equal(str_trim(none).len, 0);
}

static void shorter_comes_before_longer(void **state) {
    assert_true(str_compare(str_of("ab"), str_of("abc")) < 0);
    assert_true(str_compare(str_of("b"), str_of("abc")) > 0);
    assert_true(str_compare(str_of("\xff"), str_of("a")) > 0);
    assert_int_equal(str_compare(str_of("a"), str_of("a")), 0);
}

static void trims_white_space_at_both_ends_only(void **state) {
    assert_true(str_is(str_trim(str_of(" \t a b\r\n")), "a b"));
    assert_int_equal(str_trim(str_of("  \n")).len, 0);
}

static void cuts_part_after_part(void **state) {
    struct str rest = str_of("a,,b");
    assert_true(str_is(str_cut(&rest, ','), "a"));
    assert_true(str_is(str_cut(&rest, ','), ""));
    assert_true(str_is(str_cut(&rest, ','), "b"));
    assert_int_equal(rest.len, 0);
    assert_int_equal(str_cut(&rest, ',').len, 0);
    struct str none = str_of(NULL);
    assert_null(str_cut(&none, ',').data);
    assert_null(none.data);
}

static void reads_whole_numbers_up_to_their_limits(void **state) {
    int64_t i;
    uint64_t u;
    assert_true(str_to_int64(str_of("-9223372036854775808"), &i));
    assert_true(i == INT64_MIN);
    assert_true(str_to_int64(str_of("9223372036854775807"), &i));
    assert_true(i == INT64_MAX);
    assert_true(str_to_int64(str_of("+007"), &i));
    assert_int_equal(i, 7);
    assert_true(str_to_uint64(str_of("18446744073709551615"), &u));
    assert_true(u == UINT64_MAX);
}

static void refuses_what_is_no_whole_number(void **state) {
    static const char *const cases[] = {"",
                                        "-",
                                        "+",
                                        "--1",
                                        "+-1",
                                        " 1",
                                        "1 ",
                                        "1.0",
                                        "0x1",
                                        "1e3",
                                        "9223372036854775808",
                                        "1\n",
                                        "-9223372036854775809"};
    for (size_t n = 0; n < ARRAY_LEN(cases); n++) {
        int64_t i = 42;
        assert_false(str_to_int64(str_of(cases[n]), &i));
        assert_int_equal(i, 42);
    }
    uint64_t u = 42;
    assert_false(str_to_uint64(str_of("18446744073709551616"), &u));
    assert_false(str_to_uint64(str_of("-1"), &u));
    assert_false(str_to_uint64(str_of("+1"), &u));
    assert_int_equal(u, 42);
}

static void reads_doubles_as_servers_write_them(void **state) {
    static const struct {
        const char *text;
        double value;
    } cases[] = {
        {"0", 0},
        {"1.5", 1.5},
        {"-2e3", -2000},
        {".5", 0.5},
        {"1.", 1},
        {"+4", 4},
        {"+Inf", INFINITY},
        {"-inf", -INFINITY},
        {"1e-400", 0},
        {"Infinity", INFINITY},
        {"123456789012345678", 123456789012345678.0},
        {"1E5", 100000},
    };
    for (size_t n = 0; n < ARRAY_LEN(cases); n++) {
        double value = 42;
        assert_true(str_to_double(str_of(cases[n].text), &value));
        assert_true(value == cases[n].value);
    }
    double value = 42;
    assert_true(str_to_double(str_of("nan"), &value));
    assert_true(isnan(value));
    assert_true(str_to_double(str_of("-0"), &value));
    assert_true(value == 0 && signbit(value));
}

static void refuses_what_is_no_decimal_number(void **state) {
    static const char *const cases[] = {"",      " 1",     "1 ",    "\v1",    "\f1", "0x10",
                                        "0X1p3", "nan(1)", "1e400", "-1e400", "1,5", "1_0",
                                        "one",   "--1",    ".",     "e5",     "1e",  "+"};
    for (size_t n = 0; n < ARRAY_LEN(cases); n++) {
        double value = 42;
        assert_false(str_to_double(str_of(cases[n]), &value));
        assert_true(value == 42);
    }
    double value = 42;
    assert_false(str_to_double((struct str){"1.5\0", 4}, &value));
    char digits[500];
    memset(digits, '1', sizeof(digits));
    assert_false(str_to_double((struct str){digits, sizeof(digits)}, &value));
}

static void what_is_a_whole_number_is_a_number(void **state) {
    double value;
    int64_t whole;
    char zeros[500];
    memset(zeros, '0', sizeof(zeros));
    zeros[sizeof(zeros) - 1] = '7';
    assert_true(str_to_int64((struct str){zeros, sizeof(zeros)}, &whole) && whole == 7);
    assert_true(str_to_double((struct str){zeros, sizeof(zeros)}, &value) && value == 7);
    assert_true(str_to_double(str_of("9007199254740993"), &value) && value == 0x1p53);
    assert_true(str_to_double(str_of("9007199254740995"), &value) && value == 0x1p53 + 4);
    assert_true(str_to_double(str_of("-9223372036854775807"), &value) && value == -0x1p63);
}

static void numbers_end_where_the_view_ends(void **state) {
    double value;
    int64_t i;
    assert_true(str_to_double((struct str){"1.55", 3}, &value));
    assert_true(value == 1.5);
    assert_true(str_to_int64((struct str){"123", 2}, &i));
    assert_int_equal(i, 12);
}

static void suggests_what_was_meant(void **state) {
    static const char *const names[] = {"interval", "timeout", "labels", NULL, "dsn", "x"};
    static const struct {
        const char *word, *name;
    } cases[] = {
        {"intervall", "interval"},
        {"intreval", "interval"},
        {"TIMEOUT", "timeout"},
        {"label", "labels"},
        {"dns", "dsn"},
        {"retention", NULL},
        {"", NULL},
        {"q", NULL},
        {"interval_of_the_sampling", NULL},
    };
    for (size_t n = 0; n < ARRAY_LEN(cases); n++) {
        const char *name =
            str_suggest(str_of(cases[n].word), names, ARRAY_LEN(names), sizeof(names[0]));
        if (cases[n].name == NULL) {
            assert_null(name);
        } else {
            assert_non_null(name);
            assert_string_equal(name, cases[n].name);
        }
    }
}

static void suggests_from_rows_of_a_table(void **state) {
    static const struct {
        const char *name;
        int other;
    } rows[] = {{"alpha", 1}, {"beta", 2}};
    assert_string_equal(str_suggest(str_of("betta"), rows, 2, sizeof(rows[0])), "beta");
}

static void knows_valid_utf8(void **state) {
    static const struct {
        const char *text;
        size_t length;
    } cases[] = {
        {"a", 1},
        {"\xc3\xa4", 2},
        {"\xe2\x82\xac", 3},
        {"\xf0\x9f\x98\x80", 4},
        {"\xf4\x8f\xbf\xbf", 4},
        {"\x80", 0},
        {"\xc0\x80", 0},
        {"\xc1\xbf", 0},
        {"\xe0\x9f\xbf", 0},
        {"\xed\xa0\x80", 0},
        {"\xf0\x8f\xbf\xbf", 0},
        {"\xf4\x90\x80\x80", 0},
        {"\xf5\x80\x80\x80", 0},
        {"\xe2\x82", 0},
        {"\xe2(\xac", 0},
    };
    for (size_t n = 0; n < ARRAY_LEN(cases); n++) {
        assert_int_equal(utf8_length(cases[n].text, strlen(cases[n].text)), cases[n].length);
    }
    assert_int_equal(utf8_length("a", 0), 0);
    assert_true(str_is_utf8(str_of("")));
    assert_true(str_is_utf8(str_of("a\xc3\xa4")));
    assert_false(str_is_utf8(str_of("a\xc3")));
}

static void a_buffer_grows_and_stays_terminated(void **state) {
    struct strbuf buf = {0};
    assert_string_equal(strbuf_view(&buf).data, "");
    strbuf_reserve(&buf, 10);
    assert_string_equal(buf.data, "");
    for (int i = 0; i < 1000; i++) {
        strbuf_add_char(&buf, (char)('a' + i % 26));
        assert_int_equal(strlen(buf.data), i + 1);
    }
    strbuf_clear(&buf);
    assert_string_equal(buf.data, "");
    strbuf_add_str(&buf, (struct str){NULL, 0});
    strbuf_add_text(&buf, "xy");
    strbuf_add(&buf, "\0z", 2);
    assert_int_equal(buf.len, 4);
    assert_memory_equal(buf.data, "xy\0z", 5);
    strbuf_deinit(&buf);
    assert_null(buf.data);
}

static void prints_texts_of_any_length(void **state) {
    struct strbuf buf = {0};
    size_t expected = 0;
    for (int width = 0; width < 400; width++) {
        strbuf_printf(&buf, "%*s|", width, "");
        expected += (size_t)width + 1;
        assert_int_equal(buf.len, expected);
        assert_int_equal(buf.data[expected - 1], '|');
        assert_int_equal(buf.data[expected], '\0');
    }
    strbuf_deinit(&buf);
}

static void replaces_bytes_that_are_no_utf8(void **state) {
    struct strbuf buf = {0};
    strbuf_add_utf8(&buf, str_of("a\xff\xc3\xa4\xe2\x82"));
    assert_string_equal(buf.data, "a\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd");
    strbuf_deinit(&buf);
}

static void taking_leaves_an_empty_buffer(void **state) {
    struct strbuf buf = {0};
    char *empty = strbuf_take(&buf);
    assert_string_equal(empty, "");
    strbuf_add_text(&buf, "text");
    char *text = strbuf_take(&buf);
    assert_string_equal(text, "text");
    assert_null(buf.data);
    free(empty);
    free(text);
}

static void words_are_names_of_labels(void **state) {
    static const char *const words[] = {"a", "_", "aZ_09", "__name__"};
    static const char *const others[] = {"", "9", "9a", "a-b", "a b", "a:b", "\xc3\xa9", "a\xc3"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        assert_true(str_is_word(str_of(words[i])));
    }
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        assert_false(str_is_word(str_of(others[i])));
    }
    assert_false(str_is_word((struct str){"a\0", 2}));
}

static void an_end_is_dropped_however_long(void **state) {
    assert_true(str_is(str_drop_end(str_of("http://a/b///"), '/'), "http://a/b"));
    assert_true(str_is(str_drop_end(str_of("///"), '/'), ""));
    assert_true(str_is(str_drop_end(str_of(""), '/'), ""));
    assert_true(str_is(str_drop_end(str_of("/a"), '/'), "/a"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_text_and_empty_text_compare_equal),
        cmocka_unit_test(shorter_comes_before_longer),
        cmocka_unit_test(trims_white_space_at_both_ends_only),
        cmocka_unit_test(cuts_part_after_part),
        cmocka_unit_test(reads_whole_numbers_up_to_their_limits),
        cmocka_unit_test(refuses_what_is_no_whole_number),
        cmocka_unit_test(reads_doubles_as_servers_write_them),
        cmocka_unit_test(refuses_what_is_no_decimal_number),
        cmocka_unit_test(numbers_end_where_the_view_ends),
        cmocka_unit_test(what_is_a_whole_number_is_a_number),
        cmocka_unit_test(suggests_what_was_meant),
        cmocka_unit_test(suggests_from_rows_of_a_table),
        cmocka_unit_test(knows_valid_utf8),
        cmocka_unit_test(a_buffer_grows_and_stays_terminated),
        cmocka_unit_test(prints_texts_of_any_length),
        cmocka_unit_test(replaces_bytes_that_are_no_utf8),
        cmocka_unit_test(taking_leaves_an_empty_buffer),
        cmocka_unit_test(words_are_names_of_labels),
        cmocka_unit_test(an_end_is_dropped_however_long),
    };
    return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}
