/* SPDX-License-Identifier: Apache-2.0 */

/* Hashing and the hash map, against a plain array as the model. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/random.h"

struct item {
    uint64_t key;
    bool present;
};

static bool item_has_key(const void *entry, const void *key) {
    return ((const struct item *)entry)->key == *(const uint64_t *)key;
}

static void equal_bytes_have_equal_hashes(void **state) {
    char a[40], b[41];
    for (size_t len = 0; len <= sizeof(a); len++) {
        memset(a, 'k', sizeof(a));
        memset(b, 'k', sizeof(b));
        /* Elsewhere in memory, and not aligned. */
        assert_true(hash_bytes(a, len) == hash_bytes(b + 1, len));
    }
}

static void nearby_keys_have_different_hashes(void **state) {
    char zeros[32] = {0};
    for (size_t len = 0; len < sizeof(zeros); len++) {
        assert_true(hash_bytes(zeros, len) != hash_bytes(zeros, len + 1));
    }
    assert_true(hash_bytes("ab", 2) != hash_bytes("ba", 2));
    assert_true(hash_combine(1, 2) != hash_combine(2, 1));
}

static void the_stable_hash_never_changes(void **state) {
    /* The reference values of FNV-1a, 64 bit. */
    assert_true(hash_stable(str_of("")) == 0xcbf29ce484222325ULL);
    assert_true(hash_stable(str_of("a")) == 0xaf63dc4c8601ec8cULL);
    assert_true(hash_stable(str_of("foobar")) == 0x85944171f73967e8ULL);
}

static void behaves_like_a_set_of_items(void **state) {
    enum { ITEMS = 500 };
    struct item *items = mem_array(ITEMS, sizeof(*items));
    struct hash_map map = {0};
    size_t n_present = 0;
    for (int step = 0; step < 50000; step++) {
        uint64_t key = random_u64() % ITEMS;
        struct item *item = &items[key];
        /* Few distinct hashes: long runs of neighbours and many equal ones. */
        uint64_t hash = key % 37;
        item->key = key;
        assert_ptr_equal(hash_map_get(&map, hash, item_has_key, &key), item->present ? item : NULL);
        if (item->present) {
            assert_true(hash_map_remove(&map, hash, item));
            n_present--;
        } else {
            assert_false(hash_map_remove(&map, hash, item));
            hash_map_add(&map, hash, item);
            n_present++;
        }
        item->present = !item->present;
        assert_int_equal(map.n_entries, n_present);
    }
    hash_map_deinit(&map);
    free(items);
}

static void memory_stays_small_when_entries_come_and_go(void **state) {
    struct hash_map map = {0};
    struct item item = {0};
    for (uint64_t i = 0; i < 100000; i++) {
        hash_map_add(&map, i, &item);
        assert_true(hash_map_remove(&map, i, &item));
    }
    assert_in_range(map.n_slots, 1, 64);
    hash_map_deinit(&map);
}

static void visits_every_entry_once_even_while_removing(void **state) {
    struct item items[100] = {{0}};
    struct hash_map map = {0};
    for (uint64_t i = 0; i < 100; i++) {
        items[i] = (struct item){.key = i};
        hash_map_add(&map, i * 3, &items[i]);
    }
    size_t cursor = 0, visited = 0;
    for (struct item *item; (item = hash_map_next(&map, &cursor)) != NULL; visited++) {
        assert_false(item->present);
        item->present = true;
        assert_true(hash_map_remove(&map, item->key * 3, item));
    }
    assert_int_equal(visited, 100);
    assert_int_equal(map.n_entries, 0);
    hash_map_deinit(&map);
}

static void an_empty_map_has_nothing(void **state) {
    struct hash_map map = {0};
    uint64_t key = 1;
    size_t cursor = 0;
    assert_null(hash_map_get(&map, 1, item_has_key, &key));
    assert_null(hash_map_next(&map, &cursor));
    assert_false(hash_map_remove(&map, 1, &key));
    hash_map_deinit(&map);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_bytes_have_equal_hashes),
        cmocka_unit_test(nearby_keys_have_different_hashes),
        cmocka_unit_test(the_stable_hash_never_changes),
        cmocka_unit_test(behaves_like_a_set_of_items),
        cmocka_unit_test(memory_stays_small_when_entries_come_and_go),
        cmocka_unit_test(visits_every_entry_once_even_while_removing),
        cmocka_unit_test(an_empty_map_has_nothing),
    };
    return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
