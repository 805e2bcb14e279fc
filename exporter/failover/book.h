/* SPDX-License-Identifier: Apache-2.0 */

/* The failovers of all clusters as the journal tells them: plans, where each stands, what happened
 * when. Pure: records go in as bytes and come out as bytes, the owner keeps them on the disk
 * (io/record_log) and enters a step only when its record is there.
 *
 * A plan is written as a whole when it is drafted; after that each record is one event of it. What
 * the book holds is what all records say, in their order: reading them again gives the same book.
 * Of plans that nothing depends on any more it keeps the newest, and counts the others. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "failover/steps.h"
#include "failover/wal_rate.h"

#define BOOK_MOST_PLANS 1000 /* then the oldest that are not needed go, a tenth of them */
#define BOOK_MOST_TEXT  ((size_t)64 * 1024)

enum plan_mode { PLAN_OBSERVE, PLAN_MANUAL, PLAN_AUTOMATIC, PLAN_SWITCHOVER, PLAN_MODES };
extern const char *const plan_mode_names[];

/* Everything that is known when it is drafted. */
struct plan_draft {
    struct str id, cluster;
    struct str old_primary, old_address, new_primary, new_address;
    struct str reason;   /* the verdict, in words */
    struct str evidence; /* who said what */
    struct str position; /* as the server writes it: 0/3000148 */
    uint32_t timeline;
    struct wal_loss loss; /* nothing is known: of a journal of before */
    enum plan_mode mode;
    int64_t drafted_ms;
};

/* What it came to, when the new primary has taken over. */
struct plan_outcome {
    uint64_t recovery_ms; /* from the old primary's last answer until the new one took writes */
    uint64_t
        lost_bytes;   /* at least: the old one's last position that was seen, less the new one's */
    uint64_t lost_ms; /* at most: how long nothing had been seen of the old one */
};

struct plan_note {
    enum step step; /* in which it happened */
    enum step_event event;
    int64_t t_ms;
    struct str text; /* why, or the output of a hook; may be empty */
};

struct plan {
    struct plan_draft draft;
    enum step step;   /* where it stands now */
    int64_t ended_ms; /* 0: not yet */
    bool has_outcome;
    struct plan_outcome outcome;
    struct plan_note *notes;
    size_t n_notes, notes_capacity;
    struct arena arena; /* of all texts */
};

/* The plans of a cluster that the book does not hold any more, by where they stood. */
struct book_total {
    char *cluster;
    uint64_t gone[STEPS];
};

struct book {
    struct plan **plans; /* oldest first */
    size_t n_plans, capacity;
    struct book_total *totals;
    size_t n_totals, totals_capacity;
};

void book_deinit(struct book *book);

/* One record as it was read. Return: 0, or -EINVAL with *err: it is of another version, names a
 * plan that is not there, or says what cannot have happened. */
int book_read(struct book *book, struct str record, struct error *err);

/* Adds the record of a new plan to out; the book has it when the record was read (book_read()). */
void book_draft(const struct plan_draft *draft, struct strbuf *out);

/* Adds the record of an event of a plan to out. Return: the step that it will lead to. */
enum step book_event(const struct plan *plan, enum step_event event, int64_t now_ms,
                     struct str text, struct strbuf *out);

/* Adds the record of what a plan came to. */
void book_outcome(const struct plan *plan, const struct plan_outcome *outcome, struct strbuf *out);

/* Adds the record of an event that the book has. */
void book_note(const struct plan *plan, const struct plan_note *note, struct strbuf *out);

/* Adds the record of plans that are gone; such records come before all plans. */
void book_total(const struct book_total *total, struct strbuf *out);

/* "CLUSTER-20261121T183000.123": what people type, so it is short and tells the time. */
#define PLAN_ID_BYTES 128
void plan_name(const char *cluster, int64_t now_ms, char out[PLAN_ID_BYTES]);

/* What tells best how it stands: what a failed one failed of, and not how its undoing went; else
 * the newest words. Empty when there are none. */
struct str plan_words(const struct plan *plan);

struct plan *book_find(const struct book *book, struct str id);

/* The plan of a cluster that is under way, or must be acknowledged first; or NULL. One of no
 * cluster stands for all. */
struct plan *book_blocking(const struct book *book, struct str cluster);

/* Whether anything depends on the plan of this index: it is under way or not acknowledged, or of
 * the plans of its cluster it is the newest, the newest that went well, that has an outcome, or
 * that may have promoted. */
bool book_needs(const struct book *book, size_t index);

/* Drops the plans that are not kept, and counts them in the totals. keep has n_plans. */
void book_keep(struct book *book, const bool *keep);

/* Counts more plans of a cluster as gone. */
void book_add_gone(struct book *book, struct str cluster, enum step step, uint64_t count);

/* How many plans of a cluster, and of no cluster, are gone that stood there. */
uint64_t book_gone(const struct book *book, struct str cluster, enum step step);

/* Whether it went through all of its steps. */
bool plan_has_done(const struct plan *plan);

/* Whether a promotion of the plan was begun, so that nobody else may ever be promoted for it. */
bool plan_may_have_promoted(const struct plan *plan);
