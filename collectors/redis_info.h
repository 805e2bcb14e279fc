/* SPDX-License-Identifier: Apache-2.0 */

/* INFO of Redis, Valkey and KeyDB, which Sentinel speaks in part. */
#pragma once

#include "collectors/collector.h"

/* Fields of all versions and forks, and what redis_info_decode computes (rows without a column);
 * ends with {0}. */
extern const struct column redis_info_columns[];

/* By the columns, and what is computed: version, start, positions. */
int redis_info_decode(const struct sample_context *context, const struct answer *answer,
                      struct batch *batch, struct error *err);

/* The statistics of a command, "calls=21,usec=175,...", in INFO as pairs; no text when there are
 * none. Who asks for many commands asks in their order there: the search goes on at *cursor (0 at
 * first), where the last one ended, and around. */
struct str redis_command_statistics(const struct table *table, struct str command, size_t *cursor);
