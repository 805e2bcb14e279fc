/* SPDX-License-Identifier: Apache-2.0 */

/* The parameters of rules inside the daemon: shown as samples of each target, changed while it
 * runs, and kept over restarts in parameters.state. */
#pragma once

#include "base/error.h"
#include "collectors/collector.h"
#include "config/config.h"
#include "io/loop.h"
#include "rules/parameters.h"
#include "rules/rule_file.h"
#include "sampler/sampler.h"
#include "web/web.h"

struct thresholds;

/* Reads what was changed before; blocks for that. storage_path: NULL keeps changes in memory. */
struct thresholds *thresholds_new(struct loop *loop, const char *storage_path);

/* Brings changes that are not on the disk yet there; blocks for that. Those who wait for it hear
 * how it ended. */
struct thresholds *thresholds_free(struct thresholds *thresholds);
DEFINE_CLEANUP(struct thresholds, thresholds_free);

/* Takes over what a configuration says, and warns of names that look misspelt. The rules must live
 * as long as they are the current ones. */
void thresholds_apply(struct thresholds *thresholds, const struct config *config,
                      const struct rule_set *rules);

/* Adds dbvitals_threshold{name} of a target to a round's samples. */
void thresholds_add(const struct thresholds *thresholds, const struct target_view *target,
                    struct batch *batch);

/* Whether it is bundled, somebody has said something about it, or a rule reads it. */
bool thresholds_know(const struct thresholds *thresholds, struct str name);

/* A change that was checked: counts at once, and is answered when it is on the disk. */
void thresholds_change(struct thresholds *thresholds, const struct web_parameter_change *change,
                       void (*done)(void *done_userdata, const struct web_change_result *result),
                       void *done_userdata);

const struct parameters *thresholds_parameters(const struct thresholds *thresholds);

/* For the reference of metrics. */
extern const struct collector threshold_metrics_table;
