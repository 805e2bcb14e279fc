/* SPDX-License-Identifier: Apache-2.0 */

/* Errors: the first wins, texts are cut at characters, places are as long as what is known. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

static void the_first_error_wins(void **state) {
    struct error err = {0};
    struct position at = {"a.yml", 3, 5};
    assert_int_equal(error_set(&err, -EINVAL, at, "unknown key '%s'", "x"), -EINVAL);
    assert_int_equal(error_say(&err, -EIO, "something else"), -EIO);
    assert_int_equal(err.code, -EINVAL);
    assert_string_equal(err.text, "unknown key 'x'");
    assert_int_equal(err.at.line, 3);
}

static void nobody_need_be_interested(void **state) {
    assert_int_equal(error_say(NULL, -EPERM, "x"), -EPERM);
}

static void the_place_is_as_long_as_what_is_known(void **state) {
    static const struct {
        struct position at;
        const char *text;
    } cases[] = {
        {{"a.yml", 3, 5}, "a.yml:3:5: bad"},
        {{"a.yml", 3, 0}, "a.yml:3: bad"},
        {{"a.yml", 0, 0}, "a.yml: bad"},
        {{NULL, 3, 5}, "3:5: bad"},
        {{NULL, 0, 0}, "bad"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error err = {0};
        char out[64];
        error_set(&err, -EINVAL, cases[i].at, "bad");
        assert_string_equal(error_format(&err, out, sizeof(out)), cases[i].text);
    }
}

static void a_place_that_does_not_fit_is_cut(void **state) {
    struct error err = {0};
    char out[8];
    error_set(&err, -EINVAL, (struct position){"a.yml", 3, 5}, "bad");
    assert_string_equal(error_format(&err, out, sizeof(out)), "a.yml:3");
}

static void long_texts_are_cut_between_characters(void **state) {
    static const char *const characters[] = {"x", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    for (size_t kind = 0; kind < ARRAY_LEN(characters); kind++) {
        for (size_t before = 0; before < 5; before++) {
            char text[400] = "";
            memset(text, '.', before);
            while (strlen(text) < 300) {
                strcat(text, characters[kind]);
            }
            struct error err = {0};
            error_say(&err, -EINVAL, "%s", text);
            size_t len = strlen(err.text);
            assert_in_range(len, 252, 255);
            for (size_t i = 0; i < len;) {
                size_t step = utf8_length(err.text + i, len - i);
                assert_true(step > 0);
                i += step;
            }
        }
    }
}

static void a_text_that_just_fits_is_whole(void **state) {
    char text[256];
    memset(text, 'y', 255);
    text[255] = '\0';
    struct error err = {0};
    error_say(&err, -EINVAL, "%s", text);
    assert_string_equal(err.text, text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_error_wins),
        cmocka_unit_test(nobody_need_be_interested),
        cmocka_unit_test(the_place_is_as_long_as_what_is_known),
        cmocka_unit_test(a_place_that_does_not_fit_is_cut),
        cmocka_unit_test(long_texts_are_cut_between_characters),
        cmocka_unit_test(a_text_that_just_fits_is_whole),
    };
    return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
