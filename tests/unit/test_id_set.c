/* SPDX-License-Identifier: Apache-2.0 */

/* Sets of ids. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "actions/id_set.h"

#define IDS(...)                                                                                   \
    (uint64_t[]) {                                                                                 \
        __VA_ARGS__                                                                                \
    }
#define ASSIGN(set, ...)                                                                           \
    id_set_assign(set, IDS(__VA_ARGS__), sizeof(IDS(__VA_ARGS__)) / sizeof(uint64_t))

static void keeps_each_id_once_and_sorted(void **state) {
    struct id_set set = {0};
    ASSIGN(&set, 5, 1, 5, 3);
    assert_int_equal(set.n, 3);
    assert_int_equal(set.ids[0], 1);
    assert_int_equal(set.ids[2], 5);
    assert_true(id_set_has(&set, 3));
    assert_false(id_set_has(&set, 2));
    id_set_deinit(&set);
    assert_false(id_set_has(&set, 3));
}

static void adds_and_removes(void **state) {
    struct id_set a = {0}, b = {0}, expected = {0};
    ASSIGN(&a, 1, 2, 9);
    ASSIGN(&b, 2, 3);
    id_set_add_all(&a, &b);
    ASSIGN(&expected, 1, 2, 3, 9);
    assert_true(id_set_equal(&a, &expected));
    id_set_remove_all(&a, &b);
    ASSIGN(&expected, 1, 9);
    assert_true(id_set_equal(&a, &expected));
    id_set_remove(&a, 9);
    id_set_remove(&a, 7);
    assert_int_equal(a.n, 1);
    id_set_deinit(&a);
    id_set_add_all(&a, &a); /* nothing to nothing */
    id_set_remove_all(&a, &b);
    id_set_add_all(&a, &b);
    assert_true(id_set_equal(&a, &b));
    id_set_deinit(&a);
    id_set_deinit(&b);
    id_set_deinit(&expected);
}

static void compares(void **state) {
    struct id_set none = {0}, part = {0}, whole = {0};
    ASSIGN(&part, 2, 4);
    ASSIGN(&whole, 1, 2, 4, 8);
    assert_true(id_set_is_subset(&none, &none));
    assert_true(id_set_is_subset(&none, &part));
    assert_true(id_set_is_subset(&part, &whole));
    assert_false(id_set_is_subset(&whole, &part));
    assert_false(id_set_is_subset(&part, &none));
    assert_false(id_set_equal(&part, &whole));
    assert_true(id_set_equal(&none, &none));
    id_set_deinit(&part);
    id_set_deinit(&whole);
}

static void comes_back_from_bytes(void **state) {
    struct id_set before = {0}, after = {0};
    struct strbuf bytes = {0};
    ASSIGN(&before, 7, 1, UINT64_MAX);
    id_set_pack(&before, &bytes);
    struct unpacker in = {strbuf_view(&bytes), false};
    assert_true(id_set_unpack(&in, &after));
    assert_true(id_set_equal(&before, &after));
    id_set_deinit(&after);
    for (size_t len = 0; len < bytes.len; len++) {
        in = (struct unpacker){{bytes.data, len}, false};
        assert_false(id_set_unpack(&in, &after));
    }
    strbuf_deinit(&bytes);
    id_set_deinit(&before);
}

static void refuses_what_is_not_sorted(void **state) {
    static const uint64_t wrong[][2] = {{2, 1}, {3, 3}};
    for (size_t i = 0; i < 2; i++) {
        struct id_set set = {0};
        struct strbuf bytes = {0};
        pack_u64(&bytes, 2);
        pack_u64(&bytes, wrong[i][0]);
        pack_u64(&bytes, wrong[i][1]);
        struct unpacker in = {strbuf_view(&bytes), false};
        assert_false(id_set_unpack(&in, &set));
        assert_true(in.bad);
        strbuf_deinit(&bytes);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_each_id_once_and_sorted),
        cmocka_unit_test(adds_and_removes),
        cmocka_unit_test(compares),
        cmocka_unit_test(comes_back_from_bytes),
        cmocka_unit_test(refuses_what_is_not_sorted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
