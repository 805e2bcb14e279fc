/* SPDX-License-Identifier: Apache-2.0 */

#include "failover/watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/log.h"
#include "base/mem.h"
#include "failover/acting.h"
#include "failover/etcd_lock.h"
#include "failover/places.h"
#include "failover/private_watch.h"
#include "io/pg_client.h"

#define JOURNAL_FILE         "failover.journal"
#define LOOKUP_USEC          ((uint64_t)30 * USEC_PER_SEC)
#define LOOKUP_DEADLINE_USEC ((uint64_t)10 * USEC_PER_SEC)
/* The server ends our statement after an interval: a third of what the guards are told. */
#define GUARD_INTERVALS 3

/* ---- names ---- */

static void looked_up(void *userdata, const struct resolve_answer *answer,
                      const struct error *err) {
    struct watched_lookup *lookup = userdata;
    struct watched_member *member = lookup->member;
    lookup->request = NULL;
    (void)err; /* what is not known is asked again */
    if (answer != NULL && strcmp(lookup->host, lookup->place->host) == 0) {
        place_take(lookup->place, answer);
        member->watched->cluster.members[member->index].is_local =
            place_is_local(&member->watched->cluster.members[member->index].at);
    }
}

static void look_up(struct watched_lookup *lookup) {
    struct watch *watch = lookup->member->watched->watch;
    if (lookup->request != NULL || !place_is_name(lookup->place)) {
        return;
    }
    memcpy(lookup->host, lookup->place->host, sizeof(lookup->host));
    lookup->request = resolver_lookup(watch->options.resolver, lookup->host, lookup->place->port,
                                      loop_now_usec(watch->options.loop) + LOOKUP_DEADLINE_USEC,
                                      looked_up, lookup);
}

static void look_up_all(struct watched *watched, uint64_t now) {
    if (watched->looked_up_usec != 0 && now - watched->looked_up_usec < LOOKUP_USEC) {
        return;
    }
    watched->looked_up_usec = now;
    for (size_t i = 0; i < watched->n_members; i++) {
        look_up(&watched->members[i].own);
        look_up(&watched->members[i].sender);
    }
}

/* ---- verdicts ---- */

static void tell_verdict(const struct watched *watched, enum verdict before) {
    const struct cluster *cluster = &watched->cluster;
    struct strbuf words = {0};
    bool bad = verdict_consequences[cluster->verdict] != MAY_NOTHING;
    cluster_words(cluster, loop_now_usec(watched->watch->options.loop), &words);
    log_line(bad ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, "cluster '%s': was %s, is %s: %s",
             watched->options.cluster, verdict_names[before], verdict_names[cluster->verdict],
             words.data);
    strbuf_deinit(&words);
}

static void tell_primary(const struct watched *watched, size_t before) {
    const struct cluster *cluster = &watched->cluster;
    log_info("cluster '%s': the primary is '%s'%s%s%s", watched->options.cluster,
             cluster->members[cluster->primary].name,
             before != CLUSTER_NO_MEMBER ? ", it was '" : "",
             before != CLUSTER_NO_MEMBER ? cluster->members[before].name : "",
             before != CLUSTER_NO_MEMBER ? "'" : "");
}

static void judge(struct watched *watched) {
    struct watch *watch = watched->watch;
    struct cluster *cluster = &watched->cluster;
    enum verdict before = cluster->verdict;
    size_t primary_before = cluster->primary;
    bool changed = cluster_judge(cluster, loop_now_usec(watch->options.loop));
    if (cluster->verdict != before) {
        tell_verdict(watched, before);
    }
    if (cluster->primary != primary_before && cluster->primary != CLUSTER_NO_MEMBER) {
        tell_primary(watched, primary_before);
    }
    watched_view_keep(watched, false);
    acting_judged(watched->acting);
    if (changed && watch->options.changed != NULL) {
        watch->options.changed(watch->options.userdata);
    }
}

/* ---- probes ---- */

static void set_tick(struct watched *watched, uint64_t at_usec) {
    watched->due_usec = at_usec;
    loop_timer_set(watched->tick, at_usec);
}

void watched_ask_all(struct watched *watched) {
    for (size_t i = 0; i < watched->n_members; i++) {
        probe_now(watched->members[i].probe);
    }
    set_tick(watched, loop_now_usec(watched->watch->options.loop) + watched->options.interval_usec);
}

