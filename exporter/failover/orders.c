/* SPDX-License-Identifier: Apache-2.0 */

#include "failover/orders.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "failover/acting.h"
#include "failover/executor.h"

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

/* ---- those who wait ---- */

/* Whose order is on its way to the disk, or to the lock. */
struct pending_order {
    struct pending_order *next;
    struct watch *watch;
    char *id, *who;
    void (*done)(void *userdata, const struct error *err);
    void *userdata;
};

static struct pending_order *pending_new(struct watch *watch, const struct order *order,
                                         void (*done)(void *userdata, const struct error *err),
                                         void *userdata) {
    struct pending_order *pending = mem_alloc(sizeof(*pending));
    *pending = (struct pending_order){
        .next = watch->orders,
        .watch = watch,
        .id = mem_strndup(order->subject.data, order->subject.len),
        .who = mem_strdup(order->who),
        .done = done,
        .userdata = userdata,
    };
    watch->orders = pending;
    return pending;
}

static void pending_end(struct pending_order *pending, const struct error *err) {
    struct pending_order **link = &pending->watch->orders;
    while (*link != pending) {
        link = &(*link)->next;
    }
    *link = pending->next;
    pending->done(pending->userdata, err);
    free(pending->id);
    free(pending->who);
    free(pending);
}

