/* SPDX-License-Identifier: Apache-2.0 */

#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define FIRST_BLOCK_BYTES   ((size_t)2048)
#define LARGEST_BLOCK_BYTES ((size_t)256 * 1024)
/* A block above this is not kept over a reset: hundreds of targets have an arena each, and only few
 * of them have a round at the same time. */
#define KEPT_BLOCK_BYTES ((size_t)4 * 1024)

struct arena_block {
    struct arena_block *next;
    size_t size, used; /* of data */
    _Alignas(max_align_t) unsigned char data[];
};

static struct arena_block *add_block(struct arena *arena, size_t least) {
    size_t size = arena->blocks != NULL ? arena->blocks->size * 2 : FIRST_BLOCK_BYTES;
    if (size > LARGEST_BLOCK_BYTES) {
        size = LARGEST_BLOCK_BYTES;
    }
    if (size < least) {
        size = least;
    }
    /* Pieces are zeroed when they are handed out, so that a kept block needs no second clearing. */
    struct arena_block *block;
    if (__builtin_add_overflow(size, sizeof(*block), &size)) {
        abort();
    }
    block = mem_resize(NULL, 1, size);
    size -= sizeof(*block);
    *block = (struct arena_block){.next = arena->blocks, .size = size};
    arena->blocks = block;
    return block;
}

void *arena_alloc(struct arena *arena, size_t size) {
    const size_t alignment = _Alignof(max_align_t);
    size_t rounded = (size + alignment - 1) & ~(alignment - 1);
    if (rounded < size) {
        abort();
    }
    struct arena_block *block = arena->blocks;
    if (block == NULL || block->size - block->used < rounded) {
        block = add_block(arena, rounded);
    }
    void *piece = block->data + block->used;
    block->used += rounded;
    arena->used_bytes += rounded;
    memset(piece, 0, rounded);
    return piece;
}

void *arena_array(struct arena *arena, size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        abort();
    }
    return arena_alloc(arena, bytes);
}

struct str arena_dup(struct arena *arena, struct str text) {
    char *copy = arena_alloc(arena, text.len + 1);
    if (text.len != 0) {
        memcpy(copy, text.data, text.len);
    }
    return (struct str){copy, text.len};
}

void arena_reset(struct arena *arena) {
    struct arena_block *kept = arena->blocks;
    if (kept != NULL && kept->size > KEPT_BLOCK_BYTES) {
        kept = NULL;
    }
    for (struct arena_block *block = arena->blocks, *next; block != NULL; block = next) {
        next = block->next;
        if (block != kept) {
            free(block);
        }
    }
    if (kept != NULL) {
        kept->next = NULL;
        kept->used = 0;
    }
    arena->blocks = kept;
    arena->used_bytes = 0;
}

void arena_deinit(struct arena *arena) {
    for (struct arena_block *block = arena->blocks, *next; block != NULL; block = next) {
        next = block->next;
        free(block);
    }
    *arena = (struct arena){0};
}
