/* SPDX-License-Identifier: Apache-2.0 */

/* A PostgreSQL member in one row. The statement needs no more than pg_monitor, and does without:
 * then the receiver's columns are NULL although it has a process. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/duration.h"
#include "failover/answer.h"

/* Settings have units ("1min"), which are those of intervals. */
#define SECONDS_OF(setting)                                                                        \
    " extract(epoch FROM pg_catalog.current_setting('" setting "', true)::pg_catalog.interval)"

/* The age of the last message is taken by the replica's own clock, and not by that of the
 * transaction. pg_walfile_name() of NULL is NULL, of anything in recovery an error. */
#define STATEMENT(sender)                                                                          \
    "SELECT s.recovering,"                                                                         \
    " pg_catalog.substr(pg_catalog.pg_walfile_name(s.written), 1, 8) AS timeline,"                 \
    " pg_catalog.pg_wal_lsn_diff(s.written, '0/0') AS written,"                                    \
    " pg_catalog.pg_wal_lsn_diff(s.received, '0/0') AS received,"                                  \
    " pg_catalog.pg_wal_lsn_diff(s.replayed, '0/0') AS replayed,"                                  \
    " s.paused, s.slots, r.pid, r.status, r.received_tli, r.slot_name,"                            \
    " extract(epoch FROM pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-)"                      \
    " r.last_msg_receipt_time) AS age," SECONDS_OF(                                                \
        "wal_receiver_timeout") " AS timeout," SECONDS_OF("recovery_min_apply_delay") " AS delay," \
                                                                                      " pg_"       \
                                                                                      "catalog."   \
                                                                                      "host(pg_"   \
                                                                                      "catalog."   \
                                                                                      "inet_"      \
                                                                                      "server_"    \
                                                                                      "addr()) "   \
                                                                                      "AS "        \
                                                                                      "address,"   \
                                                                                      " pg_"       \
                                                                                      "catalog."   \
                                                                                      "current_"   \
                                                                                      "setting('"  \
                                                                                      "port') AS " \
                                                                                      "port"       \
                                                                                      "," sender   \
                                                                                      " FROM "     \
                                                                                      "(SELECT "   \
                                                                                      "pg_"        \
                                                                                      "catalog."   \
                                                                                      "pg_is_in_"  \
                                                                                      "recovery()" \
                                                                                      " AS "       \
                                                                                      "recovering" \
                                                                                      ","          \
                                                                                      " CASE "     \
                                                                                      "WHEN NOT "  \
                                                                                      "pg_"        \
                                                                                      "catalog."   \
                                                                                      "pg_is_in_"  \
                                                                                      "recovery()" \
                                                                                      " THEN "     \
                                                                                      "pg_"        \
                                                                                      "catalog."   \
                                                                                      "pg_"        \
                                                                                      "current_"   \
                                                                                      "wal_lsn() " \
                                                                                      "END AS "    \
                                                                                      "written,"   \
                                                                                      " CASE "     \
                                                                                      "WHEN "      \
                                                                                      "pg_"        \
                                                                                      "catalog."   \
                                                                                      "pg_is_in_"  \
                                                                                      "recovery()" \
                                                                                      " THEN "     \
                                                                                      "pg_"        \
                                                                                      "catalog."   \
                                                                                      "pg_last_"   \
                                                                                      "wal_"       \
                                                                                      "receive_"   \
                                                                                      "lsn() END " \
                                                                                      "AS "        \
                                                                                      "received,"  \
                                                                                      " CASE "     \
                                                                                      "WHEN "      \
                                                                                      "pg_"        \
                                                                                      "catalog."   \
                                                                                      "pg_is_in_"  \
                                                                                      "recovery()" \
                                                                                      " THEN "     \
                                                                                      "pg_"        \
                                                                                      "catalog."   \
                                                                                      "pg_last_"   \
                                                                                      "wal_"       \
                                                                                      "replay_"    \
                                                                                      "lsn() END " \
                                                                                      "AS "        \
                                                                                      "replayed,"  \
                                                                                      " CASE "     \
                                                                                      "WHEN "      \
                                                                                      "pg_"        \
                                                                                      "catalog."   \
                                                                                      "pg_is_in_"  \
                                                                                      "recovery()" \
                                                                                      " THEN "     \
                                                                                      "pg_"        \
                                                                                      "catalog."   \
                                                                                      "pg_is_wal_" \
                                                                                      "replay_"    \
                                                                                      "paused() "  \
                                                                                      "END AS "    \
                                                                                      "paused,"    \
                                                                                      " (SELECT "  \
                                                                                      "pg_"        \
                                                                                      "catalog."   \
                                                                                      "string_"    \
                                                                                      "agg(slot_"  \
                                                                                      "name::pg_"  \
                                                                                      "catalog."   \
                                                                                      "text, ',')" \
                                                                                      " FROM "     \
                                                                                      "pg_"        \
                                                                                      "catalog."   \
                                                                                      "pg_"        \
                                                                                      "replicatio" \
                                                                                      "n_slots "   \
                                                                                      "WHERE "     \
                                                                                      "active) "   \
                                                                                      "AS slots"   \
                                                                                      ") AS s "    \
                                                                                      "LEFT JOIN " \
                                                                                      "pg_"        \
                                                                                      "catalog."   \
                                                                                      "pg_stat_"   \
                                                                                      "wal_"       \
                                                                                      "receiver "  \
                                                                                      "AS r ON "   \
                                                                                      "true"

