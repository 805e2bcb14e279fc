/* SPDX-License-Identifier: Apache-2.0 */

/* Our side of TLS, by GnuTLS, which libmicrohttpd brings: a certificate with its key, and what is
 * demanded of clients. Several generations live beside each other: a session keeps the one that it
 * began with, new ones get the newest, so that a renewed certificate needs no restart.
 *
 * libmicrohttpd makes the sessions and would give all of them the one certificate of its start; we
 * put ours in its place before a handshake begins. */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "base/macros.h"
#include "web/security_options.h"

struct tls_server;

/* Everything that cannot work shows here, with its place. Options are not needed afterwards.
 * Return: 0 or negative errno. */
int tls_server_new(const struct web_tls_options *options, struct tls_server **ret,
                   struct error *err);

/* NULL is fine. Return: the same. */
struct tls_server *tls_server_ref(struct tls_server *tls);
/* Return: NULL. */
struct tls_server *tls_server_unref(struct tls_server *tls);
DEFINE_CLEANUP(struct tls_server, tls_server_unref);

/* Equips a session (gnutls_session_t) that has not begun its handshake. The caller's reference must
 * outlive the session. */
void tls_server_equip(struct tls_server *tls, void *session);

/* Until when the certificate is valid, in seconds of Unix time. */
int64_t tls_server_expires(const struct tls_server *tls);

/* What libmicrohttpd wants for its own certificate (a gnutls_certificate_retrieve_function2): gives
 * none. */
void *tls_server_no_certificate(void);
