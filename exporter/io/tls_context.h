/* SPDX-License-Identifier: Apache-2.0 */

/* Certificates and keys as OpenSSL wants them: read from their files, and shared by all connections
 * with the same ones. One that is asked for after a file has changed is made anew; older
 * connections keep theirs. Files that cannot be used, half-written or a key that does not belong to
 * the certificate yet, leave the one that was made of them before in use. */
#pragma once

#include <stddef.h>

#include "base/error.h"
#include "base/macros.h"
#include "io/tls_options.h"

struct ssl_ctx_st;

struct tls_contexts;

/* kept(), if given, is told once for each state of the files that what was read before stays in
 * use, and why; it must not call back. */
struct tls_contexts *tls_contexts_new(void (*kept)(void *userdata, const struct error *why),
                                      void *userdata);
/* Forgets the contexts that no connection uses. */
void tls_contexts_trim(struct tls_contexts *contexts);
/* How many there are. */
size_t tls_contexts_count(const struct tls_contexts *contexts);
/* After the last session. NULL is fine. Return: NULL. */
struct tls_contexts *tls_contexts_free(struct tls_contexts *contexts);
DEFINE_CLEANUP(struct tls_contexts, tls_contexts_free);

struct tls_context {
    struct ssl_ctx_st *ssl;
};

/* For one connection, which gives it back with tls_context_unref(). Return: 0, or negative errno
 * with what is wrong with the files, of which none were good before. */
int tls_context_get(struct tls_contexts *contexts, const struct tls_options *options,
                    struct tls_context **ret, struct error *err);
void tls_context_unref(struct tls_context *context);
