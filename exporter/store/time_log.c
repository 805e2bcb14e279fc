/* SPDX-License-Identifier: Apache-2.0 */

/* The ring of times. It doubles when it is full and never shrinks: a source's rounds within the
 * retention are as many tomorrow as they are today. */
#include "store/time_log.h"

#include <stdlib.h>

#include "base/mem.h"

#define FIRST_CAPACITY 64

void time_log_deinit(struct time_log *log) {
    free(log->times);
    *log = (struct time_log){0};
}

static void grow(struct time_log *log) {
    const uint32_t capacity = log->capacity != 0 ? log->capacity * 2 : FIRST_CAPACITY;
    int64_t *times = mem_array(capacity, sizeof(*times));
    for (uint32_t tick = log->first; tick != log->next; tick++) {
        times[tick & (capacity - 1)] = time_log_time(log, tick);
    }
    free(log->times);
    log->times = times;
    log->capacity = capacity;
}

static uint32_t add(struct time_log *log, bool in_front, int64_t t_ms) {
    if (log->next - log->first == log->capacity) {
        grow(log);
    }
    const uint32_t tick = in_front ? --log->first : log->next++;
    if (in_front) {
        log->lowest = tick;
    }
    log->times[tick & (log->capacity - 1)] = t_ms;
    return tick;
}

uint32_t time_log_after(const struct time_log *log, int64_t t_ms) {
    uint32_t from = log->first, to = log->next;
    while (from != to) {
        const uint32_t middle = from + (to - from) / 2;
        if (time_log_time(log, middle) > t_ms) {
            to = middle;
        } else {
            from = middle + 1;
        }
    }
    return from;
}

bool time_log_find(struct time_log *log, int64_t t_ms, uint32_t *ret_tick, uint32_t *ret_offset) {
    const bool empty = log->next == log->first;
    if (empty || t_ms >= time_log_time(log, log->next - 1)) {
        const bool is_new = empty || t_ms > time_log_time(log, log->next - 1);
        *ret_tick = is_new ? add(log, false, t_ms) : log->next - 1;
        *ret_offset = 0;
        return true;
    }
    const uint32_t after = time_log_after(log, t_ms);
    if (after == log->first) {
        if (log->first != log->lowest) {
            return false;
        }
        *ret_tick = add(log, true, t_ms);
        *ret_offset = 0;
        return true;
    }
    const uint64_t offset = (uint64_t)t_ms - (uint64_t)time_log_time(log, after - 1);
    if (offset > UINT32_MAX) {
        return false;
    }
    *ret_tick = after - 1;
    *ret_offset = (uint32_t)offset;
    return true;
}

void time_log_trim(struct time_log *log, int64_t t_ms) {
    while (log->next - log->first > 1 && time_log_time(log, log->first + 1) <= t_ms) {
        log->first++;
    }
}
