/* SPDX-License-Identifier: Apache-2.0 */

/* When rounds happen: every interval, each target at a phase of its own so that a fleet does not
 * sample in step, with a little jitter, and never two at once. Pure. */
#pragma once

#include <stdint.h>

#include "base/str.h"

struct schedule {
    uint64_t interval_usec;
    uint64_t phase_usec; /* within the interval; from the name, so the same after a restart */
};

void schedule_init(struct schedule *schedule, struct str name, uint64_t interval_usec);

/* The first tick after now, plus up to a hundredth of the interval. random_unit: from [0, 1). */
uint64_t schedule_next(const struct schedule *schedule, uint64_t now_usec, double random_unit);

/* The very first tick: soon, but a few milliseconds after that of the target before it, because a
 * handshake with SCRAM costs milliseconds of the loop. Never later than one interval. */
uint64_t schedule_first(const struct schedule *schedule, uint64_t now_usec, size_t index);
