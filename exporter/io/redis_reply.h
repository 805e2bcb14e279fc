/* SPDX-License-Identifier: Apache-2.0 */

/* A reply of Redis while it grows, under limits.
 *
 * Memory is taken for what has arrived, never for what a length announces. A reply grows in memory
 * of its own and is copied to its request's arena when it is whole, because a request may be given
 * up while half of its reply is here, and its arena is gone then. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/tree.h"

/* A value; lists are chains of them. */
struct redis_node {
    struct redis_node *next, *first, *last;
    enum tree_type type;
    struct str text;
    int64_t integer;
    size_t n_items;
};

/* A zeroed one is empty. */
struct redis_reply {
    struct arena scratch;
    size_t max_bytes;          /* of nodes and text together */
    bool skip;                 /* throws away, from here to the end of the reply */
    bool too_large;            /* why something was refused */
    struct redis_node skipped; /* stands for all that is thrown away; never looked into */
};

/* Adds a value to its parent (NULL: the reply itself). The text is copied.
 * Return: the value, or NULL when it is too much. */
struct redis_node *redis_reply_add(struct redis_reply *reply, struct redis_node *parent,
                                   enum tree_type type, struct str text, int64_t integer);

/* A list that will have so many items, as the server says. */
struct redis_node *redis_reply_add_list(struct redis_reply *reply, struct redis_node *parent,
                                        size_t n_items);

/* Copies a whole reply into an arena. */
const struct tree *redis_reply_copy(const struct redis_node *root, struct arena *arena);

/* Forgets the reply, for the next one. */
void redis_reply_clear(struct redis_reply *reply);
void redis_reply_deinit(struct redis_reply *reply);
