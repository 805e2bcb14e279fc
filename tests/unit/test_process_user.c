/* SPDX-License-Identifier: Apache-2.0 */

/* Programs as another user. Becoming one needs root: elsewhere it is shown that it is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/process.h"
#include "io/process_user.h"
#include "turn.h"

#define OTHER "nobody"

struct seen {
    int calls;
    enum process_end end;
    int code;
    struct strbuf output;
};

static void done(void *userdata, const struct process_result *result) {
    struct seen *seen = userdata;
    seen->calls++;
    seen->end = result->end;
    seen->code = result->code;
    strbuf_add_str(&seen->output, result->output);
}

static void run_as(const struct process_user *user, const char *script, struct seen *seen) {
    struct loop *loop;
    assert_int_equal(loop_new(&loop), 0);
    struct processes *processes = processes_new(loop, 1);
    process_submit(processes, &(struct process_request){
                                  .words = (const char *const[]){"/bin/sh", "-c", script, NULL},
                                  .environment = (const char *const[]){"PATH=/usr/bin:/bin", NULL},
                                  .user = user,
                                  .timeout_usec = 10 * USEC_PER_SEC,
                                  .done = done,
                                  .userdata = seen,
                              });
    assert_true(turn_until(loop, &seen->calls, 1));
    processes_free(processes);
    loop_free(loop);
}

static void a_program_has_only_the_rights_of_its_user(void **state) {
    struct process_user user;
    struct error err = {0};
    struct seen seen = {0};
    char expected[256];
    if (geteuid() != 0) {
        assert_int_equal(process_user_find(OTHER, &user, &err), -EPERM);
        assert_non_null(strstr(err.text, "root"));
        return;
    }
    assert_int_equal(process_user_find(OTHER, &user, &err), 0);
    const struct passwd *entry = getpwnam(OTHER);
    assert_non_null(entry);
    assert_int_equal(user.uid, entry->pw_uid);
    run_as(&user, "grep -E '^(Uid|Gid|CapEff)' /proc/self/status | tr -s '\\t' ' '", &seen);
    assert_int_equal(seen.end, PROCESS_EXITED);
    (void)snprintf(expected, sizeof(expected),
                   "Uid: %u %u %u %u\nGid: %u %u %u %u\nCapEff: 0000000000000000\n", entry->pw_uid,
                   entry->pw_uid, entry->pw_uid, entry->pw_uid, entry->pw_gid, entry->pw_gid,
                   entry->pw_gid, entry->pw_gid);
    assert_string_equal(seen.output.data, expected);
    strbuf_deinit(&seen.output);
}

static void none_of_our_groups_are_kept(void **state) {
    struct process_user user;
    struct error err = {0};
    struct seen seen = {0};
    if (geteuid() != 0) {
        assert_int_equal(process_user_find("root", &user, &err), -EPERM);
        return;
    }
    assert_int_equal(process_user_find(OTHER, &user, &err), 0);
    user.groups[user.n_groups++] = 54321;
    run_as(&user, "id -G | tr ' ' '\\n' | grep -cxE '0|54321'", &seen);
    assert_string_equal(seen.output.data, "1\n"); /* what it was given, and not root's */
    strbuf_deinit(&seen.output);
}

static void we_may_run_programs_as_ourselves(void **state) {
    const struct passwd *entry = getpwuid(geteuid());
    struct process_user user;
    struct error err = {0};
    struct seen seen = {0};
    assert_non_null(entry);
    assert_int_equal(process_user_find(entry->pw_name, &user, &err), 0);
    assert_string_equal(user.home, entry->pw_dir);
    run_as(&user, "exit 7", &seen);
    assert_int_equal(seen.code, 7);
    strbuf_deinit(&seen.output);
}

static void an_unknown_user_is_an_error(void **state) {
    struct process_user user;
    struct error err = {0};
    assert_int_equal(process_user_find("no-such-user", &user, &err), -ENOENT);
    assert_string_equal(err.text, "there is no user 'no-such-user'");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_has_only_the_rights_of_its_user),
        cmocka_unit_test(none_of_our_groups_are_kept),
        cmocka_unit_test(we_may_run_programs_as_ourselves),
        cmocka_unit_test(an_unknown_user_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
