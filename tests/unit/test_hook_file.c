/* SPDX-License-Identifier: Apache-2.0 */

/* Hooks that others could replace are refused. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/hook_file.h"

static char folder[] = "/tmp/test_hook_file.XXXXXX";
static char inner[64], hook[96], link_[96];
static struct error err;

static int make_folder(void **state) {
    assert_non_null(mkdtemp(folder));
    snprintf(inner, sizeof(inner), "%s/hooks", folder);
    snprintf(hook, sizeof(hook), "%s/fence", inner);
    snprintf(link_, sizeof(link_), "%s/link", folder);
    return 0;
}

static int remove_folder(void **state) {
    return rmdir(folder);
}

static int set_up(void **state) {
    err = (struct error){0};
    assert_int_equal(mkdir(inner, 0755), 0);
    int fd = open(hook, O_WRONLY | O_CREAT | O_EXCL, 0755);
    assert_true(fd >= 0);
    assert_int_equal(fchmod(fd, 0755), 0);
    return close(fd);
}

static int tear_down(void **state) {
    unlink(link_);
    unlink(hook);
    return rmdir(inner);
}

static void expect(const char *path, int r, const char *why) {
    assert_int_equal(hook_file_check(path, &err), r);
    if (why != NULL && strstr(err.text, why) == NULL) {
        fail_msg("'%s' does not say '%s'", err.text, why);
    }
    err = (struct error){0};
}

static void a_file_of_ours_may_be_run(void **state) {
    expect(hook, 0, NULL);
    assert_int_equal(chmod(hook, 0700), 0);
    expect(hook, 0, NULL);
    expect("/bin/true", 0, NULL);
}

static void what_others_may_write_is_refused(void **state) {
    assert_int_equal(chmod(hook, 0757), 0);
    expect(hook, -EPERM, "others may write");
    assert_int_equal(chmod(hook, 0755), 0);
    assert_int_equal(chmod(inner, 0777), 0);
    expect(hook, -EPERM, "hooks'");
    assert_int_equal(chmod(inner, 01777), 0); /* as /tmp, which is above it already */
    expect(hook, 0, NULL);
}

static void a_group_that_may_write_is_others(void **state) {
    if (geteuid() != 0) {
        skip();
    }
    assert_int_equal(chown(hook, 0, 65534), 0);
    assert_int_equal(chmod(hook, 0775), 0);
    expect(hook, -EPERM, "others may write");
    assert_int_equal(chown(hook, 0, 0), 0);
    expect(hook, 0, NULL);
}

static void what_belongs_to_others_is_refused(void **state) {
    if (geteuid() != 0) {
        skip();
    }
    assert_int_equal(chown(hook, 65534, 0), 0);
    expect(hook, -EPERM, "belongs to user 65534");
}

static void what_is_no_program_is_refused(void **state) {
    assert_int_equal(chmod(hook, 0644), 0);
    expect(hook, -EACCES, "may not be run");
    expect(inner, -EINVAL, "is not a file");
    expect("/nonexistent/hook", -ENOENT, "/nonexistent'");
    expect("relative", -EINVAL, "absolute");
    char long_path[5000];
    memset(long_path, '/', sizeof(long_path) - 1);
    long_path[sizeof(long_path) - 1] = '\0';
    expect(long_path, -EINVAL, NULL);
}

static void links_are_followed_and_their_folders_count(void **state) {
    assert_int_equal(symlink("hooks/fence", link_), 0);
    expect(link_, 0, NULL);
    assert_int_equal(chmod(inner, 0777), 0);
    expect(link_, -EPERM, "hooks'");
    assert_int_equal(chmod(inner, 0755), 0);
    assert_int_equal(chmod(folder, 0777), 0);
    expect(link_, -EPERM, "others may write");
    assert_int_equal(chmod(folder, 0755), 0);
    unlink(link_);
    assert_int_equal(symlink(hook, link_), 0);
    expect(link_, 0, NULL);
    unlink(link_);
    assert_int_equal(symlink(link_, link_), 0);
    expect(link_, -ELOOP, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_file_of_ours_may_be_run),        TEST(what_others_may_write_is_refused),
        TEST(a_group_that_may_write_is_others), TEST(what_belongs_to_others_is_refused),
        TEST(what_is_no_program_is_refused),    TEST(links_are_followed_and_their_folders_count),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
