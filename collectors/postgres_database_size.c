/* SPDX-License-Identifier: Apache-2.0 */

/* Bytes on disk of each database. The server adds up the sizes of all files, which takes seconds
 * where there are many; databases that the role may not ask about are left out. */
#include "base/duration.h"
#include "collectors/collector.h"

static const struct query queries[] = {
    {.text = "SELECT d.datname, pg_catalog.pg_database_size(d.oid) AS bytes"
             " FROM pg_catalog.pg_database AS d"
             " WHERE pg_catalog.has_database_privilege(d.oid, 'CONNECT')"
             " OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE')",
     .shape = SHAPE_ROWS},
    {0},
};

static const struct column columns[] = {
    {"bytes", GAUGE, "pg_database_size_bytes", "Size of the database on disk."},
    {"datname", LABEL, "datname"},
    {0},
};

const struct collector collector_postgres_database_size = {
    .name = "database_size",
    .help = "Bytes on disk of each database.",
    .kind = KIND_POSTGRES,
    .interval_usec = 60 * USEC_PER_SEC,
    .queries = queries,
    .columns = columns,
};
