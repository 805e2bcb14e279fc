/* SPDX-License-Identifier: Apache-2.0 */

/* Finished bytes with several owners: a page that is rendered once and sent to many. */
#pragma once

#include <stddef.h>

#include "base/macros.h"
#include "base/str.h"

struct buffer {
    size_t refs;
    size_t len;
    char *data;
};

/* Takes the memory of text over; text is empty afterwards. Return: one reference. */
struct buffer *buffer_new(struct strbuf *text);
struct buffer *buffer_ref(struct buffer *buffer);

/* NULL is fine. Return: NULL. */
struct buffer *buffer_unref(struct buffer *buffer);

static inline void buffer_drop(struct buffer *buffer) {
    buffer_unref(buffer);
}
DEFINE_CLEANUP(struct buffer, buffer_drop);
