/* SPDX-License-Identifier: Apache-2.0 */

/* What happened in the last minute, in the few figures that people ask for first: queries, latency,
 * cache hits, connections. Pure.
 *
 * Each target keeps two short windows of counters, a point a round; everything else is computed
 * when somebody asks. A counter that fell (a reset), a server that started anew and a round without
 * the counter empty their window, so that a difference never spans what was not seen: until there
 * are two points again, the figure is not known. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collectors/collector.h"

#define SUMMARY_WINDOW_USEC ((uint64_t)60 * 1000 * 1000)
#define SUMMARY_POINTS      16

/* Two counters that stand in the same answer of the server. */
struct summary_point {
    uint64_t t_usec;
    int64_t value[2];
};

/* A ring. The newest point is replaced while it is near to the one before it, so that few points
 * reach back a minute however short the interval is. */
struct summary_window {
    struct summary_point points[SUMMARY_POINTS];
    unsigned newest, count;
};

/* A zeroed one is empty. */
struct summary_ring {
    struct summary_window windows[2];
    int64_t start_time; /* of the server, seconds since 1970; 0: not told */
};

/* The end of a round: fresh is what this round found, known what holds now, which includes what an
 * earlier round found and whose collector was not due. */
void summary_note(struct summary_ring *ring, enum target_kind kind, uint64_t now_usec,
                  const struct facts *fresh, const struct facts *known);

/* The target is down, or another server: nothing before this counts any more. */
void summary_forget(struct summary_ring *ring);

/* NAN: not known, or nothing that a server of this kind has. */
struct summary {
    double query_count;   /* PostgreSQL: transactions; PgBouncer: queries */
    double rollbacks;     /* of query_count; PostgreSQL only */
    double timed_queries; /* what the latency is the average of */
    double avg_latency_ms, error_rate_percent, throughput_qps;
    double hits, misses, evicted, commands;
    double hit_rate_percent, eviction_rate_percent;
    double total_connections, active_connections, utilization_percent;
    double database_seconds, cache_seconds; /* how long the windows are: a minute at most */
};

/* The figures of one target as of now. */
void summary_of(const struct summary_ring *ring, enum target_kind kind, const struct facts *facts,
                uint64_t now_usec, struct summary *ret);

struct summary_member {
    enum target_kind kind;
    const char *cluster; /* borrowed; NULL: none */
    struct summary summary;
};

/* All together: counts are added up, rates computed from the sums, the latency is weighted by
 * queries, the use of connections is the highest of all.
 *
 * Traffic through a pooler reaches a server and counts there: a PgBouncer target whose cluster has
 * a PostgreSQL target with figures adds neither queries nor connections. It then gives the latency
 * of that cluster, because clients wait for it. Without such a target, or without a cluster, a
 * pooler counts itself. */
void summary_total(const struct summary_member *list, size_t count, struct summary *ret);
