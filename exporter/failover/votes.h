/* SPDX-License-Identifier: Apache-2.0 */

/* What replicas and witnesses say of a primary that fails us. Pure.
 *
 * A vote counts only from a replica that streamed directly from this primary when the primary last
 * answered us, and has lost it since. One that still hears it is a veto, whatever the others say.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "failover/verdict.h"

/* What a replica says of its receiver. */
enum receiver_state {
    RECEIVER_UNKNOWN, /* the right to see it is missing */
    RECEIVER_NONE,    /* there is none, or it does not stream */
    RECEIVER_STREAMING,
};

/* From whom it streams. */
enum sender {
    SENDER_PRIMARY, /* proven: its address, or its slot is active there */
    SENDER_MEMBER,  /* another replica: its word says nothing of the primary */
    SENDER_OTHER,   /* who knows */
};

struct replica_word {
    bool reachable; /* it answered within the last interval */
    enum receiver_state receiver;
    enum sender sender;        /* the last one that was seen */
    uint64_t message_age_usec; /* of the primary's last message, by the replica's own clock */
    uint64_t age_limit_usec;   /* above it silence means something; 0: never */
    bool age_grows;            /* it was larger at the poll before than that one's, too */
    uint64_t streamed_usec;    /* our time when it was last seen streaming; 0: never */
    bool shares_our_host;      /* it runs where we run, and the primary does not */
};

struct witness_word {
    bool reachable;
    uint64_t heard_usec; /* our time of the primary's last answer to it; 0: never */
};

struct votes {
    const struct replica_word *replicas; /* all that are configured as direct ones */
    size_t n_replicas;
    const struct witness_word *witnesses;
    size_t n_witnesses;
    size_t quorum; /* 0: majority of the replicas */
    uint64_t primary_answered_usec, first_failure_usec, interval_usec;
    bool silent; /* the primary is silent to us, not gone */
    bool fenced; /* a fence will stand before anything else */
};

enum vote_word { WORD_NONE, WORD_LOST, WORD_HEARS };

/* What one replica's word counts for. */
enum vote_word replica_word(const struct votes *votes, const struct replica_word *replica);

enum replica_view votes_view(const struct votes *votes);
