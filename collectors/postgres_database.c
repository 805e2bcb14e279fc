/* SPDX-License-Identifier: Apache-2.0 */

/* Counters of each database from pg_stat_database. The row of shared objects, which has no name, is
 * left out as the peer does. */
#include "collectors/collector.h"

#include "collectors/support.h"

#define COMMON                                                                                     \
    "SELECT datid, datname, numbackends, xact_commit, xact_rollback, blks_read, blks_hit,"         \
    " tup_returned, tup_fetched, tup_inserted, tup_updated, tup_deleted, conflicts,"               \
    " temp_files, temp_bytes, deadlocks, blk_read_time, blk_write_time,"                           \
    " COALESCE(extract(epoch FROM stats_reset), 0) AS stats_reset"
#define CHECKSUMS                                                                                  \
    ", checksum_failures, extract(epoch FROM checksum_last_failure) AS checksum_last_failure"
#define SESSIONS                                                                                   \
    ", session_time, active_time, idle_in_transaction_time, sessions, sessions_abandoned,"         \
    " sessions_fatal, sessions_killed"
#define PARALLEL  ", parallel_workers_to_launch, parallel_workers_launched"
#define FROM_VIEW " FROM pg_catalog.pg_stat_database WHERE datname IS NOT NULL"

static const struct query queries[] = {
    {.min_version = 180000,
     .text = COMMON CHECKSUMS SESSIONS PARALLEL FROM_VIEW,
     .shape = SHAPE_ROWS},
    {.min_version = 140000, .text = COMMON CHECKSUMS SESSIONS FROM_VIEW, .shape = SHAPE_ROWS},
    {.min_version = 120000, .text = COMMON CHECKSUMS FROM_VIEW, .shape = SHAPE_ROWS},
    {.text = COMMON FROM_VIEW, .shape = SHAPE_ROWS},
    {0},
};

static const struct column columns[] = {
    {"active_time", COUNTER, "pg_stat_database_active_time_seconds_total",
     "Time that sessions spent running statements, in seconds.", 1e-3},
    {"blk_read_time", COUNTER, "pg_stat_database_blk_read_time",
     "Time that backends spent reading blocks, in milliseconds; needs track_io_timing."},
    {"blk_write_time", COUNTER, "pg_stat_database_blk_write_time",
     "Time that backends spent writing blocks, in milliseconds; needs track_io_timing."},
    {"blks_hit", COUNTER, "pg_stat_database_blks_hit",
     "Blocks that were found in the server's own cache."},
    {"blks_read", COUNTER, "pg_stat_database_blks_read",
     "Blocks that were asked of the operating system."},
    {"checksum_failures", COUNTER, "pg_stat_database_checksum_failures",
     "Blocks whose checksum was wrong."},
    {"checksum_last_failure", GAUGE, "pg_stat_database_checksum_last_failure_timestamp_seconds",
     "When the last wrong checksum was found, in seconds since 1970."},
    {"conflicts", COUNTER, "pg_stat_database_conflicts",
     "Statements that a replica cancelled because they stood in the way of recovery."},
    {"datid", LABEL, "datid"},
    {"datname", LABEL, "datname"},
    {"deadlocks", COUNTER, "pg_stat_database_deadlocks", "Deadlocks that were found and broken."},
    {"idle_in_transaction_time", COUNTER, "pg_stat_database_idle_in_transaction_time_seconds_total",
     "Time that sessions spent idle with a transaction open, in seconds.", 1e-3},
    {"numbackends", GAUGE, "pg_stat_database_numbackends", "Backends that are connected now."},
    {"parallel_workers_launched", COUNTER, "pg_stat_database_parallel_workers_launched_total",
     "Parallel workers that were started for statements."},
    {"parallel_workers_to_launch", COUNTER, "pg_stat_database_parallel_workers_to_launch_total",
     "Parallel workers that statements were planned with."},
    {"session_time", COUNTER, "pg_stat_database_session_time_seconds_total",
     "Time that sessions were connected, in seconds.", 1e-3},
    {"sessions", COUNTER, "pg_stat_database_sessions_total", "Sessions that were begun."},
    {"sessions_abandoned", COUNTER, "pg_stat_database_sessions_abandoned_total",
     "Sessions that ended because the client was lost."},
    {"sessions_fatal", COUNTER, "pg_stat_database_sessions_fatal_total",
     "Sessions that ended with a fatal error."},
    {"sessions_killed", COUNTER, "pg_stat_database_sessions_killed_total",
     "Sessions that an operator ended."},
    {"stats_reset", COUNTER, "pg_stat_database_stats_reset",
     "When the counters of the database were set to zero, in seconds since 1970; 0 for never."},
    {"temp_bytes", COUNTER, "pg_stat_database_temp_bytes",
     "Bytes that statements wrote to temporary files."},
    {"temp_files", COUNTER, "pg_stat_database_temp_files", "Temporary files that statements made."},
    {"tup_deleted", COUNTER, "pg_stat_database_tup_deleted", "Rows that were deleted."},
    {"tup_fetched", COUNTER, "pg_stat_database_tup_fetched",
     "Rows that index scans fetched for statements."},
    {"tup_inserted", COUNTER, "pg_stat_database_tup_inserted", "Rows that were inserted."},
    {"tup_returned", COUNTER, "pg_stat_database_tup_returned",
     "Rows that sequential scans and index entries gave."},
    {"tup_updated", COUNTER, "pg_stat_database_tup_updated", "Rows that were updated."},
    {"xact_commit", COUNTER, "pg_stat_database_xact_commit", "Transactions that were committed."},
    {"xact_rollback", COUNTER, "pg_stat_database_xact_rollback",
     "Transactions that were rolled back."},
    {0},
};

extern const struct collector collector_postgres_database;

static int decode(const struct sample_context *context, const struct answer *answer,
                  struct batch *batch, struct error *err) {
    int r = collector_decode_table(&collector_postgres_database, context, answer, batch, err);
    double commits, rollbacks;
    if (r == 0 && sum_column(answer->table, "xact_commit", NULL, NULL, &commits) &&
        sum_column(answer->table, "xact_rollback", NULL, NULL, &rollbacks)) {
        facts_set(context->facts, FACT_COMMITS, fact_of(commits));
        facts_set(context->facts, FACT_ROLLBACKS, fact_of(rollbacks));
    }
    return r;
}

const struct collector collector_postgres_database = {
    .name = "database",
    .help = "Transactions, rows, blocks, sessions and errors of each database.",
    .kind = KIND_POSTGRES,
    .queries = queries,
    .columns = columns,
    .decode = decode,
};
