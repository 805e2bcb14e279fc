/* SPDX-License-Identifier: Apache-2.0 */

/* Regular expressions: groups, expansion, replacing, sets of literals, limits and errors. What
 * matches what stands in tests/regex/cases.tsv. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/regex.h"

static struct regex *make(const char *pattern, enum regex_mode mode) {
    struct regex *regex = NULL;
    struct error err = {0};
    assert_int_equal(regex_new(str_of(pattern), mode, &regex, &err), 0);
    assert_false(error_is_set(&err));
    return regex;
}

static void a_search_finds_the_first_match_and_its_groups(void **state) {
    CLEANUP(regex_freep)
    struct regex *regex = make("(a+)(x)?(b)", REGEX_SEARCH);
    struct str text = str_of("-- aab ab");
    struct regex_groups groups;
    assert_int_equal(regex_find(regex, text, 0, &groups), REGEX_YES);
    assert_int_equal(groups.n_groups, 4);
    assert_true(str_is(groups.group[0], "aab"));
    assert_true(str_is(groups.group[1], "aa"));
    assert_null(groups.group[2].data);
    assert_true(str_is(groups.group[3], "b"));
    assert_int_equal(regex_find(regex, text, 6, &groups), REGEX_YES);
    assert_ptr_equal(groups.group[0].data, text.data + 7);
    assert_int_equal(regex_find(regex, text, 9, &groups), REGEX_NO);
    assert_int_equal(regex_find(regex, text, 10, &groups), REGEX_NO);
}

static void a_dot_of_a_search_stops_at_a_newline(void **state) {
    CLEANUP(regex_freep)
    struct regex *search = make("a.b", REGEX_SEARCH);
    CLEANUP(regex_freep)
    struct regex *whole = make("a.b", REGEX_WHOLE);
    assert_int_equal(regex_match(search, str_of("a\nb")), REGEX_NO);
    assert_int_equal(regex_match(search, str_of("xaéby")), REGEX_YES);
    assert_int_equal(regex_match(whole, str_of("a\nb")), REGEX_YES);
}

static void more_groups_than_ten_match_and_are_not_kept(void **state) {
    CLEANUP(regex_freep)
    struct regex *regex = make("(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)(?P<last>k)", REGEX_WHOLE);
    struct regex_groups groups;
    struct strbuf out = {0};
    assert_int_equal(regex_find(regex, str_of("abcdefghijk"), 0, &groups), REGEX_YES);
    assert_int_equal(groups.n_groups, 10);
    assert_true(str_is(groups.group[9], "i"));
    regex_expand(regex, &groups, str_of("$9-$10-$last"), &out);
    assert_string_equal(out.data, "i--");
    strbuf_deinit(&out);
}

static void groups_around_literals_hold_the_whole_text(void **state) {
    CLEANUP(regex_freep)
    struct regex *regex = make("((?:a|(?:b)))", REGEX_WHOLE);
    CLEANUP(regex_freep)
    struct regex *set = make("((a|bc))", REGEX_WHOLE);
    const struct str *literals;
    struct regex_groups groups;
    assert_int_equal(regex_literals(regex, &literals), 0); /* a group within is too much */
    assert_int_equal(regex_literals(set, &literals), 2);
    assert_int_equal(regex_find(set, str_of("bc"), 0, &groups), REGEX_YES);
    assert_int_equal(groups.n_groups, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_true(str_is(groups.group[i], "bc"));
    }
    assert_int_equal(regex_find(set, str_of("bc"), 1, &groups), REGEX_NO);
}

static void knows_sets_of_literals(void **state) {
    static const struct {
        const char *pattern;
        size_t count;
        const char *first;
    } cases[] = {
        {"", 1, ""},         {"abc", 1, "abc"},      {"b|a|b", 2, "a"},     {"(b|a)", 2, "a"},
        {"(?s:b|)", 2, ""},  {"a\\.b", 1, "a.b"},    {"\\Qa*\\E", 1, "a*"}, {"\\x{e9}", 1, "é"},
        {"日|\\t", 2, "\t"}, {"\\x{1f600}", 1, "😀"}, {"()", 1, ""},         {"a{", 1, "a{"},
        {"(?i)", 1, ""},
    };
    static const char *const others[] = {
        "a.", "[a]", "(?i)a", "a*", "(a)b", "a(b)", "(a)|b", "a|(b)", "(a)(b)", "^a",
        "a$", "\\d", ".*",    ".+", "(a)|", "()()", "a{1}",  "\\pL",  "(?i:a)"};
    const struct str *set;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(regex_freep)
        struct regex *regex = make(cases[i].pattern, REGEX_WHOLE);
        assert_int_equal(regex_literals(regex, &set), cases[i].count);
        assert_true(str_is(set[0], cases[i].first));
        CLEANUP(regex_freep)
        struct regex *search = make(cases[i].pattern, REGEX_SEARCH);
        assert_int_equal(regex_literals(search, &set), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        CLEANUP(regex_freep)
        struct regex *regex = make(others[i], REGEX_WHOLE);
        assert_int_equal(regex_literals(regex, &set), 0);
    }
}

