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
    if (acting->by_sentinel && plan == executor_plan(acting->executor)) { /* its choice */
        ret->new_primary = acting->watched->members[acting->next].name;
        ret->new_primary_addr = acting->watched->members[acting->next].instance;
    }
}

void acting_run_hooks(struct acting *acting, const struct plan *plan, enum hook_event_kind kind,
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

struct pool_switch *acting_switch_pool(struct acting *acting, size_t index,
                                       enum pool_switch_kind kind,
                                       void (*ended)(void *userdata, bool succeeded,
                                                     struct str text)) {
    const struct watched *watched = acting->watched;
    const struct watched_pool *pool = &watched->pools[index];
    return pool_switch_new(&(struct pool_switch_options){
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

static void switch_pools(struct acting *acting, enum pool_switch_kind kind,
                         void (*ended)(void *userdata, bool succeeded, struct str text)) {
    acting->pools = acting_switch_pool(acting, acting->pools_done, kind, ended);
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
    acting_run_hooks(acting, plan, HOOK_PRE, pre_hooks_ended);
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
    } else if (acting->planned && acting->by_sentinel) {
        succeeded(acting, "nothing is fenced: the Sentinel makes the old primary a replica");
    } else if (acting_has_fence(acting)) {
        acting_run_hooks(acting, executor_plan(acting->executor), HOOK_FENCE, fence_ended);
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
    acting_run_hooks(acting, executor_plan(acting->executor), HOOK_POST, post_hooks_ended);
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
    struct contact_options contact = acting_contact_of(acting, acting->next);
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
    if (acting->watched->members[acting->next].is_redis && !acting->by_sentinel &&
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
        acting_run_hooks(acting, executor_plan(acting->executor), HOOK_FAILED, failed_hooks_ended);
    }
    pool_switch_free(pools);
}

static void begin_undo(struct acting *acting, const struct plan *plan) {
    if (acting->planned && acting->watched->n_pools > 0) {
        acting->pools_done = 0;
        switch_pools(acting, POOL_SWITCH_RESUME, undo_resumed);
    } else {
        acting_run_hooks(acting, plan, HOOK_FAILED, failed_hooks_ended);
    }
}

/* ---- the ends ---- */

static void plan_ends(struct acting *acting, const struct plan *plan) {
    const struct watched *watched = acting->watched;
    bool latched = step_is_latched(plan->step);
    struct str words = plan_words(plan);
    acting->promotion = promotion_free(acting->promotion);
    acting->sentinel = sentinel_failover_free(acting->sentinel);
    acting->outage_acted |= latched;
    if (executor_could_not_begin(plan)) {
        acting->n_unbegun++;
        acting->unbegun_usec = acting_now(acting);
    }
    log_line(plan->step == STEP_DONE || !latched ? LOG_LEVEL_WARN : LOG_LEVEL_ERROR,
             "cluster '%s': failover '%.*s' is %s: %.*s%s", watched->options.cluster,
             (int)plan->draft.id.len, plan->draft.id.data, step_names[plan->step], (int)words.len,
             words.len > 0 ? words.data : "",
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
    [STEP_WAITING] = nothing,
    [STEP_PRE] = begin_pre,
    [STEP_FENCE] = begin_fence,
    [STEP_LOOK] = acting_begin_look,
    [STEP_PROMOTE] = acting_begin_promote,
    [STEP_CONFIRM] = acting_begin_confirm,
    [STEP_POST] = begin_post,
    [STEP_UNDO] = begin_undo,
    [STEP_DONE] = plan_ends,
    [STEP_FAILED] = plan_ends,
    [STEP_UNKNOWN] = plan_ends,
    [STEP_WITHDRAWN] = plan_ends,
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
    if (plan->step >= STEP_PRE && plan->step <= STEP_PROMOTE && acting_is_given_up(acting)) {
        failed(acting, "dbvitals is being stopped: this was not begun, and nothing was promoted");
    } else {
        beginnings[plan->step](acting, plan);
    }
}

void acting_refused(void *userdata, const struct error *why) {
    struct acting *acting = userdata;
    log_error("cluster '%s': the plan of a failover could not be written, so nothing is done: %s",
              acting->watched->options.cluster, why->text);
    watched_plan_ended(acting->watched); /* what was reloaded meanwhile waits for that */
}
