/* SPDX-License-Identifier: Apache-2.0 */

/* The joined page of a large fleet, made and compressed as it is sent. */
#include <stdlib.h>

#include "base/mem.h"
#include "store/exposition.h"
#include "store/private.h"

struct exposition_reader {
    struct page_walk walk;
    struct str piece;           /* what is left of the current one */
    struct gzip_stream *stream; /* NULL: plain */
    bool walk_ended, gzip_ended;
};

struct exposition_reader *exposition_reader_new(struct store *store, bool gzip, uint64_t now_usec,
                                                char ret_etag[48]) {
    struct gzip_stream *stream = NULL;
    if (gzip && (stream = gzip_stream_new()) == NULL) {
        return NULL;
    }
    struct exposition_reader *reader = mem_alloc(sizeof(*reader));
    reader->stream = stream;
    reader->piece = (struct str){"", 0};
    page_walk_init(&reader->walk, store, now_usec);
    exposition_etag(store, NULL, gzip, ret_etag);
    return reader;
}

struct exposition_reader *exposition_reader_free(struct exposition_reader *reader) {
    if (reader != NULL) {
        page_walk_deinit(&reader->walk);
        gzip_stream_free(reader->stream);
        free(reader);
    }
    return NULL;
}

/* Makes sure that there is a piece. Return: false at the end. */
static bool has_piece(struct exposition_reader *reader) {
    while (reader->piece.len == 0 && !reader->walk_ended) {
        reader->walk_ended = !page_walk_next(&reader->walk, &reader->piece);
    }
    return !reader->walk_ended;
}

static size_t read_plain(struct exposition_reader *reader, char *out, size_t size) {
    size_t done = 0;
    while (done < size && has_piece(reader)) {
        size_t n = reader->piece.len < size - done ? reader->piece.len : size - done;
        memcpy(out + done, reader->piece.data, n);
        reader->piece.data += n;
        reader->piece.len -= n;
        done += n;
    }
    return done;
}

static size_t read_gzip(struct exposition_reader *reader, char *out, size_t size) {
    size_t done = 0;
    while (done < size && !reader->gzip_ended) {
        bool last = !has_piece(reader);
        done += gzip_stream_step(reader->stream, &reader->piece, last, out + done, size - done,
                                 &reader->gzip_ended);
    }
    return done;
}

size_t exposition_reader_read(struct exposition_reader *reader, char *out, size_t size) {
    return reader->stream != NULL ? read_gzip(reader, out, size) : read_plain(reader, out, size);
}
