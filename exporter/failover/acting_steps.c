/* SPDX-License-Identifier: Apache-2.0 */

/* What each step of a plan does, and how it knows that it has ended. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/log.h"
#include "base/mem.h"
#include "failover/private_acting.h"

static struct watch *watch_of(const struct acting *acting) {
    return acting->watched->watch;
}

static struct cluster *cluster_of(const struct acting *acting) {
    return &acting->watched->cluster;
}

static void succeeded(struct acting *acting, const char *text) {
    executor_event(acting->executor, STEP_SUCCEEDED, str_of(text));
}

static void failed(struct acting *acting, const char *text) {
    executor_event(acting->executor, STEP_FAILURE, str_of(text));
}

/* ---- hooks ---- */

void acting_hook_event(const struct acting *acting, const struct plan *plan,
                       enum hook_event_kind kind, struct hook_event *ret, char lsn[32],
                       char timeline[16]) {
    const struct plan_draft *draft = &plan->draft; /* its texts end with a zero byte */
    snprintf(lsn, 32, "%s", draft->position.data);
    snprintf(timeline, 16, "%u", (unsigned)draft->timeline);
    *ret = (struct hook_event){
        .kind = kind,
        .cluster = acting->watched->options.cluster,
        .failover_id = draft->id.data,
        .old_primary = draft->old_primary.data,
        .old_primary_addr = draft->old_address.data,
        .new_primary = draft->new_primary.data,
        .new_primary_addr = draft->new_address.data,
        .lsn = lsn,
        .timeline = timeline,
        .reason = draft->reason.data,
        .evidence = draft->evidence.data,
    };
}

static void run_hooks(struct acting *acting, const struct plan *plan, enum hook_event_kind kind,
                      void (*done)(void *userdata, bool good, const char *text)) {
    struct hook_event event;
    char lsn[32], timeline[16];
    acting_hook_event(acting, plan, kind, &event, lsn, timeline);
    acting->run =
        hook_run_new(watch_of(acting)->options.loop, watch_of(acting)->processes,
                     &(struct hook_run_request){.options = &acting->watched->options.hooks,
                                                .event = &event,
                                                .done = done,
                                                .userdata = acting});
}

/* A step that is its hooks and nothing else. */
static void hooks_ended(void *userdata, bool good, const char *text) {
    struct acting *acting = userdata;
    if (good) {
        succeeded(acting, text);
    } else {
        failed(acting, text);
    }
}

static void add_note(struct acting *acting, bool good, struct str text) {
    if (text.len > 0) {
        strbuf_add_text(&acting->notes, acting->notes.len > 0 ? "\n" : "");
        strbuf_add_str(&acting->notes, text);
    }
    acting->notes_bad |= !good;
}

/* A step of several parts: what they said is one text. */
static void notes_end(struct acting *acting) {
    struct str text = strbuf_view(&acting->notes);
    executor_event(acting->executor, acting->notes_bad ? STEP_FAILURE : STEP_SUCCEEDED, text);
}

/* ---- poolers: PgBouncer's consoles, one after another ---- */

static void switch_pools(struct acting *acting, enum pool_switch_kind kind,
                         void (*ended)(void *userdata, bool succeeded, struct str text)) {
    const struct watched *watched = acting->watched;
    const struct watched_pool *pool = &watched->pools[acting->pools_done];
    acting->pools = pool_switch_new(&(struct pool_switch_options){
        .contact =
            {
                .kind = CONTACT_PGBOUNCER,
                .loop = watched->watch->options.loop,
                .resolver = watched->watch->options.resolver,
                .pg = &pool->pg,
            },
        .kind = kind,
        .databases = (const char *const *)watched->options.pool_databases.list,
        .n_databases = watched->options.pool_databases.count,
        .ended = ended,
        .userdata = acting,
    });
}

/* Takes what one console said. Return: whether another one is to be asked. */
static bool pool_said(struct acting *acting, bool good, struct str text) {
    const struct watched *watched = acting->watched;
    struct strbuf note = {0};
    strbuf_printf(&note, "%s: %.*s", watched->pools[acting->pools_done].name, (int)text.len,
                  text.data);
    add_note(acting, good, strbuf_view(&note));
    strbuf_deinit(&note);
    acting->pools = NULL;
    return ++acting->pools_done < watched->n_pools;
}

