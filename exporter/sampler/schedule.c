/* SPDX-License-Identifier: Apache-2.0 */

#include "sampler/schedule.h"

#include "base/hash.h"

#define JITTER_SHARE      0.01
#define START_SPREAD_USEC ((uint64_t)4000)

void schedule_init(struct schedule *schedule, struct str name, uint64_t interval_usec) {
    *schedule = (struct schedule){
        .interval_usec = interval_usec,
        .phase_usec = hash_stable(name) % interval_usec,
    };
}

/* From [0, 1), as good as random. */
static double unit_of(uint64_t number) {
    uint64_t hash = hash_stable((struct str){(const char *)&number, sizeof(number)});
    return (double)(hash >> 32) / 4294967296.0;
}

uint64_t schedule_next(const struct schedule *schedule, uint64_t now_usec) {
    uint64_t interval = schedule->interval_usec;
    uint64_t start = now_usec - now_usec % interval + schedule->phase_usec;
    while (start <= now_usec) {
        start += interval;
    }
    return start + (uint64_t)((double)interval * JITTER_SHARE * unit_of(start));
}

uint64_t schedule_first(const struct schedule *schedule, uint64_t now_usec, size_t index) {
    return now_usec + (index * START_SPREAD_USEC) % schedule->interval_usec;
}
