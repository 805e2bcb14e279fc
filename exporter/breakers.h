/* SPDX-License-Identifier: Apache-2.0 */

/* The breakers for applications inside the daemon: what they are fed with (rounds of targets,
 * expressions, reports), who is told of them (hooks, Redis, the log), and how orders survive a
 * restart (breakers.state). */
#pragma once

#include "base/error.h"
#include "circuits/circuits.h"
#include "config/config.h"
#include "io/loop.h"
#include "io/resolve.h"
#include "sampler/sampler.h"
#include "web/web.h"

struct breakers;

struct breakers_options {
    struct loop *loop;
    struct resolver *resolver;
    const struct store *store;
    const char *storage_path; /* borrowed; NULL: orders are not kept */
    const char *owner;        /* who we are where others publish too; borrowed */
};

struct breakers *breakers_new(const struct breakers_options *options);

/* Brings changes that are not on the disk yet there; blocks for that. */
struct breakers *breakers_free(struct breakers *breakers);
DEFINE_CLEANUP(struct breakers, breakers_free);

/* Whether the expressions of a configuration can be evaluated. Return: 0 or -EINVAL with the
 * breaker and the place of the mistake. */
int breakers_check(const struct config *config, struct error *err);

/* Takes over a configuration that was checked; the first time, what was kept over a restart too. */
void breakers_apply(struct breakers *breakers, const struct config *config);

/* After each round of a target. */
void breakers_round_ended(struct breakers *breakers, const struct target_view *target);

/* Adds what breakers of a target show; of those without a target, when it is NULL. */
void breakers_add(const struct breakers *breakers, const struct target_view *target,
                  struct batch *batch);

/* What the web asks for. */
struct circuits *breakers_circuits(const struct breakers *breakers);
void breakers_order(struct breakers *breakers, const struct web_breaker_order *order,
                    void (*done)(void *done_userdata, const struct web_change_result *result),
                    void *done_userdata);
