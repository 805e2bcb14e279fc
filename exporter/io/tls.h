/* SPDX-License-Identifier: Apache-2.0 */

/* TLS over a connected, non-blocking socket: the client's side, TLS 1.2 or newer. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "io/client.h"
#include "io/tls_context.h"

struct tls_session;

/* fd is borrowed and must stay open; host is the name that the user wrote. Return: 0, or negative
 * errno with what is wrong with the certificates. */
int tls_session_new(struct tls_contexts *contexts, const struct tls_options *options,
                    const char *host, int fd, struct tls_session **ret,
                    struct client_failure *failure);

/* Goes on with the handshake. Return: 0 when it is done, -EAGAIN to be called again when the socket
 * is ready, or another negative errno with *failure. */
int tls_session_handshake(struct tls_session *session, struct client_failure *failure);

/* Like send() and recv() on a non-blocking socket, errno included; what is not an error of the
 * socket is EPROTO, which tls_session_failure() explains. */
ssize_t tls_session_send(struct tls_session *session, const void *data, size_t len);
ssize_t tls_session_receive(struct tls_session *session, void *data, size_t size);
void tls_session_failure(const struct tls_session *session, struct client_failure *ret);

/* What EAGAIN waits for is room to write. */
bool tls_session_wants_write(const struct tls_session *session);

struct tls_session *tls_session_free(struct tls_session *session);

/* The connection of another library over OpenSSL (its SSL *): it holds buffers only while it reads
 * or writes, not 32 KB between two rounds. NULL is fine. */
void tls_release_buffers(void *ssl);
