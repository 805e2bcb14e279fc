/* SPDX-License-Identifier: Apache-2.0 */

/* What tests of clients that answer any request with one thing share: a loop, a listening socket,
 * and what became of a request. Included once by each. */
#pragma once

#include "fake_server.h"
#include "io/client.h"
#include "io/resolve.h"

static struct loop *loop;
static struct worker_pool *pool;
static struct resolver *resolver;
static int listen_fd;
static uint16_t port;
static struct client *client;
static struct arena arena;
static int n_ready, n_drained, n_ended;

static void on_ready(void *userdata, const struct client_hello *hello) {
    n_ready++;
}

static void on_drained(void *userdata) {
    n_drained++;
}

static void on_ended(void *userdata, const struct client_failure *failure) {
    n_ended++;
}

static const struct client_events events = {
    .ready = on_ready,
    .drained = on_drained,
    .ended = on_ended,
};

struct seen {
    int calls;
    struct client_reply reply;
    struct client_failure failure;
    bool frees;
};

static void done(void *userdata, const struct client_reply *reply,
                 const struct client_failure *failure) {
    struct seen *seen = userdata;
    seen->calls++;
    assert_true((reply == NULL) != (failure == NULL));
    seen->reply = reply != NULL ? *reply : (struct client_reply){0};
    seen->failure = failure != NULL ? *failure : (struct client_failure){0};
    if (seen->frees) {
        client = client_free(client);
    }
}

static void submit(struct seen *seen) {
    client_submit(client, &(struct client_request){
                              .text = "any", .arena = &arena, .done = done, .userdata = seen});
    client_flush(client);
    assert_int_equal(seen->calls, 0);
}

static void set_up_loop(void) {
    n_ready = n_drained = n_ended = 0;
    assert_int_equal(loop_new(&loop), 0);
    pool = worker_pool_new(loop, NULL);
    resolver = resolver_new(loop, pool);
    listen_fd = fake_listen(&port);
    assert_true(listen_fd >= 0);
}

static void tear_down_loop(void) {
    (void)close(listen_fd);
    resolver = resolver_free(resolver);
    pool = worker_pool_free(pool);
    loop = loop_free(loop);
    arena_deinit(&arena);
}
