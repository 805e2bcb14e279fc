/* SPDX-License-Identifier: Apache-2.0 */

/* A client for PgBouncer's admin console: simple protocol only, one statement at a time. Sampling
 * sends nothing but SHOW, because there SET changes PgBouncer itself; failover/pool_switch.h has
 * the commands. */
#pragma once

#include "io/client.h"
#include "io/pg_options.h"

/* options are copied. hello->version is 11800 for 1.18.0, read from the server_version parameter.
 */
struct client *pgbouncer_client_new(struct loop *loop, struct resolver *resolver,
                                    const struct pg_options *options,
                                    const struct client_events *events);
