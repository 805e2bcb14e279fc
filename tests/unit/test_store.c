/* SPDX-License-Identifier: Apache-2.0 */

/* What rounds do to the store: order, duplicates, ends and returns, limits, labels, numbers. */
#include <math.h>
#include <stdio.h>

#include "store_fixture.h"

struct fixture {
    struct store *store;
    struct store_source *source;
    struct store_feed *feed, *other;
    struct batch batch;
};

static void start(struct fixture *fixture, struct store_options options) {
    *fixture = (struct fixture){.store = store_new(&options)};
    fixture->source = add_source(fixture->store, "orders-1", "orders");
    fixture->feed = store_feed_new(fixture->source, "database");
    fixture->other = store_feed_new(fixture->source, "locks");
}

static int set_up(void **state) {
    static struct fixture fixture;
    start(&fixture, (struct store_options){.retention_ms = 1000});
    *state = &fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    batch_deinit(&fixture->batch);
    store_free(fixture->store);
    return 0;
}

/* Commits series m{n="..."} for each number of the list, with the number as value. */
static struct store_commit_result commit(struct fixture *fixture, struct store_feed *feed,
                                         int64_t t_ms, const char *numbers) {
    struct str rest = str_of(numbers);
    batch_clear(&fixture->batch);
    while (rest.len > 0) {
        struct str word = str_cut(&rest, ' ');
        char labels[32];
        double value;
        assert_true(str_to_double(word, &value));
        snprintf(labels, sizeof(labels), "n=%.*s", (int)word.len, word.data);
        say(&fixture->batch, "m", labels, value);
    }
    return store_feed_commit(feed, &fixture->batch, t_ms);
}

static const struct series *find(const struct fixture *fixture, const char *number) {
    char labels[32];
    snprintf(labels, sizeof(labels), "n=\"%s\"", number);
    return store_find(fixture->source, "m", labels);
}

static void assert_live(const struct fixture *fixture, size_t live, size_t stale) {
    struct store_numbers numbers = store_numbers(fixture->store);
    assert_int_equal(numbers.series, live);
    assert_int_equal(numbers.stale_series, stale);
    assert_int_equal(store_source_series(fixture->source), live);
}

static void commit_replaces_what_the_feed_said(void **state) {
    struct fixture *fixture = *state;
    assert_result(commit(fixture, fixture->feed, 10, "1 2 3"), 3, 0, 0, 0);
    assert_result(commit(fixture, fixture->feed, 20, "2 4"), 2, 0, 0, 0);
    assert_null(find(fixture, "1"));
    assert_null(find(fixture, "3"));
    assert_int_equal(find(fixture, "2")->hot->t_ms, 20);
    assert_true(find(fixture, "4")->hot->value == 4);
    assert_int_equal(store_feed_series(fixture->feed), 2);
    assert_live(fixture, 2, 2);
    assert_result(commit(fixture, fixture->feed, 30, ""), 0, 0, 0, 0);
    assert_live(fixture, 0, 4);
}

static void rows_may_come_go_and_move(void **state) {
    struct fixture *fixture = *state;
    static const char *const rounds[] = {
        "1 2 3 4 5 6", "2 3 4 5 6",         "9 2 3 4 5 6", "6 5 4 3 2 9", "6 5 4 8 3 2 9",
        "9 6 5 4 3 2", "1 2 3 4 5 6 7 8 9", "7",           "1 7 2",       "1 7 2",
    };
    for (size_t i = 0; i < ARRAY_LEN(rounds); i++) {
        size_t expected = (strlen(rounds[i]) + 1) / 2;
        assert_result(commit(fixture, fixture->feed, (int64_t)i + 1, rounds[i]), expected, 0, 0, 0);
        assert_int_equal(store_feed_series(fixture->feed), expected);
        for (char number[] = "1"; number[0] <= '9'; number[0]++) {
            assert_true((find(fixture, number) != NULL) == (strchr(rounds[i], number[0]) != NULL));
        }
    }
    assert_live(fixture, 3, 6);
}

