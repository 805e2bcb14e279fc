/* SPDX-License-Identifier: Apache-2.0 */

/* Conditions on labels: each type with values that are there, empty or not there. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "store/matcher.h"

static void each_type_holds_for_what_it_says(void **state) {
    static const struct {
        enum matcher_type type;
        const char *wanted, *value;
        int holds;
    } cases[] = {
        {MATCH_EQUAL, "a", "a", 1},       {MATCH_EQUAL, "a", "b", 0},
        {MATCH_EQUAL, "", "", 1},         {MATCH_EQUAL, "", "a", 0},
        {MATCH_NOT_EQUAL, "a", "a", 0},   {MATCH_NOT_EQUAL, "a", "", 1},
        {MATCH_NOT_EQUAL, "", "", 0},     {MATCH_REGEX, "a|b", "b", 1},
        {MATCH_REGEX, "a.", "ab", 1},     {MATCH_REGEX, "a.", "abc", 0},
        {MATCH_REGEX, ".*", "", 1},       {MATCH_REGEX, ".+", "", 0},
        {MATCH_NOT_REGEX, "a|b", "b", 0}, {MATCH_NOT_REGEX, "a.", "", 1},
        {MATCH_NOT_REGEX, ".*", "", 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct matcher matcher = {cases[i].type, str_of("l"), str_of(cases[i].wanted), NULL};
        assert_int_equal(matcher_prepare(&matcher, NULL), 0);
        assert_int_equal(matcher_holds(&matcher, str_of(cases[i].value)), cases[i].holds);
        matcher_deinit(&matcher);
        assert_null(matcher.regex);
    }
}

/* "No match" would be a match of the negation. */
static void a_limit_is_an_error_of_both_regex_types(void **state) {
    static const char text[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!";
    for (int i = 0; i < 2; i++) {
        struct matcher matcher = {i == 0 ? MATCH_REGEX : MATCH_NOT_REGEX, str_of("l"),
                                  str_of("(a|aa)+(a|aa)+"), NULL};
        assert_int_equal(matcher_prepare(&matcher, NULL), 0);
        assert_int_equal(matcher_holds(&matcher, str_of(text)), -E2BIG);
        matcher_deinit(&matcher);
    }
}

static void a_wrong_pattern_is_refused(void **state) {
    struct matcher matcher = {MATCH_REGEX, str_of("l"), str_of("a("), NULL};
    struct error err = {0};
    assert_int_equal(matcher_prepare(&matcher, &err), -EINVAL);
    assert_int_equal(err.at.column, 2);
    matcher_deinit(&matcher);
    matcher.type = MATCH_EQUAL;
    assert_int_equal(matcher_prepare(&matcher, NULL), 0);
}

static void types_have_their_operators(void **state) {
    assert_string_equal(matcher_type_texts[MATCH_EQUAL], "=");
    assert_string_equal(matcher_type_texts[MATCH_NOT_EQUAL], "!=");
    assert_string_equal(matcher_type_texts[MATCH_REGEX], "=~");
    assert_string_equal(matcher_type_texts[MATCH_NOT_REGEX], "!~");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_type_holds_for_what_it_says),
        cmocka_unit_test(a_limit_is_an_error_of_both_regex_types),
        cmocka_unit_test(a_wrong_pattern_is_refused),
        cmocka_unit_test(types_have_their_operators),
    };
    return cmocka_run_group_tests_name("matcher", tests, NULL, NULL);
}
