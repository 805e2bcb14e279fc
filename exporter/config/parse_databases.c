/* SPDX-License-Identifier: Apache-2.0 */

/* The databases map of a target: lists of patterns. */
#include "config/private.h"

#include <errno.h>

#include "base/mem.h"

/* While somebody is connected to a template nobody can make a database of it. */
static const char *const excluded[] = {"template0", "template1"};

static void add(struct database_patterns *patterns, struct str text) {
    patterns->list[patterns->count++] = mem_strndup(text.data, text.len);
}

static int read_list(struct reader *reader, const struct yaml_node *list,
                     struct database_patterns *ret) {
    static const struct key pattern = {"pattern", KEY_TEXT, .most = DATABASE_PATTERN_MOST};
    if (list->n_items > DATABASE_MOST_PATTERNS) {
        return error_set(reader->err, -E2BIG, list->at, "%zu patterns are more than %d",
                         list->n_items, DATABASE_MOST_PATTERNS);
    }
    for (size_t i = 0; i < list->n_items; i++) {
        struct key_value value;
        int r = reader_value(reader, &pattern, list->items[i], &value);
        if (r < 0) {
            return r;
        }
        add(ret, value.text);
    }
    return 0;
}

static void add_defaults(struct database_options *databases, const struct key_value *values) {
    if (values[DATABASES_KEY_INCLUDE].node == NULL) {
        add(&databases->include, str_of("*"));
    }
    for (size_t i = 0; i < ARRAY_LEN(excluded); i++) {
        if (values[DATABASES_KEY_EXCLUDE].node == NULL) {
            add(&databases->exclude, str_of(excluded[i]));
        }
    }
}

int config_read_databases(struct reader *reader, const struct yaml_node *map,
                          struct target_options *target) {
    struct database_options *databases = &target->databases;
    struct key_value values[DATABASES_KEY_COUNT];
    if (map == NULL) {
        return 0;
    }
    if (target->kind != KIND_POSTGRES) {
        return error_set(reader->err, -EINVAL, map->at, "a %s target has no 'databases'",
                         target_kind_names[target->kind]);
    }
    int r = reader_section(reader, &key_section_databases, map, values);
    const struct yaml_node *include = values[DATABASES_KEY_INCLUDE].node;
    const struct yaml_node *exclude = values[DATABASES_KEY_EXCLUDE].node;
    if (r == 0 && include != NULL) {
        r = include->n_items == 0
                ? error_set(reader->err, -EINVAL, include->at,
                            "'include' is empty, and no database would be visited")
                : read_list(reader, include, &databases->include);
    }
    if (r == 0 && exclude != NULL) {
        r = read_list(reader, exclude, &databases->exclude);
    }
    if (r == 0) {
        add_defaults(databases, values);
        databases->given = true;
    }
    return r;
}
