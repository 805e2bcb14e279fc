/* SPDX-License-Identifier: Apache-2.0 */

/* Being ready, drained and given up are told from a deferred call, answers from those of the
 * transfers. The client lives while `depth` of its calls are on the stack, also when it was freed
 * in an answer. */
#include "io/http_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/duration.h"
#include "base/mem.h"

/* The owner's deadline comes first. */
#define GRACE_USEC USEC_PER_SEC

struct http_client;

struct http_request {
    struct http_client *http;
    struct http_request *next;
    struct client_request request;
    struct transfer *transfer; /* on its way */
    bool given_up;             /* by client_abandon() */
};

struct http_client {
    struct client client; /* first */
    struct loop *loop;
    struct transfers *transfers; /* borrowed */
    struct http_options options;
    uint64_t timeout_usec;
    struct loop_deferred *deferred;
    struct http_request *first;
    char why[128]; /* it was abandoned */
    unsigned depth;
    bool freed;
};

static struct http_client *http_of(struct client *client) {
    return container_of(client, struct http_client, client);
}

static void release(struct http_client *http) {
    if (--http->depth == 0 && http->freed) {
        free(http);
    }
}

/* ---- answers ---- */

/* The last thing that is done with a request. */
static void answer(struct http_request *request, const struct client_reply *reply,
                   const struct client_failure *failure) {
    struct http_request **at = &request->http->first;
    while (*at != request) {
        at = &(*at)->next;
    }
    *at = request->next;
    transfer_free(request->transfer);
    struct client_request asked = request->request;
    free(request);
    asked.done(asked.userdata, reply, failure);
}

static void answer_body(struct http_request *request, struct str body) {
    struct arena *arena = request->request.arena;
    struct tree *tree = arena_alloc(arena, sizeof(*tree));
    *tree = (struct tree){.type = TREE_TEXT, .text = arena_dup(arena, body)};
    answer(request, &(struct client_reply){.tree = tree}, NULL);
}

static bool looks_like_json(struct str body) {
    struct str text = str_trim(body);
    return text.len > 0 && (text.data[0] == '{' || text.data[0] == '[');
}

static bool is_page(const struct transfer_answer *got) {
    return got->status == 200 || (got->status == 503 && looks_like_json(got->body));
}

static void answer_status(struct http_request *request, int status) {
    static const struct {
        int first, last;
        enum client_reason reason;
        const char *more;
    } meanings[] = {
        {300, 399, REASON_UNSUPPORTED, ": redirections are not followed"},
        {401, 401, REASON_AUTH, ""},
        {403, 403, REASON_PERMISSION, ""},
        {404, 405, REASON_UNSUPPORTED, ": there is no such page"},
    };
    struct client_failure failure = {.end = CLIENT_ALIVE, .reason = REASON_QUERY};
    const char *more = "";
    for (size_t i = 0; i < ARRAY_LEN(meanings); i++) {
        if (status >= meanings[i].first && status <= meanings[i].last) {
            failure.reason = meanings[i].reason;
            more = meanings[i].more;
        }
    }
    error_say(&failure.error, -EIO, "the server answered with status %d%s", status, more);
    answer(request, NULL, &failure);
}

static void fetched(void *userdata, const struct transfer_answer *got,
                    const struct client_failure *failure) {
    struct http_request *request = userdata;
    struct http_client *http = request->http;
    request->transfer = NULL;
    http->depth++;
    if (failure != NULL) {
        /* What is lost is the transfer's connection: ours is an idea. */
        struct client_failure own = *failure;
        own.connection = false;
        answer(request, NULL, &own);
    } else if (is_page(got)) {
        answer_body(request, got->body);
    } else {
        answer_status(request, got->status);
    }
    release(http);
}