static void a_set_of_many_literals_needs_no_matcher(void **state) {
    struct strbuf pattern = {0};
    for (int i = 0; i < 20000; i++) {
        strbuf_printf(&pattern, "%sinstance-%d", i > 0 ? "|" : "", i);
    }
    CLEANUP(regex_freep)
    struct regex *regex = make(pattern.data, REGEX_WHOLE);
    assert_int_equal(regex_match(regex, str_of("instance-19999")), REGEX_YES);
    assert_int_equal(regex_match(regex, str_of("instance-20000")), REGEX_NO);
    strbuf_deinit(&pattern);
}

static void expands_as_go_does(void **state) {
    static const struct {
        const char *replacement, *expected;
    } cases[] = {
        {"", ""},           {"x", "x"},
        {"$1", "ab"},       {"${1}x", "abx"},
        {"$1x", ""},        {"$1-$2", "ab-12"},
        {"$name", "12"},    {"${name}", "12"},
        {"$namex", ""},     {"$0", "ab12"},
        {"$3", ""},         {"$$", "$"},
        {"$$1", "$1"},      {"a$", "a$"},
        {"${1", "${1"},     {"${}", "${}"},
        {"$-", "$-"},       {"$01", ""},
        {"$1é", ""},        {"$1→", "ab→"},
        {"${1x}", ""},      {"$999999999999", ""},
        {"$1$2", "ab12"},   {"$_", ""},
        {"$\xff", "$\xff"}, {"${1}}", "ab}"},
        {"$1 $1", "ab ab"},
    };
    CLEANUP(regex_freep)
    struct regex *regex = make("([a-z]+)(?P<name>\\d+)", REGEX_WHOLE);
    struct regex_groups groups;
    assert_int_equal(regex_find(regex, str_of("ab12"), 0, &groups), REGEX_YES);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct strbuf out = {0};
        regex_expand(regex, &groups, str_of(cases[i].replacement), &out);
        assert_true(str_is(strbuf_view(&out), cases[i].expected));
        strbuf_deinit(&out);
    }
}

static void of_groups_with_one_name_the_one_that_matched_counts(void **state) {
    CLEANUP(regex_freep)
    struct regex *regex = make("(?P<n>a)|(?P<n>b)", REGEX_WHOLE);
    struct regex_groups groups;
    struct strbuf out = {0};
    assert_int_equal(regex_find(regex, str_of("b"), 0, &groups), REGEX_YES);
    regex_expand(regex, &groups, str_of("<$n>"), &out);
    assert_string_equal(out.data, "<b>");
    strbuf_deinit(&out);
}

