/* SPDX-License-Identifier: Apache-2.0 */

/* What the sampler says itself about a target: up, its rounds, its errors, and how far
 * it is behind the primary of its cluster. */

#include <math.h>

#include "base/duration.h"
#include "breaker/breaker_metrics.h"
#include "sampler/exporter_names.h"
#include "sampler/private.h"
#include "sampler/service.h"
#include "sampler/walk.h"

enum {
    UP_PG,
    UP_PGBOUNCER,
    UP_REDIS,
    UP_APP,
    TARGET_IS_UP,
    INFORMATION,
    LAST_ROUND,
    LAST_SUCCESS,
    ROUND_DURATION,
    ROUNDS,
    ROUNDS_FAILED,
    ROUNDS_SKIPPED,
    HEALTH_RATIO,
    ERRORS,
    CONNECTIONS,
    CONNECT_SECONDS,
    SERIES,
    DUPLICATES,
    DROPPED,
    COLLECTOR_SUCCESS,
    COLLECTOR_SECONDS,
    COLLECTOR_ERRORS,
    COLLECTOR_SKIPPED,
    LAG_BYTES,
    LAG_SECONDS,
    WALK_SECONDS,
    DATABASES,
    DATABASES_FAILED,
    LABELS_FROM_HERE
};

static const struct column rows[] = {
    [UP_PG] = {NULL, GAUGE, "pg_up", "Whether the PostgreSQL server answered in the last round."},
    [UP_PGBOUNCER] = {NULL, GAUGE, "pgbouncer_up",
                      "Whether the PgBouncer console answered in the last round."},
    [UP_REDIS] = {NULL, GAUGE, "redis_up", "Whether the Redis server answered in the last round."},
    [UP_APP] = {NULL, GAUGE, "dbvitals_app_up",
                "Whether an application told of its breakers in the last round."},
    [TARGET_IS_UP] = {NULL, GAUGE, "dbvitals_target_up",
                      "Whether the target answered in the last round."},
    [INFORMATION] = {NULL, INFO, "dbvitals_target_info", "Type and role of the target; always 1.",
                     .group = 1},
    [LAST_ROUND] = {NULL, GAUGE, "dbvitals_last_round_timestamp_seconds",
                    "When the last round began, good or not: the age of everything on this page."},
    [LAST_SUCCESS] = {NULL, GAUGE, "dbvitals_last_success_timestamp_seconds",
                      "When the last good round began."},
    [ROUND_DURATION] = {NULL, GAUGE, "dbvitals_round_duration_seconds",
                        "How long the last round took, connecting included."},
    [ROUNDS] = {NULL, COUNTER, "dbvitals_rounds_total", "Rounds that have ended."},
    [ROUNDS_FAILED] = {NULL, COUNTER, "dbvitals_rounds_failed_total",
                       "Rounds in which the target did not answer."},
    [ROUNDS_SKIPPED] = {NULL, COUNTER, "dbvitals_rounds_skipped_total",
                        "Rounds left out because the one before had not ended."},
    [HEALTH_RATIO] = {NULL, GAUGE, "dbvitals_target_health_ratio",
                      "Share of good rounds among the last ones (32 at most)."},
    [ERRORS] = {NULL, COUNTER, "dbvitals_target_errors_total", "Rounds that failed, by the reason.",
                .group = 2},
    [CONNECTIONS] = {NULL, COUNTER, "dbvitals_connections_opened_total",
                     "Connections to the target that were begun; kept ones do not count again."},
    [CONNECT_SECONDS] = {NULL, GAUGE, "dbvitals_connect_duration_seconds",
                         "How long the present connection took to be ready."},
    [SERIES] = {NULL, GAUGE, "dbvitals_target_series", "Live series of the target."},
    [DUPLICATES] = {NULL, COUNTER, "dbvitals_duplicate_samples_total",
                    "Samples left out because their label set came twice in a round."},
    [DROPPED] = {NULL, COUNTER, "dbvitals_dropped_samples_total",
                 "Samples left out because a limit on series was reached."},
    [COLLECTOR_SUCCESS] = {NULL, GAUGE, "dbvitals_collector_success",
                           "Whether the collector succeeded when it ran last.", .group = 3},
    [COLLECTOR_SECONDS] = {NULL, GAUGE, "dbvitals_collector_duration_seconds",
                           "From the start of the round to the collector's answer; of one that "
                           "runs beside the rounds, what its statements took.",
                           .group = 3},
    [COLLECTOR_ERRORS] = {NULL, COUNTER, "dbvitals_collector_errors_total",
                          "Failures of a collector, by the reason.", .group = 4},
    [COLLECTOR_SKIPPED] = {NULL, COUNTER, "dbvitals_collector_skipped_cells_total",
                           "Cells of answers that were no number where one was expected.",
                           .group = 3},
    [LAG_BYTES] = {NULL, GAUGE, "dbvitals_replication_lag_bytes",
                   "Bytes that a replica has yet to receive of what its cluster's primary had "
                   "written when it was last seen."},
    [LAG_SECONDS] = {NULL, GAUGE, "dbvitals_replication_lag_seconds",
                     "How far a PostgreSQL replica is behind at most: since it was last seen "
                     "connected with everything replayed, or since the commit that it replayed "
                     "last if that is later."},
    [WALK_SECONDS] = {NULL, GAUGE, "dbvitals_walk_duration_seconds",
                      "How long the last walk over a PostgreSQL target's second connection took, "
                      "pauses between databases included."},
    [DATABASES] = {NULL, GAUGE, "dbvitals_databases",
                   "Databases that 'databases' selects, those that cannot be visited included."},
    [DATABASES_FAILED] = {NULL, GAUGE, "dbvitals_databases_failed",
                          "Those of them that could not be connected to."},
    [LABELS_FROM_HERE] = {NULL, LABEL, "type", .group = 1},
    {NULL, LABEL, "role", .group = 1},
    {NULL, LABEL, "reason", .group = 2},
    {NULL, LABEL, "collector", .group = 3},
    {NULL, LABEL, "collector", .group = 4},
    {NULL, LABEL, "reason", .group = 4},
    {0},
};

