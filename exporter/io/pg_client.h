/* SPDX-License-Identifier: Apache-2.0 */

/* A client for PostgreSQL: all requests between two flushes go out as one pipeline, each with its
 * own sync, so that a failing query spoils only itself.
 *
 * On a direct connection (the backend's pid is the one the connection was told) guards are set once
 * and each constant text is prepared once; the server's complaint that a prepared statement is gone
 * or has changed is answered by preparing it again. Behind a transaction pooler no session setting
 * and no named statement is ever used: each query has its own read-only transaction with SET LOCAL,
 * and its COMMIT a sync of its own. */
#pragma once

#include "io/client.h"
#include "io/pg_options.h"

/* options are copied. */
struct client *pg_client_new(struct loop *loop, struct resolver *resolver,
                             const struct pg_options *options, const struct client_events *events);
