/* SPDX-License-Identifier: Apache-2.0 */

/* JSON of other programs as a tree in an arena. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"

enum json_kind {
    JSON_IS_NULL,
    JSON_IS_BOOL,
    JSON_IS_NUMBER,
    JSON_IS_TEXT,
    JSON_IS_LIST,
    JSON_IS_OBJECT,
};

struct json_value {
    enum json_kind kind;
    struct str key; /* within an object; else empty */
    bool truth;
    double number;
    struct str text;                /* may hold zero bytes */
    const struct json_value *items; /* of LIST and OBJECT, in their order */
    size_t n_items;
};

/* Valid UTF-8 only, a key once per object. The caller has limited the length.
 * Return: 0 or -EINVAL with a sentence and its place. */
int json_read(struct str text, struct arena *arena, const struct json_value **ret,
              struct error *err);

/* json_read() of a page that may be hostile: -E2BIG, before anything is allocated, when it would
 * have more values than most_values or be nested deeper than most_depth. */
int json_read_within(struct str text, size_t most_values, size_t most_depth, struct arena *arena,
                     const struct json_value **ret, struct error *err);

/* The member of an object; NULL when there is none, or when it is no object (or NULL). */
const struct json_value *json_member(const struct json_value *object, const char *key);

/* Its text, or an empty one when it is none (or NULL). */
struct str json_text_of(const struct json_value *value);
