/* SPDX-License-Identifier: Apache-2.0 */

#include "failover/candidate.h"

const char *const obstacle_names[] = {
    [OBSTACLE_NONE] = "",
    [OBSTACLE_UNREACHABLE] = "unreachable",
    [OBSTACLE_EXCLUDED] = "no_failover",
    [OBSTACLE_OTHER_SYSTEM] = "other_system",
    [OBSTACLE_NO_REPLICA] = "no_replica",
    [OBSTACLE_PAUSED] = "paused",
    [OBSTACLE_DELAYED] = "delayed",
    [OBSTACLE_SYNCING] = "syncing",
    [OBSTACLE_REPLAY] = "replay_backlog",
    [OBSTACLE_LAG] = "lag",
    [OBSTACLE_TIMELINE] = "timeline",
    [OBSTACLE_SYNCHRONOUS] = "synchronous",
};

static uint64_t position_of(const struct candidate_member *member) {
    return member->received > member->replayed ? member->received : member->replayed;
}

static uint64_t behind(uint64_t position, uint64_t reached) {
    return position > reached ? position - reached : 0;
}

enum obstacle candidate_obstacle(const struct candidate_member *member,
                                 const struct candidate_primary *primary,
                                 const struct candidate_limits *limits) {
    const struct {
        bool holds;
        enum obstacle obstacle;
    } rows[] = {
        {!member->reachable, OBSTACLE_UNREACHABLE},
        {member->excluded, OBSTACLE_EXCLUDED},
        {member->system.len == 0 || !str_equal(member->system, primary->system),
         OBSTACLE_OTHER_SYSTEM},
        {!member->in_recovery, OBSTACLE_NO_REPLICA},
        {member->paused, OBSTACLE_PAUSED},
        {member->apply_delay_usec > 0, OBSTACLE_DELAYED},
        {member->syncing, OBSTACLE_SYNCING},
        {member->timeline < primary->timeline, OBSTACLE_TIMELINE},
        {behind(member->received, member->replayed) > limits->max_replay_bytes, OBSTACLE_REPLAY},
        {behind(primary->position, position_of(member)) > limits->max_lag_bytes, OBSTACLE_LAG},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].holds) {
            return rows[i].obstacle;
        }
    }
    return OBSTACLE_NONE;
}

static bool is_better(const struct candidate_member *a, const struct candidate_member *b) {
    if (a->timeline != b->timeline) {
        return a->timeline > b->timeline;
    }
    if (position_of(a) != position_of(b)) {
        return position_of(a) > position_of(b);
    }
    if (a->priority != b->priority) {
        return a->priority > b->priority;
    }
    return str_compare(a->name, b->name) < 0;
}

size_t candidate_choose(const struct candidate_member *members, size_t n_members,
                        const struct candidate_primary *primary,
                        const struct candidate_limits *limits) {
    size_t best = NO_CANDIDATE;
    for (size_t i = 0; i < n_members; i++) {
        if (candidate_obstacle(&members[i], primary, limits) == OBSTACLE_NONE &&
            (best == NO_CANDIDATE || is_better(&members[i], &members[best]))) {
            best = i;
        }
    }
    return best;
}

static bool first_proves(const struct sync_standby *standbys, size_t n_standbys) {
    for (size_t i = 0; i < n_standbys; i++) {
        if (standbys[i].reachable && standbys[i].was_sync) {
            return true;
        }
        if (!standbys[i].reachable && !standbys[i].absent) {
            return false; /* it may have become synchronous since, and hold more */
        }
    }
    return false;
}

bool sync_proves(enum sync_rule rule, size_t quorum, const struct sync_standby *standbys,
                 size_t n_standbys) {
    size_t reachable = 0;
    for (size_t i = 0; i < n_standbys; i++) {
        reachable += standbys[i].reachable;
    }
    switch (rule) {
    case SYNC_OFF:
        return true; /* nothing was promised */
    case SYNC_FIRST:
        return first_proves(standbys, n_standbys);
    default:
        return quorum > 0 && quorum <= n_standbys && reachable >= n_standbys - quorum + 1;
    }
}