void watch_end_orders(struct watch *watch) {
    while (watch->orders != NULL) {
        struct error err = {0};
        (void)error_say(&err, -ECANCELED,
                        "dbvitals has ended before it was known whether this is on the disk");
        pending_end(watch->orders, &err);
    }
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

static void acknowledged(struct pending_order *pending) {
    log_warn("failover '%s' is acknowledged by %s", pending->id, pending->who);
    pending_end(pending, NULL);
}

static void shared_failed(struct pending_order *pending, const struct error *why) {
    struct error err = {0};
    (void)error_say(&err, why->code,
                    "the lock's plan could not be taken away: %s; acknowledge it again", why->text);
    log_error("failover '%s': %s", pending->id, err.text);
    pending_end(pending, &err);
}

static void shared_acknowledged(void *userdata, const struct error *err) {
    if (err != NULL && err->code != -ENOENT) {
        shared_failed(userdata, err);
    } else {
        acknowledged(userdata);
    }
}

static void acknowledge_shared(struct pending_order *pending) {
    struct watched *watched = find_shared(pending->watch, str_of(pending->id));
    if (watched == NULL) {
        acknowledged(pending);
        return;
    }
    const struct failover_lock_plan *plan = failover_lock_plan(watched->lock);
    const struct failover_lock_answer answer = {shared_acknowledged, pending};
    int r = failover_lock_acknowledge(watched->lock, plan->readable ? plan->id : "", &answer);
    if (r < 0) {
        struct error err = {0};
        (void)error_say(&err, r, "another acknowledgement is under way");
        shared_failed(pending, &err);
    }
}

static void not_written(struct pending_order *pending, const char *what, const struct error *why,
                        const char *then) {
    struct error err = {0};
    (void)error_say(&err, why->code, "%s could not be written: %s; %s", what, why->text, then);
    log_error("failover '%s': %s", pending->id, err.text);
    pending_end(pending, &err);
}

static void acknowledgement_written(void *userdata, struct plan *plan, const struct error *err) {
    if (plan != NULL || !error_is_set(err)) { /* also of one that was forgotten meanwhile */
        acknowledge_shared(userdata);
    } else {
        not_written(userdata, "the acknowledgement", err, "acknowledge it again");
    }
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

static int check_acknowledgement(const struct order *order, const struct plan *plan,
                                 const struct watched *shared, struct error *err) {
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
    return 0;
}

/* First on our disk, then where all look. Return: 0 when it is under way or over. */
static int acknowledge(struct pending_order *pending, const struct order *order,
                       struct error *err) {
    struct watch *watch = pending->watch;
    struct plan *plan =
        watch->journal != NULL ? book_find(journal_book(watch->journal), order->subject) : NULL;
    const struct watched *shared = find_shared(watch, order->subject);
    const struct journal_waiter waiter = {acknowledgement_written, pending};
    char text[128];
    int r = check_acknowledgement(order, plan, shared, err);
    if (r < 0) {
        return r;
    }
    if (plan != NULL && plan->step != STEP_CLOSED) {
        snprintf(text, sizeof(text), "acknowledged by %s", order->who);
        return journal_event(watch->journal, plan, STEP_ACKNOWLEDGED, str_of(text), &waiter, err);
    }
    if (shared != NULL) {
        acknowledge_shared(pending);
    } else {
        pending_end(pending, NULL); /* it was before */
    }
    return 0;
}

/* ---- approvals ---- */

static void approval_written(void *userdata, const struct error *err) {
    if (err == NULL) {
        pending_end(userdata, NULL);
    } else {
        not_written(userdata, "the approval", err, "nothing is begun, and it waits still");
    }
}

static int approve(struct pending_order *pending, const struct order *order, struct error *err) {
    struct watch *watch = pending->watch;
    const struct executor_waiter waiter = {approval_written, pending};
    for (size_t i = 0; i < watch->n_clusters; i++) {
        int r =
            acting_approve(watch->clusters[i]->acting, order->subject, order->who, &waiter, err);
        if (r != -ENOENT) {
            return r;
        }
    }
    struct plan *plan =
        watch->journal != NULL ? book_find(journal_book(watch->journal), order->subject) : NULL;
    return plan == NULL
               ? no_plan(order, err)
               : error_say(err, -EPERM, "failover '%.*s' waits for no approval: it is at step '%s'",
                           (int)order->subject.len, order->subject.data, step_names[plan->step]);
}

/* ---- of a cluster ---- */

static void announced(void *userdata, const struct error *why) {
    struct pending_order *pending = userdata;
    struct error err = {0};
    if (why != NULL) {
        (void)error_say(&err, why->code,
                        "whether all monitors hear of it is not known: %s; announce it again",
                        why->text);
        log_error("cluster '%s': maintenance: %s", pending->id, err.text);
    }
    pending_end(pending, why != NULL ? &err : NULL);
}

/* Return: 0 when it is under way or over. */
static int begin(struct pending_order *pending, const struct order *order, struct error *err) {
    const struct failover_lock_answer answer = {announced, pending};
    struct watched *watched = find_cluster(pending->watch, order->subject);
    int r;
    if (watched == NULL) {
        return error_say(err, -ENOENT, "no cluster '%.*s' is watched ('failover:' lists them)",
                         (int)order->subject.len, order->subject.data);
    }
    if (order->kind == ORDER_MAINTENANCE && watched->lock != NULL) {
        return watched_share_maintenance(watched, order->seconds, order->who, &answer, err);
    }
    if (order->kind == ORDER_SWITCHOVER) {
        r = acting_switch_over(watched->acting, order->to, order->who, err);
    } else if (order->kind == ORDER_TEST) {
        r = acting_rehearse(watched->acting, err);
    } else {
        r = watched_set_maintenance(watched, order->seconds, order->who, err);
    }
    if (r == 0) {
        pending_end(pending, NULL);
    }
    return r;
}

/* ---- all ---- */

void watch_order(struct watch *watch, const struct order *order,
                 void (*done)(void *userdata, const struct error *err), void *userdata) {
    bool begins = order->kind == ORDER_APPROVE || order->kind == ORDER_SWITCHOVER ||
                  order->kind == ORDER_TEST;
    struct error err = {0};
    if (watch->leaving && begins) {
        (void)error_say(&err, -EBUSY, "dbvitals is stopping, and begins nothing any more");
        done(userdata, &err);
        return;
    }
    struct pending_order *pending = pending_new(watch, order, done, userdata);
    int r = order->kind == ORDER_APPROVE       ? approve(pending, order, &err)
            : order->kind == ORDER_ACKNOWLEDGE ? acknowledge(pending, order, &err)
                                               : begin(pending, order, &err);
    if (r < 0) {
        pending_end(pending, &err);
    }
}
