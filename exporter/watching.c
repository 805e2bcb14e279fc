/* SPDX-License-Identifier: Apache-2.0 */

#include "watching.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct watching {
    struct watching_options options;
    struct watch *watch;
    struct loop_deferred *news;
    struct loop_deferred *settled;
};

/* ---- configuration ---- */

struct member_list {
    struct watch_member members[FAILOVER_MOST_MEMBERS];
    char instances[FAILOVER_MOST_MEMBERS][288];
    struct watch_pool pools[FAILOVER_MOST_POOLS];
    struct watch_sentinel sentinels[FAILOVER_MOST_SENTINELS];
};

static bool is_member(const struct target_options *target, const char *cluster) {
    return (target->kind == KIND_POSTGRES || target->kind == KIND_REDIS) &&
           target->cluster != NULL && strcmp(target->cluster, cluster) == 0;
}

static size_t list_members(const struct config *config, const char *cluster,
                           struct member_list *ret) {
    size_t n = 0;
    for (size_t i = 0; i < config->n_targets && n < FAILOVER_MOST_MEMBERS; i++) {
        const struct target_options *target = &config->targets[i];
        if (!is_member(target, cluster)) {
            continue;
        }
        target_options_instance(target, ret->instances[n], sizeof(ret->instances[n]));
        ret->members[n] = (struct watch_member){
            .name = target->name,
            .instance = ret->instances[n],
            .pg = target->kind == KIND_POSTGRES ? &target->pg : NULL,
            .redis = target->kind == KIND_REDIS ? &target->redis : NULL,
            .no_failover = target->no_failover,
            .priority = target->failover_priority,
        };
        n++;
    }
    return n;
}

static size_t list_pools(const struct config *config, const struct failover_options *failover,
                         struct member_list *ret) {
    size_t n = 0;
    for (size_t i = 0; i < failover->pools.count; i++) {
        for (size_t k = 0; k < config->n_targets; k++) {
            const struct target_options *target = &config->targets[k];
            if (strcmp(target->name, failover->pools.list[i]) == 0) {
                ret->pools[n++] = (struct watch_pool){target->name, &target->pg};
            }
        }
    }
    return n;
}

static size_t list_sentinels(const struct config *config, const char *cluster,
                             struct member_list *ret) {
    size_t n = 0;
    for (size_t i = 0; i < config->n_targets && n < FAILOVER_MOST_SENTINELS; i++) {
        const struct target_options *target = &config->targets[i];
        if (target->kind == KIND_SENTINEL && target->cluster != NULL &&
            strcmp(target->cluster, cluster) == 0) {
            ret->sentinels[n++] = (struct watch_sentinel){target->name, &target->redis};
        }
    }
    return n;
}

void watching_apply(struct watching *watching) {
    if (watching == NULL) {
        return;
    }
    const struct config *config = watching->options.config;
    size_t n = config->n_failover;
    struct watch_cluster_options *clusters = mem_array(n + 1, sizeof(*clusters));
    struct member_list *lists = mem_array(n + 1, sizeof(*lists));
    for (size_t i = 0; i < n; i++) {
        clusters[i] = (struct watch_cluster_options){
            .failover = &config->failover[i],
            .members = lists[i].members,
            .n_members = list_members(config, config->failover[i].cluster, &lists[i]),
            .pools = lists[i].pools,
            .n_pools = list_pools(config, &config->failover[i], &lists[i]),
            .sentinels = lists[i].sentinels,
            .n_sentinels = list_sentinels(config, config->failover[i].cluster, &lists[i]),
        };
    }
    watch_apply(watching->watch, clusters, n);
    free(lists);
    free(clusters);
}

/* ---- life ---- */

static void tell_news(void *userdata) {
    struct watching *watching = userdata;
    watching->options.news(watching->options.userdata);
}

static void changed(void *userdata) {
    struct watching *watching = userdata;
    loop_deferred_arm(watching->news);
}

static void apply_again(void *userdata) {
    watching_apply(userdata);
}

static void settled(void *userdata) {
    struct watching *watching = userdata;
    loop_deferred_arm(watching->news);
    loop_deferred_arm(watching->settled);
}

