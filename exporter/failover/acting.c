/* SPDX-License-Identifier: Apache-2.0 */

#include "failover/acting.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/log.h"
#include "base/mem.h"
#include "failover/private_acting.h"

/* Hook files are looked at so often; before they run they are looked at again. */
#define HOOKS_CHECK_USEC (10 * USEC_PER_SEC)
/* A failover that is forbidden is told when it stays so: a candidate may be on its way back. */
#define REFUSAL_USEC (3 * USEC_PER_SEC)

static const struct watched *watched_of(const struct acting *acting) {
    return acting->watched;
}

static struct cluster *cluster_of(const struct acting *acting) {
    return &acting->watched->cluster;
}

static const struct failover_options *options_of(const struct acting *acting) {
    return &acting->watched->options;
}

uint64_t acting_now(const struct acting *acting) {
    return loop_now_usec(watched_of(acting)->watch->options.loop);
}

bool acting_has_fence(const struct acting *acting) {
    return options_of(acting)->hooks.commands[HOOK_FENCE].count > 0;
}

/* ---- whether anything forbids it ---- */

static const struct plan *blocking(const struct acting *acting) {
    const struct watch *watch = acting->watched->watch;
    return watch->journal != NULL
               ? book_blocking(journal_book(watch->journal), str_of(options_of(acting)->cluster))
               : NULL;
}

static bool hooks_are_good(struct acting *acting, uint64_t now) {
    if (acting->hooks_checked_usec == 0 || now - acting->hooks_checked_usec >= HOOKS_CHECK_USEC) {
        struct error err = {0};
        bool good = hooks_check(&options_of(acting)->hooks, &err) == 0;
        if (!good && (acting->hooks_good || acting->hooks_checked_usec == 0)) {
            log_error("cluster '%s': a hook cannot be run: %s", options_of(acting)->cluster,
                      err.text);
        }
        acting->hooks_good = good;
        acting->hooks_checked_usec = now;
    }
    return acting->hooks_good;
}

/* What the cluster cannot know of itself. */
static void note_readiness(struct acting *acting, uint64_t now) {
    const struct watch *watch = acting->watched->watch;
    const struct plan *plan = blocking(acting);
    bool *ready = cluster_of(acting)->ready;
    ready[READY_JOURNAL] = watch->journal != NULL && journal_works(watch->journal);
    /* One that is not over and not ours is of the monitor's life before: it becomes unknown. */
    ready[READY_ACKNOWLEDGED] = plan == NULL || plan == executor_plan(acting->executor);
    ready[READY_HOOKS] = hooks_are_good(acting, now);
    ready[READY_MAINTENANCE] = !watched_in_maintenance(acting->watched);
    ready[READY_LOCK] = watched_lock_allows(acting->watched);
    /* A hook that promotes needs none of our rights. */
    ready[READY_PROMOTE] |= options_of(acting)->hooks.commands[HOOK_PROMOTE].count > 0;
}

/* With another manager in charge people may still decide; but a Sentinel must be there to be asked.
 */
static bool manager_forbids(const struct cluster *cluster) {
    return cluster->options.mode == FAILOVER_AUTOMATIC ||
           (cluster_has_sentinel_in_charge(cluster) && !cluster->has_sentinel);
}

/* Commits that would wait for a standby are told and no reason to leave a cluster without primary.
 */
static bool forbids(const struct cluster *cluster, enum ready_reason reason) {
    return reason != READY_COMMITS && (reason != READY_MANAGER || manager_forbids(cluster));
}

void acting_add_obstacles(const struct cluster *cluster, struct strbuf *out) {
    for (int i = 0; i < READY_REASONS; i++) {
        if (!cluster->ready[i] && forbids(cluster, (enum ready_reason)i)) {
            strbuf_printf(out, "%s%s", out->len > 0 ? ", " : "", ready_reason_names[i]);
        }
    }
}

enum verdict_consequence acting_consequence(const struct acting *acting) {
    return cluster_consequence(cluster_of(acting), acting_now(acting));
}

/* ---- plans ---- */

static const char *name_of(const struct acting *acting, size_t index) {
    return index < acting->watched->n_members ? acting->watched->members[index].name : "";
}

static const char *instance_of(const struct acting *acting, size_t index) {
    return index < acting->watched->n_members ? acting->watched->members[index].instance : "";
}

