/* SPDX-License-Identifier: Apache-2.0 */

/* What the daemon says about its rules on its own page: each group's evaluations, and how many
 * alerts there are. Shapes and label are those of Prometheus' own metrics. */
#pragma once

#include "collectors/collector.h"
#include "rules/rules.h"

/* The rows, for the reference of metrics; end with a zeroed one. */
extern const struct column self_rules_rows[];

void self_rules_add(const struct rules *rules, struct batch *batch);
