/* SPDX-License-Identifier: Apache-2.0 */

/* Whether anything would forbid a failover, all the time, and what in words. */
#include <stdio.h>

#include "base/macros.h"
#include "failover/private_cluster.h"

const char *const ready_reason_names[] = {
    [READY_PRIMARY] = "primary",
    [READY_ARMED] = "armed",
    [READY_VOTES] = "votes",
    [READY_CANDIDATE] = "candidate",
    [READY_DIRECT] = "direct",
    [READY_RIGHTS] = "rights",
    [READY_SYSTEM] = "system",
    [READY_SYNCHRONOUS] = "synchronous",
    [READY_COMMITS] = "commits",
    [READY_MANAGER] = "manager",
    [READY_PROMOTE] = "promote",
    [READY_JOURNAL] = "journal",
    [READY_HOOKS] = "hooks",
    [READY_ACKNOWLEDGED] = "acknowledged",
    [READY_MAINTENANCE] = "maintenance",
    [READY_LOCK] = "lock",
};

/* Whoever may come to be promoted. */
static bool may_follow(const struct cluster *cluster, size_t index) {
    const struct cluster_member *member = &cluster->members[index];
    return index != cluster->primary && !member->excluded && !member->is_redis && member->known &&
           member->answer.in_recovery;
}

static bool would_hang(const struct cluster_member *member) {
    return member->answer.sync_names[0] != '\0' || member->answer.sync_cut;
}

static bool has_facts(const struct cluster *cluster) {
    for (size_t i = 0; i < cluster->n_members; i++) {
        if (cluster->members[i].has_facts) {
            return true;
        }
    }
    return false;
}

static void assess_members(struct cluster *cluster) {
    bool *ready = cluster->ready;
    ready[READY_DIRECT] = ready[READY_RIGHTS] = true;
    ready[READY_COMMITS] = ready[READY_PROMOTE] = true;
    for (size_t i = 0; i < cluster->n_members; i++) {
        const struct cluster_member *member = &cluster->members[i];
        ready[READY_DIRECT] &= !member->pooled && !member->identity.clustered;
        ready[READY_RIGHTS] &= !member->known || !member->answer.in_recovery ||
                               member->answer.receiver != RECEIVER_UNKNOWN;
        if (may_follow(cluster, i)) {
            ready[READY_COMMITS] &= !would_hang(member);
            ready[READY_PROMOTE] &= member->facts.promote == PROMOTE_GRANTED;
        }
    }
}

void cluster_assess(struct cluster *cluster, uint64_t now_usec) {
    bool has_primary = cluster->primary != CLUSTER_NO_MEMBER;
    bool *ready = cluster->ready;
    size_t quorum = 0, streaming = 0;
    if (has_primary) {
        streaming = cluster_count_streaming(cluster, now_usec, &quorum);
    }
    bool whole = has_primary && cluster->primary_view == PRIMARY_WRITABLE && streaming >= quorum;
    cluster->armed |= whole && cluster->other_view == OTHER_NONE;
    cluster->manager = cluster_find_manager(cluster);
    ready[READY_PRIMARY] = has_primary;
    ready[READY_ARMED] = cluster->armed;
    ready[READY_VOTES] =
        has_primary && (streaming >= quorum || cluster->replica_view == REPLICAS_LOST);
    ready[READY_CANDIDATE] = cluster->candidate != NO_CANDIDATE;
    ready[READY_SYNCHRONOUS] = cluster->proven;
    ready[READY_SYSTEM] = cluster->other_view != OTHER_FOREIGN;
    ready[READY_MANAGER] = cluster->manager == NULL && has_facts(cluster);
    assess_members(cluster);
}

/* ---- in words ---- */

