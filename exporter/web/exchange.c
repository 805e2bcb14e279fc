/* SPDX-License-Identifier: Apache-2.0 */

#include "web/exchange.h"

#include <inttypes.h>
#include <sys/epoll.h>

#include "base/duration.h"
#include "base/log.h"
#include "base/mem.h"
#include "web/response.h"

/* A body above the limit is read to its end for a proper answer, but only up to here. */
#define SWALLOWED_BYTES WEB_MOST_FORM_BYTES
/* What the bodies of all open requests may hold together. */
#define MOST_HELD_BYTES ((size_t)16 * 1024 * 1024)
#define MOST_HEADERS    64
#define LATER_USEC      (60 * USEC_PER_SEC)

/* Headers come first; whether they are admitted may take a while; then comes the body. */
enum exchange_stage { STAGE_HEADERS, STAGE_ADMISSION, STAGE_BODY };

/* One request, from its line to the last byte of its answer. */
struct exchange {
    struct client *client;
    struct arena arena;
    struct web_request request;
    struct web_answer answer;
    struct web_answer late;  /* takes the place of answer */
    struct web_later *later; /* NULL: nothing is awaited, or it is here */
    struct str target;       /* as sent */
    struct strbuf body;
    size_t most_body; /* bytes of it that are taken */
    size_t swallowed; /* bytes of the body, with those that were thrown away */
    uint64_t began_usec;
    enum exchange_stage stage;
    bool admitted; /* while admission was waited for */
    bool answered; /* the handler has been asked */
    bool suspended;
    bool no_room; /* the bodies of others left none for this one */
};

struct web_later {
    struct exchange *exchange; /* NULL: nobody waits any more */
    uint64_t patience_usec;
    void (*gone)(void *userdata); /* NULL: nobody asks */
    void *userdata;
    struct loop_io *hangup_io;
};

static void enter(struct client *client, enum connection_phase phase) {
    connection_enter(&client->server->connections, &client->connection, phase,
                     loop_now_usec(client->server->options.loop));
}

/* Answers that come later. */

struct web_later *web_later_new(const struct web_request *request) {
    struct exchange *exchange = request->exchange;
    struct web_later *later = mem_alloc(sizeof(*later));
    later->exchange = exchange;
    later->patience_usec = LATER_USEC;
    exchange->later = later;
    return later;
}

void web_later_watch(struct web_later *later, uint64_t patience_usec, void (*gone)(void *userdata),
                     void *userdata) {
    later->patience_usec = patience_usec;
    later->gone = gone;
    later->userdata = userdata;
}

/* Nobody waits any more, or nobody needs to. */
static void leave_later(struct exchange *exchange) {
    struct web_later *later = exchange->later;
    if (later != NULL) {
        later->hangup_io = loop_io_free(later->hangup_io);
        later->exchange = NULL;
        exchange->later = NULL;
    }
}

bool web_later_is_wanted(const struct web_later *later) {
    return later->exchange != NULL;
}

/* The library asks the handler again in its next run, which then finds the answer. It does not wake
 * our loop by itself. */
static void set_late_answer(struct exchange *exchange, const struct web_answer *answer) {
    exchange->late = *answer;
    leave_later(exchange);
    if (exchange->suspended) {
        exchange_resume(exchange);
        loop_deferred_arm(exchange->client->server->again);
    }
}

void web_later_end(struct web_later *later, struct web_answer *answer) {
    if (later->exchange != NULL) {
        set_late_answer(later->exchange, answer);
        *answer = (struct web_answer){0};
    }
    web_answer_deinit(answer);
    free(later);
}

void web_later_admit(struct web_later *later) {
    struct exchange *exchange = later->exchange;
    if (exchange != NULL) {
        exchange->admitted = true;
        set_late_answer(exchange, &(struct web_answer){0});
    }
    free(later);
}

/* Somebody waits no more, or no longer: the exchange ends with this answer, and whoever works for
 * it is told. */
static void abandon_later(struct exchange *exchange, struct web_answer *answer) {
    void (*gone)(void *userdata) = exchange->later->gone;
    void *userdata = exchange->later->userdata;
    set_late_answer(exchange, answer);
    if (gone != NULL) {
        gone(userdata);
    }
}

void exchange_give_up(struct exchange *exchange) {
    struct web_answer answer = {0};
    web_answer_error(&answer, 504, "this takes too long; it may go on, look again later");
    abandon_later(exchange, &answer);
}

/* A client that has gone gets an answer like any other: the library then finds out by itself. Its
 * status is the one that nginx has for it. */
