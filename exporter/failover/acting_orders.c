/* SPDX-License-Identifier: Apache-2.0 */

/* Plans that people begin or let go on, and rehearsals. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "failover/private_acting.h"

static const struct failover_options *options_of(const struct acting *acting) {
    return &acting->watched->options;
}

int acting_approve(struct acting *acting, struct str id, const char *who,
                   const struct executor_waiter *waiter, struct error *err) {
    const struct plan *plan = executor_plan(acting->executor);
    char text[128];
    if (plan == NULL || !str_equal(plan->draft.id, id) || plan->step != STEP_WAITING) {
        return -ENOENT;
    }
    snprintf(text, sizeof(text), "approved by %s", who);
    return executor_ask(acting->executor, STEP_GO, str_of(text), waiter, err);
}

static size_t find_member(const struct acting *acting, struct str name) {
    for (size_t i = 0; i < acting->watched->n_members; i++) {
        if (str_is(name, acting->watched->members[i].name)) {
            return i;
        }
    }
    return CLUSTER_NO_MEMBER;
}

/* What a switchover needs: all that a failover does, and a primary that is well. */
static int check_switchover(const struct acting *acting, size_t next, struct str to,
                            struct error *err) {
    const struct cluster *cluster = &acting->watched->cluster;
    if (options_of(acting)->mode == FAILOVER_OBSERVE) {
        return error_say(err, -EPERM,
                         "cluster '%s' is only observed: a switchover needs 'mode: manual' or "
                         "'automatic'",
                         options_of(acting)->cluster);
    }
    if (acting_is_busy(acting)) {
        return error_say(err, -EBUSY, "something is under way in cluster '%s' already",
                         options_of(acting)->cluster);
    }
    if (to.len > 0 && acting_has_sentinel(acting)) {
        return error_say(err, -EPERM,
                         "a Sentinel looks after cluster '%s' and chooses who follows: give no "
                         "member",
                         options_of(acting)->cluster);
    }
    if (to.len == 0 && !acting_has_sentinel(acting)) {
        return error_say(err, -EINVAL, "the member to promote is missing: 'to' (--to)");
    }
    if (to.len == 0 && next == NO_CANDIDATE) {
        return error_say(err, -EPERM, "nobody could follow the primary of cluster '%s'",
                         options_of(acting)->cluster);
    }
    if (next == CLUSTER_NO_MEMBER) {
        return error_say(err, -ENOENT, "cluster '%s' has no member '%.*s'",
                         options_of(acting)->cluster, (int)to.len, to.data);
    }
    if (next == cluster->primary) {
        return error_say(err, -EPERM, "'%.*s' is the primary already", (int)to.len, to.data);
    }
    if (cluster->verdict != VERDICT_HEALTHY) {
        return error_say(err, -EPERM, "a switchover needs a healthy cluster, and this is '%s'",
                         verdict_names[cluster->verdict]);
    }
    if (!acting_has_fence(acting) && !acting_has_sentinel(acting)) {
        return error_say(err, -EPERM,
                         "a switchover needs 'hooks: {fence: ...}', which stops the old primary");
    }
    if (cluster->members[next].obstacle != OBSTACLE_NONE) {
        return error_say(err, -EPERM, "'%.*s' may not be promoted: %s", (int)to.len, to.data,
                         obstacle_names[cluster->members[next].obstacle]);
    }
    return 0;
}

int acting_switch_over(struct acting *acting, struct str to, const char *who, struct error *err) {
    size_t next = to.len > 0 ? find_member(acting, to) : acting->watched->cluster.candidate;
    struct strbuf obstacles = {0};
    int r = check_switchover(acting, next, to, err);
    if (r == 0) {
        acting_add_obstacles(&acting->watched->cluster, &obstacles);
        if (obstacles.len > 0) {
            struct strbuf words = {0};
            cluster_ready_words(&acting->watched->cluster, &words);
            r = error_say(err, -EPERM, "not ready: %s (%s)", obstacles.data, words.data);
            strbuf_deinit(&words);
        }
    }
    strbuf_deinit(&obstacles);
    if (r == 0) {
        char text[128];
        snprintf(text, sizeof(text), "asked for by %s", who);
        acting->next = next;
        acting_start_plan(acting, PLAN_SWITCHOVER, STEP_GO, "switchover", text);
    }
    return r;
}

/* ---- rehearsals: every hook in its turn, with DBVITALS_DRY_RUN=1; then each pooler ---- */

static void rehearse_next(struct acting *acting);

static void rehearsed(void *userdata, bool good, const char *text) {
    struct acting *acting = userdata;
    struct hook_run *run = acting->rehearse;
    acting->rehearse = NULL;
    acting->rehearsal.good &= good;
    strbuf_printf(&acting->rehearsal_text, "%s: %s%s%s\n", hook_event_names[acting->rehearsed],
                  good ? "good" : "FAILED", text[0] != '\0' ? ": " : "", text);
    acting->rehearsed++;
    rehearse_next(acting);
    hook_run_free(run);
}