void acting_start_plan(struct acting *acting, enum plan_mode mode, enum step_event first,
                       const char *reason, const char *text) {
    const struct cluster *cluster = cluster_of(acting);
    const struct cluster_member *old = &cluster->members[cluster->primary];
    struct watch *watch = acting->watched->watch;
    int64_t now_ms = loop_now_ms(watch->options.loop);
    struct strbuf evidence = {0};
    char id[PLAN_ID_BYTES], position[32];
    plan_name(options_of(acting)->cluster, now_ms, id);
    cluster_words(cluster, acting_now(acting), &evidence);
    acting->old = cluster->primary;
    acting->planned = mode == PLAN_SWITCHOVER;
    acting->by_sentinel = acting_has_sentinel(acting);
    acting->fenced = false;
    acting->seen_usec = cluster_seen_usec(cluster);
    acting->seen_position = old->answer.position;
    acting->failed_usec = old->suspicion.count > 0 ? old->suspicion.first_usec : 0;
    executor_start(
        acting->executor,
        &(struct plan_draft){
            .id = str_of(id),
            .cluster = str_of(options_of(acting)->cluster),
            .old_primary = str_of(old->name),
            .old_address = str_of(instance_of(acting, acting->old)),
            .new_primary = str_of(name_of(acting, acting->next)),
            .new_address = str_of(instance_of(acting, acting->next)),
            .reason = str_of(reason),
            .evidence = strbuf_view(&evidence),
            .position = str_of(cluster_position(cluster, old->answer.position, position)),
            .timeline = old->timeline,
            .loss = cluster_loss(cluster, acting_now(acting)),
            .mode = mode,
            .drafted_ms = now_ms,
        },
        first, text);
    strbuf_deinit(&evidence);
}

/* Behind what is said already: for who decides. */
static void add_loss(const struct acting *acting, struct strbuf *text) {
    const struct wal_loss loss = cluster_loss(cluster_of(acting), acting_now(acting));
    if (loss.has_age || loss.has_rate) {
        strbuf_add_text(text, "; ");
        wal_loss_words(&loss, text);
    }
}

/* An entry in the journal, and nothing else. */
static void tell_what_would_have_been(struct acting *acting, enum verdict_consequence may,
                                      const char *obstacles) {
    const struct cluster *cluster = cluster_of(acting);
    const struct watch *watch = acting->watched->watch;
    struct strbuf text = {0};
    bool observes = options_of(acting)->mode == FAILOVER_OBSERVE;
    const char *verb = observes ? "would have promoted" : "would promote";
    acting->next = cluster->candidate;
    if (obstacles[0] != '\0') {
        strbuf_printf(&text, "%s nothing: not ready (%s): ", observes ? "would have done" : "does",
                      obstacles);
        cluster_ready_words(cluster, &text);
    } else if (may == MAY_FAIL_OVER_FENCED) {
        strbuf_printf(&text, "%s '%s' only behind a fence", verb, name_of(acting, acting->next));
    } else {
        strbuf_printf(&text, "%s '%s'", verb, name_of(acting, acting->next));
    }
    add_loss(acting, &text);
    log_warn("cluster '%s': the primary '%s' is %s; %s: %s", options_of(acting)->cluster,
             name_of(acting, cluster->primary), verdict_names[cluster->verdict],
             observes ? "observing" : "nothing is done", text.data);
    acting->outage_told = true;
    if (watch->journal != NULL) {
        acting_start_plan(acting, PLAN_OBSERVE, STEP_OBSERVE, verdict_names[cluster->verdict],
                          text.data);
    }
    strbuf_deinit(&text);
}

static void fail_over(struct acting *acting) {
    const struct cluster *cluster = cluster_of(acting);
    bool manual = options_of(acting)->mode == FAILOVER_MANUAL;
    acting->next = cluster->candidate;
    log_warn("cluster '%s': the primary '%s' is %s; %s '%s'", options_of(acting)->cluster,
             name_of(acting, cluster->primary), verdict_names[cluster->verdict],
             manual ? "waiting for the approval to promote" : "failing over to",
             name_of(acting, acting->next));
    struct strbuf text = {0};
    strbuf_add_text(&text, manual ? "an operator decides" : "automatic");
    if (manual) {
        add_loss(acting, &text);
    }
    acting_start_plan(acting, manual ? PLAN_MANUAL : PLAN_AUTOMATIC, manual ? STEP_ASK : STEP_GO,
                      verdict_names[cluster->verdict], text.data);
    strbuf_deinit(&text);
}

static bool may_try_again(const struct acting *acting) {
    return acting_now(acting) - acting->unbegun_usec >= executor_pause_usec(acting->n_unbegun);
}

/* Whether the journal says of this outage what there is to say. That a plan which has just acted
 * forbids the next one stands in that plan. */
