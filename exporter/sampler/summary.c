/* SPDX-License-Identifier: Apache-2.0 */

#include "sampler/summary.h"

#include <math.h>
#include <string.h>

#include "base/duration.h"
#include "sampler/service.h"

/* Points lie at least so far apart, but for the newest: SUMMARY_POINTS of them make the window. */
#define LEAST_DISTANCE_USEC (SUMMARY_WINDOW_USEC / (SUMMARY_POINTS - 1))
/* Rounds jitter by a hundredth of their interval: one a minute shall still have a neighbour. */
#define SLACK_USEC ((uint64_t)2 * USEC_PER_SEC)
/* Redis tells whole seconds of uptime, which we subtract from our own clock. */
#define START_TIME_JITTER 2

#define NOT_KNOWN ((double)NAN)
#define NO_FACT   FACT_COUNT

enum { FIRST, SECOND };

/* The counters of each window: what FIRST and SECOND are of. */
static const enum fact counters[KIND_COUNT][2][2] = {
    [KIND_POSTGRES] = {{FACT_COMMITS, FACT_ROLLBACKS}, {FACT_QUERIES, FACT_QUERY_TIME_USEC}},
    [KIND_PGBOUNCER] = {{NO_FACT, NO_FACT}, {FACT_QUERIES, FACT_QUERY_TIME_USEC}},
    [KIND_REDIS] = {{FACT_CACHE_HITS, FACT_CACHE_MISSES}, {FACT_EVICTED_KEYS, FACT_COMMANDS}},
    [KIND_SENTINEL] = {{NO_FACT, NO_FACT}, {NO_FACT, NO_FACT}},
    [KIND_HOST] = {{NO_FACT, NO_FACT}, {NO_FACT, NO_FACT}},
    [KIND_BREAKERS] = {{NO_FACT, NO_FACT}, {NO_FACT, NO_FACT}},
};

static bool get(const struct facts *facts, enum fact fact, int64_t *ret) {
    return fact != NO_FACT && facts_get(facts, fact, ret);
}

/* ---- windows ---- */

static struct summary_point *nth_newest(struct summary_window *window, unsigned back) {
    return &window->points[(window->newest + SUMMARY_POINTS - back) % SUMMARY_POINTS];
}

static void push(struct summary_window *window, const struct summary_point *point) {
    const struct summary_point *last = nth_newest(window, 0);
    if (window->count > 0 &&
        (point->value[FIRST] < last->value[FIRST] || point->value[SECOND] < last->value[SECOND])) {
        window->count = 0;
    }
    bool replaces =
        window->count >= 2 && last->t_usec - nth_newest(window, 1)->t_usec < LEAST_DISTANCE_USEC;
    if (!replaces) {
        window->newest = (window->newest + 1) % SUMMARY_POINTS;
        window->count += window->count < SUMMARY_POINTS ? 1 : 0;
    }
    window->points[window->newest] = *point;
}

static void forget_before_restart(struct summary_ring *ring, const struct facts *known) {
    int64_t start;
    if (!facts_get(known, FACT_START_TIME_SECONDS, &start)) {
        return;
    }
    int64_t moved = fact_distance(start, ring->start_time);
    if (ring->start_time != 0 && (moved > START_TIME_JITTER || moved < -START_TIME_JITTER)) {
        summary_forget(ring);
    }
    /* Kept from the first round on, so that a jitter that adds up does not hide a restart. */
    if (ring->start_time == 0 || moved > START_TIME_JITTER || moved < -START_TIME_JITTER) {
        ring->start_time = start;
    }
}

void summary_note(struct summary_ring *ring, enum target_kind kind, uint64_t now_usec,
                  const struct facts *fresh, const struct facts *known) {
    forget_before_restart(ring, known);
    for (size_t i = 0; i < ARRAY_LEN(ring->windows); i++) {
        const enum fact *pair = counters[kind][i];
        struct summary_point point = {.t_usec = now_usec};
        int64_t ignored;
        if (!get(known, pair[FIRST], &ignored) || !get(known, pair[SECOND], &ignored)) {
            ring->windows[i].count = 0;
        } else if (get(fresh, pair[FIRST], &point.value[FIRST]) &&
                   get(fresh, pair[SECOND], &point.value[SECOND])) {
            push(&ring->windows[i], &point);
        }
    }
}

void summary_forget(struct summary_ring *ring) {
    *ring = (struct summary_ring){0};
}

/* What a window's counters rose by. */
struct rise {
    double first, second, seconds;
};

