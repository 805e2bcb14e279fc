/* SPDX-License-Identifier: Apache-2.0 */

#include "io/pg_guards.h"

#include <errno.h>

#define DEFAULT_TIMEOUT_USEC ((uint64_t)3 * 1000 * 1000)

static const struct guard {
    const char *name;
    const char *value; /* NULL: milliseconds, a part of the round's timeout */
    unsigned divisor;
    bool local;     /* also within one transaction behind a pooler */
    bool statement; /* the options may have another timeout for it */
} guards_list[] = {
    {"default_transaction_read_only", "on", 0, false}, /* the pooler's BEGIN says READ ONLY */
    {"statement_timeout", NULL, 3, true, .statement = true},
    {"lock_timeout", NULL, 10, true},
    {"idle_in_transaction_session_timeout", "60000", 0, true},
    {"jit", "off", 0, true},                 /* 11: costs more than such queries */
    {"idle_session_timeout", "0", 0, false}, /* 14: our connection is kept */
    {"transaction_timeout", "0", 0, false},  /* 17: ends the session, not the statement */
};
_Static_assert(ARRAY_LEN(guards_list) <= 32, "each guard has its bit");

const char *const pg_hello_query =
    "SELECT pg_catalog.pg_backend_pid(), pg_catalog.current_setting('server_version_num'),"
    " s.name FROM pg_catalog.pg_settings s WHERE s.name IN ("
    "'default_transaction_read_only', 'statement_timeout', 'lock_timeout',"
    " 'idle_in_transaction_session_timeout', 'jit', 'idle_session_timeout',"
    " 'transaction_timeout')";

static int read_number(const PGresult *result, int column, int *ret) {
    int64_t number;
    if (!str_to_int64(str_of(PQgetvalue(result, 0, column)), &number) || number < 0 ||
        number > INT32_MAX) {
        return -EPROTO;
    }
    *ret = (int)number;
    return 0;
}

int pg_guards_read(struct pg_guards *guards, const PGresult *result, struct error *err) {
    int n_rows = PQntuples(result);
    if (n_rows < 1 || PQnfields(result) != 3 || read_number(result, 0, &guards->backend_pid) < 0 ||
        read_number(result, 1, &guards->version) < 0) {
        return error_say(err, -EPROTO, "the server's first answer is not PostgreSQL's");
    }
    guards->present = 0;
    for (int row = 0; row < n_rows; row++) {
        for (size_t i = 0; i < ARRAY_LEN(guards_list); i++) {
            if (strcmp(PQgetvalue(result, row, 2), guards_list[i].name) == 0) {
                guards->present |= 1U << i;
            }
        }
    }
    return 0;
}

static uint64_t guard_ms(const struct guard *guard, const struct pg_options *options) {
    uint64_t round = options->guard_timeout_usec;
    uint64_t part = (round != 0 ? round : DEFAULT_TIMEOUT_USEC) / guard->divisor;
    if (guard->statement && options->statement_timeout_usec != 0) {
        part = options->statement_timeout_usec;
    }
    return part >= 1000 ? part / 1000 : 1; /* 0 would mean no limit */
}

static void add(struct strbuf *text, const struct guard *guard, const struct pg_options *options,
                bool local) {
    strbuf_printf(text, "%spg_catalog.set_config('%s','", text->len == 0 ? "SELECT " : ",",
                  guard->name);
    if (guard->value != NULL) {
        strbuf_add_text(text, guard->value);
    } else {
        strbuf_printf(text, "%llu", (unsigned long long)guard_ms(guard, options));
    }
    strbuf_printf(text, "',%s)", local ? "true" : "false");
}

void pg_guards_statement(const struct pg_guards *guards, const struct pg_options *options,
                         bool local, struct strbuf *ret) {
    strbuf_clear(ret);
    for (size_t i = 0; i < ARRAY_LEN(guards_list); i++) {
        const struct guard *guard = &guards_list[i];
        if ((guard->local || !local) && (guards->present >> i & 1) != 0) {
            add(ret, guard, options, local);
        }
    }
    if (ret->len == 0) {
        strbuf_add_text(ret, "SELECT 1");
    }
}
