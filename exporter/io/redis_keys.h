/* SPDX-License-Identifier: Apache-2.0 */

/* Keys of a Redis as a client: each request reads all of them, whatever its text says. The answer
 * is a list of names and values in turn, sorted by name:
 *   of a hash    a list with the texts of the wanted fields, TREE_NIL where there is none;
 *   of a string  its text, cut at KEYS_MOST_TEXT.
 * Keys of other types and those that are not there are left out. What a big value would cost the
 * server is never asked for: no HGETALL, no GET.
 *
 * Listed keys are read in two round trips (TYPE, then HMGET or GETRANGE). A pattern is looked for
 * with SCAN, in pieces and not without end: a database that is too large for that is an error. */
#pragma once

#include "io/client.h"
#include "io/redis_client.h"

#define KEYS_MOST      1000
#define KEYS_MOST_TEXT 4096

struct redis_keys_options {
    char *const *keys; /* there is one at least, or a pattern */
    size_t n_keys;
    const char *pattern;       /* or NULL */
    const char *const *fields; /* borrowed by the client; the rest is copied */
    size_t n_fields;           /* at most 8 */
};

/* The Redis is reached as redis_client_new() says. */
struct client *redis_keys_new(struct loop *loop, struct resolver *resolver,
                              struct tls_contexts *tls_contexts, const struct redis_options *redis,
                              const struct redis_keys_options *keys,
                              const struct client_events *events);
