/* SPDX-License-Identifier: Apache-2.0 */

/* The hooks of a cluster: copies, comparison, and whether they could be run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "failover/hook_options.h"

static void add(struct hook_options *options, enum hook_event_kind kind, const char *program) {
    struct hook_commands *commands = &options->commands[kind];
    commands->list = mem_resize(commands->list, commands->count + 1, sizeof(struct hook_command));
    char **words = mem_array(2, sizeof(char *));
    words[0] = mem_strdup(program);
    commands->list[commands->count++].words = words;
}

static void every_event_has_a_name(void **state) {
    for (size_t i = 0; i < HOOK_EVENTS; i++) {
        assert_non_null(hook_event_names[i]);
    }
    assert_null(hook_event_names[HOOK_EVENTS]);
}

static void a_copy_is_equal_until_something_changes(void **state) {
    struct hook_options options = {.timeout_usec = 1, .user = mem_strdup("a")}, copy;
    add(&options, HOOK_FENCE, "/bin/true");
    hook_options_copy(&options, &copy);
    assert_true(hook_options_equal(&options, &copy));
    copy.user[0] = 'b';
    assert_false(hook_options_equal(&options, &copy));
    copy.user[0] = 'a';
    copy.fence_timeout_usec = 2;
    assert_false(hook_options_equal(&options, &copy));
    copy.fence_timeout_usec = 0;
    add(&copy, HOOK_POOL, "/bin/true");
    assert_false(hook_options_equal(&options, &copy));
    hook_options_deinit(&copy);
    hook_options_copy(&options, &copy);
    free(copy.user);
    copy.user = NULL;
    assert_false(hook_options_equal(&options, &copy));
    hook_options_deinit(&copy);
    hook_options_deinit(&options);
}

static void only_a_fence_has_the_long_time(void **state) {
    const struct hook_options options = {.timeout_usec = 1, .fence_timeout_usec = 2};
    for (size_t i = 0; i < HOOK_EVENTS; i++) {
        assert_int_equal(hook_options_timeout_usec(&options, (enum hook_event_kind)i),
                         i == HOOK_FENCE ? 2 : 1);
    }
}

static void the_check_names_the_event_and_the_file(void **state) {
    struct hook_options options = {0};
    struct error err = {0};
    assert_int_equal(hooks_check(&options, &err), 0);
    add(&options, HOOK_FENCE, "/bin/true");
    assert_int_equal(hooks_check(&options, &err), 0);
    add(&options, HOOK_POST, "/nonexistent/hook");
    assert_int_equal(hooks_check(&options, &err), -ENOENT);
    assert_non_null(strstr(err.text, "hook 'post': '/nonexistent"));
    hook_options_deinit(&options);
}

static void the_check_knows_the_user(void **state) {
    struct hook_options options = {.user = mem_strdup("no-such-user")};
    struct error err = {0};
    assert_int_equal(hooks_check(&options, &err), -ENOENT);
    assert_non_null(strstr(err.text, "no-such-user"));
    hook_options_deinit(&options);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_event_has_a_name),
        cmocka_unit_test(a_copy_is_equal_until_something_changes),
        cmocka_unit_test(only_a_fence_has_the_long_time),
        cmocka_unit_test(the_check_names_the_event_and_the_file),
        cmocka_unit_test(the_check_knows_the_user),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
