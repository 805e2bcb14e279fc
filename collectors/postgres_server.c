/* SPDX-License-Identifier: Apache-2.0 */

/* What the server is: the first question of each round. It takes no lock and reads no table, so
 * that an answer says "up" and silence says "hung" and nothing else does. */
#include "collectors/collector.h"

#include <stdio.h>

#include "collectors/support.h"

static const struct query queries[] = {
    {.text = "SELECT pg_catalog.pg_is_in_recovery() AS in_recovery,"
             " extract(epoch FROM pg_catalog.pg_postmaster_start_time()) AS start_time,"
             " pg_catalog.version() AS version,"
             " pg_catalog.current_setting('server_version_num') AS version_num,"
             " CASE WHEN pg_catalog.pg_is_in_recovery() THEN NULL"
             " ELSE pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn())"
             " END AS wal_file,"
             " CASE WHEN pg_catalog.pg_is_in_recovery()"
             " THEN (SELECT received_tli FROM pg_catalog.pg_stat_wal_receiver)"
             " END AS received_timeline",
     .shape = SHAPE_ROWS},
    {0},
};

static const struct word roles[] = {{"t", ROLE_REPLICA}, {"f", ROLE_PRIMARY}, {NULL, 0}};

static const struct column columns[] = {
    {"in_recovery", FACT, .fact = FACT_ROLE, .words = roles},
    {"start_time", GAUGE, "pg_postmaster_start_time_seconds",
     "When the server was started, in seconds since 1970."},
    {"start_time", FACT, .fact = FACT_START_TIME_SECONDS},
    {"version_num", FACT, .fact = FACT_VERSION},
    {0},
};

static const char timeline_help[] =
    "Timeline that the server writes, or receives as a replica; a promotion raises it.";
static const char static_help[] = "Version of the server, as labels; the value is always 1.";

static const struct column also[] = {
    {NULL, LABEL, "server", .group = 1},
    {NULL, LABEL, "short_version", .group = 1},
    {NULL, LABEL, "version", .group = 1},
    {NULL, GAUGE, "pg_timeline", timeline_help},
    {NULL, UNTYPED, "pg_static", static_help, .group = 1},
    {0},
};

/* The first eight of the 24 hexadecimal digits of a WAL file's name. */
static bool timeline_of_file(struct str name, int64_t *ret) {
    int64_t timeline = 0;
    if (name.len != 24) {
        return false;
    }
    for (size_t i = 0; i < 8; i++) {
        char c = name.data[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (digit < 0) {
            return false;
        }
        timeline = timeline * 16 + digit;
    }
    *ret = timeline;
    return true;
}

static void add_timeline(const struct sample_context *context, const struct table *table,
                         struct batch *batch) {
    int64_t timeline;
    if (!timeline_of_file(cell_named(table, 0, "wal_file"), &timeline) &&
        !str_to_int64(cell_named(table, 0, "received_timeline"), &timeline)) {
        return;
    }
    facts_set(context->facts, FACT_TIMELINE, timeline);
    struct batch_metric metric = {"pg_timeline", timeline_help, METRIC_GAUGE, true};
    batch_add(batch, metric, (struct batch_labels){0}, (double)timeline);
}

/* The short version has three parts, as the peer's: 15.20.0. */
static void add_static(const struct sample_context *context, const struct table *table,
                       struct batch *batch) {
    char text[48] = "";
    int64_t number;
    if (str_to_int64(cell_named(table, 0, "version_num"), &number)) {
        snprintf(text, sizeof(text), "%d.%d.0", (int)(number / 10000), (int)(number % 10000));
    }
    struct label labels[] = {
        {str_of("server"), context->server},
        {str_of("short_version"), str_of(text)},
        {str_of("version"), cell_named(table, 0, "version")},
    };
    struct batch_metric metric = {"pg_static", static_help, METRIC_UNTYPED, true};
    batch_add(batch, metric, batch_add_labels(batch, labels, ARRAY_LEN(labels)), 1);
}

extern const struct collector collector_postgres_server;

static int decode(const struct sample_context *context, const struct answer *answer,
                  struct batch *batch, struct error *err) {
    int r = collector_decode_table(&collector_postgres_server, context, answer, batch, err);
    if (r == 0 && answer->table->n_rows > 0) {
        add_timeline(context, answer->table, batch);
        add_static(context, answer->table, batch);
    }
    return r;
}

const struct collector collector_postgres_server = {
    .name = "server",
    .help = "Version, role, timeline and start of the server; decides whether it is up.",
    .kind = KIND_POSTGRES,
    .flags = COLLECTOR_VITAL,
    .queries = queries,
    .columns = columns,
    .decode = decode,
    .also = also,
};
