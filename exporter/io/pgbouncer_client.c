/* SPDX-License-Identifier: Apache-2.0 */

/* The console answers one simple query at a time: the first request of the list is the one on the
 * wire, the others wait. */
#include "io/pgbouncer_client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "io/pg_base.h"
#include "io/pg_failure.h"

#define MOST_RESULTS_A_TURN 2000

struct pgbouncer_client {
    struct pg_base base;        /* first */
    struct pg_request *current; /* on the wire, or NULL */
};

static struct pgbouncer_client *client_of(struct pg_base *base) {
    return container_of(base, struct pgbouncer_client, base);
}

/* "1.18.0/bouncer" -> 11800. Return: false for what is no console. */
static bool read_version(const char *text, int *ret) {
    unsigned major, minor, patch = 0;
    const char *slash = strchr(text, '/');
    if (slash == NULL || strcmp(slash, "/bouncer") != 0 ||
        sscanf(text, "%u.%u.%u", &major, &minor, &patch) < 2 || major > 999 || minor > 99 ||
        patch > 99) {
        return false;
    }
    *ret = (int)(major * 10000 + minor * 100 + patch);
    return true;
}

static void begin(struct pg_base *base) {
    const char *version = PQparameterStatus(pg_conn_handle(base->conn), "server_version");
    if (!read_version(version != NULL ? version : "", &base->hello.version)) {
        struct client_failure failure = {.end = CLIENT_ALIVE, .reason = REASON_UNSUPPORTED};
        error_say(&failure.error, -EPROTO,
                  "this is not PgBouncer's console but a server of version '%.32s': connect to the "
                  "database 'pgbouncer'",
                  version != NULL ? version : "");
        pg_base_end(base, &failure);
        return;
    }
    (void)pg_base_ready(base);
}

static struct pg_request *next_request(const struct pg_base *base) {
    struct pg_request *request = base->requests.first;
    while (request != NULL && (request->sent || request->doom != PG_DOOM_NONE)) {
        request = request->next;
    }
    return request;
}

/* Return: false when nothing could be sent although something waits. */
static bool send_next(struct pgbouncer_client *client) {
    struct pg_base *base = &client->base;
    PGconn *handle = pg_conn_handle(base->conn);
    struct pg_request *request = next_request(base);
    if (client->current != NULL || request == NULL || base->client.state != CLIENT_READY) {
        return true;
    }
    request->sent = true;
    client->current = request;
    if (!PQsendQuery(handle, request->request.text)) {
        return false;
    }
    (void)PQsetSingleRowMode(handle);
    pg_conn_flush(base->conn);
    return true;
}

static void flush(struct client *self) {
    struct pgbouncer_client *client = client_of(container_of(self, struct pg_base, client));
    if (self->state == CLIENT_READY && !send_next(client)) {
        pg_base_end_soon(&client->base, REASON_LOCAL,
                         PQerrorMessage(pg_conn_handle(client->base.conn)));
    }
}

/* Return: false when the client is gone or has ended. */
static bool take_result(struct pgbouncer_client *client, const PGresult *result) {
    struct pg_base *base = &client->base;
    struct client_failure failure;
    switch (PQresultStatus(result)) {
    case PGRES_SINGLE_TUPLE:
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
    case PGRES_EMPTY_QUERY:
        return pg_base_take_rows(base, client->current, result);
    case PGRES_FATAL_ERROR:
    case PGRES_NONFATAL_ERROR:
    case PGRES_BAD_RESPONSE:
        pg_base_failure(base, result, &failure);
        if (failure.connection) { /* its last word, whether it hangs up now or not */
            pg_base_end(base, &failure);
            return false;
        }
        return client->current->doom != PG_DOOM_NONE ||
               pg_base_fail(base, client->current, &failure);
    default:
        pg_base_end_ours(base, REASON_UNSUPPORTED, "the console answered with COPY");
        return false;
    }
}

/* Return: false when the client is gone or has ended. */
static bool finish_current(struct pgbouncer_client *client) {
    struct pg_base *base = &client->base;
    struct pg_request *request = take_ptr(client->current);
    if (request->doom == PG_DOOM_NONE && !pg_base_answer(base, request)) {
        return false;
    }
    if (request->answered) {
        pg_request_free(&base->requests, request);
    } else {
        request->sent = false; /* its answer comes from the deferred call, which then frees it */
    }
    return true;
}

/* Return: false when there is no more to take now. */
static bool take_current(struct pgbouncer_client *client, int most) {
    struct pg_base *base = &client->base;
    PGconn *handle = pg_conn_handle(base->conn);
    for (; client->current != NULL; most--) {
        if (pg_conn_is_busy(base->conn)) {
            (void)pg_base_check_volume(base);
            return false;
        }
        if (most == 0) {
            pg_conn_set_reading(base->conn, false);
            loop_deferred_arm(base->deferred);
            return false;
        }
        PGresult *result = PQgetResult(handle);
        bool goes_on = result != NULL ? take_result(client, result) : finish_current(client);
        PQclear(result);
        if (!goes_on) {
            return false;
        }
    }
    return true;
}

static void work(struct pg_base *base) {
    struct pgbouncer_client *client = client_of(base);
    pg_conn_set_reading(base->conn, true);
    if (!take_current(client, MOST_RESULTS_A_TURN)) {
        return;
    }
    (void)pg_conn_is_busy(base->conn); /* takes the notices of an idle connection */
    if (!send_next(client)) {
        pg_base_end_ours(base, REASON_LOCAL, PQerrorMessage(pg_conn_handle(base->conn)));
    } else if (client->current == NULL) {
        pg_base_idle(base);
    }
}

static void dispose(struct pg_base *base) {
    client_of(base)->current = NULL;
}

struct client *pgbouncer_client_new(struct loop *loop, struct resolver *resolver,
                                    const struct pg_options *options,
                                    const struct client_events *events) {
    static const struct client_ops client_ops = {
        .open = pg_base_open,
        .submit = pg_base_submit,
        .flush = flush,
        .abandon = pg_base_abandon,
        .free = pg_base_free,
    };
    static const struct pg_base_ops base_ops = {
        .connected = begin, .work = work, .dispose = dispose};
    struct pgbouncer_client *client = mem_alloc(sizeof(*client));
    pg_base_init(&client->base, &base_ops, &client_ops, loop, resolver, options, events);
    return &client->base.client;
}