/* From the oldest point of the last minute to the newest. Return: false when it is not known. */
static bool rise_of(const struct summary_window *window, uint64_t now_usec, struct rise *ret) {
    const struct summary_point *newest = &window->points[window->newest];
    const struct summary_point *oldest = newest;
    if (window->count < 2 || now_usec > newest->t_usec + SUMMARY_WINDOW_USEC + SLACK_USEC) {
        return false;
    }
    for (unsigned back = 1; back < window->count; back++) {
        const struct summary_point *point =
            &window->points[(window->newest + SUMMARY_POINTS - back) % SUMMARY_POINTS];
        if (newest->t_usec - point->t_usec > SUMMARY_WINDOW_USEC + SLACK_USEC) {
            break;
        }
        oldest = point;
    }
    if (newest->t_usec <= oldest->t_usec) {
        return false;
    }
    ret->first = (double)fact_distance(newest->value[FIRST], oldest->value[FIRST]);
    ret->second = (double)fact_distance(newest->value[SECOND], oldest->value[SECOND]);
    ret->seconds = (double)(newest->t_usec - oldest->t_usec) / (double)USEC_PER_SEC;
    return true;
}

/* ---- one target ---- */

static const struct summary nothing = {
    .query_count = NOT_KNOWN,
    .rollbacks = NOT_KNOWN,
    .timed_queries = NOT_KNOWN,
    .avg_latency_ms = NOT_KNOWN,
    .error_rate_percent = NOT_KNOWN,
    .throughput_qps = NOT_KNOWN,
    .hits = NOT_KNOWN,
    .misses = NOT_KNOWN,
    .evicted = NOT_KNOWN,
    .commands = NOT_KNOWN,
    .hit_rate_percent = NOT_KNOWN,
    .eviction_rate_percent = NOT_KNOWN,
    .total_connections = NOT_KNOWN,
    .active_connections = NOT_KNOWN,
    .utilization_percent = NOT_KNOWN,
    .database_seconds = NOT_KNOWN,
    .cache_seconds = NOT_KNOWN,
};

/* NAN when the whole is nothing or not known. */
static double percent(double part, double whole) {
    return whole > 0 ? 100.0 * part / whole : NOT_KNOWN;
}

static void fill_rates(struct summary *summary) {
    summary->hit_rate_percent = percent(summary->hits, summary->hits + summary->misses);
    summary->eviction_rate_percent = percent(summary->evicted, summary->commands);
}

static void take_latency(const struct rise *rise, struct summary *ret) {
    if (rise->first > 0) {
        ret->timed_queries = rise->first;
        ret->avg_latency_ms = rise->second / rise->first / (double)USEC_PER_MSEC;
    }
}

static void sum_up_postgres(const struct summary_ring *ring, uint64_t now_usec,
                            struct summary *ret) {
    struct rise rise;
    if (rise_of(&ring->windows[0], now_usec, &rise)) {
        ret->query_count = rise.first + rise.second;
        ret->rollbacks = rise.second;
        ret->error_rate_percent = percent(ret->rollbacks, ret->query_count);
        ret->throughput_qps = ret->query_count / rise.seconds;
        ret->database_seconds = rise.seconds;
    }
    if (rise_of(&ring->windows[1], now_usec, &rise)) {
        take_latency(&rise, ret);
    }
}

static void sum_up_pgbouncer(const struct summary_ring *ring, uint64_t now_usec,
                             struct summary *ret) {
    struct rise rise;
    if (rise_of(&ring->windows[1], now_usec, &rise)) {
        ret->query_count = rise.first;
        ret->throughput_qps = rise.first / rise.seconds;
        ret->database_seconds = rise.seconds;
        take_latency(&rise, ret);
    }
}

static void sum_up_redis(const struct summary_ring *ring, uint64_t now_usec, struct summary *ret) {
    struct rise rise;
    if (rise_of(&ring->windows[0], now_usec, &rise)) {
        ret->hits = rise.first;
        ret->misses = rise.second;
        ret->cache_seconds = rise.seconds;
    }
    if (rise_of(&ring->windows[1], now_usec, &rise)) {
        ret->evicted = rise.first;
        ret->commands = rise.second;
    }
    fill_rates(ret);
}

static double fact_or_nothing(const struct facts *facts, enum fact fact) {
    int64_t value;
    return facts_get(facts, fact, &value) ? (double)value : NOT_KNOWN;
}

static void sum_up_connections(enum target_kind kind, const struct facts *facts,
                               struct summary *ret) {
    if (kind != KIND_POSTGRES && kind != KIND_PGBOUNCER) {
        return;
    }
    ret->total_connections = fact_or_nothing(facts, kind == KIND_POSTGRES ? FACT_CLIENT_BACKENDS
                                                                          : FACT_POOL_CONNECTIONS);
    ret->active_connections = fact_or_nothing(facts, FACT_ACTIVE_CONNECTIONS);
    double usage;
    if (service_pool_usage_percent(kind, facts, &usage)) {
        ret->utilization_percent = usage;
    }
}

