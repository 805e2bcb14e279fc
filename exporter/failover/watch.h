/* SPDX-License-Identifier: Apache-2.0 */

/* Watches the primaries of clusters: asks all members at one pace over probe connections, feeds
 * what comes to the pure core (failover/cluster.h), tells what changes, keeps the last good view of
 * each cluster, and lets each act on what is seen (failover/acting.h). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "failover/book.h"
#include "failover/cluster.h"
#include "io/pg_options.h"
#include "io/redis_client.h"
#include "io/resolve.h"

struct watch;

struct watch_member {
    const char *name;
    const char *instance;        /* "host:port", "[v6]:port", "/folder:port" */
    const struct pg_options *pg; /* one of both */
    const struct redis_options *redis;
    bool no_failover;
    uint64_t priority;
};

/* A PgBouncer that is told to move. */
struct watch_pool {
    const char *name;
    const struct pg_options *pg; /* its console */
};

/* A Sentinel that looks after it. */
struct watch_sentinel {
    const char *name;
    const struct redis_options *redis;
};

struct watch_cluster_options {
    const struct failover_options *failover;
    const struct watch_member *members;
    size_t n_members;
    const struct watch_pool *pools;
    size_t n_pools;
    const struct watch_sentinel *sentinels;
    size_t n_sentinels;
};

struct watch_options {
    struct loop *loop;
    struct resolver *resolver;
    const char *storage_path; /* NULL: nothing is kept */
    /* A verdict or a primary is another one; NULL: nobody asks. */
    void (*changed)(void *userdata);
    /* A plan has ended: watch_apply() may have waited for that, and is to be called again, but not
     * from inside. */
    void (*settled)(void *userdata);
    void *userdata;
};

/* Reads the journal; blocks for that. */
struct watch *watch_new(const struct watch_options *options);
struct watch *watch_free(struct watch *watch);
DEFINE_CLEANUP(struct watch, watch_free);

/* Makes the clusters be these; all is copied. What did not change goes on undisturbed. */
void watch_apply(struct watch *watch, const struct watch_cluster_options *clusters, size_t count);

struct watch_probe_view {
    uint64_t probes, failures;
    double last_seconds, all_seconds; /* of those that were answered */
};

/* What we say of our primary when another daemon asks. */
struct watch_testimony {
    const char *cluster;
    const char *primary; /* NULL: none is known, and the report says nothing */
    struct witness_report report;
};

#define WATCH_WITNESS_PATH "/api/v1/failover/witness"

bool watch_knows(const struct watch *watch, struct str cluster);

/* Asks the primary of a known cluster at once, at most once an interval, and says when it was heard
 * last as soon as a probe of it has ended, or after wait_usec or an interval. done() is called
 * exactly once, maybe before this returns. */
void watch_testify(struct watch *watch, struct str cluster, uint64_t wait_usec,
                   void (*done)(void *userdata, const struct watch_testimony *testimony),
                   void *userdata);

/* A PgBouncer of a cluster has just gone down. */
void watch_pool_down(struct watch *watch, const char *cluster, const char *name,
                     const char *instance);

/* Before the end of the daemon, until it is false: begins nothing any more, and gives up the locks.
 * Return: whether a step of a failover is under way that should be let come to its end (and all
 * that follows a promotion, or undoes what was done before one), an announcement of maintenance or
 * another order is being written, or a lock is being given up; an approval is not waited for. */
bool watch_leave(struct watch *watch);

/* Whether a failover, or a hook besides one, is under way in any cluster; NULL is fine. */
bool watch_acts(const struct watch *watch);

/* Before it is looked at: what was ordered a moment ago shows. NULL is fine. */
void watch_refresh(struct watch *watch);

size_t watch_clusters(const struct watch *watch);
const struct cluster *watch_cluster(const struct watch *watch, size_t index);
const struct watch_probe_view *watch_probe(const struct watch *watch, size_t cluster,
                                           size_t member);
uint64_t watch_now_usec(const struct watch *watch);

/* A walk through the hooks that touched nothing. */
struct rehearsal {
    bool running, good;
    int64_t began_ms;
};

/* The newest of a cluster and a line of each hook event, borrowed; NULL: there was none. */
const struct rehearsal *watch_rehearsal(const struct watch *watch, size_t cluster,
                                        struct str *ret_text);
bool watch_in_maintenance(const struct watch *watch, size_t cluster);
/* A plan is under way that is not waiting for people. */
bool watch_is_acting(const struct watch *watch, size_t cluster);

/* What the journal holds; NULL: there is none. */
const struct book *watch_book(const struct watch *watch);
