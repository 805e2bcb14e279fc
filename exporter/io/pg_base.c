/* SPDX-License-Identifier: Apache-2.0 */

#include "io/pg_base.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "io/pg_failure.h"

/* A turn may take so many reads, each of which libpq makes as long as 16 KiB. */
#define MOST_READS_A_TURN 16

static struct pg_base *base_of(struct client *client) {
    return container_of(client, struct pg_base, client);
}

static void enter(struct pg_base *base, bool *freed) {
    *freed = false;
    base->freed = freed;
}

static void leave(struct pg_base *base, const bool *freed) {
    if (!*freed) {
        base->freed = NULL;
    }
}

static void on_connected(void *userdata) {
    struct pg_base *base = userdata;
    bool freed;
    enter(base, &freed);
    base->ops->connected(base);
    leave(base, &freed);
}

/* Takes what has arrived, and goes on while libpq has left something in the socket: to be woken for
 * each record of TLS costs more than the record. */
static void work(struct pg_base *base) {
    const bool *freed = base->freed;
    pg_conn_begin_turn(base->conn);
    for (int reads = 1;; reads++) {
        base->ops->work(base);
        if (*freed || base->conn == NULL) {
            return;
        }
        const char *why = pg_conn_end_turn(base->conn);
        if (why != NULL) {
            pg_base_end_ours(base, REASON_TOO_LARGE, why);
            return;
        }
        if (reads == MOST_READS_A_TURN || !pg_conn_read_on(base->conn)) {
            return;
        }
    }
}

static void on_readable(void *userdata) {
    struct pg_base *base = userdata;
    bool freed;
    enter(base, &freed);
    work(base);
    leave(base, &freed);
}

static void on_ended(void *userdata, const struct client_failure *failure) {
    struct pg_base *base = userdata;
    bool freed;
    enter(base, &freed);
    pg_base_end(base, failure);
    leave(base, &freed);
}

/* An unanswered request that waits for the next turn of the loop. */
static struct pg_request *first_doomed(const struct pg_base *base) {
    struct pg_request *request = base->requests.first;
    while (request != NULL && (request->doom == PG_DOOM_NONE || request->answered)) {
        request = request->next;
    }
    return request;
}

static size_t count_doomed(const struct pg_base *base) {
    size_t count = 0;
    for (const struct pg_request *r = base->requests.first; r != NULL; r = r->next) {
        count += r->doom != PG_DOOM_NONE && !r->answered;
    }
    return count;
}

/* Only as many as there are now: what an answer submits anew waits for another turn.
 * Return: false when the client is gone. */
static bool answer_doomed(struct pg_base *base) {
    for (size_t left = count_doomed(base); left > 0; left--) {
        struct pg_request *request = first_doomed(base);
        if (request == NULL) {
            return true;
        }
        struct client_failure failure;
        pg_request_doom_failure(request, base->why, &failure);
        if (!pg_base_fail(base, request, &failure)) {
            return false;
        }
        if (!request->sent) {
            pg_request_free(&base->requests, request);
        }
    }
    return true;
}

static void run_deferred(struct pg_base *base) {
    if (base->client.state != CLIENT_ENDED && error_is_set(&base->failure.error)) {
        struct client_failure failure = base->failure;
        pg_base_end(base, &failure);
    } else if (answer_doomed(base) && base->conn != NULL &&
               (base->client.state == CLIENT_READY || base->client.state == CLIENT_DRAINING)) {
        work(base);
    }
}

static void on_deferred(void *userdata) {
    struct pg_base *base = userdata;
    bool freed;
    enter(base, &freed);
    run_deferred(base);
    leave(base, &freed);
}

void pg_base_init(struct pg_base *base, const struct pg_base_ops *ops,
                  const struct client_ops *client_ops, struct loop *loop, struct resolver *resolver,
                  const struct pg_options *options, const struct client_events *events) {
    base->client = (struct client){.ops = client_ops, .events = *events, .state = CLIENT_IDLE};
    base->ops = ops;
    base->loop = loop;
    pg_options_copy(options, &base->options);
    base->deferred = loop_deferred_new(loop, on_deferred, base);
    const struct pg_conn_events conn_events = {
        .connected = on_connected, .readable = on_readable, .ended = on_ended, .userdata = base};
    base->conn = pg_conn_new(loop, resolver, &base->options, &conn_events);
}

void pg_base_open(struct client *client) {
    struct pg_base *base = base_of(client);
    client->state = CLIENT_CONNECTING;
    client->opened_usec = loop_now_usec(base->loop);
    pg_conn_open(base->conn);
}

void pg_base_submit(struct client *client, const struct client_request *request) {
    struct pg_base *base = base_of(client);
    struct pg_request *made = pg_request_new(&base->requests, request);
    if (client->state != CLIENT_READY) {
        made->doom = PG_DOOM_REFUSED;
        loop_deferred_arm(base->deferred);
    }
}

void pg_base_abandon(struct client *client, const char *why) {
    struct pg_base *base = base_of(client);
    if (client->state != CLIENT_READY) {
        return;
    }
    snprintf(base->why, sizeof(base->why), "%s", why);
    for (struct pg_request *request = base->requests.first; request != NULL;
         request = request->next) {
        if (!request->answered && request->doom == PG_DOOM_NONE) {
            request->doom = PG_DOOM_ABANDONED;
        }
    }
    client->state = CLIENT_DRAINING;
    loop_deferred_arm(base->deferred);
}

/* Fails what is open and frees it; requests that come meanwhile stay.
 * Return: false when the client is gone. */
