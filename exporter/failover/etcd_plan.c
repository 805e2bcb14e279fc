/* SPDX-License-Identifier: Apache-2.0 */

/* What is asked of the lock: to claim a plan, to write its end, to acknowledge it, to set
 * maintenance. Each is one transaction that states what must still be so. */
#include <errno.h>

#include "base/duration.h"
#include "base/mem.h"
#include "failover/lock_json.h"
#include "failover/private_etcd.h"

/* ---- claim ---- */

/* Its last deed: done() may free the lock. */
static void answer_claim(struct etcd_lock *lock, enum failover_claim claim, const char *why) {
    struct failover_lock_claim asked = lock->claim.asked;
    struct failover_lock_plan stands = lock->plan;
    struct error err = {0};
    (void)error_say(&err, -ECANCELED, "%s", why);
    lock->claim.busy = false;
    asked.done(asked.userdata, claim, claim == FAILOVER_CLAIM_TAKEN ? &stands : NULL,
               claim == FAILOVER_CLAIM_OURS ? NULL : &err);
}

static void refuse_claim(void *userdata) {
    struct etcd_lock *lock = userdata;
    const char *words;
    (void)etcd_lock_state(&lock->lock, &words);
    answer_claim(lock, lock->claim.refusal,
                 lock->claim.refusal == FAILOVER_CLAIM_NOT_HELD ? words : "there is maintenance");
}

/* The plan stands. That we have lost the lock while the answer was on its way makes it nobody's:
 * another may hold the lock by now, and will see the plan. */
static void claim_stands(struct etcd_lock *lock, int64_t revision) {
    lock->written_usec = loop_clock_usec();
    lock->plan = lock->claim.plan;
    lock->plan_revision = revision;
    lock->has_plan = true;
    if (etcd_lock_state(&lock->lock, NULL) == FAILOVER_LOCK_HELD) {
        answer_claim(lock, FAILOVER_CLAIM_OURS, "");
    } else {
        answer_claim(lock, FAILOVER_CLAIM_UNKNOWN,
                     "the plan was written, and the lock was lost meanwhile");
    }
}

/* libcurl sends a request again when a kept connection turns out to be closed, and so do we when
 * nobody listened: if the first was done all the same, the second finds our own plan. */
static bool is_same_plan(const struct failover_lock_plan *a, const struct failover_lock_plan *b) {
    return a->readable && strcmp(a->id, b->id) == 0 && strcmp(a->candidate, b->candidate) == 0 &&
           strcmp(a->holder, b->holder) == 0 && a->began_ms == b->began_ms && a->outcome[0] == '\0';
}

static void claim_fails(struct etcd_lock *lock, const struct etcd_value values[ETCD_GETS]) {
    bool held = etcd_lock_is_ours(lock, &values[ETCD_GET_HOLDER]);
    lock->mine = lock->mine && held; /* the next pass tells who it is */
    etcd_lock_see(lock, ETCD_CLAIM, values);
    if (values[ETCD_GET_PLAN].found) {
        lock_plan_read(values[ETCD_GET_PLAN].value, &lock->plan);
        if (is_same_plan(&lock->plan, &lock->claim.plan)) {
            claim_stands(lock, values[ETCD_GET_PLAN].mod_revision);
        } else {
            answer_claim(lock, FAILOVER_CLAIM_TAKEN, "a plan stands already");
        }
    } else if (!held) {
        answer_claim(lock, FAILOVER_CLAIM_NOT_HELD, "another monitor has the lock, or nobody");
    } else {
        answer_claim(lock, FAILOVER_CLAIM_MAINTENANCE, "maintenance was set or changed just now");
    }
}

/* A token ends with the member that keeps it, and the next member may know it no more: whom etcd
 * does not know has written nothing. Return: whether the call that has failed is to be made again,
 * by done(), with a new token; once. */
static bool renews_token(struct etcd_lock *lock, enum etcd_purpose purpose, bool *renewed,
                         void (*done)(struct etcd_lock *lock, struct str body,
                                      const struct error *why)) {
    if (!lock->calls[purpose].denied || lock->options.user == NULL || *renewed) {
        return false;
    }
    *renewed = true;
    etcd_lock_login(lock, purpose, done);
    return true;
}

static void send_claim(struct etcd_lock *lock);

/* Where nobody listens nothing was done, and the next endpoint may be asked: that of a host which
 * has just gone down with the primary is not all of etcd. Any other silence is an unknown end. */
