/* SPDX-License-Identifier: Apache-2.0 */

/* Calls of the last while, counted in buckets of time: what failed and what was slow among them.
 * Pure: time is an argument, nothing allocates, everything is O(1) in the number of calls. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define CALL_WINDOW_BUCKETS 12

struct call_counts {
    uint32_t calls, failures, slow;
};

struct call_window {
    uint64_t bucket_usec; /* width of a bucket */
    uint64_t newest;      /* number of the newest bucket since the clock's zero */
    struct call_counts buckets[CALL_WINDOW_BUCKETS];
    struct call_counts sum; /* of all buckets */
};

/* Covers window_usec: the newest bucket is still filling, so it sees between 11/12 and all of it.
 */
void call_window_init(struct call_window *window, uint64_t window_usec);

/* Time may stand still; when it goes back, calls count for the newest bucket. */
void call_window_add(struct call_window *window, uint64_t now_usec, bool failed, bool slow);

/* What is in the window now. */
struct call_counts call_window_counts(struct call_window *window, uint64_t now_usec);

void call_window_clear(struct call_window *window);
