/* SPDX-License-Identifier: Apache-2.0 */

/* Indexes of the connection's database: which are used, and what they read. The peer's families,
 * which its users must switch on, too, have no label for the database; ours have, and where several
 * databases are asked theirs get it as well: the same names may be in each. */
#include "base/duration.h"
#include "collectors/collector.h"
#include "collectors/support.h"

static const struct query queries[] = {
    {.text = "SELECT pg_catalog.current_database() AS datname, s.schemaname, s.relname,"
             " s.indexrelname, s.idx_scan, io.idx_blks_read, io.idx_blks_hit"
             " FROM pg_catalog.pg_stat_user_indexes AS s"
             " JOIN pg_catalog.pg_statio_user_indexes AS io"
             " ON io.indexrelid OPERATOR(pg_catalog.=) s.indexrelid"
             " WHERE s.schemaname OPERATOR(pg_catalog.!~~) 'pg_temp_%'"
             " ORDER BY pg_catalog.pg_stat_get_live_tuples(s.relid) DESC, s.indexrelid LIMIT 5000",
     .shape = SHAPE_ROWS},
    {0},
};

/* The first row is only for several databases. */
static const struct column all_columns[] = {
    {"datname", LABEL, "datname"},
    {"datname", LABEL, "datname", .group = 1},
    {"idx_blks_hit", COUNTER, "pg_statio_user_indexes_idx_blks_hit_total",
     "Blocks of the index that were found in the server's own cache; with label datname where "
     "several databases are asked."},
    {"idx_blks_read", COUNTER, "pg_statio_user_indexes_idx_blks_read_total",
     "Blocks of the index that were asked of the operating system; with label datname where "
     "several databases are asked."},
    {"idx_scan", COUNTER, "dbvitals_pg_index_scans_total", "Scans of the index.", .group = 1},
    {"indexrelname", LABEL, "indexrelname"},
    {"indexrelname", LABEL, "indexrelname", .group = 1},
    {"relname", LABEL, "relname"},
    {"relname", LABEL, "relname", .group = 1},
    {"schemaname", LABEL, "schemaname"},
    {"schemaname", LABEL, "schemaname", .group = 1},
    {0},
};

static const struct option options[] = {
    {"limit", OPTION_UNSIGNED, "1000",
     "How many indexes are shown, those of the tables with most rows first.", 1, 5000},
    {NULL},
};

static int decode(const struct sample_context *context, const struct answer *answer,
                  struct batch *batch, struct error *err) {
    static const struct collector in_one = {.columns = all_columns + 1};
    static const struct collector in_many = {.columns = all_columns};
    return decode_first_rows(context->many_databases ? &in_many : &in_one, context, answer,
                             context->options[0].number, batch, err);
}

const struct collector collector_postgres_user_indexes = {
    .name = "user_indexes",
    .help = "Scans and blocks of each index in the connection's database.",
    .kind = KIND_POSTGRES,
    .flags = COLLECTOR_OFF | COLLECTOR_PER_DATABASE,
    .interval_usec = 60 * USEC_PER_SEC,
    .queries = queries,
    .columns = all_columns + 1,
    .decode = decode,
    .options = options,
};
