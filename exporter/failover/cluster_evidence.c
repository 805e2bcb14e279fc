/* SPDX-License-Identifier: Apache-2.0 */

/* Evidence beside probes and receivers: for whom the primary waits, who else is in charge, what
 * witnesses say. */
#include <stdio.h>

#include "base/duration.h"
#include "base/macros.h"
#include "failover/managers.h"
#include "failover/private_cluster.h"

/* ---- who a primary's standbys are ---- */

/* How sure it is: the slot through which both say that they stream, name and address, the name
 * alone, the address alone where the name is not known. */
enum match { MATCH_SLOT, MATCH_BOTH, MATCH_NAME, MATCH_ADDRESS, MATCHES };

static bool is_at(const struct cluster_member *member, const struct cluster_member *primary,
                  const char *address) {
    struct cluster_addresses other = {0};
    if (address[0] == '\0' || cluster_is_loopback(address)) {
        return member->is_local && primary->is_local; /* the primary's own host */
    }
    snprintf(other.host, sizeof(other.host), "%s", address);
    return cluster_share_address(&member->at, &other) ||
           strcmp(member->answer.address, address) == 0;
}

static bool is_match(const struct cluster *cluster, size_t index,
                     const struct answer_standby *standby, enum match match) {
    const struct cluster_member *member = &cluster->members[index];
    const struct cluster_member *primary = &cluster->members[cluster->primary];
    if (index == cluster->primary || !member->known || !member->answer.in_recovery) {
        return false;
    }
    bool named = member->receiver_name[0] != '\0';
    bool same_name = named && strcmp(member->receiver_name, standby->name) == 0;
    switch (match) {
    case MATCH_SLOT:
        return standby->slot[0] != '\0' && strcmp(member->slot, standby->slot) == 0;
    case MATCH_BOTH:
        return same_name && is_at(member, primary, standby->address);
    case MATCH_NAME:
        return same_name;
    default:
        return !named && is_at(member, primary, standby->address);
    }
}

struct matching {
    const struct cluster *cluster;
    const struct member_answer *answer;
    size_t members[ANSWER_MOST_STANDBYS]; /* who each standby is */
    bool taken[FAILOVER_MOST_MEMBERS];
};

/* Return: the only member that fits, or SYNC_NO_MEMBER. */
static size_t only_member(const struct matching *all, const struct answer_standby *standby,
                          enum match match) {
    size_t found = SYNC_NO_MEMBER;
    for (size_t i = 0; i < all->cluster->n_members; i++) {
        if (!all->taken[i] && is_match(all->cluster, i, standby, match)) {
            if (found != SYNC_NO_MEMBER) {
                return SYNC_NO_MEMBER;
            }
            found = i;
        }
    }
    return found;
}

static bool is_only_standby(const struct matching *all, size_t member, enum match match) {
    size_t n = 0;
    for (size_t i = 0; i < all->answer->n_standbys; i++) {
        n += all->members[i] == SYNC_NO_MEMBER &&
             is_match(all->cluster, member, &all->answer->standbys[i], match);
    }
    return n == 1;
}

static void match_all(struct matching *all, enum match match) {
    size_t found[ANSWER_MOST_STANDBYS];
    for (size_t i = 0; i < all->answer->n_standbys; i++) {
        found[i] = SYNC_NO_MEMBER;
        if (all->members[i] == SYNC_NO_MEMBER) {
            size_t member = only_member(all, &all->answer->standbys[i], match);
            bool sure = member != SYNC_NO_MEMBER && is_only_standby(all, member, match);
            found[i] = sure ? member : SYNC_NO_MEMBER;
        }
    }
    for (size_t i = 0; i < all->answer->n_standbys; i++) {
        if (found[i] != SYNC_NO_MEMBER) {
            all->members[i] = found[i];
            all->taken[found[i]] = true;
        }
    }
}

