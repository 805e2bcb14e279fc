/* SPDX-License-Identifier: Apache-2.0 */

/* Compression to gzip as fast as it goes: a page is made anew for nearly every scrape, and what a
 * higher level saves on the way costs several times as much here.
 *
 * The stream is ISA-L's (gzip_isal.c) or, where that library is missing, zlib's (gzip_zlib.c). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

struct gzip_stream;

/* Return: NULL when the library refuses to start. */
struct gzip_stream *gzip_stream_new(void);
struct gzip_stream *gzip_stream_free(struct gzip_stream *stream);
DEFINE_CLEANUP(struct gzip_stream, gzip_stream_free);

/* Compresses from *in (which moves on) into out; last: nothing follows *in. *ret_ended tells that
 * all has been written. Return: bytes written. */
size_t gzip_stream_step(struct gzip_stream *stream, struct str *in, bool last, char *out,
                        size_t size, bool *ret_ended);

/* All of plain at once. Return: one reference, or NULL when the library refuses to start. */
struct buffer *gzip_whole(const struct buffer *plain);
