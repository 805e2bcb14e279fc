/* SPDX-License-Identifier: Apache-2.0 */

#include "failover/executor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/log.h"
#include "base/mem.h"

/* A disk that was full or stalled is tried again so often. */
#define RETRY_USEC USEC_PER_SEC
/* After two plans that could not begin, and how often that is doubled. */
#define PAUSE_USEC     (10 * USEC_PER_SEC)
#define MOST_DOUBLINGS 6

struct happening {
    bool set;
    enum step_event event;
    char *text;
    struct executor_waiter waiter; /* of what people ask for */
};

struct executor {
    struct loop *loop;
    struct journal *journal;
    struct executor_sink sink;
    bool busy;
    struct plan *plan; /* of the book; NULL while its draft is written */
    bool writing;
    struct happening written; /* what is being written, or could not be */
    struct happening next;    /* what waits for that */
    struct loop_timer *retry;
};

static void take(struct happening *happening, enum step_event event, struct str text) {
    *happening =
        (struct happening){.set = true, .event = event, .text = mem_strndup(text.data, text.len)};
}

static void drop(struct happening *happening) {
    free(happening->text);
    *happening = (struct happening){0};
}

static void event_written(void *userdata, struct plan *plan, const struct error *err);

static int try_to_write(struct executor *executor, struct error *err) {
    const struct journal_waiter waiter = {event_written, executor};
    int r = journal_event(executor->journal, executor->plan, executor->written.event,
                          str_of(executor->written.text), &waiter, err);
    executor->writing = r == 0;
    return r;
}

static void write_event(struct executor *executor) {
    struct error err = {0};
    if (try_to_write(executor, &err) < 0) {
        loop_timer_set(executor->retry, loop_now_usec(executor->loop) + RETRY_USEC);
    }
}

/* Whether what was to be written lets something begin that must not begin late. */
static bool begins_something(enum step from, enum step_event event) {
    enum step to = step_next(from, event);
    return to != from && to <= STEP_PROMOTE;
}

static void try_again(void *userdata) {
    struct executor *executor = userdata;
    struct happening *written = &executor->written;
    if (begins_something(executor->plan->step, written->event)) {
        bool began = executor->plan->step != STEP_DRAFTED;
        drop(written);
        take(written, began ? STEP_FAILURE : STEP_RETURNED,
             str_of("the journal could not be written in time, so nothing was begun"));
    }
    write_event(executor);
}

static void end(struct executor *executor) {
    drop(&executor->written);
    drop(&executor->next);
    executor->plan = NULL;
    executor->busy = false;
}

static void write_next(struct executor *executor) {
    executor->written = executor->next;
    executor->next = (struct happening){0};
    write_event(executor);
}

/* The step that was entered, or what had happened to it meanwhile: then it is not begun. */
static void go_on(struct executor *executor) {
    const struct plan *plan = executor->plan;
    drop(&executor->written);
    if (step_is_end(plan->step)) {
        end(executor);
        executor->sink.entered(executor->sink.userdata, plan);
        return;
    }
    if (executor->next.set && step_next(plan->step, executor->next.event) != plan->step) {
        write_next(executor);
        return;
    }
    drop(&executor->next);
    executor->sink.entered(executor->sink.userdata, plan);
}

/* Nothing comes of it, and the step goes on. */
static void asked_in_vain(struct executor *executor, const struct error *err) {
    struct executor_waiter waiter = executor->written.waiter;
    drop(&executor->written);
    if (executor->next.set) {
        write_next(executor);
    }
    waiter.written(waiter.userdata, err);
}

static void event_written(void *userdata, struct plan *plan, const struct error *err) {
    struct executor *executor = userdata;
    struct executor_waiter waiter = executor->written.waiter;
    executor->writing = false;
    if (plan == NULL && waiter.written != NULL) {
        asked_in_vain(executor, err);
        return;
    }
    if (plan == NULL) {
        log_error("failover '%.*s' waits: %s", (int)executor->plan->draft.id.len,
                  executor->plan->draft.id.data, err->text);
        loop_timer_set(executor->retry, loop_now_usec(executor->loop) + RETRY_USEC);
        return;
    }
    if (waiter.written != NULL) {
        waiter.written(waiter.userdata, NULL);
    }
    go_on(executor);
}