/* ---- pre ---- */

static void paused(void *userdata, bool good, struct str text) {
    struct acting *acting = userdata;
    struct pool_switch *pools = acting->pools;
    if (pool_said(acting, good, text) && good) {
        switch_pools(acting, POOL_SWITCH_PAUSE, paused);
    } else {
        notes_end(acting);
    }
    pool_switch_free(pools);
}

static void pre_hooks_ended(void *userdata, bool good, const char *text) {
    struct acting *acting = userdata;
    add_note(acting, good, str_of(text));
    if (good && acting->planned && acting->watched->n_pools > 0) {
        switch_pools(acting, POOL_SWITCH_PAUSE, paused);
    } else {
        notes_end(acting);
    }
}

static void begin_pre(struct acting *acting, const struct plan *plan) {
    run_hooks(acting, plan, HOOK_PRE, pre_hooks_ended);
}

/* ---- fence ---- */

static void fence_ended(void *userdata, bool good, const char *text) {
    struct acting *acting = userdata;
    acting->fenced = good;
    hooks_ended(acting, good, text);
}

/* That the primary is back may have come while the step's record, or the claim, was on its way. */
static void fence(struct acting *acting) {
    if (acting_is_overtaken(acting)) {
        failed(acting, "the primary is not lost any more: nothing was fenced");
    } else if (watched_in_maintenance(acting->watched)) {
        failed(acting, "there is maintenance now: nothing was fenced");
    } else if (acting_has_fence(acting)) {
        run_hooks(acting, executor_plan(acting->executor), HOOK_FENCE, fence_ended);
    } else {
        succeeded(acting, "there is no fence, as configured: orphans possible (sessions of the old "
                          "primary that still commit, if anything of it is left)");
    }
}

static void claimed(void *userdata, enum failover_claim claim,
                    const struct failover_lock_plan *plan, const struct error *why) {
    struct acting *acting = userdata;
    (void)plan;
    if (!acting->claiming) {
        return; /* we are stopping: what is under way stays in the journal as it is */
    }
    acting->claiming = false;
    if (claim == FAILOVER_CLAIM_OURS) {
        fence(acting);
    } else {
        failed(acting, why->text);
    }
}

/* What stands against it where all monitors look. */
static void begin_fence(struct acting *acting, const struct plan *plan) {
    struct failover_lock *lock = acting->watched->lock;
    if (lock == NULL || acting_is_overtaken(acting)) {
        fence(acting);
        return;
    }
    acting->claiming = true;
    int r = failover_lock_claim(lock, &(struct failover_lock_claim){
                                          .plan_id = plan->draft.id.data,
                                          .old_primary = plan->draft.old_primary.data,
                                          .candidate = plan->draft.new_primary.data,
                                          .done = claimed,
                                          .userdata = acting,
                                      });
    if (r < 0) {
        failed(acting, "the plan could not be claimed: another claim is under way");
    }
}

/* ---- the last look ---- */

static void look_anew(struct acting *acting) {
    acting->look_round_usec = acting_now(acting);
    watched_ask_all(acting->watched);
}

static void begin_look(struct acting *acting, const struct plan *plan) {
    (void)plan;
    acting->look_usec = acting_now(acting);
    acting->look_again = false;
    loop_timer_set(acting->look_deadline,
                   acting->look_usec + LOOK_USEC + acting->watched->options.restart_grace_usec);
    look_anew(acting);
}

static void look_says(struct acting *acting, enum step_event event, const char *what) {
    struct strbuf text = {0};
    strbuf_printf(&text, "%s (%s): ", what, verdict_names[cluster_of(acting)->verdict]);
    cluster_words(cluster_of(acting), acting_now(acting), &text);
    loop_timer_stop(acting->look_deadline);
    executor_event(acting->executor, event, strbuf_view(&text));
    strbuf_deinit(&text);
}

void acting_look_ends(void *userdata) {
    struct acting *acting = userdata;
    look_says(acting, STEP_FAILURE, "nothing certain could be seen in time");
}

