/* SPDX-License-Identifier: Apache-2.0 */

/* A client (io/client.h) without a server: the test itself decides when it is ready, what it
 * answers, and when it ends. It keeps the promises of the interface: every request is answered
 * once, nothing is called back inside what the owner calls, freeing answers what is open. */
#pragma once

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/client.h"
#include "io/loop.h"

#define FAKE_MOST_REQUESTS 256
#define FAKE_MOST_CLIENTS  64

struct fake_request {
    struct client_request request;
    char text[128]; /* the words, or the SQL */
    bool answered, abandoned;
};

struct fake_client {
    struct client client;
    struct fake_clients *all;
    struct loop_deferred *deferred;
    struct fake_request requests[FAKE_MOST_REQUESTS];
    size_t n_requests;
    /* Of a PostgreSQL client, for tests that want to know: what it was made with. */
    char database[256];
    uint64_t statement_timeout_usec;
    bool sql_ascii;
};

/* All clients that were made, oldest first; NULL once freed. */
struct fake_clients {
    struct loop *loop;
    struct fake_client *list[FAKE_MOST_CLIENTS];
    size_t n_made, n_alive, most_alive;
};

static inline struct client_failure fake_failure(enum client_end end, enum client_reason reason,
                                                 bool connection, const char *text) {
    struct client_failure failure = {.end = end, .reason = reason, .connection = connection};
    error_say(&failure.error, -EIO, "%s", text);
    return failure;
}

static inline void fake_fail(struct fake_request *request, const struct client_failure *failure) {
    request->answered = true;
    request->request.done(request->request.userdata, NULL, failure);
}

/* Answers that abandoning left owing. */
static inline void fake_run_deferred(void *userdata) {
    struct fake_client *fake = userdata;
    struct client_failure failure =
        fake_failure(CLIENT_SILENT, REASON_TIMEOUT, false, "no answer in time");
    for (size_t i = 0; i < fake->n_requests; i++) {
        if (fake->requests[i].abandoned && !fake->requests[i].answered) {
            fake_fail(&fake->requests[i], &failure);
        }
    }
}

static inline void fake_open(struct client *client) {
    struct fake_client *fake = container_of(client, struct fake_client, client);
    client->state = CLIENT_CONNECTING;
    client->opened_usec = loop_clock_usec();
    (void)fake;
}

static inline void fake_submit(struct client *client, const struct client_request *request) {
    struct fake_client *fake = container_of(client, struct fake_client, client);
    if (fake->n_requests == FAKE_MOST_REQUESTS || client->state != CLIENT_READY) {
        abort(); /* the owner is wrong */
    }
    struct fake_request *made = &fake->requests[fake->n_requests++];
    *made = (struct fake_request){.request = *request};
    if (request->n_words == 0) {
        strncpy(made->text, request->text, sizeof(made->text) - 1);
        return;
    }
    for (size_t i = 0; i < request->n_words; i++) {
        strncat(made->text, i > 0 ? " " : "", sizeof(made->text) - strlen(made->text) - 1);
        strncat(made->text, request->words[i].data,
                request->words[i].len < sizeof(made->text) - strlen(made->text) - 1
                    ? request->words[i].len
                    : sizeof(made->text) - strlen(made->text) - 1);
    }
}

static inline void fake_flush(struct client *client) {
    (void)client;
}

static inline void fake_abandon(struct client *client, const char *why) {
    struct fake_client *fake = container_of(client, struct fake_client, client);
    (void)why;
    if (client->state != CLIENT_READY) {
        return;
    }
    client->state = CLIENT_DRAINING;
    for (size_t i = 0; i < fake->n_requests; i++) {
        fake->requests[i].abandoned = !fake->requests[i].answered;
    }
    loop_deferred_arm(fake->deferred);
}

static inline void fake_free(struct client *client) {
    struct fake_client *fake = container_of(client, struct fake_client, client);
    struct client_failure failure =
        fake_failure(CLIENT_OURS, REASON_CANCELED, true, "the connection was closed by us");
    client->state = CLIENT_ENDED;
    for (size_t i = 0; i < fake->n_requests; i++) {
        if (!fake->requests[i].answered) {
            fake_fail(&fake->requests[i], &failure);
        }
    }
    for (size_t i = 0; i < fake->all->n_made; i++) {
        if (fake->all->list[i] == fake) {
            fake->all->list[i] = NULL;
        }
    }
    fake->all->n_alive--;
    loop_deferred_free(fake->deferred);
    free(fake);
}

static inline struct client *fake_client_new(struct fake_clients *all,
                                             const struct client_events *events) {
    static const struct client_ops ops = {
        .open = fake_open,
        .submit = fake_submit,
        .flush = fake_flush,
        .abandon = fake_abandon,
        .free = fake_free,
    };
    struct fake_client *fake = mem_alloc(sizeof(*fake));
    fake->client = (struct client){.ops = &ops, .events = *events, .state = CLIENT_IDLE};
    fake->all = all;
    fake->deferred = loop_deferred_new(all->loop, fake_run_deferred, fake);
    if (all->n_made == FAKE_MOST_CLIENTS) {
        abort();
    }
    all->list[all->n_made++] = fake;
    all->n_alive++;
    all->most_alive = all->n_alive > all->most_alive ? all->n_alive : all->most_alive;
    return &fake->client;
}

/* ---- what the server does ---- */

static inline void fake_ready(struct fake_client *fake) {
    struct client_hello hello = {.connect_usec = 1000};
    fake->client.state = CLIENT_READY;
    fake->client.events.ready(fake->client.events.userdata, &hello);
}

static inline void fake_drained(struct fake_client *fake) {
    fake->client.state = CLIENT_READY;
    fake->client.events.drained(fake->client.events.userdata);
}

static inline bool fake_is_alive(const struct fake_clients *all, const struct fake_client *fake) {
    for (size_t i = 0; i < all->n_made; i++) {
        if (all->list[i] == fake) {
            return true;
        }
    }
    return false;
}

/* Fails what is open, then tells the end, as the clients do; unless an answer frees it. */
static inline void fake_end(struct fake_client *fake, enum client_end end,
                            enum client_reason reason) {
    struct client_failure failure = fake_failure(end, reason, true, client_reason_names[reason]);
    const struct fake_clients *all = fake->all;
    fake->client.state = CLIENT_ENDED;
    for (size_t i = 0; i < fake->n_requests; i++) {
        if (!fake->requests[i].answered) {
            fake_fail(&fake->requests[i], &failure);
            if (!fake_is_alive(all, fake)) {
                return;
            }
        }
    }
    fake->client.events.ended(fake->client.events.userdata, &failure);
}

/* The oldest request without an answer; NULL: none. */
static inline struct fake_request *fake_next(struct fake_client *fake) {
    for (size_t i = 0; i < fake->n_requests; i++) {
        if (!fake->requests[i].answered) {
            return &fake->requests[i];
        }
    }
    return NULL;
}

static inline void fake_answer(struct fake_request *request, const struct tree *tree) {
    struct client_reply reply = {.tree = tree};
    request->answered = true;
    request->request.done(request->request.userdata, &reply, NULL);
}

static inline void fake_answer_table(struct fake_request *request, const struct table *table) {
    struct client_reply reply = {.table = table};
    request->answered = true;
    request->request.done(request->request.userdata, &reply, NULL);
}
