/* SPDX-License-Identifier: Apache-2.0 */

#include "base/mem.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LARGE_BYTES (128 * 1024) /* as it is before it learns */

static void *checked(void *memory) {
    if (memory == NULL) {
        static const char text[] = "dbvitals: out of memory\n";
        (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
        abort();
    }
    return memory;
}

void mem_give_back_large(void) {
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
}

void *mem_alloc(size_t size) {
    return checked(calloc(1, size != 0 ? size : 1));
}

void *mem_array(size_t count, size_t size) {
    return checked(calloc(count != 0 ? count : 1, size != 0 ? size : 1));
}

void *mem_aligned(size_t alignment, size_t size) {
    void *memory = NULL;
    if (posix_memalign(&memory, alignment, size != 0 ? size : 1) != 0) {
        memory = NULL;
    }
    return memset(checked(memory), 0, size);
}

void *mem_large(void) {
    /* Twice as much holds an aligned one. */
    char *memory =
        mmap(NULL, 2 * MEM_LARGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    checked(memory != MAP_FAILED ? memory : NULL);
    const size_t before = (MEM_LARGE_BYTES - (uintptr_t)memory % MEM_LARGE_BYTES) % MEM_LARGE_BYTES;
    if (before > 0) {
        (void)munmap(memory, before);
    }
    (void)munmap(memory + before + MEM_LARGE_BYTES, MEM_LARGE_BYTES - before);
    (void)madvise(memory + before, MEM_LARGE_BYTES, MADV_HUGEPAGE); /* where the kernel has them */
    return memory + before;
}

void mem_large_free(void *memory) {
    if (memory != NULL) {
        (void)munmap(memory, MEM_LARGE_BYTES);
    }
}

void *mem_resize(void *memory, size_t count, size_t size) {
    return checked(reallocarray(memory, count != 0 ? count : 1, size != 0 ? size : 1));
}

void *mem_grow(void *array, size_t count, size_t *capacity, size_t size) {
    if (count < *capacity && array != NULL) {
        return array;
    }
    *capacity = *capacity < 2 ? 4 : *capacity * 2;
    return mem_resize(array, *capacity, size);
}

void *mem_dup(const void *data, size_t size) {
    void *copy = mem_alloc(size);
    if (size != 0) {
        memcpy(copy, data, size);
    }
    return copy;
}

char *mem_strdup(const char *text) {
    return mem_dup(text, strlen(text) + 1);
}

char *mem_strndup(const char *text, size_t length) {
    char *copy = mem_alloc(length + 1);
    if (length != 0) {
        memcpy(copy, text, length);
    }
    return copy;
}

char *mem_printf(const char *format, ...) {
    char *text = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0) {
        text = NULL;
    }
    va_end(args);
    return checked(text);
}

void mem_free_secret(char *secret) {
    if (secret != NULL) {
        explicit_bzero(secret, strlen(secret));
        free(secret);
    }
}
