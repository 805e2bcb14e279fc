/* SPDX-License-Identifier: Apache-2.0 */

/* Reads one YAML document from memory into a tree that knows where each piece stood.
 *
 * Stricter than YAML, because what it reads is configuration: a key given twice, keys that are no
 * text, a second document, tags of applications and zero bytes are refused. Standard tags (`!!int`)
 * are accepted; only `!!str` and `!` mean something: the scalar is not plain.
 * Merge keys (`<<: *base`, `<<: [*a, *b]`) are carried out: the map's own keys win, then the
 * earlier of several merged ones.
 *
 * An alias shares the node of its anchor, and so its position. Limits count every use of an alias
 * as if it were written out, and are applied before anything is kept: a small hostile file stays
 * small in memory and in the time that walking its tree takes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"

enum yaml_type { YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml_node {
    enum yaml_type type;
    bool plain; /* a scalar without quotes, `|`, `>` or a tag that makes it text */
    struct position at;
    struct str scalar;
    const struct yaml_pair *pairs; /* of YAML_MAP, in the order of the file, merged ones last */
    size_t n_pairs;
    const struct yaml_node *const *items; /* of YAML_LIST */
    size_t n_items;
    size_t n_nodes; /* this and all below it, aliases written out */
    size_t height;  /* collections on the longest way down; 0 for a scalar */
};

struct yaml_pair {
    const struct yaml_node *key; /* a scalar */
    const struct yaml_node *value;
};

struct yaml_limits {
    size_t bytes, depth, nodes;
};

/* 1 MiB, 16 collections inside each other, 100000 nodes. */
extern const struct yaml_limits yaml_limits_default;

/* Everything that *ret leads to lies in the arena, the text is not needed any more; file (may be
 * NULL) is borrowed by all positions. A document without content is a map without pairs.
 * Return: 0; -EINVAL (no YAML, or refused), -E2BIG (a limit) with a sentence and its place. */
int yaml_parse(struct str text, const char *file, const struct yaml_limits *limits,
               struct arena *arena, const struct yaml_node **ret, struct error *err);

/* The value of a key, or NULL when the node has it not or is no map. */
const struct yaml_node *yaml_map_find(const struct yaml_node *map, const char *key);

/* A plain scalar that is empty, `~` or `null`. */
bool yaml_is_null(const struct yaml_node *node);

/* For error texts: "a value", "a list", "a map", "nothing". */
const char *yaml_describe(const struct yaml_node *node);
