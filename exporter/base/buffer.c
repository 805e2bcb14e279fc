/* SPDX-License-Identifier: Apache-2.0 */

#include "base/buffer.h"

#include <stdlib.h>

#include "base/mem.h"

struct buffer *buffer_new(struct strbuf *text) {
    struct buffer *buffer = mem_alloc(sizeof(*buffer));
    buffer->refs = 1;
    buffer->len = text->len;
    buffer->data = strbuf_take(text);
    return buffer;
}

struct buffer *buffer_ref(struct buffer *buffer) {
    buffer->refs++;
    return buffer;
}

struct buffer *buffer_unref(struct buffer *buffer) {
    if (buffer != NULL && --buffer->refs == 0) {
        free(buffer->data);
        free(buffer);
    }
    return NULL;
}
