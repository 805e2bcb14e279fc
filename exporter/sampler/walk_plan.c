/* SPDX-License-Identifier: Apache-2.0 */

#include "sampler/walk_plan.h"

/* Of a round's timeout: what io/pg_client gives a statement there. */
#define ROUND_SHARE 3
/* Of an interval: in which all visits begin. */
#define PACE_SHARE 10

enum walk_way walk_way_of(const struct target_options *options, const struct collector *collector,
                          const struct collector_settings *settings) {
    if (options->kind != KIND_POSTGRES || collector->kind != KIND_POSTGRES ||
        (collector->flags & COLLECTOR_VITAL) != 0) {
        return WALK_NOT;
    }
    if ((collector->flags & COLLECTOR_PER_DATABASE) != 0 && options->databases.given) {
        return WALK_EACH;
    }
    return settings->timeout_usec > options->timeout_usec / ROUND_SHARE ? WALK_ONCE : WALK_NOT;
}

uint64_t walk_timeout(const struct target_options *options,
                      const struct collector_settings *settings) {
    return settings->timeout_usec != 0 ? settings->timeout_usec
                                       : options->timeout_usec / ROUND_SHARE;
}

uint64_t walk_longest_timeout(const struct target_options *options) {
    uint64_t longest = 0;
    for (size_t i = 0; i < TARGET_MOST_COLLECTORS && collector_list[i] != NULL; i++) {
        const struct collector_settings *settings = &options->collectors[i];
        if (settings->enabled && walk_way_of(options, collector_list[i], settings) != WALK_NOT) {
            uint64_t timeout = walk_timeout(options, settings);
            longest = timeout > longest ? timeout : longest;
        }
    }
    return longest;
}

uint64_t walk_interval(const struct target_options *options,
                       const struct collector_settings *settings) {
    return settings->interval_usec > options->interval_usec ? settings->interval_usec
                                                            : options->interval_usec;
}

uint64_t walk_pace(uint64_t interval_usec, size_t visits) {
    return visits > 1 ? interval_usec / PACE_SHARE / visits : 0;
}

static size_t sum_below(const size_t *wants, size_t count, size_t most) {
    size_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += wants[i] < most ? wants[i] : most;
    }
    return sum;
}

size_t walk_share(const size_t *wants, size_t count, size_t total) {
    size_t low = 0, high = total;
    if (sum_below(wants, count, SIZE_MAX) <= total) {
        return SIZE_MAX;
    }
    while (low < high) { /* low fits, what is above high does not */
        size_t middle = low + (high - low + 1) / 2;
        if (sum_below(wants, count, middle) <= total) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}
