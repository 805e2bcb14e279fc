/* SPDX-License-Identifier: Apache-2.0 */

/* A PostgreSQL member in one row. The statement needs no more than pg_monitor, and does without:
 * then the receiver's columns are NULL although it has a process. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/duration.h"
#include "failover/answer.h"
#include "failover/managers.h"

/* The age of the last message is taken by the replica's own clock, and not by that of the
 * transaction. pg_walfile_name() of NULL is NULL, of anything in recovery an error. Settings have
 * units ("1min"), which are those of intervals. */
#define BEGINNING                                                                                  \
    "SELECT s.recovering,"                                                                         \
    " pg_catalog.substr(pg_catalog.pg_walfile_name(s.written), 1, 8) AS timeline,"                 \
    " pg_catalog.pg_wal_lsn_diff(s.written, '0/0') AS written,"                                    \
    " pg_catalog.pg_wal_lsn_diff(s.received, '0/0') AS received,"                                  \
    " pg_catalog.pg_wal_lsn_diff(s.replayed, '0/0') AS replayed,"                                  \
    " s.paused, s.slots, s.sync_names, r.pid, r.status, r.received_tli, r.slot_name,"              \
    " pg_catalog.substring(r.conninfo, '(?:^| )application_name=([^ ]*)') AS receiver_name,"       \
    " pg_catalog.substring(r.conninfo, 'fallback_application_name=([^ ]*)') AS receiver_fallback," \
    " extract(epoch FROM pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-)"                      \
    " r.last_msg_receipt_time) AS age,"                                                            \
    " extract(epoch FROM pg_catalog.current_setting('wal_receiver_timeout', true)"                 \
    "::pg_catalog.interval) AS timeout,"                                                           \
    " extract(epoch FROM pg_catalog.current_setting('recovery_min_apply_delay', true)"             \
    "::pg_catalog.interval) AS delay,"                                                             \
    " pg_catalog.host(pg_catalog.inet_server_addr()) AS address,"                                  \
    " pg_catalog.current_setting('port') AS port,"

/* Who streams is asked only of a primary that waits for somebody: each a line, its fields apart by
 * tabs, neither of which an application_name can hold. */
#define STANDBYS                                                                                   \
    " CASE WHEN NOT s.recovering AND s.sync_names OPERATOR(pg_catalog.<>) '' THEN"                 \
    " (SELECT pg_catalog.string_agg(pg_catalog.format(E'%s\t%s\t%s\t%s', p.application_name,"      \
    " pg_catalog.host(p.client_addr), l.slot_name, p.sync_state), E'\n'"                           \
    " ORDER BY p.sync_state OPERATOR(pg_catalog.=) 'async')"                                       \
    " FROM pg_catalog.pg_stat_replication AS p LEFT JOIN pg_catalog.pg_replication_slots AS l"     \
    " ON l.active_pid OPERATOR(pg_catalog.=) p.pid) END AS standbys,"

#define ENDING                                                                                     \
    " FROM (SELECT pg_catalog.pg_is_in_recovery() AS recovering,"                                  \
    " CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_current_wal_lsn() END"       \
    " AS written,"                                                                                 \
    " CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_receive_lsn() END"      \
    " AS received,"                                                                                \
    " CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() END"       \
    " AS replayed,"                                                                                \
    " CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_is_wal_replay_paused() END"      \
    " AS paused,"                                                                                  \
    " pg_catalog.current_setting('synchronous_standby_names') AS sync_names,"                      \
    " (SELECT pg_catalog.string_agg(slot_name::pg_catalog.text, ',')"                              \
    " FROM pg_catalog.pg_replication_slots WHERE active) AS slots) AS s"                           \
    " LEFT JOIN pg_catalog.pg_stat_wal_receiver AS r ON true"

#define STATEMENT(sender) BEGINNING STANDBYS sender ENDING

static const char statement_11[] = STATEMENT(" r.sender_host, r.sender_port");

/* Version 10 tells the sender in its connection string alone. */
static const char statement_10[] =
    STATEMENT(" pg_catalog.substring(r.conninfo, 'host=([^ ]*)') AS sender_host,"
              " pg_catalog.substring(r.conninfo, 'port=([0-9]*)') AS sender_port");

const char *answer_postgres_text(int version) {
    return version >= 110000 ? statement_11 : statement_10;
}

