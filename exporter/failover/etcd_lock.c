/* SPDX-License-Identifier: Apache-2.0 */

/* Who holds it. A pass is a chain of requests, one after another:
 *   [login] -> keepalive (if there is a lease) -> read -> [grant] -> [campaign]
 *   -> [write the end of a plan]
 * An answer that says that the lease is gone takes everything back at once; no answer takes nothing
 * back, for the lease ends by our own clock, sooner than by etcd's. */
#include "failover/etcd_lock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/mem.h"
#include "base/random.h"
#include "failover/lock_json.h"
#include "failover/maintenance.h"
#include "failover/private_etcd.h"

#define PARTS         3 /* of the time to live: one is the pace, and as long a request may take */
#define FIRST_PART    20
#define WAIT_JITTER   0.3
#define SHORTEST_USEC (20 * USEC_PER_MSEC) /* between two passes */

/* ---- requests ---- */

static void call_done(void *userdata, const struct transfer_answer *answer,
                      const struct client_failure *failure) {
    struct etcd_call *call = userdata;
    struct error why = {0};
    call->transfer = NULL;
    call->refused = failure != NULL && failure->reason == REASON_REFUSED;
    call->denied = answer != NULL && (answer->status == 400 || answer->status == 401);
    if (failure != NULL) {
        why = failure->error;
    } else if (answer->status != 200) {
        (void)etcd_refusal(answer->status, answer->body, &why);
    }
    call->answered(call->lock, answer != NULL ? answer->body : str_of(""),
                   failure != NULL || answer->status != 200 ? &why : NULL);
}

void etcd_lock_ask(struct etcd_lock *lock, enum etcd_purpose purpose, const char *path,
                   struct strbuf *body,
                   void (*answered)(struct etcd_lock *lock, struct str body,
                                    const struct error *why)) {
    const struct transfer_header headers[] = {{"Content-Type", "application/json"},
                                              {"Authorization", lock->token}};
    /* A login with a token that has ended is refused. */
    bool is_known = lock->token != NULL && strcmp(path, ETCD_LOGIN) != 0;
    struct etcd_call *call = &lock->calls[purpose];
    char *url = mem_printf("%s%s", lock->options.endpoints[lock->endpoint], path);
    call->answered = answered;
    call->endpoint = lock->endpoint;
    call->sent_usec = loop_clock_usec();
    call->transfer = transfer_submit(
        lock->transfers, &(struct transfer_request){.url = url,
                                                    .headers = headers,
                                                    .n_headers = is_known ? 2 : 1,
                                                    .body = strbuf_view(body),
                                                    .tls = &lock->options.tls,
                                                    .deadline_usec = call->sent_usec +
                                                                     lock->options.ttl_usec / PARTS,
                                                    .done = call_done,
                                                    .userdata = call});
    strbuf_deinit(body);
    free(url);
}

void etcd_lock_login(struct etcd_lock *lock, enum etcd_purpose purpose,
                     void (*answered)(struct etcd_lock *lock, struct str body,
                                      const struct error *why)) {
    struct strbuf body = {0};
    etcd_login_write(&body, lock->options.user, lock->options.password);
    etcd_lock_ask(lock, purpose, ETCD_LOGIN, &body, answered);
}

int etcd_lock_take_token(struct etcd_lock *lock, struct str body, struct error *err) {
    struct arena arena = {0};
    struct str token;
    int r = etcd_login_read(body, &arena, &token, err);
    if (r == 0) {
        free(lock->token);
        lock->token = mem_strndup(token.data, token.len);
    }
    arena_deinit(&arena);
    return r;
}

void etcd_lock_leave(struct etcd_lock *lock, enum etcd_purpose purpose) {
    if (lock->endpoint == lock->calls[purpose].endpoint) {
        lock->endpoint = (lock->endpoint + 1) % lock->options.n_endpoints;
    }
}

/* ---- what is known ---- */

static void see_plan(struct etcd_lock *lock, const struct etcd_value *value) {
    lock->has_plan = value->found;
    lock->plan_revision = value->mod_revision;
    if (value->found) {
        lock_plan_read(value->value, &lock->plan);
    }
}

void etcd_lock_date(const struct etcd_lock *lock, struct failover_lock_maintenance *maintenance) {
    maintenance->until_usec = maintenance_deadline(maintenance->until_ms, loop_now_ms(lock->loop),
                                                   loop_now_usec(lock->loop));
}

static void see_maintenance(struct etcd_lock *lock, const struct etcd_value *value) {
    bool known = lock->has_maintenance && lock->maintenance_revision == value->mod_revision;
    lock->has_maintenance = value->found;
    lock->maintenance_revision = value->mod_revision;
    if (value->found && !known) {
        lock_maintenance_read(value->value, &lock->maintenance);
        etcd_lock_date(lock, &lock->maintenance);
    }
}

