/* SPDX-License-Identifier: Apache-2.0 */

/* The watch over primaries inside the daemon: which targets are members of which cluster, and what
 * it says in metrics. */
#pragma once

#include "collectors/collector.h"
#include "config/config.h"
#include "failover/watch.h"
#include "store/batch.h"

/* Makes the clusters be what the configuration says. */
void watching_apply(struct watch *watch, const struct config *config);

void watching_collect(const struct watch *watch, struct batch *batch);

/* For the reference of metrics. */
extern const struct collector watching_metrics_table;
