/* SPDX-License-Identifier: Apache-2.0 */

#include "failover/cluster.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/duration.h"
#include "base/mem.h"
#include "failover/private_cluster.h"

/* An answer is of now for so many intervals: probes of one cluster go out together, but answers
 * take their time. */
#define FRESH_INTERVALS 2
/* What a receiver's silence must exceed: its sender speaks every half of the timeout. */
#define AGE_SLACK_USEC (2 * USEC_PER_SEC)

void cluster_init(struct cluster *cluster, const struct failover_options *options,
                  size_t n_members) {
    *cluster = (struct cluster){
        .options = *options,
        .members = mem_array(n_members, sizeof(*cluster->members)),
        .n_members = n_members,
        .primary = CLUSTER_NO_MEMBER,
        .other = CLUSTER_NO_MEMBER,
        .candidate = NO_CANDIDATE,
        .verdict = VERDICT_VOID,
    };
    for (int i = READY_JOURNAL; i <= READY_LOCK; i++) {
        cluster->ready[i] = true; /* until somebody says otherwise */
    }
}

void cluster_deinit(struct cluster *cluster) {
    free(cluster->members);
    *cluster = (struct cluster){0};
}

void cluster_start(struct cluster *cluster) {
    const struct suspicion_options options = {
        .failures = (unsigned)cluster->options.failures,
        .interval_usec = cluster->options.interval_usec,
    };
    for (size_t i = 0; i < cluster->n_members; i++) {
        suspicion_init(&cluster->members[i].suspicion, &options);
    }
}

/* ---- from whom a replica streams ---- */

bool cluster_is_loopback(const char *host) {
    return host[0] == '\0' || host[0] == '/' || host[0] == '@' || strcmp(host, "localhost") == 0 ||
           str_starts_with(str_of(host), "127.") || strcmp(host, "::1") == 0;
}

static bool has_address(const struct cluster_addresses *at, const char *text) {
    for (size_t i = 0; i < at->n_texts; i++) {
        if (strcmp(at->texts[i], text) == 0) {
            return true;
        }
    }
    return strcmp(at->host, text) == 0;
}

bool cluster_share_address(const struct cluster_addresses *a, const struct cluster_addresses *b) {
    for (size_t i = 0; i < a->n_texts; i++) {
        if (has_address(b, a->texts[i])) {
            return true;
        }
    }
    return a->host[0] != '\0' && has_address(b, a->host);
}

/* A loopback address or a socket is the replica's own host, which is the other's only when both
 * run here. */
static bool is_reached_at(const struct cluster_member *replica,
                          const struct cluster_member *other) {
    const struct cluster_addresses *sender = &replica->sender;
    bool own_port = other->known && other->answer.port != 0 && sender->port == other->answer.port;
    if (sender->port == 0) {
        return false;
    }
    if (cluster_is_loopback(sender->host)) {
        return replica->is_local && other->is_local && (sender->port == other->at.port || own_port);
    }
    if (sender->port == other->at.port && cluster_share_address(sender, &other->at)) {
        return true;
    }
    return own_port && other->answer.address[0] != '\0' &&
           !cluster_is_loopback(other->answer.address) &&
           has_address(sender, other->answer.address);
}

static bool has_active_slot(const struct cluster_member *primary, const char *slot) {
    char quoted[72];
    if (slot[0] == '\0' || !primary->known) {
        return false;
    }
    size_t len = (size_t)snprintf(quoted, sizeof(quoted), "%s,", slot);
    for (const char *p = strstr(primary->answer.slots, quoted); p != NULL;
         p = strstr(p + len, quoted)) {
        if (p == primary->answer.slots || p[-1] == ',') {
            return true;
        }
    }
    return false;
}

enum sender cluster_sender(const struct cluster *cluster, size_t replica) {
    const struct cluster_member *member = &cluster->members[replica];
    const struct cluster_member *primary =
        cluster->primary != CLUSTER_NO_MEMBER ? &cluster->members[cluster->primary] : NULL;
    if (primary != NULL && member->sender.port == 0 && member->streamed_usec != 0) {
        return SENDER_PRIMARY; /* it was proven when it streamed: before we were restarted */
    }
    if (primary != NULL &&
        (is_reached_at(member, primary) || has_active_slot(primary, member->slot))) {
        return SENDER_PRIMARY;
    }
    for (size_t i = 0; i < cluster->n_members; i++) {
        if (i != replica && i != cluster->primary && is_reached_at(member, &cluster->members[i])) {
            return SENDER_MEMBER;
        }
    }
    return SENDER_OTHER;
}

