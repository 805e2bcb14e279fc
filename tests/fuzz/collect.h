/* SPDX-License-Identifier: Apache-2.0 */

/* The way of a foreign answer from a collector to the pages, as a round takes it: for the fuzzers
 * that make up answers. What comes out must be a valid page, and facts that the daemon may trust.
 */
#pragma once

#include "collectors/collector.h"
#include "io/client.h"

/* One collector in one round. */
struct collect {
    const struct collector *collector;
    const struct query *query; /* the collector's for this version */
    struct arena arena;        /* where replies go */
    struct facts known, facts;
    struct sample_context context;
    struct answer answer;
};

/* Begins with the collector that a word names ("redis_info"), or with one of the first kind up to
 * the last that any other word stands for.
 * Return: false when it has no query for the version; then nothing needs to be freed. */
bool collect_begin(struct collect *collect, struct str word, enum target_kind first,
                   enum target_kind last, uint64_t version);

/* Shapes a reply. Return: false when it has no form for that. */
bool collect_take(struct collect *collect, const struct client_reply *reply);

/* The follow-up commands. Return: false when there are none. */
bool collect_expand(struct collect *collect, struct request_list *ret);

/* Decodes what was taken, and checks what comes of it. */
void collect_decode(struct collect *collect);

void collect_end(struct collect *collect);
