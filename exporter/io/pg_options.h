/* SPDX-License-Identifier: Apache-2.0 */

/* How to reach a PostgreSQL server or a PgBouncer: a DSN, checked and taken apart by libpq. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct pg_options {
    char *dsn;          /* keywords, without the secrets below; may be empty */
    char *password;     /* NULL: from the DSN's passfile or none. Secret: never in a text */
    char *key_password; /* sslpassword: of the client's key file, or NULL. Secret */
    char *database;     /* connects to this one whatever the DSN says, every byte of its name taken
                           as it is; NULL: the DSN's */
    uint64_t guard_timeout_usec; /* the round's timeout: statement_timeout is a third, lock_timeout
                                    a tenth of it; 0 means 3 s */
    uint64_t statement_timeout_usec; /* instead of that third; 0: the third */
    bool sql_ascii; /* ask for client_encoding SQL_ASCII and replace what is no UTF-8: for a server
                       whose databases have mixed encodings. Set by the owner of a connection that
                       ended with SQLSTATE 22021 or 22P05, before it opens the next */
};

/* Checks a DSN and moves its password into ret->password. Environment variables (PGHOST...) apply
 * where the DSN is silent. Errors name the parameter, never its value.
 * Return: 0 or -EINVAL. */
int pg_options_parse(const char *dsn, struct pg_options *ret, struct error *err);

/* Whether it means one server: no list of hosts, no target_session_attrs, here or in the
 * environment. Return: 0 or -EINVAL. */
int pg_options_check_single(const struct pg_options *options, struct error *err);

void pg_options_deinit(struct pg_options *options);

/* What `instance` says: "host:port" as written, "[v6]:port", "/socket/dir:port", the first host of
 * a list. Written to out, always terminated. */
void pg_options_instance(const struct pg_options *options, char *out, size_t size);

/* Do both mean the same connection? sql_ascii, which is learned, does not count. */
bool pg_options_equal(const struct pg_options *a, const struct pg_options *b);
void pg_options_copy(const struct pg_options *from, struct pg_options *ret);