bool etcd_lock_is_ours(const struct etcd_lock *lock, const struct etcd_value *holder) {
    return holder->found && lock->lease.id != 0 && holder->lease == lock->lease.id &&
           str_is(holder->value, lock->holder);
}

static void see_holder(struct etcd_lock *lock, const struct etcd_value *value) {
    lock->mine = etcd_lock_is_ours(lock, value);
    lock->read_usec = lock->calls[ETCD_PASS].sent_usec;
    lock->other[0] = '\0';
    if (value->found && !lock->mine) {
        lock->lease.id = 0; /* we have lost: what we have is of no use, and ends by itself */
        lock_name_copy(lock->other, sizeof(lock->other),
                       value->value.len > 0 ? value->value : str_of("?"));
    }
}

void etcd_lock_see(struct etcd_lock *lock, enum etcd_purpose purpose,
                   const struct etcd_value values[ETCD_GETS]) {
    if (lock->calls[purpose].sent_usec >= lock->written_usec) {
        see_plan(lock, &values[ETCD_GET_PLAN]);
        see_maintenance(lock, &values[ETCD_GET_MAINTENANCE]);
    }
}

enum failover_lock_state etcd_lock_state(struct failover_lock *base, const char **ret_words) {
    struct etcd_lock *lock = container_of(base, struct etcd_lock, lock);
    enum failover_lock_state state = FAILOVER_LOCK_UNREACHABLE;
    uint64_t now = loop_clock_usec();
    const char *words = lock->reason;
    if (lock->released) {
        words = "it was given up";
    } else if (lock->mine && lease_is_fresh(&lock->lease, now)) {
        state = FAILOVER_LOCK_HELD;
        words = lock->holder;
    } else if (lock->mine && lock->reachable) {
        (void)snprintf(lock->words, sizeof(lock->words), "our lease was renewed %.1f s ago",
                       (double)(now - lock->lease.sent_usec) / USEC_PER_SEC);
        words = lock->words;
    } else if (lock->reachable && lock->other[0] != '\0' &&
               now - lock->read_usec < lock->options.ttl_usec) {
        state = FAILOVER_LOCK_OTHER;
        words = lock->other;
    } else if (lock->reason[0] == '\0') {
        words = lock->read_usec == 0 ? "no answer yet" : "nobody is known to hold it now";
    }
    if (ret_words != NULL) {
        *ret_words = words;
    }
    return state;
}

static const struct failover_lock_plan *get_plan(const struct failover_lock *base) {
    const struct etcd_lock *lock = (const void *)base; /* its first member */
    return lock->has_plan ? &lock->plan : NULL;
}

static const struct failover_lock_maintenance *get_maintenance(const struct failover_lock *base) {
    const struct etcd_lock *lock = (const void *)base; /* its first member */
    return lock->has_maintenance ? &lock->maintenance : NULL;
}

/* ---- the pass ---- */

static void pass_done(struct etcd_lock *lock) {
    uint64_t now = loop_clock_usec();
    uint64_t next = lock->began_usec + lock->options.ttl_usec / PARTS;
    lock->failures = 0;
    lock->reachable = true;
    lock->token_works = lock->token != NULL;
    lock->reason[0] = '\0';
    backoff_reset(&lock->backoff);
    loop_timer_set(lock->timer, next > now + SHORTEST_USEC ? next : now + SHORTEST_USEC);
}

/* A token ends: with the member that keeps it, by its age, with a change of rights. Return: whether
 * that may be why, and the same endpoint is asked with a new one. */
static bool token_ended(struct etcd_lock *lock) {
    bool worked = lock->token_works;
    if (lock->token == NULL || !lock->calls[ETCD_PASS].denied) {
        return false;
    }
    free(lock->token);
    lock->token = NULL;
    lock->token_works = false;
    return worked;
}

/* The next endpoint is asked at once; after the last one there is a pause. */
static void pass_failed(struct etcd_lock *lock, const char *what, const struct error *why) {
    uint64_t wait = 0;
    if (token_ended(lock)) {
        loop_timer_set(lock->timer, loop_clock_usec());
        return;
    }
    const char *endpoint = lock->options.endpoints[lock->calls[ETCD_PASS].endpoint];
    char *text = mem_printf("%s: %s: %s", endpoint, what, why->text);
    lock_name_copy(lock->reason, sizeof(lock->reason), str_of(text));
    free(text);
    etcd_lock_leave(lock, ETCD_PASS);
    if (++lock->failures >= lock->options.n_endpoints) {
        lock->failures = 0;
        lock->reachable = false;
        wait = backoff_next(&lock->backoff, random_unit());
    }
    loop_timer_set(lock->timer, loop_clock_usec() + wait);
}

