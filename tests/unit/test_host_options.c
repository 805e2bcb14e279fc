/* SPDX-License-Identifier: Apache-2.0 */

/* Options of hosts: names of files become paths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/host_options.h"

static void expect_path(const struct host_options *options, const char *name,
                        const char *expected) {
    char *path = host_options_path(options, name);
    if (expected == NULL) {
        assert_null(path);
    } else {
        assert_string_equal(path, expected);
    }
    free(path);
}

static void names_of_files_are_paths_below_the_roots(void **state) {
    struct host_options options = {0};
    expect_path(&options, "/proc/stat", "/proc/stat");
    expect_path(&options, "/sys/class/net", "/sys/class/net");
    expect_path(&options, "/etc/passwd", NULL);
    expect_path(&options, "statvfs", NULL);
    options.procfs = mem_strdup("/host/proc");
    options.sysfs = mem_strdup("/host/sys");
    expect_path(&options, "/proc/1/mountinfo", "/host/proc/1/mountinfo");
    expect_path(&options, "/sys/class/net", "/host/sys/class/net");
    host_options_deinit(&options);
}

static void mount_points_are_looked_for_below_the_root(void **state) {
    struct host_options options = {0};
    char *path = host_options_below_root(&options, "/srv");
    assert_string_equal(path, "/srv");
    free(path);
    options.rootfs = mem_strdup("/host");
    path = host_options_below_root(&options, "/srv");
    assert_string_equal(path, "/host/srv");
    free(path);
    host_options_deinit(&options);
}

static void what_is_not_said_equals_the_default(void **state) {
    struct host_options a = {0}, b = {.procfs = mem_strdup("/proc")}, copy;
    assert_true(host_options_equal(&a, &b));
    host_options_copy(&b, &copy);
    assert_true(host_options_equal(&copy, &b));
    free(b.procfs);
    b.procfs = mem_strdup("/host/proc");
    assert_false(host_options_equal(&a, &b));
    host_options_deinit(&copy);
    host_options_deinit(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_files_are_paths_below_the_roots),
        cmocka_unit_test(mount_points_are_looked_for_below_the_root),
        cmocka_unit_test(what_is_not_said_equals_the_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
