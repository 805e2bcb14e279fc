/* SPDX-License-Identifier: Apache-2.0 */

/* Locks by database and mode, and who waits for one.
 *
 * As the peer does, each database shows each mode, mostly as zero. One row more has the sums over
 * all locks: those on rows wait for a transaction and belong to no database. */
#include "base/duration.h"
#include "collectors/collector.h"

#define HELD                                                                                       \
    "WITH held AS (SELECT database, pg_catalog.lower(mode) AS mode,"                               \
    " pg_catalog.count(*) AS count, pg_catalog.count(*) FILTER (WHERE NOT granted) AS waiting,"
#define ROWS                                                                                       \
    " FROM pg_catalog.pg_locks GROUP BY database, pg_catalog.lower(mode))"                         \
    " SELECT d.datname, m.mode, COALESCE(h.count, 0) AS count,"                                    \
    " NULL::pg_catalog.int8 AS waiting, NULL::pg_catalog.float8 AS oldest_wait"                    \
    " FROM pg_catalog.unnest('{accesssharelock,rowsharelock,rowexclusivelock,"                     \
    "shareupdateexclusivelock,sharelock,sharerowexclusivelock,exclusivelock,"                      \
    "accessexclusivelock,sireadlock}'::pg_catalog.text[]) AS m(mode)"                              \
    " CROSS JOIN pg_catalog.pg_database AS d"                                                      \
    " LEFT JOIN held AS h ON h.database OPERATOR(pg_catalog.=) d.oid"                              \
    " AND h.mode OPERATOR(pg_catalog.=) m.mode"                                                    \
    " UNION ALL SELECT NULL, NULL, NULL, COALESCE(pg_catalog.sum(waiting), 0)::pg_catalog.int8,"

static const struct query queries[] = {
    {.min_version = 140000,
     .text = HELD " pg_catalog.max(extract(epoch FROM pg_catalog.clock_timestamp()"
                  " OPERATOR(pg_catalog.-) waitstart)) FILTER (WHERE NOT granted) AS wait" ROWS
                  " COALESCE(GREATEST(0, pg_catalog.max(wait)), 0) FROM held ORDER BY 1, 2",
     .shape = SHAPE_ROWS},
    {.text = HELD " NULL AS wait" ROWS " NULL FROM held ORDER BY 1, 2", .shape = SHAPE_ROWS},
    {0},
};

static const struct column columns[] = {
    {"count", GAUGE, "pg_locks_count", "Locks that are held or waited for."},
    {"datname", LABEL, "datname"},
    {"mode", LABEL, "mode"},
    {"oldest_wait", GAUGE, "dbvitals_pg_locks_oldest_wait_seconds",
     "How long the longest wait for a lock has lasted; 0 when nobody waits. From version 14 on.",
     .group = 1},
    {"waiting", GAUGE, "dbvitals_pg_locks_waiting",
     "Locks that are waited for, those on rows included.", .group = 1},
    {0},
};

const struct collector collector_postgres_locks = {
    .name = "locks",
    .help = "Locks by database and mode, and waits for them.",
    .kind = KIND_POSTGRES,
    /* To list the locks the server holds up everybody who wants one for a moment. */
    .interval_usec = 15 * USEC_PER_SEC,
    .queries = queries,
    .columns = columns,
};
