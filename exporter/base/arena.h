/* SPDX-License-Identifier: Apache-2.0 */

/* Memory for one phase (a reply, a request, a parsed file): taken in pieces, given back at once.
 * Nothing inside is freed singly, and nothing that lives longer belongs here.
 * A zeroed struct arena is an empty arena without a limit. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    size_t used_bytes;          /* handed out since the last reset */
};

/* Zeroed memory, aligned for any type. */
void *arena_alloc(struct arena *arena, size_t size) __attribute__((returns_nonnull));
void *arena_array(struct arena *arena, size_t count, size_t size) __attribute__((returns_nonnull));

/* A copy with a zero byte behind it that does not count in len. */
struct str arena_dup(struct arena *arena, struct str text);

/* Forgets everything that was handed out; keeps the newest block for the next phase when it is not
 * much larger than usual. */
void arena_reset(struct arena *arena);

/* Gives all memory back; the arena is empty and may be used again. */
void arena_deinit(struct arena *arena);
