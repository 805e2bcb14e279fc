/* SPDX-License-Identifier: Apache-2.0 */

/* A non-blocking byte stream: TCP (all resolved addresses are tried in turn), with TLS over it if
 * asked for, or a unix socket.
 * No time-outs of its own: the owner has the only deadline. Keep-alives and TCP_USER_TIMEOUT end a
 * connection whose other side vanished. Callbacks never run inside a function of the stream, and
 * freeing the stream inside them is legal. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "io/client.h"
#include "io/loop.h"
#include "io/resolve.h"
#include "io/tls_context.h"

struct stream;

struct stream_address {
    const char *host; /* borrowed during stream_new */
    uint16_t port;
    const char *socket_path;           /* instead of host */
    const struct tls_options *tls;     /* borrowed during stream_new; NULL: without TLS */
    struct tls_contexts *tls_contexts; /* borrowed; outlives the stream; needed with tls */
};

struct stream_events {
    /* The server has taken the connection and the TLS handshake begins; may be NULL. The stream may
     * not be freed in it. */
    void (*securing)(void *userdata);
    void (*connected)(void *userdata);
    /* data is borrowed; at most max_read_bytes a turn, so that one peer cannot hold the loop */
    void (*received)(void *userdata, const char *data, size_t len);
    void (*ended)(void *userdata, const struct client_failure *failure);
    void *userdata;
};

struct stream *stream_new(struct loop *loop, struct resolver *resolver,
                          const struct stream_address *address, const struct stream_events *events);
void stream_open(struct stream *stream);

/* Queues bytes (copied) and sends what the socket takes. */
void stream_write(struct stream *stream, const void *data, size_t len);

/* Bytes queued and not yet taken by the socket. */
size_t stream_queued(const struct stream *stream);

struct stream *stream_free(struct stream *stream);
DEFINE_CLEANUP(struct stream, stream_free);
