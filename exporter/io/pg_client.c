/* SPDX-License-Identifier: Apache-2.0 */

/* Everything after the connection is made goes through one pipeline. Each message sent that libpq
 * answers with a result of its own is a step in a queue; results come in the order of the steps.
 *
 * A request on a direct connection is [PREPARE] QUERY SYNC, behind a pooler BEGIN SETTINGS QUERY
 * SYNC COMMIT SYNC. Its last sync carries it: only then is it freed, or run again. */
#include "io/pg_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"
#include "io/pg_base.h"
#include "io/pg_failure.h"
#include "io/pg_guards.h"

/* Results (rows) that are taken in one turn of the loop. */
#define MOST_RESULTS_A_TURN 2000

/* A server sends each answer of a pipeline by itself, a few dozen microseconds apart. Whoever wakes
 * for each spends most of its time waking: after a pipeline of so many requests reading rests until
 * most answers are probably there. */
#define RESTING_REQUESTS 3
#define REST_USEC        ((uint64_t)1000)

enum pg_step_kind {
    STEP_HELLO,  /* pg_hello_query */
    STEP_GUARDS, /* the session's settings */
    STEP_PREPARE,
    STEP_FRAME, /* the transaction around a query */
    STEP_QUERY,
    STEP_SYNC,
};

struct pg_step {
    enum pg_step_kind kind;
    unsigned serial;            /* of the statement that is prepared or executed, or 0 */
    struct pg_request *request; /* of a sync: only the last one of a request */
};

/* How a request is run: a failure that has to do with preparing leads to the next. */
enum pg_how {
    PG_HOW_PREPARED, /* a statement that was prepared before */
    PG_HOW_FRESH,    /* prepared in front of it */
    PG_HOW_UNNAMED,
};

/* A constant text on this connection, known by its address. */
struct pg_statement {
    const char *text;
    unsigned serial; /* its name is d<serial> */
    bool prepared;
    bool unnamed; /* preparing it does not work here */
};

struct pg_client {
    struct pg_base base; /* first */
    struct pg_guards guards;
    struct strbuf frame_settings; /* SETTINGS behind a pooler */
    struct hash_map statements;
    unsigned last_serial;
    struct pg_step *steps; /* a queue: [head, head + count) */
    size_t head, count, capacity;
    bool encoding_failed;    /* ends when nothing is outstanding */
    bool flush_later;        /* at the next sync */
    struct loop_timer *rest; /* set while reading rests */
};

static struct pg_client *client_of(struct pg_base *base) {
    return container_of(base, struct pg_client, base);
}

static PGconn *handle_of(const struct pg_client *client) {
    return pg_conn_handle(client->base.conn);
}

/* libpq wants to be told when a query becomes the current one, before its first row is parsed. */
static void start_current(struct pg_client *client) {
    if (client->count != 0 && client->steps[client->head].kind == STEP_QUERY) {
        (void)PQsetSingleRowMode(handle_of(client));
    }
}

static void push_step(struct pg_client *client, struct pg_step step) {
    if (client->count == 0) {
        client->head = 0;
    }
    client->steps = mem_grow(client->steps, client->head + client->count, &client->capacity,
                             sizeof(*client->steps));
    client->steps[client->head + client->count++] = step;
    if (client->count == 1) {
        start_current(client);
    }
}

static void pop_step(struct pg_client *client) {
    client->head++;
    client->count--;
    start_current(client);
}

static bool send_text(struct pg_client *client, enum pg_step_kind kind, const char *text,
                      struct pg_request *request) {
    if (!PQsendQueryParams(handle_of(client), text, 0, NULL, NULL, NULL, NULL, 0)) {
        return false;
    }
    push_step(client, (struct pg_step){.kind = kind, .request = request});
    return true;
}

/* libpq before 17 sends whatever it has at each sync; pg_conn_cork() makes one packet of that. */
static bool put_sync(PGconn *handle) {
#ifdef LIBPQ_HAS_SEND_PIPELINE_SYNC
    return PQsendPipelineSync(handle);
#else
    return PQpipelineSync(handle);
#endif
}

static bool send_sync(struct pg_client *client, struct pg_request *request) {
    if (!put_sync(handle_of(client))) {
        return false;
    }
    push_step(client, (struct pg_step){.kind = STEP_SYNC, .request = request});
    return true;
}

