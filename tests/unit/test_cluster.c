/* SPDX-License-Identifier: Apache-2.0 */

/* Whole outages of a cluster, played without a server: what comes to whom when, and which verdict
 * follows. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "base/macros.h"
#include "failover/cluster.h"

#define INTERVAL ((uint64_t)500 * USEC_PER_MSEC)
#define BOOT     "3f6a"

static struct cluster cluster;
static uint64_t now;
static struct member_answer says[3];
static struct member_identity is[3];

static void begin(size_t n, bool redis) {
    static const char *const names[] = {"one", "two", "three"};
    const struct failover_options options = {
        .interval_usec = INTERVAL,
        .failures = 3,
        .max_lag_bytes = 16 << 20,
        .max_replay_bytes = 256 << 20,
        .view_max_age_usec = 30 * USEC_PER_SEC,
        .restart_grace_usec = 10 * USEC_PER_SEC,
        .startup_grace_usec = 60 * USEC_PER_SEC,
    };
    cluster_init(&cluster, &options, n);
    for (size_t i = 0; i < n; i++) {
        struct cluster_member *member = &cluster.members[i];
        member->name = names[i];
        member->is_redis = redis;
        snprintf(member->at.host, sizeof(member->at.host), "10.0.0.%zu", i + 1);
        member->at.port = 5432;
        is[i] = (struct member_identity){.system = "7001"};
        says[i] = (struct member_answer){
            .in_recovery = i > 0,
            .timeline = 4,
            .position = i == 0 ? 5000 : 0,
            .received = i == 0 ? 0 : 5000,
            .replayed = i == 0 ? 0 : 5000,
            .receiver = i == 0 ? RECEIVER_NONE : RECEIVER_STREAMING,
            .sender_host = "10.0.0.1",
            .sender_port = i == 0 ? 0 : 5432,
            .has_message_age = i > 0,
            .receiver_timeout_usec = 5 * USEC_PER_SEC,
            .system = "7001",
        };
    }
    says[0].sender_host[0] = '\0';
    cluster_start(&cluster);
}

static int set_up(void **state) {
    now = 1000 * USEC_PER_SEC;
    begin(2, false);
    return 0;
}

static int tear_down(void **state) {
    cluster_deinit(&cluster);
    return 0;
}

static void begin_again(size_t n, bool redis) {
    cluster_deinit(&cluster);
    begin(n, redis);
}

static void learn(size_t i, const char *manager, enum promote_right promote) {
    const struct member_facts facts = {.manager = manager, .promote = promote};
    cluster_learned(&cluster, i, &facts);
}

static void answer(size_t i) {
    if (!cluster.members[i].has_facts) {
        learn(i, NULL, PROMOTE_GRANTED);
    }
    cluster_answered(&cluster, i, &says[i], &is[i], now);
}

static void fail_as(size_t i, enum client_end end, const char *sqlstate, const char *source) {
    struct client_failure failure = {.end = end};
    failure.reason = strcmp(sqlstate, "57P03") == 0 ? REASON_STARTING : REASON_REFUSED;
    snprintf(failure.sqlstate, sizeof(failure.sqlstate), "%s", sqlstate);
    snprintf(failure.source, sizeof(failure.source), "%s", source);
    error_say(&failure.error, -EIO, "it failed");
    cluster_failed(&cluster, i, &failure, false, now);
}

static void fails(size_t i, enum client_end end) {
    fail_as(i, end, "", "");
}

static enum verdict judge(void) {
    cluster_judge(&cluster, now);
    return cluster.verdict;
}

/* Everybody answers, for a while. */
static void live(int rounds) {
    for (int i = 0; i < rounds; i++, now += INTERVAL) {
        for (size_t k = 0; k < cluster.n_members; k++) {
            answer(k);
        }
        judge();
    }
    assert_int_equal(cluster.verdict, VERDICT_HEALTHY);
}

/* The first member fails so often, the others say what they say. */
static enum verdict suffer(int rounds, enum client_end end) {
    for (int i = 0; i < rounds; i++, now += INTERVAL) {
        fails(0, end);
        for (size_t k = 1; k < cluster.n_members; k++) {
            answer(k);
        }
        judge();
    }
    return cluster.verdict;
}

