/* SPDX-License-Identifier: Apache-2.0 */

/* How far a PostgreSQL replica may be behind, in seconds, from what several rounds have shown.
 *
 * One look at a replica cannot tell. "Everything received is replayed" is also true an hour after
 * the sender was lost, and the age of the last replayed transaction grows while nobody writes (and
 * is unknown until the first one). Over time there are two upper bounds: the time since the replica
 * was last seen connected with everything replayed, and the age of its last replayed transaction.
 * The smaller one is shown. Pure. */
#pragma once

#include "collectors/facts.h"

struct lag {
    int64_t caught_up_ms; /* when it was last seen so, by a clock that never steps; 0: never */
};

/* Takes the facts of a round. Return: false when they do not tell (no replica, archive recovery, or
 * neither bound is known). */
bool lag_update(struct lag *lag, const struct facts *facts, int64_t now_ms, double *ret_seconds);