static bool claim_elsewhere(struct etcd_lock *lock) {
    if (!lock->calls[ETCD_CLAIM].refused || ++lock->claim.refused >= lock->options.n_endpoints ||
        etcd_lock_state(&lock->lock, NULL) != FAILOVER_LOCK_HELD) {
        return false;
    }
    etcd_lock_leave(lock, ETCD_CLAIM);
    send_claim(lock);
    return true;
}

static void on_claim_login(struct etcd_lock *lock, struct str body, const struct error *why) {
    struct error err = {0};
    if (why != NULL || etcd_lock_take_token(lock, body, &err) < 0) {
        answer_claim(lock, FAILOVER_CLAIM_NOT_HELD, why != NULL ? why->text : err.text);
    } else if (etcd_lock_state(&lock->lock, NULL) != FAILOVER_LOCK_HELD) {
        answer_claim(lock, FAILOVER_CLAIM_NOT_HELD, "the lock was lost meanwhile");
    } else {
        send_claim(lock);
    }
}

static void on_claimed(struct etcd_lock *lock, struct str body, const struct error *why) {
    static const size_t n_gets[] = {ETCD_GETS, 0};
    struct arena arena = {0};
    struct etcd_txn_answer answer;
    struct error err = {0};
    if (why != NULL && (claim_elsewhere(lock) ||
                        renews_token(lock, ETCD_CLAIM, &lock->claim.renewed, on_claim_login))) {
        return;
    }
    if (why != NULL || etcd_txn_read(body, &arena, n_gets, &answer, &err) < 0) {
        answer_claim(lock, FAILOVER_CLAIM_UNKNOWN, why != NULL ? why->text : err.text);
    } else if (answer.succeeded) {
        claim_stands(lock, answer.revision);
    } else {
        claim_fails(lock, answer.values);
    }
    arena_deinit(&arena);
}

static void send_claim(struct etcd_lock *lock) {
    const char *holder = lock->keys[ETCD_GET_HOLDER], *plan = lock->keys[ETCD_GET_PLAN];
    struct strbuf body = {0}, value = {0};
    struct etcd_txn txn;
    lock_plan_write(&value, &lock->claim.plan);
    etcd_txn_begin(&txn, &body);
    etcd_txn_if_value(&txn, holder, lock->holder);
    etcd_txn_if_lease(&txn, holder, lock->lease.id);
    etcd_txn_if_absent(&txn, plan);
    etcd_txn_if_unchanged(&txn, lock->keys[ETCD_GET_MAINTENANCE], lock->maintenance_revision);
    etcd_txn_then(&txn);
    etcd_txn_put(&txn, plan, strbuf_view(&value), 0);
    etcd_txn_otherwise(&txn);
    etcd_lock_get_all(lock, &txn);
    etcd_txn_end(&txn);
    etcd_lock_ask(lock, ETCD_CLAIM, ETCD_TXN, &body, on_claimed);
    strbuf_deinit(&value);
}

static void copy_name(char ret[FAILOVER_LOCK_NAME_SIZE], const char *name) {
    lock_name_copy(ret, FAILOVER_LOCK_NAME_SIZE, str_of(name));
}

static bool is_in_maintenance(const struct etcd_lock *lock) {
    return lock->has_maintenance && lock->maintenance.until_usec > loop_now_usec(lock->loop);
}

int etcd_lock_claim(struct failover_lock *base, const struct failover_lock_claim *claim) {
    struct etcd_lock *lock = container_of(base, struct etcd_lock, lock);
    struct failover_lock_plan *plan = &lock->claim.plan;
    if (lock->claim.busy) {
        return -EBUSY;
    }
    if (!lock_name_fits(claim->plan_id, sizeof(plan->id)) ||
        !lock_name_fits(claim->old_primary, sizeof(plan->old_primary)) ||
        !lock_name_fits(claim->candidate, sizeof(plan->candidate))) {
        return -EINVAL;
    }
    *plan = (struct failover_lock_plan){.readable = true, .began_ms = loop_now_ms(lock->loop)};
    copy_name(plan->id, claim->plan_id);
    copy_name(plan->old_primary, claim->old_primary);
    copy_name(plan->candidate, claim->candidate);
    copy_name(plan->holder, lock->holder);
    lock->claim.asked =
        (struct failover_lock_claim){.done = claim->done, .userdata = claim->userdata};
    lock->claim.busy = true;
    lock->claim.refused = 0;
    lock->claim.renewed = false;
    bool held = etcd_lock_state(base, NULL) == FAILOVER_LOCK_HELD;
    if (held && !is_in_maintenance(lock)) {
        send_claim(lock);
    } else {
        lock->claim.refusal = held ? FAILOVER_CLAIM_MAINTENANCE : FAILOVER_CLAIM_NOT_HELD;
        loop_deferred_arm(lock->claim.deferred);
    }
    return 0;
}

