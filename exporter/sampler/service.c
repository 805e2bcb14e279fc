/* SPDX-License-Identifier: Apache-2.0 */

#include "sampler/service.h"

enum { POOL_USAGE, POOL_WAITING, ACTIVE, HITS, MISSES };

static const struct column rows[] = {
    [POOL_USAGE] = {NULL, GAUGE, "db_pool_usage_percent",
                    "Connections in use, in percent of those that applications may use; of "
                    "PgBouncer, its fullest pool."},
    [POOL_WAITING] = {NULL, GAUGE, "db_pool_waiting_connections",
                      "Clients that wait for a server connection."},
    [ACTIVE] = {NULL, GAUGE, "db_active_connections",
                "Connections that are executing something now."},
    [HITS] = {NULL, COUNTER, "cache_hits_total", "Look-ups of keys that were found."},
    [MISSES] = {NULL, COUNTER, "cache_misses_total", "Look-ups of keys that were not found."},
    {0},
};

const struct collector service_metrics_table = {
    .name = "service",
    .help = "The names that services use, computed for each target.",
    .also = rows,
};

bool service_pool_usage_percent(enum target_kind kind, const struct facts *facts, double *ret) {
    int64_t backends, most, reserved = 0, permille;
    switch (kind) {
    case KIND_POSTGRES:
        facts_get(facts, FACT_RESERVED_CONNECTIONS, &reserved);
        if (!facts_get(facts, FACT_CLIENT_BACKENDS, &backends) ||
            !facts_get(facts, FACT_MAX_CONNECTIONS, &most) || most <= reserved) {
            return false;
        }
        *ret = 100.0 * (double)backends / (double)fact_distance(most, reserved);
        return true;
    case KIND_PGBOUNCER:
        if (!facts_get(facts, FACT_POOL_USAGE_PERMILLE, &permille)) {
            return false;
        }
        *ret = (double)permille / 10.0;
        return true;
    default:
        return false;
    }
}

static void add(struct batch *batch, int row, struct batch_labels labels, double value) {
    batch_add(batch, column_metric(&rows[row]), labels, value);
}

static void add_fact(const struct facts *facts, enum fact fact, int row, struct batch_labels labels,
                     struct batch *batch) {
    int64_t value;
    if (facts_get(facts, fact, &value)) {
        add(batch, row, labels, (double)value);
    }
}

void service_metrics_add(enum target_kind kind, const struct facts *facts,
                         struct batch_labels labels, struct batch *batch) {
    double usage;
    if (service_pool_usage_percent(kind, facts, &usage)) {
        add(batch, POOL_USAGE, labels, usage);
    }
    if (kind == KIND_PGBOUNCER) {
        add_fact(facts, FACT_WAITING_CONNECTIONS, POOL_WAITING, labels, batch);
    }
    if (kind == KIND_POSTGRES || kind == KIND_PGBOUNCER) {
        add_fact(facts, FACT_ACTIVE_CONNECTIONS, ACTIVE, labels, batch);
    }
    if (kind == KIND_REDIS) {
        add_fact(facts, FACT_CACHE_HITS, HITS, labels, batch);
        add_fact(facts, FACT_CACHE_MISSES, MISSES, labels, batch);
    }
}
