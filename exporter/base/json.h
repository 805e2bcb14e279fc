/* SPDX-License-Identifier: Apache-2.0 */

/* Writes JSON as it goes, without a tree: commas and escapes are its business, nesting is the
 * caller's. Text that is not UTF-8 gets U+FFFD, numbers that JSON has no word for become null. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct json_writer {
    struct strbuf *out; /* borrowed */
    bool comma;         /* something precedes in the current list or object */
};

/* A key that is no C string; its value follows with key NULL. */
void json_key(struct json_writer *json, struct str key);

/* key is NULL inside lists and at the top. */
void json_object_begin(struct json_writer *json, const char *key);
void json_object_end(struct json_writer *json);
void json_list_begin(struct json_writer *json, const char *key);
void json_list_end(struct json_writer *json);
void json_text(struct json_writer *json, const char *key, const char *text); /* NULL: null */
void json_str(struct json_writer *json, const char *key, struct str text);
void json_int(struct json_writer *json, const char *key, int64_t value);
void json_uint(struct json_writer *json, const char *key, uint64_t value);
void json_double(struct json_writer *json, const char *key, double value);
void json_bool(struct json_writer *json, const char *key, bool value);
void json_add_null(struct json_writer *json, const char *key);

/* Leaves no symbol: a library that reads JSON has a function of this name. */
static inline void json_null(struct json_writer *json, const char *key) {
    json_add_null(json, key);
}

/* Adds text in quotes, escaped. */
void json_escape(struct strbuf *out, struct str text);