void summary_of(const struct summary_ring *ring, enum target_kind kind, const struct facts *facts,
                uint64_t now_usec, struct summary *ret) {
    *ret = nothing;
    sum_up_connections(kind, facts, ret);
    switch (kind) {
    case KIND_POSTGRES:
        sum_up_postgres(ring, now_usec, ret);
        break;
    case KIND_PGBOUNCER:
        sum_up_pgbouncer(ring, now_usec, ret);
        break;
    case KIND_REDIS:
        sum_up_redis(ring, now_usec, ret);
        break;
    case KIND_SENTINEL:
    case KIND_HOST:
    case KIND_BREAKERS:
    case KIND_COUNT:
        break;
    }
}

/* ---- all together ---- */

static void add(double *sum, double value) {
    if (!isnan(value)) {
        *sum = isnan(*sum) ? value : *sum + value;
    }
}

static void raise_to(double *highest, double value) {
    if (!isnan(value) && (isnan(*highest) || value > *highest)) {
        *highest = value;
    }
}

struct members {
    const struct summary_member *list;
    size_t count;
};

/* Whether a figure (its offset in struct summary) is known of a target of that kind in the member's
 * cluster. */
static bool is_known_of(const struct members *members, const struct summary_member *member,
                        enum target_kind kind, size_t offset) {
    for (size_t i = 0; i < members->count && member->cluster != NULL; i++) {
        const struct summary_member *other = &members->list[i];
        double value;
        if (other->kind == kind && other->cluster != NULL &&
            strcmp(member->cluster, other->cluster) == 0) {
            memcpy(&value, (const char *)&other->summary + offset, sizeof(value));
            if (!isnan(value)) {
                return true;
            }
        }
    }
    return false;
}

/* Whether a pooler's figure is part of what a server of its cluster tells. */
static bool is_counted_elsewhere(const struct members *members, const struct summary_member *member,
                                 size_t offset) {
    return member->kind == KIND_PGBOUNCER && is_known_of(members, member, KIND_POSTGRES, offset);
}

/* Whether a pooler of the server's cluster tells the latency that clients see. */
static bool is_timed_elsewhere(const struct members *members, const struct summary_member *member) {
    return member->kind == KIND_POSTGRES &&
           is_known_of(members, member, KIND_PGBOUNCER, offsetof(struct summary, avg_latency_ms));
}

static void add_traffic(const struct summary *one, double *transactions, struct summary *total) {
    add(&total->query_count, one->query_count);
    add(&total->throughput_qps, one->throughput_qps);
    raise_to(&total->database_seconds, one->database_seconds);
    if (!isnan(one->rollbacks)) {
        add(&total->rollbacks, one->rollbacks);
        *transactions += one->query_count;
    }
}

static void add_connections(const struct summary *one, struct summary *total) {
    add(&total->total_connections, one->total_connections);
    add(&total->active_connections, one->active_connections);
}

static void add_cache(const struct summary *one, struct summary *total) {
    add(&total->hits, one->hits);
    add(&total->misses, one->misses);
    add(&total->evicted, one->evicted);
    add(&total->commands, one->commands);
    raise_to(&total->cache_seconds, one->cache_seconds);
}

void summary_total(const struct summary_member *list, size_t count, struct summary *ret) {
    const struct members members = {list, count};
    double transactions = 0, latency_ms = 0;
    *ret = nothing;
    for (size_t i = 0; i < count; i++) {
        const struct summary_member *member = &list[i];
        const struct summary *one = &member->summary;
        if (!is_counted_elsewhere(&members, member, offsetof(struct summary, query_count))) {
            add_traffic(one, &transactions, ret);
        }
        if (!is_counted_elsewhere(&members, member, offsetof(struct summary, total_connections))) {
            add_connections(one, ret);
        }
        if (!isnan(one->avg_latency_ms) && !is_timed_elsewhere(&members, member)) {
            add(&ret->timed_queries, one->timed_queries);
            latency_ms += one->avg_latency_ms * one->timed_queries;
        }
        raise_to(&ret->utilization_percent, one->utilization_percent);
        add_cache(one, ret);
    }
    ret->error_rate_percent = percent(ret->rollbacks, transactions);
    if (ret->timed_queries > 0) {
        ret->avg_latency_ms = latency_ms / ret->timed_queries;
    }
    fill_rates(ret);
}
