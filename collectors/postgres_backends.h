/* SPDX-License-Identifier: Apache-2.0 */

/* One question about all backends that several collectors read: the server goes through its
 * backends once, because equal texts are sent once.
 *
 * The function behind pg_stat_activity spares the view's joins with databases and roles. Only
 * client backends count against max_connections; parallel workers, autovacuum and background
 * workers stand here too. Before version 12 WAL senders took such places as well. */
#pragma once

#include "collectors/collector.h"

extern const struct query postgres_backends_queries[];

/* Fails with -EACCES when the role sees only its own sessions: counts of them would look like a
 * server without load. */
int postgres_backends_decode(const struct collector *collector,
                             const struct sample_context *context, const struct answer *answer,
                             struct batch *batch, struct error *err);