static void lose_receiver(size_t i) {
    says[i].receiver = RECEIVER_NONE;
    says[i].sender_host[0] = '\0';
    says[i].sender_port = 0;
}

static void a_whole_cluster_is_healthy_armed_and_ready(void **state) {
    live(3);
    assert_int_equal(cluster.primary, 0);
    assert_int_equal(cluster.candidate, 1);
    for (size_t i = 0; i < READY_REASONS; i++) {
        assert_true(cluster.ready[i]);
    }
}

static void a_lost_primary_is_dead_after_the_window(void **state) {
    live(3);
    lose_receiver(1);
    assert_int_equal(suffer(3, CLIENT_GONE), VERDICT_SUSPECT);
    assert_int_equal(suffer(1, CLIENT_GONE), VERDICT_DEAD);
    assert_int_equal(cluster.candidate, 1);
    assert_true(cluster.ready[READY_VOTES]);
}

static void how_much_may_be_lost_is_the_rate_before_its_end(void **state) {
    assert_false(cluster_loss(&cluster, now).has_age);
    for (int i = 0; i < 20; i++, says[0].position += 500) {
        live(1);
    }
    struct wal_loss loss = cluster_loss(&cluster, now);
    assert_true(loss.has_rate);
    assert_int_equal(loss.bytes_per_second, 500 * USEC_PER_SEC / INTERVAL);
    lose_receiver(1);
    suffer(4, CLIENT_GONE);
    assert_int_equal(cluster_loss(&cluster, now).bytes_per_second, loss.bytes_per_second);
    assert_int_equal(cluster_loss(&cluster, now).age_ms, 5 * INTERVAL / USEC_PER_MSEC);
    cluster_adopt(&cluster, 1);
    assert_false(cluster_loss(&cluster, now).has_rate); /* of another one */
}

static void a_death_right_after_the_first_answers_is_one(void **state) {
    answer(1); /* before anybody is known to be the primary */
    now += USEC_PER_MSEC;
    answer(0);
    assert_int_equal(judge(), VERDICT_HEALTHY);
    assert_true(cluster.ready[READY_VOTES]);
    lose_receiver(1);
    now += INTERVAL;
    assert_int_equal(suffer(4, CLIENT_GONE), VERDICT_DEAD);
}

static void a_replica_that_streams_forbids_it(void **state) {
    live(3);
    assert_int_equal(suffer(120, CLIENT_GONE), VERDICT_UNREACHABLE);
}

static void idle_replicas_of_a_cut_off_primary_forbid_it(void **state) {
    live(3);
    says[1].receiver_timeout_usec = 60 * USEC_PER_SEC;
    for (int i = 0; i < 120; i++) {
        says[1].message_age_usec = ((uint64_t)i * INTERVAL) % (30 * USEC_PER_SEC);
        suffer(1, CLIENT_SILENT);
        assert_true(cluster.verdict == VERDICT_SUSPECT || cluster.verdict == VERDICT_UNREACHABLE);
    }
}

static void silence_on_both_sides_is_silent_and_never_dead(void **state) {
    live(3);
    for (int i = 1; i < 20; i++) {
        says[1].message_age_usec = (uint64_t)i * INTERVAL;
        suffer(1, CLIENT_SILENT);
        assert_int_not_equal(cluster.verdict, VERDICT_DEAD);
    }
    assert_int_equal(cluster.verdict, VERDICT_SILENT);
}

static void an_age_that_does_not_grow_is_no_vote(void **state) {
    live(3);
    says[1].message_age_usec = 9 * USEC_PER_SEC;
    assert_int_equal(suffer(20, CLIENT_SILENT), VERDICT_UNPROVEN);
}

static void one_of_three_that_streams_forbids_it(void **state) {
    begin_again(3, false);
    live(3);
    lose_receiver(1);
    assert_int_equal(suffer(20, CLIENT_GONE), VERDICT_UNREACHABLE);
}

