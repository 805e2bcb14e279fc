/* SPDX-License-Identifier: Apache-2.0 */

/* The commands of one step of a failover plan, run one after another.
 *
 * A command gets what the event says as DBVITALS_... in its environment and as one JSON object on
 * its standard input. Exit code 0 is success; 75 (EX_TEMPFAIL) means try again, at most three times
 * in all, a second apart and within the command's time, and never for a promotion; anything else is
 * failure. The file is checked before each attempt (io/hook_file.h).
 *
 * Before and at the promotion the first failure ends the run. Afterwards every command has its turn
 * whatever became of those before it: a pager must ring although a virtual address did not move. */
#pragma once

#include <stdbool.h>

#include "failover/hook_options.h"
#include "io/loop.h"
#include "io/process.h"

#define HOOK_MOST_OUTPUT_BYTES ((size_t)64 * 1024) /* of all commands together */

/* What is not known is NULL: an empty variable, and null in JSON. */
struct hook_event {
    enum hook_event_kind kind;
    const char *cluster, *failover_id;
    const char *old_primary, *old_primary_addr; /* name of the target, and HOST:PORT */
    const char *new_primary, *new_primary_addr;
    const char *lsn, *timeline;
    const char *reason;   /* one line */
    const char *evidence; /* in words, any length; in JSON only */
    bool dry_run;         /* commands say what they would do, and touch nothing */
};

/* Everything is copied. */
struct hook_run_request {
    const struct hook_options *options;
    const struct hook_event *event;
    /* Exactly once, unless it is freed before; never inside a function of this header, but inside
     * processes_free(). text is for the journal, UTF-8 of several lines and empty when there was
     * nothing to run: each attempt, how it ended, how long it took and what it wrote; borrowed. May
     * free the run. */
    void (*done)(void *userdata, bool good, const char *text);
    void *userdata;
};

struct hook_run;

/* Both are borrowed and outlive the run. An empty list is success, told from the next turn of the
 * loop. */
struct hook_run *hook_run_new(struct loop *loop, struct processes *processes,
                              const struct hook_run_request *request);

/* Forgets it: done() is not called. A command that runs has its grace time to end. NULL is fine.
 * Return: NULL. */
struct hook_run *hook_run_free(struct hook_run *run);
DEFINE_CLEANUP(struct hook_run, hook_run_free);
