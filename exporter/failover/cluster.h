/* SPDX-License-Identifier: Apache-2.0 */

/* All that is known of one cluster, and what follows from it: who its primary is, whether that is
 * lost, who would follow it, and whether anything would forbid that. Pure: answers, failures and
 * the time are arguments, so that a test can play whole outages without a server.
 *
 * The primary is the member that takes writes when nobody is known yet, or that the last good view
 * names. It stays the primary while it fails; another that takes writes meanwhile is an alarm
 * (VERDICT_SPLIT_BRAIN), or the primary's successor (VERDICT_DONE_BY_OTHERS), which is adopted
 * after a while. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "failover/answer.h"
#include "failover/candidate.h"
#include "failover/failover_options.h"
#include "failover/suspicion.h"
#include "failover/sync_state.h"
#include "failover/verdict.h"
#include "failover/wal_rate.h"
#include "io/client.h"

#define CLUSTER_NO_MEMBER      SIZE_MAX
#define CLUSTER_MOST_ADDRESSES 8
#define CLUSTER_ADOPT_USEC     ((uint64_t)10 * 1000 * 1000)

struct cluster_addresses {
    char host[256]; /* as written */
    char texts[CLUSTER_MOST_ADDRESSES][64];
    size_t n_texts;
    uint16_t port;
};

struct cluster_member {
    const char *name; /* borrowed */
    bool is_redis;
    bool excluded; /* no_failover */
    int64_t priority;
    bool is_local; /* it runs where we run */
    struct cluster_addresses at;
    struct cluster_addresses sender; /* the last that it named; texts are filled in by the owner */
    char slot[64];                   /* likewise */
    char receiver_name[64];          /* likewise: application_name */

    struct suspicion suspicion;
    struct client_failure failure; /* the newest; error not set: it answered last */
    bool known;                    /* it has answered, and answer and identity hold */
    uint64_t known_usec;           /* when */
    uint64_t asked_usec;           /* when its question went out; the owner's to fill in */
    uint64_t heard_usec;           /* of its newest answer or failure */
    struct member_answer answer;
    struct member_identity identity;
    bool has_facts;
    struct member_facts facts;
    uint32_t timeline;      /* of its last answer that had one */
    uint64_t streamed_usec; /* when it was last seen streaming from the primary; 0: never */
    uint64_t ages_usec[2];  /* of the last message, two polls back and one */
    bool age_grows;         /* over both */
    bool stop_seen;         /* its operator stops it */
    bool starting;          /* its last word was that it is not ready */
    uint64_t starting_since_usec;
    bool pooled;
    enum obstacle obstacle; /* as of the last judgement */
};

/* Why a failover could not be: one series each. */
enum ready_reason {
    READY_PRIMARY,     /* a primary is known */
    READY_ARMED,       /* it was seen whole */
    READY_VOTES,       /* enough replicas stream from it, or (now) have lost it */
    READY_CANDIDATE,   /* somebody could follow it */
    READY_DIRECT,      /* no pooler, no Redis Cluster among the members */
    READY_RIGHTS,      /* replicas let us see their receivers */
    READY_SYSTEM,      /* all members are of one system */
    READY_SYNCHRONOUS, /* whoever would follow provably holds every acknowledged commit */
    READY_COMMITS,     /* commits would not wait for a standby after a promotion */
    READY_MANAGER,     /* nobody else is in charge */
    READY_PROMOTE,     /* our role may promote the replicas */
    /* Filled in by who acts (failover/acting.h). */
    READY_JOURNAL,      /* it can be written */
    READY_HOOKS,        /* all are there, and in nobody else's hands */
    READY_ACKNOWLEDGED, /* no earlier failover waits for that */
    READY_MAINTENANCE,  /* there is none */
    READY_LOCK,         /* it is held, and no other plan stands */
    READY_REASONS
};
extern const char *const ready_reason_names[];

/* What another monitor says of the primary. */
struct witness_report {
    bool answered;     /* its primary has answered it */
    uint64_t age_usec; /* how long ago, when its report was made */
    bool fails;        /* and fails it now: gone or silent */
    char system[48];   /* of its primary; empty: not known */
};

struct cluster_witness {
    uint64_t said_usec; /* its newest report; 0: none */
    uint64_t heard_usec;
    bool fails;
};

#define CLUSTER_MOST_WITNESSES FAILOVER_MOST_WITNESSES

