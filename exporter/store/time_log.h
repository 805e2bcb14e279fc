/* SPDX-License-Identifier: Apache-2.0 */

/* The times of a source's rounds, each with an ever increasing number (tick): a ring from which the
 * oldest ones go. Part of the history; nobody else needs it. Ticks have 32 bits, which are used up
 * after more than a century of a round a second. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A zeroed one is empty. */
struct time_log {
    int64_t *times;    /* of tick at index tick % capacity, ascending */
    uint32_t capacity; /* a power of two, or 0 */
    uint32_t first;    /* the oldest tick that is kept */
    uint32_t next;     /* one behind the newest */
    uint32_t lowest;   /* the oldest tick that there ever was */
};

void time_log_deinit(struct time_log *log);

/* The tick of a time, and how long behind it. A time behind all others gets a tick of its own, and
 * so does one before all others as long as nothing was forgotten.
 * Return: false when it is before all that is kept, or too long behind a tick. */
bool time_log_find(struct time_log *log, int64_t t_ms, uint32_t *ret_tick, uint32_t *ret_offset);

/* Forgets all times up to this one but the last of them: a late sample may stand behind it. */
void time_log_trim(struct time_log *log, int64_t t_ms);

/* The oldest tick whose time is after t_ms, or next. */
uint32_t time_log_after(const struct time_log *log, int64_t t_ms);

static inline int64_t time_log_time(const struct time_log *log, uint32_t tick) {
    return log->times[tick & (log->capacity - 1)];
}