static void one_vote_of_two_is_not_enough(void **state) {
    begin_again(3, false);
    live(3);
    lose_receiver(1);
    for (int i = 0; i < 10; i++, now += INTERVAL) {
        fails(0, CLIENT_GONE);
        answer(1);
        fails(2, CLIENT_GONE);
        judge();
    }
    assert_int_equal(cluster.verdict, VERDICT_UNPROVEN);
}

static void nobody_reached_is_ourselves(void **state) {
    live(3);
    for (int i = 0; i < 10; i++, now += INTERVAL) {
        fails(0, CLIENT_GONE);
        fails(1, CLIENT_GONE);
        judge();
    }
    assert_int_equal(cluster.verdict, VERDICT_CUT_OFF);
}

static void a_receiver_that_was_gone_before_is_no_vote(void **state) {
    live(3);
    lose_receiver(1);
    live(6);
    assert_false(cluster.ready[READY_VOTES]);
    assert_int_equal(suffer(10, CLIENT_GONE), VERDICT_UNPROVEN);
}

static void a_death_between_two_answers_of_a_round_counts(void **state) {
    live(3);
    now += 9 * USEC_PER_MSEC; /* the round begins late */
    answer(0);
    lose_receiver(1);
    now += USEC_PER_MSEC;
    answer(1);
    assert_int_equal(suffer(4, CLIENT_GONE), VERDICT_DEAD);
}

static void a_fast_stop_is_its_operators(void **state) {
    live(3);
    fail_as(0, CLIENT_GONE, "57P01", "ProcessInterrupts");
    lose_receiver(1);
    assert_int_equal(suffer(10, CLIENT_GONE), VERDICT_STOPPED);
}

static void a_fast_stop_that_turns_new_ones_away_first_is_too(void **state) {
    live(3);
    fail_as(0, CLIENT_GONE, "57P01", "ProcessInterrupts");
    fail_as(0, CLIENT_ALIVE, "57P03", "");
    lose_receiver(1);
    assert_int_equal(suffer(10, CLIENT_GONE), VERDICT_STOPPED);
}

static void an_immediate_stop_is_a_crash(void **state) {
    live(3);
    fail_as(0, CLIENT_GONE, "57P01", "quickdie");
    lose_receiver(1);
    assert_int_equal(suffer(10, CLIENT_GONE), VERDICT_DEAD);
}

static void a_terminated_backend_is_no_stop(void **state) {
    live(3);
    fail_as(0, CLIENT_GONE, "57P01", "ProcessInterrupts");
    live(2);
    lose_receiver(1);
    assert_int_equal(suffer(10, CLIENT_GONE), VERDICT_DEAD);
}

static void refusals_that_are_answers_are_no_death(void **state) {
    static const char *const states[] = {"53300", "28P01", "53100", "42501"};
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        live(3);
        for (int k = 0; k < 20; k++, now += INTERVAL) {
            fail_as(0, CLIENT_ALIVE, states[i], "");
            answer(1);
            judge();
            assert_int_equal(cluster.verdict, VERDICT_DEGRADED);
        }
    }
}

static void a_long_recovery_is_starting_and_overdue_at_last(void **state) {
    live(3);
    for (int k = 0; k < 121; k++, now += INTERVAL) {
        assert_false(cluster.startup_overdue);
        fail_as(0, CLIENT_ALIVE, "57P03", "");
        answer(1);
        assert_int_equal(judge(), VERDICT_STARTING);
    }
    assert_true(cluster.startup_overdue);
}

static void trouble_of_our_own_voids_what_was_counted(void **state) {
    live(3);
    lose_receiver(1);
    suffer(3, CLIENT_GONE);
    cluster_void(&cluster, "the monitor was late", now);
    assert_int_equal(judge(), VERDICT_VOID);
    assert_int_equal(suffer(3, CLIENT_GONE), VERDICT_SUSPECT);
    assert_int_equal(suffer(1, CLIENT_GONE), VERDICT_DEAD);
}

static void a_second_that_takes_writes_is_split_brain(void **state) {
    live(3);
    says[1].in_recovery = false;
    answer(0);
    answer(1);
    assert_int_equal(judge(), VERDICT_SPLIT_BRAIN);
    assert_int_equal(cluster.other, 1);
    assert_int_equal(cluster.candidate, NO_CANDIDATE);
}

