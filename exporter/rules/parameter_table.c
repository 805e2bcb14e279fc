/* SPDX-License-Identifier: Apache-2.0 */

#include "rules/parameter_table.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/duration.h"
#include "base/macros.h"
#include "base/number.h"

#define MIB (1024.0 * 1024)
#define GIB (1024 * MIB)

#define POSTGRES  "postgres"
#define PGBOUNCER "pgbouncer"
#define REDIS     "redis"
#define HOST      "host"
#define ANY_REDIS "redis, sentinel"

const char *const parameter_unit_names[] = {
    [PARAMETER_NUMBER] = "number",
    [PARAMETER_RATIO] = "ratio",
    [PARAMETER_SECONDS] = "seconds",
    [PARAMETER_BYTES] = "bytes",
};

const struct parameter parameter_table[] = {
    {"failed_rounds_ratio", NULL, PARAMETER_RATIO, 0.05,
     "Share of rounds that fail, above which a target fails too often."},
    {"host_cpu_ratio", HOST, PARAMETER_RATIO, 0.8,
     "Share of the processors' time, from which on they count as busy."},
    {"host_disk_free_critical_ratio", HOST, PARAMETER_RATIO, 0.03,
     "Free share of a file system, below which it counts as full."},
    {"host_disk_free_ratio", HOST, PARAMETER_RATIO, 0.1,
     "Free share of a file system, below which it may not be filling up within a day."},
    {"host_inodes_free_ratio", HOST, PARAMETER_RATIO, 0.1,
     "Free share of a file system's inodes, below which they are short."},
    {"host_memory_free_ratio", HOST, PARAMETER_RATIO, 0.1,
     "Share of the memory that can still be had, below which it is short."},
    {"pgbouncer_clients_ratio", PGBOUNCER, PARAMETER_RATIO, 0.9,
     "Share of max_client_conn, above which clients are about to be refused."},
    {"pgbouncer_query_seconds", PGBOUNCER, PARAMETER_SECONDS, 0.1,
     "Average time of a query through PgBouncer, above which it is slow."},
    {"pool_utilisation_critical_ratio", PGBOUNCER, PARAMETER_RATIO, 0.85,
     "Used share of a pool, above which it counts as full."},
    {"pool_utilisation_ratio", PGBOUNCER, PARAMETER_RATIO, 0.8,
     "Used share of a pool, above which it is nearly full."},
    {"pool_wait_seconds", PGBOUNCER, PARAMETER_SECONDS, 1,
     "How long the first client in a pool's queue may have waited."},
    {"pool_waiting_clients", PGBOUNCER, PARAMETER_NUMBER, 5,
     "Clients of a database that wait for a connection, from which on it is an alert."},
    {"postgres_blocked_sessions", POSTGRES, PARAMETER_NUMBER, 5,
     "How many sessions may wait for locks."},
    {"postgres_cache_hit_ratio", POSTGRES, PARAMETER_RATIO, 0.9,
     "Share of a database's blocks that must come out of shared buffers."},
    {"postgres_connections_critical_ratio", POSTGRES, PARAMETER_RATIO, 0.95,
     "Used share of the connections of ordinary users, above which they are exhausted."},
    {"postgres_connections_ratio", POSTGRES, PARAMETER_RATIO, 0.8,
     "Used share of the connections of ordinary users, above which they are many."},
    {"postgres_dead_rows_ratio", POSTGRES, PARAMETER_RATIO, 0.35,
     "Share of a table's rows that may be dead."},
    {"postgres_freeze_age", POSTGRES, PARAMETER_NUMBER, 1e9,
     "How old the oldest transaction or multixact id of a database may be, in ids."},
    {"postgres_idle_in_transaction_seconds", POSTGRES, PARAMETER_SECONDS, 300,
     "How long a session may have a transaction open and do nothing in it."},
    {"postgres_locks_ratio", POSTGRES, PARAMETER_RATIO, 0.2,
     "Share of the lock table that may be in use."},
    {"postgres_long_transaction_seconds", POSTGRES, PARAMETER_SECONDS, 300,
     "How long a transaction at work may be open."},
    {"postgres_rollback_ratio", POSTGRES, PARAMETER_RATIO, 0.05,
     "Share of a database's transactions that may roll back."},
    {"postgres_slow_statement_seconds", POSTGRES, PARAMETER_SECONDS, 0.1,
     "Average time of one statement, above which it is slow."},
    {"postgres_statement_seconds", POSTGRES, PARAMETER_SECONDS, 0.1,
     "Average time of all statements of a database, above which it is slow."},
    {"postgres_temporary_bytes", POSTGRES, PARAMETER_BYTES, 10 * MIB,
     "Temporary files that queries of a database may write in a second."},
    {"postgres_transaction_seconds", POSTGRES, PARAMETER_SECONDS, 0.1,
     "Average time at work of a database's transactions, above which they are slow."},
    {"postgres_vacuum_age_seconds", POSTGRES, PARAMETER_SECONDS, 7 * 24 * 3600,
     "How long ago a table with many dead rows may have been vacuumed."},
    {"redis_command_seconds", REDIS, PARAMETER_SECONDS, 0.1,
     "Average time of a command, above which Redis is slow."},
    {"redis_connections_ratio", ANY_REDIS, PARAMETER_RATIO, 0.8,
     "Share of maxclients that may be connected."},
    {"redis_error_ratio", REDIS, PARAMETER_RATIO, 0.05,
     "Share of commands that may be answered with an error."},
    {"redis_evictions_per_second", ANY_REDIS, PARAMETER_NUMBER, 10,
     "Keys that may be thrown away in a second."},
    {"redis_hit_ratio", ANY_REDIS, PARAMETER_RATIO, 0.7,
     "Share of look-ups that must find their key."},
    {"redis_memory_ratio", REDIS, PARAMETER_RATIO, 0.9, "Share of maxmemory that may be in use."},
    {"redis_replica_lag_seconds", REDIS, PARAMETER_SECONDS, 5,
     "How long a master may not have heard of a replica."},
    {"redis_save_age_seconds", REDIS, PARAMETER_SECONDS, 24 * 3600,
     "How old the last snapshot of changed data may be."},
    {"replication_lag_bytes", POSTGRES, PARAMETER_BYTES, 100 * MIB,
     "WAL that a connected standby may have yet to replay."},
    {"replication_lag_critical_seconds", POSTGRES, PARAMETER_SECONDS, 60,
     "How far a replica may be behind before it is of no use."},
    {"replication_lag_deviations", POSTGRES, PARAMETER_NUMBER, 4,
     "How many standard deviations above its own average a replica's lag is unusual."},
    {"replication_lag_seconds", POSTGRES, PARAMETER_SECONDS, 5, "How far a replica may be behind."},
    {"replication_lag_unusual_seconds", POSTGRES, PARAMETER_SECONDS, 1,
     "Lag that is never unusual, however steady the replica is otherwise."},
    {"replication_slot_wal_bytes", POSTGRES, PARAMETER_BYTES, 10 * GIB,
     "WAL that a replication slot may make the server keep."},
    {"round_seconds", NULL, PARAMETER_SECONDS, 2, "How long a round of a target may take."},
    {0},
};

