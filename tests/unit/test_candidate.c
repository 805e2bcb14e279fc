/* SPDX-License-Identifier: Apache-2.0 */

/* Who is promoted: the member that has the most, and nobody of whom that is not certain. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/macros.h"
#include "failover/candidate.h"

#define MIB ((uint64_t)1024 * 1024)

static const struct candidate_primary primary = {{"sys", 3}, 4, 1000 * MIB};
static const struct candidate_limits limits = {.max_lag_bytes = 16 * MIB,
                                               .max_replay_bytes = 256 * MIB};

static struct candidate_member member(const char *name, uint64_t received) {
    return (struct candidate_member){
        .name = str_of(name),
        .reachable = true,
        .in_recovery = true,
        .system = str_of("sys"),
        .timeline = 4,
        .received = received,
        .replayed = received,
    };
}

static void expect(struct candidate_member changed, enum obstacle obstacle) {
    enum obstacle found = candidate_obstacle(&changed, &primary, &limits);
    assert_string_equal(obstacle_names[found], obstacle_names[obstacle]);
}

/* A member that could be promoted, changed in one point. */
#define EXPECT(obstacle_, change_)                                                                 \
    do {                                                                                           \
        struct candidate_member m = member("a", 1000 * MIB);                                       \
        change_;                                                                                   \
        expect(m, obstacle_);                                                                      \
    } while (0)

static void each_obstacle_is_one(void **state) {
    EXPECT(OBSTACLE_NONE, (void)0);
    EXPECT(OBSTACLE_UNREACHABLE, m.reachable = false);
    EXPECT(OBSTACLE_EXCLUDED, m.excluded = true);
    EXPECT(OBSTACLE_OTHER_SYSTEM, m.system = str_of("other"));
    EXPECT(OBSTACLE_OTHER_SYSTEM, m.system = str_of(""));
    EXPECT(OBSTACLE_NO_REPLICA, m.in_recovery = false);
    EXPECT(OBSTACLE_PAUSED, m.paused = true);
    EXPECT(OBSTACLE_DELAYED, m.apply_delay_usec = 1);
    EXPECT(OBSTACLE_SYNCING, m.syncing = true);
    EXPECT(OBSTACLE_TIMELINE, m.timeline = 3);
    EXPECT(OBSTACLE_NONE, m.timeline = 5);
    EXPECT(OBSTACLE_NONE, m.replayed = 744 * MIB);
    EXPECT(OBSTACLE_REPLAY, m.replayed = 744 * MIB - 1);
    EXPECT(OBSTACLE_NONE, m.received = m.replayed = 984 * MIB);
    EXPECT(OBSTACLE_LAG, m.received = m.replayed = 984 * MIB - 1);
    EXPECT(OBSTACLE_NONE, m.received = 0); /* replayed from an archive */
    EXPECT(OBSTACLE_NONE, m.received = m.replayed = 2000 * MIB);
}

static void the_one_that_has_most_is_chosen(void **state) {
    struct candidate_member members[] = {member("c", 1000 * MIB), member("b", 1000 * MIB),
                                         member("a", 999 * MIB)};
    assert_int_equal(candidate_choose(members, 3, &primary, &limits), 1); /* the first name */
    members[0].priority = 1;
    assert_int_equal(candidate_choose(members, 3, &primary, &limits), 0);
    members[1].received++;
    assert_int_equal(candidate_choose(members, 3, &primary, &limits), 1); /* before priority */
    members[2].timeline = 5;
    assert_int_equal(candidate_choose(members, 3, &primary, &limits), 2); /* before position */
    members[2].paused = true;
    assert_int_equal(candidate_choose(members, 3, &primary, &limits), 1);
    members[0].reachable = members[1].reachable = false;
    assert_int_equal(candidate_choose(members, 3, &primary, &limits), NO_CANDIDATE);
    assert_int_equal(candidate_choose(members, 0, &primary, &limits), NO_CANDIDATE);
}

struct sync_case {
    const char *what;
    enum sync_rule rule;
    size_t quorum;
    /* For each standby: reachable R or r not; last synchronous S, s not; absent A, a not. */
    const char *standbys;
    bool proven;
};

static void what_was_acknowledged_is_never_lost(void **state) {
    static const struct sync_case cases[] = {
        {"nothing was promised", SYNC_OFF, 0, "", true},
        {"the synchronous one is there", SYNC_FIRST, 1, "RSa Rsa", true},
        {"it is not, the other may be behind", SYNC_FIRST, 1, "rSa Rsa", false},
        {"it was absent, and the next had taken over", SYNC_FIRST, 1, "rsA RSa", true},
        {"a better one came back unseen", SYNC_FIRST, 1, "rsa RSa", false},
        {"none was synchronous", SYNC_FIRST, 1, "Rsa Rsa", false},
        {"nobody is listed", SYNC_FIRST, 1, "", false},
        {"any 1 of 2 needs both", SYNC_ANY, 1, "RSa rSa", false},
        {"both are there", SYNC_ANY, 1, "RSa RSa", true},
        {"any 2 of 3 needs two", SYNC_ANY, 2, "RSa RSa rSa", true},
        {"one is too few", SYNC_ANY, 2, "RSa rSa rSa", false},
        {"more than there are", SYNC_ANY, 4, "RSa RSa RSa", false},
        {"of none", SYNC_ANY, 0, "RSa", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sync_standby standbys[8];
        size_t n = 0;
        for (const char *text = cases[i].standbys; *text != '\0'; text += text[3] == ' ' ? 4 : 3) {
            standbys[n++] = (struct sync_standby){text[0] == 'R', text[1] == 'S', text[2] == 'A'};
        }
        bool proven = sync_proves(cases[i].rule, cases[i].quorum, standbys, n);
        if (proven != cases[i].proven) {
            fail_msg("%s", cases[i].what);
        }
    }
}

/* Against all ways in which ANY can have been served: who was in the quorum of a commit. */
static void any_is_right_for_every_quorum(void **state) {
    for (unsigned n = 1; n <= 5; n++) {
        for (unsigned quorum = 1; quorum <= n; quorum++) {
            for (unsigned there = 0; there < 1U << n; there++) {
                bool always = true;
                for (unsigned held = 0; held < 1U << n; held++) {
                    bool acknowledged = (unsigned)__builtin_popcount(held) >= quorum;
                    always &= !acknowledged || (held & there) != 0;
                }
                struct sync_standby standbys[5] = {{0}};
                for (unsigned i = 0; i < n; i++) {
                    standbys[i].reachable = (there >> i & 1) != 0;
                }
                assert_int_equal(sync_proves(SYNC_ANY, quorum, standbys, n), always);
            }
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_obstacle_is_one),
        cmocka_unit_test(the_one_that_has_most_is_chosen),
        cmocka_unit_test(what_was_acknowledged_is_never_lost),
        cmocka_unit_test(any_is_right_for_every_quorum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
