/* SPDX-License-Identifier: Apache-2.0 */

/* Text on its way into other languages, byte by byte. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/escape.h"
#include "base/macros.h"
#include "base/mem.h"

static void bytes_with_a_row_are_replaced(void **state) {
    static const struct escape table[] = {{'<', "&lt;"}, {'\n', ""}, {0, NULL}};
    struct strbuf out = {0};
    strbuf_add_escaped(&out, str_of("a<b>\n<\xc3\xa9"), table);
    assert_string_equal(out.data, "a&lt;b>&lt;\xc3\xa9");
    strbuf_deinit(&out);
}

static void zero_is_a_byte_like_any_other(void **state) {
    static const struct escape table[] = {{'a', "b"}, {0, NULL}};
    struct strbuf out = {0};
    strbuf_add_escaped(&out, (struct str){"a\0a", 3}, table);
    strbuf_add_percent(&out, (struct str){"\0", 1}, "-");
    assert_int_equal(out.len, 6);
    assert_memory_equal(out.data, "b\0b%00", 6);
    strbuf_deinit(&out);
}

static void urls_keep_what_is_legal_in_them(void **state) {
    static const struct {
        const char *text, *percent, *query;
    } cases[] = {
        {"", "", ""},
        {"aZ09-._~", "aZ09-._~", "aZ09-._~"},
        {"a b  c", "a%20b%20%20c", "a+b++c"},
        {" ", "%20", "+"},
        {"a/b?c=d&e+f", "a%2Fb%3Fc%3Dd%26e%2Bf", "a%2Fb%3Fc%3Dd%26e%2Bf"},
        {"\"<'>#%\n", "%22%3C%27%3E%23%25%0A", "%22%3C%27%3E%23%25%0A"},
        {"\xc3\xa9\"\x7f", "%C3%A9%22%7F", "%C3%A9%22%7F"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct strbuf percent = {0}, query = {0};
        strbuf_add_percent(&percent, str_of(cases[i].text), URL_UNRESERVED);
        strbuf_add_query_value(&query, str_of(cases[i].text));
        assert_true(str_is(strbuf_view(&percent), cases[i].percent));
        assert_true(str_is(strbuf_view(&query), cases[i].query));
        strbuf_deinit(&percent);
        strbuf_deinit(&query);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_with_a_row_are_replaced),
        cmocka_unit_test(zero_is_a_byte_like_any_other),
        cmocka_unit_test(urls_keep_what_is_legal_in_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