static void probe_answered(void *userdata, const struct member_answer *answer,
                           const struct member_identity *identity, uint64_t took_usec) {
    struct watched_member *member = userdata;
    struct watched *watched = member->watched;
    struct cluster_member *known = &watched->cluster.members[member->index];
    member->view.probes++;
    member->view.last_seconds = (double)took_usec / (double)USEC_PER_SEC;
    member->view.all_seconds += member->view.last_seconds;
    known->pooled = false;
    uint64_t now = loop_now_usec(watched->watch->options.loop);
    known->asked_usec = now - took_usec;
    cluster_answered(&watched->cluster, member->index, answer, identity, now);
    if (known->sender.n_texts == 0 && strcmp(member->sender.host, known->sender.host) != 0) {
        look_up(&member->sender);
    }
    if (member->index == watched->cluster.primary) {
        watched_answer_questions(watched);
    }
    judge(watched);
}

static void probe_failed(void *userdata, const struct probe_failure *failure) {
    struct watched_member *member = userdata;
    struct watched *watched = member->watched;
    struct cluster *cluster = &watched->cluster;
    const struct suspicion *suspicion = &cluster->members[member->index].suspicion;
    member->view.probes++;
    member->view.failures++;
    cluster->members[member->index].pooled = probe_is_pooled(member->probe);
    cluster_failed(cluster, member->index, failure->failure, failure->kept_open,
                   loop_now_usec(watched->watch->options.loop));
    log_debug("cluster '%s': probe of '%s' failed: %s: %s", watched->options.cluster, member->name,
              client_end_names[failure->failure->end], failure->failure->error.text);
    if (member->index == cluster->primary && suspicion->count == 1) {
        watched_ask_all(watched);
        watched_ask_witnesses(watched);
    }
    if (member->index == cluster->primary) {
        watched_answer_questions(watched);
    }
    judge(watched);
}

static void probe_learned(void *userdata, const struct member_facts *facts) {
    struct watched_member *member = userdata;
    cluster_learned(&member->watched->cluster, member->index, facts);
    judge(member->watched);
}

static void probe_stopping(void *userdata) {
    struct watched_member *member = userdata;
    cluster_stopping(&member->watched->cluster, member->index);
    judge(member->watched);
}

static struct client *make_client(void *userdata, const struct client_events *events) {
    struct watched_member *member = userdata;
    struct watch *watch = member->watched->watch;
    return member->is_redis
               ? redis_client_new(watch->options.loop, watch->options.resolver, watch->tls_contexts,
                                  &member->redis, events)
               : pg_client_new(watch->options.loop, watch->options.resolver, &member->pg, events);
}

/* A loop that is late by more than an interval has seen nothing of that time, and what it finds now
 * has waited. */
static void check_pace(struct watched *watched, uint64_t now) {
    char text[96];
    bool first = watched->looked_up_usec == 0;
    if (first || now - watched->due_usec <= watched->options.interval_usec) {
        return;
    }
    snprintf(text, sizeof(text), "the monitor itself was late by %.1fs",
             (double)(now - watched->due_usec) / (double)USEC_PER_SEC);
    log_warn("cluster '%s': %s: what was counted does not hold", watched->options.cluster, text);
    for (size_t i = 0; i < watched->n_members; i++) {
        probe_forget(watched->members[i].probe);
    }
    cluster_void(&watched->cluster, text, now);
}

static void ticked(void *userdata) {
    struct watched *watched = userdata;
    uint64_t now = loop_now_usec(watched->watch->options.loop);
    check_pace(watched, now);
    set_tick(watched, now + watched->options.interval_usec);
    look_up_all(watched, now);
    watched_view_keep(watched, true);
    for (size_t i = 0; i < watched->n_members; i++) {
        probe_tick(watched->members[i].probe);
    }
    watched_ask_witnesses(watched);
    judge(watched);
}

/* ---- clusters ---- */

static void member_init(struct watched *watched, size_t index, const struct watch_member *from) {
    struct watched_member *member = &watched->members[index];
    struct cluster_member *known = &watched->cluster.members[index];
    *member = (struct watched_member){
        .watched = watched,
        .index = index,
        .name = mem_strdup(from->name),
        .instance = mem_strdup(from->instance),
        .is_redis = from->redis != NULL,
        .no_failover = from->no_failover,
        .priority = from->priority,
    };
    if (member->is_redis) {
        redis_options_copy(from->redis, &member->redis);
    } else {
        pg_options_copy(from->pg, &member->pg);
        member->pg.guard_timeout_usec = GUARD_INTERVALS * watched->options.interval_usec;
    }
    known->name = member->name;
    known->is_redis = member->is_redis;
    known->excluded = member->no_failover;
    known->priority = (int64_t)member->priority;
    place_read(member->instance, &known->at);
    known->is_local = place_is_local(&known->at);
    member->own = (struct watched_lookup){.member = member, .place = &known->at};
    member->sender = (struct watched_lookup){.member = member, .place = &known->sender};
    member->probe = probe_new(
        &(struct probe_options){
            .kind = member->is_redis ? PROBE_REDIS : PROBE_POSTGRES,
            .loop = watched->watch->options.loop,
            .interval_usec = watched->options.interval_usec,
            .make_client = make_client,
            .make_userdata = member,
        },
        &(struct probe_events){.answered = probe_answered,
                               .failed = probe_failed,
                               .learned = probe_learned,
                               .stopping = probe_stopping,
                               .userdata = member});
}

