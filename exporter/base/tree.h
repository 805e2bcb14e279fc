/* SPDX-License-Identifier: Apache-2.0 */

/* A nested reply (Redis): text, whole numbers, errors and lists of them, all in one arena. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum tree_type { TREE_NIL, TREE_TEXT, TREE_INTEGER, TREE_ERROR, TREE_LIST };

struct tree {
    enum tree_type type;
    struct str text; /* TREE_TEXT and TREE_ERROR; of TREE_INTEGER its digits */
    int64_t integer;
    const struct tree *items; /* of TREE_LIST */
    size_t n_items;
};