static bool is_told(const struct acting *acting) {
    bool blocks = acting->outage_acted && !cluster_of(acting)->ready[READY_ACKNOWLEDGED];
    return acting->outage_told || blocks;
}

/* A verdict that allows something, and nothing under way. */
static void consider(struct acting *acting, enum verdict_consequence may) {
    const struct cluster *cluster = cluster_of(acting);
    struct strbuf obstacles = {0};
    acting_add_obstacles(cluster, &obstacles);
    bool observes = options_of(acting)->mode == FAILOVER_OBSERVE;
    bool allowed = obstacles.len == 0 && (may == MAY_FAIL_OVER || acting_has_fence(acting));
    if (!observes && allowed) {
        if (may_try_again(acting)) {
            fail_over(acting);
        }
    } else if (!is_told(acting) &&
               (observes || acting_now(acting) - cluster->verdict_since_usec >= REFUSAL_USEC)) {
        tell_what_would_have_been(acting, may, obstacles.len > 0 ? obstacles.data : "");
    }
    strbuf_deinit(&obstacles);
}

/* ---- while a plan is under way ---- */

bool acting_is_undecided(const struct acting *acting) {
    enum verdict verdict = cluster_of(acting)->verdict;
    return verdict == VERDICT_SUSPECT || verdict == VERDICT_VOID || verdict == VERDICT_UNPROVEN ||
           verdict == VERDICT_CUT_OFF;
}

bool acting_is_overtaken(const struct acting *acting) {
    return !acting->planned && !acting_is_undecided(acting) &&
           acting_consequence(acting) < MAY_FAIL_OVER_FENCED;
}

bool acting_is_given_up(const struct acting *acting) {
    return watched_of(acting)->watch->leaving && !(acting->planned && acting->fenced);
}

/* Why a plan that has not begun to act is given up, or NULL: the next judgement makes another. */
static const char *reason_to_withdraw(const struct acting *acting, const struct plan *plan) {
    const struct cluster *cluster = cluster_of(acting);
    if (acting_is_overtaken(acting)) {
        return verdict_names[cluster->verdict];
    }
    bool another = cluster->candidate != NO_CANDIDATE && cluster->candidate != acting->next;
    return plan->step == STEP_WAITING && another ? "another one would follow now" : NULL;
}

static void watch_plan(struct acting *acting) {
    const struct plan *plan = executor_plan(acting->executor);
    if (plan == NULL) {
        return;
    }
    if (plan->step == STEP_LOOK) {
        acting_look(acting);
        return;
    }
    const char *why = plan->step == STEP_WAITING || plan->step == STEP_PRE
                          ? reason_to_withdraw(acting, plan)
                          : NULL;
    if (why != NULL) {
        struct strbuf words = {0};
        strbuf_printf(&words, "%s: ", why);
        cluster_words(cluster_of(acting), acting_now(acting), &words);
        executor_event(acting->executor, STEP_RETURNED, strbuf_view(&words));
        strbuf_deinit(&words);
    }
}

/* ---- a replaced primary that is back ---- */

static void refenced(void *userdata, bool good, const char *text) {
    struct acting *acting = userdata;
    log_line(good ? LOG_LEVEL_WARN : LOG_LEVEL_ERROR,
             "cluster '%s': '%s', which was replaced, %s: %s", options_of(acting)->cluster,
             name_of(acting, acting->returned),
             good ? "is fenced again" : "could not be fenced again", text);
    acting->refence = hook_run_free(acting->refence);
    watched_plan_ended(acting->watched);
}

/* The newest plan, if it has put the present primary into its place and nobody has acknowledged
 * that: what becomes of the old one after that is people's business. */
static const struct plan *plan_of_primary(const struct acting *acting) {
    const struct watch *watch = acting->watched->watch;
    const struct book *book = watch->journal != NULL ? journal_book(watch->journal) : NULL;
    const char *primary = name_of(acting, cluster_of(acting)->primary);
    for (size_t i = book != NULL ? book->n_plans : 0; i > 0; i--) {
        const struct plan *plan = book->plans[i - 1];
        if (str_is(plan->draft.cluster, options_of(acting)->cluster) &&
            plan_may_have_promoted(plan)) {
            return plan->step == STEP_DONE && str_is(plan->draft.new_primary, primary) ? plan
                                                                                       : NULL;
        }
    }
    return NULL;
}

