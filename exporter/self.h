/* SPDX-License-Identifier: Apache-2.0 */

/* The daemon as its own target: what it says about its process, its loop, its store and its
 * answers, in the pseudo-target `dbvitals`. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "collectors/collector.h"
#include "io/loop.h"
#include "rules/rules.h"
#include "sampler/sampler.h"
#include "store/store.h"
#include "web/web.h"

struct reload;
struct web_config;

struct self_sources {
    struct loop *loop;
    struct store *store;
    const struct sampler *sampler;
    const struct web *web;               /* may be NULL */
    const struct rules *rules;           /* may be NULL */
    const struct web_config *web_config; /* may be NULL */
    const struct reload *reload;
    uint64_t clock_steps;
    uint64_t log_lines_lost; /* by log files: a full disk */
};

/* Adds all of it to a batch. */
void self_metrics_add(const struct self_sources *sources, struct batch *batch);

/* For the reference of metrics. */
extern const struct collector self_metrics_table;
