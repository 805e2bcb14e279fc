/* SPDX-License-Identifier: Apache-2.0 */

/* Foreign text in pages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "web/html.h"

static void assert_made(void (*make)(struct strbuf *out, struct str text), struct str text,
                        const char *wanted) {
    struct strbuf out = {0};
    make(&out, text);
    assert_string_equal(strbuf_view(&out).data, wanted);
    strbuf_deinit(&out);
}

static void markup_becomes_text(void **state) {
    assert_made(html_escape, str_of("<a href=\"x\" b='&'>"),
                "&#60;a href=&#34;x&#34; b=&#39;&#38;&#39;&#62;");
    assert_made(html_escape, str_of(""), "");
    assert_made(html_escape, str_of("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
}

static void what_is_no_utf8_is_replaced(void **state) {
    assert_made(html_escape, str_of("a\xff\xc3"), "a&#xfffd;&#xfffd;");
    assert_made(html_escape, str_of("\xf0\x9f<"), "&#xfffd;&#xfffd;&#60;");
}

static void ages_have_two_units(void **state) {
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        {-5, "0s"},      {0, "0s"},         {999, "0s"},      {61500, "1m1s"},
        {3600000, "1h"}, {3725000, "1h2m"}, {86400000, "1d"}, {93784000, "1d2h"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct strbuf out = {0};
        html_age(&out, rows[i].ms);
        assert_string_equal(strbuf_view(&out).data, rows[i].text);
        strbuf_deinit(&out);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(markup_becomes_text),
        cmocka_unit_test(what_is_no_utf8_is_replaced),
        cmocka_unit_test(ages_have_two_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