static void refuse(struct executor *executor, const struct error *why) {
    end(executor);
    executor->sink.refused(executor->sink.userdata, why);
}

static void draft_written(void *userdata, struct plan *plan, const struct error *err) {
    struct executor *executor = userdata;
    if (plan == NULL) {
        refuse(executor, err);
        return;
    }
    executor->plan = plan;
    write_event(executor);
}

void executor_start(struct executor *executor, const struct plan_draft *draft,
                    enum step_event first, const char *text) {
    const struct journal_waiter waiter = {draft_written, executor};
    struct error err = {0};
    executor->busy = true;
    take(&executor->written, first, str_of(text));
    if (journal_draft(executor->journal, draft, &waiter, &err) < 0) {
        refuse(executor, &err);
    }
}

void executor_event(struct executor *executor, enum step_event event, struct str text) {
    if (executor->writing || executor->written.set) {
        if (event == STEP_RETURNED && !executor->next.set) {
            take(&executor->next, event, text);
        }
        return;
    }
    if (executor->plan == NULL || step_next(executor->plan->step, event) == executor->plan->step) {
        return;
    }
    take(&executor->written, event, text);
    write_event(executor);
}

int executor_ask(struct executor *executor, enum step_event event, struct str text,
                 const struct executor_waiter *waiter, struct error *err) {
    if (executor->writing || executor->written.set) {
        return error_say(err, -EBUSY, "something else that happened to it is being written");
    }
    if (executor->plan == NULL || step_next(executor->plan->step, event) == executor->plan->step) {
        return error_say(err, -EPERM, "it is nothing for the step that it is at");
    }
    take(&executor->written, event, text);
    executor->written.waiter = *waiter;
    int r = try_to_write(executor, err);
    if (r < 0) {
        drop(&executor->written);
    }
    return r;
}

void executor_outcome(struct executor *executor, const struct plan_outcome *outcome) {
    struct error err = {0};
    if (executor->plan != NULL &&
        journal_outcome(executor->journal, executor->plan, outcome, NULL, &err) < 0) {
        log_error("failover journal: %s", err.text);
    }
}

bool executor_could_not_begin(const struct plan *plan) {
    return plan->step == STEP_WITHDRAWN && plan->n_notes > 0 &&
           plan->notes[plan->n_notes - 1].step == STEP_DRAFTED &&
           plan->notes[plan->n_notes - 1].event == STEP_RETURNED;
}

uint64_t executor_pause_usec(unsigned n_unbegun) {
    unsigned doublings = n_unbegun < 2 ? 0 : n_unbegun - 2;
    doublings = doublings < MOST_DOUBLINGS ? doublings : MOST_DOUBLINGS;
    return n_unbegun < 2 ? 0 : PAUSE_USEC << doublings;
}

bool executor_is_busy(const struct executor *executor) {
    return executor->busy;
}

const struct plan *executor_plan(const struct executor *executor) {
    return executor->plan;
}

struct executor *executor_new(struct loop *loop, struct journal *journal,
                              const struct executor_sink *sink) {
    struct executor *executor = mem_alloc(sizeof(*executor));
    executor->loop = loop;
    executor->journal = journal;
    executor->sink = *sink;
    executor->retry = loop_timer_new(loop, try_again, executor);
    return executor;
}

struct executor *executor_free(struct executor *executor) {
    if (executor == NULL) {
        return NULL;
    }
    journal_forget(executor->journal, executor);
    loop_timer_free(executor->retry);
    drop(&executor->written);
    drop(&executor->next);
    free(executor);
    return NULL;
}
