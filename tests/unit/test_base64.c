/* SPDX-License-Identifier: Apache-2.0 */

/* Base64 by the vectors of its RFC, and what is none. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base64.h"
#include "base/macros.h"

/* The test vectors of RFC 4648, and bytes that are no text. */
static const struct {
    struct str bytes;
    const char *text;
} cases[] = {
    {{"", 0}, ""},
    {{"f", 1}, "Zg=="},
    {{"fo", 2}, "Zm8="},
    {{"foo", 3}, "Zm9v"},
    {{"foob", 4}, "Zm9vYg=="},
    {{"fooba", 5}, "Zm9vYmE="},
    {{"foobar", 6}, "Zm9vYmFy"},
    {{"\xff\xfe\x00\xfb\xf0", 5}, "//4A+/A="},
};

static void writes_and_reads_the_known_vectors(void **state) {
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct strbuf out = {0};
        struct arena arena = {0};
        struct str back;
        base64_add(&out, cases[i].bytes);
        assert_true(str_is(strbuf_view(&out), cases[i].text));
        assert_true(base64_decode(&arena, str_of(cases[i].text), &back));
        assert_true(str_equal(back, cases[i].bytes));
        assert_int_equal(back.data[back.len], 0);
        arena_deinit(&arena);
        strbuf_deinit(&out);
    }
}

static void refuses_what_is_no_whole_group_of_its_digits(void **state) {
    static const char *const bad[] = {"Z",     "Zg",         "Zg=",  "Zm9vY", "Z===",     "====",
                                      "Zm9\n", "Zm9v\nZm9v", "Zm-_", "=Zm9",  "Zg==Zg==", "Zm 9"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct arena arena = {0};
        struct str back = {NULL, 7};
        assert_false(base64_decode(&arena, str_of(bad[i]), &back));
        assert_int_equal(back.len, 7);
        arena_deinit(&arena);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_and_reads_the_known_vectors),
        cmocka_unit_test(refuses_what_is_no_whole_group_of_its_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
