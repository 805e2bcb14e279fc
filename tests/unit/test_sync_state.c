/* SPDX-License-Identifier: Apache-2.0 */

/* Whether what is left of a cluster holds every commit that its primary acknowledged. Member 0 is
 * the primary. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/macros.h"
#include "failover/sync_state.h"

static struct sync_state sync_state;
static struct member_answer answer;
static size_t rows[ANSWER_MOST_STANDBYS];
static struct sync_member members[4];

static int set_up(void **state) {
    static const char *const names[] = {"", "a", "b", "c"};
    sync_state = (struct sync_state){0};
    answer = (struct member_answer){.position = 1000};
    for (size_t i = 0; i < 4; i++) {
        members[i] = (struct sync_member){
            .name = names[i], .reachable = i > 0, .position = 1000, .is_primary = i == 0};
    }
    return 0;
}

static void row(const char *name, size_t member, bool synchronous) {
    struct answer_standby *standby = &answer.standbys[answer.n_standbys];
    *standby = (struct answer_standby){.synchronous = synchronous};
    snprintf(standby->name, sizeof(standby->name), "%s", name);
    rows[answer.n_standbys++] = member;
}

static void rule(const char *text) {
    snprintf(answer.sync_names, sizeof(answer.sync_names), "%s", text);
}

static void say(void) {
    sync_state_take(&sync_state, &answer, rows);
}

static bool proves(size_t candidate) {
    return sync_state_proves(&sync_state, members, 4, candidate);
}

static void nothing_known_is_no_proof(void **state) {
    assert_false(proves(1));
    rule("a b");
    say();
    assert_false(proves(1));
}

static void nobody_waited_for_needs_no_proof(void **state) {
    say();
    assert_true(proves(1));
    assert_true(proves(SYNC_NO_MEMBER));
}

static void the_synchronous_one_that_is_left_proves(void **state) {
    rule("a, b");
    row("a", 1, true);
    row("b", 2, false);
    say();
    assert_true(proves(1));
    members[2].reachable = false;
    assert_true(proves(1));
}

static void the_synchronous_one_that_is_down_as_well_leaves_no_proof(void **state) {
    rule("FIRST 1 (a, b)");
    row("a", 1, true);
    row("b", 2, false);
    say();
    members[1].reachable = false;
    assert_false(proves(2));
    assert_false(proves(3));
    assert_false(proves(SYNC_NO_MEMBER));
}

static void one_ahead_of_the_candidate_proves_nothing_for_it(void **state) {
    rule("a");
    row("a", 1, true);
    say();
    members[1].position = 1001;
    assert_false(proves(2));
    members[2].position = 1001;
    assert_true(proves(2));
}

static void absent_is_who_is_in_neither_of_two_answers(void **state) {
    rule("a, b");
    row("a", 1, true);
    row("b", 2, false);
    say();
    members[1].reachable = false;
    answer.n_standbys = 0;
    row("b", 2, true);
    say();
    assert_false(proves(2)); /* one answer is not enough */
    say();
    assert_true(proves(2));
}

static void who_follows_has_what_an_absent_one_may_have_acknowledged(void **state) {
    rule("a, b");
    row("a", 1, true);
    row("b", 2, false);
    say();
    members[1].reachable = false;
    answer.n_standbys = 0;
    answer.position = 2000;
    row("b", 2, true);
    say();
    answer.position = 3000;
    say();
    members[2].position = 1999;
    assert_false(proves(2));
    members[2].position = 2000;
    assert_true(proves(2));
}

static void another_rule_begins_anew(void **state) {
    rule("a");
    row("a", 1, true);
    say();
    answer.n_standbys = 0;
    row("b", 2, true);
    rule("b");
    answer.position = 1500;
    say();
    members[2].position = 1499;
    assert_false(proves(2));
    members[2].position = 1500;
    assert_true(proves(2));
}

static void an_unknown_standby_is_not_reachable(void **state) {
    rule("x, a");
    row("a", 1, true);
    row("x", SYNC_NO_MEMBER, false);
    say();
    assert_false(proves(1));
}

static void of_one_name_all_must_be_there(void **state) {
    rule("*");
    row("walreceiver", 1, true);
    row("walreceiver", 2, false);
    snprintf(answer.standbys[1].address, sizeof(answer.standbys[1].address), "10.0.0.3");
    say();
    assert_true(proves(1));
    members[2].reachable = false;
    assert_false(proves(1));
}

static void of_any_so_many_are_left_that_no_quorum_was_without_them(void **state) {
    rule("ANY 1 (a, b)");
    row("a", 1, true);
    row("b", 2, true);
    say();
    assert_true(proves(1));
    members[2].reachable = false;
    assert_false(proves(1));
    rule("ANY 2 (a, b)");
    say();
    assert_true(proves(1));
}

static void of_any_that_is_absent_its_member_counts_by_name(void **state) {
    rule("ANY 1 (a, b)");
    row("a", 1, true);
    say();
    assert_true(proves(1));
    members[2].name = "";
    assert_false(proves(1));
}

static void of_any_star_every_member_counts(void **state) {
    rule("ANY 1 (*)");
    row("a", 1, true);
    say();
    assert_true(proves(1));
    members[3].reachable = false;
    assert_false(proves(1));
    rule("ANY 2 (*)");
    say();
    assert_true(proves(1));
}

static void what_was_cut_is_no_proof(void **state) {
    rule("a");
    row("a", 1, true);
    answer.sync_cut = true;
    say();
    assert_false(proves(1));
}

static void a_full_answer_twice_over_fits(void **state) {
    char name[32];
    rule("*");
    for (int round = 0; round < 4; round++) {
        answer.n_standbys = 0;
        for (int i = 0; i < ANSWER_MOST_STANDBYS; i++) {
            snprintf(name, sizeof(name), "s%d-%d", round, i);
            row(name, SYNC_NO_MEMBER, false);
        }
        say();
        assert_true(sync_state.n_seen <= SYNC_MOST_SEEN);
    }
    assert_int_equal(sync_state.n_seen, SYNC_MOST_SEEN);
    assert_false(proves(1));
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        CASE(nothing_known_is_no_proof),
        CASE(nobody_waited_for_needs_no_proof),
        CASE(the_synchronous_one_that_is_left_proves),
        CASE(the_synchronous_one_that_is_down_as_well_leaves_no_proof),
        CASE(one_ahead_of_the_candidate_proves_nothing_for_it),
        CASE(absent_is_who_is_in_neither_of_two_answers),
        CASE(who_follows_has_what_an_absent_one_may_have_acknowledged),
        CASE(another_rule_begins_anew),
        CASE(an_unknown_standby_is_not_reachable),
        CASE(of_one_name_all_must_be_there),
        CASE(of_any_so_many_are_left_that_no_quorum_was_without_them),
        CASE(of_any_that_is_absent_its_member_counts_by_name),
        CASE(of_any_star_every_member_counts),
        CASE(what_was_cut_is_no_proof),
        CASE(a_full_answer_twice_over_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
