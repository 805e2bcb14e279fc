/* SPDX-License-Identifier: Apache-2.0 */

/* Blocks that the tables of the connection's database read and found in the cache. Order and limit
 * are those of `user_tables`, so that both show the same tables. */
#include "base/duration.h"
#include "collectors/collector.h"
#include "collectors/support.h"

static const struct query queries[] = {
    {.text = "SELECT pg_catalog.current_database() AS datname, schemaname, relname,"
             " heap_blks_read, heap_blks_hit,"
             " COALESCE(idx_blks_read, 0) AS idx_blks_read,"
             " COALESCE(idx_blks_hit, 0) AS idx_blks_hit,"
             " COALESCE(toast_blks_read, 0) AS toast_blks_read,"
             " COALESCE(toast_blks_hit, 0) AS toast_blks_hit,"
             " COALESCE(tidx_blks_read, 0) AS tidx_blks_read,"
             " COALESCE(tidx_blks_hit, 0) AS tidx_blks_hit"
             " FROM pg_catalog.pg_statio_user_tables"
             " WHERE schemaname OPERATOR(pg_catalog.!~~) 'pg_temp_%'"
             " ORDER BY pg_catalog.pg_stat_get_live_tuples(relid) DESC, relid LIMIT 5000",
     .shape = SHAPE_ROWS},
    {0},
};

static const struct column columns[] = {
    {"datname", LABEL, "datname"},
    {"heap_blks_hit", COUNTER, "pg_statio_user_tables_heap_blocks_hit",
     "Blocks of the table that were found in the server's own cache."},
    {"heap_blks_read", COUNTER, "pg_statio_user_tables_heap_blocks_read",
     "Blocks of the table that were asked of the operating system."},
    {"idx_blks_hit", COUNTER, "pg_statio_user_tables_idx_blocks_hit",
     "Blocks of its indexes that were found in the server's own cache."},
    {"idx_blks_read", COUNTER, "pg_statio_user_tables_idx_blocks_read",
     "Blocks of its indexes that were asked of the operating system."},
    {"relname", LABEL, "relname"},
    {"schemaname", LABEL, "schemaname"},
    {"tidx_blks_hit", COUNTER, "pg_statio_user_tables_tidx_blocks_hit",
     "Blocks of its TOAST table's indexes that were found in the server's own cache."},
    {"tidx_blks_read", COUNTER, "pg_statio_user_tables_tidx_blocks_read",
     "Blocks of its TOAST table's indexes that were asked of the operating system."},
    {"toast_blks_hit", COUNTER, "pg_statio_user_tables_toast_blocks_hit",
     "Blocks of its TOAST table that were found in the server's own cache."},
    {"toast_blks_read", COUNTER, "pg_statio_user_tables_toast_blocks_read",
     "Blocks of its TOAST table that were asked of the operating system."},
    {0},
};

static const struct option options[] = {
    {"limit", OPTION_UNSIGNED, "1000", "How many tables are shown, those with most rows first.", 1,
     5000},
    {NULL},
};

extern const struct collector collector_postgres_statio_user_tables;

static int decode(const struct sample_context *context, const struct answer *answer,
                  struct batch *batch, struct error *err) {
    return decode_first_rows(&collector_postgres_statio_user_tables, context, answer,
                             context->options[0].number, batch, err);
}

const struct collector collector_postgres_statio_user_tables = {
    .name = "statio_user_tables",
    .help = "Blocks that tables read and found in the cache, in the connection's database.",
    .kind = KIND_POSTGRES,
    .flags = COLLECTOR_PER_DATABASE,
    /* As `user_tables`. */
    .interval_usec = 30 * USEC_PER_SEC,
    .queries = queries,
    .columns = columns,
    .decode = decode,
    .options = options,
};