static bool fail_open(struct pg_base *base, const struct client_failure *failure) {
    size_t count = 0;
    for (const struct pg_request *r = base->requests.first; r != NULL; r = r->next) {
        count++;
    }
    for (; count > 0; count--) {
        struct pg_request *request = base->requests.first;
        if (!pg_base_fail(base, request, failure)) {
            return false;
        }
        pg_request_free(&base->requests, request);
    }
    return true;
}

void pg_base_free(struct client *client) {
    struct pg_base *base = base_of(client);
    if (base->freeing) {
        return;
    }
    base->freeing = true;
    client->state = CLIENT_ENDED;
    base->ops->dispose(base);
    pg_conn_free(base->conn);
    base->conn = NULL;
    bool *outer = base->freed, freed = false;
    base->freed = &freed;
    struct client_failure failure = {
        .end = CLIENT_OURS, .reason = REASON_CANCELED, .connection = true};
    error_say(&failure.error, -ECANCELED, "the connection was closed by us");
    while (base->requests.first != NULL && fail_open(base, &failure)) {}
    loop_deferred_free(base->deferred);
    pg_options_deinit(&base->options);
    strbuf_deinit(&base->scratch);
    free(base);
    if (outer != NULL) {
        *outer = true;
    }
}

bool pg_base_ready(struct pg_base *base) {
    const bool *freed = base->freed;
    struct client_hello hello = base->hello;
    hello.connect_usec = loop_now_usec(base->loop) - base->client.opened_usec;
    base->client.state = CLIENT_READY;
    base->client.events.ready(base->client.events.userdata, &hello);
    return !*freed;
}

bool pg_base_answer(struct pg_base *base, struct pg_request *request) {
    const bool *freed = base->freed;
    pg_request_answer(request);
    return !*freed;
}

bool pg_base_fail(struct pg_base *base, struct pg_request *request,
                  const struct client_failure *failure) {
    const bool *freed = base->freed;
    pg_request_fail(request, failure);
    return !*freed;
}

static uint64_t bytes_of(const PGresult *result) {
    int n_columns = PQnfields(result), n_rows = PQntuples(result);
    uint64_t bytes = 0;
    for (int row = 0; row < n_rows; row++) {
        for (int i = 0; i < n_columns; i++) {
            bytes += (uint64_t)PQgetlength(result, row, i) + 1;
        }
    }
    return bytes;
}

/* Counts rows that nobody wants. Return: false when the client has ended. */
static bool skip_rows(struct pg_base *base, struct pg_request *request, const PGresult *result) {
    uint64_t bytes = bytes_of(result);
    request->skipped_bytes += bytes;
    if (bytes > PG_MOST_ROW_BYTES) {
        /* libpq's buffer would keep that size as long as the connection lives. */
        pg_base_end_ours(base, REASON_TOO_LARGE,
                         "a single row is too large: the connection was closed by us");
        return false;
    }
    if (request->skipped_bytes > PG_MOST_SKIPPED_BYTES) {
        pg_base_end_ours(base, REASON_TOO_LARGE,
                         "a reply went on far beyond its limit: the connection was closed by us");
        return false;
    }
    return true;
}

bool pg_base_take_rows(struct pg_base *base, struct pg_request *request, const PGresult *result) {
    base->progress_at = pg_conn_received(base->conn);
    if (request->answered || request->doom != PG_DOOM_NONE) {
        return skip_rows(base, request, result);
    }
    struct client_failure failure = {.end = CLIENT_ALIVE};
    int r = pg_request_rows(request, result, base->options.sql_ascii ? &base->scratch : NULL,
                            &failure.error);
    if (r == 0) {
        return true;
    }
    failure.reason = r == -E2BIG ? REASON_TOO_LARGE : REASON_PROTOCOL;
    return skip_rows(base, request, result) && pg_base_fail(base, request, &failure);
}

void pg_base_failure(struct pg_base *base, const PGresult *result, struct client_failure *ret) {
    pg_conn_note(base->conn, result);
    if (pg_result_is_last_word(result)) {
        pg_failure_from_last_word(result, ret);
    } else {
        pg_failure_from_result(result, ret);
    }
}

bool pg_base_check_volume(struct pg_base *base) {
    if (pg_conn_received(base->conn) - base->progress_at > PG_MOST_SKIPPED_BYTES) {
        pg_base_end_ours(base, REASON_TOO_LARGE,
                         "a single row is too large: the connection was closed by us");
        return false;
    }
    return true;
}

void pg_base_idle(struct pg_base *base) {
    if (base->client.state == CLIENT_DRAINING && answer_doomed(base)) {
        base->client.state = CLIENT_READY;
        base->client.events.drained(base->client.events.userdata);
    }
}

void pg_base_end(struct pg_base *base, const struct client_failure *failure) {
    struct client_failure copy = *failure;
    copy.connection = true;
    base->client.state = CLIENT_ENDED;
    base->ops->dispose(base);
    base->conn = pg_conn_free(base->conn);
    if (fail_open(base, &copy)) {
        base->client.events.ended(base->client.events.userdata, &copy);
    }
}

void pg_base_end_soon(struct pg_base *base, enum client_reason reason, const char *text) {
    base->failure.end = CLIENT_OURS;
    base->failure.reason = reason;
    error_say(&base->failure.error, -EIO, "%s", text);
    loop_deferred_arm(base->deferred);
}

void pg_base_end_ours(struct pg_base *base, enum client_reason reason, const char *text) {
    struct client_failure failure = {.end = CLIENT_OURS, .reason = reason};
    error_say(&failure.error, -EIO, "%s", text);
    pg_base_end(base, &failure);
}
