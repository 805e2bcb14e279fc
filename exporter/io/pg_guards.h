/* SPDX-License-Identifier: Apache-2.0 */

/* The first exchange with a PostgreSQL server, and the settings that keep our statements harmless:
 * for the session on a direct connection, for one transaction behind a pooler. */
#pragma once

#include <libpq-fe.h>

#include "base/error.h"
#include "base/str.h"
#include "io/pg_options.h"

/* Answers a row for each setting that a guard changes and this version has: backend pid, version
 * number, name. */
extern const char *const pg_hello_query;

struct pg_guards {
    int version; /* server_version_num */
    int backend_pid;
    unsigned present; /* a bit for each guard whose setting the server has */
};

/* Reads the answer to pg_hello_query. Return: 0, or -EPROTO. */
int pg_guards_read(struct pg_guards *guards, const PGresult *result, struct error *err);

/* The statement that sets the guards that the server has, for the timeouts of the options. local:
 * only those that matter within one transaction, until its end. */
void pg_guards_statement(const struct pg_guards *guards, const struct pg_options *options,
                         bool local, struct strbuf *ret);