/* ---- what comes in ---- */

static void note_sender(struct cluster_member *member, const struct member_answer *answer) {
    if (answer->sender_host[0] == '\0' && answer->sender_port == 0) {
        return; /* the last one that was seen */
    }
    if (strcmp(member->sender.host, answer->sender_host) != 0) {
        member->sender = (struct cluster_addresses){0};
        memcpy(member->sender.host, answer->sender_host, sizeof(member->sender.host));
    }
    member->sender.port = answer->sender_port;
    memcpy(member->slot, answer->slot, sizeof(member->slot));
    memcpy(member->receiver_name, answer->receiver_name, sizeof(member->receiver_name));
}

/* A receiver that hears nothing grows older at our own pace. */
static void note_age(struct cluster_member *member, const struct member_answer *answer,
                     uint64_t passed_usec) {
    uint64_t *ages = member->ages_usec;
    bool was_growing = ages[0] < ages[1];
    uint64_t age = answer->has_message_age ? answer->message_age_usec : 0;
    member->age_grows = was_growing && age > ages[1] && age - ages[1] >= passed_usec / 2;
    ages[0] = ages[1];
    ages[1] = age;
}

static void note_streaming(struct cluster *cluster, size_t index) {
    struct cluster_member *member = &cluster->members[index];
    if (member->known && member->answer.in_recovery &&
        member->answer.receiver == RECEIVER_STREAMING &&
        cluster_sender(cluster, index) == SENDER_PRIMARY) {
        member->streamed_usec = member->known_usec;
    }
}

void cluster_answered(struct cluster *cluster, size_t index, const struct member_answer *answer,
                      const struct member_identity *identity, uint64_t now_usec) {
    struct cluster_member *member = &cluster->members[index];
    member->heard_usec = now_usec;
    suspicion_add(&member->suspicion, CLIENT_ALIVE, false, now_usec);
    note_age(member, answer, now_usec - member->known_usec);
    note_sender(member, answer);
    member->answer = *answer;
    member->identity = *identity;
    if (!member->is_redis) {
        memcpy(member->answer.system, identity->system, sizeof(member->answer.system));
    }
    member->timeline = answer->timeline != 0 ? answer->timeline : member->timeline;
    member->known = true;
    member->known_usec = now_usec;
    member->failure = (struct client_failure){0};
    member->stop_seen = member->starting = false;
    note_streaming(cluster, index);
    if (index == cluster->primary) {
        cluster_take_standbys(cluster);
        if (!answer->in_recovery) {
            wal_rate_add(&cluster->wal, answer->position, now_usec);
        }
    }
}

/* How a server says goodbye when its operator stops it. pg_terminate_backend() says the same; then
 * what the reconnect meets takes the mark away. */
static bool is_clean_stop(const struct client_failure *failure) {
    return strcmp(failure->sqlstate, "57P01") == 0 &&
           strcmp(failure->source, "ProcessInterrupts") == 0;
}

void cluster_failed(struct cluster *cluster, size_t index, const struct client_failure *failure,
                    bool kept_open, uint64_t now_usec) {
    struct cluster_member *member = &cluster->members[index];
    bool starting = failure->end == CLIENT_ALIVE && failure->reason == REASON_STARTING;
    suspicion_add(&member->suspicion, failure->end, kept_open, now_usec);
    member->heard_usec = now_usec;
    member->failure = *failure;
    if (starting && !member->starting) {
        member->starting_since_usec = now_usec;
    }
    if (failure->end == CLIENT_ALIVE || failure->end == CLIENT_GONE) {
        member->starting = starting;
    }
    if (is_clean_stop(failure)) {
        member->stop_seen = true;
    } else if (failure->end == CLIENT_ALIVE && !starting) {
        member->stop_seen = false; /* it answers: that was no stop */
    }
}

void cluster_stopping(struct cluster *cluster, size_t index) {
    cluster->members[index].stop_seen = true;
}

void cluster_void(struct cluster *cluster, const char *why, uint64_t now_usec) {
    struct client_failure failure = {.end = CLIENT_OURS, .reason = REASON_LOCAL};
    error_say(&failure.error, -ETIME, "%s", why);
    for (size_t i = 0; i < cluster->n_members; i++) {
        suspicion_add(&cluster->members[i].suspicion, CLIENT_OURS, false, now_usec);
        cluster->members[i].failure = failure;
    }
}

