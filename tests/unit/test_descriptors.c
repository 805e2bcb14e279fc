/* SPDX-License-Identifier: Apache-2.0 */

/* The last descriptors are kept back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/descriptors.h"

static struct rlimit before;

static int save_limit(void **state) {
    return getrlimit(RLIMIT_NOFILE, &before);
}

static int restore_limit(void **state) {
    return setrlimit(RLIMIT_NOFILE, &before);
}

/* Leaves so many numbers below the limit. */
static void leave(unsigned count) {
    int lowest = dup(0);
    assert_true(lowest >= 0);
    close(lowest);
    struct rlimit limit = {(rlim_t)lowest + count, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void many_are_not_scarce(void **state) {
    struct error err = {0};
    leave(500);
    assert_false(descriptors_are_scarce(&err));
    assert_false(error_is_set(&err));
}

static void the_last_ones_are_scarce(void **state) {
    struct error err = {0};
    leave(1);
    assert_true(descriptors_are_scarce(&err));
    assert_non_null(strstr(err.text, "the limit is"));
    leave(0);
    assert_true(descriptors_are_scarce(&err));
}

static void a_low_limit_leaves_most_to_targets(void **state) {
    struct error err = {0};
    int lowest = dup(0);
    close(lowest);
    leave((unsigned)lowest + 8);
    assert_false(descriptors_are_scarce(&err));
}

static void the_limit_is_raised_as_far_as_it_may_be(void **state) {
    struct rlimit now;
    leave(100);
    descriptors_raise_limit();
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &now), 0);
    assert_int_equal(now.rlim_cur, before.rlim_max < 65536 ? before.rlim_max : 65536);
    assert_int_equal(now.rlim_max, before.rlim_max);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, save_limit, restore_limit)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(many_are_not_scarce),
        TEST(the_last_ones_are_scarce),
        TEST(a_low_limit_leaves_most_to_targets),
        TEST(the_limit_is_raised_as_far_as_it_may_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
