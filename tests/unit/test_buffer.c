/* SPDX-License-Identifier: Apache-2.0 */

/* Shared bytes: whose they are, and that the last owner frees them (the sanitizer looks). */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/buffer.h"

static struct buffer *buffer_of(const char *text) {
    struct strbuf made = {0};
    strbuf_add_text(&made, text);
    struct buffer *buffer = buffer_new(&made);
    strbuf_deinit(&made);
    return buffer;
}

static void takes_the_text_over_without_a_copy(void **state) {
    struct strbuf text = {0};
    strbuf_add_text(&text, "page");
    const char *bytes = text.data;
    struct buffer *buffer = buffer_new(&text);
    assert_ptr_equal(buffer->data, bytes);
    assert_int_equal(buffer->len, 4);
    assert_null(text.data);
    assert_int_equal(text.len, 0);
    strbuf_add_text(&text, "the next page"); /* may be used again at once */
    assert_memory_equal(buffer->data, "page", 4);
    strbuf_deinit(&text);
    assert_null(buffer_unref(buffer));
}

static void keeps_zero_bytes(void **state) {
    struct strbuf text = {0};
    strbuf_add(&text, "a\0b", 3);
    struct buffer *buffer = buffer_new(&text);
    assert_int_equal(buffer->len, 3);
    assert_memory_equal(buffer->data, "a\0b", 3);
    buffer_unref(buffer);
}

static void lives_as_long_as_its_last_owner(void **state) {
    struct buffer *first = buffer_of("shared");
    struct buffer *second = buffer_ref(first), *third = buffer_ref(second);
    assert_ptr_equal(second, first);
    buffer_unref(first);
    assert_memory_equal(second->data, "shared", 6);
    buffer_unref(third);
    assert_int_equal(second->refs, 1);
    assert_memory_equal(second->data, "shared", 6);
    buffer_unref(second);
}

static void nothing_and_an_empty_text_are_fine(void **state) {
    assert_null(buffer_unref(NULL));
    struct strbuf text = {0};
    struct buffer *buffer = buffer_new(&text);
    assert_int_equal(buffer->len, 0);
    buffer_unref(buffer);
}

static void the_end_of_a_scope_gives_one_reference_back(void **state) {
    struct buffer *outer = buffer_of("scope");
    {
        CLEANUP(buffer_dropp)
        struct buffer *inner = buffer_ref(outer);
        assert_int_equal(inner->refs, 2);
    }
    assert_int_equal(outer->refs, 1);
    buffer_unref(outer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_text_over_without_a_copy),
        cmocka_unit_test(keeps_zero_bytes),
        cmocka_unit_test(lives_as_long_as_its_last_owner),
        cmocka_unit_test(nothing_and_an_empty_text_are_fine),
        cmocka_unit_test(the_end_of_a_scope_gives_one_reference_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