static void stale_series_returns_as_the_same(void **state) {
    struct fixture *fixture = *state;
    commit(fixture, fixture->feed, 10, "1 2");
    const struct series *series = find(fixture, "1");
    commit(fixture, fixture->feed, 20, "2");
    assert_true(series_is_stale_value(series->hot->value));
    assert_int_equal(series->hot->t_ms, 20);
    assert_null(series->feed);
    assert_result(commit(fixture, fixture->feed, 30, "1 2"), 2, 0, 0, 0);
    assert_ptr_equal(find(fixture, "1"), series);
    assert_ptr_equal(series->feed, fixture->feed);
    assert_live(fixture, 2, 0);
}

static void duplicates_within_a_batch_are_counted_and_the_first_counts(void **state) {
    struct fixture *fixture = *state;
    for (int64_t t_ms = 1; t_ms <= 3; t_ms++) {
        batch_clear(&fixture->batch);
        say(&fixture->batch, "m", "n=1", 1);
        say(&fixture->batch, "m", "n=2", 2);
        say(&fixture->batch, "m", "n=1", 3);
        say(&fixture->batch, "m", "n=3", 4);
        say(&fixture->batch, "m", "n=3", 5);
        assert_result(store_feed_commit(fixture->feed, &fixture->batch, t_ms), 3, 2, 0, 0);
        assert_true(find(fixture, "1")->hot->value == 1);
        assert_true(find(fixture, "3")->hot->value == 4);
        assert_live(fixture, 3, 0);
    }
    assert_int_equal(store_numbers(fixture->store).samples_duplicate, 6);
}

static void duplicates_across_feeds_belong_to_the_first(void **state) {
    struct fixture *fixture = *state;
    commit(fixture, fixture->feed, 10, "1 2");
    assert_result(commit(fixture, fixture->other, 10, "2 3"), 1, 1, 0, 0);
    assert_ptr_equal(find(fixture, "2")->feed, fixture->feed);
    assert_int_equal(store_feed_series(fixture->other), 1);
    /* Also when the other one commits first in the next round. */
    assert_result(commit(fixture, fixture->other, 20, "2 3"), 1, 1, 0, 0);
    assert_result(commit(fixture, fixture->feed, 20, "1 2"), 2, 0, 0, 0);
    assert_int_equal(find(fixture, "2")->hot->t_ms, 20);
    /* Once the owner lets go, the other one takes it over. */
    commit(fixture, fixture->feed, 30, "1");
    assert_null(find(fixture, "2"));
    assert_result(commit(fixture, fixture->other, 31, "2 3"), 2, 0, 0, 0);
    assert_ptr_equal(find(fixture, "2")->feed, fixture->other);
}

static void late_samples_are_dropped_and_nothing_breaks(void **state) {
    struct fixture *fixture = *state;
    commit(fixture, fixture->feed, 10, "1 2");
    assert_result(commit(fixture, fixture->feed, 10, "1 2 3"), 1, 0, 2, 0);
    assert_result(commit(fixture, fixture->feed, 5, "1 2 3"), 0, 0, 3, 0);
    assert_live(fixture, 3, 0);
    assert_int_equal(find(fixture, "1")->hot->t_ms, 10);
    assert_result(commit(fixture, fixture->feed, 11, "3 2 1"), 3, 0, 0, 0);
    assert_int_equal(store_numbers(fixture->store).samples_out_of_order, 5);
}

static void series_ends_even_when_the_time_is_not_newer(void **state) {
    struct fixture *fixture = *state;
    commit(fixture, fixture->feed, 10, "1 2");
    const struct series *series = find(fixture, "1");
    commit(fixture, fixture->feed, 7, "2");
    assert_null(find(fixture, "1"));
    assert_int_equal(series->hot->t_ms, 11);
    /* It cannot return before that time, and is no live series without a sample. */
    assert_result(commit(fixture, fixture->feed, 11, "1 2"), 1, 0, 1, 0);
    assert_null(find(fixture, "1"));
    assert_int_equal(store_feed_series(fixture->feed), 1);
    assert_result(commit(fixture, fixture->feed, 12, "1 2"), 2, 0, 0, 0);
    assert_live(fixture, 2, 0);
}

