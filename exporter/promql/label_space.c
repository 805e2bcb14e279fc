/* SPDX-License-Identifier: Apache-2.0 */

#include "promql/label_space.h"

#include <stdlib.h>

#include "promql/printer.h"

/* The texts of one set; more labels than this are not printed. */
#define MOST_PRINTED 128

struct space_string {
    struct str text;
    uint32_t id;
};

void label_space_init(struct label_space *space, const struct label_pool *pool,
                      struct arena *arena) {
    *space = (struct label_space){.pool = pool, .arena = arena};
    space->name_id = label_space_id(space, str_of("__name__"));
}

void label_space_deinit(struct label_space *space) {
    hash_map_deinit(&space->by_text);
}

static bool has_text(const void *entry, const void *key) {
    return str_equal(((const struct space_string *)entry)->text, *(const struct str *)key);
}

uint32_t label_space_id(struct label_space *space, struct str text) {
    uint32_t id;
    if (label_pool_find(space->pool, text, &id)) {
        return id;
    }
    uint64_t hash = hash_bytes(text.data, text.len);
    struct space_string *string = hash_map_get(&space->by_text, hash, has_text, &text);
    if (string != NULL) {
        return string->id;
    }
    if (space->n_strings == space->capacity) {
        size_t larger = space->capacity == 0 ? 16 : 2 * space->capacity;
        struct str *strings = arena_array(space->arena, larger, sizeof(*strings));
        if (space->n_strings > 0) {
            memcpy(strings, space->strings, space->n_strings * sizeof(*strings));
        }
        space->strings = strings;
        space->capacity = larger;
    }
    string = arena_alloc(space->arena, sizeof(*string));
    string->text = arena_dup(space->arena, text);
    string->id = LABEL_SPACE_FIRST + (uint32_t)space->n_strings;
    space->strings[space->n_strings++] = string->text;
    hash_map_add(&space->by_text, hash, string);
    return string->id;
}

struct str label_space_text(const struct label_space *space, uint32_t id) {
    return id >= LABEL_SPACE_FIRST ? space->strings[id - LABEL_SPACE_FIRST]
                                   : label_pool_text(space->pool, id);
}

static int compare_ids(const void *a, const void *b) {
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

struct name_ids label_space_names(struct label_space *space, const struct str *names, size_t n) {
    struct name_ids ids = {arena_array(space->arena, n + 1, sizeof(uint32_t)), 0};
    for (size_t i = 0; i < n; i++) {
        ids.ids[i] = label_space_id(space, names[i]);
    }
    if (n > 0) {
        qsort(ids.ids, n, sizeof(uint32_t), compare_ids);
    }
    for (size_t i = 0; i < n; i++) {
        if (ids.n == 0 || ids.ids[ids.n - 1] != ids.ids[i]) {
            ids.ids[ids.n++] = ids.ids[i];
        }
    }
    return ids;
}

static bool has_id(const struct name_ids *names, uint32_t id) {
    for (size_t i = 0; i < names->n; i++) {
        if (names->ids[i] == id) {
            return true;
        }
    }
    return false;
}

static struct label_set *set_new(struct label_space *space, size_t n_pairs) {
    struct label_set *set =
        arena_alloc(space->arena, sizeof(*set) + n_pairs * sizeof(set->pairs[0]));
    set->n_pairs = 0;
    return set;
}

static const struct label_set *set_finish(struct label_set *set) {
    set->hash = hash_bytes(set->pairs, set->n_pairs * sizeof(set->pairs[0]));
    return set;
}

const struct label_set *labels_none(struct label_space *space) {
    return set_finish(set_new(space, 0));
}

static const struct label_set *filter(struct label_space *space, const struct label_set *set,
                                      const struct name_ids *names, bool keep) {
    size_t hits = 0;
    for (size_t i = 0; i < set->n_pairs; i++) {
        hits += has_id(names, set->pairs[i].name);
    }
    if (hits == (keep ? set->n_pairs : 0)) {
        return set;
    }
    struct label_set *result = set_new(space, keep ? hits : set->n_pairs - hits);
    for (size_t i = 0; i < set->n_pairs; i++) {
        if (has_id(names, set->pairs[i].name) == keep) {
            result->pairs[result->n_pairs++] = set->pairs[i];
        }
    }
    return set_finish(result);
}

const struct label_set *labels_without(struct label_space *space, const struct label_set *set,
                                       const struct name_ids *names) {
    return filter(space, set, names, false);
}

const struct label_set *labels_only(struct label_space *space, const struct label_set *set,
                                    const struct name_ids *names) {
    return filter(space, set, names, true);
}

const struct label_set *labels_without_name(struct label_space *space,
                                            const struct label_set *set) {
    struct name_ids names = {&space->name_id, 1};
    return filter(space, set, &names, false);
}

const struct label_set *labels_with_id(struct label_space *space, const struct label_set *set,
                                       uint32_t name, uint32_t value) {
    struct str text = label_space_text(space, name);
    struct label_set *result = set_new(space, set->n_pairs + 1);
    struct label_pair pair = {name, value};
    bool placed = label_space_text(space, value).len == 0;
    for (size_t i = 0; i < set->n_pairs; i++) {
        if (set->pairs[i].name == name) {
            continue;
        }
        if (!placed && str_compare(label_space_text(space, set->pairs[i].name), text) > 0) {
            result->pairs[result->n_pairs++] = pair;
            placed = true;
        }
        result->pairs[result->n_pairs++] = set->pairs[i];
    }
    if (!placed) {
        result->pairs[result->n_pairs++] = pair;
    }
    return set_finish(result);
}

const struct label_set *labels_with(struct label_space *space, const struct label_set *set,
                                    struct str name, struct str value) {
    uint32_t name_id = label_space_id(space, name);
    return labels_with_id(space, set, name_id, label_space_id(space, value));
}

bool labels_get(const struct label_set *set, uint32_t name, uint32_t *ret_value) {
    for (size_t i = 0; i < set->n_pairs; i++) {
        if (set->pairs[i].name == name) {
            *ret_value = set->pairs[i].value;
            return true;
        }
    }
    return false;
}

struct str labels_value(const struct label_space *space, const struct label_set *set,
                        uint32_t name) {
    uint32_t value;
    return labels_get(set, name, &value) ? label_space_text(space, value) : str_of("");
}

struct str labels_metric(const struct label_space *space, const struct label_set *set) {
    return labels_value(space, set, space->name_id);
}

int labels_compare(const struct label_space *space, const struct label_set *a,
                   const struct label_set *b) {
    for (size_t i = 0; i < a->n_pairs && i < b->n_pairs; i++) {
        const struct label_pair *left = &a->pairs[i], *right = &b->pairs[i];
        if (left->name != right->name) {
            return str_compare(label_space_text(space, left->name),
                               label_space_text(space, right->name));
        }
        if (left->value != right->value) {
            return str_compare(label_space_text(space, left->value),
                               label_space_text(space, right->value));
        }
    }
    return (a->n_pairs > b->n_pairs) - (a->n_pairs < b->n_pairs);
}

void labels_print(const struct label_space *space, const struct label_set *set,
                  struct strbuf *out) {
    strbuf_add_char(out, '{');
    for (size_t i = 0; i < set->n_pairs && i < MOST_PRINTED; i++) {
        strbuf_add_text(out, i > 0 ? ", " : "");
        print_label_name(label_space_text(space, set->pairs[i].name), out);
        strbuf_add_char(out, '=');
        print_quoted(label_space_text(space, set->pairs[i].value), out);
    }
    strbuf_add_char(out, '}');
}
