/* SPDX-License-Identifier: Apache-2.0 */

/* The environment of commands: what is ours does not leak, and names are there once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/hook_environment.h"

static const char *value_of(const struct hook_environment *environment, const char *name) {
    const char *found = NULL;
    size_t length = strlen(name);
    for (const char *const *text = hook_environment_texts(environment); *text != NULL; text++) {
        if (strncmp(*text, name, length) == 0 && (*text)[length] == '=') {
            assert_null(found);
            found = *text + length + 1;
        }
    }
    return found;
}

static void holds_little_of_ours(void **state) {
    struct hook_environment environment;
    assert_int_equal(setenv("PATH", "/somewhere", 1), 0);
    assert_int_equal(setenv("PGPASSWORD", "secret", 1), 0);
    assert_int_equal(setenv("TZ", "UTC", 1), 0);
    hook_environment_init(&environment);
    assert_null(strstr(value_of(&environment, "PATH"), "somewhere"));
    assert_non_null(strstr(value_of(&environment, "PATH"), "/usr/bin:"));
    assert_null(value_of(&environment, "PGPASSWORD"));
    assert_string_equal(value_of(&environment, "TZ"), "UTC");
    hook_environment_deinit(&environment);
}

static void a_later_value_replaces_the_earlier(void **state) {
    struct hook_environment environment;
    hook_environment_init(&environment);
    hook_environment_set(&environment, "A", str_of("1"));
    hook_environment_set(&environment, "AB", str_of("2"));
    hook_environment_set(&environment, "A", str_of("3=4"));
    assert_string_equal(value_of(&environment, "A"), "3=4");
    assert_string_equal(value_of(&environment, "AB"), "2");
    hook_environment_deinit(&environment);
}

static void values_are_views_and_end_at_a_zero_byte(void **state) {
    struct hook_environment environment;
    hook_environment_init(&environment);
    hook_environment_set(&environment, "A", (struct str){"12345", 2});
    hook_environment_set(&environment, "B", (struct str){"1\0C=2", 5});
    assert_string_equal(value_of(&environment, "A"), "12");
    assert_string_equal(value_of(&environment, "B"), "1");
    assert_null(value_of(&environment, "C"));
    hook_environment_deinit(&environment);
}

static void there_is_a_limit(void **state) {
    struct hook_environment environment;
    hook_environment_init(&environment);
    for (int i = 0; i < 2 * HOOK_MOST_VARIABLES; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "N%d", i);
        hook_environment_set(&environment, name, str_of("x"));
    }
    assert_int_equal(environment.count, HOOK_MOST_VARIABLES);
    assert_null(hook_environment_texts(&environment)[HOOK_MOST_VARIABLES]);
    hook_environment_set(&environment, "N0", str_of("y"));
    assert_string_equal(value_of(&environment, "N0"), "y");
    hook_environment_deinit(&environment);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_little_of_ours),
        cmocka_unit_test(a_later_value_replaces_the_earlier),
        cmocka_unit_test(values_are_views_and_end_at_a_zero_byte),
        cmocka_unit_test(there_is_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
