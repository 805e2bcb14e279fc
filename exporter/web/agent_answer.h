/* SPDX-License-Identifier: Apache-2.0 */

/* What HAProxy's agent-check is told: "orders-2 replica lag=5s" becomes "up 93%".
 *
 * HAProxy keeps what it was told last. So nothing is said while a target was not sampled lately. A
 * daemon that stops tells those to whom it last said "down" of a server for reads, because it was
 * down, far behind or paused, that it is up: nobody else would ever lift that, and HAProxy's own
 * check remains. What it said about roles stands: without it nobody would keep writes away from
 * replicas and from a primary that was replaced.
 *
 * `drain` and `maint` are said only when the line asks for them. They are lifted by `ready` alone,
 * which lifts the ones of HAProxy's operator, too, and is therefore not said otherwise. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "sampler/sampler.h"

#define AGENT_MOST_HELD 64

/* Lines whose last answer took a server out. A zeroed one is empty. */
struct agent_memory {
    struct {
        uint64_t key; /* 0: free */
        uint64_t told_usec;
    } held[AGENT_MOST_HELD];
    bool leaving;
    uint64_t complained_usec;
};

/* Adds one line, or nothing. peer tells who asks. */
void agent_answer(struct agent_memory *memory, const struct sampler *sampler, struct str line,
                  uint64_t peer, uint64_t now_usec, struct strbuf *out);

/* From here on only those are answered who have to be told. Return: whether there is one. Several
 * checks of one HAProxy may ask the same, so that nobody can tell when all have heard it. */
bool agent_leave(struct agent_memory *memory, uint64_t now_usec);
