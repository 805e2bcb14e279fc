/* SPDX-License-Identifier: Apache-2.0 */

/* The lock between several monitors of one cluster, as those who execute plans see it.
 *
 * Two things are kept where all monitors look. The *holder*: one of them at a time, for as long as
 * it is heard of. And the *plan*: whoever is about to replace a primary claims it first, together
 * with the one candidate, in one transaction that also proves that he is the holder. Holding alone
 * permits nothing, for a look and a deed afterwards are a race. A plan does not end with its
 * holder: it stands until people acknowledge it, and nobody may promote another for it.
 *
 * failover_lock_state(), _plan() and _maintenance() tell what is known, at any time and without
 * asking; everything else is answered through done(), exactly once, never inside the call, and also
 * by failover_lock_free(). Freeing the lock inside done() is legal, except when it is
 * failover_lock_free() that answers; nothing may be asked from there either. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/macros.h"

#define FAILOVER_LOCK_NAME_SIZE 128 /* of a monitor, a target, a plan's id, with its zero byte */
#define FAILOVER_LOCK_WORD_SIZE 32  /* of an outcome */

enum failover_lock_state {
    FAILOVER_LOCK_HELD,        /* by us, and heard of recently enough to say so */
    FAILOVER_LOCK_OTHER,       /* by another monitor */
    FAILOVER_LOCK_UNREACHABLE, /* not known: nobody may act */
    FAILOVER_LOCK_STATES
};
extern const char *const failover_lock_state_names[];

struct failover_lock_plan {
    bool readable; /* false: something else stands in its place, and forbids as much */
    char id[FAILOVER_LOCK_NAME_SIZE];
    char old_primary[FAILOVER_LOCK_NAME_SIZE];
    char candidate[FAILOVER_LOCK_NAME_SIZE];
    char holder[FAILOVER_LOCK_NAME_SIZE];  /* the monitor that claimed it */
    int64_t began_ms;                      /* by its clock */
    char outcome[FAILOVER_LOCK_WORD_SIZE]; /* empty: it is under way, or its monitor is gone */
};

struct failover_lock_maintenance {
    int64_t until_ms; /* INT64_MAX also for what cannot be read */
    /* The same by loop_now_usec(), as it was when this was first seen: a wall clock that jumps
     * changes nothing of it. 0: it was over. */
    uint64_t until_usec;
    char who[FAILOVER_LOCK_NAME_SIZE];
};

enum failover_claim {
    FAILOVER_CLAIM_OURS,        /* the plan stands, and we are the holder still */
    FAILOVER_CLAIM_TAKEN,       /* another plan stands */
    FAILOVER_CLAIM_NOT_HELD,    /* we are not the holder; nothing was written */
    FAILOVER_CLAIM_MAINTENANCE, /* there is maintenance, or it has changed since it was read */
    FAILOVER_CLAIM_UNKNOWN,     /* the plan may stand or not: it has failed */
    FAILOVER_CLAIMS
};
extern const char *const failover_claim_names[];

struct failover_lock_claim {
    const char *plan_id, *old_primary, *candidate; /* copied */
    /* plan: the one that stands, of TAKEN, else NULL. why: a sentence, of all but OURS. */
    void (*done)(void *userdata, enum failover_claim claim, const struct failover_lock_plan *plan,
                 const struct error *why);
    void *userdata;
};

/* err: NULL when it is done; with -EHOSTUNREACH it may be done or not. */
struct failover_lock_answer {
    void (*done)(void *userdata, const struct error *err);
    void *userdata;
};

struct failover_lock;

struct failover_lock_ops {
    enum failover_lock_state (*state)(struct failover_lock *lock, const char **ret_words);
    const struct failover_lock_plan *(*plan)(const struct failover_lock *lock);
    const struct failover_lock_maintenance *(*maintenance)(const struct failover_lock *lock);
    int (*claim)(struct failover_lock *lock, const struct failover_lock_claim *claim);
    int (*finish)(struct failover_lock *lock, const char *plan_id, const char *outcome);
    int (*acknowledge)(struct failover_lock *lock, const char *plan_id,
                       const struct failover_lock_answer *answer);
    int (*set_maintenance)(struct failover_lock *lock, int64_t until_ms, const char *who,
                           const struct failover_lock_answer *answer);
    void (*release)(struct failover_lock *lock, const struct failover_lock_answer *answer);
    void (*free)(struct failover_lock *lock);
};

/* First member of every kind of lock. */
struct failover_lock {
    const struct failover_lock_ops *ops;
};

/* As of now, by a clock that does not stand still while we do: a monitor that was stopped for too
 * long sees at its first look that it holds nothing. ret_words: the holder's name, or why nothing
 * is known; borrowed until the next call. May be NULL. */
static inline enum failover_lock_state failover_lock_state(struct failover_lock *lock,
                                                           const char **ret_words) {
    return lock->ops->state(lock, ret_words);
}

/* The plan that stood when it was last looked: also while UNREACHABLE. NULL: none. */
static inline const struct failover_lock_plan *failover_lock_plan(
    const struct failover_lock *lock) {
    return lock->ops->plan(lock);
}

/* Likewise; also when its time is over. NULL: none. */
static inline const struct failover_lock_maintenance *failover_lock_maintenance(
    const struct failover_lock *lock) {
    return lock->ops->maintenance(lock);
}

/* Not tried again unless it is certain that nobody heard it. Return: 0; or -EBUSY (one is under
 * way) or -EINVAL (a name is empty or too long), and done() is not called. */
static inline int failover_lock_claim(struct failover_lock *lock,
                                      const struct failover_lock_claim *claim) {
    return lock->ops->claim(lock, claim);
}

/* Writes how the plan ended, if it stands, or as soon as it can be written or turns out to stand;
 * also of a claim that was UNKNOWN. Return: 0 or -EINVAL. */
static inline int failover_lock_finish(struct failover_lock *lock, const char *plan_id,
                                       const char *outcome) {
    return lock->ops->finish(lock, plan_id, outcome);
}

/* Takes the plan away, whoever holds the lock. plan_id "": one that is not readable. Answers:
 * -ENOENT: there is none; -ESTALE: it is another, or has changed meanwhile. Return: as claim. */
static inline int failover_lock_acknowledge(struct failover_lock *lock, const char *plan_id,
                                            const struct failover_lock_answer *answer) {
    return lock->ops->acknowledge(lock, plan_id, answer);
}

/* For all monitors; until_ms 0 ends it. Whoever has not seen it cannot claim. Return: as claim. */
static inline int failover_lock_set_maintenance(struct failover_lock *lock, int64_t until_ms,
                                                const char *who,
                                                const struct failover_lock_answer *answer) {
    return lock->ops->set_maintenance(lock, until_ms, who, answer);
}

/* Gives the lock up, so that another need not wait, and asks for it no more; for the end of the
 * process, once. */
static inline void failover_lock_release(struct failover_lock *lock,
                                         const struct failover_lock_answer *answer) {
    lock->ops->release(lock, answer);
}

/* Without failover_lock_release() another has to wait until our time to live is over. NULL is
 * fine. Return: NULL. */
static inline struct failover_lock *failover_lock_free(struct failover_lock *lock) {
    if (lock != NULL) {
        lock->ops->free(lock);
    }
    return NULL;
}
DEFINE_CLEANUP(struct failover_lock, failover_lock_free);
