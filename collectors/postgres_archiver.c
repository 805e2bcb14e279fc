/* SPDX-License-Identifier: Apache-2.0 */

/* Whether WAL files reach the archive.
 *
 * The peer's age of the last archived file also grows while nobody writes; whether the newest
 * attempt failed is said by our own metric. An archiver that has never worked shows no times, and
 * an age that is not a number, as the peer's. */
#include "collectors/collector.h"

static const struct query queries[] = {
    {.text = "SELECT archived_count, failed_count,"
             " extract(epoch FROM pg_catalog.now() OPERATOR(pg_catalog.-) last_archived_time)"
             " AS last_archive_age,"
             " extract(epoch FROM last_archived_time) AS last_archived_time,"
             " extract(epoch FROM last_failed_time) AS last_failed_time,"
             " last_failed_time IS NOT NULL AND (last_archived_time IS NULL OR"
             " last_failed_time OPERATOR(pg_catalog.>) last_archived_time) AS failing"
             " FROM pg_catalog.pg_stat_archiver",
     .shape = SHAPE_ROWS},
    {0},
};

static const struct column columns[] = {
    {NULL, LABEL, "server"},
    {"archived_count", COUNTER, "pg_stat_archiver_archived_count", "WAL files that were archived."},
    {"failed_count", COUNTER, "pg_stat_archiver_failed_count",
     "Attempts to archive a WAL file that failed."},
    {"failing", GAUGE, "dbvitals_pg_archiver_failing",
     "1 while the newest attempt to archive a WAL file has failed.", .group = 1},
    {"last_archive_age", GAUGE, "pg_stat_archiver_last_archive_age",
     "Seconds since a WAL file was archived; NaN before the first.", .null_is_nan = true},
    {"last_archived_time", GAUGE, "dbvitals_pg_archiver_last_archived_timestamp_seconds",
     "When the last WAL file was archived, in seconds since 1970.", .group = 1},
    {"last_failed_time", GAUGE, "dbvitals_pg_archiver_last_failed_timestamp_seconds",
     "When archiving a WAL file last failed, in seconds since 1970.", .group = 1},
    {0},
};

const struct collector collector_postgres_archiver = {
    .name = "archiver",
    .help = "WAL files that were archived, and attempts that failed.",
    .kind = KIND_POSTGRES,
    .queries = queries,
    .columns = columns,
};
