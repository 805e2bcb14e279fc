/* SPDX-License-Identifier: Apache-2.0 */

/* What is remembered of credentials, for how long, and what pushes what out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "web/auth_cache.h"

#define START ((uint64_t)1000 * 1000)

static struct auth_cache cache;

static int set_up(void **state) {
    return auth_cache_init(&cache);
}

static struct auth_key key_of(const char *user, const char *hash, const char *password) {
    struct auth_key key;
    auth_cache_key(&cache, str_of(user), str_of(hash), str_of(password), &key);
    return key;
}

static void knows_nothing_at_first(void **state) {
    struct auth_key key = key_of("a", "h", "p");
    struct auth_key zero = {{0}};
    assert_int_equal(auth_cache_get(&cache, &key, START), AUTH_UNKNOWN);
    assert_int_equal(auth_cache_get(&cache, &zero, START), AUTH_UNKNOWN);
}

static void good_ones_count_as_long_as_they_are_used(void **state) {
    struct auth_key key = key_of("a", "h", "p");
    uint64_t now = START;
    auth_cache_put(&cache, &key, true, now);
    for (int i = 0; i < 10; i++) {
        now += AUTH_CACHE_GOOD_USEC - 1;
        assert_int_equal(auth_cache_get(&cache, &key, now), AUTH_GOOD);
    }
    assert_int_equal(auth_cache_get(&cache, &key, now + AUTH_CACHE_GOOD_USEC), AUTH_UNKNOWN);
}

static void bad_ones_end_however_often_they_come(void **state) {
    struct auth_key key = key_of("a", "h", "p");
    auth_cache_put(&cache, &key, false, START);
    assert_int_equal(auth_cache_get(&cache, &key, START + AUTH_CACHE_BAD_USEC - 1), AUTH_BAD);
    assert_int_equal(auth_cache_get(&cache, &key, START + AUTH_CACHE_BAD_USEC), AUTH_UNKNOWN);
}

static void guessing_pushes_no_good_one_out(void **state) {
    struct auth_key good = key_of("a", "h", "p");
    auth_cache_put(&cache, &good, true, START);
    for (int i = 0; i < 10 * AUTH_CACHE_BAD; i++) {
        char guess[16];
        snprintf(guess, sizeof(guess), "%d", i);
        struct auth_key key = key_of("a", "h", guess);
        auth_cache_put(&cache, &key, false, START + 1);
    }
    assert_int_equal(auth_cache_get(&cache, &good, START + 2), AUTH_GOOD);
}

static void the_one_that_is_not_used_for_longest_makes_room(void **state) {
    struct auth_key keys[AUTH_CACHE_GOOD + 1];
    for (int i = 0; i <= AUTH_CACHE_GOOD; i++) {
        char user[16];
        snprintf(user, sizeof(user), "%d", i);
        keys[i] = key_of(user, "h", "p");
    }
    for (int i = 0; i < AUTH_CACHE_GOOD; i++) {
        auth_cache_put(&cache, &keys[i], true, START + (uint64_t)i);
    }
    assert_int_equal(auth_cache_get(&cache, &keys[0], START + 1000), AUTH_GOOD);
    auth_cache_put(&cache, &keys[AUTH_CACHE_GOOD], true, START + 1001);
    assert_int_equal(auth_cache_get(&cache, &keys[0], START + 1002), AUTH_GOOD);
    assert_int_equal(auth_cache_get(&cache, &keys[1], START + 1002), AUTH_UNKNOWN);
    assert_int_equal(auth_cache_get(&cache, &keys[2], START + 1002), AUTH_GOOD);
}

static void every_part_counts_and_where_it_ends(void **state) {
    struct auth_key key = key_of("ab", "cd", "ef");
    const char *const others[][3] = {
        {"ab", "cd", "eF"}, {"ab", "cD", "ef"}, {"aB", "cd", "ef"}, {"a", "bcd", "ef"},
        {"ab", "c", "def"}, {"abcdef", "", ""}, {"", "", "abcdef"},
    };
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct auth_key other = key_of(others[i][0], others[i][1], others[i][2]);
        assert_false(auth_key_equal(&key, &other));
    }
    struct auth_key same = key_of("ab", "cd", "ef");
    assert_true(auth_key_equal(&key, &same));
}

static void keys_of_another_process_are_of_no_use(void **state) {
    struct auth_key before = key_of("a", "h", "p");
    assert_int_equal(auth_cache_init(&cache), 0);
    struct auth_key after = key_of("a", "h", "p");
    assert_false(auth_key_equal(&before, &after));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(knows_nothing_at_first, set_up),
        cmocka_unit_test_setup(good_ones_count_as_long_as_they_are_used, set_up),
        cmocka_unit_test_setup(bad_ones_end_however_often_they_come, set_up),
        cmocka_unit_test_setup(guessing_pushes_no_good_one_out, set_up),
        cmocka_unit_test_setup(the_one_that_is_not_used_for_longest_makes_room, set_up),
        cmocka_unit_test_setup(every_part_counts_and_where_it_ends, set_up),
        cmocka_unit_test_setup(keys_of_another_process_are_of_no_use, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