static void replaces_as_go_does(void **state) {
    static const struct {
        const char *pattern, *text, *replacement, *expected;
    } cases[] = {
        {"a", "banana", "o", "bonono"},
        {"a+", "baaac", "<$0>", "b<aaa>c"},
        {"a*", "baaac", "x", "xbxcx"},
        {"", "é1", "-", "-é-1-"},
        {"", "", "x", "x"},
        {"b", "", "x", ""},
        {"(\\w)(\\w)", "abcd", "$2$1", "badc"},
        {"^", "ab", "x", "xab"},
        {"$", "ab", "x", "abx"},
        {"(?m)^", "a\nb\n", "> ", "> a\n> b\n> "},
        {"\\b", "ab cd", "|", "|ab| |cd|"},
        {"x*?", "xx", "-", "-x-x-"},
        {"a",
         "\xff"
         "a",
         "b",
         "\xff"
         "a"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(regex_freep)
        struct regex *regex = make(cases[i].pattern, REGEX_SEARCH);
        struct strbuf out = {0};
        assert_int_equal(
            regex_replace_all(regex, str_of(cases[i].text), str_of(cases[i].replacement), &out), 0);
        assert_true(str_is(strbuf_view(&out), cases[i].expected));
        strbuf_deinit(&out);
    }
}

static void a_replacement_that_grows_without_end_is_an_error(void **state) {
    CLEANUP(regex_freep)
    struct regex *regex = make("", REGEX_SEARCH);
    CLEANUP(mem_freep)
    char *text = mem_alloc(8192);
    struct strbuf out = {0};
    memset(text, 'a', 8192);
    strbuf_add_text(&out, "before");
    assert_int_equal(
        regex_replace_all(regex, (struct str){text, 8192}, (struct str){text, 8192}, &out), -E2BIG);
    assert_string_equal(out.data, "before");
    strbuf_deinit(&out);
}

static void a_hopeless_pattern_is_an_error_and_not_a_mismatch(void **state) {
    static const char text[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!";
    CLEANUP(regex_freep)
    struct regex *regex = make("(a|aa)+(a|aa)+b?", REGEX_WHOLE);
    struct regex_groups groups;
    struct strbuf out = {0};
    assert_int_equal(regex_match(regex, str_of(text)), -E2BIG);
    assert_int_equal(regex_find(regex, str_of(text), 0, &groups), -E2BIG);
    assert_int_equal(regex_replace_all(regex, str_of(text), str_of("x"), &out), -E2BIG);
    assert_int_equal(regex_match(regex, str_of("aab")), REGEX_YES); /* and the next one is fine */
    strbuf_deinit(&out);
}

static void errors_have_a_column_and_the_words_of_go(void **state) {
    static const struct {
        const char *pattern;
        unsigned column;
        const char *text;
    } cases[] = {
        {"a(b", 2, "missing closing ): `(b`"},
        {"a**", 2, "invalid nested repetition operator: `**`"},
        {"é\\Z", 3, "invalid escape sequence: `\\Z`"},
        {"(?=é)", 1, "invalid or unsupported Perl syntax: `(?=`"},
        {"x{1001}", 2, "invalid repeat count: `{1001}`"},
        {"\\", 1, "trailing backslash at end of expression"},
        {"[[:é:]]", 2, "invalid character class range: `[:é:]`"},
        {"a\xff", 2, "invalid UTF-8"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct regex *regex = NULL;
        struct error err = {0};
        assert_int_equal(regex_new(str_of(cases[i].pattern), REGEX_WHOLE, &regex, &err), -EINVAL);
        assert_null(regex);
        assert_int_equal(err.at.column, cases[i].column);
        assert_string_equal(err.text, cases[i].text);
    }
}

static void what_is_too_large_is_refused(void **state) {
    CLEANUP(mem_freep)
    char *text = mem_alloc(2 * 1024 * 1024);
    struct regex *regex = NULL;
    struct error err = {0};
    memset(text, 'a', 2 * 1024 * 1024);
    assert_int_equal(regex_new((struct str){text, 2 * 1024 * 1024}, REGEX_WHOLE, &regex, &err),
                     -EINVAL);
    memset(text, '(', 1000);
    memset(text + 1000, ')', 1000);
    err = (struct error){0};
    assert_int_equal(regex_new((struct str){text, 2000}, REGEX_WHOLE, &regex, &err), -EINVAL);
    assert_int_equal(err.at.column, 201);
    err = (struct error){0};
    assert_int_equal(regex_new(str_of("(?:(?:abcdefghijklm[n]opqrstuvwxyz0123456789){1000}|x)"),
                               REGEX_WHOLE, &regex, &err),
                     -EINVAL);
    assert_string_equal(err.text, "expression too large: `{1000}`");
    assert_null(regex);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_search_finds_the_first_match_and_its_groups),
        cmocka_unit_test(a_dot_of_a_search_stops_at_a_newline),
        cmocka_unit_test(more_groups_than_ten_match_and_are_not_kept),
        cmocka_unit_test(groups_around_literals_hold_the_whole_text),
        cmocka_unit_test(knows_sets_of_literals),
        cmocka_unit_test(a_set_of_many_literals_needs_no_matcher),
        cmocka_unit_test(expands_as_go_does),
        cmocka_unit_test(of_groups_with_one_name_the_one_that_matched_counts),
        cmocka_unit_test(replaces_as_go_does),
        cmocka_unit_test(a_replacement_that_grows_without_end_is_an_error),
        cmocka_unit_test(a_hopeless_pattern_is_an_error_and_not_a_mismatch),
        cmocka_unit_test(errors_have_a_column_and_the_words_of_go),
        cmocka_unit_test(what_is_too_large_is_refused),
    };
    return cmocka_run_group_tests_name("regex", tests, NULL, NULL);
}
