/* SPDX-License-Identifier: Apache-2.0 */

/* Appending to one series. */
#include <math.h>

#include "store_fixture.h"

static struct store *store;

static int set_up(void **state) {
    static struct series_hot hot;
    static struct series series;
    store = store_new(&(struct store_options){0});
    hot = (struct series_hot){.t_ms = INT64_MIN};
    series = (struct series){.hot = &hot, .source = add_source(store, "t", "")};
    *state = &series;
    return 0;
}

static int tear_down(void **state) {
    store = store_free(store);
    return 0;
}

static void marker_is_the_one_of_prometheus(void **state) {
    double marker = series_stale_marker();
    uint64_t bits;
    memcpy(&bits, &marker, sizeof(bits));
    assert_true(bits == 0x7ff0000000000002);
    assert_true(isnan(marker));
    assert_true(series_is_stale_value(marker));
    assert_false(series_is_stale_value(NAN));
    assert_false(series_is_stale_value(0));
}

static void times_strictly_increase(void **state) {
    struct series *series = *state;
    assert_false(series_is_live(series));
    assert_int_equal(series_append(series, -5, 1), 0);
    assert_int_equal(series_append(series, -5, 2), SERIES_E_OUT_OF_ORDER);
    assert_int_equal(series_append(series, -6, 2), SERIES_E_OUT_OF_ORDER);
    assert_true(series->hot->value == 1);
    assert_int_equal(series->hot->t_ms, -5);
    assert_int_equal(series_append(series, -4, 3), 0);
    assert_true(series->hot->value == 3);
    assert_true(series_is_live(series));
}

static void marker_ends_and_a_number_revives(void **state) {
    struct series *series = *state;
    series_append(series, 10, 1);
    assert_int_equal(series_append(series, 20, series_stale_marker()), 0);
    assert_false(series_is_live(series));
    assert_int_equal(series->hot->t_ms, 20);
    assert_int_equal(series_append(series, 20, 1), SERIES_E_OUT_OF_ORDER);
    assert_false(series_is_live(series));
    assert_int_equal(series_append(series, 21, 1), 0);
    assert_true(series_is_live(series));
}

static void marker_changes_nothing_where_there_is_nothing_to_end(void **state) {
    struct series *series = *state;
    assert_int_equal(series_append(series, 5, series_stale_marker()), 0);
    assert_true(series->hot->t_ms == INT64_MIN);
    series_append(series, 10, 1);
    series_append(series, 20, series_stale_marker());
    assert_int_equal(series_append(series, 30, series_stale_marker()), 0);
    assert_int_equal(series_append(series, 15, series_stale_marker()), 0);
    assert_int_equal(series->hot->t_ms, 20);
}

static void text_is_kept_while_the_value_stays(void **state) {
    struct series *series = *state;
    series_append(series, 1, 7);
    series->hot->text_len = 1;
    series_append(series, 2, 7);
    assert_int_equal(series->hot->text_len, 1);
    series_append(series, 3, 8);
    assert_int_equal(series->hot->text_len, 0);
    series_append(series, 4, 0.0);
    series->hot->text_len = 1;
    series_append(series, 5, -0.0);
    assert_int_equal(series->hot->text_len, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(marker_is_the_one_of_prometheus, set_up, tear_down),
        cmocka_unit_test_setup_teardown(times_strictly_increase, set_up, tear_down),
        cmocka_unit_test_setup_teardown(marker_ends_and_a_number_revives, set_up, tear_down),
        cmocka_unit_test_setup_teardown(marker_changes_nothing_where_there_is_nothing_to_end,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(text_is_kept_while_the_value_stays, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("series", tests, NULL, NULL);
}
