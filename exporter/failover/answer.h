/* SPDX-License-Identifier: Apache-2.0 */

/* What a member of a cluster says of itself in one answer to a probe: PostgreSQL in one row, Redis
 * in INFO replication. What cannot be seen, for want of a right or in an old version, is left at
 * its zero, which is never evidence of anything. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/table.h"
#include "base/tree.h"
#include "failover/votes.h"

#define ANSWER_MOST_SLOTS      2048 /* bytes of the names of active slots */
#define ANSWER_MOST_SYNC_NAMES 1024
#define ANSWER_MOST_STANDBYS   32

/* Who streams from a primary that waits for standbys. */
struct answer_standby {
    char name[64];    /* application_name */
    char address[64]; /* empty: over a socket, or not to be seen */
    char slot[64];    /* through which; or empty */
    bool synchronous; /* `sync` or `quorum` */
};

struct member_answer {
    bool in_recovery;  /* or a Redis replica */
    uint32_t timeline; /* 0: not known; Redis has none */
    uint64_t position; /* of a primary: what it has written */
    uint64_t received; /* of a replica, in bytes of the same kind */
    uint64_t replayed;
    enum receiver_state receiver;
    bool has_message_age;
    uint64_t message_age_usec;
    uint64_t receiver_timeout_usec; /* 0: none, or not known */
    char sender_host[256];          /* as the replica's configuration has it; empty: not known */
    uint16_t sender_port;
    char slot[64]; /* through which it streams */
    bool paused;
    bool syncing; /* Redis: the first copy is on its way */
    uint64_t apply_delay_usec;
    bool no_priority; /* Redis: replica-priority is 0 */
    char address[64]; /* where it was reached, by its own account; empty over a socket */
    uint16_t port;
    char slots[ANSWER_MOST_SLOTS];           /* of a primary: active ones, each followed by ',' */
    char receiver_name[64];                  /* application_name under which it streams */
    char sync_names[ANSWER_MOST_SYNC_NAMES]; /* synchronous_standby_names, of replicas as well */
    struct answer_standby standbys[ANSWER_MOST_STANDBYS];
    size_t n_standbys; /* of a primary that waits for any */
    bool sync_cut;     /* there are more of them, or the names are longer */
    char system[48];   /* identifier, or Redis' replication id */
};

/* How far a replica is: what it has received, or replayed from an archive beyond that. */
static inline uint64_t member_reached(const struct member_answer *answer) {
    return answer->received > answer->replayed ? answer->received : answer->replayed;
}

/* What is the same as long as a connection lives. */
struct member_identity {
    char system[48]; /* PostgreSQL's identifier */
    char run_id[48]; /* Redis */
    bool read_only;  /* default_transaction_read_only */
    bool clustered;  /* Redis Cluster, which looks after itself */
};

enum promote_right {
    PROMOTE_UNKNOWN,
    PROMOTE_GRANTED, /* or Redis, which asks for no right of its own */
    PROMOTE_MISSING,
    PROMOTE_UNSUPPORTED, /* before PostgreSQL 12 there is no function for it */
};

/* What changes seldom, and is asked once per connection, which is renewed twice a minute. */
struct member_facts {
    const char *manager; /* who else may promote it, constant; NULL: nobody was seen */
    enum promote_right promote;
};

/* The statement for a version: server_version_num. */
const char *answer_postgres_text(int version);
int answer_read_postgres(const struct table *table, struct member_answer *ret, struct error *err);

extern const char *const identity_postgres_text;
int identity_read_postgres(const struct table *table, struct member_identity *ret,
                           struct error *err);

extern const char facts_postgres_text[];
int facts_read_postgres(const struct table *table, struct member_facts *ret, struct error *err);

/* INFO replication, INFO server, PUBSUB NUMSUB __sentinel__:hello. */
int answer_read_redis(const struct tree *tree, struct arena *arena, struct member_answer *ret,
                      struct error *err);
int identity_read_redis(const struct tree *tree, struct arena *arena, struct member_identity *ret,
                        struct error *err);
int facts_read_redis(const struct tree *tree, struct member_facts *ret, struct error *err);
