/* SPDX-License-Identifier: Apache-2.0 */

/* Which hashes are taken, and which passwords fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"
#include "web/password.h"

/* Of "secret". */
static const char hash_2y[] = "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";
static const char hash_2b[] = "$2b$04$zyxwvutsrqponmlkjihgfuXJrDMy5HRXi6keb/lueyqImTcQZ.boC";

static void takes_what_htpasswd_and_others_make(void **state) {
    static const char *const hashes[] = {
        hash_2y,
        hash_2b,
        "$2a$10$abcdefghijklmnopqrstuuPp7HPfoAs8I2dCQCQ.fW7zEJv8I8C8e",
        "$2y$16$abcdefghijklmnopqrstuuPp7HPfoAs8I2dCQCQ.fW7zEJv8I8C8e",
    };
    for (size_t i = 0; i < ARRAY_LEN(hashes); i++) {
        struct error err = {0};
        assert_int_equal(password_check_hash(hashes[i], &err), 0);
    }
}

static void refuses_what_is_no_hash_of_ours_and_never_shows_it(void **state) {
    static const char *const hashes[] = {
        "",
        "hunter2",
        "$2y$10$",
        "$2x$10$abcdefghijklmnopqrstuuPp7HPfoAs8I2dCQCQ.fW7zEJv8I8C8e",
        "$2y$03$abcdefghijklmnopqrstuuPp7HPfoAs8I2dCQCQ.fW7zEJv8I8C8e",
        "$2y$32$abcdefghijklmnopqrstuuPp7HPfoAs8I2dCQCQ.fW7zEJv8I8C8e",
        "$2y$17$abcdefghijklmnopqrstuuPp7HPfoAs8I2dCQCQ.fW7zEJv8I8C8e",
        "$2y$1x$abcdefghijklmnopqrstuuPp7HPfoAs8I2dCQCQ.fW7zEJv8I8C8e",
        "$2y$10$abcdefghijklmnopqrstuuPp7HPfoAs8I2dCQCQ.fW7zEJv8I8C8",
        "$2y$10$abcdefghijklmnopqrstuuPp7HPfoAs8I2dCQCQ.fW7zEJv8I8C8ee",
        "$2y$10$abcdefghijklmnopqrstuuPp7HPfoAs8I2dCQCQ.fW7zEJv8I8C8 ",
        "$6$abcdefgh$abcdefghijklmnopqrstuuPp7HPfoAs8I2dCQCQfW7zEJv8I8C8e",
    };
    for (size_t i = 0; i < ARRAY_LEN(hashes); i++) {
        struct error err = {0};
        assert_true(password_check_hash(hashes[i], &err) < 0);
        assert_null(strstr(err.text, "hunter2"));
        assert_null(strstr(err.text, "abcdef"));
    }
}

static void only_the_password_fits(void **state) {
    static const char *const others[] = {"", "Secret", "secre", "secrets", "secret "};
    assert_true(password_fits("secret", hash_2y));
    assert_true(password_fits("secret", hash_2b));
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        assert_false(password_fits(others[i], hash_2y));
    }
    assert_false(password_fits("secret", "hunter2"));
    assert_false(password_fits("secret", ""));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_what_htpasswd_and_others_make),
        cmocka_unit_test(refuses_what_is_no_hash_of_ours_and_never_shows_it),
        cmocka_unit_test(only_the_password_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
