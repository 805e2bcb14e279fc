/* SPDX-License-Identifier: Apache-2.0 */

/* Which collectors leave the rounds, for how long they may run, and who gets how much. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/duration.h"
#include "base/mem.h"
#include "sampler/walk_plan.h"

static size_t place_of(const char *name) {
    size_t i = 0;
    while (collector_list[i]->kind != KIND_POSTGRES || strcmp(collector_list[i]->name, name) != 0) {
        i++;
    }
    return i;
}

static struct collector_settings *settings_of(struct target_options *options, const char *name) {
    return &options->collectors[place_of(name)];
}

static enum walk_way way_of(struct target_options *options, const char *name) {
    return walk_way_of(options, collector_list[place_of(name)], settings_of(options, name));
}

static void by_default_everything_is_in_the_rounds(void **state) {
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        struct target_options options;
        target_options_init(&options, (enum target_kind)kind);
        for (size_t i = 0; collector_list[i] != NULL; i++) {
            assert_int_equal(walk_way_of(&options, collector_list[i], &options.collectors[i]),
                             WALK_NOT);
        }
        assert_true(walk_longest_timeout(&options) == 0);
        target_options_deinit(&options);
    }
}

static void a_timeout_above_a_third_of_the_rounds_leaves_them(void **state) {
    struct target_options options;
    target_options_init(&options, KIND_POSTGRES);
    options.timeout_usec = 3 * USEC_PER_SEC;
    struct collector_settings *settings = settings_of(&options, "database_size");
    settings->timeout_usec = USEC_PER_SEC;
    assert_int_equal(way_of(&options, "database_size"), WALK_NOT);
    settings->timeout_usec++;
    assert_int_equal(way_of(&options, "database_size"), WALK_ONCE);
    assert_true(walk_timeout(&options, settings) == USEC_PER_SEC + 1);
    assert_true(walk_longest_timeout(&options) == USEC_PER_SEC + 1);
    settings->enabled = false;
    assert_true(walk_longest_timeout(&options) == 0);
    target_options_deinit(&options);
}

static void what_tells_whether_the_server_is_up_stays_in_the_rounds(void **state) {
    struct target_options options;
    target_options_init(&options, KIND_POSTGRES);
    settings_of(&options, "server")->timeout_usec = 3600 * USEC_PER_SEC;
    assert_int_equal(way_of(&options, "server"), WALK_NOT);
    target_options_deinit(&options);
}

static void other_servers_have_no_second_connection(void **state) {
    for (int kind = KIND_POSTGRES + 1; kind < KIND_COUNT; kind++) {
        struct target_options options;
        target_options_init(&options, (enum target_kind)kind);
        for (size_t i = 0; collector_list[i] != NULL; i++) {
            options.collectors[i].timeout_usec = 3600 * USEC_PER_SEC;
            assert_int_equal(walk_way_of(&options, collector_list[i], &options.collectors[i]),
                             WALK_NOT);
        }
        target_options_deinit(&options);
    }
}

static void with_databases_those_that_know_only_one_are_asked_in_each(void **state) {
    static const char *const each[] = {"user_tables", "statio_user_tables", "user_indexes",
                                       "table_sizes"};
    struct target_options options;
    size_t found = 0;
    target_options_init(&options, KIND_POSTGRES);
    options.databases.given = true;
    for (size_t i = 0; collector_list[i] != NULL; i++) {
        found += walk_way_of(&options, collector_list[i], &options.collectors[i]) == WALK_EACH;
    }
    for (size_t i = 0; i < ARRAY_LEN(each); i++) {
        assert_int_equal(way_of(&options, each[i]), WALK_EACH);
    }
    assert_int_equal(found, ARRAY_LEN(each));
    assert_int_equal(way_of(&options, "database_size"), WALK_NOT);
    assert_true(walk_longest_timeout(&options) == USEC_PER_SEC);
    settings_of(&options, "table_sizes")->timeout_usec = 20 * USEC_PER_SEC;
    settings_of(&options, "database_size")->timeout_usec = 30 * USEC_PER_SEC;
    assert_true(walk_longest_timeout(&options) == 30 * USEC_PER_SEC);
    target_options_deinit(&options);
}

static void nothing_runs_more_often_than_the_rounds(void **state) {
    struct target_options options;
    target_options_init(&options, KIND_POSTGRES);
    struct collector_settings *settings = settings_of(&options, "user_tables");
    settings->interval_usec = 0;
    assert_true(walk_interval(&options, settings) == options.interval_usec);
    settings->interval_usec = 30 * USEC_PER_SEC;
    assert_true(walk_interval(&options, settings) == 30 * USEC_PER_SEC);
    target_options_deinit(&options);
}

static void visits_are_spread_over_a_tenth_of_the_interval(void **state) {
    assert_true(walk_pace(30 * USEC_PER_SEC, 50) == 60 * USEC_PER_MSEC);
    assert_true(walk_pace(3600 * USEC_PER_SEC, 50) == 7200 * USEC_PER_MSEC);
    assert_true(walk_pace(30 * USEC_PER_SEC, 1) == 0);
    assert_true(walk_pace(30 * USEC_PER_SEC, 0) == 0);
}

static void who_wants_little_gets_it_and_the_others_share_evenly(void **state) {
    static const struct {
        size_t wants[4], count, total, share;
    } cases[] = {
        {{10, 20, 30, 40}, 4, 100, SIZE_MAX},
        {{10, 20, 30, 40}, 4, 99, 39},
        {{10, 20, 30, 40}, 4, 40, 10},
        {{10, 20, 30, 40}, 4, 50, 13},
        {{1, 1000000, 1000000}, 3, 101, 50},
        {{7}, 1, 5, 5},
        {{7, 7}, 2, 1, 0},
        {{7}, 1, 0, 0},
        {{0}, 0, 0, SIZE_MAX},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t share = walk_share(cases[i].wants, cases[i].count, cases[i].total);
        if (share != cases[i].share) {
            fail_msg("case %zu: %zu", i, share);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_default_everything_is_in_the_rounds),
        cmocka_unit_test(a_timeout_above_a_third_of_the_rounds_leaves_them),
        cmocka_unit_test(what_tells_whether_the_server_is_up_stays_in_the_rounds),
        cmocka_unit_test(other_servers_have_no_second_connection),
        cmocka_unit_test(with_databases_those_that_know_only_one_are_asked_in_each),
        cmocka_unit_test(nothing_runs_more_often_than_the_rounds),
        cmocka_unit_test(visits_are_spread_over_a_tenth_of_the_interval),
        cmocka_unit_test(who_wants_little_gets_it_and_the_others_share_evenly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