static void add_synchronous(const struct cluster *cluster, struct strbuf *out) {
    const char *name = NULL;
    for (size_t i = 0; i < cluster->n_members; i++) {
        if (cluster->members[i].obstacle == OBSTACLE_SYNCHRONOUS) {
            name = cluster->members[i].name;
        }
    }
    if (name != NULL) {
        strbuf_printf(out, "cannot prove that '%s' holds every acknowledged commit", name);
    } else {
        strbuf_add_text(out, "cannot prove that anybody holds every acknowledged commit");
    }
    if (cluster->sync.text[0] != '\0') {
        strbuf_printf(out, " (synchronous_standby_names = '%s')", cluster->sync.text);
    }
}

static void add_commits(const struct cluster *cluster, struct strbuf *out) {
    for (size_t i = 0; i < cluster->n_members; i++) {
        if (may_follow(cluster, i) && would_hang(&cluster->members[i])) {
            strbuf_printf(out,
                          "commits would wait for a standby once '%s' is promoted "
                          "(synchronous_standby_names = '%s')",
                          cluster->members[i].name, cluster->members[i].answer.sync_names);
            return;
        }
    }
}

static void add_manager(const struct cluster *cluster, struct strbuf *out) {
    if (cluster->manager != NULL) {
        strbuf_printf(out, "%s is in charge", cluster->manager);
    } else {
        strbuf_add_text(out, "whether another manager is in charge cannot be seen");
    }
}

static void add_promote(const struct cluster *cluster, struct strbuf *out) {
    static const char *const words[] = {
        [PROMOTE_UNKNOWN] = "whether our role may promote it cannot be seen",
        [PROMOTE_MISSING] = "our role may not promote it: GRANT EXECUTE ON FUNCTION pg_promote",
        [PROMOTE_UNSUPPORTED] = "before PostgreSQL 12 there is no function that promotes it",
    };
    for (size_t i = 0; i < cluster->n_members; i++) {
        const struct cluster_member *member = &cluster->members[i];
        if (may_follow(cluster, i) && member->facts.promote != PROMOTE_GRANTED) {
            strbuf_printf(out, "'%s': %s", member->name, words[member->facts.promote]);
            return;
        }
    }
}

void cluster_reason_words(const struct cluster *cluster, enum ready_reason reason,
                          struct strbuf *out) {
    static const char *const plain[READY_REASONS] = {
        [READY_PRIMARY] = "no primary is known",
        [READY_ARMED] = "the cluster was not seen whole yet",
        [READY_VOTES] = "too few replicas stream from the primary",
        [READY_CANDIDATE] = "nobody could follow the primary",
        [READY_DIRECT] = "a member is a pooler, or a Redis Cluster",
        [READY_RIGHTS] = "receivers of replicas may not be seen: GRANT pg_monitor",
        [READY_SYSTEM] = "members are of different systems",
        [READY_JOURNAL] = "the journal cannot be written, is full, or there is no storage "
                          "folder",
        [READY_HOOKS] = "a hook cannot be run: the log says why",
        [READY_ACKNOWLEDGED] = "an earlier failover waits for its acknowledgement",
        [READY_MAINTENANCE] = "there is maintenance",
        [READY_LOCK] = "the lock is not ours, or another plan stands there",
    };
    static void (*const adders[READY_REASONS])(const struct cluster *, struct strbuf *) = {
        [READY_SYNCHRONOUS] = add_synchronous,
        [READY_COMMITS] = add_commits,
        [READY_MANAGER] = add_manager,
        [READY_PROMOTE] = add_promote,
    };
    if (cluster->ready[reason]) {
        return;
    }
    if (adders[reason] != NULL) {
        adders[reason](cluster, out);
    } else {
        strbuf_add_text(out, plain[reason]);
    }
}

void cluster_ready_words(const struct cluster *cluster, struct strbuf *out) {
    size_t before = out->len;
    for (int i = 0; i < READY_REASONS; i++) {
        if (!cluster->ready[i]) {
            strbuf_add_text(out, out->len > before ? "; " : "");
            cluster_reason_words(cluster, (enum ready_reason)i, out);
        }
    }
}