static void client_gone(void *userdata, uint32_t revents) {
    struct web_answer answer = {0};
    web_answer_error(&answer, 499, "the client has gone");
    abandon_later(userdata, &answer);
}

bool exchange_waits(const struct exchange *exchange) {
    return exchange->suspended;
}

bool exchange_is_overdue(const struct exchange *exchange, uint64_t now_usec) {
    const struct web_later *later = exchange->later;
    return exchange->suspended && later != NULL &&
           now_usec > exchange->client->connection.since_usec + later->patience_usec;
}

void exchange_resume(struct exchange *exchange) {
    exchange->suspended = false;
    MHD_resume_connection(exchange->client->mhd);
}

static void watch_client(struct exchange *exchange) {
    struct client *client = exchange->client;
    if (exchange->later->gone != NULL) {
        exchange->later->hangup_io = loop_io_new(client->server->options.loop, client->fd,
                                                 EPOLLRDHUP, client_gone, exchange);
    }
}

/* The way of a request. */

static size_t most_body_bytes(const struct server_options *options, struct str target) {
    return options->most_body_bytes != NULL ? options->most_body_bytes(options->userdata, target)
                                            : WEB_MOST_BODY_BYTES;
}

/* The request line is here: the only place where the library shows it as it was sent. */
void *exchange_begin(void *userdata, const char *target, struct MHD_Connection *mhd) {
    struct client *client =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    struct exchange *exchange = mem_alloc(sizeof(*exchange));
    exchange->client = client;
    exchange->began_usec = loop_clock_usec();
    exchange->target = arena_dup(&exchange->arena, str_of(target));
    exchange->most_body = most_body_bytes(&client->server->options, exchange->target);
    exchange->request.arena = &exchange->arena;
    exchange->request.exchange = exchange;
    exchange->request.peer = client->peer;
    exchange->request.caller = client->caller;
    client->exchange = exchange;
    enter(client, CONNECTION_READING);
    return exchange;
}

void exchange_end(void *userdata, struct MHD_Connection *mhd, void **context,
                  enum MHD_RequestTerminationCode code) {
    struct exchange *exchange = *context;
    if (exchange == NULL) {
        return;
    }
    *context = NULL;
    leave_later(exchange);
    exchange->client->server->held_bytes -= exchange->body.len;
    exchange->client->exchange = NULL;
    enter(exchange->client, CONNECTION_IDLE);
    web_answer_deinit(&exchange->answer);
    web_answer_deinit(&exchange->late);
    strbuf_deinit(&exchange->body);
    arena_deinit(&exchange->arena);
    free(exchange);
}

struct header_list {
    struct web_pair *pairs;
    size_t count;
};

static enum MHD_Result add_header(void *userdata, enum MHD_ValueKind kind, const char *name,
                                  size_t name_len, const char *value, size_t value_len) {
    struct header_list *list = userdata;
    list->pairs[list->count++] = (struct web_pair){{name, name_len}, {value, value_len}};
    return list->count < MOST_HEADERS ? MHD_YES : MHD_NO;
}

static void take_headers(struct exchange *exchange) {
    struct header_list list = {
        .pairs = arena_array(&exchange->arena, MOST_HEADERS, sizeof(*list.pairs))};
    MHD_get_connection_values_n(exchange->client->mhd, MHD_HEADER_KIND, add_header, &list);
    exchange->request.headers = list.pairs;
    exchange->request.n_headers = list.count;
}

/* Return: false to cut the connection. */
static bool take_body(struct exchange *exchange, const char *data, size_t len) {
    struct server *server = exchange->client->server;
    exchange->swallowed += len;
    exchange->no_room |= server->held_bytes + len > MOST_HELD_BYTES;
    if (exchange->swallowed <= exchange->most_body && !exchange->no_room) {
        strbuf_add(&exchange->body, data, len);
        server->held_bytes += len;
    }
    return exchange->swallowed <= SWALLOWED_BYTES;
}

static void ask_handler(struct exchange *exchange) {
    const struct server_options *options = &exchange->client->server->options;
    struct web_request *request = &exchange->request;
    struct error error = {0};
    if (web_request_parse_target(request, exchange->target, &error) < 0) {
        web_answer_error(&exchange->answer, 400, "%s", error.text);
        return;
    }
    if (exchange->swallowed > exchange->most_body) {
        web_answer_error(&exchange->answer, 413, "a body has at most %zu bytes",
                         exchange->most_body);
        return;
    }
    if (exchange->no_room) {
        web_answer_error(&exchange->answer, 503, "too many long bodies are being sent at once");
        exchange->answer.retry_after = 1;
        return;
    }
    request->body = strbuf_view(&exchange->body);
    options->answer(options->userdata, request, &exchange->answer);
}

