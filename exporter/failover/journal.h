/* SPDX-License-Identifier: Apache-2.0 */

/* The journal of failovers on the disk, and the book (failover/book.h) of what it holds. Whatever
 * is told of a plan is in the book when it is on the disk, and not before: who waits for that acts
 * only on what a crash cannot take away.
 *
 * What was under way when the monitor ended is closed at the opening (STEP_RESTARTED). A file that
 * cannot be trusted is set aside, and a plan of no cluster that has failed stands for it: it
 * forbids every failover until people acknowledge it.
 *
 * When it has grown it is shortened, at the opening and whenever no plan is open: a new file takes
 * its place (record_log_replace()) that tells of what is needed, of the newest plans beside that,
 * and how many are gone; the old one is not kept. What has to be written meanwhile waits for it. */
#pragma once

#include "failover/shorter.h"
#include "io/loop.h"
#include "io/record_log.h"
#include "io/worker.h"

struct journal;

struct journal_room {
    uint64_t shorten_above;     /* bytes */
    uint64_t least_gain;        /* bytes: for less it is not done, unless it is full */
    struct shorter_limits kept; /* at most, beside what is needed */
};
#define JOURNAL_SHORTEN_ABOVE (RECORD_LOG_MOST_BYTES / 4)  /* 4 MiB */
#define JOURNAL_LEAST_GAIN    (RECORD_LOG_MOST_BYTES / 16) /* 1 MiB */
#define JOURNAL_KEPT_BYTES    (RECORD_LOG_MOST_BYTES / 8)  /* 2 MiB */
#define JOURNAL_KEPT_PLANS    500

struct journal_options {
    struct loop *loop;
    struct worker_pool *pool;        /* borrowed; freed after the journal */
    const char *path;                /* copied; its folder must exist */
    const struct journal_room *room; /* NULL: as below */
};

/* Reads what is there; blocks. Return: NULL when the file cannot be used, which is in the log. */
struct journal *journal_open(const struct journal_options *options);
struct journal *journal_free(struct journal *journal);
DEFINE_CLEANUP(struct journal, journal_free);

const struct book *journal_book(const struct journal *journal);

/* Whether it could be written when it last had to be, has room for a failover, and tells of all
 * that was under way when the monitor ended. */
bool journal_works(const struct journal *journal);

/* What comes of a record: plan is NULL when it is not on the disk, with *err; and without when it
 * is, but an acknowledged plan was forgotten meanwhile. Never called from inside the functions
 * below. */
struct journal_waiter {
    void (*written)(void *userdata, struct plan *plan, const struct error *err);
    void *userdata;
};

/* Writes a new plan, an event of one, or what it came to. waiter may be NULL. An event is of the
 * step that the plan is in, so there is one at a time.
 * Return: 0, or negative errno with *err when there is no room, another event is on its way or
 * there is a plan of this name: nobody is called. Plans that only observe have half of the room. */
int journal_draft(struct journal *journal, const struct plan_draft *draft,
                  const struct journal_waiter *waiter, struct error *err);
int journal_event(struct journal *journal, const struct plan *plan, enum step_event event,
                  struct str text, const struct journal_waiter *waiter, struct error *err);
int journal_outcome(struct journal *journal, const struct plan *plan,
                    const struct plan_outcome *outcome, const struct journal_waiter *waiter,
                    struct error *err);

/* Who waits with this userdata is not called any more. */
void journal_forget(struct journal *journal, const void *userdata);
