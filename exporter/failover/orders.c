/* SPDX-License-Identifier: Apache-2.0 */

#include "failover/orders.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "failover/acting.h"

const char *const order_names[] = {
    [ORDER_APPROVE] = "approve",         [ORDER_ACKNOWLEDGE] = "ack",
    [ORDER_SWITCHOVER] = "switchover",   [ORDER_TEST] = "test",
    [ORDER_MAINTENANCE] = "maintenance", [ORDERS] = NULL,
};

static struct watched *find_cluster(const struct watch *watch, struct str name) {
    for (size_t i = 0; i < watch->n_clusters; i++) {
        if (str_is(name, watch->clusters[i]->options.cluster)) {
            return watch->clusters[i];
        }
    }
    return NULL;
}

static int no_plan(const struct order *order, struct error *err) {
    return error_say(err, -ENOENT,
                     "there is no failover '%.*s'; 'dbvitals failover list' shows all of them",
                     (int)order->subject.len, order->subject.data);
}

/* ---- acknowledgements ---- */

/* Whose monitor is gone stands only where all look. */
static struct watched *find_shared(const struct watch *watch, struct str id) {
    for (size_t i = 0; i < watch->n_clusters; i++) {
        struct failover_lock *lock = watch->clusters[i]->lock;
        const struct failover_lock_plan *plan = lock != NULL ? failover_lock_plan(lock) : NULL;
        if (plan != NULL && str_is(id, plan->readable ? plan->id : "unreadable")) {
            return watch->clusters[i];
        }
    }
    return NULL;
}

static void shared_acknowledged(void *userdata, const struct error *err) {
    (void)userdata;
    if (err != NULL && err->code != -ENOENT) {
        log_error("the lock's plan could not be taken away: %s; acknowledge it again", err->text);
    }
}

static void acknowledge_shared(struct watched *watched) {
    const struct failover_lock_plan *plan = failover_lock_plan(watched->lock);
    const struct failover_lock_answer answer = {shared_acknowledged, NULL};
    (void)failover_lock_acknowledge(watched->lock, plan->readable ? plan->id : "", &answer);
}

/* A plan without an outcome whose monitor holds the lock: to take it away would let another one be
 * begun beside it. */
static bool is_of_a_living_monitor(const struct watched *watched) {
    const struct failover_lock_plan *plan = failover_lock_plan(watched->lock);
    const char *holder = "";
    return plan->readable && plan->outcome[0] == '\0' &&
           failover_lock_state(watched->lock, &holder) == FAILOVER_LOCK_OTHER &&
           strcmp(holder, plan->holder) == 0;
}

static int acknowledge(struct watch *watch, const struct order *order, struct error *err) {
    struct plan *plan =
        watch->journal != NULL ? book_find(journal_book(watch->journal), order->subject) : NULL;
    struct watched *shared = find_shared(watch, order->subject);
    char text[128];
    if (plan == NULL && shared == NULL) {
        return no_plan(order, err);
    }
    if (plan != NULL && !step_is_end(plan->step)) {
        return error_say(err, -EBUSY, "failover '%.*s' is not over: it is at step '%s'",
                         (int)order->subject.len, order->subject.data, step_names[plan->step]);
    }
    if (shared != NULL && is_of_a_living_monitor(shared)) {
        return error_say(
            err, -EBUSY, "failover '%.*s' is not over: monitor '%s' is at it, and alive",
            (int)order->subject.len, order->subject.data, failover_lock_plan(shared->lock)->holder);
    }
    if (plan != NULL && plan->step == STEP_CLOSED && shared == NULL) {
        return 0;
    }
    if (plan != NULL && plan->step != STEP_CLOSED) {
        snprintf(text, sizeof(text), "acknowledged by %s", order->who);
        int r = journal_event(watch->journal, plan, STEP_ACKNOWLEDGED, str_of(text), NULL, err);
        if (r < 0) {
            return r;
        }
    }
    if (shared != NULL) {
        acknowledge_shared(shared);
    }
    log_warn("failover '%.*s' is acknowledged by %s", (int)order->subject.len, order->subject.data,
             order->who);
    return 0;
}

/* ---- all ---- */

static int approve(struct watch *watch, const struct order *order, struct error *err) {
    for (size_t i = 0; i < watch->n_clusters; i++) {
        if (acting_approve(watch->clusters[i]->acting, order->subject, order->who)) {
            return 0;
        }
    }
    struct plan *plan =
        watch->journal != NULL ? book_find(journal_book(watch->journal), order->subject) : NULL;
    return plan == NULL
               ? no_plan(order, err)
               : error_say(err, -EPERM, "failover '%.*s' waits for no approval: it is at step '%s'",
                           (int)order->subject.len, order->subject.data, step_names[plan->step]);
}

int watch_order(struct watch *watch, const struct order *order, struct error *err) {
    bool begins = order->kind == ORDER_APPROVE || order->kind == ORDER_SWITCHOVER ||
                  order->kind == ORDER_TEST;
    if (watch->leaving && begins) {
        return error_say(err, -EBUSY, "dbvitals is stopping, and begins nothing any more");
    }
    if (order->kind == ORDER_APPROVE) {
        return approve(watch, order, err);
    }
    if (order->kind == ORDER_ACKNOWLEDGE) {
        return acknowledge(watch, order, err);
    }
    struct watched *watched = find_cluster(watch, order->subject);
    if (watched == NULL) {
        return error_say(err, -ENOENT, "no cluster '%.*s' is watched ('failover:' lists them)",
                         (int)order->subject.len, order->subject.data);
    }
    switch (order->kind) {
    case ORDER_SWITCHOVER:
        return acting_switch_over(watched->acting, order->to, order->who, err);
    case ORDER_TEST:
        return acting_rehearse(watched->acting, err);
    default:
        return watched_set_maintenance(watched, order->seconds, order->who, err);
    }
}
