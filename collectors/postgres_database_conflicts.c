/* SPDX-License-Identifier: Apache-2.0 */

/* Why a replica cancelled statements; always zero on a primary. */
#include "collectors/collector.h"

#define COMMON                                                                                     \
    "SELECT datid, datname, confl_tablespace, confl_lock, confl_snapshot, confl_bufferpin,"        \
    " confl_deadlock"
#define FROM_VIEW " FROM pg_catalog.pg_stat_database_conflicts"

static const struct query queries[] = {
    {.min_version = 160000,
     .text = COMMON ", confl_active_logicalslot" FROM_VIEW,
     .shape = SHAPE_ROWS},
    {.text = COMMON FROM_VIEW, .shape = SHAPE_ROWS},
    {0},
};

static const struct column columns[] = {
    {"confl_active_logicalslot", UNTYPED, "pg_stat_database_conflicts_confl_active_logicalslot",
     "Uses of logical slots that ended because recovery made the slot useless."},
    {"confl_bufferpin", COUNTER, "pg_stat_database_conflicts_confl_bufferpin",
     "Statements cancelled because they held a block that recovery needed."},
    {"confl_deadlock", COUNTER, "pg_stat_database_conflicts_confl_deadlock",
     "Statements cancelled because they and recovery waited for each other."},
    {"confl_lock", COUNTER, "pg_stat_database_conflicts_confl_lock",
     "Statements cancelled because recovery waited too long for their lock."},
    {"confl_snapshot", COUNTER, "pg_stat_database_conflicts_confl_snapshot",
     "Statements cancelled because recovery removed rows that they could still see."},
    {"confl_tablespace", COUNTER, "pg_stat_database_conflicts_confl_tablespace",
     "Statements cancelled because their tablespace was dropped."},
    {"datid", LABEL, "datid"},
    {"datname", LABEL, "datname"},
    {0},
};

const struct collector collector_postgres_database_conflicts = {
    .name = "database_conflicts",
    .help = "Statements that a replica cancelled in favour of recovery, by reason.",
    .kind = KIND_POSTGRES,
    .flags = COLLECTOR_SERVER_LABEL,
    .queries = queries,
    .columns = columns,
};
