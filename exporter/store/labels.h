/* SPDX-License-Identifier: Apache-2.0 */

/* Interned label sets: each name and value is stored once for the whole process and is a number,
 * so that comparing and hashing sets is comparing and hashing integers.
 *
 * A set is immutable, sorted by name (byte order), counted, and owned by the series that carry it;
 * the pool frees a string when its last set goes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/batch.h"

struct label_pool;

struct label_pair {
    uint32_t name, value; /* indexes into the pool's strings */
};

struct label_set {
    uint64_t hash;
    size_t n_pairs;
    struct label_pair pairs[]; /* sorted by name's text */
};

struct label_pool *label_pool_new(void);
struct label_pool *label_pool_free(struct label_pool *pool);

/* Makes a set; empty values are left out, of two equal names the first one counts. */
struct label_set *label_set_new(struct label_pool *pool, const struct label *labels, size_t count);

/* Gives the strings back to the pool. NULL is fine. */
void label_set_free(struct label_pool *pool, struct label_set *set);

bool label_set_equal(const struct label_set *a, const struct label_set *b);

/* Return: false when the text is in no set. */
bool label_pool_find(const struct label_pool *pool, struct str text, uint32_t *ret_id);

/* The text of an interned string; valid while a set with it lives. */
struct str label_pool_text(const struct label_pool *pool, uint32_t id);

/* The value of a label in the set, or an empty text. */
struct str label_set_value(const struct label_pool *pool, const struct label_set *set,
                           const char *name);

size_t label_pool_bytes(const struct label_pool *pool);
