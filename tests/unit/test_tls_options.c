/* SPDX-License-Identifier: Apache-2.0 */

/* TLS options as values. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/macros.h"
#include "io/tls_options.h"

static char a[] = "a", b[] = "b";

static const struct tls_options variants[] = {
    {.enabled = false},
    {.enabled = true},
    {.enabled = true, .ca_file = a},
    {.enabled = true, .ca_file = b},
    {.enabled = true, .cert_file = a, .key_file = a},
    {.enabled = true, .cert_file = a, .key_file = b},
    {.enabled = true, .cert_file = b, .key_file = b},
    {.enabled = true, .insecure_skip_verify = true},
    {.enabled = true, .server_name = a},
    {.enabled = true, .server_name = b},
};

static void copies_and_compares(void **state) {
    for (size_t i = 0; i < ARRAY_LEN(variants); i++) {
        struct tls_options copy;
        tls_options_copy(&variants[i], &copy);
        for (size_t j = 0; j < ARRAY_LEN(variants); j++) {
            assert_int_equal(tls_options_equal(&copy, &variants[j]), i == j);
        }
        tls_options_deinit(&copy);
        assert_null(copy.ca_file);
        assert_false(copy.enabled);
    }
}

static void shares_files_whatever_the_servers_name(void **state) {
    assert_true(tls_options_same_files(&variants[8], &variants[9]));
    assert_true(tls_options_same_files(&variants[1], &variants[8]));
    for (size_t i = 1; i <= 7; i++) {
        for (size_t j = 1; j <= 7; j++) {
            assert_int_equal(tls_options_same_files(&variants[i], &variants[j]), i == j);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_and_compares),
        cmocka_unit_test(shares_files_whatever_the_servers_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