/* ---- what follows ---- */

bool cluster_is_fresh(const struct cluster *cluster, const struct cluster_member *member,
                      uint64_t now_usec) {
    return member->known && member->suspicion.count == 0 && !member->suspicion.void_ &&
           !error_is_set(&member->failure.error) &&
           now_usec - member->known_usec <= FRESH_INTERVALS * cluster->options.interval_usec;
}

static bool is_writable(const struct cluster *cluster, size_t index, uint64_t now_usec) {
    const struct cluster_member *member = &cluster->members[index];
    return cluster_is_fresh(cluster, member, now_usec) && !member->answer.in_recovery;
}

/* Others streamed from another one: their words of before say nothing of this one. */
static void set_primary(struct cluster *cluster, size_t index) {
    cluster->primary = index;
    cluster->done_since_usec = 0;
    for (size_t i = 0; i < cluster->n_members; i++) {
        cluster->members[i].streamed_usec = 0;
        note_streaming(cluster, i);
    }
    cluster->sync = (struct sync_state){0};
    cluster->wal = (struct wal_rate){0};
    cluster_take_standbys(cluster);
}

static void find_primary(struct cluster *cluster, uint64_t now_usec) {
    for (size_t i = 0; cluster->primary == CLUSTER_NO_MEMBER && i < cluster->n_members; i++) {
        if (is_writable(cluster, i, now_usec)) {
            set_primary(cluster, i);
        }
    }
}

/* Redis comes back by its service manager, which takes longer than to see it gone. */
static enum primary_view view_of_gone(const struct cluster *cluster,
                                      const struct cluster_member *primary, uint64_t now_usec) {
    if (primary->stop_seen) {
        return PRIMARY_STOPPED;
    }
    if (primary->is_redis &&
        now_usec - primary->suspicion.first_usec < cluster->options.restart_grace_usec) {
        return PRIMARY_SUSPECT;
    }
    return PRIMARY_GONE;
}

static enum primary_view view_of_answer(const struct cluster_member *primary) {
    if (error_is_set(&primary->failure.error)) {
        return primary->starting ? PRIMARY_STARTING : PRIMARY_DEGRADED;
    }
    if (!primary->known) {
        return PRIMARY_VOID; /* nothing was asked yet */
    }
    if (primary->answer.in_recovery) {
        return PRIMARY_RECOVERING;
    }
    return primary->identity.read_only ? PRIMARY_DEGRADED : PRIMARY_WRITABLE;
}

static enum primary_view view_primary(const struct cluster *cluster, uint64_t now_usec) {
    if (cluster->primary == CLUSTER_NO_MEMBER) {
        return PRIMARY_VOID;
    }
    const struct cluster_member *primary = &cluster->members[cluster->primary];
    switch (suspicion_state(&primary->suspicion, now_usec)) {
    case SUSPICION_NONE:
        return view_of_answer(primary);
    case SUSPICION_RISING:
        return PRIMARY_SUSPECT;
    case SUSPICION_GONE:
        return view_of_gone(cluster, primary, now_usec);
    case SUSPICION_SILENT:
        return primary->stop_seen ? PRIMARY_STOPPED : PRIMARY_SILENT;
    default:
        return PRIMARY_VOID;
    }
}

static struct replica_word word_of(const struct cluster *cluster, size_t index, uint64_t now_usec) {
    const struct cluster_member *member = &cluster->members[index];
    const struct cluster_member *primary = &cluster->members[cluster->primary];
    uint64_t timeout = member->answer.receiver_timeout_usec;
    return (struct replica_word){
        .reachable = cluster_is_fresh(cluster, member, now_usec),
        /* One that takes writes follows nobody, which is no loss. */
        .receiver = member->answer.in_recovery ? member->answer.receiver : RECEIVER_UNKNOWN,
        .sender = cluster_sender(cluster, index),
        .message_age_usec = member->answer.message_age_usec,
        .age_limit_usec =
            timeout > 0 && member->answer.has_message_age ? timeout / 2 + AGE_SLACK_USEC : 0,
        .age_grows = member->age_grows,
        .streamed_usec = member->streamed_usec,
        .shares_our_host = member->is_local && !primary->is_local,
    };
}

