/* SPDX-License-Identifier: Apache-2.0 */

/* What the configuration says about the clusters whose primaries are watched: plain values. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "failover/hook_options.h"

enum failover_mode { FAILOVER_OBSERVE, FAILOVER_MODES };
extern const char *const failover_mode_names[];

#define FAILOVER_MOST_CLUSTERS 200
#define FAILOVER_MOST_MEMBERS  32

struct failover_options {
    char *cluster; /* owned */
    enum failover_mode mode;
    uint64_t interval_usec;
    uint64_t failures;
    uint64_t quorum; /* 0: a majority of the replicas */
    uint64_t max_lag_bytes, max_replay_bytes;
    uint64_t view_max_age_usec;
    uint64_t restart_grace_usec, startup_grace_usec;
    struct hook_options hooks;
};

void failover_options_deinit(struct failover_options *options);
