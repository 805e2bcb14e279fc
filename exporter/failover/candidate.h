/* SPDX-License-Identifier: Apache-2.0 */

/* Which replica is promoted when the primary is lost: the one that has the most of it, if none that
 * was acknowledged can be missing. Pure: the state of the members is an argument. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* Why a member may not be promoted. */
enum obstacle {
    OBSTACLE_NONE,
    OBSTACLE_UNREACHABLE,  /* it does not answer, so nothing is known of it now */
    OBSTACLE_EXCLUDED,     /* no_failover */
    OBSTACLE_OTHER_SYSTEM, /* another system identifier, or another replication id */
    OBSTACLE_NO_REPLICA,   /* it is not in recovery */
    OBSTACLE_PAUSED,       /* its replay is paused */
    OBSTACLE_DELAYED,      /* it applies later on purpose */
    OBSTACLE_SYNCING,      /* Redis: it has not all of its first copy */
    OBSTACLE_REPLAY,       /* too much is received and not replayed */
    OBSTACLE_LAG,          /* too far behind the last position seen on the primary */
    OBSTACLE_TIMELINE,     /* it follows an older timeline than the primary was on */
    OBSTACLE_SYNCHRONOUS,  /* it may lack commits that the primary acknowledged */
    OBSTACLES
};
extern const char *const obstacle_names[];

struct candidate_member {
    struct str name;
    bool reachable;
    bool in_recovery;
    bool excluded;
    bool paused;
    bool syncing;
    uint64_t apply_delay_usec;
    struct str system; /* identifier; empty: not known, which is another one */
    uint32_t timeline;
    uint64_t received, replayed; /* positions in bytes */
    int64_t priority;            /* more is better */
};

struct candidate_primary {
    struct str system;
    uint32_t timeline;
    uint64_t position; /* the last that was seen on it */
};

struct candidate_limits {
    uint64_t max_lag_bytes, max_replay_bytes;
};

enum obstacle candidate_obstacle(const struct candidate_member *member,
                                 const struct candidate_primary *primary,
                                 const struct candidate_limits *limits);

#define NO_CANDIDATE SIZE_MAX

/* The member without obstacle that has the highest timeline and position, then the highest
 * priority, then the first name. Return: its index, or NO_CANDIDATE. */
size_t candidate_choose(const struct candidate_member *members, size_t n_members,
                        const struct candidate_primary *primary,
                        const struct candidate_limits *limits);

/* How the primary waited for its standbys (synchronous_standby_names), as it was last seen. */
enum sync_rule { SYNC_OFF, SYNC_FIRST, SYNC_ANY };

/* A standby that is listed there, in the order of the list. */
struct sync_standby {
    bool reachable;
    bool was_sync; /* last seen as `sync` or `quorum` */
    bool absent;   /* not connected in two successive answers of the primary */
};

/* Whether those that are reachable hold every commit that was acknowledged: of FIRST, when one that
 * was synchronous is, and every one before it is reachable or was absent; of ANY, when so many are
 * that no quorum can have been formed without them. synchronous_commit below `on` is outside it. */
bool sync_proves(enum sync_rule rule, size_t quorum, const struct sync_standby *standbys,
                 size_t n_standbys);
