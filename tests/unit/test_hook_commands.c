/* SPDX-License-Identifier: Apache-2.0 */

/* Lists of commands: copies are their own, and only the same words are equal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/macros.h"
#include "io/hook_commands.h"

static struct hook_commands list_of(struct hook_command *commands, size_t count) {
    return (struct hook_commands){commands, count};
}

static void copies_are_their_own(void **state) {
    char program[] = "/bin/a", word[] = "b";
    char *words[] = {program, word, NULL};
    struct hook_command one = {words};
    struct hook_commands list = list_of(&one, 1), copy, again;
    hook_commands_copy(&list, &copy);
    hook_commands_copy(&copy, &again);
    assert_true(hook_commands_equal(&list, &copy));
    word[0] = 'c';
    assert_false(hook_commands_equal(&list, &copy));
    assert_true(hook_commands_equal(&again, &copy));
    hook_commands_deinit(&copy);
    hook_commands_deinit(&again);
    assert_int_equal(copy.count, 0);
}

static void only_the_same_words_are_equal(void **state) {
    char a[] = "/a", b[] = "/b", empty[] = "";
    char *lists[][4] = {{a, NULL}, {b, NULL}, {a, b, NULL}, {a, empty, NULL}, {a, b, b, NULL}};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        for (size_t k = 0; k < ARRAY_LEN(lists); k++) {
            struct hook_command left = {lists[i]}, right = {lists[k]};
            struct hook_commands lefts = list_of(&left, 1), rights = list_of(&right, 1);
            assert_int_equal(hook_commands_equal(&lefts, &rights), i == k);
        }
    }
}

static void the_number_of_commands_counts(void **state) {
    char a[] = "/a";
    char *words[] = {a, NULL};
    struct hook_command two[] = {{words}, {words}};
    struct hook_commands none = {0}, one = list_of(two, 1), both = list_of(two, 2);
    assert_false(hook_commands_equal(&none, &one));
    assert_false(hook_commands_equal(&both, &one));
    assert_true(hook_commands_equal(&none, &none));
    hook_commands_deinit(&none);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_are_their_own),
        cmocka_unit_test(only_the_same_words_are_equal),
        cmocka_unit_test(the_number_of_commands_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
