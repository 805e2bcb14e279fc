/* SPDX-License-Identifier: Apache-2.0 */

#include "io/redis_reply.h"

#define LEAST_ITEM_BYTES 3 /* "+\r\n" */

static bool fits(struct redis_reply *reply, size_t more) {
    if (more > reply->max_bytes || reply->scratch.used_bytes > reply->max_bytes - more) {
        reply->too_large = true;
    }
    return !reply->too_large;
}

struct redis_node *redis_reply_add(struct redis_reply *reply, struct redis_node *parent,
                                   enum tree_type type, struct str text, int64_t integer) {
    if (reply->skip || parent == &reply->skipped) {
        return &reply->skipped;
    }
    if (text.len > reply->max_bytes || !fits(reply, sizeof(struct redis_node) + text.len)) {
        reply->too_large = true;
        return NULL;
    }
    struct redis_node *node = arena_alloc(&reply->scratch, sizeof(*node));
    node->type = type;
    node->integer = integer;
    if (text.data != NULL) {
        node->text = arena_dup(&reply->scratch, text);
    }
    if (parent != NULL) {
        *(parent->last != NULL ? &parent->last->next : &parent->first) = node;
        parent->last = node;
        parent->n_items++;
    }
    return node;
}

struct redis_node *redis_reply_add_list(struct redis_reply *reply, struct redis_node *parent,
                                        size_t n_items) {
    /* Also of a reply that is thrown away: it could not come to an end within the limit. */
    if (n_items > reply->max_bytes / LEAST_ITEM_BYTES) {
        reply->too_large = true;
        return NULL;
    }
    return redis_reply_add(reply, parent, TREE_LIST, (struct str){0}, 0);
}

/* Recursion is as deep as the parser's limit for lists in lists, which is below 10. */
static void copy_node(const struct redis_node *node, struct arena *arena, struct tree *ret) {
    *ret = (struct tree){.type = node->type, .integer = node->integer};
    if (node->text.data != NULL) {
        ret->text = arena_dup(arena, node->text);
    }
    if (node->n_items == 0) {
        return;
    }
    struct tree *items = arena_array(arena, node->n_items, sizeof(*items));
    size_t n_items = 0;
    for (const struct redis_node *item = node->first; item != NULL; item = item->next) {
        copy_node(item, arena, &items[n_items++]);
    }
    ret->items = items;
    ret->n_items = n_items;
}

const struct tree *redis_reply_copy(const struct redis_node *root, struct arena *arena) {
    struct tree *tree = arena_alloc(arena, sizeof(*tree));
    copy_node(root, arena, tree);
    return tree;
}

void redis_reply_clear(struct redis_reply *reply) {
    arena_reset(&reply->scratch);
    reply->too_large = false;
}

void redis_reply_deinit(struct redis_reply *reply) {
    arena_deinit(&reply->scratch);
}
