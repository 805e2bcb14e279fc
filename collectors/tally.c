/* SPDX-License-Identifier: Apache-2.0 */

#include "collectors/tally.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct key {
    const struct str *values;
    size_t n_labels;
};

static bool has_key(const void *entry, const void *wanted) {
    const struct tally_group *group = entry;
    const struct key *key = wanted;
    for (size_t i = 0; i < key->n_labels; i++) {
        if (!str_equal(group->values[i], key->values[i])) {
            return false;
        }
    }
    return true;
}

static uint64_t hash_of(const struct str *values, size_t n_labels) {
    uint64_t hash = n_labels;
    for (size_t i = 0; i < n_labels; i++) {
        hash = hash_combine(hash, hash_bytes(values[i].data, values[i].len));
    }
    return hash;
}

void tally_add(struct tally *tally, const struct str *values, double count, double most) {
    uint64_t hash = hash_of(values, tally->n_labels);
    struct key key = {values, tally->n_labels};
    struct tally_group *group = hash_map_get(&tally->map, hash, has_key, &key);
    if (group == NULL) {
        group = arena_alloc(tally->arena, sizeof(*group));
        memcpy(group->values, values, tally->n_labels * sizeof(*values));
        tally->groups =
            mem_grow(tally->groups, tally->n_groups, &tally->capacity, sizeof(*tally->groups));
        tally->groups[tally->n_groups++] = group;
        hash_map_add(&tally->map, hash, group);
        group->most = most;
    }
    group->count += count;
    group->most = most > group->most ? most : group->most;
}

/* Largest first; equal ones by their values, so that the choice is the same in each round. */
static int compare_groups(const void *a, const void *b) {
    const struct tally_group *left = *(struct tally_group *const *)a;
    const struct tally_group *right = *(struct tally_group *const *)b;
    if (left->count != right->count) {
        return left->count > right->count ? -1 : 1;
    }
    int order = 0;
    for (size_t i = 0; order == 0 && i < TALLY_LABELS; i++) {
        order = str_compare(left->values[i], right->values[i]);
    }
    return order;
}

void tally_limit(struct tally *tally, size_t limit, unsigned kept, size_t other) {
    if (tally->n_groups <= limit) {
        return;
    }
    qsort(tally->groups, tally->n_groups, sizeof(*tally->groups), compare_groups);
    size_t count = tally->n_groups;
    tally->n_groups = limit;
    /* The rest joins a kept group that happens to have the same labels. */
    hash_map_deinit(&tally->map);
    for (size_t i = 0; i < limit; i++) {
        const struct str *values = tally->groups[i]->values;
        hash_map_add(&tally->map, hash_of(values, tally->n_labels), tally->groups[i]);
    }
    struct tally_group **rest =
        arena_array(tally->arena, count - limit, sizeof(struct tally_group *));
    memcpy(rest, tally->groups + limit, (count - limit) * sizeof(*rest));
    for (size_t i = 0; i < count - limit; i++) {
        struct str values[TALLY_LABELS] = {0};
        for (size_t label = 0; label < tally->n_labels; label++) {
            if ((kept >> label & 1) != 0) {
                values[label] = rest[i]->values[label];
            }
        }
        values[other] = str_of("other");
        tally_add(tally, values, rest[i]->count, rest[i]->most);
    }
}

void tally_deinit(struct tally *tally) {
    hash_map_deinit(&tally->map);
    free(tally->groups);
    *tally = (struct tally){0};
}

bool tally_has(const struct tally *tally, const struct str *values) {
    struct key key = {values, tally->n_labels};
    return hash_map_get(&tally->map, hash_of(values, tally->n_labels), has_key, &key) != NULL;
}