static void what_others_promoted_is_adopted(void **state) {
    live(3);
    says[1].in_recovery = false;
    assert_int_equal(suffer(3, CLIENT_GONE), VERDICT_SUSPECT);
    assert_int_equal(suffer(1, CLIENT_GONE), VERDICT_DONE_BY_OTHERS);
    assert_int_equal(cluster.primary, 0);
    suffer(21, CLIENT_GONE);
    assert_int_equal(cluster.primary, 1);
    assert_int_equal(cluster.verdict, VERDICT_HEALTHY);
    assert_false(cluster.armed);
}

static void members_of_different_systems_are_a_mistake(void **state) {
    snprintf(is[1].system, sizeof(is[1].system), "7002");
    answer(0);
    answer(1);
    assert_int_equal(judge(), VERDICT_MISCONFIGURED);
    assert_false(cluster.ready[READY_SYSTEM]);
    assert_false(cluster.armed);
}

static void a_primary_in_recovery_is_demoted(void **state) {
    live(3);
    says[0].in_recovery = true;
    answer(0);
    answer(1);
    assert_int_equal(judge(), VERDICT_DEMOTED);
}

static void a_replica_that_follows_a_replica_has_no_word(void **state) {
    begin_again(3, false);
    snprintf(says[2].sender_host, sizeof(says[2].sender_host), "10.0.0.2");
    live(3);
    lose_receiver(1);
    assert_int_equal(suffer(10, CLIENT_GONE), VERDICT_DEAD);
}

static void an_unproven_sender_forbids_and_never_votes(void **state) {
    snprintf(says[1].sender_host, sizeof(says[1].sender_host), "10.9.9.9");
    live(3);
    assert_false(cluster.armed);
    assert_int_equal(suffer(10, CLIENT_GONE), VERDICT_UNREACHABLE);
    says[1].receiver = RECEIVER_NONE;
    assert_int_equal(suffer(1, CLIENT_GONE), VERDICT_UNPROVEN);
}

static void an_active_slot_proves_the_sender(void **state) {
    snprintf(says[1].sender_host, sizeof(says[1].sender_host), "10.9.9.9");
    snprintf(says[1].slot, sizeof(says[1].slot), "b");
    snprintf(says[0].slots, sizeof(says[0].slots), "ab,");
    answer(0);
    answer(1);
    judge();
    assert_int_equal(cluster_sender(&cluster, 1), SENDER_OTHER);
    snprintf(says[0].slots, sizeof(says[0].slots), "ab,b,");
    live(2);
    assert_int_equal(cluster_sender(&cluster, 1), SENDER_PRIMARY);
}

static void loopback_proves_only_what_runs_here(void **state) {
    snprintf(says[1].sender_host, sizeof(says[1].sender_host), "localhost");
    live(2);
    assert_int_equal(cluster_sender(&cluster, 1), SENDER_OTHER);
    cluster.members[0].is_local = cluster.members[1].is_local = true;
    assert_int_equal(cluster_sender(&cluster, 1), SENDER_PRIMARY);
}

static void what_cannot_be_seen_is_no_evidence(void **state) {
    live(3);
    says[1].receiver = RECEIVER_UNKNOWN;
    assert_int_equal(suffer(10, CLIENT_GONE), VERDICT_UNPROVEN);
    assert_false(cluster.ready[READY_RIGHTS]);
}

static void a_redis_primary_has_its_grace(void **state) {
    begin_again(2, true);
    live(3);
    lose_receiver(1);
    assert_int_equal(suffer(20, CLIENT_GONE), VERDICT_SUSPECT);
    assert_int_equal(suffer(1, CLIENT_GONE), VERDICT_DEAD);
}

static void a_redis_primary_that_comes_back_ends_its_grace(void **state) {
    begin_again(2, true);
    live(3);
    lose_receiver(1);
    suffer(15, CLIENT_GONE);
    live(1);
    assert_int_equal(suffer(15, CLIENT_GONE), VERDICT_SUSPECT);
}

/* ---- synchronous standbys ---- */

