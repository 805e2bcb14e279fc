/* SPDX-License-Identifier: Apache-2.0 */

/* Totals of each database since PgBouncer was started. It counts time in microseconds. */
#include "collectors/collector.h"

#include "collectors/support.h"

static const struct query queries[] = {{.text = "SHOW STATS_TOTALS", .shape = SHAPE_ROWS}, {0}};

static const struct column columns[] = {
    {"bind_count", COUNTER, "pgbouncer_stats_totals_binds_total",
     "Prepared statements that were made ready to run by a Bind message."},
    {"bytes_received", COUNTER, "pgbouncer_stats_totals_received_bytes_total",
     "Bytes that PgBouncer received from clients and servers."},
    {"bytes_sent", COUNTER, "pgbouncer_stats_totals_sent_bytes_total",
     "Bytes that PgBouncer sent to clients and servers."},
    {"client_parse_count", COUNTER, "pgbouncer_stats_totals_client_parses_total",
     "Statements that clients asked to prepare."},
    {"database", LABEL, "database"},
    {"query_count", COUNTER, "pgbouncer_stats_totals_queries_pooled_total",
     "Statements that passed through."},
    {"query_time", COUNTER, "pgbouncer_stats_totals_queries_duration_seconds_total",
     "Time that servers spent with statements, in seconds.", 1e-6},
    {"server_assignment_count", COUNTER, "pgbouncer_stats_totals_server_assignments_total",
     "Times that a client was given a server connection."},
    {"server_parse_count", COUNTER, "pgbouncer_stats_totals_server_parses_total",
     "Statements that PgBouncer prepared at servers."},
    {"wait_time", COUNTER, "pgbouncer_stats_totals_client_wait_seconds_total",
     "Time that clients waited for a server connection, in seconds.", 1e-6},
    {"xact_count", COUNTER, "pgbouncer_stats_totals_sql_transactions_pooled_total",
     "Transactions that passed through."},
    {"xact_time", COUNTER, "pgbouncer_stats_totals_server_in_transaction_seconds_total",
     "Time that server connections were in a transaction, idle or not, in seconds.", 1e-6},
    {0},
};

extern const struct collector collector_pgbouncer_stats;

static int decode(const struct sample_context *context, const struct answer *answer,
                  struct batch *batch, struct error *err) {
    int r = collector_decode_table(&collector_pgbouncer_stats, context, answer, batch, err);
    /* Of no databases they are 0. */
    double queries_sum = 0, time_sum = 0;
    if (r == 0) {
        sum_column(answer->table, "query_count", "database", "pgbouncer", &queries_sum);
        sum_column(answer->table, "query_time", "database", "pgbouncer", &time_sum);
        facts_set(context->facts, FACT_QUERIES, fact_of(queries_sum));
        facts_set(context->facts, FACT_QUERY_TIME_USEC, fact_of(time_sum));
    }
    return r;
}

const struct collector collector_pgbouncer_stats = {
    .name = "stats",
    .help = "Statements, transactions, bytes and times of each database.",
    .kind = KIND_PGBOUNCER,
    .queries = queries,
    .columns = columns,
    .decode = decode,
};
