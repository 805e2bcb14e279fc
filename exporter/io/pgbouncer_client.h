/* SPDX-License-Identifier: Apache-2.0 */

/* A client for PgBouncer's admin console: simple protocol only, one SHOW at a time, and nothing but
 * SHOW, because there SET changes PgBouncer itself. */
#pragma once

#include "io/client.h"
#include "io/pg_options.h"

/* options are copied. hello->version is 11800 for 1.18.0, read from the server_version parameter.
 */
struct client *pgbouncer_client_new(struct loop *loop, struct resolver *resolver,
                                    const struct pg_options *options,
                                    const struct client_events *events);