static bool is_statement(const void *entry, const void *key) {
    return ((const struct pg_statement *)entry)->text == key;
}

static struct pg_statement *statement_for(struct pg_client *client, const char *text) {
    uint64_t hash = hash_bytes(&text, sizeof(text));
    struct pg_statement *statement = hash_map_get(&client->statements, hash, is_statement, text);
    if (statement == NULL) {
        statement = mem_alloc(sizeof(*statement));
        statement->text = text;
        hash_map_add(&client->statements, hash, statement);
    }
    return statement;
}

static bool send_prepared(struct pg_client *client, struct pg_request *request) {
    struct pg_statement *statement = request->statement;
    char name[16];
    if (!statement->prepared) {
        statement->serial = ++client->last_serial;
    }
    snprintf(name, sizeof(name), "d%u", statement->serial);
    const struct pg_step step = {
        .kind = STEP_QUERY, .serial = statement->serial, .request = request};
    if (!statement->prepared) {
        struct pg_step prepare = step;
        prepare.kind = STEP_PREPARE;
        if (!PQsendPrepare(handle_of(client), name, statement->text, 0, NULL)) {
            return false;
        }
        push_step(client, prepare);
        statement->prepared = true; /* unless this step fails */
        request->how = PG_HOW_FRESH;
    }
    if (!PQsendQueryPrepared(handle_of(client), name, 0, NULL, NULL, NULL, 0)) {
        return false;
    }
    push_step(client, step);
    return send_sync(client, request);
}

static bool send_framed(struct pg_client *client, struct pg_request *request) {
    return send_text(client, STEP_FRAME, "BEGIN READ ONLY", request) &&
           send_text(client, STEP_FRAME, client->frame_settings.data, request) &&
           send_text(client, STEP_QUERY, request->request.text, request) &&
           send_sync(client, NULL) && send_text(client, STEP_FRAME, "COMMIT", request) &&
           send_sync(client, request);
}

static bool send_request(struct pg_client *client, struct pg_request *request) {
    request->sent = true;
    request->retry = false;
    if (client->base.hello.pooler) {
        return send_framed(client, request);
    }
    if (request->request.constant) {
        request->statement = statement_for(client, request->request.text);
    }
    if (request->statement != NULL && !request->statement->unnamed) {
        return send_prepared(client, request);
    }
    request->how = PG_HOW_UNNAMED;
    return send_text(client, STEP_QUERY, request->request.text, request) &&
           send_sync(client, request);
}

/* The next request that is to be sent, from this one on. */
static struct pg_request *next_unsent(struct pg_request *request) {
    while (request != NULL && (request->sent || request->doom != PG_DOOM_NONE)) {
        request = request->next;
    }
    return request;
}

static void send_waiting(struct pg_client *client) {
    struct pg_request *request = next_unsent(client->base.requests.first);
    if (request == NULL) {
        return;
    }
    bool sent = true;
    size_t count = 0;
    pg_conn_cork(client->base.conn, true);
    for (; request != NULL && sent; request = next_unsent(request->next)) {
        sent = send_request(client, request);
        count++;
    }
    if (!sent) {
        pg_base_end_soon(&client->base, REASON_LOCAL, PQerrorMessage(handle_of(client)));
        return;
    }
    pg_conn_flush(client->base.conn);
    pg_conn_cork(client->base.conn, false);
    if (count >= RESTING_REQUESTS) {
        pg_conn_set_reading(client->base.conn, false);
        loop_timer_set(client->rest, loop_now_usec(client->base.loop) + REST_USEC);
    }
}

/* After an error libpq skips the end of that query's results when another query is queued before
 * the end was taken: what is asked for by an answer waits for the next sync. */
static void flush(struct client *self) {
    struct pg_client *client = client_of(container_of(self, struct pg_base, client));
    if (self->state != CLIENT_READY) {
        return;
    }
    client->flush_later = client->base.freed != NULL && client->count != 0;
    if (!client->flush_later) {
        send_waiting(client);
    }
}

static void end_rest(void *userdata) {
    struct pg_client *client = userdata;
    pg_conn_set_reading(client->base.conn, true);
}

static void begin(struct pg_base *base) {
    struct pg_client *client = client_of(base);
    if (!PQenterPipelineMode(handle_of(client)) ||
        !send_text(client, STEP_HELLO, pg_hello_query, NULL) || !send_sync(client, NULL)) {
        pg_base_end_ours(base, REASON_LOCAL, PQerrorMessage(handle_of(client)));
        return;
    }
    pg_conn_flush(base->conn);
}