/* All that can be reached have answered a question that was asked since; the others have failed
 * since. */
static bool all_were_heard(const struct acting *acting) {
    const struct cluster *cluster = cluster_of(acting);
    for (size_t i = 0; i < cluster->n_members; i++) {
        const struct cluster_member *member = &cluster->members[i];
        bool answered = !error_is_set(&member->failure.error);
        uint64_t heard = answered ? member->asked_usec : member->heard_usec;
        if (heard < acting->look_round_usec) {
            return false;
        }
    }
    return true;
}

/* The old primary of a switchover was stopped by its hook, and a fence may stop one in good order:
 * then it is as gone as one that was killed. */
static bool is_lost(const struct acting *acting) {
    const struct cluster *cluster = cluster_of(acting);
    bool stopped = (acting->fenced || acting->planned) && cluster->verdict == VERDICT_STOPPED;
    return stopped || acting_consequence(acting) == MAY_FAIL_OVER ||
           (acting->fenced && acting_consequence(acting) == MAY_FAIL_OVER_FENCED);
}

static bool may_still_become_certain(const struct acting *acting) {
    enum verdict verdict = cluster_of(acting)->verdict;
    bool stopping = acting->planned && (verdict == VERDICT_HEALTHY || verdict == VERDICT_STARTING);
    return acting_is_undecided(acting) || stopping;
}

/* Whether the planned successor is the one to choose; it is waited for while it does not answer. */
enum successor { SUCCESSOR_IS_BEST, SUCCESSOR_IS_AWAY, SUCCESSOR_IS_NOT };

static enum successor look_at_successor(const struct acting *acting) {
    const struct cluster *cluster = cluster_of(acting);
    enum obstacle obstacle = cluster->members[acting->next].obstacle;
    if (obstacle == OBSTACLE_UNREACHABLE) {
        return SUCCESSOR_IS_AWAY;
    }
    bool best = acting->planned ? obstacle == OBSTACLE_NONE : cluster->candidate == acting->next;
    return best ? SUCCESSOR_IS_BEST : SUCCESSOR_IS_NOT;
}

/* A receiver of a primary that is only silent may have bytes on the way: nothing may have come for
 * an interval. */
static bool is_at_rest(struct acting *acting) {
    const struct cluster *cluster = cluster_of(acting);
    const struct member_answer *answer = &cluster->members[acting->next].answer;
    uint64_t position = answer->received > answer->replayed ? answer->received : answer->replayed;
    bool silent = cluster->primary_view == PRIMARY_SILENT;
    bool rests = !silent ||
                 (acting->look_again && position == acting->look_position &&
                  acting_now(acting) - acting->look_usec >= acting->watched->options.interval_usec);
    if (!rests && !acting->look_again) {
        acting->look_usec = acting_now(acting);
    }
    acting->look_again = true;
    acting->look_position = position;
    return rests;
}

/* What was seen of a primary that was stopped in good order must have arrived. */
static bool has_received_all(const struct acting *acting) {
    const struct cluster_member *members = cluster_of(acting)->members;
    const struct member_answer *answer = &members[acting->next].answer;
    uint64_t position = answer->received > answer->replayed ? answer->received : answer->replayed;
    return position >= members[acting->old].answer.position;
}

static bool lock_is_held(const struct acting *acting) {
    struct failover_lock *lock = acting->watched->lock;
    return lock == NULL || failover_lock_state(lock, NULL) == FAILOVER_LOCK_HELD;
}

void acting_look(struct acting *acting) {
    if (!loop_timer_is_set(acting->look_deadline) || !all_were_heard(acting)) {
        return; /* it has ended, or goes on */
    }
    if (!is_lost(acting)) {
        if (!may_still_become_certain(acting)) {
            look_says(acting, STEP_RETURNED, "the primary is not lost any more");
        }
        return;
    }
    enum successor successor = look_at_successor(acting);
    if (successor == SUCCESSOR_IS_AWAY) {
        return;
    }
    if (successor == SUCCESSOR_IS_NOT) {
        look_says(acting, STEP_FAILURE, "the planned successor is not the one to choose any more");
    } else if (!lock_is_held(acting)) {
        look_says(acting, STEP_FAILURE, "the lock is not held any more");
    } else if (acting->planned && !has_received_all(acting)) {
        return; /* until it has, or the look's time is over */
    } else if (!is_at_rest(acting)) {
        look_anew(acting);
    } else {
        acting->looked_usec = acting_now(acting);
        look_says(acting, STEP_SUCCEEDED, "it is lost");
    }
}

