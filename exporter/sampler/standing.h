/* SPDX-License-Identifier: Apache-2.0 */

/* What a server was in its last good round, and how it usually answers: kept while it is down or
 * cannot be reached, for whoever decides where clients should go. Pure. */
#pragma once

#include "collectors/facts.h"

/* A zeroed one knows nothing. */
struct standing {
    enum server_role role;
    bool read_only;             /* by default_transaction_read_only */
    int64_t timeline;           /* 0: not known */
    int64_t system_identifier;  /* 0: not known */
    int64_t start_seconds;      /* of the server, since 1970; 0: not known */
    uint64_t since_usec;        /* the first round in a row that found this role */
    double usual_round_seconds; /* a moving average of the rounds before the last; 0: none yet */
    double last_round_seconds;
    double cpu_busy_ratio; /* of a host's processors, from round to round; NaN: not known */
    int64_t cpu_busy_ticks, cpu_total_ticks;
};

/* The end of a good round that began at now_usec. */
void standing_update(struct standing *standing, const struct facts *facts, double round_seconds,
                     uint64_t now_usec);