/* Only a member that our own journal replaced: which of two others is right nobody can know. */
static void watch_returned(struct acting *acting) {
    const struct cluster *cluster = cluster_of(acting);
    struct watch *watch = acting->watched->watch;
    if (cluster->verdict != VERDICT_SPLIT_BRAIN) {
        acting->returned = acting->refence != NULL ? acting->returned : CLUSTER_NO_MEMBER;
        return;
    }
    const struct plan *plan = plan_of_primary(acting);
    if (acting->refence != NULL || acting->returned == cluster->other || plan == NULL ||
        options_of(acting)->mode != FAILOVER_AUTOMATIC || !acting_has_fence(acting) ||
        watched_in_maintenance(acting->watched) ||
        !str_is(plan->draft.old_primary, name_of(acting, cluster->other))) {
        return;
    }
    struct hook_event event;
    char lsn[32], timeline[16];
    acting->returned = cluster->other;
    acting_hook_event(acting, plan, HOOK_FENCE, &event, lsn, timeline);
    event.reason = "the replaced primary takes writes again";
    log_error("cluster '%s': '%s', which was replaced, takes writes again; it is fenced",
              options_of(acting)->cluster, name_of(acting, acting->returned));
    acting->refence = hook_run_new(watch->options.loop, watch->processes,
                                   &(struct hook_run_request){.options = &options_of(acting)->hooks,
                                                              .event = &event,
                                                              .done = refenced,
                                                              .userdata = acting});
}

/* ---- after each judgement ---- */

/* A connection to the candidate is made at the first failure: later there may be none left. */
static void keep_promotion(struct acting *acting) {
    const struct cluster *cluster = cluster_of(acting);
    bool failing = cluster->primary != CLUSTER_NO_MEMBER &&
                   cluster->primary_view >= PRIMARY_SUSPECT && cluster->primary_view < PRIMARY_VOID;
    if (executor_is_busy(acting->executor)) {
        return;
    }
    if (!failing || options_of(acting)->mode == FAILOVER_OBSERVE || acting_has_sentinel(acting) ||
        options_of(acting)->hooks.commands[HOOK_PROMOTE].count > 0) {
        acting->promotion = promotion_free(acting->promotion);
    } else if (cluster->candidate != NO_CANDIDATE &&
               (acting->promotion == NULL || acting->promotion_of != cluster->candidate)) {
        acting_connect_promotion(acting, cluster->candidate);
    }
}

void acting_refresh(struct acting *acting) {
    note_readiness(acting, acting_now(acting));
}

void acting_judged(struct acting *acting) {
    const struct cluster *cluster = cluster_of(acting);
    note_readiness(acting, acting_now(acting));
    keep_promotion(acting);
    watch_returned(acting);
    if (cluster->verdict == VERDICT_HEALTHY) {
        acting->outage_told = false;
        acting->outage_acted = false;
        acting->n_unbegun = 0;
    }
    if (executor_is_busy(acting->executor)) {
        watch_plan(acting);
        return;
    }
    enum verdict_consequence may = acting_consequence(acting);
    if (may >= MAY_FAIL_OVER_FENCED && !acting->watched->watch->leaving) {
        consider(acting, may);
    }
}

/* ---- life ---- */

bool acting_is_busy(const struct acting *acting) {
    return executor_is_busy(acting->executor) || acting->rehearse != NULL ||
           acting->rehearse_pool != NULL || acting->refence != NULL || acting->pool_run != NULL;
}

bool acting_is_walking(const struct acting *acting) {
    const struct plan *plan = executor_plan(acting->executor);
    bool walks = executor_is_busy(acting->executor) && (plan == NULL || plan->step != STEP_WAITING);
    return walks || acting->refence != NULL || acting->pool_run != NULL;
}

struct acting *acting_new(struct watched *watched) {
    struct acting *acting = mem_alloc(sizeof(*acting));
    const struct executor_sink sink = {acting_entered, acting_refused, acting};
    acting->watched = watched;
    acting->returned = CLUSTER_NO_MEMBER;
    acting->executor = executor_new(watched->watch->options.loop, watched->watch->journal, &sink);
    acting->look_deadline = loop_timer_new(watched->watch->options.loop, acting_look_ends, acting);
    return acting;
}

struct acting *acting_free(struct acting *acting) {
    if (acting == NULL) {
        return NULL;
    }
    acting_drop_step(acting);
    promotion_free(acting->promotion);
    sentinel_failover_free(acting->sentinel);
    hook_run_free(acting->refence);
    hook_run_free(acting->rehearse);
    pool_switch_free(acting->rehearse_pool);
    hook_run_free(acting->pool_run);
    acting->watched->lock = failover_lock_free(acting->watched->lock); /* it answers our claim */
    loop_timer_free(acting->look_deadline);
    executor_free(acting->executor);
    strbuf_deinit(&acting->notes);
    strbuf_deinit(&acting->rehearsal_text);
    free(acting);
    return NULL;
}