static void count(struct server *server, unsigned status) {
    server->numbers.requests++;
    if (status / 100 < ARRAY_LEN(server->numbers.by_class)) {
        server->numbers.by_class[status / 100]++;
    }
}

static enum MHD_Result send_answer(struct exchange *exchange) {
    struct server *server = exchange->client->server;
    struct web_answer *answer = exchange->answer.later ? &exchange->late : &exchange->answer;
    const struct web_request *request = &exchange->request;
    struct MHD_Response *response = response_new(request, answer, &server->options);
    if (response == NULL) {
        return MHD_NO;
    }
    enum MHD_Result r = MHD_queue_response(exchange->client->mhd, answer->status, response);
    MHD_destroy_response(response);
    count(server, answer->status);
    enter(exchange->client, CONNECTION_ANSWERING);
    struct str shown = web_request_show(request, exchange->target);
    log_debug("web: %.*s '%.*s': %u in %" PRIu64 " us", (int)request->method.len,
              request->method.data, (int)shown.len, shown.data, answer->status,
              loop_clock_usec() - exchange->began_usec);
    return r;
}

/* The library calls again when the answer is here. */
static void wait_for_later(struct exchange *exchange) {
    enter(exchange->client, CONNECTION_ANSWERING);
    exchange->suspended = true;
    MHD_suspend_connection(exchange->client->mhd);
    watch_client(exchange);
}

static enum MHD_Result answer_exchange(struct exchange *exchange) {
    log_scope_set("request_id", exchange->request.id);
    if (!exchange->answered) {
        exchange->answered = true;
        ask_handler(exchange);
    }
    enum MHD_Result r = MHD_YES;
    if (exchange->later != NULL) {
        wait_for_later(exchange);
    } else {
        r = send_answer(exchange);
    }
    log_scope_clear();
    return r;
}

static enum MHD_Result go_on(struct exchange *exchange) {
    exchange->answer.later = false;
    exchange->stage = STAGE_BODY;
    enter(exchange->client, CONNECTION_READING);
    return MHD_YES;
}

/* Before the body is read, so that nobody fills our memory who may not ask. The library repeats
 * this call after a wait. */
static enum MHD_Result admit(struct exchange *exchange) {
    const struct server_options *options = &exchange->client->server->options;
    bool waited = exchange->answer.later;
    if (!waited && (options->admit == NULL ||
                    options->admit(options->userdata, &exchange->request, &exchange->answer))) {
        exchange->stage = STAGE_BODY;
        return MHD_YES;
    }
    if (exchange->admitted) {
        return go_on(exchange);
    }
    if (exchange->later != NULL) {
        wait_for_later(exchange);
        return MHD_YES;
    }
    return send_answer(exchange);
}

/* A body of which we know that it is too long is not waited for. */
static bool announces_too_much(const struct web_request *request) {
    uint64_t len;
    return str_to_uint64(web_request_header(request, "Content-Length"), &len) &&
           len > SWALLOWED_BYTES;
}

/* The library's handler: once with the headers, once for each piece of the body, once at its end,
 * and again after a resume. */
enum MHD_Result exchange_handle(void *userdata, struct MHD_Connection *mhd, const char *path,
                                const char *method, const char *version, const char *data,
                                size_t *len, void **context) {
    struct exchange *exchange = *context;
    if (exchange->stage == STAGE_HEADERS) {
        exchange->stage = STAGE_ADMISSION;
        exchange->request.method = str_of(method);
        take_headers(exchange);
        web_request_identify(&exchange->request);
        if (announces_too_much(&exchange->request)) {
            exchange->swallowed = SIZE_MAX;
        }
    }
    if (exchange->stage == STAGE_ADMISSION) {
        log_scope_set("request_id", exchange->request.id);
        enum MHD_Result r = admit(exchange);
        log_scope_clear();
        bool too_much = exchange->stage == STAGE_BODY && exchange->swallowed == SIZE_MAX;
        return too_much ? answer_exchange(exchange) : r;
    }
    if (*len > 0) {
        bool go_on = take_body(exchange, data, *len);
        *len = 0;
        return go_on ? MHD_YES : MHD_NO;
    }
    return answer_exchange(exchange);
}