/* See managers.h; a library and an extension of that name are the same word there. */
const char facts_postgres_text[] =
    "SELECT"
    " (SELECT pg_catalog.string_agg(DISTINCT application_name, E'\n')"
    " FROM pg_catalog.pg_stat_activity WHERE application_name"
    " OPERATOR(pg_catalog.~) '^(Patroni|repmgr|pgautofailover|cnpg)') AS applications,"
    " (SELECT pg_catalog.string_agg(rolname::pg_catalog.text, E'\n') FROM pg_catalog.pg_roles"
    " WHERE rolname OPERATOR(pg_catalog.=) ANY (ARRAY['streaming_replica', 'rds_superuser',"
    " 'cloudsqlsuperuser', 'azure_pg_admin']::pg_catalog.name[])) AS roles,"
    " (SELECT pg_catalog.string_agg(extname::pg_catalog.text, E'\n') FROM pg_catalog.pg_extension"
    " WHERE extname OPERATOR(pg_catalog.=)"
    " ANY (ARRAY['repmgr', 'pgautofailover']::pg_catalog.name[])) AS extensions,"
    " (SELECT pg_catalog.string_agg(nspname::pg_catalog.text, E'\n') FROM pg_catalog.pg_namespace"
    " WHERE nspname OPERATOR(pg_catalog.=) 'repmgr') AS schemas,"
    " s.libraries, pg_catalog.concat_ws(E'\n', s.cnpg, s.line) AS settings,"
    " pg_catalog.to_regprocedure('pg_catalog.pg_promote(boolean,integer)') IS NOT NULL"
    " AS promotes,"
    " pg_catalog.has_function_privilege(pg_catalog.to_regprocedure("
    "'pg_catalog.pg_promote(boolean,integer)')::pg_catalog.oid, 'execute') AS promote"
    " FROM (SELECT pg_catalog.max(setting) FILTER (WHERE name OPERATOR(pg_catalog.=)"
    " 'shared_preload_libraries') AS libraries,"
    " pg_catalog.max(name) FILTER (WHERE name OPERATOR(pg_catalog.=) 'cnpg.config_sha256')"
    " AS cnpg,"
    " CASE WHEN pg_catalog.count(*) FILTER (WHERE source OPERATOR(pg_catalog.=) 'command line'"
    " AND name OPERATOR(pg_catalog.=) ANY (ARRAY['cluster_name', 'max_prepared_transactions',"
    " 'track_commit_timestamp', 'wal_log_hints'])) OPERATOR(pg_catalog.=) 4"
    " THEN 'command line' END AS line FROM pg_catalog.pg_settings) AS s";

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
    struct str name = cell(table, "receiver_name");
    copy(name.len > 0 ? name : cell(table, "receiver_fallback"), ret->receiver_name,
         sizeof(ret->receiver_name));
}

/* What is cut off could be another's name: then nothing is proven by any. */
static bool copy_whole(struct str text, char *out, size_t size) {
    copy(text, out, size);
    return text.len < size;
}

static void read_standbys(struct str lines, struct member_answer *ret) {
    while (lines.len > 0) {
        struct str line = str_cut(&lines, '\n');
        if (ret->n_standbys == ANSWER_MOST_STANDBYS) {
            ret->sync_cut = true;
            return;
        }
        struct answer_standby *standby = &ret->standbys[ret->n_standbys++];
        bool whole = copy_whole(str_cut(&line, '\t'), standby->name, sizeof(standby->name));
        whole &= copy_whole(str_cut(&line, '\t'), standby->address, sizeof(standby->address));
        whole &= copy_whole(str_cut(&line, '\t'), standby->slot, sizeof(standby->slot));
        standby->synchronous = str_is(line, "sync") || str_is(line, "quorum");
        ret->sync_cut |= !whole;
    }
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
    answer.sync_cut =
        !copy_whole(cell(table, "sync_names"), answer.sync_names, sizeof(answer.sync_names));
    read_standbys(cell(table, "standbys"), &answer);
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

int facts_read_postgres(const struct table *table, struct member_facts *ret, struct error *err) {
    struct str clues[CLUES];
    if (table->n_rows != 1) {
        return error_say(err, -EPROTO, "the server does not say who looks after it");
    }
    for (size_t i = 0; i < CLUES; i++) {
        clues[i] = cell(table, manager_clue_columns[i]);
    }
    *ret = (struct member_facts){
        .manager = managers_find(clues),
        .promote = !is_true(cell(table, "promotes")) ? PROMOTE_UNSUPPORTED
                   : is_true(cell(table, "promote")) ? PROMOTE_GRANTED
                                                     : PROMOTE_MISSING,
    };
    return 0;
}
