/* SPDX-License-Identifier: Apache-2.0 */

/* Hooks of breakers: what they see, in which order, and what is left out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "circuits/circuit_hooks.h"
#include "turn.h"

static struct loop *loop;
static struct circuit_hooks *hooks;
static struct kept_circuit kept;
static char folder[64], program[96], told[96];

static void write_program(const char *text) {
    int fd = open(program, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0700);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(close(fd), 0);
}

static struct hook_commands commands(const char *word, const char *second) {
    struct hook_commands list = {.list = mem_array(3, sizeof(struct hook_command))};
    const char *const words[] = {word, second};
    for (size_t i = 0; i < 2 && words[i] != NULL; i++) {
        char **all = mem_array(3, sizeof(char *));
        all[0] = mem_strdup(program);
        all[1] = mem_strdup(words[i]);
        list.list[list.count++].words = all;
    }
    return list;
}

static int set_up(void **state) {
    (void)snprintf(folder, sizeof(folder), "/tmp/dbvitals-hooks-XXXXXX");
    if (mkdtemp(folder) == NULL || loop_new(&loop) < 0) {
        return -1;
    }
    (void)snprintf(program, sizeof(program), "%s/hook", folder);
    (void)snprintf(told, sizeof(told), "%s/told", folder);
    hooks = circuit_hooks_new(loop);
    kept = (struct kept_circuit){.options = {.name = mem_strdup("b"),
                                             .target = mem_strdup("pool"),
                                             .open_hooks = commands("shed", "more"),
                                             .close_hooks = commands("restore", NULL),
                                             .hook_timeout_usec = 5 * USEC_PER_SEC}};
    circuit_init(&kept.circuit, &circuit_policy_default, 1);
    return 0;
}

static int tear_down(void **state) {
    hooks = circuit_hooks_free(hooks);
    loop = loop_free(loop);
    circuit_options_deinit(&kept.options);
    (void)unlink(program);
    (void)unlink(told);
    return rmdir(folder);
}

static void tell(bool opened) {
    const struct circuit_time now = {loop_now_usec(loop), loop_now_ms(loop)};
    (void)circuit_order(&kept.circuit, opened ? BREAKER_FORCE_OPEN : BREAKER_LIFT, now.usec);
    circuit_hooks_tell(hooks, &kept, opened, now);
}

static void wait_idle(void) {
    uint64_t deadline = loop_clock_usec() + 15 * USEC_PER_SEC;
    while (!circuit_hooks_idle(hooks) && loop_clock_usec() < deadline) {
        (void)loop_run_once(loop, 10 * USEC_PER_MSEC);
    }
    assert_true(circuit_hooks_idle(hooks));
}

static void expect_told(const char *text) {
    char found[4096] = "";
    int fd = open(told, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        (void)!read(fd, found, sizeof(found) - 1);
        (void)close(fd);
    }
    assert_string_equal(found, text);
}

/* Writes "$1 event state" beside itself. */
#define NOTES                                                                                      \
    "#!/bin/sh\n"                                                                                  \
    "echo \"$1 $DBVITALS_EVENT $DBVITALS_STATE\" >> \"${0%/*}/told\"\n"

static void commands_run_one_after_another(void **state) {
    write_program(NOTES);
    tell(true);
    wait_idle();
    tell(false);
    wait_idle();
    expect_told("shed breaker_open forced_open\nmore breaker_open forced_open\n"
                "restore breaker_close closed\n");
}

static void the_breaker_stands_on_standard_input(void **state) {
    write_program("#!/bin/sh\n[ \"$1\" = shed ] || exit 0\nexec cat > \"${0%/*}/told\"\n");
    tell(true);
    wait_idle();
    char found[512] = "";
    int fd = open(told, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0 && read(fd, found, sizeof(found) - 1) > 0);
    (void)close(fd);
    assert_non_null(strstr(found, "{\"event\":\"breaker_open\",\"name\":\"b\",\"state\":"
                                  "\"forced_open\",\"reason\":\"operator\""));
    assert_non_null(strstr(found, "\"target\":\"pool\""));
}

static void the_close_waits_for_the_open_and_what_came_to_nothing_is_left_out(void **state) {
    write_program("#!/bin/sh\nsleep 0.2\necho \"$1\" >> \"${0%/*}/told\"\n");
    tell(true);
    tell(false);
    tell(true);
    tell(false);
    wait_idle();
    expect_told("shed\nmore\nrestore\n");
    tell(true);
    tell(false);
    tell(true);
    wait_idle();
    expect_told("shed\nmore\nrestore\nshed\nmore\n");
}

static void one_that_says_so_is_tried_three_times(void **state) {
    write_program("#!/bin/sh\necho \"$1\" >> \"${0%/*}/told\"\n[ \"$1\" = shed ] && exit 75\n"
                  "exit 3\n");
    tell(true);
    wait_idle();
    expect_told("shed\nshed\nshed\nmore\n");
}

static void what_others_may_write_is_not_run(void **state) {
    write_program(NOTES);
    assert_int_equal(chmod(program, 0707), 0);
    tell(true);
    assert_true(circuit_hooks_idle(hooks));
    expect_told("");
}

static void stopping_while_one_runs_is_safe(void **state) {
    write_program("#!/bin/sh\nexec sleep 60\n");
    tell(true);
    tell(false);
    turn_for(loop, 20 * USEC_PER_MSEC);
    hooks = circuit_hooks_free(hooks);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(commands_run_one_after_another, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_breaker_stands_on_standard_input, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            the_close_waits_for_the_open_and_what_came_to_nothing_is_left_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_says_so_is_tried_three_times, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_others_may_write_is_not_run, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stopping_while_one_runs_is_safe, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
