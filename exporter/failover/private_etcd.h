/* SPDX-License-Identifier: Apache-2.0 */

/* What the two halves of the lock in etcd share: etcd_lock.c keeps it and knows who holds it,
 * etcd_plan.c does what is asked of it. */
#pragma once

#include "base/backoff.h"
#include "failover/etcd_json.h"
#include "failover/etcd_lock.h"
#include "failover/lease.h"

struct etcd_lock;

/* One request at a time for each purpose. */
enum etcd_purpose {
    ETCD_PASS, /* login, lease, reading, campaign */
    ETCD_CLAIM,
    ETCD_ACKNOWLEDGE,
    ETCD_MAINTAIN,
    ETCD_RELEASE,
    ETCD_PURPOSES
};

struct etcd_call {
    struct etcd_lock *lock;
    struct transfer *transfer; /* NULL: none is under way */
    uint64_t sent_usec;
    size_t endpoint;
    bool refused; /* nobody listens at that endpoint */
    bool denied;  /* etcd does not know who asks, or by older rights: nothing was done */
    /* why: NULL when there is a body. Freeing the lock is its last deed. */
    void (*answered)(struct etcd_lock *lock, struct str body, const struct error *why);
};

/* The three keys as they stood. */
enum { ETCD_GET_HOLDER, ETCD_GET_PLAN, ETCD_GET_MAINTENANCE, ETCD_GETS };

struct etcd_lock {
    struct failover_lock lock;
    struct loop *loop;
    struct transfers *transfers;
    struct failover_lock_options options;
    char *keys[ETCD_GETS];
    char holder[FAILOVER_LOCK_NAME_SIZE]; /* our name */
    struct etcd_call calls[ETCD_PURPOSES];

    /* The pass: who is asked, and when next. */
    size_t endpoint; /* the one that worked */
    size_t failures; /* endpoints in a row that did not */
    struct backoff backoff;
    struct loop_timer *timer;
    uint64_t began_usec;
    bool reachable, released;
    char *token;      /* of our user; NULL: none, or not logged in */
    bool token_works; /* a pass went through with it */
    char reason[256]; /* of the newest failure */

    /* What is known. */
    struct lease lease;
    bool mine;                           /* the holder's key has our lease and our name */
    char other[FAILOVER_LOCK_NAME_SIZE]; /* who holds it else; empty: not known */
    uint64_t read_usec;                  /* when that was asked */
    uint64_t written_usec; /* when we were told of a change of ours: older readings are void */
    bool has_plan, has_maintenance;
    struct failover_lock_plan plan;
    struct failover_lock_maintenance maintenance;
    int64_t plan_revision, maintenance_revision; /* 0: there is none */
    char words[256];                             /* of the last state */

    /* What is asked. */
    struct {
        bool busy;
        struct failover_lock_plan plan;
        struct failover_lock_claim asked; /* its texts are NULL */
        enum failover_claim refusal;      /* without asking etcd */
        size_t refused;                   /* endpoints where nobody listens */
        bool renewed;                     /* our token, for it */
        struct loop_deferred *deferred;
    } claim;
    struct {
        bool wanted;
        char id[FAILOVER_LOCK_NAME_SIZE], outcome[FAILOVER_LOCK_WORD_SIZE];
    } finish;
    struct {
        bool busy;
        bool renewed;
        char id[FAILOVER_LOCK_NAME_SIZE];
        struct failover_lock_answer answer;
    } acknowledge;
    struct {
        bool busy;
        bool renewed;
        struct failover_lock_maintenance value; /* until_ms 0: to be taken away */
        struct failover_lock_answer answer;
    } maintain;
    struct {
        bool busy;
        struct failover_lock_answer answer;
        struct loop_deferred *deferred;
    } release;
};

/* Sends a request whose body is taken over; another of that purpose must not be under way. */
void etcd_lock_ask(struct etcd_lock *lock, enum etcd_purpose purpose, const char *path,
                   struct strbuf *body,
                   void (*answered)(struct etcd_lock *lock, struct str body,
                                    const struct error *why));

/* Asks for a new token of our user; its answer is for etcd_lock_take_token(), which returns 0 or
 * -EBADMSG. */
void etcd_lock_login(struct etcd_lock *lock, enum etcd_purpose purpose,
                     void (*answered)(struct etcd_lock *lock, struct str body,
                                      const struct error *why));
int etcd_lock_take_token(struct etcd_lock *lock, struct str body, struct error *err);

/* Asks another endpoint from now on than the one that the call went to. */
void etcd_lock_leave(struct etcd_lock *lock, enum etcd_purpose purpose);

/* Says when it ends by the clock that never jumps, as of now. */
void etcd_lock_date(const struct etcd_lock *lock, struct failover_lock_maintenance *maintenance);

/* Takes over how plan and maintenance stood when `purpose` asked. */
void etcd_lock_see(struct etcd_lock *lock, enum etcd_purpose purpose,
                   const struct etcd_value values[ETCD_GETS]);

/* Whether that is our name with our lease. */
bool etcd_lock_is_ours(const struct etcd_lock *lock, const struct etcd_value *holder);

/* What is to be read of all three, as a part of a transaction. */
void etcd_lock_get_all(const struct etcd_lock *lock, struct etcd_txn *txn);

/* Asks how all three stand. */
void etcd_lock_ask_all(struct etcd_lock *lock, enum etcd_purpose purpose,
                       void (*answered)(struct etcd_lock *lock, struct str body,
                                        const struct error *why));

/* Goes on with the pass at once, if it is not under way. */
void etcd_lock_hurry(struct etcd_lock *lock);

enum failover_lock_state etcd_lock_state(struct failover_lock *lock, const char **ret_words);

/* etcd_plan.c */
int etcd_lock_claim(struct failover_lock *lock, const struct failover_lock_claim *claim);
int etcd_lock_finish(struct failover_lock *lock, const char *plan_id, const char *outcome);
int etcd_lock_acknowledge(struct failover_lock *lock, const char *plan_id,
                          const struct failover_lock_answer *answer);
int etcd_lock_set_maintenance(struct failover_lock *lock, int64_t until_ms, const char *who,
                              const struct failover_lock_answer *answer);
void etcd_lock_release(struct failover_lock *lock, const struct failover_lock_answer *answer);

/* Part of the pass: writes how a plan ended. Return: whether something is under way. */
bool etcd_lock_write_end(struct etcd_lock *lock,
                         void (*answered)(struct etcd_lock *lock, struct str body,
                                          const struct error *why));
void etcd_lock_end_written(struct etcd_lock *lock, struct str body);

void etcd_plan_init(struct etcd_lock *lock);
/* Answers everything that is open. */
void etcd_plan_deinit(struct etcd_lock *lock);