bool watch_connects(struct watch *watch) {
    if (watch->transfers == NULL) {
        watch->transfers = transfers_new(watch->options.loop, watch->options.resolver);
    }
    return watch->transfers != NULL;
}

/* Without the lock that is asked for nothing may be done. */
static void lock_open(struct watched *watched) {
    if (watched->options.lock.n_endpoints == 0) {
        return;
    }
    if (!watch_connects(watched->watch)) {
        log_error("cluster '%s': the lock cannot be asked for", watched->options.cluster);
        return;
    }
    watched->lock = etcd_lock_new(&(struct etcd_lock_options){
        .loop = watched->watch->options.loop,
        .transfers = watched->watch->transfers,
        .lock = &watched->options.lock,
        .cluster = watched->options.cluster,
    });
}

static struct watched *watched_new(struct watch *watch,
                                   const struct watch_cluster_options *options) {
    struct watched *watched = mem_alloc(sizeof(*watched));
    watched->watch = watch;
    failover_options_copy(options->failover, &watched->options);
    watched->n_members = options->n_members;
    watched->members = mem_array(options->n_members, sizeof(*watched->members));
    cluster_init(&watched->cluster, &watched->options, options->n_members);
    for (size_t i = 0; i < options->n_members; i++) {
        member_init(watched, i, &options->members[i]);
    }
    watched->n_pools = options->n_pools;
    watched->pools = mem_array(options->n_pools + 1, sizeof(*watched->pools));
    for (size_t i = 0; i < options->n_pools; i++) {
        watched->pools[i].name = mem_strdup(options->pools[i].name);
        pg_options_copy(options->pools[i].pg, &watched->pools[i].pg);
    }
    watched->n_sentinels = options->n_sentinels;
    watched->sentinels = mem_array(options->n_sentinels + 1, sizeof(*watched->sentinels));
    for (size_t i = 0; i < options->n_sentinels; i++) {
        watched->sentinels[i].name = mem_strdup(options->sentinels[i].name);
        redis_options_copy(options->sentinels[i].redis, &watched->sentinels[i].redis);
    }
    watched->cluster.has_sentinel = options->n_sentinels > 0;
    cluster_start(&watched->cluster);
    watched_witnesses_open(watched);
    watched_view_open(watched);
    watched_maintenance_open(watched);
    lock_open(watched);
    watched->acting = acting_new(watched);
    watched->tick = loop_timer_new(watch->options.loop, ticked, watched);
    set_tick(watched, loop_now_usec(watch->options.loop));
    return watched;
}

static void member_deinit(struct watched_member *member) {
    probe_free(member->probe);
    resolve_request_free(member->own.request);
    resolve_request_free(member->sender.request);
    pg_options_deinit(&member->pg);
    redis_options_deinit(&member->redis);
    free(member->name);
    free(member->instance);
}

static void pool_deinit(struct watched_pool *pool) {
    pg_options_deinit(&pool->pg);
    free(pool->name);
}

static void sentinel_deinit(struct watched_sentinel *sentinel) {
    redis_options_deinit(&sentinel->redis);
    free(sentinel->name);
}

static struct watched *watched_free(struct watched *watched) {
    loop_timer_free(watched->tick);
    acting_free(watched->acting);
    failover_lock_free(watched->lock);
    watched_witnesses_close(watched);
    for (size_t i = 0; i < watched->n_members; i++) {
        member_deinit(&watched->members[i]);
    }
    for (size_t i = 0; i < watched->n_pools; i++) {
        pool_deinit(&watched->pools[i]);
    }
    for (size_t i = 0; i < watched->n_sentinels; i++) {
        sentinel_deinit(&watched->sentinels[i]);
    }
    watched_view_close(watched);
    cluster_deinit(&watched->cluster);
    failover_options_deinit(&watched->options);
    free(watched->members);
    free(watched->pools);
    free(watched->sentinels);
    free(watched);
    return NULL;
}

