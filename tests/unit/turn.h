/* SPDX-License-Identifier: Apache-2.0 */

/* Turns the loop until something has happened, with a deadline instead of a sleep. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/duration.h"
#include "io/loop.h"

/* Return: whether *counter reached least within ten seconds. */
static inline bool turn_until(struct loop *loop, const int *counter, int least) {
    uint64_t deadline = loop_clock_usec() + 10 * USEC_PER_SEC;
    while (*counter < least && loop_clock_usec() < deadline) {
        if (loop_run_once(loop, 10 * USEC_PER_MSEC) < 0) {
            return false;
        }
    }
    return *counter >= least;
}

/* Handles what is ready already and what follows from it without waiting. */
static inline void turn_until_quiet(struct loop *loop) {
    for (int i = 0; i < 1000 && loop_run_once(loop, 0) > 0; i++) {}
}

/* Turns for as long, whatever happens: to see that something does not happen. */
static inline void turn_for(struct loop *loop, uint64_t usec) {
    uint64_t deadline = loop_clock_usec() + usec;
    while (loop_clock_usec() < deadline) {
        (void)loop_run_once(loop, 1 * USEC_PER_MSEC);
    }
}