/* Those that follow another member neither vote nor count. */
static size_t words_of(const struct cluster *cluster, uint64_t now_usec, struct replica_word *words,
                       struct votes *ret) {
    const struct suspicion *suspicion = &cluster->members[cluster->primary].suspicion;
    size_t n = 0;
    for (size_t i = 0; i < cluster->n_members; i++) {
        struct replica_word word = word_of(cluster, i, now_usec);
        if (i != cluster->primary && word.sender != SENDER_MEMBER) {
            words[n++] = word;
        }
    }
    *ret = (struct votes){
        .replicas = words,
        .n_replicas = n,
        .quorum = cluster->options.quorum,
        .primary_answered_usec = suspicion->answered_usec,
        .first_failure_usec = suspicion->first_usec,
        /* Rounds of probes are an interval apart, their answers a little more: a primary that dies
         * between its own answer and the replica's must not look as if it was lost before. */
        .interval_usec = cluster->options.interval_usec * 3 / 2,
        .silent = suspicion->kind == CLIENT_SILENT,
    };
    return n;
}

static enum replica_view view_replicas(const struct cluster *cluster, uint64_t now_usec) {
    struct replica_word words[FAILOVER_MOST_MEMBERS];
    struct witness_word witnesses[CLUSTER_MOST_WITNESSES];
    struct votes votes;
    if (cluster->primary == CLUSTER_NO_MEMBER) {
        return REPLICAS_UNPROVEN;
    }
    words_of(cluster, now_usec, words, &votes);
    votes.witnesses = witnesses;
    votes.n_witnesses = cluster_witness_words(cluster, now_usec, witnesses);
    return votes_view(&votes);
}

static bool is_foreign(const struct cluster *cluster, size_t index) {
    const struct cluster_member *member = &cluster->members[index];
    const struct cluster_member *primary = &cluster->members[cluster->primary];
    return !member->is_redis && member->known && primary->answer.system[0] != '\0' &&
           member->answer.system[0] != '\0' &&
           strcmp(member->answer.system, primary->answer.system) != 0;
}

static enum other_view view_others(struct cluster *cluster, uint64_t now_usec) {
    enum other_view view = OTHER_NONE;
    cluster->other = CLUSTER_NO_MEMBER;
    for (size_t i = 0; cluster->primary != CLUSTER_NO_MEMBER && i < cluster->n_members; i++) {
        if (i == cluster->primary) {
            continue;
        }
        if (is_foreign(cluster, i)) {
            cluster->other = i;
            return OTHER_FOREIGN;
        }
        if (is_writable(cluster, i, now_usec)) {
            cluster->other = i;
            view = OTHER_WRITABLE;
        }
    }
    return view;
}

/* Whoever was promoted by others is the primary from now on, when that was to be seen a while. */
static void adopt(struct cluster *cluster, uint64_t now_usec) {
    if (cluster->verdict != VERDICT_DONE_BY_OTHERS) {
        cluster->done_since_usec = 0;
    } else if (cluster->done_since_usec == 0) {
        cluster->done_since_usec = now_usec;
    } else if (now_usec - cluster->done_since_usec >= CLUSTER_ADOPT_USEC) {
        set_primary(cluster, cluster->other);
        cluster->armed = false;
    }
}

/* ---- who would follow, and what forbids it ---- */

static void choose(struct cluster *cluster, uint64_t now_usec) {
    struct candidate_member list[FAILOVER_MOST_MEMBERS];
    const struct candidate_limits limits = {cluster->options.max_lag_bytes,
                                            cluster->options.max_replay_bytes};
    struct candidate_primary primary = {0};
    cluster->candidate = NO_CANDIDATE;
    cluster->proven = false;
    if (cluster->primary == CLUSTER_NO_MEMBER) {
        return;
    }
    const struct cluster_member *lost = &cluster->members[cluster->primary];
    primary = (struct candidate_primary){
        .system = str_of(lost->answer.system),
        .timeline = lost->timeline,
        .position = lost->answer.position,
    };
    for (size_t i = 0; i < cluster->n_members; i++) {
        struct cluster_member *member = &cluster->members[i];
        const struct member_answer *answer = &member->answer;
        list[i] = (struct candidate_member){
            .name = str_of(member->name),
            .reachable = cluster_is_fresh(cluster, member, now_usec),
            .in_recovery = answer->in_recovery,
            .excluded = member->excluded || answer->no_priority || i == cluster->primary,
            .paused = answer->paused,
            .syncing = answer->syncing,
            .apply_delay_usec = answer->apply_delay_usec,
            .system = str_of(answer->system),
            .timeline = member->timeline,
            .received = answer->received,
            .replayed = answer->replayed,
            .priority = member->priority,
        };
        member->obstacle = candidate_obstacle(&list[i], &primary, &limits);
    }
    size_t best = candidate_choose(list, cluster->n_members, &primary, &limits);
    cluster->proven = cluster_proves(cluster, best, now_usec);
    if (best != NO_CANDIDATE && !cluster->proven) {
        cluster->members[best].obstacle = OBSTACLE_SYNCHRONOUS;
        return;
    }
    cluster->candidate = best;
}

