/* SPDX-License-Identifier: Apache-2.0 */

/* The replicas of this server, from pg_stat_replication: a row per WAL sender.
 *
 * Two replicas may have the same name and address, so a sender without a slot shows its process id
 * as slot_name; with a slot it shows the slot's. Senders of a base backup have no position, which
 * the peer shows as NaN. */
#include "collectors/collector.h"

#define IS " OPERATOR(pg_catalog.=) "
#define FROM_VIEW                                                                                  \
    " FROM (SELECT CASE WHEN pg_catalog.pg_is_in_recovery()"                                       \
    " THEN pg_catalog.pg_last_wal_receive_lsn()"                                                   \
    " ELSE pg_catalog.pg_current_wal_lsn() END AS lsn) AS now"                                     \
    " CROSS JOIN pg_catalog.pg_stat_replication AS r"                                              \
    " LEFT JOIN pg_catalog.pg_get_replication_slots() AS s ON s.active_pid" IS "r.pid"
#define COMMON                                                                                     \
    "SELECT r.application_name, r.client_addr, r.state,"                                           \
    " COALESCE(s.slot_name::pg_catalog.text, r.pid::pg_catalog.text) AS slot_name,"                \
    " pg_catalog.pg_wal_lsn_diff(now.lsn, '0/0') AS current_position,"                             \
    " pg_catalog.pg_wal_lsn_diff(now.lsn, r.replay_lsn) AS behind,"                                \
    " extract(epoch FROM r.write_lag) AS write_lag,"                                               \
    " extract(epoch FROM r.flush_lag) AS flush_lag,"                                               \
    " extract(epoch FROM r.replay_lag) AS replay_lag,"                                             \
    " r.sync_state"

static const struct query queries[] = {
    {.min_version = 120000,
     .text = COMMON ", extract(epoch FROM r.reply_time) AS reply_time" FROM_VIEW,
     .shape = SHAPE_ROWS},
    {.text = COMMON FROM_VIEW, .shape = SHAPE_ROWS},
    {0},
};

static const struct word sync_states[] = {
    {"async", 0}, {"potential", 0}, {"quorum", 1}, {"sync", 1}, {NULL, 0}};

static const struct column columns[] = {
    {"application_name", LABEL, "application_name"},
    {"behind", GAUGE, "pg_stat_replication_pg_wal_lsn_diff",
     "Bytes of WAL that this server has and the replica has not replayed; NaN while that is not "
     "known.",
     .null_is_nan = true},
    {"client_addr", LABEL, "client_addr"},
    {"current_position", GAUGE, "pg_stat_replication_pg_current_wal_lsn_bytes",
     "WAL position of this server in bytes."},
    {"flush_lag", GAUGE, "pg_stat_replication_flush_lag_seconds",
     "Time until the replica reported recent WAL as safe on disk, in seconds."},
    {"replay_lag", GAUGE, "pg_stat_replication_replay_lag_seconds",
     "Time until the replica reported recent WAL as replayed, in seconds."},
    {"reply_time", UNTYPED, "pg_stat_replication_reply_time",
     "When the replica sent its last reply, by its own clock, in seconds since 1970; NaN before "
     "the first.",
     .null_is_nan = true},
    {"slot_name", LABEL, "slot_name"},
    {"state", LABEL, "state"},
    {"sync_state", GAUGE, "pg_stat_replication_is_synchronous",
     "1 if commits wait for this replica, alone or as one of a quorum.", .words = sync_states},
    {"write_lag", GAUGE, "pg_stat_replication_write_lag_seconds",
     "Time until the replica reported recent WAL as written, in seconds."},
    {0},
};

const struct collector collector_postgres_stat_replication = {
    .name = "stat_replication",
    .help = "The replicas that stream from this server, and how far they are behind.",
    .kind = KIND_POSTGRES,
    .flags = COLLECTOR_SERVER_LABEL,
    .queries = queries,
    .columns = columns,
};