/* The time limit of a probe's connection is ours: it follows from the interval. */
static bool same_postgres(const struct pg_options *ours, const struct pg_options *theirs) {
    struct pg_options wanted = *theirs;
    wanted.guard_timeout_usec = ours->guard_timeout_usec;
    return pg_options_equal(ours, &wanted);
}

static bool same_member(const struct watched_member *a, const struct watch_member *b) {
    return strcmp(a->name, b->name) == 0 && strcmp(a->instance, b->instance) == 0 &&
           a->is_redis == (b->redis != NULL) && a->no_failover == b->no_failover &&
           a->priority == b->priority &&
           (a->is_redis ? redis_options_equal(&a->redis, b->redis) : same_postgres(&a->pg, b->pg));
}

static bool is_same(const struct watched *watched, const struct watch_cluster_options *options) {
    bool same = failover_options_equal(&watched->options, options->failover) &&
                watched->n_sentinels == options->n_sentinels &&
                watched->n_members == options->n_members && watched->n_pools == options->n_pools;
    for (size_t i = 0; same && i < watched->n_members; i++) {
        same = same_member(&watched->members[i], &options->members[i]);
    }
    for (size_t i = 0; same && i < watched->n_pools; i++) {
        same = strcmp(watched->pools[i].name, options->pools[i].name) == 0 &&
               pg_options_equal(&watched->pools[i].pg, options->pools[i].pg);
    }
    for (size_t i = 0; same && i < watched->n_sentinels; i++) {
        same = strcmp(watched->sentinels[i].name, options->sentinels[i].name) == 0 &&
               redis_options_equal(&watched->sentinels[i].redis, options->sentinels[i].redis);
    }
    return same;
}

/* One that is acting stays as it is, whatever the configuration says now: it is applied again when
 * the plan has ended. */
static bool is_acting_for(const struct watched *watched,
                          const struct watch_cluster_options *options) {
    return acting_is_busy(watched->acting) &&
           strcmp(watched->options.cluster, options->failover->cluster) == 0;
}

/* Takes one that is the same out of the old list. */
static struct watched *find_same(struct watched **old, size_t n_old,
                                 const struct watch_cluster_options *options) {
    for (size_t i = 0; i < n_old; i++) {
        struct watched *watched = old[i];
        if (watched == NULL) {
            continue;
        }
        bool same = is_same(watched, options);
        if (!same && is_acting_for(watched, options)) {
            log_info("cluster '%s': what the configuration says now counts when the failover that "
                     "is under way has ended",
                     watched->options.cluster);
            same = true;
        }
        if (same) {
            old[i] = NULL;
            return watched;
        }
    }
    return NULL;
}

void watch_apply(struct watch *watch, const struct watch_cluster_options *clusters, size_t count) {
    struct watched **old = watch->clusters;
    size_t n_old = watch->n_clusters;
    struct watched **made = mem_array(count + n_old + 1, sizeof(struct watched *));
    size_t n_made = count;
    for (size_t i = 0; i < count; i++) {
        made[i] = find_same(old, n_old, &clusters[i]);
    }
    for (size_t i = 0; i < n_old; i++) { /* before others write the same files */
        if (old[i] != NULL && acting_is_busy(old[i]->acting)) {
            made[n_made++] = old[i]; /* it is not watched any more, when its plan has ended */
        } else if (old[i] != NULL) {
            watched_free(old[i]);
        }
    }
    for (size_t i = 0; i < count; i++) {
        made[i] = made[i] != NULL ? made[i] : watched_new(watch, &clusters[i]);
    }
    free(old);
    watch->clusters = made;
    watch->n_clusters = n_made;
}

bool watched_lock_allows(const struct watched *watched) {
    if (watched->options.lock.n_endpoints == 0) {
        return true;
    }
    return watched->lock != NULL &&
           (failover_lock_state(watched->lock, NULL) == FAILOVER_LOCK_HELD &&
            failover_lock_plan(watched->lock) == NULL);
}

void watched_adopt(struct watched *watched, size_t member) {
    size_t before = watched->cluster.primary;
    cluster_adopt(&watched->cluster, member);
    tell_primary(watched, before);
    watched_view_write(watched);
    watched_ask_all(watched);
    judge(watched);
}

void watched_plan_ended(struct watched *watched) {
    const struct watch_options *options = &watched->watch->options;
    if (options->settled != NULL) {
        options->settled(options->userdata);
    }
}

/* ---- life ---- */

