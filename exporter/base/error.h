/* SPDX-License-Identifier: Apache-2.0 */

/* What went wrong with something that a human or a foreign program gave us, and where.
 *
 * A struct error is a plain value of fixed size: filling it cannot fail, it owns nothing, and it
 * may be copied. The first error wins: error_set() on one that is set changes nothing, so that the
 * cause is not hidden by its consequences. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

struct position {
    const char *file;      /* borrowed; NULL when there is no file */
    unsigned line, column; /* from 1; 0 when unknown */
};

struct error {
    int code; /* negative errno; 0 = not set */
    struct position at;
    char text[256];
};

/* Fills *err unless it is NULL or set already; too long a text is cut at a character.
 * Return: code, so that `return error_set(...)` reads well. code must be negative. */
int error_set(struct error *err, int code, struct position at, const char *format, ...)
    PRINTF_LIKE(4, 5);

/* error_set() without a place. */
int error_say(struct error *err, int code, const char *format, ...) PRINTF_LIKE(3, 4);

static inline bool error_is_set(const struct error *err) {
    return err->code != 0;
}

/* Writes "file:line:column: text" (as much of the place as is known) to out, always terminated.
 * size must not be 0.
 * Return: out. */
const char *error_format(const struct error *err, char *out, size_t size);