static const struct collector target_metrics_table = {
    .name = "target",
    .help = "What the daemon knows about its own work on a target.",
    .also = rows,
};

const struct collector *const sampler_metric_tables[] = {
    &target_metrics_table,
    &breaker_metrics_table,
    &exporter_names_table,
    &service_metrics_table,
    NULL,
};

#define NO_UP_OF_ITS_OWN (-1)

static const int up_rows[] = {
    [KIND_POSTGRES] = UP_PG,    [KIND_PGBOUNCER] = UP_PGBOUNCER, [KIND_REDIS] = UP_REDIS,
    [KIND_SENTINEL] = UP_REDIS, [KIND_HOST] = NO_UP_OF_ITS_OWN,  [KIND_BREAKERS] = UP_APP,
};

#define SAMPLING "sampling"

static const struct batch_labels no_labels = {0};

static void add(struct batch *batch, int row, struct batch_labels labels, double value) {
    batch_add(batch, column_metric(&rows[row]), labels, value);
}

/* A label set of up to three names and values. */
static struct batch_labels labels_of(struct batch *batch, const char *name1, const char *value1,
                                     const char *name2, const char *value2, const char *name3,
                                     const char *value3) {
    const struct label labels[] = {
        {str_of(name1), str_of(value1)},
        {str_of(name2), str_of(value2)},
        {str_of(name3), str_of(value3)},
    };
    size_t count = name3 != NULL ? 3 : name2 != NULL ? 2 : 1;
    return batch_add_labels(batch, labels, count);
}

static double seconds(int64_t ms) {
    return (double)ms / 1000.0;
}

static void add_health(const struct target *target, struct batch *batch) {
    const struct target_view *view = &target->view;
    double up = view->health == TARGET_UP ? 1 : 0;
    int64_t role = ROLE_UNKNOWN;
    facts_get(&view->facts, FACT_ROLE, &role);
    if (up_rows[target->options.kind] != NO_UP_OF_ITS_OWN) {
        add(batch, up_rows[target->options.kind], no_labels, up);
    }
    add(batch, TARGET_IS_UP, no_labels, up);
    add(batch, INFORMATION,
        labels_of(batch, "type", target_kind_names[target->options.kind], "role",
                  server_role_names[role], NULL, NULL),
        1);
    add(batch, HEALTH_RATIO, no_labels,
        (double)__builtin_popcount(view->window) / (double)(view->n_window ? view->n_window : 1));
    add(batch, LAST_ROUND, no_labels, seconds(view->last_round_ms));
    if (view->last_success_ms != 0) {
        add(batch, LAST_SUCCESS, no_labels, seconds(view->last_success_ms));
    }
    add(batch, ROUND_DURATION, no_labels, view->last_round_seconds);
    add(batch, ROUNDS, no_labels, (double)view->rounds);
    add(batch, ROUNDS_FAILED, no_labels, (double)view->failed_rounds);
    add(batch, ROUNDS_SKIPPED, no_labels, (double)view->skipped_ticks);
    add(batch, CONNECTIONS, no_labels, (double)target->connects);
    if (!isnan(target->connect_seconds)) {
        add(batch, CONNECT_SECONDS, no_labels, target->connect_seconds);
    }
    add(batch, SERIES, no_labels, (double)store_source_series(view->source));
    add(batch, DUPLICATES, no_labels, (double)target->duplicate_samples);
    add(batch, DROPPED, no_labels, (double)target->dropped_samples);
}