static void read_boot_id(struct watch *watch) {
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (file == NULL) {
        return; /* then no view is of this life */
    }
    size_t len = fread(watch->boot_id, 1, sizeof(watch->boot_id) - 1, file);
    fclose(file);
    while (len > 0 && watch->boot_id[len - 1] == '\n') {
        watch->boot_id[--len] = '\0';
    }
}

struct watch *watch_new(const struct watch_options *options) {
    struct watch *watch = mem_alloc(sizeof(*watch));
    watch->options = *options;
    read_boot_id(watch);
    watch->tls_contexts = tls_contexts_new(NULL, NULL);
    watch->disk = worker_pool_new(
        options->loop,
        &(struct worker_options){.max_running = 2, .max_queued = FAILOVER_MOST_CLUSTERS + 1});
    watch->processes = processes_new(options->loop, FAILOVER_MOST_CLUSTERS);
    if (options->storage_path != NULL) {
        CLEANUP(mem_freep)
        char *path = mem_printf("%s/" JOURNAL_FILE, options->storage_path);
        watch->journal = journal_open(
            &(struct journal_options){.loop = options->loop, .pool = watch->disk, .path = path});
    }
    return watch;
}

struct watch *watch_free(struct watch *watch) {
    if (watch == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < watch->n_clusters; i++) {
        watched_free(watch->clusters[i]);
    }
    free(watch->clusters);
    announcements_free(watch->announcements);
    processes_free(watch->processes);
    journal_free(watch->journal);
    watch_end_orders(watch);
    worker_pool_free(watch->disk);
    transfers_free(watch->transfers);
    tls_contexts_free(watch->tls_contexts);
    free(watch);
    return NULL;
}

/* ---- views ---- */

void watch_pool_down(struct watch *watch, const char *cluster, const char *name,
                     const char *instance) {
    for (size_t i = 0; i < watch_clusters(watch); i++) {
        if (strcmp(watch->clusters[i]->options.cluster, cluster) == 0) {
            acting_pool_down(watch->clusters[i]->acting, name, instance);
        }
    }
}

/* Without an answer the lease ends by itself, later. */
static void gave_up_lock(void *userdata, const struct error *err) {
    struct watched *watched = userdata;
    (void)err;
    watched->gave_up = true;
}

/* Return: whether it is still busy. The lock goes last, so that another monitor need not wait. */
static bool leave_cluster(struct watched *watched) {
    if (acting_is_walking(watched->acting) || watched_maintenance_busy(watched)) {
        return true;
    }
    if (watched->lock != NULL && !watched->gives_up) {
        const struct failover_lock_answer answer = {gave_up_lock, watched};
        watched->gives_up = true;
        failover_lock_release(watched->lock, &answer);
    }
    return watched->gives_up && !watched->gave_up;
}

bool watch_leave(struct watch *watch) {
    bool busy = false;
    if (watch == NULL) {
        return false;
    }
    watch->leaving = true;
    for (size_t i = 0; i < watch->n_clusters; i++) {
        busy |= leave_cluster(watch->clusters[i]);
    }
    return busy || watch->orders != NULL;
}

bool watch_acts(const struct watch *watch) {
    bool acts = false;
    for (size_t i = 0; i < watch_clusters(watch); i++) {
        acts |= watch_is_acting(watch, i);
    }
    return acts;
}

void watch_refresh(struct watch *watch) {
    for (size_t i = 0; i < watch_clusters(watch); i++) {
        acting_refresh(watch->clusters[i]->acting);
    }
}

size_t watch_clusters(const struct watch *watch) {
    return watch != NULL ? watch->n_clusters : 0;
}

const struct cluster *watch_cluster(const struct watch *watch, size_t index) {
    return &watch->clusters[index]->cluster;
}

const struct watch_probe_view *watch_probe(const struct watch *watch, size_t cluster,
                                           size_t member) {
    return &watch->clusters[cluster]->members[member].view;
}

uint64_t watch_now_usec(const struct watch *watch) {
    return loop_now_usec(watch->options.loop);
}

const struct rehearsal *watch_rehearsal(const struct watch *watch, size_t cluster,
                                        struct str *ret_text) {
    const struct acting *acting = watch->clusters[cluster]->acting;
    *ret_text = acting_rehearsal_text(acting);
    return acting_rehearsal(acting);
}

bool watch_in_maintenance(const struct watch *watch, size_t cluster) {
    return watched_in_maintenance(watch->clusters[cluster]);
}

bool watch_is_acting(const struct watch *watch, size_t cluster) {
    return acting_is_walking(watch->clusters[cluster]->acting);
}

const struct book *watch_book(const struct watch *watch) {
    return watch->journal != NULL ? journal_book(watch->journal) : NULL;
}