static void stream(const char *name, const char *address, bool synchronous) {
    struct answer_standby *standby = &says[0].standbys[says[0].n_standbys++];
    *standby = (struct answer_standby){.synchronous = synchronous};
    snprintf(standby->name, sizeof(standby->name), "%s", name);
    snprintf(standby->address, sizeof(standby->address), "%s", address);
}

/* Replicas two and three, of which the primary waits for the first. */
static void wait_for_one(void) {
    begin_again(3, false);
    snprintf(says[0].sync_names, sizeof(says[0].sync_names), "FIRST 1 (two, three)");
    snprintf(says[1].receiver_name, sizeof(says[1].receiver_name), "two");
    snprintf(says[2].receiver_name, sizeof(says[2].receiver_name), "three");
    stream("two", "10.0.0.2", true);
    stream("three", "10.0.0.3", false);
    cluster.options.quorum = 1;
    live(3);
    assert_true(cluster.ready[READY_SYNCHRONOUS]);
}

static void suffer_without(size_t missing, int rounds) {
    for (int i = 0; i < rounds; i++, now += INTERVAL) {
        for (size_t k = 0; k < 3; k++) {
            if (k == 0 || k == missing) {
                fails(k, CLIENT_GONE);
            } else {
                answer(k);
            }
        }
        judge();
    }
}

static void with_the_synchronous_standby_down_nobody_follows(void **state) {
    struct strbuf words = {0};
    wait_for_one();
    lose_receiver(2);
    suffer_without(1, 6);
    assert_int_equal(cluster.verdict, VERDICT_DEAD);
    assert_int_equal(cluster.candidate, NO_CANDIDATE);
    assert_int_equal(cluster.members[2].obstacle, OBSTACLE_SYNCHRONOUS);
    assert_false(cluster.ready[READY_SYNCHRONOUS]);
    assert_false(cluster.ready[READY_CANDIDATE]);
    cluster_reason_words(&cluster, READY_SYNCHRONOUS, &words);
    assert_string_equal(words.data, "cannot prove that 'three' holds every acknowledged commit "
                                    "(synchronous_standby_names = 'FIRST 1 (two, three)')");
    strbuf_deinit(&words);
}

static void with_another_standby_down_the_synchronous_one_follows(void **state) {
    wait_for_one();
    lose_receiver(1);
    suffer_without(2, 6);
    assert_int_equal(cluster.candidate, 1);
    assert_true(cluster.ready[READY_SYNCHRONOUS]);
}

static void a_standby_is_known_by_its_slot_and_by_its_address(void **state) {
    wait_for_one();
    snprintf(says[0].standbys[0].name, 64, "other");
    snprintf(says[0].standbys[0].slot, 64, "s");
    snprintf(says[1].slot, sizeof(says[1].slot), "s");
    says[2].receiver_name[0] = '\0';
    live(3);
    assert_int_equal(cluster.sync.seen[0].member, 2);
    assert_int_equal(cluster.sync.seen[1].member, 1);
    snprintf(says[0].standbys[0].slot, 64, "none");
    snprintf(says[0].standbys[1].address, 64, "10.0.0.9");
    live(3);
    for (size_t i = 0; i < cluster.sync.n_seen; i++) {
        assert_int_equal(cluster.sync.seen[i].member, SYNC_NO_MEMBER);
    }
}

static void two_of_one_name_and_host_are_not_told_apart(void **state) {
    wait_for_one();
    for (size_t i = 1; i < 3; i++) {
        snprintf(says[i].receiver_name, 64, "walreceiver");
        snprintf(says[0].standbys[i - 1].name, 64, "walreceiver");
        says[0].standbys[i - 1].address[0] = '\0';
    }
    snprintf(says[0].sync_names, sizeof(says[0].sync_names), "*");
    live(3);
    assert_false(cluster.ready[READY_SYNCHRONOUS]);
    assert_int_equal(cluster.candidate, NO_CANDIDATE);
}

