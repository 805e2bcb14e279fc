/* SPDX-License-Identifier: Apache-2.0 */

#include "sampler/exporter_names.h"

#include <math.h>

enum {
    PG_ERROR,
    PG_SECONDS,
    PG_SCRAPES,
    PG_COLLECTOR_SECONDS,
    PG_COLLECTOR_SUCCESS,
    REDIS_CONNECT,
    REDIS_SECONDS,
    REDIS_ERROR,
    REDIS_ALL_SECONDS,
    REDIS_SCRAPES,
};

static const struct column rows[] = {
    [PG_ERROR] = {NULL, GAUGE, "pg_exporter_last_scrape_error",
                  "1 if the PostgreSQL server did not answer in the last round."},
    [PG_SECONDS] = {NULL, GAUGE, "pg_exporter_last_scrape_duration_seconds",
                    "How long the last round of the PostgreSQL server took."},
    [PG_SCRAPES] = {NULL, COUNTER, "pg_exporter_scrapes_total",
                    "Rounds of the PostgreSQL server that have ended."},
    [PG_COLLECTOR_SECONDS] = {NULL, GAUGE, "pg_scrape_collector_duration_seconds",
                              "From the start of the round to the collector's answer.", .group = 1},
    [PG_COLLECTOR_SUCCESS] = {NULL, GAUGE, "pg_scrape_collector_success",
                              "Whether the collector succeeded when it ran last.", .group = 1},
    [REDIS_CONNECT] = {NULL, GAUGE, "redis_exporter_last_scrape_connect_time_seconds",
                       "How long the present connection to Redis took to be ready; it is kept."},
    [REDIS_SECONDS] = {NULL, GAUGE, "redis_exporter_last_scrape_duration_seconds",
                       "How long the last round of the Redis server took."},
    [REDIS_ERROR] = {NULL, GAUGE, "redis_exporter_last_scrape_error",
                     "1 if the Redis server did not answer in the last round; why is a label.",
                     .group = 2},
    [REDIS_ALL_SECONDS] = {NULL, SUMMARY, "redis_exporter_scrape_duration_seconds",
                           "How long rounds of the Redis server took, added up."},
    [REDIS_SCRAPES] = {NULL, COUNTER, "redis_exporter_scrapes_total",
                       "Rounds of the Redis server that have ended."},
    {NULL, LABEL, "collector", .group = 1},
    {NULL, LABEL, "err", .group = 2},
    {0},
};

const struct collector exporter_names_table = {
    .name = "exporter",
    .help = "What the usual exporters say about their scrapes, said of rounds.",
    .also = rows,
};

static const struct batch_labels no_labels = {0};

static void add(struct batch *batch, int row, struct batch_labels labels, double value) {
    batch_add(batch, column_metric(&rows[row]), labels, value);
}

static void add_postgres(const struct target_view *view, struct batch *batch) {
    add(batch, PG_ERROR, no_labels, view->health == TARGET_UP ? 0 : 1);
    add(batch, PG_SECONDS, no_labels, view->last_round_seconds);
    add(batch, PG_SCRAPES, no_labels, (double)view->rounds);
}

/* The peer's label is the text of the error; the reason is one of few words and betrays nothing. */
static void add_redis(const struct target_view *view, double connect_seconds, struct batch *batch) {
    bool up = view->health == TARGET_UP;
    struct label label = {str_of("err"),
                          str_of(up ? "" : client_reason_names[view->last_failure.reason])};
    if (!isnan(connect_seconds)) {
        add(batch, REDIS_CONNECT, no_labels, connect_seconds);
    }
    add(batch, REDIS_SECONDS, no_labels, view->last_round_seconds);
    add(batch, REDIS_ERROR, batch_add_labels(batch, &label, 1), up ? 0 : 1);
    batch_add_summary(batch, column_metric(&rows[REDIS_ALL_SECONDS]), NULL, 0, NULL, NULL, 0,
                      view->all_rounds_seconds, (double)view->rounds);
    add(batch, REDIS_SCRAPES, no_labels, (double)view->rounds);
}

void exporter_names_add_round(const struct target_view *view, enum target_kind kind,
                              double connect_seconds, struct batch *batch) {
    if (kind == KIND_POSTGRES) {
        add_postgres(view, batch);
    } else if (kind == KIND_REDIS || kind == KIND_SENTINEL) {
        add_redis(view, connect_seconds, batch);
    }
}

void exporter_names_add_collector(const struct collector_view *view, enum target_kind kind,
                                  struct batch *batch) {
    if (kind == KIND_POSTGRES) {
        struct label label = {str_of("collector"), str_of(view->collector->name)};
        struct batch_labels labels = batch_add_labels(batch, &label, 1);
        add(batch, PG_COLLECTOR_SUCCESS, labels, error_is_set(&view->failure.error) ? 0 : 1);
        add(batch, PG_COLLECTOR_SECONDS, labels, view->seconds);
    }
}