/* ---- the end of a plan ---- */

int etcd_lock_finish(struct failover_lock *base, const char *plan_id, const char *outcome) {
    struct etcd_lock *lock = container_of(base, struct etcd_lock, lock);
    if (!lock_name_fits(plan_id, sizeof(lock->finish.id)) ||
        !lock_name_fits(outcome, sizeof(lock->finish.outcome))) {
        return -EINVAL;
    }
    copy_name(lock->finish.id, plan_id);
    lock_name_copy(lock->finish.outcome, sizeof(lock->finish.outcome), str_of(outcome));
    lock->finish.wanted = true;
    etcd_lock_hurry(lock);
    return 0;
}

/* A plan that is not there may still come: a claim without an answer can be late. */
bool etcd_lock_write_end(struct etcd_lock *lock,
                         void (*answered)(struct etcd_lock *lock, struct str body,
                                          const struct error *why)) {
    struct failover_lock_plan plan = lock->plan;
    if (!lock->finish.wanted || !lock->has_plan || !plan.readable ||
        strcmp(plan.id, lock->finish.id) != 0) {
        return false;
    }
    if (strcmp(plan.outcome, lock->finish.outcome) == 0) {
        lock->finish.wanted = false;
        return false;
    }
    struct strbuf body = {0}, value = {0};
    struct etcd_txn txn;
    lock_name_copy(plan.outcome, sizeof(plan.outcome), str_of(lock->finish.outcome));
    lock_plan_write(&value, &plan);
    etcd_txn_begin(&txn, &body);
    etcd_txn_if_unchanged(&txn, lock->keys[ETCD_GET_PLAN], lock->plan_revision);
    etcd_txn_then(&txn);
    etcd_txn_put(&txn, lock->keys[ETCD_GET_PLAN], strbuf_view(&value), 0);
    etcd_txn_end(&txn);
    etcd_lock_ask(lock, ETCD_PASS, ETCD_TXN, &body, answered);
    strbuf_deinit(&value);
    return true;
}

/* One that has changed meanwhile is read again, and written if it is still there. */
void etcd_lock_end_written(struct etcd_lock *lock, struct str body) {
    static const size_t n_gets[] = {0, 0};
    struct arena arena = {0};
    struct etcd_txn_answer answer;
    if (etcd_txn_read(body, &arena, n_gets, &answer, NULL) == 0 && answer.succeeded &&
        lock->has_plan && strcmp(lock->plan.id, lock->finish.id) == 0) {
        lock->written_usec = loop_clock_usec();
        lock->plan_revision = answer.revision;
        lock_name_copy(lock->plan.outcome, sizeof(lock->plan.outcome),
                       str_of(lock->finish.outcome));
    }
    arena_deinit(&arena);
}

/* ---- acknowledgement ---- */

static void answer_acknowledge(struct etcd_lock *lock, int code, const char *why) {
    struct failover_lock_answer answer = lock->acknowledge.answer;
    struct error err = {0};
    lock->acknowledge.busy = false;
    if (code < 0) {
        (void)error_say(&err, code, "%s", why);
    }
    answer.done(answer.userdata, code < 0 ? &err : NULL);
}

static void on_deleted(struct etcd_lock *lock, struct str body, const struct error *why) {
    static const size_t n_gets[] = {0, 0};
    struct arena arena = {0};
    struct etcd_txn_answer answer;
    struct error err = {0};
    if (why != NULL || etcd_txn_read(body, &arena, n_gets, &answer, &err) < 0) {
        answer_acknowledge(lock, -EHOSTUNREACH, why != NULL ? why->text : err.text);
    } else if (!answer.succeeded) {
        answer_acknowledge(lock, -ESTALE, "the plan has changed meanwhile");
    } else {
        lock->written_usec = loop_clock_usec();
        lock->has_plan = false;
        lock->plan_revision = 0;
        answer_acknowledge(lock, 0, NULL);
    }
    arena_deinit(&arena);
}