static void a_copied_list_would_make_commits_wait(void **state) {
    struct strbuf words = {0};
    snprintf(says[1].sync_names, sizeof(says[1].sync_names), "two");
    live(3);
    assert_false(cluster.ready[READY_COMMITS]);
    assert_int_equal(cluster.candidate, 1);
    cluster_ready_words(&cluster, &words);
    assert_non_null(strstr(words.data, "commits would wait for a standby once 'two' is promoted"));
    strbuf_deinit(&words);
}

/* ---- managers and rights ---- */

static void another_manager_is_named(void **state) {
    struct strbuf words = {0};
    live(3);
    assert_null(cluster.manager);
    learn(1, "Patroni", PROMOTE_GRANTED);
    live(1);
    assert_string_equal(cluster.manager, "Patroni");
    assert_false(cluster.ready[READY_MANAGER]);
    cluster_ready_words(&cluster, &words);
    assert_string_equal(words.data, "Patroni is in charge");
    learn(1, NULL, PROMOTE_GRANTED);
    live(1);
    assert_true(cluster.ready[READY_MANAGER]);
    strbuf_deinit(&words);
}

static void a_configured_sentinel_is_in_charge(void **state) {
    begin_again(2, true);
    cluster.has_sentinel = true;
    live(3);
    assert_string_equal(cluster.manager, "Sentinel");
}

static void without_facts_nobody_is_ruled_out(void **state) {
    cluster.members[0].has_facts = cluster.members[1].has_facts = false;
    cluster_answered(&cluster, 0, &says[0], &is[0], now);
    judge();
    assert_false(cluster.ready[READY_MANAGER]);
    assert_null(cluster.manager);
}

static void a_missing_right_to_promote_is_told(void **state) {
    live(3);
    learn(0, NULL, PROMOTE_MISSING); /* it is the primary */
    live(1);
    assert_true(cluster.ready[READY_PROMOTE]);
    learn(1, NULL, PROMOTE_MISSING);
    live(1);
    assert_false(cluster.ready[READY_PROMOTE]);
    cluster.members[1].excluded = true;
    live(1);
    assert_true(cluster.ready[READY_PROMOTE]);
}

/* ---- witnesses ---- */

static void report(uint64_t age_usec, bool fails) {
    const struct witness_report said = {
        .answered = true, .age_usec = age_usec, .fails = fails, .system = "7001"};
    cluster_witnessed(&cluster, 0, &said, now);
}

/* The primary fails us and the replica; the witness says that it heard it so long ago. */
static enum verdict suffer_with_witness(int rounds, uint64_t age_usec, bool fails_it) {
    for (int i = 0; i < rounds; i++, now += INTERVAL) {
        fails(0, CLIENT_GONE);
        answer(1);
        report(age_usec + (fails_it ? (uint64_t)i * INTERVAL : 0), fails_it);
        judge();
    }
    return cluster.verdict;
}

static void a_witness_that_hears_it_forbids_it(void **state) {
    live(3);
    cluster.n_witnesses = 1;
    lose_receiver(1);
    assert_int_equal(suffer_with_witness(20, 100 * USEC_PER_MSEC, false), VERDICT_UNREACHABLE);
}

static void a_witness_that_heard_it_before_does_not(void **state) {
    live(3);
    cluster.n_witnesses = 1;
    lose_receiver(1);
    assert_int_equal(suffer_with_witness(5, 100 * USEC_PER_MSEC, true), VERDICT_DEAD);
}

static void what_a_witness_heard_long_ago_forbids_nothing_for_ever(void **state) {
    live(3);
    cluster.n_witnesses = 1;
    lose_receiver(1);
    assert_int_equal(suffer_with_witness(10, 100 * USEC_PER_MSEC, false), VERDICT_UNREACHABLE);
    assert_int_equal(suffer_with_witness(3, 100 * USEC_PER_MSEC, true), VERDICT_UNREACHABLE);
    assert_int_equal(suffer_with_witness(8, 1600 * USEC_PER_MSEC, true), VERDICT_DEAD);
}

static void a_witness_of_another_system_says_nothing(void **state) {
    live(3);
    cluster.n_witnesses = 1;
    lose_receiver(1);
    for (int i = 0; i < 5; i++, now += INTERVAL) {
        const struct witness_report said = {.answered = true, .system = "9"};
        fails(0, CLIENT_GONE);
        answer(1);
        cluster_witnessed(&cluster, 0, &said, now);
        judge();
    }
    assert_int_equal(cluster.verdict, VERDICT_DEAD);
}