static void end_rehearsal(struct acting *acting) {
    acting->rehearsal.running = false;
    log_line(acting->rehearsal.good ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
             "cluster '%s': the rehearsal of a failover is %s", options_of(acting)->cluster,
             acting->rehearsal.good ? "good" : "not good");
    watched_plan_ended(acting->watched);
}

static void pool_rehearsed(void *userdata, bool good, struct str text);

static void rehearse_pool(struct acting *acting) {
    if (acting->rehearsed_pools == acting->watched->n_pools) {
        end_rehearsal(acting);
        return;
    }
    acting->rehearse_pool =
        acting_switch_pool(acting, acting->rehearsed_pools, POOL_SWITCH_TRY, pool_rehearsed);
}

static void pool_rehearsed(void *userdata, bool good, struct str text) {
    struct acting *acting = userdata;
    struct pool_switch *pool = acting->rehearse_pool;
    acting->rehearse_pool = NULL;
    acting->rehearsal.good &= good;
    strbuf_printf(&acting->rehearsal_text, "pooler %s: %s: %.*s\n",
                  acting->watched->pools[acting->rehearsed_pools].name, good ? "good" : "FAILED",
                  (int)text.len, text.data);
    acting->rehearsed_pools++;
    rehearse_pool(acting);
    pool_switch_free(pool);
}

static void rehearse_next(struct acting *acting) {
    const struct hook_options *hooks = &options_of(acting)->hooks;
    while (acting->rehearsed < HOOK_EVENTS && hooks->commands[acting->rehearsed].count == 0) {
        acting->rehearsed++;
    }
    if (acting->rehearsed == HOOK_EVENTS) {
        rehearse_pool(acting);
        return;
    }
    const struct watched *watched = acting->watched;
    const struct cluster *cluster = &watched->cluster;
    const struct cluster_member *old = &cluster->members[cluster->primary];
    char lsn[32], timeline[16];
    snprintf(timeline, sizeof(timeline), "%u", (unsigned)old->timeline);
    const struct hook_event event = {
        .kind = acting->rehearsed,
        .cluster = watched->options.cluster,
        .failover_id = "rehearsal",
        .old_primary = old->name,
        .old_primary_addr = watched->members[cluster->primary].instance,
        .new_primary = watched->members[acting->rehearsed_next].name,
        .new_primary_addr = watched->members[acting->rehearsed_next].instance,
        .lsn = cluster_position(cluster, old->answer.position, lsn),
        .timeline = timeline,
        .reason = "rehearsal",
        .dry_run = true,
    };
    acting->rehearse =
        hook_run_new(watched->watch->options.loop, watched->watch->processes,
                     &(struct hook_run_request){
                         .options = hooks, .event = &event, .done = rehearsed, .userdata = acting});
}

static void add_readiness(struct acting *acting) {
    struct strbuf *text = &acting->rehearsal_text;
    struct strbuf obstacles = {0};
    const struct watched *watched = acting->watched;
    acting_add_obstacles(&watched->cluster, &obstacles);
    acting->rehearsal.good = obstacles.len == 0;
    strbuf_printf(text, "ready: %s%s\n",
                  obstacles.len == 0 ? "yes" : "NO: ", obstacles.len == 0 ? "" : obstacles.data);
    strbuf_printf(text, "would promote: %s\n", watched->members[watched->cluster.candidate].name);
    strbuf_deinit(&obstacles);
}

int acting_rehearse(struct acting *acting, struct error *err) {
    const struct cluster *cluster = &acting->watched->cluster;
    if (acting_is_busy(acting)) {
        return error_say(err, -EBUSY, "something is under way in cluster '%s' already",
                         options_of(acting)->cluster);
    }
    if (cluster->primary == CLUSTER_NO_MEMBER || cluster->candidate == NO_CANDIDATE) {
        return error_say(err, -EPERM,
                         "cluster '%s' has no primary or no candidate: 'dbvitals failover list' "
                         "says why",
                         options_of(acting)->cluster);
    }
    strbuf_clear(&acting->rehearsal_text);
    acting->rehearsal = (struct rehearsal){
        .running = true,
        .began_ms = loop_now_ms(acting->watched->watch->options.loop),
    };
    add_readiness(acting);
    acting->rehearsed = 0;
    acting->rehearsed_pools = 0;
    acting->rehearsed_next = cluster->candidate; /* there may be none before it has ended */
    rehearse_next(acting);
    return 0;
}

const struct rehearsal *acting_rehearsal(const struct acting *acting) {
    return acting->rehearsal.began_ms != 0 ? &acting->rehearsal : NULL;
}

struct str acting_rehearsal_text(const struct acting *acting) {
    return strbuf_view(&acting->rehearsal_text);
}
