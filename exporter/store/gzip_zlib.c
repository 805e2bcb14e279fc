/* SPDX-License-Identifier: Apache-2.0 */

/* gzip by zlib, for machines that have no ISA-L. */
#include "store/gzip.h"

#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/mem.h"

#define GZIP_LEVEL  1 /* higher ones take three times as long for a few percent */
#define GZIP_WINDOW (15 + 16)
#define GZIP_MEMORY 8

struct gzip_stream {
    z_stream z;
};

static voidpf gzip_alloc(voidpf opaque, uInt count, uInt size) {
    return mem_resize(NULL, count, size);
}

static void gzip_release(voidpf opaque, voidpf memory) {
    free(memory);
}

static bool gzip_begin(z_stream *z) {
    *z = (z_stream){.zalloc = gzip_alloc, .zfree = gzip_release};
    return deflateInit2(z, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY, Z_DEFAULT_STRATEGY) ==
           Z_OK;
}

struct gzip_stream *gzip_stream_new(void) {
    struct gzip_stream *stream = mem_alloc(sizeof(*stream));
    if (!gzip_begin(&stream->z)) {
        free(stream);
        return NULL;
    }
    return stream;
}

struct gzip_stream *gzip_stream_free(struct gzip_stream *stream) {
    if (stream != NULL) {
        deflateEnd(&stream->z);
        free(stream);
    }
    return NULL;
}

/* zlib counts in 32 bits. */
static uInt at_most_32_bits(size_t size) {
    return size < UINT32_MAX ? (uInt)size : UINT32_MAX;
}

size_t gzip_stream_step(struct gzip_stream *stream, struct str *in, bool last, char *out,
                        size_t size, bool *ret_ended) {
    z_stream *z = &stream->z;
    const uInt in_size = at_most_32_bits(in->len), out_size = at_most_32_bits(size);
    z->next_in = (z_const Bytef *)(uintptr_t)in->data;
    z->avail_in = in_size;
    z->next_out = (Bytef *)out;
    z->avail_out = out_size;
    int r = deflate(z, last && in_size == in->len ? Z_FINISH : Z_NO_FLUSH);
    in->data += in_size - z->avail_in;
    in->len -= in_size - z->avail_in;
    *ret_ended = r == Z_STREAM_END;
    return out_size - z->avail_out;
}