struct watching *watching_new(const struct watching_options *options) {
    struct watching *watching = mem_alloc(sizeof(*watching));
    watching->options = *options;
    watching->news = loop_deferred_new(options->loop, tell_news, watching);
    watching->settled = loop_deferred_new(options->loop, apply_again, watching);
    watching->watch = watch_new(&(struct watch_options){
        .loop = options->loop,
        .resolver = options->resolver,
        .storage_path = options->storage_path,
        .changed = changed,
        .settled = settled,
        .userdata = watching,
    });
    watching_apply(watching);
    return watching;
}

struct watching *watching_free(struct watching *watching) {
    if (watching != NULL) {
        watch_free(watching->watch);
        loop_deferred_free(watching->news);
        loop_deferred_free(watching->settled);
        free(watching);
    }
    return NULL;
}

/* The first bad round after a good one. */
void watching_round_ended(struct watching *watching, const struct target_view *target) {
    bool fell = target->n_window > 1 && (target->window & 3u) == 2u;
    if (watching != NULL && fell && target->options->kind == KIND_PGBOUNCER &&
        target->health == TARGET_DOWN && target->options->cluster != NULL) {
        watch_pool_down(watching->watch, target->options->cluster, target->options->name,
                        target->instance);
    }
}

struct watch *watching_watch(const struct watching *watching) {
    return watching != NULL ? watching->watch : NULL;
}

/* ---- metrics ---- */

enum {
    VERDICT,
    READY,
    PRIMARY,
    CANDIDATE,
    OBSTACLE,
    SUSPICION,
    OVERDUE,
    WAL,
    PROBES,
    FAILURES,
    SECONDS,
    MODE,
    UNDER_WAY,
    LATCHED,
    WAITING,
    PLANS,
    LAST,
    LAST_FAILURE,
    RECOVERY,
    LOST_BYTES,
    LOST_SECONDS,
};

enum { BY_VERDICT = 1, BY_REASON, BY_MEMBER, BY_OBSTACLE, BY_CLUSTER, BY_MODE, BY_STATE };

