/* SPDX-License-Identifier: Apache-2.0 */

/* The store as text 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/).
 *
 * Each source has two blocks, rendered when somebody asks and kept until its generation changes:
 * its own page (HELP and TYPE, no labels of the target) and its part of the joined page (labels of
 * the target, no HELP and TYPE, with the offset of each family). The joined page puts the parts
 * together family by family. Bodies are shared buffers: a scrape costs a reference. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/json.h"
#include "store/store.h"

/* Below this a compressed body is not worth its time. */
#define EXPOSITION_GZIP_LEAST_BYTES 4096

/* Above this the joined page is made and compressed as it is sent. */
#define EXPOSITION_WHOLE_MOST_BYTES (1024 * 1024)

struct exposition_page {
    struct buffer *body; /* a reference for the caller */
    bool gzip;           /* body is compressed: it was asked for and worth it */
    char etag[48];       /* with quotes; differs with gzip asked for or not, whatever came of it */
};

/* One source's own page: what the peer exporter would show. now_usec tells how long ago a block was
 * read last (see exposition_drop_idle). */
void exposition_source(struct store_source *source, bool gzip, uint64_t now_usec,
                       struct exposition_page *ret);

/* Renders what the joined page lacks, until about most_series series have been written: the blocks
 * of a large fleet take longer than one turn of the loop may. Call it in one turn after another
 * until it is done, then ask for the page.
 * Return: true when nothing is missing now. */
bool exposition_prepare(struct store *store, uint64_t now_usec, size_t most_series);

/* Size of the joined page without compression, rendering what is missing. */
size_t exposition_joined_size(struct store *store, uint64_t now_usec);

/* All sources joined, as one body. */
void exposition_joined(struct store *store, bool gzip, uint64_t now_usec,
                       struct exposition_page *ret);

/* The joined page piece by piece, for a large fleet. It holds references to the blocks of its
 * generation, so what changes meanwhile does not show, and a slow reader holds no more than that.
 */
struct exposition_reader;

/* Return: NULL only when gzip is asked for and its library refuses to start. */
struct exposition_reader *exposition_reader_new(struct store *store, bool gzip, uint64_t now_usec,
                                                char ret_etag[48]);

/* The same over text that somebody else makes piece by piece. */
struct exposition_pieces {
    /* A piece is valid until the next call; it may be empty. Return: false at the end. */
    bool (*next)(void *userdata, struct str *ret);
    void (*free)(void *userdata);
    void *userdata;
};

/* Takes the pieces over on success. Return: NULL only when gzip is asked for and its library
 * refuses to start. */
struct exposition_reader *exposition_reader_of(const struct exposition_pieces *pieces, bool gzip);

/* Writes at most size bytes; size is not 0. Return: their number; 0 at the end. */
size_t exposition_reader_read(struct exposition_reader *reader, char *out, size_t size);
struct exposition_reader *exposition_reader_free(struct exposition_reader *reader);
DEFINE_CLEANUP(struct exposition_reader, exposition_reader_free);

/* The source's live samples as a list of families in name order: {"name", "type", "samples"}, each
 * sample {"labels", "value"} with its own labels; those of histograms and summaries have a "name",
 * too. What JSON has no number for is null. */
void exposition_json(struct store_source *source, struct json_writer *json, const char *key);

/* The ETag that exposition_source or exposition_joined (source NULL) would give now, without
 * rendering anything. */
void exposition_etag(const struct store *store, const struct store_source *source, bool gzip,
                     char ret_etag[48]);

/* Drops rendered blocks that nobody read for idle_usec. */
void exposition_drop_idle(struct store *store, uint64_t now_usec, uint64_t idle_usec);

/* Bytes that rendered pages hold. */
size_t exposition_bytes(const struct store *store);
