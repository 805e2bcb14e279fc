/* SPDX-License-Identifier: Apache-2.0 */

/* What the configuration says about the clusters whose primaries are watched: plain values. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "failover/hook_options.h"
#include "failover/maintenance.h"
#include "failover/lock_options.h"

enum failover_mode { FAILOVER_OBSERVE, FAILOVER_MANUAL, FAILOVER_AUTOMATIC, FAILOVER_MODES };
extern const char *const failover_mode_names[];

#define FAILOVER_MOST_CLUSTERS  200
#define FAILOVER_MOST_MEMBERS   32
#define FAILOVER_MOST_WINDOWS   16 /* of maintenance */
#define FAILOVER_MOST_POOLS     16 /* PgBouncers of a cluster, and databases of each */
#define FAILOVER_MOST_WITNESSES 8
#define FAILOVER_MOST_SENTINELS 16

/* Owned; NULL behind the last. */
struct failover_names {
    char **list;
    size_t count;
};

struct failover_options {
    char *cluster; /* owned */
    enum failover_mode mode;
    uint64_t interval_usec;
    uint64_t failures;
    uint64_t quorum; /* 0: a majority of the replicas */
    uint64_t max_lag_bytes, max_replay_bytes;
    uint64_t view_max_age_usec;
    uint64_t restart_grace_usec, startup_grace_usec;
    uint64_t start_timeout_usec; /* one that starts for longer is as good as silent; 0: never */
    bool on_clean_stop;          /* one that its operator stopped is as good as dead */
    bool unfenced;               /* no fence, and two primaries are accepted */
    struct maintenance_window windows[FAILOVER_MOST_WINDOWS];
    size_t n_windows;
    struct hook_options hooks;
    /* The targets of PgBouncers that are told to move, and which of their databases. */
    struct failover_names pools, pool_databases;
    struct failover_lock_options lock;
    struct failover_names witnesses; /* URLs of other daemons */
};

void failover_options_deinit(struct failover_options *options);

/* A copy of its own. */
void failover_options_copy(const struct failover_options *from, struct failover_options *ret);

bool failover_options_equal(const struct failover_options *a, const struct failover_options *b);
