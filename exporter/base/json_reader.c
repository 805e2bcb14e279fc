/* SPDX-License-Identifier: Apache-2.0 */

#include "base/json_reader.h"

#include <errno.h>

#include <jansson.h>

static void copy(json_t *from, struct arena *arena, struct json_value *ret);

static void copy_list(json_t *from, struct arena *arena, struct json_value *ret) {
    size_t count = json_array_size(from);
    struct json_value *items = arena_array(arena, count, sizeof(*items));
    for (size_t i = 0; i < count; i++) {
        copy(json_array_get(from, i), arena, &items[i]);
    }
    ret->items = items;
    ret->n_items = count;
}

/* The library gives the members in their order. */
static void copy_object(json_t *from, struct arena *arena, struct json_value *ret) {
    struct json_value *items = arena_array(arena, json_object_size(from), sizeof(*items));
    size_t count = 0;
    for (void *at = json_object_iter(from); at != NULL; at = json_object_iter_next(from, at)) {
        struct json_value *item = &items[count++];
        copy(json_object_iter_value(at), arena, item);
        item->key = arena_dup(arena, str_of(json_object_iter_key(at)));
    }
    ret->items = items;
    ret->n_items = count;
}

/* The depth is bounded by the library: 2048. */
static void copy(json_t *from, struct arena *arena, struct json_value *ret) {
    static const enum json_kind kinds[] = {
        [JSON_OBJECT] = JSON_IS_OBJECT,  [JSON_ARRAY] = JSON_IS_LIST,  [JSON_STRING] = JSON_IS_TEXT,
        [JSON_INTEGER] = JSON_IS_NUMBER, [JSON_REAL] = JSON_IS_NUMBER, [JSON_TRUE] = JSON_IS_BOOL,
        [JSON_FALSE] = JSON_IS_BOOL,     [JSON_NULL] = JSON_IS_NULL,
    };
    ret->kind = kinds[json_typeof(from)];
    ret->truth = json_is_true(from);
    ret->number = json_number_value(from);
    if (ret->kind == JSON_IS_OBJECT) {
        copy_object(from, arena, ret);
    } else if (ret->kind == JSON_IS_LIST) {
        copy_list(from, arena, ret);
    } else if (ret->kind == JSON_IS_TEXT) {
        struct str text = {json_string_value(from), json_string_length(from)};
        ret->text = arena_dup(arena, text);
    }
}

int json_read(struct str text, struct arena *arena, const struct json_value **ret,
              struct error *err) {
    const size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL;
    json_error_t why;
    json_t *root = json_loadb(text.data != NULL ? text.data : "", text.len, flags, &why);
    if (root == NULL) {
        struct position at = {NULL, why.line > 0 ? (unsigned)why.line : 0,
                              why.column > 0 ? (unsigned)why.column : 0};
        return error_set(err, -EINVAL, at, "this is no JSON: %s", why.text);
    }
    struct json_value *value = arena_alloc(arena, sizeof(*value));
    copy(root, arena, value);
    json_decref(root);
    *ret = value;
    return 0;
}

/* Each value but the first of its list or object follows a comma, each first one a bracket. */
int json_read_within(struct str text, size_t most_values, size_t most_depth, struct arena *arena,
                     const struct json_value **ret, struct error *err) {
    size_t values = 1, depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (quoted) {
            i += c == '\\' ? 1 : 0;
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == ',' || c == '[' || c == '{') {
            values++;
            depth += c != ',' ? 1 : 0;
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
        if (values > most_values) {
            return error_say(err, -E2BIG, "the JSON has more than %zu values", most_values);
        }
        if (depth > most_depth) {
            return error_say(err, -E2BIG, "the JSON is nested deeper than %zu", most_depth);
        }
    }
    return json_read(text, arena, ret, err);
}

const struct json_value *json_member(const struct json_value *object, const char *key) {
    for (size_t i = 0; object != NULL && i < object->n_items; i++) {
        if (object->kind == JSON_IS_OBJECT && str_is(object->items[i].key, key)) {
            return &object->items[i];
        }
    }
    return NULL;
}

struct str json_text_of(const struct json_value *value) {
    return value != NULL && value->kind == JSON_IS_TEXT ? value->text : str_of("");
}
