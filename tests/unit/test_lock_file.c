/* SPDX-License-Identifier: Apache-2.0 */

/* One holder at a time, whatever becomes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/lock_file.h"

static char folder[] = "/tmp/dbvitals-lock-XXXXXX";
static char path[64];

static int set_up(void **state) {
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    (void)snprintf(path, sizeof(path), "%s/lock", folder);
    return 0;
}

static int tear_down(void **state) {
    unlink(path);
    return rmdir(folder);
}

/* A process that holds the lock, and one of its own that lives longer than it. */
static pid_t start_holder(int *ret_alive) {
    int ready[2], alive[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(alive), 0);
    pid_t child = fork();
    if (child == 0) {
        pid_t holder;
        if (lock_file_take(path, &holder) < 0) {
            _exit(1);
        }
        close(alive[1]);
        if (fork() == 0) {
            alarm(30);
            (void)!read(alive[0], &byte, 1); /* until the test closes its end */
            _exit(0);
        }
        (void)!write(ready[1], "r", 1);
        alarm(30);
        pause();
        _exit(0);
    }
    close(ready[1]);
    close(alive[0]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    *ret_alive = alive[1];
    return child;
}

static void a_second_process_learns_who_holds_it(void **state) {
    pid_t holder = -1;
    int alive;
    pid_t child = start_holder(&alive);
    assert_int_equal(lock_file_take(path, &holder), -EBUSY);
    assert_int_equal(holder, child);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    int fd = lock_file_take(path, &holder); /* although a child of it still lives */
    assert_true(fd >= 0);
    close(fd);
    close(alive);
}

static void the_file_is_private_and_never_a_link(void **state) {
    struct stat info;
    pid_t holder;
    int fd = lock_file_take(path, &holder);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    close(fd);
    unlink(path);
    assert_int_equal(symlink("/dev/null", path), 0);
    assert_int_equal(lock_file_take(path, &holder), -ELOOP);
    unlink(path);
    assert_int_equal(lock_file_take("/nowhere/lock", &holder), -ENOENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_process_learns_who_holds_it),
        cmocka_unit_test(the_file_is_private_and_never_a_link),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
