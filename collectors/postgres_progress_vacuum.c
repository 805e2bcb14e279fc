/* SPDX-License-Identifier: Apache-2.0 */

/* Vacuums that are running now.
 *
 * A table's name can only be looked up in the database that the connection is in; elsewhere its
 * number stands for it. As the peer does, each vacuum shows each phase as 0 or 1: the question
 * brings a row per phase, of which the first carries the numbers. From version 17 on the list of
 * dead rows is limited in bytes, no longer in rows. */
#include "base/duration.h"
#include "collectors/collector.h"

#define FIRST "CASE WHEN p.place OPERATOR(pg_catalog.=) 1 THEN "
#define PHASES                                                                                     \
    "SELECT v.datname, CASE WHEN v.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()"   \
    " THEN v.relid::pg_catalog.regclass::pg_catalog.text"                                          \
    " ELSE v.relid::pg_catalog.text END AS relname,"                                               \
    " p.phase, v.phase OPERATOR(pg_catalog.=) p.phase AS in_phase,"                                \
    " " FIRST "v.heap_blks_total END AS heap_blks,"                                                \
    " " FIRST "v.heap_blks_scanned END AS heap_blks_scanned,"                                      \
    " " FIRST "v.heap_blks_vacuumed END AS heap_blks_vacuumed,"                                    \
    " " FIRST "v.index_vacuum_count END AS index_vacuums,"
#define FROM_VACUUMS                                                                               \
    " FROM pg_catalog.pg_stat_progress_vacuum AS v"                                                \
    " CROSS JOIN pg_catalog.unnest('{initializing,scanning heap,vacuuming indexes,"                \
    "vacuuming heap,cleaning up indexes,truncating heap,performing final cleanup}'"                \
    "::pg_catalog.text[]) WITH ORDINALITY AS p(phase, place)"

static const struct query queries[] = {
    {.min_version = 170000,
     .text = PHASES " " FIRST "v.max_dead_tuple_bytes END AS max_dead_bytes,"
                    " " FIRST "v.dead_tuple_bytes END AS dead_bytes,"
                    " " FIRST "v.num_dead_item_ids END AS num_dead_tuples" FROM_VACUUMS,
     .shape = SHAPE_ROWS},
    {.text = PHASES " " FIRST "v.max_dead_tuples END AS max_dead_tuples,"
                    " " FIRST "v.num_dead_tuples END AS num_dead_tuples" FROM_VACUUMS,
     .shape = SHAPE_ROWS},
    {0},
};

static const struct column columns[] = {
    {"datname", LABEL, "datname"},
    {"datname", LABEL, "datname", .group = 1},
    {"dead_bytes", GAUGE, "pg_stat_progress_vacuum_dead_tuple_bytes",
     "Memory that the list of dead rows takes; from version 17 on."},
    {"heap_blks", GAUGE, "pg_stat_progress_vacuum_heap_blks",
     "Blocks of the table that is vacuumed."},
    {"heap_blks_scanned", GAUGE, "pg_stat_progress_vacuum_heap_blks_scanned",
     "Blocks of the table that have been read."},
    {"heap_blks_vacuumed", GAUGE, "pg_stat_progress_vacuum_heap_blks_vacuumed",
     "Blocks of the table that have been vacuumed."},
    {"in_phase", GAUGE, "pg_stat_progress_vacuum_phase",
     "1 for the phase that the vacuum is in, 0 for the others.", .group = 1},
    {"index_vacuums", GAUGE, "pg_stat_progress_vacuum_index_vacuums",
     "Times that the indexes have been gone through; more than one means too little memory."},
    {"max_dead_bytes", GAUGE, "pg_stat_progress_vacuum_max_dead_tuple_bytes",
     "Memory that the list of dead rows may take; from version 17 on."},
    {"max_dead_tuples", GAUGE, "pg_stat_progress_vacuum_max_dead_tuples",
     "Dead rows that have a place in memory before indexes must be gone through; up to version "
     "16."},
    {"num_dead_tuples", GAUGE, "pg_stat_progress_vacuum_num_dead_tuples",
     "Dead rows that were found since the indexes were last gone through."},
    {"phase", LABEL, "phase", .group = 1},
    {"relname", LABEL, "relname"},
    {"relname", LABEL, "relname", .group = 1},
    {0},
};

const struct collector collector_postgres_progress_vacuum = {
    .name = "progress_vacuum",
    .help = "Vacuums that are running, and how far they are.",
    .kind = KIND_POSTGRES,
    /* Shorter ones are nobody's worry. */
    .interval_usec = 15 * USEC_PER_SEC,
    .queries = queries,
    .columns = columns,
};