static void repeating_gives_the_same_values_a_new_time(void **state) {
    struct fixture *fixture = *state;
    commit(fixture, fixture->feed, 10, "1 2");
    commit(fixture, fixture->other, 10, "3");
    store_feed_repeat(fixture->feed, 20);
    assert_int_equal(find(fixture, "1")->hot->t_ms, 20);
    assert_true(find(fixture, "1")->hot->value == 1);
    assert_int_equal(find(fixture, "3")->hot->t_ms, 10);
    store_feed_repeat(fixture->feed, 20);
    struct store_numbers numbers = store_numbers(fixture->store);
    assert_int_equal(numbers.samples_appended, 5);
    assert_int_equal(numbers.samples_out_of_order, 2);
}

static void ending_a_feed_leaves_the_others(void **state) {
    struct fixture *fixture = *state;
    commit(fixture, fixture->feed, 10, "1 2");
    commit(fixture, fixture->other, 10, "3");
    store_feed_end(fixture->feed, 20);
    assert_int_equal(store_feed_series(fixture->feed), 0);
    assert_live(fixture, 1, 2);
    store_feed_end(fixture->feed, 30);
    assert_live(fixture, 1, 2);
    assert_result(commit(fixture, fixture->feed, 40, "2 1"), 2, 0, 0, 0);
    store_feed_free(fixture->feed, 50);
    assert_live(fixture, 1, 2);
    fixture->feed = store_feed_new(fixture->source, "database");
    assert_result(commit(fixture, fixture->feed, 60, "1"), 1, 0, 0, 0);
}

static void stale_series_expire_after_the_retention(void **state) {
    struct fixture *fixture = *state;
    commit(fixture, fixture->feed, 10, "1 2 3");
    commit(fixture, fixture->feed, 20, "1 2");
    commit(fixture, fixture->feed, 30, "1");
    store_expire(fixture->store, 1019);
    assert_live(fixture, 1, 2);
    store_expire(fixture->store, 1020);
    assert_live(fixture, 1, 1);
    store_expire(fixture->store, 1000000);
    assert_live(fixture, 1, 0);
    assert_result(commit(fixture, fixture->feed, 2000, "1 2 3"), 3, 0, 0, 0);
    assert_live(fixture, 3, 0);
}

static void memory_returns_to_where_it_was(void **state) {
    struct fixture *fixture = *state;
    char numbers[8000] = "";
    commit(fixture, fixture->feed, 1, "1");
    size_t before = 0;
    for (int64_t t_ms = 10; t_ms < 50; t_ms += 10) {
        size_t len = 0;
        for (int i = 0; i < 1000; i++) {
            len += (size_t)snprintf(numbers + len, sizeof(numbers) - len, i > 0 ? " %d" : "%d",
                                    i + (int)t_ms * 100);
        }
        commit(fixture, fixture->feed, t_ms, numbers);
        assert_live(fixture, 1000, 1);
        commit(fixture, fixture->feed, t_ms + 1, "1");
        store_expire(fixture->store, t_ms + 5000);
        assert_live(fixture, 1, 0);
        size_t bytes = store_numbers(fixture->store).bytes;
        assert_true(before == 0 || bytes == before);
        before = bytes;
    }
}

static void ended_source_leaves_and_expires(void **state) {
    struct fixture *fixture = *state;
    struct store_source *second = add_source(fixture->store, "orders-2", "orders");
    struct store_feed *feed = store_feed_new(second, "database");
    commit(fixture, feed, 10, "1 2");
    assert_int_equal(store_numbers(fixture->store).sources, 2);
    assert_int_equal(store_numbers(fixture->store).series, 2);
    store_source_free(fixture->store, second, 20);
    assert_int_equal(store_numbers(fixture->store).sources, 1);
    assert_live(fixture, 0, 2);
    store_expire(fixture->store, 1020);
    assert_live(fixture, 0, 0);
}

