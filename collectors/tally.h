/* SPDX-License-Identifier: Apache-2.0 */

/* Counts rows by their labels, and keeps only the largest groups when clients bring more different
 * names than anybody wants as series. All memory is in the arena. */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/str.h"

#define TALLY_LABELS 8

struct tally_group {
    struct str values[TALLY_LABELS]; /* borrowed */
    double count, most;
};

struct tally {
    struct arena *arena; /* borrowed */
    size_t n_labels;     /* set by the owner, at most TALLY_LABELS */
    struct tally_group **groups;
    size_t n_groups, capacity;
    struct hash_map map;
};

/* Adds count to the group of these values, and raises its `most`. */
void tally_add(struct tally *tally, const struct str *values, double count, double most);

/* Whether a group of these values is there. */
bool tally_has(const struct tally *tally, const struct str *values);

/* Leaves the limit largest groups as they are and merges the rest: of their values only those of
 * the labels whose bit is set in `kept` stay, and the label number `other` becomes "other". */
void tally_limit(struct tally *tally, size_t limit, unsigned kept, size_t other);

void tally_deinit(struct tally *tally);