static void delete_plan(struct etcd_lock *lock, int64_t revision) {
    struct strbuf body = {0};
    struct etcd_txn txn;
    etcd_txn_begin(&txn, &body);
    etcd_txn_if_unchanged(&txn, lock->keys[ETCD_GET_PLAN], revision);
    etcd_txn_then(&txn);
    etcd_txn_delete(&txn, lock->keys[ETCD_GET_PLAN]);
    etcd_txn_end(&txn);
    etcd_lock_ask(lock, ETCD_ACKNOWLEDGE, ETCD_TXN, &body, on_deleted);
}

static bool is_meant(const struct etcd_lock *lock, struct str value) {
    struct failover_lock_plan plan;
    lock_plan_read(value, &plan);
    return strcmp(plan.readable ? plan.id : "", lock->acknowledge.id) == 0;
}

static void look_for_plan(struct etcd_lock *lock);

static void on_acknowledge_login(struct etcd_lock *lock, struct str body, const struct error *why) {
    struct error err = {0};
    if (why != NULL || etcd_lock_take_token(lock, body, &err) < 0) {
        answer_acknowledge(lock, -EHOSTUNREACH, why != NULL ? why->text : err.text);
    } else {
        look_for_plan(lock);
    }
}

static void on_looked(struct etcd_lock *lock, struct str body, const struct error *why) {
    static const size_t n_gets[] = {0, ETCD_GETS};
    struct arena arena = {0};
    struct etcd_txn_answer answer = {0};
    struct error err = {0};
    const struct etcd_value *plan = &answer.values[ETCD_GET_PLAN];
    if (why != NULL &&
        renews_token(lock, ETCD_ACKNOWLEDGE, &lock->acknowledge.renewed, on_acknowledge_login)) {
        return;
    }
    if (why != NULL || etcd_txn_read(body, &arena, n_gets, &answer, &err) < 0) {
        answer_acknowledge(lock, -EHOSTUNREACH, why != NULL ? why->text : err.text);
    } else if (!plan->found) {
        answer_acknowledge(lock, -ENOENT, "there is no plan");
    } else if (!is_meant(lock, plan->value)) {
        answer_acknowledge(lock, -ESTALE, "it is another plan that stands");
    } else {
        delete_plan(lock, plan->mod_revision);
    }
    arena_deinit(&arena);
}

static void look_for_plan(struct etcd_lock *lock) {
    etcd_lock_ask_all(lock, ETCD_ACKNOWLEDGE, on_looked);
}

int etcd_lock_acknowledge(struct failover_lock *base, const char *plan_id,
                          const struct failover_lock_answer *answer) {
    struct etcd_lock *lock = container_of(base, struct etcd_lock, lock);
    if (lock->acknowledge.busy) {
        return -EBUSY;
    }
    if (plan_id[0] != '\0' && !lock_name_fits(plan_id, sizeof(lock->acknowledge.id))) {
        return -EINVAL;
    }
    lock->acknowledge.busy = true;
    lock->acknowledge.answer = *answer;
    copy_name(lock->acknowledge.id, plan_id);
    lock->acknowledge.renewed = false;
    look_for_plan(lock);
    return 0;
}

/* ---- maintenance ---- */

static void answer_maintain(struct etcd_lock *lock, const char *why) {
    struct failover_lock_answer answer = lock->maintain.answer;
    struct error err = {0};
    lock->maintain.busy = false;
    if (why != NULL) {
        (void)error_say(&err, -EHOSTUNREACH, "%s", why);
    }
    answer.done(answer.userdata, why != NULL ? &err : NULL);
}

static void send_maintenance(struct etcd_lock *lock);

static void on_maintain_login(struct etcd_lock *lock, struct str body, const struct error *why) {
    struct error err = {0};
    if (why != NULL || etcd_lock_take_token(lock, body, &err) < 0) {
        answer_maintain(lock, why != NULL ? why->text : err.text);
    } else {
        send_maintenance(lock);
    }
}

static void on_maintained(struct etcd_lock *lock, struct str body, const struct error *why) {
    static const size_t n_gets[] = {0, 0};
    struct arena arena = {0};
    struct etcd_txn_answer answer;
    struct error err = {0};
    if (why != NULL &&
        renews_token(lock, ETCD_MAINTAIN, &lock->maintain.renewed, on_maintain_login)) {
        return;
    }
    if (why != NULL || etcd_txn_read(body, &arena, n_gets, &answer, &err) < 0) {
        answer_maintain(lock, why != NULL ? why->text : err.text);
    } else {
        lock->written_usec = loop_clock_usec();
        lock->maintenance = lock->maintain.value;
        etcd_lock_date(lock, &lock->maintenance);
        lock->has_maintenance = lock->maintenance.until_ms != 0;
        lock->maintenance_revision = lock->has_maintenance ? answer.revision : 0;
        answer_maintain(lock, NULL);
    }
    arena_deinit(&arena);
}

