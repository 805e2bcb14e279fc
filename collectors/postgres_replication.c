/* SPDX-License-Identifier: Apache-2.0 */

/* Where a server stands in replication, seen from itself.
 *
 * The peer's lag is 0 when everything received is replayed, so it also is 0 on a replica that lost
 * its sender an hour ago. Ours beside it tell that: whether the receiver streams, and how long its
 * sender has been silent. The positions of both ends are facts; the lag in bytes within a cluster
 * and our own lag in seconds (sampler/lag.h) are made of them. */
#include "collectors/collector.h"

/* The inner query takes each value once; outside it only becomes what is shown. */
static const struct query queries[] = {
    {.text = "SELECT s.replica AS is_replica,"
             " CASE WHEN NOT s.replica THEN 0"
             " WHEN s.received OPERATOR(pg_catalog.=) s.replayed THEN 0"
             " ELSE GREATEST(0, s.replay_age) END AS lag,"
             " CASE WHEN s.replica THEN GREATEST(0, s.replay_age) ELSE 0 END AS last_replay,"
             " CASE WHEN s.replica THEN s.replay_age OPERATOR(pg_catalog.*) 1000 END"
             " AS replay_age_ms,"
             " pg_catalog.pg_wal_lsn_diff(s.written, '0/0') AS write_position,"
             " pg_catalog.pg_wal_lsn_diff(s.received, '0/0') AS receive_position,"
             " pg_catalog.pg_wal_lsn_diff(s.replayed, '0/0') AS replay_position,"
             " CASE WHEN s.replica THEN pg_catalog.pg_is_wal_replay_paused() END AS paused,"
             " CASE WHEN s.replica THEN"
             " COALESCE(r.status OPERATOR(pg_catalog.=) 'streaming', r.pid IS NOT NULL) END"
             " AS connected,"
             " CASE WHEN s.replica THEN GREATEST(0, extract(epoch FROM"
             " pg_catalog.now() OPERATOR(pg_catalog.-) r.last_msg_receipt_time)) END"
             " AS last_message"
             " FROM (SELECT pg_catalog.pg_is_in_recovery() AS replica,"
             " CASE WHEN NOT pg_catalog.pg_is_in_recovery()"
             " THEN pg_catalog.pg_current_wal_lsn() END AS written,"
             " CASE WHEN pg_catalog.pg_is_in_recovery()"
             " THEN pg_catalog.pg_last_wal_receive_lsn() END AS received,"
             " CASE WHEN pg_catalog.pg_is_in_recovery()"
             " THEN pg_catalog.pg_last_wal_replay_lsn() END AS replayed,"
             " extract(epoch FROM pg_catalog.now() OPERATOR(pg_catalog.-)"
             " pg_catalog.pg_last_xact_replay_timestamp()) AS replay_age) AS s"
             " LEFT JOIN pg_catalog.pg_stat_wal_receiver AS r ON true",
     .shape = SHAPE_ROWS},
    {0},
};

static const struct column columns[] = {
    {"connected", GAUGE, "pg_replication_connected",
     "1 while the replica streams from its sender, 0 when it has lost it; only on replicas."},
    {"connected", FACT, .fact = FACT_RECEIVER_CONNECTED},
    {"is_replica", GAUGE, "pg_replication_is_replica",
     "1 if the server is in recovery, which replicas are; 0 if it is a primary."},
    {"lag", GAUGE, "pg_replication_lag_seconds",
     "Age of the last replayed transaction in seconds; 0 when all that was received is replayed, "
     "also after the sender was lost, and on a primary."},
    {"last_message", GAUGE, "pg_replication_last_message_seconds",
     "Seconds since the replica heard from its sender; no sample without a receiver."},
    {"last_replay", GAUGE, "pg_replication_last_replay_seconds",
     "Age of the last replayed transaction in seconds, whatever was received; 0 on a primary."},
    {"paused", GAUGE, "pg_replication_replay_paused",
     "1 while somebody has paused replay; only on replicas."},
    {"receive_position", GAUGE, "pg_replication_receive_position_bytes",
     "WAL position that the replica has received, in bytes; only on replicas that stream."},
    {"receive_position", FACT, .fact = FACT_RECEIVE_POSITION},
    {"replay_age_ms", FACT, .fact = FACT_REPLAY_AGE_MS},
    {"replay_position", GAUGE, "pg_replication_replay_position_bytes",
     "WAL position that the replica has replayed, in bytes; only on replicas."},
    {"replay_position", FACT, .fact = FACT_REPLAY_POSITION},
    {"write_position", GAUGE, "pg_replication_write_position_bytes",
     "WAL position that the primary writes at, in bytes; only on primaries."},
    {"write_position", FACT, .fact = FACT_WRITE_POSITION},
    {0},
};

const struct collector collector_postgres_replication = {
    .name = "replication",
    .help = "Role, lag and positions of the server itself.",
    .kind = KIND_POSTGRES,
    .queries = queries,
    .columns = columns,
};
