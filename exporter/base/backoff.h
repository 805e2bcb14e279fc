/* SPDX-License-Identifier: Apache-2.0 */

/* Exponential back-off with jitter. Pure: the caller brings the random number. */
#pragma once

#include <stdint.h>

struct backoff {
    uint64_t first_usec, max_usec; /* set by the owner; 0 < first <= max */
    double jitter;                 /* 0.2 = +-20 %; from 0 to 1 */
    unsigned attempts;             /* since the last reset */
};

/* How long to wait after one more failure: first * 2^attempts, at most max, times 1 +- jitter.
 * random_unit: evenly from [0, 1). */
uint64_t backoff_next(struct backoff *backoff, double random_unit);

static inline void backoff_reset(struct backoff *backoff) {
    backoff->attempts = 0;
}