static void on_end_written(struct etcd_lock *lock, struct str body, const struct error *why) {
    if (why != NULL) {
        pass_failed(lock, "the end of a plan", why);
        return;
    }
    etcd_lock_end_written(lock, body);
    pass_done(lock);
}

static void pass_on(struct etcd_lock *lock) {
    if (!etcd_lock_write_end(lock, on_end_written)) {
        pass_done(lock);
    }
}

static void on_campaigned(struct etcd_lock *lock, struct str body, const struct error *why) {
    static const size_t n_gets[] = {1, 0};
    struct arena arena = {0};
    struct etcd_txn_answer answer;
    struct error err = {0};
    if (why != NULL || etcd_txn_read(body, &arena, n_gets, &answer, &err) < 0) {
        pass_failed(lock, "campaign", why != NULL ? why : &err);
    } else {
        if (answer.succeeded) {
            lock->mine = true;
        } else {
            see_holder(lock, &answer.values[ETCD_GET_HOLDER]);
        }
        pass_on(lock);
    }
    arena_deinit(&arena);
}

static void campaign(struct etcd_lock *lock) {
    const char *key = lock->keys[ETCD_GET_HOLDER];
    struct strbuf body = {0};
    struct etcd_txn txn;
    etcd_txn_begin(&txn, &body);
    etcd_txn_if_absent(&txn, key);
    etcd_txn_then(&txn);
    etcd_txn_put(&txn, key, str_of(lock->holder), lock->lease.id);
    etcd_txn_otherwise(&txn);
    etcd_txn_get(&txn, key);
    etcd_txn_end(&txn);
    etcd_lock_ask(lock, ETCD_PASS, ETCD_TXN, &body, on_campaigned);
}

/* What the server grants for longer than we asked is of no use to us: the others wait for less. */
static void trust_lease(struct etcd_lock *lock, int64_t id, uint64_t ttl_usec) {
    lock->lease = (struct lease){
        .id = id,
        .sent_usec = lock->calls[ETCD_PASS].sent_usec,
        .ttl_usec = ttl_usec < lock->options.ttl_usec ? ttl_usec : lock->options.ttl_usec,
    };
}

static void on_granted(struct etcd_lock *lock, struct str body, const struct error *why) {
    struct arena arena = {0};
    struct error err = {0};
    int64_t id;
    uint64_t ttl_usec;
    if (why != NULL || etcd_lease_read(body, &arena, &id, &ttl_usec, &err) < 0) {
        pass_failed(lock, "lease", why != NULL ? why : &err);
    } else {
        trust_lease(lock, id, ttl_usec);
        campaign(lock);
    }
    arena_deinit(&arena);
}

static void take_values(struct etcd_lock *lock, const struct etcd_value values[ETCD_GETS]) {
    see_holder(lock, &values[ETCD_GET_HOLDER]);
    etcd_lock_see(lock, ETCD_PASS, values);
    if (values[ETCD_GET_HOLDER].found) {
        pass_on(lock);
    } else if (lock->lease.id != 0) {
        campaign(lock);
    } else {
        struct strbuf request = {0};
        etcd_grant_write(&request, lock->options.ttl_usec);
        etcd_lock_ask(lock, ETCD_PASS, ETCD_GRANT, &request, on_granted);
    }
}

static void on_values(struct etcd_lock *lock, struct str body, const struct error *why) {
    static const size_t n_gets[] = {0, ETCD_GETS};
    struct arena arena = {0};
    struct etcd_txn_answer answer;
    struct error err = {0};
    if (why != NULL || etcd_txn_read(body, &arena, n_gets, &answer, &err) < 0) {
        pass_failed(lock, "reading", why != NULL ? why : &err);
    } else if (!answer.succeeded) {
        (void)error_say(&err, -EBADMSG, "a reading without conditions did not succeed");
        pass_failed(lock, "reading", &err);
    } else {
        take_values(lock, answer.values);
    }
    arena_deinit(&arena);
}

void etcd_lock_get_all(const struct etcd_lock *lock, struct etcd_txn *txn) {
    for (size_t i = 0; i < ETCD_GETS; i++) {
        etcd_txn_get(txn, lock->keys[i]);
    }
}

void etcd_lock_ask_all(struct etcd_lock *lock, enum etcd_purpose purpose,
                       void (*answered)(struct etcd_lock *lock, struct str body,
                                        const struct error *why)) {
    struct strbuf body = {0};
    struct etcd_txn txn;
    etcd_txn_begin(&txn, &body);
    etcd_txn_then(&txn);
    etcd_lock_get_all(lock, &txn);
    etcd_txn_end(&txn);
    etcd_lock_ask(lock, purpose, ETCD_TXN, &body, answered);
}