/* Return: false when the client has ended. */
static bool set_guards(struct pg_client *client) {
    struct strbuf text = {0};
    pg_guards_statement(&client->guards, &client->base.options, false, &text);
    bool sent = send_text(client, STEP_GUARDS, text.data, NULL) && send_sync(client, NULL);
    strbuf_deinit(&text);
    if (!sent) {
        pg_base_end_ours(&client->base, REASON_LOCAL, PQerrorMessage(handle_of(client)));
        return false;
    }
    pg_conn_flush(client->base.conn);
    return true;
}

/* Return: false when the client has ended. */
static bool take_hello(struct pg_client *client, const PGresult *result) {
    struct client_failure failure = {.end = CLIENT_ALIVE, .reason = REASON_PROTOCOL};
    if (pg_guards_read(&client->guards, result, &failure.error) < 0) {
        pg_base_end(&client->base, &failure);
        return false;
    }
    client->base.hello.version = client->guards.version;
    client->base.hello.pooler = client->guards.backend_pid != PQbackendPID(handle_of(client));
    if (!client->base.hello.pooler) {
        return set_guards(client);
    }
    pg_guards_statement(&client->guards, &client->base.options, true, &client->frame_settings);
    return true;
}

/* Is it a complaint about a prepared statement that another way of running may cure? Then the
 * request runs again when its sync has come. */
static bool retries(struct pg_client *client, const struct pg_step *step, const char *sqlstate) {
    struct pg_request *request = step->request;
    struct pg_statement *statement = request->statement;
    if (step->serial == 0 || request->answered ||
        (strcmp(sqlstate, "26000") != 0 && strcmp(sqlstate, "0A000") != 0 &&
         strcmp(sqlstate, "42P05") != 0)) {
        return false;
    }
    if (statement->serial == step->serial) {
        statement->prepared = false;
    }
    if (request->how == PG_HOW_FRESH) {
        statement->unnamed = true;
    }
    request->retry = true;
    return true;
}

/* Return: false when the client is gone or has ended. */
static bool take_error(struct pg_client *client, const struct pg_step *step,
                       const PGresult *result) {
    struct client_failure failure;
    pg_base_failure(&client->base, result, &failure);
    /* After its last word a server hangs up; one that does not is not waited for. */
    if (failure.connection || step->kind == STEP_HELLO || step->kind == STEP_GUARDS) {
        pg_base_end(&client->base, &failure);
        return false;
    }
    if (step->kind == STEP_PREPARE && step->request->statement->serial == step->serial) {
        step->request->statement->prepared = false;
    }
    if (step->request == NULL || step->request->doom != PG_DOOM_NONE ||
        retries(client, step, failure.sqlstate)) {
        return true;
    }
    if (pg_sqlstate_is_encoding(failure.sqlstate) && !client->base.options.sql_ascii) {
        client->encoding_failed = true;
    }
    return pg_base_fail(&client->base, step->request, &failure);
}

/* Return: false when the client is gone or has ended. */
static bool take_success(struct pg_client *client, const struct pg_step *step,
                         const PGresult *result) {
    if (step->kind == STEP_HELLO) {
        return take_hello(client, result);
    }
    if (step->kind != STEP_QUERY) {
        return true;
    }
    struct pg_request *request = step->request;
    if (!pg_base_take_rows(&client->base, request, result)) {
        return false;
    }
    if (PQresultStatus(result) == PGRES_SINGLE_TUPLE || request->doom != PG_DOOM_NONE) {
        return true;
    }
    return pg_base_answer(&client->base, request);
}

/* The last sync of a request: nothing more comes for it.
 * Return: false when the client is gone or has ended. */
static bool finish_request(struct pg_client *client, struct pg_request *request) {
    struct pg_base *base = &client->base;
    if (request->retry && request->doom == PG_DOOM_NONE) {
        if (!send_request(client, request)) {
            pg_base_end_ours(base, REASON_LOCAL, PQerrorMessage(handle_of(client)));
            return false;
        }
        pg_conn_flush(base->conn);
        return true;
    }
    if (!request->answered) {
        struct client_failure failure = {.end = CLIENT_ALIVE, .reason = REASON_PROTOCOL};
        error_say(&failure.error, -EPROTO, "the server did not answer the query");
        if (request->doom != PG_DOOM_NONE) {
            pg_request_doom_failure(request, base->why, &failure);
        }
        if (!pg_base_fail(base, request, &failure)) {
            return false;
        }
    }
    pg_request_free(&base->requests, request);
    return true;
}