void cluster_take_standbys(struct cluster *cluster) {
    const struct cluster_member *primary = &cluster->members[cluster->primary];
    struct matching all = {.cluster = cluster, .answer = &primary->answer};
    if (primary->is_redis || !primary->known || primary->answer.in_recovery) {
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(all.members); i++) {
        all.members[i] = SYNC_NO_MEMBER;
    }
    for (int match = 0; match < MATCHES; match++) {
        match_all(&all, (enum match)match);
    }
    sync_state_take(&cluster->sync, &primary->answer, all.members);
}

bool cluster_proves(const struct cluster *cluster, size_t candidate, uint64_t now_usec) {
    struct sync_member members[FAILOVER_MOST_MEMBERS];
    if (cluster->primary == CLUSTER_NO_MEMBER) {
        return false;
    }
    const struct cluster_member *primary = &cluster->members[cluster->primary];
    if (primary->is_redis) {
        return true; /* nobody waits */
    }
    for (size_t i = 0; i < cluster->n_members; i++) {
        const struct cluster_member *member = &cluster->members[i];
        const struct member_answer *answer = &member->answer;
        members[i] = (struct sync_member){
            .name = member->receiver_name,
            .reachable = i != cluster->primary && cluster_is_fresh(cluster, member, now_usec) &&
                         answer->in_recovery && member->timeline >= primary->timeline &&
                         strcmp(answer->system, primary->answer.system) == 0,
            .position = member_reached(answer),
            .is_primary = i == cluster->primary,
        };
    }
    return sync_state_proves(&cluster->sync, members, cluster->n_members, candidate);
}

/* ---- who else is in charge ---- */

void cluster_learned(struct cluster *cluster, size_t member, const struct member_facts *facts) {
    cluster->members[member].facts = *facts;
    cluster->members[member].has_facts = true;
}

const char *cluster_find_manager(const struct cluster *cluster) {
    if (cluster->has_sentinel) {
        return manager_sentinel;
    }
    for (size_t i = 0; i < cluster->n_members; i++) {
        if (cluster->members[i].facts.manager != NULL) {
            return cluster->members[i].facts.manager;
        }
    }
    return NULL;
}

bool cluster_has_sentinel_in_charge(const struct cluster *cluster) {
    return cluster->manager == manager_sentinel && cluster->n_members > 0 &&
           cluster->members[0].is_redis;
}

/* ---- witnesses ---- */

void cluster_witnessed(struct cluster *cluster, size_t witness, const struct witness_report *report,
                       uint64_t now_usec) {
    struct cluster_witness *known = &cluster->witnesses[witness];
    const char *system = cluster->primary != CLUSTER_NO_MEMBER
                             ? cluster->members[cluster->primary].answer.system
                             : "";
    bool other = report->system[0] != '\0' && system[0] != '\0' &&
                 !cluster->members[cluster->primary].is_redis &&
                 strcmp(report->system, system) != 0;
    *known = (struct cluster_witness){.said_usec = now_usec};
    if (other) {
        known->said_usec = 0; /* it watches something else */
        return;
    }
    known->fails = report->fails;
    if (report->answered) {
        known->heard_usec = now_usec > report->age_usec ? now_usec - report->age_usec : 1;
    }
}

size_t cluster_witness_words(const struct cluster *cluster, uint64_t now_usec,
                             struct witness_word *ret) {
    const uint64_t interval = cluster->options.interval_usec;
    const uint64_t window = (cluster->options.failures + 1) * interval;
    for (size_t i = 0; i < cluster->n_witnesses; i++) {
        const struct cluster_witness *witness = &cluster->witnesses[i];
        bool fresh = witness->said_usec != 0 && now_usec - witness->said_usec <= 2 * interval;
        bool hears = witness->heard_usec != 0 && now_usec - witness->heard_usec <= window;
        ret[i] = (struct witness_word){
            .reachable = fresh && (hears || witness->fails),
            .heard_usec = hears ? witness->heard_usec : 0,
        };
    }
    return cluster->n_witnesses;
}
