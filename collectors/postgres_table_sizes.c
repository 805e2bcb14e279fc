/* SPDX-License-Identifier: Apache-2.0 */

/* Bytes on disk of the tables in the connection's database, apart from `user_tables` because the
 * server must open each table for it.
 *
 * Opening waits for whoever holds the table alone (ALTER, VACUUM FULL, REINDEX), and that wait
 * would end the whole question at lock_timeout. So tables that somebody holds or wants alone are
 * left out while that lasts. */
#include "base/duration.h"
#include "collectors/collector.h"
#include "collectors/support.h"

static const struct query queries[] = {
    {.text = "WITH busy AS (SELECT COALESCE(i.indrelid, l.relation) AS oid"
             " FROM pg_catalog.pg_locks AS l LEFT JOIN pg_catalog.pg_index AS i"
             " ON i.indexrelid OPERATOR(pg_catalog.=) l.relation"
             " WHERE l.mode OPERATOR(pg_catalog.=) 'AccessExclusiveLock'"
             " AND l.database OPERATOR(pg_catalog.=) (SELECT d.oid FROM pg_catalog.pg_database AS d"
             " WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()))"
             " SELECT pg_catalog.current_database() AS datname, n.nspname AS schemaname, c.relname,"
             " pg_catalog.pg_table_size(c.oid) AS table_size,"
             " pg_catalog.pg_indexes_size(c.oid) AS index_size"
             " FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n"
             " ON n.oid OPERATOR(pg_catalog.=) c.relnamespace"
             " WHERE c.relkind OPERATOR(pg_catalog.=) ANY ('{r,m,p}')"
             " AND n.nspname OPERATOR(pg_catalog.<>) 'pg_catalog'"
             " AND n.nspname OPERATOR(pg_catalog.<>) 'information_schema'"
             " AND n.nspname OPERATOR(pg_catalog.!~~) 'pg_toast%'"
             " AND n.nspname OPERATOR(pg_catalog.!~~) 'pg_temp_%'"
             " AND NOT EXISTS (SELECT FROM busy AS b WHERE b.oid OPERATOR(pg_catalog.=) c.oid)"
             " ORDER BY c.relpages DESC, c.oid LIMIT 5000",
     .shape = SHAPE_ROWS},
    {0},
};

static const struct column columns[] = {
    {"datname", LABEL, "datname"},
    {"index_size", GAUGE, "pg_stat_user_tables_index_size_bytes",
     "Size of all indexes of the table on disk."},
    {"relname", LABEL, "relname"},
    {"schemaname", LABEL, "schemaname"},
    {"table_size", GAUGE, "pg_stat_user_tables_table_size_bytes",
     "Size of the table on disk, TOAST included and indexes not."},
    {0},
};

static const struct option options[] = {
    {"limit", OPTION_UNSIGNED, "1000", "How many tables are shown, the largest first.", 1, 5000},
    {NULL},
};

extern const struct collector collector_postgres_table_sizes;

static int decode(const struct sample_context *context, const struct answer *answer,
                  struct batch *batch, struct error *err) {
    return decode_first_rows(&collector_postgres_table_sizes, context, answer,
                             context->options[0].number, batch, err);
}

const struct collector collector_postgres_table_sizes = {
    .name = "table_sizes",
    .help = "Bytes on disk of the tables in the connection's database.",
    .kind = KIND_POSTGRES,
    .flags = COLLECTOR_PER_DATABASE,
    .interval_usec = 5 * 60 * USEC_PER_SEC,
    .queries = queries,
    .columns = columns,
    .decode = decode,
    .options = options,
};
