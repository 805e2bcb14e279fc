/* SPDX-License-Identifier: Apache-2.0 */

#include "failover/votes.h"

/* Whether it says that messages of whomever it follows still come. */
static bool hears(const struct replica_word *replica) {
    return replica->receiver == RECEIVER_STREAMING &&
           (replica->age_limit_usec == 0 || replica->message_age_usec <= replica->age_limit_usec);
}

/* Whether its receiver has ended, or (that is no evidence of a refusal) hears nothing any more. */
static bool has_lost(const struct votes *votes, const struct replica_word *replica) {
    if (replica->receiver == RECEIVER_NONE) {
        return true;
    }
    return votes->silent && replica->receiver == RECEIVER_STREAMING &&
           replica->age_limit_usec > 0 && replica->message_age_usec > replica->age_limit_usec &&
           replica->age_grows;
}

/* A loss before the primary's last answer is another loss. */
static bool streamed_to_the_end(const struct votes *votes, const struct replica_word *replica) {
    return replica->streamed_usec > 0 &&
           replica->streamed_usec + votes->interval_usec >= votes->primary_answered_usec;
}

enum vote_word replica_word(const struct votes *votes, const struct replica_word *replica) {
    if (!replica->reachable || replica->sender == SENDER_MEMBER ||
        replica->receiver == RECEIVER_UNKNOWN) {
        return WORD_NONE;
    }
    if (hears(replica)) {
        return WORD_HEARS;
    }
    if (replica->sender == SENDER_PRIMARY && streamed_to_the_end(votes, replica) &&
        has_lost(votes, replica)) {
        return WORD_LOST;
    }
    return WORD_NONE;
}

static bool witness_hears(const struct votes *votes) {
    for (size_t i = 0; i < votes->n_witnesses; i++) {
        const struct witness_word *witness = &votes->witnesses[i];
        if (witness->reachable && witness->heard_usec > votes->first_failure_usec) {
            return true;
        }
    }
    return false;
}

static bool any_witness(const struct votes *votes) {
    for (size_t i = 0; i < votes->n_witnesses; i++) {
        if (votes->witnesses[i].reachable) {
            return true;
        }
    }
    return false;
}

enum replica_view votes_view(const struct votes *votes) {
    size_t lost = 0, elsewhere = 0, reachable = 0;
    bool heard = witness_hears(votes);
    for (size_t i = 0; i < votes->n_replicas; i++) {
        const struct replica_word *replica = &votes->replicas[i];
        enum vote_word word = replica_word(votes, replica);
        reachable += replica->reachable;
        heard |= word == WORD_HEARS;
        lost += word == WORD_LOST;
        elsewhere += word == WORD_LOST && !replica->shares_our_host;
    }
    size_t quorum = votes->quorum != 0 ? votes->quorum : votes->n_replicas / 2 + 1;
    /* Replicas on our own host see the primary over our own links. */
    bool own_eyes = elsewhere == 0 && !votes->fenced && !any_witness(votes);
    if (heard) {
        return REPLICAS_HEAR;
    }
    if (reachable == 0) {
        return REPLICAS_UNREACHABLE;
    }
    return lost >= quorum && !own_eyes ? REPLICAS_LOST : REPLICAS_UNPROVEN;
}
