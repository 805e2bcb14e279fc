/* SPDX-License-Identifier: Apache-2.0 */

/* The pool of strings that label sets consist of: an array by number, a hash map by text, and the
 * numbers that are free again. */
#include "store/labels.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"

/* What an entry of the map and the allocator's head cost besides the struct itself. */
#define STRING_OVERHEAD_BYTES 48

struct pool_string {
    uint64_t hash;
    uint32_t id, refs, len;
    char text[];
};

struct label_pool {
    struct pool_string **strings; /* by id; NULL where the id is free */
    size_t n_strings, strings_capacity;
    uint32_t *free_ids;
    size_t n_free, free_capacity;
    struct hash_map by_text;
    size_t bytes;
};

struct label_pool *label_pool_new(void) {
    return mem_alloc(sizeof(struct label_pool));
}

struct label_pool *label_pool_free(struct label_pool *pool) {
    if (pool != NULL) {
        for (size_t i = 0; i < pool->n_strings; i++) {
            free(pool->strings[i]);
        }
        free(pool->strings);
        free(pool->free_ids);
        hash_map_deinit(&pool->by_text);
        free(pool);
    }
    return NULL;
}

static bool string_has_text(const void *entry, const void *key) {
    const struct pool_string *string = entry;
    return str_equal((struct str){string->text, string->len}, *(const struct str *)key);
}

bool label_pool_find(const struct label_pool *pool, struct str text, uint32_t *ret_id) {
    uint64_t hash = hash_bytes(text.data, text.len);
    const struct pool_string *string = hash_map_get(&pool->by_text, hash, string_has_text, &text);
    if (string != NULL) {
        *ret_id = string->id;
    }
    return string != NULL;
}

static uint32_t take_id(struct label_pool *pool) {
    if (pool->n_free > 0) {
        return pool->free_ids[--pool->n_free];
    }
    pool->strings = mem_grow(pool->strings, pool->n_strings, &pool->strings_capacity,
                             sizeof(struct pool_string *));
    return (uint32_t)pool->n_strings++;
}

static uint32_t intern(struct label_pool *pool, struct str text) {
    uint64_t hash = hash_bytes(text.data, text.len);
    struct pool_string *string = hash_map_get(&pool->by_text, hash, string_has_text, &text);
    if (string == NULL) {
        string = mem_alloc(sizeof(*string) + text.len + 1);
        *string = (struct pool_string){.hash = hash, .len = (uint32_t)text.len};
        memcpy(string->text, text.data, text.len);
        string->id = take_id(pool);
        pool->strings[string->id] = string;
        hash_map_add(&pool->by_text, hash, string);
        pool->bytes += sizeof(*string) + text.len + STRING_OVERHEAD_BYTES;
    }
    string->refs++;
    return string->id;
}

static void release(struct label_pool *pool, uint32_t id) {
    struct pool_string *string = pool->strings[id];
    if (--string->refs > 0) {
        return;
    }
    hash_map_remove(&pool->by_text, string->hash, string);
    pool->bytes -= sizeof(*string) + string->len + STRING_OVERHEAD_BYTES;
    pool->strings[id] = NULL;
    pool->free_ids =
        mem_grow(pool->free_ids, pool->n_free, &pool->free_capacity, sizeof(*pool->free_ids));
    pool->free_ids[pool->n_free++] = id;
    free(string);
}

struct str label_pool_text(const struct label_pool *pool, uint32_t id) {
    const struct pool_string *string = pool->strings[id];
    return (struct str){string->text, string->len};
}

/* Where a name stands or would stand in the set. Return: whether it is there. */
static bool find_name(const struct label_pool *pool, const struct label_set *set, struct str name,
                      size_t *ret_at) {
    for (*ret_at = 0; *ret_at < set->n_pairs; ++*ret_at) {
        int order = str_compare(label_pool_text(pool, set->pairs[*ret_at].name), name);
        if (order >= 0) {
            return order == 0;
        }
    }
    return false;
}

struct label_set *label_set_new(struct label_pool *pool, const struct label *labels, size_t count) {
    struct label_set *set = mem_alloc(sizeof(*set) + count * sizeof(set->pairs[0]));
    for (size_t i = 0; i < count; i++) {
        size_t at;
        if (labels[i].value.len == 0 || find_name(pool, set, labels[i].name, &at)) {
            continue;
        }
        memmove(&set->pairs[at + 1], &set->pairs[at], (set->n_pairs - at) * sizeof(set->pairs[0]));
        set->pairs[at].name = intern(pool, labels[i].name);
        set->pairs[at].value = intern(pool, labels[i].value);
        set->n_pairs++;
    }
    set->hash = hash_bytes(set->pairs, set->n_pairs * sizeof(set->pairs[0]));
    return set;
}

void label_set_free(struct label_pool *pool, struct label_set *set) {
    if (set != NULL) {
        for (size_t i = 0; i < set->n_pairs; i++) {
            release(pool, set->pairs[i].name);
            release(pool, set->pairs[i].value);
        }
        free(set);
    }
}

bool label_set_equal(const struct label_set *a, const struct label_set *b) {
    return a->hash == b->hash && a->n_pairs == b->n_pairs &&
           memcmp(a->pairs, b->pairs, a->n_pairs * sizeof(a->pairs[0])) == 0;
}

struct str label_set_value(const struct label_pool *pool, const struct label_set *set,
                           const char *name) {
    size_t at;
    return find_name(pool, set, str_of(name), &at) ? label_pool_text(pool, set->pairs[at].value)
                                                   : str_of("");
}

size_t label_pool_bytes(const struct label_pool *pool) {
    return sizeof(*pool) + pool->bytes + pool->strings_capacity * sizeof(struct pool_string *) +
           pool->free_capacity * sizeof(*pool->free_ids);
}
