/* SPDX-License-Identifier: Apache-2.0 */

/* Replies that grow under limits. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/redis_reply.h"

static void copies_a_tree(void **state) {
    struct redis_reply reply = {.max_bytes = 10000};
    struct redis_node *root = redis_reply_add_list(&reply, NULL, 4);
    assert_non_null(redis_reply_add(&reply, root, TREE_TEXT, str_of("text"), 0));
    assert_non_null(redis_reply_add(&reply, root, TREE_INTEGER, str_of("-7"), -7));
    struct redis_node *inner = redis_reply_add_list(&reply, root, 1);
    assert_non_null(redis_reply_add(&reply, inner, TREE_ERROR, str_of("ERR"), 0));
    assert_non_null(redis_reply_add(&reply, root, TREE_NIL, (struct str){0}, 0));
    struct arena arena = {0};
    const struct tree *tree = redis_reply_copy(root, &arena);
    redis_reply_deinit(&reply);
    assert_int_equal(tree->type, TREE_LIST);
    assert_int_equal(tree->n_items, 4);
    assert_true(str_is(tree->items[0].text, "text"));
    assert_true(tree->items[1].integer == -7);
    assert_true(str_is(tree->items[1].text, "-7"));
    assert_int_equal(tree->items[2].n_items, 1);
    assert_int_equal(tree->items[2].items[0].type, TREE_ERROR);
    assert_int_equal(tree->items[3].type, TREE_NIL);
    assert_null(tree->items[3].text.data);
    arena_deinit(&arena);
}

static void refuses_a_long_list_without_taking_memory(void **state) {
    struct redis_reply reply = {.max_bytes = 1000000};
    assert_null(redis_reply_add_list(&reply, NULL, 2147483647));
    assert_true(reply.too_large);
    assert_int_equal(reply.scratch.used_bytes, 0);
    redis_reply_clear(&reply);
    assert_false(reply.too_large);
    struct redis_node *list = redis_reply_add_list(&reply, NULL, 300000);
    assert_non_null(list);
    assert_true(reply.scratch.used_bytes < 1000);
    redis_reply_deinit(&reply);
}

static void refuses_text_and_values_beyond_the_limit(void **state) {
    struct redis_reply reply = {.max_bytes = 1000};
    static const char text[2000];
    assert_null(redis_reply_add(&reply, NULL, TREE_TEXT, (struct str){text, sizeof(text)}, 0));
    assert_true(reply.too_large);
    redis_reply_clear(&reply);
    struct redis_node *list = redis_reply_add_list(&reply, NULL, 100);
    int n = 0;
    while (redis_reply_add(&reply, list, TREE_NIL, (struct str){0}, 0) != NULL) {
        n++;
    }
    assert_true(n > 1 && n < 100);
    assert_true(reply.scratch.used_bytes <= 1000);
    redis_reply_deinit(&reply);
}

static void throws_away_the_rest_of_a_reply(void **state) {
    struct redis_reply reply = {.max_bytes = 10000};
    struct redis_node *root = redis_reply_add_list(&reply, NULL, 3);
    assert_non_null(redis_reply_add(&reply, root, TREE_TEXT, str_of("kept"), 0));
    size_t used = reply.scratch.used_bytes;
    reply.skip = true;
    struct redis_node *inner = redis_reply_add_list(&reply, root, 1);
    assert_non_null(inner);
    assert_non_null(redis_reply_add(&reply, inner, TREE_TEXT, str_of("gone"), 0));
    assert_int_equal(reply.scratch.used_bytes, used);
    assert_int_equal(root->n_items, 1);
    assert_null(redis_reply_add_list(&reply, root, 2147483647));
    redis_reply_deinit(&reply);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_a_tree),
        cmocka_unit_test(refuses_a_long_list_without_taking_memory),
        cmocka_unit_test(refuses_text_and_values_beyond_the_limit),
        cmocka_unit_test(throws_away_the_rest_of_a_reply),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
