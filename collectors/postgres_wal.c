/* SPDX-License-Identifier: Apache-2.0 */

/* The folder of WAL files, and how many of them wait for the archive. */
#include "base/duration.h"
#include "collectors/collector.h"

#define SEGMENTS                                                                                   \
    "(SELECT pg_catalog.count(*) AS segments, COALESCE(pg_catalog.sum(size), 0) AS bytes"          \
    " FROM pg_catalog.pg_ls_waldir()"                                                              \
    " WHERE name OPERATOR(pg_catalog.~) '^[0-9A-F]{24}$') AS w"

static const struct query queries[] = {
    {.min_version = 120000,
     .text = "SELECT w.segments, w.bytes, r.ready FROM " SEGMENTS
             " CROSS JOIN (SELECT pg_catalog.count(*) AS ready"
             " FROM pg_catalog.pg_ls_archive_statusdir()"
             " WHERE name OPERATOR(pg_catalog.~) '[.]ready$') AS r",
     .shape = SHAPE_ROWS},
    {.text = "SELECT w.segments, w.bytes FROM " SEGMENTS, .shape = SHAPE_ROWS},
    {0},
};

static const struct column columns[] = {
    {"bytes", GAUGE, "pg_wal_size_bytes", "Size of the WAL files that the server keeps."},
    {"ready", GAUGE, "dbvitals_pg_wal_ready_files",
     "WAL files that are done and wait to be archived; from version 12 on."},
    {"segments", GAUGE, "pg_wal_segments", "WAL files that the server keeps."},
    {0},
};

const struct collector collector_postgres_wal = {
    .name = "wal",
    .help = "How many WAL files there are, and how many wait for the archive.",
    .kind = KIND_POSTGRES,
    /* The server asks the file system for every file: thousands where much WAL is kept. */
    .interval_usec = 30 * USEC_PER_SEC,
    .queries = queries,
    .columns = columns,
};