static void on_our_own_host_a_witness_that_fails_too_is_the_other_pair_of_eyes(void **state) {
    cluster.members[1].is_local = true;
    live(3);
    lose_receiver(1);
    assert_int_equal(suffer(5, CLIENT_GONE), VERDICT_UNPROVEN);
    cluster.n_witnesses = 1;
    assert_int_equal(suffer_with_witness(1, 9 * USEC_PER_SEC, true), VERDICT_DEAD);
    now += INTERVAL; /* it says no more */
    assert_int_equal(suffer(4, CLIENT_GONE), VERDICT_UNPROVEN);
}

/* ---- over a restart of the monitor ---- */

static struct strbuf saved;

static void save(void) {
    strbuf_clear(&saved);
    cluster_view_pack(&cluster, str_of(BOOT), now, &saved);
}

static int restart(uint64_t away_usec, const char *boot_id) {
    struct error err = {0};
    begin_again(2, false);
    now += away_usec;
    return cluster_view_unpack(&cluster, strbuf_view(&saved), str_of(boot_id), now, &err);
}

static void a_primary_that_died_meanwhile_is_dead(void **state) {
    live(3);
    save();
    assert_int_equal(restart(2 * USEC_PER_SEC, BOOT), 0);
    assert_true(cluster.armed);
    lose_receiver(1);
    says[1].timeline = 0; /* known only while it streams */
    assert_int_equal(suffer(4, CLIENT_GONE), VERDICT_DEAD);
    assert_true(cluster.ready[READY_ARMED]);
    assert_int_equal(cluster.candidate, 1);
    strbuf_deinit(&saved);
}

static void whom_the_primary_waited_for_is_remembered(void **state) {
    wait_for_one();
    learn(0, "repmgr", PROMOTE_GRANTED);
    save();
    begin_again(3, false);
    assert_int_equal(cluster_view_unpack(&cluster, strbuf_view(&saved), str_of(BOOT), now, NULL),
                     0);
    cluster.options.quorum = 1;
    lose_receiver(2);
    suffer_without(1, 6);
    assert_int_equal(cluster.members[2].obstacle, OBSTACLE_SYNCHRONOUS);
    assert_string_equal(cluster.manager, "repmgr");
    lose_receiver(1);
    suffer_without(2, 2);
    assert_int_equal(cluster.candidate, 1);
    strbuf_deinit(&saved);
}

static void a_view_of_another_life_arms_nothing(void **state) {
    live(3);
    save();
    assert_int_equal(restart(2 * USEC_PER_SEC, "other"), 0);
    assert_int_equal(cluster.primary, 0);
    assert_false(cluster.armed);
    lose_receiver(1);
    assert_int_equal(suffer(10, CLIENT_GONE), VERDICT_UNPROVEN);
    strbuf_deinit(&saved);
}

static void an_old_view_arms_nothing(void **state) {
    live(3);
    save();
    assert_int_equal(restart(31 * USEC_PER_SEC, BOOT), 0);
    assert_false(cluster.armed);
    strbuf_deinit(&saved);
}

static void a_stop_is_remembered(void **state) {
    live(3);
    fail_as(0, CLIENT_GONE, "57P01", "ProcessInterrupts");
    save();
    assert_int_equal(restart(USEC_PER_SEC, BOOT), 0);
    assert_false(cluster.armed);
    lose_receiver(1);
    assert_int_equal(suffer(10, CLIENT_GONE), VERDICT_STOPPED);
    strbuf_deinit(&saved);
}

static void a_damaged_view_is_refused(void **state) {
    live(3);
    save();
    for (size_t i = 0; i < saved.len; i++) {
        saved.data[i] ^= 4;
        assert_int_equal(restart(0, BOOT), -EBADMSG);
        assert_int_equal(cluster.primary, CLUSTER_NO_MEMBER);
        saved.data[i] ^= 4;
    }
    for (size_t len = saved.len; saved.len > 0; saved.len--) {
        assert_int_equal(restart(0, BOOT), saved.len == len ? 0 : -EBADMSG);
    }
    strbuf_deinit(&saved);
}