/* ---- promote ---- */

static struct contact_options contact_of(const struct acting *acting, size_t index) {
    const struct watched_member *member = &acting->watched->members[index];
    return (struct contact_options){
        .kind = member->is_redis ? CONTACT_REDIS : CONTACT_POSTGRES,
        .loop = watch_of(acting)->options.loop,
        .resolver = watch_of(acting)->options.resolver,
        .tls_contexts = watch_of(acting)->tls_contexts,
        .pg = member->is_redis ? NULL : &member->pg,
        .redis = member->is_redis ? &member->redis : NULL,
    };
}

static void promoted(void *userdata, enum promotion_end end, struct str text) {
    static const enum step_event events[] = {
        [PROMOTION_SUCCEEDED] = STEP_SUCCEEDED,
        [PROMOTION_FAILED] = STEP_FAILURE,
        [PROMOTION_UNKNOWN] = STEP_LOST,
    };
    struct acting *acting = userdata;
    executor_event(acting->executor, events[end], text);
}

/* What a hook has done when it fails nobody knows. */
static void promote_hooks_ended(void *userdata, bool good, const char *text) {
    struct acting *acting = userdata;
    executor_event(acting->executor, good ? STEP_SUCCEEDED : STEP_LOST, str_of(text));
}

void acting_connect_promotion(struct acting *acting, size_t index) {
    promotion_free(acting->promotion);
    acting->promotion_of = index;
    acting->promotion = promotion_new(&(struct promotion_options){
        .contact = contact_of(acting, index), .ended = promoted, .userdata = acting});
}

/* A disk that takes the step's record late, or a monitor that was stopped meanwhile, leaves time in
 * which the primary may be back. Return: why nothing is to be promoted, or NULL. */
static const char *late_objection(const struct acting *acting) {
    bool blind = acting_is_undecided(acting) && cluster_of(acting)->verdict != VERDICT_CUT_OFF;
    if (!lock_is_held(acting)) {
        return "the lock is not held any more; nothing was promoted";
    }
    if (!blind && !is_lost(acting)) {
        return "the primary is not lost any more; nothing was promoted";
    }
    if (acting_now(acting) - acting->looked_usec > LOOK_AGE_USEC) {
        return "the last look is too old, for its record took so long; nothing was promoted";
    }
    return NULL;
}

static void begin_promote(struct acting *acting, const struct plan *plan) {
    const char *why_not = late_objection(acting);
    if (why_not != NULL) {
        failed(acting, why_not);
    } else if (acting->watched->options.hooks.commands[HOOK_PROMOTE].count > 0) {
        run_hooks(acting, plan, HOOK_PROMOTE, promote_hooks_ended);
    } else {
        if (acting->promotion == NULL || acting->promotion_of != acting->next) {
            acting_connect_promotion(acting, acting->next);
        }
        promotion_start(acting->promotion);
    }
}

/* ---- confirm ---- */

static void tell_outcome(struct acting *acting, const struct confirm_result *result,
                         struct strbuf *text) {
    const struct member_answer *answer = &cluster_of(acting)->members[acting->next].answer;
    uint64_t reached = answer->received > answer->replayed ? answer->received : answer->replayed;
    uint64_t now = acting_now(acting);
    uint64_t blind_from = acting->failed_usec != 0 ? acting->failed_usec : acting->seen_usec;
    const struct plan_outcome outcome = {
        .recovery_ms = (now - acting->seen_usec) / USEC_PER_MSEC,
        .lost_bytes = acting->seen_position > reached ? acting->seen_position - reached : 0,
        .lost_ms = (blind_from - acting->seen_usec) / USEC_PER_MSEC,
    };
    strbuf_printf(text,
                  "%.*s; writes are taken %.3f s after the old primary's last answer. At least "
                  "%llu bytes of it are lost, which is measured at that answer; what it took in "
                  "the %.3f s until it failed may be lost too",
                  (int)result->text.len, result->text.data, (double)outcome.recovery_ms / 1000,
                  (unsigned long long)outcome.lost_bytes, (double)outcome.lost_ms / 1000);
    executor_outcome(acting->executor, &outcome);
}