static void source_that_returns_with_its_labels_goes_on(void **state) {
    struct fixture *fixture = *state;
    struct store_source *second = add_source(fixture->store, "orders-2", "orders");
    commit(fixture, store_feed_new(second, "database"), 10, "1 2");
    store_source_free(fixture->store, second, 20);
    second = add_source(fixture->store, "orders-2", "orders");
    assert_result(commit(fixture, store_feed_new(second, "database"), 30, "1"), 1, 0, 0, 0);
    assert_int_equal(store_numbers(fixture->store).series, 1);
    assert_int_equal(store_numbers(fixture->store).stale_series, 1);
    store_source_free(fixture->store, second, 40);
    second = add_source(fixture->store, "orders-2", "other");
    commit(fixture, store_feed_new(second, "database"), 50, "1");
    assert_int_equal(store_numbers(fixture->store).stale_series, 2);
}

static void new_series_above_the_limit_are_counted(void **state) {
    struct fixture fixture;
    start(&fixture, (struct store_options){.max_series_per_source = 3});
    assert_result(commit(&fixture, fixture.feed, 10, "1 2 3 4 5"), 3, 0, 0, 2);
    assert_result(commit(&fixture, fixture.feed, 20, "1 2 3 4 5"), 3, 0, 0, 2);
    assert_live(&fixture, 3, 0);
    /* Stale ones make room for living ones. */
    commit(&fixture, fixture.feed, 30, "1");
    assert_live(&fixture, 1, 2);
    assert_result(commit(&fixture, fixture.feed, 40, "1 6 7"), 3, 0, 0, 0);
    assert_live(&fixture, 3, 0);
    assert_int_equal(store_numbers(fixture.store).samples_over_limit, 4);
    void *state_of_this = &fixture;
    tear_down(&state_of_this);
}

static void a_vital_feed_has_no_limit(void **state) {
    struct fixture fixture;
    start(&fixture, (struct store_options){.max_series_per_source = 3});
    store_feed_set_vital(fixture.other);
    assert_result(commit(&fixture, fixture.feed, 10, "1 2 3 4"), 3, 0, 0, 1);
    assert_result(commit(&fixture, fixture.other, 10, "6 7"), 2, 0, 0, 0);
    assert_live(&fixture, 5, 0);
    assert_result(commit(&fixture, fixture.feed, 20, "1 2 3 4"), 3, 0, 0, 1);
    assert_result(commit(&fixture, fixture.other, 20, "7"), 1, 0, 0, 0);
    assert_live(&fixture, 4, 1);
    void *state_of_this = &fixture;
    tear_down(&state_of_this);
}

static void families_above_the_limit_are_counted(void **state) {
    struct fixture fixture;
    start(&fixture, (struct store_options){.max_families = 2});
    say(&fixture.batch, "a", "", 1);
    say(&fixture.batch, "b", "", 1);
    say(&fixture.batch, "c", "", 1);
    say(&fixture.batch, "a", "x=1", 1);
    assert_result(store_feed_commit(fixture.feed, &fixture.batch, 10), 3, 0, 0, 1);
    assert_int_equal(store_numbers(fixture.store).families, 2);
    void *state_of_this = &fixture;
    tear_down(&state_of_this);
}

static void constant_and_copied_names_are_one_family(void **state) {
    struct fixture *fixture = *state;
    for (int64_t t_ms = 1; t_ms <= 4; t_ms++) {
        char elsewhere[] = "metric_name";
        batch_clear(&fixture->batch);
        const char *name =
            t_ms % 2 == 0 ? batch_keep_name(&fixture->batch, str_of(elsewhere)) : "metric_name";
        struct batch_metric metric = {name, "Help.", METRIC_COUNTER, t_ms % 2 != 0};
        batch_add(&fixture->batch, metric, (struct batch_labels){0}, 1);
        assert_result(store_feed_commit(fixture->feed, &fixture->batch, t_ms), 1, 0, 0, 0);
    }
    assert_int_equal(store_numbers(fixture->store).families, 1);
    assert_live(fixture, 1, 0);
}

