/* SPDX-License-Identifier: Apache-2.0 */

/* Arenas: alignment, zeroing, reset and large pieces. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/arena.h"

static void pieces_are_aligned_and_zeroed(void **state) {
    struct arena arena = {0};
    for (size_t size = 0; size < 300; size++) {
        unsigned char *piece = arena_alloc(&arena, size);
        assert_int_equal((uintptr_t)piece % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++) {
            assert_int_equal(piece[i], 0);
        }
        memset(piece, 0xff, size);
    }
    arena_deinit(&arena);
}

static void pieces_do_not_overlap(void **state) {
    struct arena arena = {0};
    unsigned char *pieces[200];
    for (size_t i = 0; i < 200; i++) {
        pieces[i] = arena_alloc(&arena, i * 7 + 1);
        memset(pieces[i], (int)i, i * 7 + 1);
    }
    for (size_t i = 0; i < 200; i++) {
        assert_int_equal(pieces[i][0], i);
        assert_int_equal(pieces[i][i * 7], i);
    }
    arena_deinit(&arena);
}

static void used_memory_is_zeroed_again_after_a_reset(void **state) {
    struct arena arena = {0};
    memset(arena_alloc(&arena, 1000), 0xff, 1000);
    arena_reset(&arena);
    assert_int_equal(arena.used_bytes, 0);
    const unsigned char *piece = arena_alloc(&arena, 1000);
    for (size_t i = 0; i < 1000; i++) {
        assert_int_equal(piece[i], 0);
    }
    arena_deinit(&arena);
}

static void a_reset_keeps_a_small_block_and_no_large_one(void **state) {
    struct arena arena = {0};
    arena_alloc(&arena, 100);
    arena_reset(&arena);
    assert_non_null(arena.blocks);
    arena_alloc(&arena, (size_t)1024 * 1024);
    arena_reset(&arena);
    assert_null(arena.blocks);
    arena_deinit(&arena);
}

static void a_copy_ends_in_a_zero_byte_that_does_not_count(void **state) {
    struct arena arena = {0};
    char text[] = {'a', '\0', 'b'};
    struct str copy = arena_dup(&arena, (struct str){text, 3});
    assert_int_equal(copy.len, 3);
    assert_memory_equal(copy.data, "a\0b", 4);
    assert_true(copy.data != text);
    assert_int_equal(arena_dup(&arena, (struct str){NULL, 0}).data[0], '\0');
    arena_deinit(&arena);
}

static void deinit_leaves_an_arena_that_may_be_used_again(void **state) {
    struct arena arena = {0};
    arena_deinit(&arena);
    arena_alloc(&arena, 10);
    arena_deinit(&arena);
    assert_null(arena.blocks);
    assert_int_equal(arena.used_bytes, 0);
    assert_non_null(arena_array(&arena, 3, 5));
    arena_deinit(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_aligned_and_zeroed),
        cmocka_unit_test(pieces_do_not_overlap),
        cmocka_unit_test(used_memory_is_zeroed_again_after_a_reset),
        cmocka_unit_test(a_reset_keeps_a_small_block_and_no_large_one),
        cmocka_unit_test(a_copy_ends_in_a_zero_byte_that_does_not_count),
        cmocka_unit_test(deinit_leaves_an_arena_that_may_be_used_again),
    };
    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
