/* SPDX-License-Identifier: Apache-2.0 */

#include "actions/id_set.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void id_set_deinit(struct id_set *set) {
    free(set->ids);
    *set = (struct id_set){0};
}

static int compare(const void *a, const void *b) {
    uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;
    return first < second ? -1 : first > second;
}

void id_set_assign(struct id_set *set, const uint64_t *ids, size_t count) {
    uint64_t *copy = mem_array(count + 1, sizeof(*copy));
    size_t n = 0;
    if (count > 0) {
        memcpy(copy, ids, count * sizeof(*copy));
        qsort(copy, count, sizeof(*copy), compare);
    }
    for (size_t i = 0; i < count; i++) {
        if (n == 0 || copy[n - 1] != copy[i]) {
            copy[n++] = copy[i];
        }
    }
    id_set_deinit(set);
    *set = (struct id_set){copy, n};
}

void id_set_copy(struct id_set *set, const struct id_set *from) {
    id_set_assign(set, from->ids, from->n);
}

void id_set_add_all(struct id_set *set, const struct id_set *more) {
    if (id_set_is_subset(more, set)) {
        return;
    }
    uint64_t *both = mem_array(set->n + more->n, sizeof(*both));
    if (set->n > 0) {
        memcpy(both, set->ids, set->n * sizeof(*both));
    }
    memcpy(both + set->n, more->ids, more->n * sizeof(*both));
    id_set_assign(set, both, set->n + more->n);
    free(both);
}

void id_set_remove_all(struct id_set *set, const struct id_set *less) {
    size_t kept = 0, k = 0;
    for (size_t i = 0; i < set->n; i++) {
        while (k < less->n && less->ids[k] < set->ids[i]) {
            k++;
        }
        if (k == less->n || less->ids[k] != set->ids[i]) {
            set->ids[kept++] = set->ids[i];
        }
    }
    set->n = kept;
}

void id_set_remove(struct id_set *set, uint64_t id) {
    id_set_remove_all(set, &(struct id_set){&id, 1});
}

bool id_set_has(const struct id_set *set, uint64_t id) {
    return set->n > 0 && bsearch(&id, set->ids, set->n, sizeof(id), compare) != NULL;
}

bool id_set_equal(const struct id_set *a, const struct id_set *b) {
    return a->n == b->n && (a->n == 0 || memcmp(a->ids, b->ids, a->n * sizeof(*a->ids)) == 0);
}

bool id_set_is_subset(const struct id_set *part, const struct id_set *whole) {
    size_t k = 0;
    for (size_t i = 0; i < part->n; i++) {
        while (k < whole->n && whole->ids[k] < part->ids[i]) {
            k++;
        }
        if (k == whole->n || whole->ids[k] != part->ids[i]) {
            return false;
        }
    }
    return true;
}

void id_set_pack(const struct id_set *set, struct strbuf *out) {
    pack_u64(out, set->n);
    for (size_t i = 0; i < set->n; i++) {
        pack_u64(out, set->ids[i]);
    }
}

bool id_set_unpack(struct unpacker *in, struct id_set *set) {
    size_t count = unpack_count(in, sizeof(uint64_t));
    uint64_t *ids = mem_array(count + 1, sizeof(*ids));
    for (size_t i = 0; i < count; i++) {
        ids[i] = unpack_u64(in);
        in->bad |= i > 0 && ids[i - 1] >= ids[i];
    }
    if (in->bad) {
        free(ids);
        return false;
    }
    *set = (struct id_set){ids, count};
    return true;
}