static void fetch(struct http_request *request) {
    struct http_client *http = request->http;
    const struct http_options *options = &http->options;
    size_t most_bytes = request->request.limits.max_bytes;
    struct transfer_header headers[16];
    size_t n_headers = 0;
    for (; n_headers < options->n_headers && n_headers < ARRAY_LEN(headers); n_headers++) {
        headers[n_headers] = (struct transfer_header){options->headers[n_headers].name,
                                                      options->headers[n_headers].value};
    }
    request->transfer = transfer_submit(
        http->transfers,
        &(struct transfer_request){
            .url = options->url,
            .headers = headers,
            .n_headers = n_headers,
            .user = options->user,
            .password = options->password,
            .scheme = options->scheme,
            .credentials = options->credentials,
            .tls = &options->tls,
            .deadline_usec = loop_now_usec(http->loop) + http->timeout_usec + GRACE_USEC,
            .max_answer_bytes = most_bytes != 0 ? most_bytes : HTTP_MOST_BYTES,
            .done = fetched,
            .userdata = request,
        });
}

/* ---- the client ---- */

static struct http_request *next_given_up(const struct http_client *http) {
    struct http_request *request = http->first;
    while (request != NULL && !request->given_up) {
        request = request->next;
    }
    return request;
}

static void on_deferred(void *userdata) {
    struct http_client *http = userdata;
    struct http_request *request;
    http->depth++;
    if (http->client.state == CLIENT_CONNECTING) {
        struct client_hello hello = {.connect_usec =
                                         loop_now_usec(http->loop) - http->client.opened_usec};
        http->client.state = CLIENT_READY;
        http->client.events.ready(http->client.events.userdata, &hello);
    }
    while (!http->freed && (request = next_given_up(http)) != NULL) {
        struct client_failure failure = {.end = CLIENT_SILENT, .reason = REASON_TIMEOUT};
        error_say(&failure.error, -ETIMEDOUT, "%s", http->why);
        answer(request, NULL, &failure);
    }
    if (!http->freed && http->client.state == CLIENT_DRAINING) {
        http->client.state = CLIENT_READY;
        http->client.events.drained(http->client.events.userdata);
    }
    release(http);
}

static void http_open(struct client *client) {
    struct http_client *http = http_of(client);
    client->state = CLIENT_CONNECTING;
    client->opened_usec = loop_now_usec(http->loop);
    loop_deferred_arm(http->deferred);
}

static void http_submit(struct client *client, const struct client_request *asked) {
    struct http_client *http = http_of(client);
    struct http_request **end = &http->first;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = mem_alloc(sizeof(**end));
    **end = (struct http_request){.http = http, .request = *asked};
}

static void http_flush(struct client *client) {
    struct http_client *http = http_of(client);
    if (client->state != CLIENT_READY) {
        return;
    }
    for (struct http_request *request = http->first; request != NULL; request = request->next) {
        if (request->transfer == NULL && !request->given_up) {
            fetch(request);
        }
    }
}

static void http_abandon(struct client *client, const char *why) {
    struct http_client *http = http_of(client);
    if (client->state != CLIENT_READY) {
        return;
    }
    snprintf(http->why, sizeof(http->why), "%s", why);
    for (struct http_request *request = http->first; request != NULL; request = request->next) {
        request->given_up = true;
        request->transfer = transfer_free(request->transfer);
    }
    client->state = CLIENT_DRAINING;
    loop_deferred_arm(http->deferred);
}

static void http_free(struct client *client) {
    struct http_client *http = http_of(client);
    if (http->freed) {
        return;
    }
    struct client_failure failure = {
        .end = CLIENT_OURS, .reason = REASON_CANCELED, .connection = true};
    error_say(&failure.error, -ECANCELED, "the target was closed by us");
    http->freed = true;
    http->depth++;
    client->state = CLIENT_ENDED;
    while (http->first != NULL) {
        answer(http->first, NULL, &failure);
    }
    http->deferred = loop_deferred_free(http->deferred);
    http_options_deinit(&http->options);
    release(http);
}

struct client *http_client_new(struct loop *loop, struct transfers *transfers,
                               const struct http_options *options, uint64_t timeout_usec,
                               const struct client_events *events) {
    static const struct client_ops ops = {
        .open = http_open,
        .submit = http_submit,
        .flush = http_flush,
        .abandon = http_abandon,
        .free = http_free,
    };
    struct http_client *http = mem_alloc(sizeof(*http));
    http->client = (struct client){.ops = &ops, .events = *events, .state = CLIENT_IDLE};
    http->loop = loop;
    http->transfers = transfers;
    http->timeout_usec = timeout_usec;
    http_options_copy(options, &http->options);
    http->deferred = loop_deferred_new(loop, on_deferred, http);
    return &http->client;
}
