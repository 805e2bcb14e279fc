/* SPDX-License-Identifier: Apache-2.0 */

/* What the files of the watch share. */
#pragma once

#include "failover/probe.h"
#include "failover/watch.h"
#include "io/durable.h"
#include "io/record_log.h"
#include "io/tls_context.h"

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

/* A cluster. */
struct watched {
    struct watch *watch;
    struct failover_options options; /* its text is ours */
    struct cluster cluster;
    struct watched_member *members;
    size_t n_members;
    struct loop_timer *tick;
    uint64_t due_usec; /* of the tick */
    uint64_t looked_up_usec;
    struct durable_file *view; /* NULL: not kept */
    char *view_path;
    uint64_t view_usec; /* when it was written last */
    bool view_stop;     /* what it says of a stop */
    bool view_whole;    /* and of its replicas */
};

/* A record on its way to the disk. */
struct watch_entry {
    struct watch_entry *next;
    struct watch *watch;
    struct strbuf record;
    char id[112];
    char *text;
    bool observed; /* the record is the second one: that nothing was done */
};

struct watch {
    struct watch_options options;
    char boot_id[64];
    struct tls_contexts *tls_contexts;
    struct worker_pool *disk;
    struct record_log *journal; /* NULL: not kept */
    struct book book;
    struct watch_entry *entries;
    bool journal_failing;
    struct watched **clusters;
    size_t n_clusters;
};

/* watch_journal.c */
void watch_journal_open(struct watch *watch);
void watch_journal_close(struct watch *watch);
void watch_would_have(struct watch *watch, const struct watched *watched);

/* watch_view.c */
void watched_view_open(struct watched *watched);
void watched_view_close(struct watched *watched);
/* Between two rounds of probes all answers are of one moment: a view that has the primary's newest
 * and a replica's one before would say that the replica lost it first. */
void watched_view_keep(struct watched *watched, bool between_probes);
