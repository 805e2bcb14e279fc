/* SPDX-License-Identifier: Apache-2.0 */

/* What the files of the watch share. */
#pragma once

#include "failover/journal.h"
#include "failover/lock.h"
#include "failover/probe.h"
#include "failover/watch.h"
#include "io/durable.h"
#include "io/process.h"
#include "io/tls_context.h"
#include "io/transfer.h"

struct watched;

/* A name that is being looked up: of a member, or of its sender. */
struct watched_lookup {
    struct watched_member *member;
    struct cluster_addresses *place; /* the one in the core */
    char host[256];                  /* asked for; the place may have another one since */
    struct resolve_request *request;
};

struct watched_member {
    struct watched *watched;
    size_t index;
    char *name, *instance;
    bool is_redis, no_failover;
    uint64_t priority;
    struct pg_options pg;
    struct redis_options redis;
    struct probe *probe;
    struct watch_probe_view view;
    struct watched_lookup own, sender;
};

/* A PgBouncer in front of it. */
struct watched_pool {
    char *name;
    struct pg_options pg;
};

/* A Sentinel that looks after it. */
struct watched_sentinel {
    char *name;
    struct redis_options redis;
};

struct watched_witness {
    struct watched *watched;
    size_t index;
    struct transfer *transfer; /* NULL: it is not being asked */
    bool failing;
};

/* A cluster. */
struct watched {
    struct watch *watch;
    struct failover_options options; /* its text is ours */
    struct cluster cluster;
    struct watched_member *members;
    size_t n_members;
    struct watched_pool *pools;
    size_t n_pools;
    struct watched_sentinel *sentinels;
    size_t n_sentinels;
    struct failover_lock *lock; /* NULL: one monitor */
    bool gives_up, gave_up;     /* the lock, at the end of the daemon: asked for; answered */
    struct acting *acting;
    struct announcement *announced; /* the watch's, by our name; NULL: nothing can be kept */
    struct loop_timer *tick;
    uint64_t due_usec; /* of the tick */
    uint64_t looked_up_usec;
    struct durable_file *view; /* NULL: not kept */
    char *view_path;
    uint64_t view_usec; /* when it was written last */
    bool view_stop;     /* what it says of a stop */
    bool view_whole;    /* and of its replicas */
    struct watched_witness *witnesses;
    struct watch_question *questions; /* of daemons that wait for a probe to end */
    size_t n_questions;
    uint64_t hurried_usec; /* when one of them made us probe last */
};

struct watch {
    struct watch_options options;
    char boot_id[64];
    struct tls_contexts *tls_contexts;
    struct transfers *transfers; /* NULL: neither witnesses nor a lock */
    struct worker_pool *disk;
    struct processes *processes;
    struct journal *journal; /* NULL: not kept */
    bool leaving;            /* nothing new is begun */
    struct watched **clusters;
    size_t n_clusters;
    struct announcement *announcements; /* of all clusters that there were */
    struct pending_order *orders;       /* people wait to hear that they are on the disk */
};

/* watch.c */
/* Makes what HTTP is spoken with, at its first use. Return: whether it is there. */
bool watch_connects(struct watch *watch);
/* Asks all members now, and the next time an interval later. */
void watched_ask_all(struct watched *watched);
/* We have promoted a member: it is the primary, and a restart knows that. */
void watched_adopt(struct watched *watched, size_t member);
/* A plan has ended: what was reloaded meanwhile is taken over, people are told. */
void watched_plan_ended(struct watched *watched);
/* orders.c */
/* At the end: who still waits is told. */
void watch_end_orders(struct watch *watch);
/* watch_maintenance.c */
void watched_maintenance_open(struct watched *watched);
bool watched_maintenance_busy(const struct watched *watched); /* it is being written */
struct announcement *announcements_free(struct announcement *announcements);
/* For so long from now on; 0 ends it. Return: as watch_order(). */
int watched_set_maintenance(struct watched *watched, uint64_t seconds, const char *who,
                            struct error *err);
/* The same where there is a lock, for all monitors; 0: answer is called. */
int watched_share_maintenance(struct watched *watched, uint64_t seconds, const char *who,
                              const struct failover_lock_answer *answer, struct error *err);
/* Whether nothing is to be done because people work on the cluster. */
bool watched_in_maintenance(const struct watched *watched);
/* Whether no other monitor may act; true without a lock. */
bool watched_lock_allows(const struct watched *watched);

/* watch_witness.c */
void watched_witnesses_open(struct watched *watched);
void watched_witnesses_close(struct watched *watched);
void watched_ask_witnesses(struct watched *watched); /* while the primary fails us */
void watched_answer_questions(struct watched *watched);

/* watch_view.c */
void watched_view_open(struct watched *watched);
void watched_view_close(struct watched *watched);
void watched_view_write(struct watched *watched);
/* Between two rounds of probes all answers are of one moment: a view that has the primary's newest
 * and a replica's one before would say that the replica lost it first. */
void watched_view_keep(struct watched *watched, bool between_probes);
