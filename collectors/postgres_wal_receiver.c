/* SPDX-License-Identifier: Apache-2.0 */

/* The WAL receiver of a replica in the peer's families, which its users must switch on, too. What
 * we need of it ourselves is in `replication`. */
#include "collectors/collector.h"

#define BYTES(lsn) "pg_catalog.pg_wal_lsn_diff(" lsn ", '0/0')"
#define COMMON                                                                                     \
    "SELECT slot_name, status, " BYTES(                                                            \
        "receive_start_lsn") " AS receive_start_lsn,"                                              \
                             " receive_start_tli, received_tli,"                                   \
                             " extract(epoch FROM last_msg_send_time) AS last_msg_send_time,"      \
                             " extract(epoch FROM last_msg_receipt_time) AS "                      \
                             "last_msg_receipt_time,"                                              \
                             " " BYTES("latest_end_lsn") " AS latest_end_lsn,"                     \
                                                         " extract(epoch FROM latest_end_time) "   \
                                                         "AS latest_end_time,"
#define FROM_VIEW " FROM pg_catalog.pg_stat_wal_receiver"

static const struct query queries[] = {
    {.min_version = 130000,
     .text =
         COMMON " sender_host AS upstream_host, " BYTES("flushed_lsn") " AS flushed_lsn" FROM_VIEW,
     .shape = SHAPE_ROWS},
    {.min_version = 110000,
     .text =
         COMMON " sender_host AS upstream_host, " BYTES("received_lsn") " AS flushed_lsn" FROM_VIEW,
     .shape = SHAPE_ROWS},
    {.text = COMMON " pg_catalog.substring(conninfo, 'host=([^ ]*)') AS upstream_host, " BYTES(
         "received_lsn") " AS flushed_lsn" FROM_VIEW,
     .shape = SHAPE_ROWS},
    {0},
};

static const struct column columns[] = {
    {"flushed_lsn", COUNTER, "pg_stat_wal_receiver_flushed_lsn",
     "WAL position that is received and safe on disk, in bytes."},
    {"last_msg_receipt_time", COUNTER, "pg_stat_wal_receiver_last_msg_receipt_time",
     "When the last message of the sender arrived, in seconds since 1970."},
    {"last_msg_send_time", COUNTER, "pg_stat_wal_receiver_last_msg_send_time",
     "When the sender sent its last message, by its own clock, in seconds since 1970."},
    {"latest_end_lsn", COUNTER, "pg_stat_wal_receiver_latest_end_lsn",
     "Last WAL position that was reported to the sender, in bytes."},
    {"latest_end_time", COUNTER, "pg_stat_wal_receiver_latest_end_time",
     "When that position was reported, in seconds since 1970."},
    {"receive_start_lsn", COUNTER, "pg_stat_wal_receiver_receive_start_lsn",
     "WAL position at which the receiver started, in bytes."},
    {"receive_start_tli", GAUGE, "pg_stat_wal_receiver_receive_start_tli",
     "Timeline on which the receiver started."},
    {"received_tli", GAUGE, "pg_stat_wal_receiver_received_tli",
     "Timeline of the last WAL that was received."},
    {"slot_name", LABEL, "slot_name"},
    {"status", LABEL, "status"},
    {"upstream_host", LABEL, "upstream_host"},
    {0},
};

const struct collector collector_postgres_wal_receiver = {
    .name = "wal_receiver",
    .help = "The WAL receiver of a replica in detail.",
    .kind = KIND_POSTGRES,
    .flags = COLLECTOR_OFF,
    .queries = queries,
    .columns = columns,
};
