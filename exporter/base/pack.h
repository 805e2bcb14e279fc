/* SPDX-License-Identifier: Apache-2.0 */

/* Values one after another as bytes, for files and pipes of our own: little-endian numbers, texts
 * with their length in front. Reading what is short or longer than its limit never goes past the
 * end: it sets `bad`, and everything read from then on is zero or empty. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

void pack_u64(struct strbuf *out, uint64_t value);
void pack_i64(struct strbuf *out, int64_t value);
void pack_double(struct strbuf *out, double value); /* bit by bit */
void pack_str(struct strbuf *out, struct str text);

struct unpacker {
    struct str rest;
    bool bad;
};

uint64_t unpack_u64(struct unpacker *in);
int64_t unpack_i64(struct unpacker *in);
double unpack_double(struct unpacker *in);
struct str unpack_str(struct unpacker *in); /* borrowed from what is read */

/* A count of things of which each takes at least least_bytes: never more than can follow. */
size_t unpack_count(struct unpacker *in, size_t least_bytes);

/* CRC-32C (Castagnoli), as it is used to tell whether a file is as it was written. */
uint32_t crc32c(const void *data, size_t len);