static void confirmed(void *userdata, const struct confirm_result *result) {
    struct acting *acting = userdata;
    struct strbuf text = {0};
    if (result->confirmed) {
        tell_outcome(acting, result, &text);
        executor_event(acting->executor, STEP_SUCCEEDED, strbuf_view(&text));
        watched_adopt(acting->watched, acting->next);
    } else {
        strbuf_add_str(&text, result->text);
        executor_event(acting->executor, STEP_FAILURE, strbuf_view(&text));
    }
    strbuf_deinit(&text);
}

static void begin_confirm(struct acting *acting, const struct plan *plan) {
    (void)plan;
    struct contact *taken =
        acting->promotion != NULL ? promotion_take_contact(acting->promotion) : NULL;
    acting->confirm = confirm_new(&(struct confirm_options){
        .contact = contact_of(acting, acting->next),
        .taken = taken,
        .ended = confirmed,
        .userdata = acting,
    });
}

/* ---- post ---- */

static void moved(void *userdata, bool good, struct str text) {
    struct acting *acting = userdata;
    struct pool_switch *pools = acting->pools;
    if (pool_said(acting, good, text)) {
        switch_pools(acting, acting->planned ? POOL_SWITCH_RELEASE : POOL_SWITCH_MOVE, moved);
    } else {
        notes_end(acting);
    }
    pool_switch_free(pools);
}

static void move_pools(struct acting *acting) {
    acting->pools_done = 0;
    if (acting->watched->n_pools > 0) {
        switch_pools(acting, acting->planned ? POOL_SWITCH_RELEASE : POOL_SWITCH_MOVE, moved);
    } else {
        notes_end(acting);
    }
}

static void post_hooks_ended(void *userdata, bool good, const char *text) {
    struct acting *acting = userdata;
    add_note(acting, good, str_of(text));
    move_pools(acting);
}

static void run_post_hooks(struct acting *acting) {
    run_hooks(acting, executor_plan(acting->executor), HOOK_POST, post_hooks_ended);
}

static void repointed(void *userdata, size_t n_failed, struct str text) {
    struct acting *acting = userdata;
    acting->repoint = repoint_redis_free(acting->repoint);
    add_note(acting, n_failed == 0, text);
    run_post_hooks(acting);
}

/* Replicas of Redis follow at once; those of PostgreSQL are a hook's business. */
static void repoint(struct acting *acting) {
    const struct watched *watched = acting->watched;
    const struct watched_member *next = &watched->members[acting->next];
    struct repoint_member others[FAILOVER_MOST_MEMBERS];
    size_t n = 0;
    for (size_t i = 0; i < watched->n_members; i++) {
        if (i != acting->old && i != acting->next) {
            others[n++] =
                (struct repoint_member){watched->members[i].name, &watched->members[i].redis};
        }
    }
    struct contact_options contact = contact_of(acting, acting->next);
    contact.pg = NULL;
    contact.redis = NULL;
    acting->repoint = repoint_redis_new(&(struct repoint_options){
        .contact = contact,
        .primary = {next->name, &next->redis},
        .host = cluster_of(acting)->members[acting->next].at.host,
        .port = cluster_of(acting)->members[acting->next].at.port,
        .replicas = others,
        .n_replicas = n,
        .ended = repointed,
        .userdata = acting,
    });
}

static void begin_post(struct acting *acting, const struct plan *plan) {
    (void)plan;
    if (acting->watched->members[acting->next].is_redis &&
        acting->watched->options.hooks.commands[HOOK_PROMOTE].count == 0) {
        repoint(acting);
    } else {
        run_post_hooks(acting);
    }
}

/* ---- undo ---- */

static void failed_hooks_ended(void *userdata, bool good, const char *text) {
    struct acting *acting = userdata;
    add_note(acting, good, str_of(text));
    notes_end(acting);
}

