/* SPDX-License-Identifier: Apache-2.0 */

/* Reads, writes, dead rows and vacuums of the tables in the database that the connection is in.
 *
 * Largest first, so that the limit leaves out the small ones. Temporary tables are left out: they
 * come and go with sessions, and each would be a set of series of its own. */
#include "base/duration.h"
#include "collectors/collector.h"
#include "collectors/support.h"

#define EPOCH "COALESCE(extract(epoch FROM "

/* LIMIT is the most that the option allows. */
static const struct query queries[] = {
    {.text = "SELECT pg_catalog.current_database() AS datname, schemaname, relname, seq_scan,"
             " seq_tup_read, COALESCE(idx_scan, 0) AS idx_scan,"
             " COALESCE(idx_tup_fetch, 0) AS idx_tup_fetch, n_tup_ins, n_tup_upd, n_tup_del,"
             " n_tup_hot_upd, n_live_tup, n_dead_tup, n_mod_since_analyze,"
             " " EPOCH "last_vacuum), 0) AS last_vacuum,"
             " " EPOCH "last_autovacuum), 0) AS last_autovacuum,"
             " " EPOCH "last_analyze), 0) AS last_analyze,"
             " " EPOCH "last_autoanalyze), 0) AS last_autoanalyze,"
             " vacuum_count, autovacuum_count, analyze_count, autoanalyze_count"
             " FROM pg_catalog.pg_stat_user_tables"
             " WHERE schemaname OPERATOR(pg_catalog.!~~) 'pg_temp_%'"
             " ORDER BY n_live_tup DESC, relid LIMIT 5000",
     .shape = SHAPE_ROWS},
    {0},
};

static const struct column columns[] = {
    {"analyze_count", COUNTER, "pg_stat_user_tables_analyze_count",
     "Times that somebody analyzed the table."},
    {"autoanalyze_count", COUNTER, "pg_stat_user_tables_autoanalyze_count",
     "Times that autovacuum analyzed the table."},
    {"autovacuum_count", COUNTER, "pg_stat_user_tables_autovacuum_count",
     "Times that autovacuum vacuumed the table."},
    {"datname", LABEL, "datname"},
    {"idx_scan", COUNTER, "pg_stat_user_tables_idx_scan", "Index scans of the table."},
    {"idx_tup_fetch", COUNTER, "pg_stat_user_tables_idx_tup_fetch",
     "Live rows that index scans fetched."},
    {"last_analyze", GAUGE, "pg_stat_user_tables_last_analyze",
     "When somebody last analyzed the table, in seconds since 1970; 0 for never."},
    {"last_autoanalyze", GAUGE, "pg_stat_user_tables_last_autoanalyze",
     "When autovacuum last analyzed the table, in seconds since 1970; 0 for never."},
    {"last_autovacuum", GAUGE, "pg_stat_user_tables_last_autovacuum",
     "When autovacuum last vacuumed the table, in seconds since 1970; 0 for never."},
    {"last_vacuum", GAUGE, "pg_stat_user_tables_last_vacuum",
     "When somebody last vacuumed the table, in seconds since 1970; 0 for never."},
    {"n_dead_tup", GAUGE, "pg_stat_user_tables_n_dead_tup", "Dead rows, estimated."},
    {"n_live_tup", GAUGE, "pg_stat_user_tables_n_live_tup", "Live rows, estimated."},
    {"n_mod_since_analyze", GAUGE, "pg_stat_user_tables_n_mod_since_analyze",
     "Rows changed since the table was last analyzed, estimated."},
    {"n_tup_del", COUNTER, "pg_stat_user_tables_n_tup_del", "Rows that were deleted."},
    {"n_tup_hot_upd", COUNTER, "pg_stat_user_tables_n_tup_hot_upd",
     "Rows that were updated without a change of indexes."},
    {"n_tup_ins", COUNTER, "pg_stat_user_tables_n_tup_ins", "Rows that were inserted."},
    {"n_tup_upd", COUNTER, "pg_stat_user_tables_n_tup_upd",
     "Rows that were updated, those without a change of indexes included."},
    {"relname", LABEL, "relname"},
    {"schemaname", LABEL, "schemaname"},
    {"seq_scan", COUNTER, "pg_stat_user_tables_seq_scan", "Sequential scans of the table."},
    {"seq_tup_read", COUNTER, "pg_stat_user_tables_seq_tup_read",
     "Live rows that sequential scans read."},
    {"vacuum_count", COUNTER, "pg_stat_user_tables_vacuum_count",
     "Times that somebody vacuumed the table, VACUUM FULL not counted."},
    {0},
};

static const char tables_help[] =
    "Tables of the database that the connection is in, at most 5000; those above the limit are "
    "only counted.";

static const struct column also[] = {
    {NULL, LABEL, "datname"},
    {NULL, GAUGE, "dbvitals_pg_user_tables", tables_help},
    {0},
};

static const struct option options[] = {
    {"limit", OPTION_UNSIGNED, "1000", "How many tables are shown, those with most rows first.", 1,
     5000},
    {NULL},
};

extern const struct collector collector_postgres_user_tables;

static int decode(const struct sample_context *context, const struct answer *answer,
                  struct batch *batch, struct error *err) {
    /* The number comes first: what is cut off for want of room are the last tables. */
    if (answer->table != NULL && answer->table->n_rows > 0) {
        struct label datname = {str_of("datname"), cell_named(answer->table, 0, "datname")};
        batch_add(batch,
                  (struct batch_metric){"dbvitals_pg_user_tables", tables_help, METRIC_GAUGE, true},
                  batch_add_labels(batch, &datname, 1), (double)answer->table->n_rows);
    }
    return decode_first_rows(&collector_postgres_user_tables, context, answer,
                             context->options[0].number, batch, err);
}

const struct collector collector_postgres_user_tables = {
    .name = "user_tables",
    .help = "Reads, writes, dead rows and vacuums of the tables in the connection's database.",
    .kind = KIND_POSTGRES,
    .flags = COLLECTOR_PER_DATABASE,
    /* A few dozen look-ups a table on the server. */
    .interval_usec = 30 * USEC_PER_SEC,
    .queries = queries,
    .columns = columns,
    .decode = decode,
    .options = options,
    .also = also,
};