static void send_maintenance(struct etcd_lock *lock) {
    const char *key = lock->keys[ETCD_GET_MAINTENANCE];
    struct strbuf body = {0}, value = {0};
    struct etcd_txn txn;
    etcd_txn_begin(&txn, &body);
    etcd_txn_then(&txn);
    if (lock->maintain.value.until_ms != 0) {
        lock_maintenance_write(&value, &lock->maintain.value, loop_now_ms(lock->loop));
        etcd_txn_put(&txn, key, strbuf_view(&value), 0);
    } else {
        etcd_txn_delete(&txn, key);
    }
    etcd_txn_end(&txn);
    etcd_lock_ask(lock, ETCD_MAINTAIN, ETCD_TXN, &body, on_maintained);
    strbuf_deinit(&value);
}

int etcd_lock_set_maintenance(struct failover_lock *base, int64_t until_ms, const char *who,
                              const struct failover_lock_answer *answer) {
    struct etcd_lock *lock = container_of(base, struct etcd_lock, lock);
    if (lock->maintain.busy) {
        return -EBUSY;
    }
    if (until_ms < 0 || until_ms > LOCK_MOST_MS ||
        (until_ms != 0 && !lock_name_fits(who, FAILOVER_LOCK_NAME_SIZE))) {
        return -EINVAL;
    }
    lock->maintain.busy = true;
    lock->maintain.renewed = false;
    lock->maintain.answer = *answer;
    lock->maintain.value = (struct failover_lock_maintenance){.until_ms = until_ms};
    if (until_ms != 0) {
        copy_name(lock->maintain.value.who, who);
    }
    send_maintenance(lock);
    return 0;
}

/* ---- release ---- */

static void answer_release(struct etcd_lock *lock, const struct error *why) {
    struct failover_lock_answer answer = lock->release.answer;
    lock->release.busy = false;
    answer.done(answer.userdata, why);
}

static void on_revoked(struct etcd_lock *lock, struct str body, const struct error *why) {
    answer_release(lock, why);
}

static void nothing_to_release(void *userdata) {
    answer_release(userdata, NULL);
}

static void revoke(struct etcd_lock *lock) {
    if (lock->lease.id != 0) {
        struct strbuf body = {0};
        etcd_lease_write(&body, lock->lease.id);
        etcd_lock_ask(lock, ETCD_RELEASE, ETCD_REVOKE, &body, on_revoked);
    } else {
        loop_deferred_arm(lock->release.deferred);
    }
}

static void on_last_end_written(struct etcd_lock *lock, struct str body, const struct error *why) {
    (void)body, (void)why; /* it is not tried again: without it the plan tells less, and stands */
    revoke(lock);
}

/* A plan that has just ended may not have been told yet, and nobody else ever could. */
void etcd_lock_release(struct failover_lock *base, const struct failover_lock_answer *answer) {
    struct etcd_lock *lock = container_of(base, struct etcd_lock, lock);
    struct etcd_call *pass = &lock->calls[ETCD_PASS];
    lock->released = true;
    lock->release.busy = true;
    lock->release.answer = *answer;
    pass->transfer = transfer_free(pass->transfer);
    loop_timer_stop(lock->timer);
    if (!etcd_lock_write_end(lock, on_last_end_written)) {
        revoke(lock);
    }
}

/* ---- life ---- */

void etcd_plan_init(struct etcd_lock *lock) {
    lock->claim.deferred = loop_deferred_new(lock->loop, refuse_claim, lock);
    lock->release.deferred = loop_deferred_new(lock->loop, nothing_to_release, lock);
}

void etcd_plan_deinit(struct etcd_lock *lock) {
    static const char why[] = "we are stopping";
    const struct error canceled = {.code = -ECANCELED, .text = "we are stopping"};
    lock->claim.deferred = loop_deferred_free(lock->claim.deferred);
    lock->release.deferred = loop_deferred_free(lock->release.deferred);
    if (lock->claim.busy) {
        answer_claim(lock, FAILOVER_CLAIM_UNKNOWN, why);
    }
    if (lock->acknowledge.busy) {
        answer_acknowledge(lock, -ECANCELED, why);
    }
    if (lock->maintain.busy) {
        answer_maintain(lock, why);
    }
    if (lock->release.busy) {
        answer_release(lock, &canceled);
    }
}
