/* SPDX-License-Identifier: Apache-2.0 */

/* A lease with a time to live, and whether it can still be trusted. The server counts from when it
 * heard of us, which is no earlier than when we spoke: so our count begins there, on a clock that
 * goes on while the process or the machine sleeps, and ends a margin sooner than the server's. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct lease {
    int64_t id;         /* 0: none */
    uint64_t sent_usec; /* when the last request was sent that was answered; CLOCK_BOOTTIME */
    uint64_t ttl_usec;
};

/* For clocks of different speed, and for the time between a look and a deed. */
static inline uint64_t lease_margin_usec(const struct lease *lease) {
    return lease->ttl_usec / 8;
}

static inline bool lease_is_fresh(const struct lease *lease, uint64_t now_usec) {
    return lease->id != 0 && now_usec >= lease->sent_usec &&
           now_usec - lease->sent_usec < lease->ttl_usec - lease_margin_usec(lease);
}