static void add_errors(const struct target *target, struct batch *batch) {
    for (int reason = 0; reason < REASON_COUNT; reason++) {
        if (target->errors[reason] != 0) {
            add(batch, ERRORS,
                labels_of(batch, "reason", client_reason_names[reason], NULL, NULL, NULL, NULL),
                (double)target->errors[reason]);
        }
    }
}

static void add_collector(const struct collector_run *run, struct batch *batch) {
    const char *name = run->view.collector->name;
    if (!run->view.enabled || run->view.last_ms == 0) {
        return;
    }
    exporter_names_add_collector(&run->view, run->target->options.kind, batch);
    struct batch_labels labels = labels_of(batch, "collector", name, NULL, NULL, NULL, NULL);
    add(batch, COLLECTOR_SUCCESS, labels, error_is_set(&run->view.failure.error) ? 0 : 1);
    add(batch, COLLECTOR_SECONDS, labels, run->view.seconds);
    add(batch, COLLECTOR_SKIPPED, labels, (double)run->skipped_cells);
    for (int reason = 0; reason < REASON_COUNT; reason++) {
        if (run->errors[reason] != 0) {
            add(batch, COLLECTOR_ERRORS,
                labels_of(batch, "collector", name, "reason", client_reason_names[reason], NULL,
                          NULL),
                (double)run->errors[reason]);
        }
    }
}

/* A replica's distance from the last position seen on the primary of its cluster. */
static void add_lag(const struct target *target, struct batch *batch) {
    const struct facts *facts = &target->view.facts;
    const struct cluster_position *cluster =
        sampler_cluster(target->sampler, target->options.cluster);
    int64_t role, received, identifier = 0;
    if (!isnan(target->view.lag_seconds)) {
        add(batch, LAG_SECONDS, no_labels, target->view.lag_seconds);
    }
    facts_get(facts, FACT_SYSTEM_IDENTIFIER, &identifier);
    if (cluster == NULL || cluster->seen_ms == 0 || !facts_get(facts, FACT_ROLE, &role) ||
        role != ROLE_REPLICA || !facts_get(facts, FACT_RECEIVE_POSITION, &received) ||
        cluster->system_identifier != identifier) {
        return;
    }
    int64_t behind = fact_distance(cluster->position, received);
    add(batch, LAG_BYTES, no_labels, behind > 0 ? (double)behind : 0);
}

static void add_walk(const struct target *target, struct batch *batch) {
    struct walk_numbers numbers = walk_numbers(target->walk);
    if (!numbers.known) {
        return;
    }
    add(batch, WALK_SECONDS, no_labels, (double)walk_duration(target->walk) / (double)USEC_PER_SEC);
    if (numbers.visits) {
        add(batch, DATABASES, no_labels, (double)numbers.databases);
        add(batch, DATABASES_FAILED, no_labels, (double)numbers.failed);
    }
}

void target_metrics_add(const struct target *target, struct batch *batch) {
    add_health(target, batch);
    exporter_names_add_round(&target->view, target->options.kind, target->connect_seconds, batch);
    add_errors(target, batch);
    for (size_t i = 0; i < target->n_runs; i++) {
        add_collector(&target->runs[i], batch);
    }
    breaker_metrics_add(SAMPLING, "all", &target->breaker, loop_now_usec(target->sampler->loop),
                        batch);
    add_lag(target, batch);
    add_walk(target, batch);
    if (target->sampler->options.service_names && target->view.health == TARGET_UP) {
        service_metrics_add(target->options.kind, &target->view.facts, no_labels, batch);
    }
}
