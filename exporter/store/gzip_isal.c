/* SPDX-License-Identifier: Apache-2.0 */

/* gzip by ISA-L, several times as fast as zlib at about the same size. */
#include "store/gzip.h"

#include <isa-l/igzip_lib.h>

#include "base/mem.h"

#define LEVEL 1 /* 0 is hardly faster and takes a tenth more, 3 costs four times as much */

struct gzip_stream {
    struct isal_zstream z;
    uint8_t room[ISAL_DEF_LVL1_SMALL]; /* a larger one changes nothing */
};

struct gzip_stream *gzip_stream_new(void) {
    /* Most of it are buffers, which the library prepares itself. */
    struct gzip_stream *stream = mem_resize(NULL, 1, sizeof(*stream));
    isal_deflate_init(&stream->z);
    stream->z.level = LEVEL;
    stream->z.level_buf = stream->room;
    stream->z.level_buf_size = sizeof(stream->room);
    stream->z.gzip_flag = IGZIP_GZIP;
    return stream;
}

struct gzip_stream *gzip_stream_free(struct gzip_stream *stream) {
    free(stream);
    return NULL;
}

/* The library counts in 32 bits. */
static uint32_t at_most_32_bits(size_t size) {
    return size < UINT32_MAX ? (uint32_t)size : UINT32_MAX;
}

size_t gzip_stream_step(struct gzip_stream *stream, struct str *in, bool last, char *out,
                        size_t size, bool *ret_ended) {
    struct isal_zstream *z = &stream->z;
    const uint32_t in_size = at_most_32_bits(in->len), out_size = at_most_32_bits(size);
    z->next_in = (uint8_t *)(uintptr_t)in->data; /* only read */
    z->avail_in = in_size;
    z->next_out = (uint8_t *)out;
    z->avail_out = out_size;
    z->end_of_stream = last && in_size == in->len;
    int r = isal_deflate(z);
    in->data += in_size - z->avail_in;
    in->len -= in_size - z->avail_in;
    /* It complains about nothing but wrong parameters; a body cut off there is seen as broken. */
    *ret_ended = r != COMP_OK || z->internal_state.state == ZSTATE_END;
    return out_size - z->avail_out;
}
