/* SPDX-License-Identifier: Apache-2.0 */

/* The strict readers of pages and JSON that tests rely on: what is wrong must not pass them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/macros.h"
#include "tests/support/exposition_check.h"
#include "tests/support/json_check.h"

#define GAUGE     "# HELP a A.\n# TYPE a gauge\n"
#define HISTOGRAM "# HELP h H.\n# TYPE h histogram\n"
#define SUMMARY   "# HELP s S.\n# TYPE s summary\n"

static void accepts_pages_as_they_should_be(void **state) {
    static const char *const pages[] = {
        "",
        GAUGE "a 1\n",
        GAUGE "a{b=\"\",c=\"\\\"\\\\\\n{},= \xc3\xbc\"} -1.5e-300\na{b=\"x\"} NaN\na +Inf\n",
        "# HELP a With \\\\ and \\n in it.\n# TYPE a untyped\na 0\n",
        "# HELP x:y_1 \n# TYPE x:y_1 counter\nx:y_1 0\n",
        HISTOGRAM "h_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n",
        SUMMARY "s{quantile=\"0.5\"} 1\ns_sum 1\ns_count 1\n" GAUGE "a 1\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        struct error err = {0};
        if (exposition_check(str_of(pages[i]), &err) != 0) {
            fail_msg("page %zu, line %u: %s", i, err.at.line, err.text);
        }
    }
}

static void tells_what_is_wrong_with_a_page(void **state) {
    static const struct {
        const char *page;
        unsigned line;
        const char *why;
    } cases[] = {
        {GAUGE "a 1", 3, "the last line does not end"},
        {"a 1\n", 1, "a series that is not of the family before it"},
        {GAUGE "\n", 3, "a series that has no name"},
        {GAUGE "b 1\n", 3, "a series that is not of the family before it"},
        {GAUGE "ab 1\n", 3, "a series that is not of the family before it"},
        {GAUGE "a_sum 1\n", 3, "a series that is not of the family before it"},
        {HISTOGRAM "h 1\n", 3, "a series that is not of the family before it"},
        {HISTOGRAM "h_bucket 1\n", 3, "a series that is not of the family before it"},
        {SUMMARY "s 1\n", 3, "a series that is not of the family before it"},
        {SUMMARY "s_bucket{le=\"1\"} 1\n", 3, "a series that is not of the family before it"},
        {"# HELP a A.\na 1\n", 2, "a series that is not of the family before it"},
        {"# HELP a A.\n# HELP b B.\n", 2, "HELP behind HELP"},
        {GAUGE "a 1\n# HELP b B.\n", 0, "HELP at the end"},
        {"# TYPE a gauge\na 1\n", 1, "TYPE without its HELP"},
        {"# HELP a A.\n# TYPE b gauge\n", 2, "TYPE without its HELP"},
        {"# HELP a A.\n# TYPE a info\n", 2, "unknown type"},
        {"# HELP 1 A.\n", 1, "HELP of something that is no name"},
        {"# HELP a \\t\n", 1, "HELP with an unknown escape"},
        {"# a comment\n", 1, "a series that has no name"},
        {GAUGE "a{} 1\n", 3, "a label that is no name"},
        {GAUGE "a{b:c=\"\"} 1\n", 3, "a label that is no name"},
        {GAUGE "a{b=1} 1\n", 3, "a label without quotes"},
        {GAUGE "a{b=\"\\\"} 1\n", 3, "a label that does not end"},
        {GAUGE "a{b=\"\\t\"} 1\n", 3, "a label with an unknown escape"},
        {GAUGE "a{b=\"\"c=\"\"} 1\n", 3, "labels that do not end"},
        {GAUGE "a{b=\"\"\n", 3, "labels that do not end"},
        {GAUGE "a{b=\"1\",b=\"2\"} 1\n", 3, "a label is there twice"},
        {GAUGE "a{b=\"\xff\"} 1\n", 3, "bytes that are no text"},
        {GAUGE "a\n", 3, "a value that is no number"},
        {GAUGE "a{b=\"\"}1\n", 3, "a value that is no number"},
        {GAUGE "a \n", 3, "a value that is no number"},
        {GAUGE "a 0x1\n", 3, "a value that is no number"},
        {GAUGE "a 1e\n", 3, "a value that is no number"},
        {GAUGE "a inf\n", 3, "a value that is no number"},
        {GAUGE "a 1 1000\n", 3, "a value that is no number"},
        {GAUGE "a  1\n", 3, "a value that is no number"},
        {GAUGE "a 1\n" SUMMARY GAUGE, 0, "a family is there twice"},
        {GAUGE "a{b=\"1\",c=\"2\"} 1\na{c=\"2\",b=\"1\"} 2\n", 0, "a series is there twice"},
        {SUMMARY "# HELP s_sum S.\n# TYPE s_sum gauge\ns_sum 1\n", 0,
         "a family has the name of another one's series"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error err = {0};
        assert_true(exposition_check(str_of(cases[i].page), &err) < 0);
        assert_string_equal(err.text, cases[i].why);
        assert_int_equal(err.at.line, cases[i].line);
    }
}

static void accepts_json(void **state) {
    static const char *const texts[] = {
        "null", " [ ] ",
        "{}",   "-0.5e+1",
        "0",    "\"\\u00fc\\\"\\\\\xc3\xbc\"",
        "\"\"", "{\"a\": [1, true, {\"b\": null}], \"\": false}\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (!json_check(str_of(texts[i]))) {
            fail_msg("text %zu was refused: %s", i, texts[i]);
        }
    }
}

static void refuses_what_is_no_json(void **state) {
    static const char *const texts[] = {
        "",          " ",        "nul",      "nullx",      "1 2",      "01",    "1.",     ".5",
        "1e",        "+1",       "NaN",      "'a'",        "\"",       "\"a",   "\"\\\"", "\"\\x\"",
        "\"\\u12\"", "\"\n\"",   "\"\xff\"", "[",          "[1",       "[1,]",  "[,1]",   "[1}",
        "{\"a\"}",   "{\"a\":}", "{a:1}",    "{\"a\":1,}", "{\"a\":1", "{1:1}", "]",      "[1]]",
    };
    char deep[100];
    memset(deep, '[', 33);
    memset(deep + 33, ']', 33);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (json_check(str_of(texts[i]))) {
            fail_msg("text %zu was accepted: %s", i, texts[i]);
        }
    }
    assert_false(json_check((struct str){deep, 66}));
    assert_true(json_check((struct str){deep + 1, 64}));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_pages_as_they_should_be),
        cmocka_unit_test(tells_what_is_wrong_with_a_page),
        cmocka_unit_test(accepts_json),
        cmocka_unit_test(refuses_what_is_no_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
