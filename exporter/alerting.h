/* SPDX-License-Identifier: Apache-2.0 */

/* The rules inside the daemon: when they run, where an expensive one is evaluated, how their state
 * gets to the disk and back, who is told of alerts, and what a Prometheus would have recorded of a
 * scrape. */
#pragma once

#include "base/error.h"
#include "config/config.h"
#include "io/loop.h"
#include "io/resolve.h"
#include "rules/rules.h"
#include "sampler/sampler.h"
#include "store/store.h"

struct alerting;

struct alerting_options {
    struct loop *loop;
    struct store *store;
    const char *storage_path;  /* borrowed; NULL: state is not kept */
    const char *external_url;  /* borrowed; NULL: none */
    struct resolver *resolver; /* of the names of those who are told */
};

struct alerting *alerting_new(const struct alerting_options *options);

/* Brings the state to the disk; blocks for that. */
struct alerting *alerting_free(struct alerting *alerting);
DEFINE_CLEANUP(struct alerting, alerting_free);

/* Reads the rule files of a configuration. Return: the set, or NULL with all mistakes in *errors.
 */
struct rule_set *alerting_read_rules(const struct config *config, struct error_list *errors);

/* The same. Return: the set, or NULL with the first mistake in *err; all of them are in the log. */
struct rule_set *alerting_prepare(const struct config *config, struct error *err);

/* Makes a prepared set the one that is evaluated, and keeps as much history as it needs. The
 * configuration must live as long as it is the current one. */
void alerting_apply(struct alerting *alerting, struct rule_set *set, const struct config *config);

/* The same configuration with other secrets. */
void alerting_apply_secrets(struct alerting *alerting, const struct config *config);

/* After each round of a target. ready: every target has ended one. */
/* The daemon's own series, or a target's, have changed outside of a round. */
void alerting_news(struct alerting *alerting, const char *target);

void alerting_round_ended(struct alerting *alerting, const struct target_view *target, bool ready);

/* After the daemon's own series were made: `instance` as they have it, and how long it took. */
void alerting_self_made(struct alerting *alerting, const struct store_source *self,
                        const char *instance, double seconds, int64_t t_ms);

const struct rules *alerting_rules(const struct alerting *alerting);

/* URL of the API of one of the Alertmanagers that are told; behind the last one NULL. */
const char *alerting_alertmanager(const struct alerting *alerting, size_t index);

/* Metrics about rules, alerts and who was told of them. */
void alerting_collect(const struct alerting *alerting, struct batch *batch);
