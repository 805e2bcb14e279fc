/* SPDX-License-Identifier: Apache-2.0 */

/* Replication slots. The peer has two sets of families for them with different labels; both are
 * here, as groups 0 and 2. Group 1 is a single fact of group 0 with one label more. */
#include "collectors/collector.h"

#define FROM_VIEW                                                                                  \
    " FROM (SELECT CASE WHEN pg_catalog.pg_is_in_recovery()"                                       \
    " THEN pg_catalog.pg_last_wal_receive_lsn()"                                                   \
    " ELSE pg_catalog.pg_current_wal_lsn() END AS lsn) AS now"                                     \
    " CROSS JOIN pg_catalog.pg_replication_slots AS s"
#define COMMON                                                                                     \
    "SELECT s.slot_name, s.slot_type, s.database, s.active,"                                       \
    " COALESCE(pg_catalog.pg_wal_lsn_diff(now.lsn, '0/0'), 0) AS current_position,"                \
    " CASE WHEN s.active THEN COALESCE("                                                           \
    "pg_catalog.pg_wal_lsn_diff(s.confirmed_flush_lsn, '0/0'), 0) END AS flushed_position,"        \
    " pg_catalog.pg_wal_lsn_diff(now.lsn, s.restart_lsn) AS retained"

static const struct query queries[] = {
    {.min_version = 130000,
     .text = COMMON ", s.wal_status, s.safe_wal_size" FROM_VIEW,
     .shape = SHAPE_ROWS},
    {.text = COMMON FROM_VIEW, .shape = SHAPE_ROWS},
    {0},
};

static const struct column columns[] = {
    {NULL, LABEL, "server", .group = 2},
    {"active", GAUGE, "pg_replication_slot_slot_is_active",
     "1 while somebody is connected to the slot."},
    {"active", GAUGE, "pg_replication_slots_active", "1 while somebody is connected to the slot.",
     .group = 2},
    {"current_position", GAUGE, "pg_replication_slot_slot_current_wal_lsn",
     "WAL position of the server in bytes, the same for each slot."},
    {"database", LABEL, "database", .group = 2},
    {"flushed_position", GAUGE, "pg_replication_slot_slot_confirmed_flush_lsn",
     "Position up to which the consumer of an active logical slot has confirmed, in bytes."},
    {"retained", GAUGE, "pg_replication_slots_pg_wal_lsn_diff",
     "Bytes of WAL that the server has kept for the slot; NaN when it keeps none.", .group = 2,
     .null_is_nan = true},
    {"safe_wal_size", GAUGE, "pg_replication_slot_safe_wal_size_bytes",
     "Bytes that may still be written before the slot is in danger; needs "
     "max_slot_wal_keep_size."},
    {"slot_name", LABEL, "slot_name"},
    {"slot_name", LABEL, "slot_name", .group = 1},
    {"slot_name", LABEL, "slot_name", .group = 2},
    {"slot_type", LABEL, "slot_type"},
    {"slot_type", LABEL, "slot_type", .group = 1},
    {"wal_status", LABEL, "wal_status", .group = 1},
    {"wal_status", INFO, "pg_replication_slot_wal_status",
     "Whether the WAL that the slot needs is still there, as a label; the value is always 1.",
     .group = 1},
    {0},
};

const struct collector collector_postgres_slots = {
    .name = "slots",
    .help = "Replication slots: who uses them and how much WAL they keep.",
    .kind = KIND_POSTGRES,
    .queries = queries,
    .columns = columns,
};