struct cluster {
    struct failover_options options; /* borrowed texts */
    struct cluster_member *members;
    size_t n_members;
    size_t primary; /* or CLUSTER_NO_MEMBER */
    bool armed;
    bool has_sentinel;      /* one is configured */
    struct sync_state sync; /* of the primary */
    struct wal_rate wal;    /* likewise: it stays as it was when it is lost */
    struct cluster_witness witnesses[CLUSTER_MOST_WITNESSES];
    size_t n_witnesses;

    /* Of the last judgement. */
    enum verdict verdict;
    uint64_t verdict_since_usec;
    enum primary_view primary_view;
    enum replica_view replica_view;
    enum other_view other_view;
    size_t other;        /* who else takes writes or is foreign */
    size_t candidate;    /* or NO_CANDIDATE */
    bool proven;         /* nothing that was acknowledged is missing there */
    const char *manager; /* who else is in charge, constant; NULL: nobody was seen */
    bool ready[READY_REASONS];
    bool startup_overdue;
    uint64_t done_since_usec; /* since when another is the primary's successor; 0: it is not */
};

/* Name, kind, addresses and options of the members are the caller's to fill in, then
 * cluster_start(). */
void cluster_init(struct cluster *cluster, const struct failover_options *options,
                  size_t n_members);
void cluster_deinit(struct cluster *cluster);
void cluster_start(struct cluster *cluster);

void cluster_answered(struct cluster *cluster, size_t member, const struct member_answer *answer,
                      const struct member_identity *identity, uint64_t now_usec);
void cluster_failed(struct cluster *cluster, size_t member, const struct client_failure *failure,
                    bool kept_open, uint64_t now_usec);
void cluster_learned(struct cluster *cluster, size_t member, const struct member_facts *facts);

/* A report has come now. When its primary answered the witness is taken as if the report had taken
 * no time: the true moment is earlier by what its way took, at most an interval. So it may forbid
 * what it need not, and never the other way round. */
void cluster_witnessed(struct cluster *cluster, size_t witness, const struct witness_report *report,
                       uint64_t now_usec);

void cluster_stopping(struct cluster *cluster, size_t member);

/* We were late ourselves: nothing that was counted holds. */
void cluster_void(struct cluster *cluster, const char *why, uint64_t now_usec);

/* What follows from all of it. Return: whether the verdict or the primary is another one. */
bool cluster_judge(struct cluster *cluster, uint64_t now_usec);

/* What may follow: the verdict's consequence, and what the configuration adds to it for a primary
 * that was stopped in good order, or that does not come up. */
enum verdict_consequence cluster_consequence(const struct cluster *cluster, uint64_t now_usec);

/* We have promoted a member, and it takes writes: it is the primary from now on. */
void cluster_adopt(struct cluster *cluster, size_t member);

/* From whom a replica streams, as far as it can be proven. */
enum sender cluster_sender(const struct cluster *cluster, size_t replica);

/* What a member's word counts for against the primary; and the whole of it in words for people. */
void cluster_member_words(const struct cluster *cluster, size_t member, uint64_t now_usec,
                          struct strbuf *out);
void cluster_words(const struct cluster *cluster, uint64_t now_usec, struct strbuf *out);

/* Why a reason is not given; nothing when it is. And all that are not, with "; " between them. */
void cluster_reason_words(const struct cluster *cluster, enum ready_reason reason,
                          struct strbuf *out);
void cluster_ready_words(const struct cluster *cluster, struct strbuf *out);

/* When the primary's last position was seen; 0: never. */
uint64_t cluster_seen_usec(const struct cluster *cluster);

/* Whether a Sentinel looks after it. */
bool cluster_has_sentinel_in_charge(const struct cluster *cluster);

/* How old the primary's last position is, and how fast it wrote until then. */
struct wal_loss cluster_loss(const struct cluster *cluster, uint64_t now_usec);

/* "0/3000148", or the offset of Redis. Return: out. */
const char *cluster_position(const struct cluster *cluster, uint64_t position, char out[32]);

/* ---- the last good view ---- */

#define VIEW_MOST_BYTES ((size_t)64 * 1024)

/* Adds it as bytes with version and checksum. boot_id tells one life of the machine from another:
 * our times mean nothing in the next. */
void cluster_view_pack(const struct cluster *cluster, struct str boot_id, uint64_t now_usec,
                       struct strbuf *out);

/* Takes over who the primary is, and within one life of the machine also who streamed when; arms
 * the cluster when it was whole, lately, and nobody was stopping the primary.
 * Return: 0, or -EBADMSG with *err. */
int cluster_view_unpack(struct cluster *cluster, struct str bytes, struct str boot_id,
                        uint64_t now_usec, struct error *err);