static void suffixes_are_different_series(void **state) {
    struct fixture *fixture = *state;
    const struct batch_metric metric = {"s", "Help.", METRIC_SUMMARY, true};
    batch_add_summary(&fixture->batch, metric, NULL, 0, NULL, NULL, 0, 5, 2);
    batch_add(&fixture->batch, metric, (struct batch_labels){0}, 1);
    assert_result(store_feed_commit(fixture->feed, &fixture->batch, 1), 3, 0, 0, 0);
    assert_true(store_find(fixture->source, "s", "")->hot->value == 1);
    assert_null(store_find(fixture->source, "s_sum", ""));
    /* Only the count is said again, where the sum was. */
    batch_clear(&fixture->batch);
    batch_add_summary(&fixture->batch, metric, NULL, 0, NULL, NULL, 0, (double)NAN, 3);
    assert_result(store_feed_commit(fixture->feed, &fixture->batch, 2), 1, 0, 0, 0);
    assert_page(fixture->source, "# HELP s Help.\n# TYPE s summary\ns_count 3\n");
}

static void assert_label(const struct store *store, const struct series *series, const char *name,
                         const char *expected) {
    assert_true(str_is(label_set_value(store_label_pool(store), series->labels, name), expected));
}

static void stored_labels_hold_everything(void **state) {
    struct fixture *fixture = *state;
    struct label extra[] = {{str_of("tier"), str_of("go\"ld")}, {str_of("job"), str_of("hidden")}};
    struct source_labels labels = {
        .target = str_of("cache-1"),
        .instance = str_of("10.0.0.3:6379"),
        .job = str_of("redis"),
        .extra = extra,
        .n_extra = 2,
    };
    struct store_source *source = store_source_new(fixture->store, &labels);
    say(&fixture->batch, "m", "db=a\"b\\c\nd,job=own,target=x,exported_target=y", 1);
    store_feed_commit(store_feed_new(source, "info"), &fixture->batch, 1);
    const struct series *series = store_find(
        source, "m", "db=\"a\\\"b\\\\c\\nd\",exported_target=\"y\",job=\"own\",target=\"x\"");
    assert_non_null(series);
    assert_label(fixture->store, series, "__name__", "m");
    assert_label(fixture->store, series, "db", "a\"b\\c\nd");
    assert_label(fixture->store, series, "target", "cache-1");
    assert_label(fixture->store, series, "exported_target", "y");
    assert_label(fixture->store, series, "exported_exported_target", "x");
    assert_label(fixture->store, series, "instance", "10.0.0.3:6379");
    assert_label(fixture->store, series, "job", "redis");
    assert_label(fixture->store, series, "exported_job", "own");
    assert_label(fixture->store, series, "tier", "go\"ld");
    assert_label(fixture->store, series, "cluster", "");
    assert_int_equal(series->labels->n_pairs, 9);
}

static void hot_parts_lie_on_cache_lines_and_places_are_used_again(void **state) {
    struct fixture *fixture = *state;
    commit(fixture, fixture->feed, 10, "1 2 3");
    const struct series_hot *second = find(fixture, "2")->hot;
    assert_int_equal((uintptr_t)second % 64, 0);
    assert_ptr_equal(find(fixture, "1")->hot + 1, second);
    commit(fixture, fixture->feed, 20, "1 3");
    store_expire(fixture->store, 10000);
    commit(fixture, fixture->feed, 30, "1 3 4");
    assert_ptr_equal(find(fixture, "4")->hot, second);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(commit_replaces_what_the_feed_said),
        TEST(rows_may_come_go_and_move),
        TEST(stale_series_returns_as_the_same),
        TEST(duplicates_within_a_batch_are_counted_and_the_first_counts),
        TEST(duplicates_across_feeds_belong_to_the_first),
        TEST(late_samples_are_dropped_and_nothing_breaks),
        TEST(series_ends_even_when_the_time_is_not_newer),
        TEST(repeating_gives_the_same_values_a_new_time),
        TEST(ending_a_feed_leaves_the_others),
        TEST(stale_series_expire_after_the_retention),
        TEST(memory_returns_to_where_it_was),
        TEST(ended_source_leaves_and_expires),
        TEST(source_that_returns_with_its_labels_goes_on),
        cmocka_unit_test(new_series_above_the_limit_are_counted),
        cmocka_unit_test(a_vital_feed_has_no_limit),
        cmocka_unit_test(families_above_the_limit_are_counted),
        TEST(constant_and_copied_names_are_one_family),
        TEST(suffixes_are_different_series),
        TEST(stored_labels_hold_everything),
        TEST(hot_parts_lie_on_cache_lines_and_places_are_used_again),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
