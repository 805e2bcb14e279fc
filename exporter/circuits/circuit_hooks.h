/* SPDX-License-Identifier: Apache-2.0 */

/* Commands of operators that are run when a breaker opens or closes.
 *
 * A command gets DBVITALS_EVENT (breaker_open, breaker_close), DBVITALS_BREAKER, _STATE, _REASON,
 * _CIRCUIT, _TARGET, _CLUSTER and _GROUP in its environment and the breaker as JSON on its standard
 * input. Commands of one breaker run one after another, also over several events; when it has
 * changed and changed back while one was running, what came to nothing is left out. Exit code 0 is
 * success, 75 (EX_TEMPFAIL) try again, at most three times in all. */
#pragma once

#include <stdbool.h>

#include "circuits/circuits.h"
#include "io/loop.h"

struct circuit_hooks;

struct circuit_hooks *circuit_hooks_new(struct loop *loop);

/* What runs is killed. NULL is fine. Return: NULL. */
struct circuit_hooks *circuit_hooks_free(struct circuit_hooks *hooks);

/* The breaker keeps calls back from now on, or no longer. Everything is copied. */
void circuit_hooks_tell(struct circuit_hooks *hooks, const struct kept_circuit *kept, bool opened,
                        struct circuit_time now);

/* Whether nothing runs or waits. */
bool circuit_hooks_idle(const struct circuit_hooks *hooks);
