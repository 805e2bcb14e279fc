/* SPDX-License-Identifier: Apache-2.0 */

/* The composition root: builds the parts, wires them, reloads and stops them. Nothing below knows
 * that it exists. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "config/flags.h"
#include "sampler/sampler.h"

struct app;

/* Builds everything from flags (borrowed) and configuration: reads files, opens the listening
 * sockets when serve is set, and starts sampling with the loop's first turn.
 * Return: 0, or negative errno with one sentence for the operator. */
int app_new(const struct flags *flags, bool serve, struct app **ret, struct error *err);
struct app *app_free(struct app *app);
DEFINE_CLEANUP(struct app, app_free);

/* Runs until SIGTERM, SIGINT or app_stop(). Return: exit code. */
int app_run(struct app *app);

/* Runs until every target has ended one round, or until the longest timeout and a second are over.
 * Return: true when all have. */
bool app_run_one_round(struct app *app);

const struct sampler *app_sampler(const struct app *app);
