/* SPDX-License-Identifier: Apache-2.0 */

/* What the files of acting share. */
#pragma once

#include "failover/acting.h"
#include "failover/confirm.h"
#include "failover/executor.h"
#include "failover/hook_run.h"
#include "failover/pool_switch.h"
#include "failover/promotion.h"
#include "failover/repoint_redis.h"
#include "failover/sentinel_failover.h"

/* How long the last look may take to come to a judgement, besides the grace of a restart. */
#define LOOK_USEC ((uint64_t)10 * 1000 * 1000)
/* How old its judgement may be when the promotion begins: between them its record is written. */
#define LOOK_AGE_USEC ((uint64_t)2 * 1000 * 1000)

struct acting {
    struct watched *watched;
    struct executor *executor;

    /* Of the plan that is under way. */
    size_t old, next;            /* members */
    bool by_sentinel;            /* a Sentinel is asked, and we promote nobody */
    bool planned;                /* a switchover: the old primary lives, until its hook stops it */
    bool fenced;                 /* a fence has succeeded */
    bool claiming;               /* the lock is asked for the plan */
    struct hook_run *run;        /* also when it has ended, until the next step */
    struct promotion *promotion; /* connected since the first failure */
    size_t promotion_of;         /* the member */
    struct sentinel_failover *sentinel; /* from its promotion to its end */
    struct confirm *confirm;
    struct repoint_redis *repoint;
    struct pool_switch *pools;
    size_t pools_done;   /* poolers that were switched */
    struct strbuf notes; /* of the step, for the journal */
    bool notes_bad;      /* something of it has failed */

    /* The last look. */
    uint64_t look_usec, look_round_usec; /* since when; of the answers that count */
    uint64_t looked_usec;                /* when it found the primary lost */
    uint64_t look_position;              /* of the candidate, in the round before */
    bool look_again;                     /* this is the second round */
    struct loop_timer *look_deadline;

    uint64_t seen_usec;     /* the old primary's last answer before the plan */
    uint64_t seen_position; /* and its position */
    uint64_t failed_usec;   /* its first failure */
    /* How far each member was before the promotion began: after it there is more than was saved. */
    uint64_t reached[FAILOVER_MOST_MEMBERS];

    bool outage_told;         /* what would have been done, of this outage */
    bool outage_acted;        /* a plan of it has ended, and had to be looked at */
    unsigned n_unbegun;       /* plans of this outage whose beginning could not be written */
    uint64_t unbegun_usec;    /* when the last of them ended */
    size_t returned;          /* the replaced primary that takes writes again; or none */
    struct hook_run *refence; /* of it */
    uint64_t hooks_checked_usec;
    bool hooks_good;

    struct hook_run *pool_run;

    struct hook_run *rehearse;
    struct pool_switch *rehearse_pool; /* after the hooks, one console after another */
    size_t rehearsed_pools;
    enum hook_event_kind rehearsed;
    size_t rehearsed_next; /* the member that would have been promoted when it began */
    struct rehearsal rehearsal;
    struct strbuf rehearsal_text;
};

/* acting_steps.c: what each step does. */
void acting_entered(void *userdata, const struct plan *plan);
void acting_refused(void *userdata, const struct error *why);
/* Forgets what a step had under way. */
void acting_drop_step(struct acting *acting);
/* The event of a hook; texts are borrowed from the acting and the plan. */
void acting_hook_event(const struct acting *acting, const struct plan *plan,
                       enum hook_event_kind kind, struct hook_event *ret, char lsn[32],
                       char timeline[16]);

void acting_run_hooks(struct acting *acting, const struct plan *plan, enum hook_event_kind kind,
                      void (*done)(void *userdata, bool good, const char *text));

/* Tells one of the cluster's consoles; freed by the caller, also in ended(). */
struct pool_switch *acting_switch_pool(struct acting *acting, size_t index,
                                       enum pool_switch_kind kind,
                                       void (*ended)(void *userdata, bool succeeded,
                                                     struct str text));

/* acting_look.c */
void acting_begin_look(struct acting *acting, const struct plan *plan);
/* It is under way, and somebody was heard. */
void acting_look(struct acting *acting);
void acting_look_ends(void *userdata);
/* Whether the old primary is, by the newest judgement and behind the fence where there was one. */
bool acting_is_lost(const struct acting *acting);
/* True without one. */
bool acting_holds_lock(const struct acting *acting);

/* acting_promote.c */
void acting_begin_promote(struct acting *acting, const struct plan *plan);
void acting_begin_confirm(struct acting *acting, const struct plan *plan);
void acting_connect_promotion(struct acting *acting, size_t member);
/* What a promotion came to, whoever does it; userdata: the acting. */
void acting_promotion_ended(void *userdata, enum promotion_end end, struct str text);
/* How a member is connected to, to act on it. */
struct contact_options acting_contact_of(const struct acting *acting, size_t member);

/* Until a member takes writes. taken: the connection for that, or NULL. */
void acting_confirm_member(struct acting *acting, struct contact *taken);

/* acting_sentinel.c */
/* Whether a Sentinel is in charge, so that we may promote nobody. */
bool acting_has_sentinel(const struct acting *acting);
void acting_ask_sentinel(struct acting *acting);
void acting_follow_sentinel(struct acting *acting);

/* acting.c */
/* What the verdict allows now, behind this cluster's own settings. */
enum verdict_consequence acting_consequence(const struct acting *acting);
/* Whether too little is seen to say that the primary is lost, or that it is not: on a machine that
 * is overloaded answers come too late, and the next one decides. */
bool acting_is_undecided(const struct acting *acting);
/* Whether what is seen now contradicts the plan; a judgement that is not possible does not. */
bool acting_is_overtaken(const struct acting *acting);
/* Whether the daemon is being stopped and the plan goes no further for that: no step up to the
 * promotion is begun any more. What a promotion was begun for is led to its end, or clients would
 * stay with a primary that is gone; so is a switchover that has stopped a primary which was well.
 */
bool acting_is_given_up(const struct acting *acting);
/* Adds the names of what stands in the way: "candidate, lock". */
void acting_add_obstacles(const struct cluster *cluster, struct strbuf *out);
/* To acting->next, whose draft is written first. */
void acting_start_plan(struct acting *acting, enum plan_mode mode, enum step_event first,
                       const char *reason, const char *text);
bool acting_has_fence(const struct acting *acting);
uint64_t acting_now(const struct acting *acting);