/* Clients that a switchover holds back are let go, whatever becomes of the rest. */
static void undo_resumed(void *userdata, bool good, struct str text) {
    struct acting *acting = userdata;
    struct pool_switch *pools = acting->pools;
    if (pool_said(acting, good, text)) {
        switch_pools(acting, POOL_SWITCH_RESUME, undo_resumed);
    } else {
        run_hooks(acting, executor_plan(acting->executor), HOOK_FAILED, failed_hooks_ended);
    }
    pool_switch_free(pools);
}

static void begin_undo(struct acting *acting, const struct plan *plan) {
    if (acting->planned && acting->watched->n_pools > 0) {
        acting->pools_done = 0;
        switch_pools(acting, POOL_SWITCH_RESUME, undo_resumed);
    } else {
        run_hooks(acting, plan, HOOK_FAILED, failed_hooks_ended);
    }
}

/* ---- the ends ---- */

static void plan_ends(struct acting *acting, const struct plan *plan) {
    const struct watched *watched = acting->watched;
    bool latched = step_is_latched(plan->step);
    const struct plan_note *last = &plan->notes[plan->n_notes - 1];
    while (last > plan->notes && last->text.len == 0) {
        last--; /* the newest that says something */
    }
    acting->promotion = promotion_free(acting->promotion);
    log_line(plan->step == STEP_DONE || !latched ? LOG_LEVEL_WARN : LOG_LEVEL_ERROR,
             "cluster '%s': failover '%.*s' is %s: %.*s%s", watched->options.cluster,
             (int)plan->draft.id.len, plan->draft.id.data, step_names[plan->step],
             (int)last->text.len, last->text.data,
             latched ? "; nothing more is failed over until it is acknowledged" : "");
    if (watched->lock != NULL && plan->draft.mode != PLAN_OBSERVE) {
        (void)failover_lock_finish(watched->lock, plan->draft.id.data, step_names[plan->step]);
    }
    watched_plan_ended(acting->watched);
}

static void nothing(struct acting *acting, const struct plan *plan) {
    log_warn("cluster '%s': failover '%.*s' waits: dbvitals failover approve %.*s",
             acting->watched->options.cluster, (int)plan->draft.id.len, plan->draft.id.data,
             (int)plan->draft.id.len, plan->draft.id.data);
}

static void (*const beginnings[STEPS])(struct acting *acting, const struct plan *plan) = {
    [STEP_WAITING] = nothing,      [STEP_PRE] = begin_pre,         [STEP_FENCE] = begin_fence,
    [STEP_LOOK] = begin_look,      [STEP_PROMOTE] = begin_promote, [STEP_CONFIRM] = begin_confirm,
    [STEP_POST] = begin_post,      [STEP_UNDO] = begin_undo,       [STEP_DONE] = plan_ends,
    [STEP_FAILED] = plan_ends,     [STEP_UNKNOWN] = plan_ends,     [STEP_WITHDRAWN] = plan_ends,
    [STEP_WOULD_HAVE] = plan_ends,
};

void acting_drop_step(struct acting *acting) {
    acting->run = hook_run_free(acting->run);
    acting->claiming = false;
    acting->confirm = confirm_free(acting->confirm);
    acting->repoint = repoint_redis_free(acting->repoint);
    acting->pools = pool_switch_free(acting->pools);
    acting->pools_done = 0;
    acting->notes_bad = false;
    strbuf_clear(&acting->notes);
    loop_timer_stop(acting->look_deadline);
}

void acting_entered(void *userdata, const struct plan *plan) {
    struct acting *acting = userdata;
    acting_drop_step(acting);
    log_info("cluster '%s': failover '%.*s' is at step '%s'", acting->watched->options.cluster,
             (int)plan->draft.id.len, plan->draft.id.data, step_names[plan->step]);
    beginnings[plan->step](acting, plan);
}

void acting_refused(void *userdata, const struct error *why) {
    struct acting *acting = userdata;
    log_error("cluster '%s': the plan of a failover could not be written, so nothing is done: %s",
              acting->watched->options.cluster, why->text);
    watched_plan_ended(acting->watched); /* what was reloaded meanwhile waits for that */
}
