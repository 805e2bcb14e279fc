/* SPDX-License-Identifier: Apache-2.0 */

/* What pg_client and pgbouncer_client have in common: the connection, the list of open requests,
 * and the promises of io/client.h: each request is answered once, nothing is called back inside a
 * call of the owner, and freeing is legal inside every callback.
 *
 * For the last one each entry from the loop keeps a flag on its stack that base->freed points to;
 * functions that call the owner say whether the client is still there. */
#pragma once

#include "io/client.h"
#include "io/pg_conn.h"
#include "io/pg_request.h"

struct pg_base;

struct pg_base_ops {
    void (*connected)(struct pg_base *base);
    /* Takes what has arrived; called when there may be something. Ends with pg_base_idle() when
     * nothing is outstanding on the wire. */
    void (*work)(struct pg_base *base);
    /* Drops what refers to requests and the connection: they are about to go. */
    void (*dispose)(struct pg_base *base);
};

struct pg_base {
    struct client client; /* first */
    const struct pg_base_ops *ops;
    struct loop *loop;
    struct pg_options options;
    struct pg_conn *conn; /* NULL after the end */
    struct loop_deferred *deferred;
    struct pg_request_list requests;
    struct client_hello hello;
    struct strbuf scratch; /* for cells that may be no UTF-8 */
    struct client_failure
        failure;          /* ends the client from the deferred call when its error is set */
    uint64_t progress_at; /* bytes received when the last result was complete */
    bool *freed;
    bool freeing;
    char why[128]; /* of the last abandon */
};

void pg_base_init(struct pg_base *base, const struct pg_base_ops *ops,
                  const struct client_ops *client_ops, struct loop *loop, struct resolver *resolver,
                  const struct pg_options *options, const struct client_events *events);

/* The operations of struct client that need nothing protocol-specific. */
void pg_base_open(struct client *client);
void pg_base_submit(struct client *client, const struct client_request *request);
void pg_base_abandon(struct client *client, const char *why);
void pg_base_free(struct client *client);

/* Call the owner. Return: false when the client is gone. */
bool pg_base_ready(struct pg_base *base);
bool pg_base_answer(struct pg_base *base, struct pg_request *request);
bool pg_base_fail(struct pg_base *base, struct pg_request *request,
                  const struct client_failure *failure);

/* Adds a result's rows to the reply; when that is too much, the request is answered with it and the
 * rest is skipped, up to a limit that ends the client. Return: false when it is gone or ended. */
bool pg_base_take_rows(struct pg_base *base, struct pg_request *request, const PGresult *result);

/* The failure of an error result, noted as the connection's last word if it is one. */
void pg_base_failure(struct pg_base *base, const PGresult *result, struct client_failure *ret);

/* Has too much come without a complete result (one huge row)? Then the client is ended.
 * Return: false when it is gone or ended. */
bool pg_base_check_volume(struct pg_base *base);

/* Nothing is outstanding: a draining client is ready again. The client may be gone afterwards. */
void pg_base_idle(struct pg_base *base);

/* Ends the client: answers what is open with failure, then tells the owner. The client may be gone
 * afterwards. Only from the loop. */
void pg_base_end(struct pg_base *base, const struct client_failure *failure);

/* The same from the next turn of the loop, for functions that the owner calls. */
void pg_base_end_soon(struct pg_base *base, enum client_reason reason, const char *text);

/* Shorthand for an end of our own making. */
void pg_base_end_ours(struct pg_base *base, enum client_reason reason, const char *text);