size_t cluster_count_streaming(const struct cluster *cluster, uint64_t now_usec,
                               size_t *ret_quorum) {
    struct replica_word words[FAILOVER_MOST_MEMBERS];
    struct votes votes;
    size_t n = words_of(cluster, now_usec, words, &votes), streaming = 0;
    for (size_t i = 0; i < n; i++) {
        streaming += words[i].reachable && words[i].receiver == RECEIVER_STREAMING &&
                     words[i].sender == SENDER_PRIMARY;
    }
    *ret_quorum = votes.quorum != 0 ? votes.quorum : n / 2 + 1;
    return streaming;
}

static void note_startup(struct cluster *cluster, uint64_t now_usec) {
    cluster->startup_overdue = cluster->primary_view == PRIMARY_STARTING &&
                               now_usec - cluster->members[cluster->primary].starting_since_usec >=
                                   cluster->options.startup_grace_usec;
}

/* Behind the table: what only the configuration allows, with the replicas' word all the same. */
enum verdict_consequence cluster_consequence(const struct cluster *cluster, uint64_t now_usec) {
    const struct failover_options *options = &cluster->options;
    if (cluster->primary != CLUSTER_NO_MEMBER && cluster->replica_view == REPLICAS_LOST) {
        const struct cluster_member *primary = &cluster->members[cluster->primary];
        if (cluster->verdict == VERDICT_STOPPED && options->on_clean_stop &&
            now_usec - primary->suspicion.first_usec >= options->restart_grace_usec) {
            return primary->suspicion.kind == CLIENT_GONE ? MAY_FAIL_OVER : MAY_FAIL_OVER_FENCED;
        }
        if (cluster->verdict == VERDICT_STARTING && options->start_timeout_usec != 0 &&
            now_usec - primary->starting_since_usec >= options->start_timeout_usec) {
            return MAY_FAIL_OVER_FENCED;
        }
    }
    return verdict_consequences[cluster->verdict];
}

/* A monitor that was restarted knows when the primary answered from the last good view. */
uint64_t cluster_seen_usec(const struct cluster *cluster) {
    if (cluster->primary == CLUSTER_NO_MEMBER) {
        return 0;
    }
    const struct cluster_member *primary = &cluster->members[cluster->primary];
    return primary->known_usec != 0 ? primary->known_usec : primary->suspicion.answered_usec;
}

struct wal_loss cluster_loss(const struct cluster *cluster, uint64_t now_usec) {
    struct wal_loss loss = {0};
    uint64_t seen_usec = cluster_seen_usec(cluster);
    loss.has_rate = wal_rate_get(&cluster->wal, &loss.bytes_per_second);
    loss.has_age = seen_usec != 0 && seen_usec <= now_usec;
    loss.age_ms = loss.has_age ? (now_usec - seen_usec) / USEC_PER_MSEC : 0;
    return loss;
}

void cluster_adopt(struct cluster *cluster, size_t member) {
    cluster->members[member].answer.in_recovery = false;
    set_primary(cluster, member);
    cluster->armed = false;
}

bool cluster_judge(struct cluster *cluster, uint64_t now_usec) {
    enum verdict before = cluster->verdict;
    size_t primary_before = cluster->primary;
    find_primary(cluster, now_usec);
    cluster->primary_view = view_primary(cluster, now_usec);
    cluster->replica_view = view_replicas(cluster, now_usec);
    cluster->other_view = view_others(cluster, now_usec);
    cluster->verdict =
        verdict_of(cluster->primary_view, cluster->replica_view, cluster->other_view);
    choose(cluster, now_usec);
    cluster_assess(cluster, now_usec);
    note_startup(cluster, now_usec);
    adopt(cluster, now_usec);
    bool changed = cluster->verdict != before || cluster->verdict_since_usec == 0;
    if (changed) {
        cluster->verdict_since_usec = now_usec;
    }
    return changed || cluster->primary != primary_before;
}