static void on_kept(struct etcd_lock *lock, struct str body, const struct error *why) {
    struct arena arena = {0};
    struct error err = {0};
    int64_t id;
    uint64_t ttl_usec;
    if (why != NULL || etcd_lease_read(body, &arena, &id, &ttl_usec, &err) < 0) {
        pass_failed(lock, "keepalive", why != NULL ? why : &err);
    } else {
        if (ttl_usec == 0 || id != lock->lease.id) {
            lock->lease.id = 0;
            lock->mine = false;
        } else {
            trust_lease(lock, id, ttl_usec);
        }
        etcd_lock_ask_all(lock, ETCD_PASS, on_values);
    }
    arena_deinit(&arena);
}

static void ask_lease_or_values(struct etcd_lock *lock) {
    if (lock->lease.id != 0) {
        struct strbuf body = {0};
        etcd_lease_write(&body, lock->lease.id);
        etcd_lock_ask(lock, ETCD_PASS, ETCD_KEEPALIVE, &body, on_kept);
    } else {
        etcd_lock_ask_all(lock, ETCD_PASS, on_values);
    }
}

static void on_login(struct etcd_lock *lock, struct str body, const struct error *why) {
    struct error err = {0};
    if (why != NULL || etcd_lock_take_token(lock, body, &err) < 0) {
        pass_failed(lock, "login", why != NULL ? why : &err);
    } else {
        ask_lease_or_values(lock);
    }
}

static void begin_pass(void *userdata) {
    struct etcd_lock *lock = userdata;
    lock->began_usec = loop_clock_usec();
    if (lock->options.user != NULL && lock->token == NULL) {
        etcd_lock_login(lock, ETCD_PASS, on_login);
    } else {
        ask_lease_or_values(lock);
    }
}

void etcd_lock_hurry(struct etcd_lock *lock) {
    if (loop_timer_is_set(lock->timer)) {
        loop_timer_set(lock->timer, loop_now_usec(lock->loop));
    }
}

/* ---- life ---- */

void etcd_lock_holder(char ret[FAILOVER_LOCK_NAME_SIZE]) {
    char host[64] = "", name[FAILOVER_LOCK_NAME_SIZE];
    if (gethostname(host, sizeof(host) - 1) < 0 || host[0] == '\0') {
        (void)snprintf(host, sizeof(host), "monitor");
    }
    (void)snprintf(name, sizeof(name), "%s-%08" PRIx32, host, (uint32_t)random_u64());
    lock_name_copy(ret, FAILOVER_LOCK_NAME_SIZE, str_of(name));
}

static void lock_free(struct failover_lock *base) {
    struct etcd_lock *lock = container_of(base, struct etcd_lock, lock);
    for (size_t i = 0; i < ETCD_PURPOSES; i++) {
        lock->calls[i].transfer = transfer_free(lock->calls[i].transfer);
    }
    etcd_plan_deinit(lock);
    loop_timer_free(lock->timer);
    for (size_t i = 0; i < ETCD_GETS; i++) {
        free(lock->keys[i]);
    }
    failover_lock_options_deinit(&lock->options);
    free(lock->token);
    free(lock);
}

static const struct failover_lock_ops ops = {
    .state = etcd_lock_state,
    .plan = get_plan,
    .maintenance = get_maintenance,
    .claim = etcd_lock_claim,
    .finish = etcd_lock_finish,
    .acknowledge = etcd_lock_acknowledge,
    .set_maintenance = etcd_lock_set_maintenance,
    .release = etcd_lock_release,
    .free = lock_free,
};

struct failover_lock *etcd_lock_new(const struct etcd_lock_options *options) {
    static const char *const names[ETCD_GETS] = {
        [ETCD_GET_HOLDER] = "holder",
        [ETCD_GET_PLAN] = "plan",
        [ETCD_GET_MAINTENANCE] = "maintenance",
    };
    struct etcd_lock *lock = mem_alloc(sizeof(*lock));
    lock->lock.ops = &ops;
    lock->loop = options->loop;
    lock->transfers = options->transfers;
    failover_lock_options_copy(options->lock, &lock->options);
    for (size_t i = 0; i < ETCD_GETS; i++) {
        lock->keys[i] = mem_printf("%s/%s/%s", lock->options.prefix, options->cluster, names[i]);
    }
    if (options->holder != NULL) {
        lock_name_copy(lock->holder, sizeof(lock->holder), str_of(options->holder));
    } else {
        etcd_lock_holder(lock->holder);
    }
    for (size_t i = 0; i < ETCD_PURPOSES; i++) {
        lock->calls[i].lock = lock;
    }
    lock->backoff = (struct backoff){.first_usec = lock->options.ttl_usec / FIRST_PART,
                                     .max_usec = lock->options.ttl_usec,
                                     .jitter = WAIT_JITTER};
    etcd_plan_init(lock);
    lock->timer = loop_timer_new(lock->loop, begin_pass, lock);
    loop_timer_set(lock->timer, loop_now_usec(lock->loop));
    return &lock->lock;
}
