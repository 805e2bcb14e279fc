/* SPDX-License-Identifier: Apache-2.0 */

/* Walks one plan of a cluster through its steps (failover/steps.h), each written down before it
 * begins. What a step does is the sink's business; when it has ended the sink says so, and what
 * happens meanwhile (the old primary is back) waits for the record that is under way.
 *
 * A disk that does not take a record holds the plan where it is. What was about to begin is not
 * begun later, when nothing is as it was: the step counts as failed then, and a plan of which
 * nothing has begun is withdrawn. What has happened stays: that a promotion succeeded is written as
 * soon as it can be. */
#pragma once

#include "failover/journal.h"

struct executor;

struct executor_sink {
    /* plan->step was entered and is on the disk: do it. Of an end nothing more is to be done; the
     * executor is free for another plan. */
    void (*entered)(void *userdata, const struct plan *plan);
    /* The plan could not be written, and is forgotten: nothing was done. */
    void (*refused)(void *userdata, const struct error *why);
    void *userdata;
};

struct executor *executor_new(struct loop *loop, struct journal *journal,
                              const struct executor_sink *sink);
/* What is under way stays in the journal as it is; who waits is not called. NULL is fine. Return:
 * NULL. */
struct executor *executor_free(struct executor *executor);
DEFINE_CLEANUP(struct executor, executor_free);

/* Writes a plan; when it is there `first` happens to it: STEP_OBSERVE, STEP_ASK or STEP_GO. */
void executor_start(struct executor *executor, const struct plan_draft *draft,
                    enum step_event first, const char *text);

/* Something happened in the step that was entered last. A step ends once: what else comes of it
 * while its end is written is dropped. But that the old primary is back (STEP_RETURNED) waits, and
 * counts in the next step before that begins. */
void executor_event(struct executor *executor, enum step_event event, struct str text);

/* The same for what people ask for, who wait to hear that it is on the disk: written() is called
 * once, never from inside, with err when it could not be written. Then it has not happened, and is
 * not written later: they ask again. Return: 0; or -EPERM (it is nothing for this step) or another
 * negative errno with *err, and nobody is called. */
struct executor_waiter {
    void (*written)(void *userdata, const struct error *err);
    void *userdata;
};
int executor_ask(struct executor *executor, enum step_event event, struct str text,
                 const struct executor_waiter *waiter, struct error *err);

/* What the plan came to, for the book. */
void executor_outcome(struct executor *executor, const struct plan_outcome *outcome);

/* Whether a plan that has ended was given up because its beginning could not be written: nothing
 * was done, and the next one may be made. */
bool executor_could_not_begin(const struct plan *plan);

/* How long the next one waits after so many such plans in a row: a disk that takes one record and
 * not the next would see one plan after another. */
uint64_t executor_pause_usec(unsigned n_unbegun);

/* From executor_start() until the end is on the disk. */
bool executor_is_busy(const struct executor *executor);

/* The plan that is under way, or NULL: also while its draft is written. */
const struct plan *executor_plan(const struct executor *executor);
