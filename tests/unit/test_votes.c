/* SPDX-License-Identifier: Apache-2.0 */

/* Whose word counts for what, and how many are enough. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/duration.h"
#include "failover/votes.h"

#define ANSWERED ((uint64_t)1000 * USEC_PER_SEC) /* the primary, for the last time */
#define INTERVAL (500 * USEC_PER_MSEC)

static struct replica_word replicas[5];
static struct witness_word witness;
static struct votes votes;

/* A replica that has lost its primary, and nothing else. */
static struct replica_word lost(void) {
    return (struct replica_word){
        .reachable = true,
        .receiver = RECEIVER_NONE,
        .sender = SENDER_PRIMARY,
        .age_limit_usec = 32 * USEC_PER_SEC,
        .streamed_usec = ANSWERED,
    };
}

static int set_up(void **state) {
    for (size_t i = 0; i < 5; i++) {
        replicas[i] = lost();
    }
    witness = (struct witness_word){0};
    votes = (struct votes){
        .n_witnesses = 1,
        .replicas = replicas,
        .n_replicas = 1,
        .witnesses = &witness,
        .primary_answered_usec = ANSWERED,
        .first_failure_usec = ANSWERED + INTERVAL,
        .interval_usec = INTERVAL,
    };
    return 0;
}

static void expect(enum replica_view view) {
    assert_string_equal(replica_view_names[votes_view(&votes)], replica_view_names[view]);
}

static void an_ended_receiver_is_a_vote(void **state) {
    expect(REPLICAS_LOST);
    votes.silent = true;
    expect(REPLICAS_LOST);
}

static void a_recent_message_is_a_veto(void **state) {
    replicas[0].receiver = RECEIVER_STREAMING;
    replicas[0].message_age_usec = 30 * USEC_PER_SEC; /* an idle primary */
    expect(REPLICAS_HEAR);
}

static void age_counts_for_silence_alone_and_only_when_it_grows(void **state) {
    replicas[0].receiver = RECEIVER_STREAMING;
    replicas[0].message_age_usec = 33 * USEC_PER_SEC;
    replicas[0].age_grows = true;
    expect(REPLICAS_UNPROVEN); /* gone: only an ended receiver is a vote */
    votes.silent = true;
    expect(REPLICAS_LOST);
    replicas[0].age_grows = false;
    expect(REPLICAS_UNPROVEN);
    replicas[0].age_grows = true;
    replicas[0].age_limit_usec = 0; /* wal_receiver_timeout is off */
    expect(REPLICAS_HEAR);
}

static void a_missing_right_is_no_evidence(void **state) {
    replicas[0].receiver = RECEIVER_UNKNOWN;
    expect(REPLICAS_UNPROVEN);
}

static void a_loss_before_the_last_answer_is_no_vote(void **state) {
    replicas[0].streamed_usec = ANSWERED - INTERVAL;
    expect(REPLICAS_LOST);
    replicas[0].streamed_usec--;
    expect(REPLICAS_UNPROVEN);
    replicas[0].streamed_usec = 0;
    expect(REPLICAS_UNPROVEN);
}

static void a_cascaded_replica_says_nothing(void **state) {
    votes.n_replicas = 2;
    replicas[0].sender = SENDER_MEMBER;
    replicas[1] = replicas[0];
    replicas[1].receiver = RECEIVER_STREAMING;
    expect(REPLICAS_UNPROVEN);
}

static void another_sender_may_veto_but_not_vote(void **state) {
    replicas[0].sender = SENDER_OTHER;
    expect(REPLICAS_UNPROVEN);
    replicas[0].receiver = RECEIVER_STREAMING;
    expect(REPLICAS_HEAR);
}

static void the_majority_of_all_configured_ones_decides(void **state) {
    for (size_t n = 1; n <= 5; n++) {
        votes.n_replicas = n;
        for (size_t there = 0; there <= n; there++) {
            for (size_t i = 0; i < n; i++) {
                replicas[i].reachable = i < there;
            }
            expect(there == 0           ? REPLICAS_UNREACHABLE
                   : there >= n / 2 + 1 ? REPLICAS_LOST
                                        : REPLICAS_UNPROVEN);
        }
    }
    votes.n_replicas = 3;
    votes.quorum = 1;
    replicas[0].reachable = true;
    replicas[1].reachable = replicas[2].reachable = false;
    expect(REPLICAS_LOST);
}

static void one_that_hears_it_outweighs_all_others(void **state) {
    votes.n_replicas = 5;
    replicas[3].receiver = RECEIVER_STREAMING;
    expect(REPLICAS_HEAR);
}

static void a_witness_that_heard_it_after_our_first_failure_vetoes(void **state) {
    witness = (struct witness_word){true, votes.first_failure_usec};
    expect(REPLICAS_LOST);
    witness.heard_usec++;
    expect(REPLICAS_HEAR);
    witness.reachable = false;
    expect(REPLICAS_LOST);
}

static void our_own_links_are_not_seen_through_our_own_host(void **state) {
    replicas[0].shares_our_host = true;
    expect(REPLICAS_UNPROVEN);
    votes.fenced = true;
    expect(REPLICAS_LOST);
    votes.fenced = false;
    witness = (struct witness_word){true, 0};
    expect(REPLICAS_LOST);
    witness.reachable = false;
    votes.n_replicas = 2; /* the other one is elsewhere */
    expect(REPLICAS_LOST);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_ended_receiver_is_a_vote),
        TEST(a_recent_message_is_a_veto),
        TEST(age_counts_for_silence_alone_and_only_when_it_grows),
        TEST(a_missing_right_is_no_evidence),
        TEST(a_loss_before_the_last_answer_is_no_vote),
        TEST(a_cascaded_replica_says_nothing),
        TEST(another_sender_may_veto_but_not_vote),
        TEST(the_majority_of_all_configured_ones_decides),
        TEST(one_that_hears_it_outweighs_all_others),
        TEST(a_witness_that_heard_it_after_our_first_failure_vetoes),
        TEST(our_own_links_are_not_seen_through_our_own_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
