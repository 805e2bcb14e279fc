/* SPDX-License-Identifier: Apache-2.0 */

#include "breaker/call_window.h"

#include <string.h>

void call_window_init(struct call_window *window, uint64_t window_usec) {
    uint64_t width = window_usec / CALL_WINDOW_BUCKETS;
    *window = (struct call_window){.bucket_usec = width > 0 ? width : 1};
}

void call_window_clear(struct call_window *window) {
    memset(window->buckets, 0, sizeof(window->buckets));
    window->sum = (struct call_counts){0};
}

static void forget(struct call_window *window, uint64_t bucket) {
    struct call_counts *old = &window->buckets[bucket % CALL_WINDOW_BUCKETS];
    window->sum.calls -= old->calls;
    window->sum.failures -= old->failures;
    window->sum.slow -= old->slow;
    *old = (struct call_counts){0};
}

static void advance(struct call_window *window, uint64_t now_usec) {
    uint64_t bucket = now_usec / window->bucket_usec;
    if (bucket <= window->newest) {
        return;
    }
    if (bucket - window->newest >= CALL_WINDOW_BUCKETS) {
        call_window_clear(window);
    } else {
        for (uint64_t i = window->newest + 1; i <= bucket; i++) {
            forget(window, i);
        }
    }
    window->newest = bucket;
}

void call_window_add(struct call_window *window, uint64_t now_usec, bool failed, bool slow) {
    advance(window, now_usec);
    struct call_counts *bucket = &window->buckets[window->newest % CALL_WINDOW_BUCKETS];
    if (window->sum.calls == UINT32_MAX) {
        return;
    }
    bucket->calls++;
    bucket->failures += failed;
    bucket->slow += slow;
    window->sum.calls++;
    window->sum.failures += failed;
    window->sum.slow += slow;
}

struct call_counts call_window_counts(struct call_window *window, uint64_t now_usec) {
    advance(window, now_usec);
    return window->sum;
}