static const struct column rows[] = {
    [VERDICT] = {NULL, GAUGE, "dbvitals_failover_verdict",
                 "1 for what is the matter with the cluster, 0 for everything else.",
                 .group = BY_VERDICT},
    [READY] = {NULL, GAUGE, "dbvitals_failover_ready",
               "1 if this does not stand in the way of a failover, 0 if it forbids it.",
               .group = BY_REASON},
    [PRIMARY] = {NULL, GAUGE, "dbvitals_failover_primary",
                 "1 for the member that is the primary, also while it is lost.",
                 .group = BY_MEMBER},
    [CANDIDATE] = {NULL, GAUGE, "dbvitals_failover_candidate",
                   "1 for the member that would follow the primary.", .group = BY_MEMBER},
    [OBSTACLE] = {NULL, GAUGE, "dbvitals_failover_obstacle",
                  "Why a member would not follow the primary; always 1.", .group = BY_OBSTACLE},
    [SUSPICION] = {NULL, GAUGE, "dbvitals_failover_suspicion_failures",
                   "Failed probes of the primary in a row, of one kind.", .group = BY_CLUSTER},
    [OVERDUE] = {NULL, GAUGE, "dbvitals_failover_startup_overdue",
                 "1 if the primary has been starting for longer than startup_grace.",
                 .group = BY_CLUSTER},
    [WAL] =
        {NULL, GAUGE, "dbvitals_failover_wal_bytes_per_second",
         "How much the primary wrote in the last minute before its last answer, by its positions.",
         .group = BY_CLUSTER},
    [PROBES] = {NULL, COUNTER, "dbvitals_failover_probes_total", "Probes of the member that ended.",
                .group = BY_MEMBER},
    [FAILURES] = {NULL, COUNTER, "dbvitals_failover_probe_failures_total",
                  "Those that brought no answer, or not the one that was asked for.",
                  .group = BY_MEMBER},
    [SECONDS] = {NULL, COUNTER, "dbvitals_failover_probe_seconds_total",
                 "How long probes that were answered took.", .group = BY_MEMBER},
    [MODE] = {NULL, GAUGE, "dbvitals_failover_mode",
              "1 for what follows when the primary is lost, 0 for the other modes.",
              .group = BY_MODE},
    [UNDER_WAY] = {NULL, GAUGE, "dbvitals_failover_under_way",
                   "1 while a failover or a switchover takes its steps.", .group = BY_CLUSTER},
    [LATCHED] = {NULL, GAUGE, "dbvitals_failover_latched",
                 "1 while an earlier failover waits for its acknowledgement, which forbids the "
                 "next one.",
                 .group = BY_CLUSTER},
    [WAITING] = {NULL, GAUGE, "dbvitals_failover_waiting",
                 "1 while a failover waits for an operator's approval.", .group = BY_CLUSTER},
    [PLANS] =
        {NULL, GAUGE, "dbvitals_failover_plans",
         "Failovers that the journal has told of, by where they stand or stood when they were "
         "dropped from it.",
         .group = BY_STATE},
    [LAST] = {NULL, GAUGE, "dbvitals_failover_last_timestamp_seconds",
              "When the newest failover or switchover ended well.", .group = BY_CLUSTER},
    [LAST_FAILURE] = {NULL, GAUGE, "dbvitals_failover_last_failure_timestamp_seconds",
                      "When the newest one ended that failed, or of which nobody knows.",
                      .group = BY_CLUSTER},
    [RECOVERY] = {NULL, GAUGE, "dbvitals_failover_last_recovery_seconds",
                  "From the old primary's last answer until the new one took writes, of the newest "
                  "failover.",
                  .group = BY_CLUSTER},
    [LOST_BYTES] = {NULL, GAUGE, "dbvitals_failover_last_lost_bytes",
                    "What the new primary did not have of what was seen on the old one, of the "
                    "newest failover: more may be lost.",
                    .group = BY_CLUSTER},
    [LOST_SECONDS] = {NULL, GAUGE, "dbvitals_failover_last_lost_seconds",
                      "How long nothing had been seen of the old primary when it failed, of the "
                      "newest failover: what it took then may be lost.",
                      .group = BY_CLUSTER},
    {NULL, LABEL, "cluster", .group = BY_VERDICT},
    {NULL, LABEL, "verdict", .group = BY_VERDICT},
    {NULL, LABEL, "cluster", .group = BY_REASON},
    {NULL, LABEL, "reason", .group = BY_REASON},
    {NULL, LABEL, "cluster", .group = BY_MEMBER},
    {NULL, LABEL, "member", .group = BY_MEMBER},
    {NULL, LABEL, "cluster", .group = BY_OBSTACLE},
    {NULL, LABEL, "member", .group = BY_OBSTACLE},
    {NULL, LABEL, "obstacle", .group = BY_OBSTACLE},
    {NULL, LABEL, "cluster", .group = BY_CLUSTER},
    {NULL, LABEL, "cluster", .group = BY_MODE},
    {NULL, LABEL, "mode", .group = BY_MODE},
    {NULL, LABEL, "cluster", .group = BY_STATE},
    {NULL, LABEL, "state", .group = BY_STATE},
    {0},
};

const struct collector watching_metrics_table = {
    .name = "failover",
    .help = "What is known of the primaries that are watched ('failover:'), on the same page. The "
            "member is the target's name.",
    .also = rows,
};

static void add(struct batch *batch, int row, const struct label *labels, size_t count,
                double value) {
    batch_add(batch, column_metric(&rows[row]), batch_add_labels(batch, labels, count), value);
}

static void add_member(const struct watch *watch, size_t index, size_t member,
                       struct batch *batch) {
    const struct cluster *cluster = watch_cluster(watch, index);
    const struct watch_probe_view *probe = watch_probe(watch, index, member);
    const struct cluster_member *known = &cluster->members[member];
    const struct label labels[] = {
        {str_of("cluster"), str_of(cluster->options.cluster)},
        {str_of("member"), str_of(known->name)},
        {str_of("obstacle"), str_of(obstacle_names[known->obstacle])},
    };
    add(batch, PRIMARY, labels, 2, member == cluster->primary);
    add(batch, CANDIDATE, labels, 2, member == cluster->candidate);
    if (known->obstacle != OBSTACLE_NONE && member != cluster->primary) {
        add(batch, OBSTACLE, labels, 3, 1);
    }
    add(batch, PROBES, labels, 2, (double)probe->probes);
    add(batch, FAILURES, labels, 2, (double)probe->failures);
    add(batch, SECONDS, labels, 2, probe->all_seconds);
}

