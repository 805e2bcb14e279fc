/* SPDX-License-Identifier: Apache-2.0 */

/* The watch over primaries inside the daemon: which targets are members of which cluster, and what
 * it says in metrics. */
#pragma once

#include "collectors/collector.h"
#include "config/config.h"
#include "failover/watch.h"
#include "sampler/sampler.h"
#include "store/batch.h"

struct watching;

struct watching_options {
    struct loop *loop;
    struct resolver *resolver;
    const char *storage_path;    /* NULL: nothing is kept */
    const struct config *config; /* borrowed: what it holds now, whenever it is applied */
    /* A verdict, a primary or a plan is another one. Never from inside. */
    void (*news)(void *userdata);
    void *userdata;
};

/* Reads the journal; blocks for that. */
struct watching *watching_new(const struct watching_options *options);
struct watching *watching_free(struct watching *watching);

/* Makes the clusters be what the configuration says; one that fails over is left alone until that
 * has ended. NULL is fine. */
void watching_apply(struct watching *watching);

/* After each round of a target. */
void watching_round_ended(struct watching *watching, const struct target_view *target);

/* NULL for NULL. */
struct watch *watching_watch(const struct watching *watching);

void watching_collect(const struct watching *watching, struct batch *batch);

/* For the reference of metrics. */
extern const struct collector watching_metrics_table;
