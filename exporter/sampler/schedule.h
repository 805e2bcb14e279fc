/* SPDX-License-Identifier: Apache-2.0 */

/* When rounds happen: every interval, with a little jitter, and never two of a target at once. The
 * targets of a fleet have a phase each so that they do not sample in step. A handful share one: the
 * daemon then wakes once for all of them, and finds its own code and data still in the caches.
 * Pure. */
#pragma once

#include <stdint.h>

#include "base/str.h"

struct schedule {
    uint64_t interval_usec;
    uint64_t phase_usec; /* within the interval; from the name, so the same after a restart */
};

/* So many targets sample in step: a round takes less than half a millisecond of the loop. */
#define SCHEDULE_MOST_IN_STEP 8

void schedule_init(struct schedule *schedule, struct str name, uint64_t interval_usec);

/* The first tick after now, plus up to a hundredth of the interval: a different part each time, but
 * the same for all schedules with this phase and interval. */
uint64_t schedule_next(const struct schedule *schedule, uint64_t now_usec);

/* The very first tick: soon, but a few milliseconds after that of the target before it, because a
 * handshake with SCRAM costs milliseconds of the loop. Never later than one interval. */
uint64_t schedule_first(const struct schedule *schedule, uint64_t now_usec, size_t index);