/* What the journal says of one cluster. */
static void add_plans(const struct watch *watch, const char *cluster, struct batch *batch) {
    const struct book *book = watch_book(watch);
    struct label labels[] = {{str_of("cluster"), str_of(cluster)}, {{0}, {0}}};
    size_t counts[STEPS] = {0};
    const struct plan *good = NULL, *bad = NULL, *measured = NULL;
    bool latched = false;
    for (size_t i = 0; book != NULL && i < book->n_plans; i++) {
        const struct plan *plan = book->plans[i];
        bool everywhere = plan->draft.cluster.len == 0; /* a damaged journal */
        if (!everywhere && !str_is(plan->draft.cluster, cluster)) {
            continue;
        }
        counts[plan->step]++;
        latched |= step_is_latched(plan->step);
        good = plan_has_done(plan) ? plan : good;
        bad = plan->step == STEP_FAILED || plan->step == STEP_UNKNOWN ? plan : bad;
        measured = plan->has_outcome ? plan : measured;
    }
    add(batch, LATCHED, labels, 1, latched);
    add(batch, WAITING, labels, 1, counts[STEP_WAITING] > 0);
    for (int i = 0; i < STEPS; i++) {
        labels[1] = (struct label){str_of("state"), str_of(step_names[i])};
        uint64_t gone = book != NULL ? book_gone(book, labels[0].value, (enum step)i) : 0;
        add(batch, PLANS, labels, 2, (double)(counts[i] + gone));
    }
    if (good != NULL) {
        add(batch, LAST, labels, 1, (double)good->ended_ms / 1000);
    }
    if (bad != NULL) {
        add(batch, LAST_FAILURE, labels, 1, (double)bad->ended_ms / 1000);
    }
    if (measured != NULL) {
        add(batch, RECOVERY, labels, 1, (double)measured->outcome.recovery_ms / 1000);
        add(batch, LOST_BYTES, labels, 1, (double)measured->outcome.lost_bytes);
        add(batch, LOST_SECONDS, labels, 1, (double)measured->outcome.lost_ms / 1000);
    }
}

static void add_cluster(const struct watch *watch, size_t index, struct batch *batch) {
    const struct cluster *cluster = watch_cluster(watch, index);
    struct label labels[] = {{str_of("cluster"), str_of(cluster->options.cluster)}, {{0}, {0}}};
    for (int i = 0; i < VERDICTS; i++) {
        labels[1] = (struct label){str_of("verdict"), str_of(verdict_names[i])};
        add(batch, VERDICT, labels, 2, cluster->verdict == (enum verdict)i);
    }
    for (int i = 0; i < READY_REASONS; i++) {
        labels[1] = (struct label){str_of("reason"), str_of(ready_reason_names[i])};
        add(batch, READY, labels, 2, cluster->ready[i]);
    }
    bool has_primary = cluster->primary != CLUSTER_NO_MEMBER;
    add(batch, SUSPICION, labels, 1,
        has_primary ? cluster->members[cluster->primary].suspicion.count : 0);
    add(batch, OVERDUE, labels, 1, cluster->startup_overdue);
    const struct wal_loss loss = cluster_loss(cluster, watch_now_usec(watch));
    if (loss.has_rate) {
        add(batch, WAL, labels, 1, (double)loss.bytes_per_second);
    }
    for (int i = 0; i < FAILOVER_MODES; i++) {
        labels[1] = (struct label){str_of("mode"), str_of(failover_mode_names[i])};
        add(batch, MODE, labels, 2, cluster->options.mode == (enum failover_mode)i);
    }
    add(batch, UNDER_WAY, labels, 1, watch_is_acting(watch, index));
    add_plans(watch, cluster->options.cluster, batch);
    for (size_t i = 0; i < cluster->n_members; i++) {
        add_member(watch, index, i, batch);
    }
}

void watching_collect(const struct watching *watching, struct batch *batch) {
    struct watch *watch = watching_watch(watching);
    watch_refresh(watch);
    for (size_t i = 0; i < watch_clusters(watch); i++) {
        add_cluster(watch, i, batch);
    }
}
