/* SPDX-License-Identifier: Apache-2.0 */

/* What circuit breakers show as metrics: those around sampling, and those kept for applications,
 * which have more to tell. */
#pragma once

#include <stdint.h>

#include "breaker/circuit.h"
#include "collectors/collector.h"

/* State, changes and the time spent open. name and kind are the labels `breaker` and `circuit`. */
void breaker_metrics_add(const char *name, const char *kind, const struct breaker *breaker,
                         uint64_t now_usec, struct batch *batch);

/* The same, and what became of calls, and when. now_ms is the wall clock at now_usec. */
void circuit_metrics_add(const char *name, const char *kind, const struct circuit *circuit,
                         uint64_t now_usec, int64_t now_ms, struct batch *batch);

/* For the reference of metrics. */
extern const struct collector breaker_metrics_table;
