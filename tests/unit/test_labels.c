/* SPDX-License-Identifier: Apache-2.0 */

/* Interned label sets. */
#include <stdio.h>

#include "store_fixture.h"

static struct label_set *make(struct label_pool *pool, const char *text) {
    struct label labels[BATCH_MAX_LABELS];
    size_t n = split_labels(text, labels);
    return label_set_new(pool, labels, n);
}

static void assert_value(const struct label_pool *pool, const struct label_set *set,
                         const char *name, const char *expected) {
    assert_true(str_is(label_set_value(pool, set, name), expected));
}

static void sets_are_sorted_by_name(void **state) {
    struct label_pool *pool = label_pool_new();
    struct label_set *set = make(pool, "b=1,__name__=m,a=2,aa=3");
    static const char *const names[] = {"__name__", "a", "aa", "b"};
    assert_int_equal(set->n_pairs, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_true(str_is(label_pool_text(pool, set->pairs[i].name), names[i]));
    }
    label_set_free(pool, set);
    label_pool_free(pool);
}

static void equal_sets_are_equal_in_any_order(void **state) {
    struct label_pool *pool = label_pool_new();
    struct label_set *one = make(pool, "a=1,b=2,c=3");
    struct label_set *two = make(pool, "c=3,a=1,b=2");
    struct label_set *other = make(pool, "a=1,b=2,c=4");
    struct label_set *shorter = make(pool, "a=1,b=2");
    struct label_set *swapped = make(pool, "a=2,b=1,c=3");
    assert_true(label_set_equal(one, two));
    assert_int_equal(one->hash, two->hash);
    assert_false(label_set_equal(one, other));
    assert_false(label_set_equal(one, shorter));
    assert_false(label_set_equal(one, swapped));
    struct label_set *all[] = {one, two, other, shorter, swapped};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        label_set_free(pool, all[i]);
    }
    label_pool_free(pool);
}

static void empty_values_and_repeated_names_are_left_out(void **state) {
    struct label_pool *pool = label_pool_new();
    struct label_set *set = make(pool, "a=,b=1,b=2,c=");
    assert_int_equal(set->n_pairs, 1);
    assert_value(pool, set, "b", "1");
    assert_value(pool, set, "a", "");
    assert_value(pool, set, "zzz", "");
    label_set_free(pool, set);
    struct label_set *none = make(pool, "");
    assert_int_equal(none->n_pairs, 0);
    label_set_free(pool, none);
    label_pool_free(pool);
}

static void names_and_values_share_strings(void **state) {
    struct label_pool *pool = label_pool_new();
    struct label_set *one = make(pool, "db=orders,orders=db");
    assert_int_equal(one->pairs[0].name, one->pairs[1].value);
    assert_int_equal(one->pairs[0].value, one->pairs[1].name);
    label_set_free(pool, one);
    label_pool_free(pool);
}

static void strings_go_with_their_last_set(void **state) {
    struct label_pool *pool = label_pool_new();
    struct label_set *kept = make(pool, "a=1");
    struct label_set *more = make(pool, "a=1,b=2");
    label_set_free(pool, more);
    const size_t before = label_pool_bytes(pool);
    for (int i = 0; i < 10000; i++) {
        char text[32];
        snprintf(text, sizeof(text), "a=1,b=v%d", i);
        label_set_free(pool, make(pool, text));
    }
    assert_int_equal(label_pool_bytes(pool), before);
    assert_value(pool, kept, "a", "1");
    label_set_free(pool, kept);
    assert_true(label_pool_bytes(pool) < before);
    label_set_free(pool, NULL);
    label_pool_free(pool);
}

static void thousands_of_values_stay_apart(void **state) {
    struct label_pool *pool = label_pool_new();
    struct label_set *sets[2000];
    char text[32];
    for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
        snprintf(text, sizeof(text), "n=%zu", i);
        sets[i] = make(pool, text);
    }
    for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
        snprintf(text, sizeof(text), "%zu", i);
        assert_value(pool, sets[i], "n", text);
        label_set_free(pool, sets[i]);
    }
    label_pool_free(pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_are_sorted_by_name),
        cmocka_unit_test(equal_sets_are_equal_in_any_order),
        cmocka_unit_test(empty_values_and_repeated_names_are_left_out),
        cmocka_unit_test(names_and_values_share_strings),
        cmocka_unit_test(strings_go_with_their_last_set),
        cmocka_unit_test(thousands_of_values_stay_apart),
    };
    return cmocka_run_group_tests_name("labels", tests, NULL, NULL);
}
