/* SPDX-License-Identifier: Apache-2.0 */

/* From single probes of a primary to what may be said of it: how often and for how long it has
 * failed, and in which way.
 *
 * Only failures of one kind add up. After silence a refusal begins to be counted anew: it is the
 * stronger word, and must be said often enough by itself. After a refusal silence goes on counting:
 * it is the weaker one. An answer, whatever it says, ends the suspicion; so does trouble of our
 * own, because then nothing is known. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "io/client.h"

struct suspicion_options {
    unsigned failures;      /* in a row */
    uint64_t interval_usec; /* of probes; failures times this is the least time as well */
};

struct suspicion {
    struct suspicion_options options;
    enum client_end kind;        /* of the failures that are counted */
    unsigned count;              /* 0: it answers, or nothing is known */
    uint64_t counted_since_usec; /* first of those */
    uint64_t first_usec;         /* first failure since it answered; 0: none */
    uint64_t answered_usec;      /* last answer; 0: never */
    bool void_;                  /* the newest probe failed by ourselves */
};

void suspicion_init(struct suspicion *suspicion, const struct suspicion_options *options);

/* One probe has ended, or a kept connection was lost. kept_open: another connection to it is still
 * open, so that a refusal need not be the server's. */
void suspicion_add(struct suspicion *suspicion, enum client_end end, bool kept_open,
                   uint64_t now_usec);

enum suspicion_state {
    SUSPICION_NONE,   /* it answered */
    SUSPICION_VOID,   /* our own trouble */
    SUSPICION_RISING, /* too few failures, or for too short a time */
    SUSPICION_GONE,
    SUSPICION_SILENT,
    SUSPICION_STATES
};
enum suspicion_state suspicion_state(const struct suspicion *suspicion, uint64_t now_usec);
