/* SPDX-License-Identifier: Apache-2.0 */

/* Bodies that are made and compressed as they are sent: the joined page of a large fleet, and what
 * others make in pieces. */
#include <stdlib.h>

#include "base/mem.h"
#include "store/exposition.h"
#include "store/gzip.h"
#include "store/private.h"

struct exposition_reader {
    struct exposition_pieces pieces;
    struct str piece;           /* what is left of the current one */
    struct gzip_stream *stream; /* NULL: plain */
    bool pieces_ended, gzip_ended;
};

static bool next_of_walk(void *userdata, struct str *ret) {
    return page_walk_next(userdata, ret);
}

static void free_walk(void *userdata) {
    page_walk_deinit(userdata);
    free(userdata);
}

struct exposition_reader *exposition_reader_new(struct store *store, bool gzip, uint64_t now_usec,
                                                char ret_etag[48]) {
    struct page_walk *walk = mem_alloc(sizeof(*walk));
    const struct exposition_pieces pieces = {next_of_walk, free_walk, walk};
    page_walk_init(walk, store, now_usec);
    struct exposition_reader *reader = exposition_reader_of(&pieces, gzip);
    if (reader == NULL) {
        free_walk(walk);
        return NULL;
    }
    exposition_etag(store, NULL, gzip, ret_etag);
    return reader;
}

struct exposition_reader *exposition_reader_of(const struct exposition_pieces *pieces, bool gzip) {
    struct gzip_stream *stream = NULL;
    if (gzip && (stream = gzip_stream_new()) == NULL) {
        return NULL;
    }
    struct exposition_reader *reader = mem_alloc(sizeof(*reader));
    reader->stream = stream;
    reader->piece = (struct str){"", 0};
    reader->pieces = *pieces;
    return reader;
}

struct exposition_reader *exposition_reader_free(struct exposition_reader *reader) {
    if (reader != NULL) {
        reader->pieces.free(reader->pieces.userdata);
        gzip_stream_free(reader->stream);
        free(reader);
    }
    return NULL;
}

/* Makes sure that there is a piece. Return: false at the end. */
static bool has_piece(struct exposition_reader *reader) {
    while (reader->piece.len == 0 && !reader->pieces_ended) {
        reader->pieces_ended = !reader->pieces.next(reader->pieces.userdata, &reader->piece);
    }
    return !reader->pieces_ended;
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
