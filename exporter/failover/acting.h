/* SPDX-License-Identifier: Apache-2.0 */

/* Acts for one cluster: from a verdict to a plan, and from each step of the plan to what it does.
 *
 * After each judgement it asks whether the verdict allows a failover and whether anything forbids
 * it; then a plan is written, and the executor walks it through its steps. While it walks, what
 * comes in may end it: nothing is promoted unless the last look, with answers that were asked for
 * after the fence, still says that the primary is lost and that the planned candidate is the best.
 */
#pragma once

#include "failover/private_watch.h"

struct acting;

struct acting *acting_new(struct watched *watched);
/* What is under way stays in the journal as it is. NULL is fine. Return: NULL. */
struct acting *acting_free(struct acting *acting);

/* The cluster was judged anew. */
void acting_judged(struct acting *acting);

/* Brings what the cluster cannot know of itself up to date: acknowledgements, maintenance... */
void acting_refresh(struct acting *acting);

/* A PgBouncer in front of it has just gone down. */
void acting_pool_down(struct acting *acting, const char *name, const char *instance);

/* A plan, a rehearsal or hooks are under way. */
bool acting_is_busy(const struct acting *acting);

/* A plan is under way that is not only waiting for its approval. */
bool acting_is_walking(const struct acting *acting);

/* Lets a plan go on that waits for it, when that is on the disk. Return: as executor_ask(); -ENOENT
 * when no plan of this cluster waits under this id. */
struct executor_waiter;
int acting_approve(struct acting *acting, struct str id, const char *who,
                   const struct executor_waiter *waiter, struct error *err);

/* Orders of an operator. to: empty where a Sentinel chooses. Return: 0, or negative errno with
 * *err, which says what is wrong. */
int acting_switch_over(struct acting *acting, struct str to, const char *who, struct error *err);
int acting_rehearse(struct acting *acting, struct error *err);

/* The newest rehearsal: NULL when there was none. */
const struct rehearsal *acting_rehearsal(const struct acting *acting);
struct str acting_rehearsal_text(const struct acting *acting); /* a line of each hook event */
