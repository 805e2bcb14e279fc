/* SPDX-License-Identifier: Apache-2.0 */

/* One libpq connection on the loop: resolving, connecting, and the classification of how it ended.
 * pg_client (extended protocol, pipelined) and pgbouncer_client (simple protocol) stand on it.
 *
 * libpq resolves names synchronously and its PQcancel blocks: names are resolved before and passed
 * as hostaddr, and nothing is ever cancelled. Notices are kept as the last word of a connection,
 * because that is how a server says goodbye on an idle one.
 *
 * Callbacks come only from the loop, and freeing the connection inside them is legal. */
#pragma once

#include <libpq-fe.h>

#include "io/client.h"
#include "io/pg_options.h"

struct pg_conn;

struct pg_conn_events {
    void (*connected)(void *userdata);
    void (*readable)(void *userdata); /* after PQconsumeInput() succeeded */
    void (*ended)(void *userdata, const struct client_failure *failure);
    void *userdata;
};

/* options are borrowed and must outlive the connection. */
struct pg_conn *pg_conn_new(struct loop *loop, struct resolver *resolver,
                            const struct pg_options *options, const struct pg_conn_events *events);
struct pg_conn *pg_conn_free(struct pg_conn *conn);
DEFINE_CLEANUP(struct pg_conn, pg_conn_free);

/* Starts resolving and connecting. No callback before it returns. */
void pg_conn_open(struct pg_conn *conn);

/* libpq's handle, or NULL before the connection was begun; non-blocking. */
PGconn *pg_conn_handle(struct pg_conn *conn);

/* Reads once more when libpq has left something in the socket: under TLS it takes one record at a
 * time. Counts as a turn of its own. Return: false when there is nothing to read now. */
bool pg_conn_read_on(struct pg_conn *conn);

/* PQisBusy(): takes apart what has arrived. Return: false when there is a result to be taken. */
bool pg_conn_is_busy(struct pg_conn *conn);

/* Around the work that arrived bytes cause. Return: NULL, or a sentence that says why the
 * connection has to be closed: its messages cost too much. */
void pg_conn_begin_turn(struct pg_conn *conn);
const char *pg_conn_end_turn(struct pg_conn *conn);

/* Sends what libpq has buffered, now and whenever the socket takes more. */
void pg_conn_flush(struct pg_conn *conn);

/* Holds back packets that are not full, until it is switched off: for pieces that are sent one by
 * one and belong together. Where the socket or the machine cannot do that, nothing changes. */
void pg_conn_cork(struct pg_conn *conn, bool on);

/* Stops or resumes reading, so that libpq's buffer does not grow while its owner has a backlog. */
void pg_conn_set_reading(struct pg_conn *conn, bool on);

/* Bytes that came since the connection was made, also those that libpq still holds. Exact while one
 * large message is read, else too high: what waits in the socket is counted at each look. */
uint64_t pg_conn_received(const struct pg_conn *conn);

/* Remembers an error result as the server's last word, if it is one: when the connection ends it
 * tells why. Notices are remembered without being asked. */
void pg_conn_note(struct pg_conn *conn, const PGresult *result);