const struct parameter *parameter_find(struct str name) {
    size_t low = 0, high = ARRAY_LEN(parameter_table) - 1;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = str_compare(str_of(parameter_table[middle].name), name);
        if (order == 0) {
            return &parameter_table[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

bool parameter_is_name(struct str name) {
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        if (c != '_' && (c < 'a' || c > 'z') && (i == 0 || c < '0' || c > '9')) {
            return false;
        }
    }
    return name.len > 0 && name.len <= PARAMETER_NAME_MOST;
}

const char *parameter_suggest(struct str name) {
    return str_suggest(name, parameter_table, ARRAY_LEN(parameter_table) - 1,
                       sizeof(parameter_table[0]));
}

static bool ends_with(struct str name, const char *end) {
    size_t len = strlen(end);
    return name.len > len && memcmp(name.data + name.len - len, end, len) == 0;
}

enum parameter_unit parameter_unit_of(struct str name) {
    const struct parameter *parameter = parameter_find(name);
    if (parameter != NULL) {
        return parameter->unit;
    }
    return ends_with(name, "_ratio")     ? PARAMETER_RATIO
           : ends_with(name, "_seconds") ? PARAMETER_SECONDS
           : ends_with(name, "_bytes")   ? PARAMETER_BYTES
                                         : PARAMETER_NUMBER;
}

bool parameter_fits(const struct parameter *parameter, const char *type) {
    struct str types = str_of(parameter->types != NULL ? parameter->types : type);
    while (types.len > 0) {
        if (str_is(str_trim(str_cut(&types, ',')), type)) {
            return true;
        }
    }
    return false;
}

int parameter_check(struct str name, double value, struct error *err) {
    if (!isfinite(value)) {
        return error_say(err, -EINVAL, "it must be a finite number");
    }
    if (parameter_find(name) == NULL) {
        return 0;
    }
    if (value < 0) {
        return error_say(err, -EINVAL, "it must not be negative");
    }
    if (value > 1 && parameter_unit_of(name) == PARAMETER_RATIO) {
        return error_say(err, -EINVAL, "it is a ratio from 0 to 1, so 80 %% is written 0.8");
    }
    return 0;
}

static bool parse_in_unit(enum parameter_unit unit, struct str text, double *ret) {
    uint64_t whole;
    if (unit == PARAMETER_SECONDS && duration_parse(text, &whole, NULL) == 0) {
        *ret = (double)whole / (double)USEC_PER_SEC;
        return true;
    }
    if (unit == PARAMETER_BYTES && bytes_parse(text, &whole, NULL) == 0) {
        *ret = (double)whole;
        return true;
    }
    return false;
}

int parameter_parse(struct str name, struct str text, double *ret, struct error *err) {
    static const char *const expected[] = {
        [PARAMETER_NUMBER] = "a number",
        [PARAMETER_RATIO] = "a number such as 0.8",
        [PARAMETER_SECONDS] = "a number of seconds or a duration such as 500ms, 10s or 1m30s",
        [PARAMETER_BYTES] = "a number of bytes or a size such as 64KiB or 256MiB",
    };
    enum parameter_unit unit = parameter_unit_of(name);
    double value;
    if (!str_to_double(text, &value) && !parse_in_unit(unit, text, &value)) {
        return error_say(err, -EINVAL, "it should be %s", expected[unit]);
    }
    int r = parameter_check(name, value, err);
    if (r == 0) {
        *ret = value;
    }
    return r;
}

/* Whether it is that many milliseconds, which a duration can say. */
static bool format_seconds(double value, struct strbuf *out) {
    char text[32];
    double ms = value * 1000;
    if (ms < 1 || ms > 1e15 || ms != floor(ms)) {
        return false;
    }
    strbuf_add_text(out, duration_format((uint64_t)ms * USEC_PER_MSEC, text));
    return true;
}

static bool format_bytes(double value, struct strbuf *out) {
    static const char *const units[] = {"GiB", "MiB", "KiB"};
    double size = GIB;
    for (size_t i = 0; i < ARRAY_LEN(units); i++, size /= 1024) {
        double count = value / size;
        if (count >= 1 && count < 1e6 && count == floor(count)) {
            strbuf_printf(out, "%.0f%s", count, units[i]);
            return true;
        }
    }
    return false;
}

void parameter_format(struct str name, double value, struct strbuf *out) {
    enum parameter_unit unit = parameter_unit_of(name);
    char number[NUMBER_TEXT_SIZE];
    if ((unit == PARAMETER_SECONDS && format_seconds(value, out)) ||
        (unit == PARAMETER_BYTES && format_bytes(value, out))) {
        return;
    }
    number_format(value, number);
    strbuf_add_text(out, number);
}
