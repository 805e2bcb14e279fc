/* SPDX-License-Identifier: Apache-2.0 */

/* A set of alerts' ids: a sorted array, so that sets are compared in one walk. A zeroed one is
 * empty. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pack.h"

struct id_set {
    uint64_t *ids;
    size_t n;
};

void id_set_deinit(struct id_set *set);

/* Makes it hold exactly these, in any order, each once or more often. */
void id_set_assign(struct id_set *set, const uint64_t *ids, size_t count);
void id_set_copy(struct id_set *set, const struct id_set *from);

void id_set_add_all(struct id_set *set, const struct id_set *more);
void id_set_remove_all(struct id_set *set, const struct id_set *less);
void id_set_remove(struct id_set *set, uint64_t id);

bool id_set_has(const struct id_set *set, uint64_t id);
bool id_set_equal(const struct id_set *a, const struct id_set *b);
bool id_set_is_subset(const struct id_set *part, const struct id_set *whole);

/* For the state file. Of unpacking: false, and in->bad, when it is none; set must be empty. */
void id_set_pack(const struct id_set *set, struct strbuf *out);
bool id_set_unpack(struct unpacker *in, struct id_set *set);