static const char statement_11[] = STATEMENT(" r.sender_host, r.sender_port");

/* Version 10 tells the sender in its connection string alone. */
static const char statement_10[] =
    STATEMENT(" pg_catalog.substring(r.conninfo, 'host=([^ ]*)') AS sender_host,"
              " pg_catalog.substring(r.conninfo, 'port=([0-9]*)') AS sender_port");

const char *answer_postgres_text(int version) {
    return version >= 110000 ? statement_11 : statement_10;
}

/* Our own session is read-only by its guards: what others get stands in reset_val. */
const char *const identity_postgres_text =
    "SELECT (SELECT system_identifier FROM pg_catalog.pg_control_system()) AS system_identifier,"
    " (SELECT reset_val FROM pg_catalog.pg_settings"
    " WHERE name OPERATOR(pg_catalog.=) 'default_transaction_read_only') AS read_only";

static struct str cell(const struct table *table, const char *name) {
    int column = table_column(table, name);
    return column >= 0 ? table_cell(table, 0, (size_t)column) : (struct str){0};
}

static bool is_true(struct str text) {
    return str_is(text, "t") || str_is(text, "on");
}

static void copy(struct str text, char *out, size_t size) {
    snprintf(out, size, "%.*s", (int)text.len, text.data != NULL ? text.data : "");
}

/* A position, port or timeline; what is NULL, negative or no number is 0. */
static uint64_t number(struct str text) {
    uint64_t value;
    return text.data != NULL && str_to_uint64(text, &value) ? value : 0;
}

/* Return: false when it is NULL. A clock that went back makes no age below 0. */
static bool usec_of_seconds(struct str text, uint64_t *ret) {
    double seconds;
    if (text.data == NULL || !str_to_double(text, &seconds) || !(seconds < 1e9)) {
        return false;
    }
    *ret = seconds > 0 ? (uint64_t)(seconds * (double)USEC_PER_SEC) : 0;
    return true;
}

static uint32_t hexadecimal(struct str text) {
    char digits[9];
    copy(text, digits, sizeof(digits));
    return (uint32_t)strtoul(digits, NULL, 16);
}

static void read_receiver(const struct table *table, struct member_answer *ret) {
    struct str status = cell(table, "status");
    if (cell(table, "pid").data == NULL) {
        ret->receiver = RECEIVER_NONE;
    } else if (status.data == NULL) {
        ret->receiver = RECEIVER_UNKNOWN;
    } else {
        ret->receiver = str_is(status, "streaming") ? RECEIVER_STREAMING : RECEIVER_NONE;
    }
    ret->has_message_age = usec_of_seconds(cell(table, "age"), &ret->message_age_usec);
    copy(cell(table, "sender_host"), ret->sender_host, sizeof(ret->sender_host));
    ret->sender_port = (uint16_t)number(cell(table, "sender_port"));
    copy(cell(table, "slot_name"), ret->slot, sizeof(ret->slot));
}

int answer_read_postgres(const struct table *table, struct member_answer *ret, struct error *err) {
    struct member_answer answer = {0};
    struct str recovering = cell(table, "recovering");
    if (table->n_rows != 1 || recovering.data == NULL) {
        return error_say(err, -EPROTO, "the server does not say whether it is in recovery");
    }
    answer.in_recovery = is_true(recovering);
    answer.timeline = answer.in_recovery ? (uint32_t)number(cell(table, "received_tli"))
                                         : hexadecimal(cell(table, "timeline"));
    answer.position = number(cell(table, "written"));
    answer.received = number(cell(table, "received"));
    answer.replayed = number(cell(table, "replayed"));
    answer.paused = is_true(cell(table, "paused"));
    if (answer.in_recovery) {
        read_receiver(table, &answer);
    }
    (void)usec_of_seconds(cell(table, "timeout"), &answer.receiver_timeout_usec);
    (void)usec_of_seconds(cell(table, "delay"), &answer.apply_delay_usec);
    copy(cell(table, "address"), answer.address, sizeof(answer.address));
    answer.port = (uint16_t)number(cell(table, "port"));
    struct str slots = cell(table, "slots");
    if (slots.len > 0 && slots.len + 2 <= sizeof(answer.slots)) {
        snprintf(answer.slots, sizeof(answer.slots), "%.*s,", (int)slots.len, slots.data);
    }
    *ret = answer;
    return 0;
}

int identity_read_postgres(const struct table *table, struct member_identity *ret,
                           struct error *err) {
    if (table->n_rows != 1) {
        return error_say(err, -EPROTO, "the server does not say which one it is");
    }
    *ret = (struct member_identity){.read_only = is_true(cell(table, "read_only"))};
    copy(cell(table, "system_identifier"), ret->system, sizeof(ret->system));
    return 0;
}
