/* SPDX-License-Identifier: Apache-2.0 */

/* Allocation that does not fail: out of memory ends the process with a line on stderr, and the
 * service manager starts it again. In return every size that comes from outside is limited before
 * it gets here. */
#pragma once

#include <stddef.h>
#include <stdlib.h>

#include "base/macros.h"

/* For a process that lives long: what is large (pages, replies) is given back to the system when it
 * is freed. The C library would learn to keep it, and holes with it. */
void mem_give_back_large(void);

/* Zeroed memory; size 0 gives a pointer that may be freed. */
void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull));

/* Zeroed array; count * size may not overflow (that, too, ends the process). */
void *mem_array(size_t count, size_t size) __attribute__((malloc, returns_nonnull));

/* Zeroed memory at a multiple of alignment (a power of two, at least a pointer's size); free(). */
void *mem_aligned(size_t alignment, size_t size) __attribute__((malloc, returns_nonnull));

/* Zeroed memory of that size and alignment, in one page where the kernel has such large ones; only
 * for what is mostly full and lives long. mem_large_free(NULL) is fine. */
#define MEM_LARGE_BYTES ((size_t)2 * 1024 * 1024)
void *mem_large(void) __attribute__((malloc, returns_nonnull));
void mem_large_free(void *memory);

/* Grows or shrinks; what is new is not zeroed. */
void *mem_resize(void *memory, size_t count, size_t size) __attribute__((returns_nonnull));

/* Makes room for one more element behind count: doubles *capacity when it is used up. */
void *mem_grow(void *array, size_t count, size_t *capacity, size_t size)
    __attribute__((returns_nonnull));

void *mem_dup(const void *data, size_t size) __attribute__((returns_nonnull));
char *mem_strdup(const char *text) __attribute__((malloc, returns_nonnull));
char *mem_strndup(const char *text, size_t length) __attribute__((malloc, returns_nonnull));
char *mem_printf(const char *format, ...) PRINTF_LIKE(1, 2) __attribute__((malloc));

/* Overwrites a secret in a way that the compiler keeps, then frees it. NULL is fine. */
void mem_free_secret(char *secret);

static inline void mem_freep(void *pointer) {
    free(*(void **)pointer);
}
