/* SPDX-License-Identifier: Apache-2.0 */

/* Label sets during one evaluation: those of the store's series as they are, and new ones made of
 * their strings and of strings that only this evaluation knows (from label_replace, count_values).
 *
 * Equal texts have equal ids, so sets compare and hash as integers. New sets and strings live in
 * the arena of the evaluation. */
#pragma once

#include "base/arena.h"
#include "base/hash.h"
#include "store/labels.h"

/* Ids from here on are the evaluation's own. */
#define LABEL_SPACE_FIRST UINT32_C(0x80000000)

struct label_space {
    const struct label_pool *pool;
    struct arena *arena;
    struct str *strings; /* from LABEL_SPACE_FIRST on */
    size_t n_strings, capacity;
    struct hash_map by_text;
    uint32_t name_id; /* of "__name__" */
};

void label_space_init(struct label_space *space, const struct label_pool *pool,
                      struct arena *arena);
void label_space_deinit(struct label_space *space);

uint32_t label_space_id(struct label_space *space, struct str text);
struct str label_space_text(const struct label_space *space, uint32_t id);

/* Names as ids, for the functions below; sorted and without duplicates. */
struct name_ids {
    uint32_t *ids;
    size_t n;
};
struct name_ids label_space_names(struct label_space *space, const struct str *names, size_t n);

/* The set without labels. */
const struct label_set *labels_none(struct label_space *space);

/* The set itself when nothing has to go. */
const struct label_set *labels_without(struct label_space *space, const struct label_set *set,
                                       const struct name_ids *names);
const struct label_set *labels_only(struct label_space *space, const struct label_set *set,
                                    const struct name_ids *names);
const struct label_set *labels_without_name(struct label_space *space, const struct label_set *set);

/* The set with a label set to a value, or without it when the value is empty. */
const struct label_set *labels_with(struct label_space *space, const struct label_set *set,
                                    struct str name, struct str value);
const struct label_set *labels_with_id(struct label_space *space, const struct label_set *set,
                                       uint32_t name, uint32_t value);

/* The id of the label's value. Return: whether the label is there. */
bool labels_get(const struct label_set *set, uint32_t name, uint32_t *ret_value);
struct str labels_value(const struct label_space *space, const struct label_set *set,
                        uint32_t name);
struct str labels_metric(const struct label_space *space, const struct label_set *set);

/* By names and values as texts, as Prometheus orders series. */
int labels_compare(const struct label_space *space, const struct label_set *a,
                   const struct label_set *b);

/* As in messages: {__name__="m", l="v"}. */
void labels_print(const struct label_space *space, const struct label_set *set, struct strbuf *out);
