/* SPDX-License-Identifier: Apache-2.0 */

/* The verdicts on a cluster: every combination has one, and none of the dangerous ones acts. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/macros.h"
#include "failover/verdict.h"

static bool fits(const struct verdict_row *row, int primary, int replicas, int others) {
    return (row->primary >> primary & 1) != 0 && (row->replicas >> replicas & 1) != 0 &&
           (row->others >> others & 1) != 0;
}

/* Calls check() with every combination and the verdict on it. */
static void for_all(void (*check)(int primary, int replicas, int others, enum verdict verdict)) {
    for (int primary = 0; primary < PRIMARY_VIEWS; primary++) {
        for (int replicas = 0; replicas < REPLICA_VIEWS; replicas++) {
            for (int others = 0; others < OTHER_VIEWS; others++) {
                check(primary, replicas, others, verdict_of(primary, replicas, others));
            }
        }
    }
}

static void has_a_row(int primary, int replicas, int others, enum verdict verdict) {
    bool found = false;
    for (size_t i = 0; i < n_verdict_rows; i++) {
        found |= fits(&verdict_rows[i], primary, replicas, others);
    }
    assert_true(found);
}

static void every_combination_has_a_row(void **state) {
    for_all(has_a_row);
}

static void no_row_is_hidden_behind_those_before_it(void **state) {
    for (size_t i = 0; i < n_verdict_rows; i++) {
        bool reached = false;
        for (int p = 0; p < PRIMARY_VIEWS; p++) {
            for (int r = 0; r < REPLICA_VIEWS; r++) {
                for (int o = 0; o < OTHER_VIEWS; o++) {
                    size_t first = 0;
                    while (!fits(&verdict_rows[first], p, r, o)) {
                        first++;
                    }
                    reached |= first == i;
                }
            }
        }
        assert_true(reached);
    }
}

static void acts_only_on_a_lost_primary(int primary, int replicas, int others,
                                        enum verdict verdict) {
    enum verdict_consequence consequence = verdict_consequences[verdict];
    if (consequence == MAY_FAIL_OVER) {
        assert_int_equal(primary, PRIMARY_GONE);
    }
    if (consequence == MAY_FAIL_OVER_FENCED) {
        assert_int_equal(primary, PRIMARY_SILENT);
    }
    if (consequence >= MAY_FAIL_OVER_FENCED) {
        assert_int_equal(replicas, REPLICAS_LOST);
        assert_int_equal(others, OTHER_NONE);
    }
}

static void nothing_but_a_lost_primary_that_replicas_lost_too_is_failed_over(void **state) {
    for_all(acts_only_on_a_lost_primary);
    assert_int_equal(verdict_of(PRIMARY_GONE, REPLICAS_LOST, OTHER_NONE), VERDICT_DEAD);
    assert_int_equal(verdict_of(PRIMARY_SILENT, REPLICAS_LOST, OTHER_NONE), VERDICT_SILENT);
}

struct verdict_case {
    enum primary_view primary;
    enum replica_view replicas;
    enum other_view others;
    enum verdict verdict;
};

static void the_table_says_what_the_manual_says(void **state) {
    static const struct verdict_case cases[] = {
        {PRIMARY_GONE, REPLICAS_HEAR, OTHER_NONE, VERDICT_UNREACHABLE},
        {PRIMARY_SILENT, REPLICAS_HEAR, OTHER_NONE, VERDICT_UNREACHABLE},
        {PRIMARY_SILENT, REPLICAS_UNREACHABLE, OTHER_NONE, VERDICT_CUT_OFF},
        {PRIMARY_GONE, REPLICAS_UNREACHABLE, OTHER_NONE, VERDICT_CUT_OFF},
        {PRIMARY_GONE, REPLICAS_UNPROVEN, OTHER_NONE, VERDICT_UNPROVEN},
        {PRIMARY_RECOVERING, REPLICAS_LOST, OTHER_NONE, VERDICT_DEMOTED},
        {PRIMARY_STOPPED, REPLICAS_LOST, OTHER_NONE, VERDICT_STOPPED},
        {PRIMARY_STARTING, REPLICAS_LOST, OTHER_NONE, VERDICT_STARTING},
        {PRIMARY_DEGRADED, REPLICAS_LOST, OTHER_NONE, VERDICT_DEGRADED},
        {PRIMARY_GONE, REPLICAS_LOST, OTHER_WRITABLE, VERDICT_DONE_BY_OTHERS},
        {PRIMARY_RECOVERING, REPLICAS_HEAR, OTHER_WRITABLE, VERDICT_DONE_BY_OTHERS},
        {PRIMARY_WRITABLE, REPLICAS_HEAR, OTHER_WRITABLE, VERDICT_SPLIT_BRAIN},
        {PRIMARY_SILENT, REPLICAS_LOST, OTHER_WRITABLE, VERDICT_SPLIT_BRAIN},
        {PRIMARY_DEGRADED, REPLICAS_LOST, OTHER_WRITABLE, VERDICT_SPLIT_BRAIN},
        {PRIMARY_SUSPECT, REPLICAS_LOST, OTHER_WRITABLE, VERDICT_SUSPECT},
        {PRIMARY_STARTING, REPLICAS_LOST, OTHER_WRITABLE, VERDICT_STARTING},
        {PRIMARY_GONE, REPLICAS_LOST, OTHER_FOREIGN, VERDICT_MISCONFIGURED},
        {PRIMARY_VOID, REPLICAS_LOST, OTHER_NONE, VERDICT_VOID},
        {PRIMARY_SUSPECT, REPLICAS_LOST, OTHER_NONE, VERDICT_SUSPECT},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct verdict_case *row = &cases[i];
        enum verdict verdict = verdict_of(row->primary, row->replicas, row->others);
        assert_string_equal(verdict_names[verdict], verdict_names[row->verdict]);
    }
}

static void everything_has_a_name(void **state) {
    for (int i = 0; i < VERDICTS; i++) {
        assert_non_null(verdict_names[i]);
    }
    for (int i = 0; i < PRIMARY_VIEWS; i++) {
        assert_non_null(primary_view_names[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_combination_has_a_row),
        cmocka_unit_test(no_row_is_hidden_behind_those_before_it),
        cmocka_unit_test(nothing_but_a_lost_primary_that_replicas_lost_too_is_failed_over),
        cmocka_unit_test(the_table_says_what_the_manual_says),
        cmocka_unit_test(everything_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