static bool take_sync(struct pg_client *client, struct pg_step step) {
    if (step.kind != STEP_SYNC) {
        pg_base_end_ours(&client->base, REASON_PROTOCOL, "the server's answers are out of order");
        return false;
    }
    pop_step(client);
    if (step.request != NULL && !finish_request(client, step.request)) {
        return false;
    }
    if (client->flush_later) {
        client->flush_later = false;
        send_waiting(client);
    }
    return true;
}

/* Return: false when the client is gone or has ended. */
static bool take_result(struct pg_client *client, const PGresult *result) {
    const struct pg_step step = client->steps[client->head];
    switch (PQresultStatus(result)) {
    case PGRES_SINGLE_TUPLE:
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
    case PGRES_EMPTY_QUERY:
        return take_success(client, &step, result);
    case PGRES_PIPELINE_SYNC:
        return take_sync(client, step);
    case PGRES_PIPELINE_ABORTED:
        return true; /* what failed before it has told the request */
    case PGRES_FATAL_ERROR:
    case PGRES_NONFATAL_ERROR:
    case PGRES_BAD_RESPONSE:
        return take_error(client, &step, result);
    default:
        pg_base_end_ours(&client->base, REASON_UNSUPPORTED,
                         "a query answered with COPY, which is not supported");
        return false;
    }
}

static void become_idle(struct pg_client *client) {
    struct pg_base *base = &client->base;
    (void)pg_conn_is_busy(base->conn); /* takes the notices of an idle connection */
    if (client->encoding_failed) {
        struct client_failure failure = {
            .end = CLIENT_OURS, .reason = REASON_PROTOCOL, .sqlstate = "22021"};
        error_say(&failure.error, -EILSEQ,
                  "the server's databases have texts that are no UTF-8: the connection is made "
                  "anew without conversion (22021)");
        pg_base_end(base, &failure);
    } else if (base->client.state == CLIENT_CONNECTING) {
        (void)pg_base_ready(base);
    } else {
        pg_base_idle(base);
    }
}

static void work(struct pg_base *base) {
    struct pg_client *client = client_of(base);
    PGconn *handle = handle_of(client);
    pg_conn_set_reading(base->conn, true);
    for (int left = MOST_RESULTS_A_TURN; client->count != 0; left--) {
        if (pg_conn_is_busy(base->conn)) {
            (void)pg_base_check_volume(base);
            return;
        }
        if (left == 0) { /* others want their turn; the socket waits meanwhile */
            pg_conn_set_reading(base->conn, false);
            loop_deferred_arm(base->deferred);
            return;
        }
        PGresult *result = PQgetResult(handle);
        if (result == NULL) {
            pop_step(client);
            continue;
        }
        bool goes_on = take_result(client, result);
        PQclear(result);
        if (!goes_on) {
            return;
        }
    }
    become_idle(client);
}

static void dispose(struct pg_base *base) {
    struct pg_client *client = client_of(base);
    client->rest = loop_timer_free(client->rest);
    free(client->steps);
    client->steps = NULL;
    client->head = client->count = client->capacity = 0;
    size_t cursor = 0;
    struct pg_statement *statement;
    while ((statement = hash_map_next(&client->statements, &cursor)) != NULL) {
        free(statement);
    }
    hash_map_deinit(&client->statements);
    strbuf_deinit(&client->frame_settings);
}

struct client *pg_client_new(struct loop *loop, struct resolver *resolver,
                             const struct pg_options *options, const struct client_events *events) {
    static const struct client_ops client_ops = {
        .open = pg_base_open,
        .submit = pg_base_submit,
        .flush = flush,
        .abandon = pg_base_abandon,
        .free = pg_base_free,
    };
    static const struct pg_base_ops base_ops = {
        .connected = begin, .work = work, .dispose = dispose};
    struct pg_client *client = mem_alloc(sizeof(*client));
    pg_base_init(&client->base, &base_ops, &client_ops, loop, resolver, options, events);
    client->rest = loop_timer_new(loop, end_rest, client);
    return &client->base.client;
}
