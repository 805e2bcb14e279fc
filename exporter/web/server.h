/* SPDX-License-Identifier: Apache-2.0 */

/* The HTTP server of one listen address: takes connections, bounds what they may cost, turns what
 * they send into a struct web_request and a struct web_answer into what they get.
 *
 * We accept connections ourselves and hand them to libmicrohttpd, which runs inside our loop by its
 * epoll descriptor and has no thread. So the limit is ours: above it the connection that has waited
 * longest without a request makes room, then the slowest to send its request or to take its answer;
 * only when all are young a new one is refused with 503.
 *
 * Life of a connection: idle (until a request line) -> reading -> answering -> idle. Each of these
 * has a deadline beside the library's time-out for silence, so that a client that drips bytes
 * cannot hold its place. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "io/loop.h"
#include "web/listen.h"
#include "web/request.h"

struct tls_server;
struct web_header;

struct server_numbers {
    uint64_t requests;
    uint64_t refused;
    unsigned connections;
    uint64_t by_class[6];
};

struct server_options {
    struct loop *loop;
    unsigned max_connections;
    unsigned idle_seconds;
    bool control;           /* a unix socket for root and our own user alone: others get 403 */
    struct tls_server *tls; /* what connections begin with, see server_set_tls(); NULL: no TLS */
    /* Whether a request with these headers may be read any further. If not, the answer is filled,
     * or comes later: by web_later_end(), or as leave by web_later_admit(). NULL: all are. */
    bool (*admit)(void *userdata, struct web_request *request, struct web_answer *ret);
    /* Fills the answer; request and answer end when it is sent. */
    void (*answer)(void *userdata, struct web_request *request, struct web_answer *ret);
    /* How long a body may be that is sent to this target ("/path?..."), up to WEB_MOST_FORM_BYTES.
     * NULL: WEB_MOST_BODY_BYTES. */
    size_t (*most_body_bytes)(void *userdata, struct str target);
    /* Headers of every answer that has them not; what is behind the pointers may change. */
    const struct web_header *headers;
    const size_t *n_headers;
    void *userdata;
};

struct server;

/* Takes the listener over, also on failure. Return: 0 or negative errno. */
int server_new(const struct server_options *options, struct listener *listener, struct server **ret,
               struct error *err);

/* Cuts all connections. Not from inside answer(). */
struct server *server_free(struct server *server);
DEFINE_CLEANUP(struct server, server_free);

/* For connections from now on; changes nothing where there was no TLS from the beginning. */
void server_set_tls(struct server *server, struct tls_server *tls);

const char *server_address(const struct server *server);
struct server_numbers server_numbers(const struct server *server);

/* The request's answer comes later: to be called inside answer(), which then sets only ret->later.
 * The connection waits, at most a minute (then 504). The result must be given to web_later_end()
 * exactly once, at any time: from inside answer(), or after the client and even the server are
 * gone. */
struct web_later;
struct web_later *web_later_new(const struct web_request *request);

/* Lets the client wait for another time than a minute, and calls gone() at most once when the
 * client hangs up meanwhile: the answer must still be given. To be called inside answer(). */
void web_later_watch(struct web_later *later, uint64_t patience_usec, void (*gone)(void *userdata),
                     void *userdata);

/* Whether somebody still waits for it. */
bool web_later_is_wanted(const struct web_later *later);

/* Instead of web_later_end(), for what admit() waited for: the request goes on. */
void web_later_admit(struct web_later *later);

/* Takes over what the answer holds. Strings of headers must be constant. */
void web_later_end(struct web_later *later, struct web_answer *answer);
