/* SPDX-License-Identifier: Apache-2.0 */

#include "base/backoff.h"

uint64_t backoff_next(struct backoff *backoff, double random_unit) {
    uint64_t wait = backoff->first_usec;
    for (unsigned i = 0; i < backoff->attempts && wait < backoff->max_usec; i++) {
        wait = wait > backoff->max_usec / 2 ? backoff->max_usec : wait * 2;
    }
    if (wait > backoff->max_usec) {
        wait = backoff->max_usec;
    }
    if (backoff->attempts < 63) {
        backoff->attempts++;
    }
    double factor = 1.0 + backoff->jitter * (2.0 * random_unit - 1.0);
    return (uint64_t)((double)wait * factor);
}
