/* SPDX-License-Identifier: Apache-2.0 */

/* The metric names of services (db_pool_usage_percent, cache_hits_total, ...), computed from facts
 * so that they mean the same for every kind of server. Pure. */
#pragma once

#include "collectors/collector.h"

/* Use of the connections of a pool or server in percent.
 * PostgreSQL: client backends / (max_connections - reserved); PgBouncer: its worst pool.
 * Return: false when the facts do not tell. */
bool service_pool_usage_percent(enum target_kind kind, const struct facts *facts, double *ret);

/* Adds what the facts tell, with these labels. */
void service_metrics_add(enum target_kind kind, const struct facts *facts,
                         struct batch_labels labels, struct batch *batch);

extern const struct collector service_metrics_table;
