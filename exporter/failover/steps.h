/* SPDX-License-Identifier: Apache-2.0 */

/* The steps of a failover, as a const table: from each step, each thing that can happen leads to
 * one other step. A test proves that every pair has its row, that a promotion is begun at most once
 * on every way through the table, that none is begun before the fence (where there is one) has
 * succeeded, and that a restart of the monitor repeats nothing.
 *
 * A step is entered only when the record that it begins is durable; what a crash leaves begun and
 * not ended is unknown, is never repeated, and waits for people. */
#pragma once

#include <stdbool.h>

enum step {
    STEP_DRAFTED, /* the plan is in the journal */
    STEP_WAITING, /* for an approval (manual) */
    STEP_PRE,     /* `pre` hooks */
    STEP_FENCE,   /* the fence hook */
    STEP_LOOK,    /* the last look: is it still gone, has nobody promoted */
    STEP_PROMOTE,
    STEP_CONFIRM, /* until the new primary takes a write */
    STEP_POST,    /* `post` hooks */
    STEP_UNDO,    /* `failed` hooks */
    /* Ends: no event leads out of them but an acknowledgement. */
    STEP_DONE,
    STEP_FAILED,
    STEP_UNKNOWN,    /* interrupted: people must look */
    STEP_WITHDRAWN,  /* the reason is gone, nothing was done */
    STEP_WOULD_HAVE, /* observe: nothing was done */
    STEP_CLOSED,     /* acknowledged */
    STEPS
};
extern const char *const step_names[];

enum step_event {
    STEP_OBSERVE,   /* the mode is to observe */
    STEP_ASK,       /* the mode is manual */
    STEP_GO,        /* begin: automatic mode, or approved */
    STEP_SUCCEEDED, /* what the step does has succeeded */
    STEP_FAILURE,   /* it has failed, or its time is over */
    STEP_RETURNED,  /* the old primary answers, or somebody else has promoted; of a draft: its time
                       is over */
    STEP_LOST,      /* nothing is known of what the step has done: no answer */
    STEP_RESTARTED, /* the monitor was restarted while the step was under way */
    STEP_ACKNOWLEDGED,
    STEP_EVENTS
};
extern const char *const step_event_names[];

struct step_row {
    enum step from;
    enum step_event event;
    enum step to;
};

/* All STEPS * STEP_EVENTS rows, ordered by step, then event. What cannot happen stays. */
extern const struct step_row step_rows[];

enum step step_next(enum step from, enum step_event event);

/* Whether the plan is over: nothing of it runs any more. */
bool step_is_end(enum step step);

/* Whether a new plan of the cluster is forbidden until this one is acknowledged. */
bool step_is_latched(enum step step);