static void words_say_who_said_what(void **state) {
    struct strbuf words = {0};
    live(3);
    lose_receiver(1);
    suffer(4, CLIENT_GONE);
    cluster_words(&cluster, now, &words);
    assert_string_equal(words.data,
                        "one: gone for 2.0s (4 in a row): it failed, answered last 2.5s ago; "
                        "two: replica, has lost the primary, streamed last 2.5s ago");
    strbuf_deinit(&words);
}

int main(void) {
#define DRAMA(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        DRAMA(a_whole_cluster_is_healthy_armed_and_ready),
        DRAMA(a_lost_primary_is_dead_after_the_window),
        DRAMA(how_much_may_be_lost_is_the_rate_before_its_end),
        DRAMA(a_death_right_after_the_first_answers_is_one),
        DRAMA(a_replica_that_streams_forbids_it),
        DRAMA(idle_replicas_of_a_cut_off_primary_forbid_it),
        DRAMA(silence_on_both_sides_is_silent_and_never_dead),
        DRAMA(an_age_that_does_not_grow_is_no_vote),
        DRAMA(one_of_three_that_streams_forbids_it),
        DRAMA(one_vote_of_two_is_not_enough),
        DRAMA(nobody_reached_is_ourselves),
        DRAMA(a_receiver_that_was_gone_before_is_no_vote),
        DRAMA(a_death_between_two_answers_of_a_round_counts),
        DRAMA(a_fast_stop_is_its_operators),
        DRAMA(a_fast_stop_that_turns_new_ones_away_first_is_too),
        DRAMA(an_immediate_stop_is_a_crash),
        DRAMA(a_terminated_backend_is_no_stop),
        DRAMA(refusals_that_are_answers_are_no_death),
        DRAMA(a_long_recovery_is_starting_and_overdue_at_last),
        DRAMA(trouble_of_our_own_voids_what_was_counted),
        DRAMA(a_second_that_takes_writes_is_split_brain),
        DRAMA(what_others_promoted_is_adopted),
        DRAMA(members_of_different_systems_are_a_mistake),
        DRAMA(a_primary_in_recovery_is_demoted),
        DRAMA(a_replica_that_follows_a_replica_has_no_word),
        DRAMA(an_unproven_sender_forbids_and_never_votes),
        DRAMA(an_active_slot_proves_the_sender),
        DRAMA(loopback_proves_only_what_runs_here),
        DRAMA(what_cannot_be_seen_is_no_evidence),
        DRAMA(a_redis_primary_has_its_grace),
        DRAMA(a_redis_primary_that_comes_back_ends_its_grace),
        DRAMA(a_primary_that_died_meanwhile_is_dead),
        DRAMA(with_the_synchronous_standby_down_nobody_follows),
        DRAMA(with_another_standby_down_the_synchronous_one_follows),
        DRAMA(a_standby_is_known_by_its_slot_and_by_its_address),
        DRAMA(two_of_one_name_and_host_are_not_told_apart),
        DRAMA(a_copied_list_would_make_commits_wait),
        DRAMA(another_manager_is_named),
        DRAMA(a_configured_sentinel_is_in_charge),
        DRAMA(without_facts_nobody_is_ruled_out),
        DRAMA(a_missing_right_to_promote_is_told),
        DRAMA(a_witness_that_hears_it_forbids_it),
        DRAMA(a_witness_that_heard_it_before_does_not),
        DRAMA(what_a_witness_heard_long_ago_forbids_nothing_for_ever),
        DRAMA(a_witness_of_another_system_says_nothing),
        DRAMA(on_our_own_host_a_witness_that_fails_too_is_the_other_pair_of_eyes),
        DRAMA(whom_the_primary_waited_for_is_remembered),
        DRAMA(a_view_of_another_life_arms_nothing),
        DRAMA(an_old_view_arms_nothing),
        DRAMA(a_stop_is_remembered),
        DRAMA(a_damaged_view_is_refused),
        DRAMA(words_say_who_said_what),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
