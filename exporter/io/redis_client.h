/* SPDX-License-Identifier: Apache-2.0 */

/* A client for Redis, Valkey, KeyDB and Sentinel: RESP2, pipelined, over io/stream.
 *
 * Opening means: connect, AUTH if there is a password, CLIENT SETNAME dbvitals (its refusal is
 * ignored), PING; +PONG or any error that proves life and our rights makes it ready. An error reply
 * fails its own request only. */
#pragma once

#include "io/client.h"
#include "io/tls_context.h"

struct redis_options {
    char *host;        /* name or address; NULL with a socket path */
    char *socket_path; /* unix socket, or NULL */
    uint16_t port;
    char *user;             /* ACL user, or NULL */
    char *password;         /* secret, or NULL */
    bool sentinel;          /* no CLIENT SETNAME is expected to work */
    struct tls_options tls; /* enabled by rediss://; the rest is the owner's to fill */
};

/* Reads "redis://[user[:password]@]host[:port]", "redis://[::1]:6379", the same with "rediss://"
 * for TLS, "unix:///path", "unix://user:password@/path"; percent-escapes are decoded once. Errors
 * never contain the password.
 * Return: 0 or -EINVAL. */
int redis_options_parse(const char *url, uint16_t default_port, struct redis_options *ret,
                        struct error *err);
void redis_options_deinit(struct redis_options *options);
void redis_options_copy(const struct redis_options *from, struct redis_options *ret);
bool redis_options_equal(const struct redis_options *a, const struct redis_options *b);

/* "host:port" as written, "[v6]:port", or the socket's path. */
void redis_options_instance(const struct redis_options *options, char *out, size_t size);

/* options are copied; tls_contexts is borrowed, and may be NULL when TLS is not enabled. */
struct client *redis_client_new(struct loop *loop, struct resolver *resolver,
                                struct tls_contexts *tls_contexts,
                                const struct redis_options *options,
                                const struct client_events *events);
