/* SPDX-License-Identifier: Apache-2.0 */

/* One target inside the sampler: its connections, its rounds, and what became of them.
 *
 * Connections. At most two, in slots. The main one serves rounds. When it is silent (still
 * connecting after its round, or draining) the other slot may hold one more attempt; whichever
 * answers first serves the round and becomes the main one. While both are silent there is no third.
 * The walk (sampler/walk.h) may use the place of the other slot while that is empty and all is
 * well.
 *
 * Round. tick -> a connection that is ready (made if need be) -> one question per distinct query
 * text, the vital one first -> answers are decoded as they come -> when nothing is open any more,
 * or the deadline has passed and the rest was abandoned, everything is committed together. The
 * target is up when the vital collector succeeded. */
#pragma once

#include "sampler/lag.h"
#include "sampler/round.h"
#include "sampler/sampler.h"
#include "sampler/schedule.h"
#include "sampler/summary.h"

/* A backend's memory grows with what it has seen; a new one now and then keeps it bounded. It is
 * made in the free slot, and takes over at the next round. */
#define CONNECTION_MOST_AGE_USEC ((uint64_t)30 * 60 * USEC_PER_SEC)

struct walk;

struct target_slot {
    struct target *target;
    struct client *client; /* NULL: free */
    uint64_t renew_usec;   /* close it after this, between two rounds */
    int version;           /* from its hello */
    bool pooler;
};

struct target {
    struct target_view view; /* what others see; first, so that a view is its target */
    struct sampler *sampler;
    struct target_options options;
    struct schedule schedule;
    bool in_step; /* with the others: their phase is the same */
    struct breaker breaker;
    struct loop_timer *tick;
    struct loop_timer *deadline;
    struct loop_deferred *kick; /* a round outside the schedule: news */
    uint64_t tick_usec;         /* when tick fires */
    uint64_t last_begin_usec;   /* of a round */
    uint64_t last_news_usec;    /* of a kick */
    uint64_t kick_wait_usec;    /* bounds how often news may start a round */
    struct target_slot slots[2];
    unsigned main_slot;
    bool sql_ascii; /* learned: conversion to UTF-8 fails here */

    struct collector_run *runs; /* of the target's kind, vital first */
    size_t n_runs;
    struct store_feed *self_feed; /* *_up, dbvitals_*, service names */
    struct summary_ring traffic;
    int64_t last_commit_ms;
    struct round round;
    struct walk *walk; /* of a PostgreSQL target; else NULL */

    struct lag lag;
    uint64_t errors[REASON_COUNT];
    uint64_t connects; /* connections opened */
    uint64_t duplicate_samples, dropped_samples;
    double connect_seconds; /* of the newest connection; NaN: none yet */
    uint64_t last_still_down_usec;
};

struct target *target_new(struct sampler *sampler, const struct target_options *options,
                          size_t index);
struct target *target_free(struct target *target, int64_t now_ms);

/* Takes over changed options (target_options_compare() said what differs). */
void target_change(struct target *target, const struct target_options *options,
                   unsigned difference);

/* Whether its rounds begin at the same moments as those of others with the interval. */
void target_set_in_step(struct target *target, bool in_step);

/* Starts a round now unless one is running. */
void target_sample_now(struct target *target);

/* A client of the target's kind; a PostgreSQL one connects by these options. */
struct client *target_client_new(struct target *target, const struct pg_options *pg,
                                 const struct client_events *events);

/* It is up and its main connection answers. */
bool target_is_well(struct target *target);

/* ... and the place of the second connection is free. */
bool target_may_walk(struct target *target);

/* Called by the round when nothing is open any more. */
void target_round_done(struct target *target);

/* Makes the source and feeds if the target has none yet. */
void target_attach(struct target *target);

/* Ends the source: its series become stale. */
void target_detach(struct target *target, int64_t now_ms);

/* sampler/commit.c: brings a finished round into the store. */
void target_commit(struct target *target);

/* sampler/target_metrics.c: what the sampler itself says about a target. */
void target_metrics_add(const struct target *target, struct batch *batch);
