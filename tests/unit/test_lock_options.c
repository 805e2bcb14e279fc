/* SPDX-License-Identifier: Apache-2.0 */

/* Copies of what is said about the lock, and whether two say the same. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "failover/lock_options.h"

static struct failover_lock_options make(void) {
    struct failover_lock_options options = {.endpoints = mem_array(2, sizeof(char *)),
                                            .n_endpoints = 2,
                                            .prefix = mem_strdup("/p"),
                                            .ttl_usec = 5 * USEC_PER_SEC,
                                            .tls = {.ca_file = mem_strdup("/ca.pem")},
                                            .user = mem_strdup("me"),
                                            .password = mem_strdup("secret")};
    options.endpoints[0] = mem_strdup("https://a:1");
    options.endpoints[1] = mem_strdup("https://b:1");
    return options;
}

static void a_copy_is_equal_and_its_own(void **state) {
    struct failover_lock_options options = make(), copy;
    failover_lock_options_copy(&options, &copy);
    assert_true(failover_lock_options_equal(&options, &copy));
    failover_lock_options_deinit(&options);
    assert_string_equal(copy.endpoints[1], "https://b:1");
    assert_string_equal(copy.tls.ca_file, "/ca.pem");
    assert_string_equal(copy.password, "secret");
    failover_lock_options_deinit(&copy);
}

static void nothing_is_equal_to_nothing(void **state) {
    struct failover_lock_options options = {0}, copy, some = make();
    failover_lock_options_copy(&options, &copy);
    assert_true(failover_lock_options_equal(&options, &copy));
    assert_false(failover_lock_options_equal(&options, &some));
    assert_false(failover_lock_options_equal(&some, &options));
    failover_lock_options_deinit(&copy);
    failover_lock_options_deinit(&options);
    failover_lock_options_deinit(&some);
}

static void every_difference_counts(void **state) {
    for (int i = 0; i < 7; i++) {
        struct failover_lock_options a = make(), b = make();
        b.ttl_usec += i == 0;
        b.prefix[1] = i == 1 ? 'q' : 'p';
        b.endpoints[1][8] = i == 2 ? 'c' : 'b';
        b.tls.ca_file[1] = i == 3 ? 'x' : 'c';
        b.user[0] = i == 4 ? 'w' : 'm';
        b.password[0] = i == 5 ? 'x' : 's';
        assert_int_equal(failover_lock_options_equal(&a, &b), i == 6);
        failover_lock_options_deinit(&a);
        failover_lock_options_deinit(&b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_is_equal_and_its_own),
        cmocka_unit_test(nothing_is_equal_to_nothing),
        cmocka_unit_test(every_difference_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
