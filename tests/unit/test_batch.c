/* SPDX-License-Identifier: Apache-2.0 */

/* Batches: label text, limits, histograms and summaries. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "store_fixture.h"

static const struct batch_metric gauge = {"m", "Help.", METRIC_GAUGE, true};

static void assert_text(const struct batch *batch, struct batch_labels labels,
                        const char *expected) {
    struct str text = batch_labels_text(batch, labels);
    assert_int_equal(text.len, strlen(expected));
    assert_memory_equal(text.data, expected, text.len);
}

static void assert_value(size_t most, struct str value, const char *expected) {
    struct batch batch = {.max_label_bytes = most};
    struct label label = {str_of("a"), value};
    char *text = mem_printf("a=\"%s\"", expected);
    assert_text(&batch, batch_add_labels(&batch, &label, 1), text);
    free(text);
    batch_deinit(&batch);
}

static void sorts_labels_and_leaves_empty_ones_out(void **state) {
    struct batch batch = {0};
    assert_text(&batch, labels_of(&batch, "b=2,a=1,empty=,ab=3"), "a=\"1\",ab=\"3\",b=\"2\"");
    assert_text(&batch, labels_of(&batch, ""), "");
    assert_text(&batch, labels_of(&batch, "empty="), "");
    batch_deinit(&batch);
}

static void first_of_equal_names_counts(void **state) {
    struct batch batch = {0};
    assert_text(&batch, labels_of(&batch, "b=1,a=2,b=3,a=4,c=5"), "a=\"2\",b=\"1\",c=\"5\"");
    batch_deinit(&batch);
}

static void label_text_does_not_depend_on_the_order(void **state) {
    struct batch batch = {0};
    struct str one = batch_labels_text(&batch, labels_of(&batch, "x=1,y=2,z=3"));
    char *copy = mem_strndup(one.data, one.len);
    assert_text(&batch, labels_of(&batch, "z=3,x=1,y=2"), copy);
    free(copy);
    batch_deinit(&batch);
}

static void leaves_labels_above_the_limit_out(void **state) {
    struct batch batch = {0};
    struct label labels[BATCH_MAX_LABELS + 4];
    char names[BATCH_MAX_LABELS + 4][8];
    for (size_t i = 0; i < ARRAY_LEN(labels); i++) {
        snprintf(names[i], sizeof(names[i]), "l%02zu", i);
        labels[i] = (struct label){str_of(names[i]), str_of("v")};
    }
    struct str text =
        batch_labels_text(&batch, batch_add_labels(&batch, labels, ARRAY_LEN(labels)));
    assert_int_equal(text.len, BATCH_MAX_LABELS * strlen("l00=\"v\",") - 1);
    batch_deinit(&batch);
}

static void escapes_quotes_backslashes_and_newlines(void **state) {
    assert_value(0, str_of("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    assert_value(0, str_of("tab\tand\rreturn{,}="), "tab\tand\rreturn{,}=");
}

static void replaces_what_is_no_utf8(void **state) {
    assert_value(0, str_of("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
    assert_value(0, str_of("a\xff\xfe z"), "a\xef\xbf\xbd\xef\xbf\xbd z");
    assert_value(0, str_of("\xc3"), "\xef\xbf\xbd");
    assert_value(0, str_of("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    assert_value(0, (struct str){"a\0b", 3},
                 "a\xef\xbf\xbd"
                 "b");
}

static void keeps_a_name_of_63_bytes(void **state) {
    char name[64];
    memset(name, 'x', 63);
    name[63] = '\0';
    assert_value(0, str_of(name), name);
    assert_value(63, str_of(name), name);
}

static void cuts_long_values_at_a_character(void **state) {
    assert_value(5, str_of("123456789"), "12345");
    assert_value(5, str_of("1234\xc3\xbc"), "1234");
    assert_value(6, str_of("1234\xc3\xbc"), "1234\xc3\xbc");
    assert_value(3, str_of("\"\"\"\""), "\\\"\\\"\\\"");
    assert_value(4, str_of("\xff\xff"), "\xef\xbf\xbd");
    char value[400], expected[257];
    memset(value, 'v', sizeof(value));
    memset(expected, 'v', sizeof(expected));
    expected[256] = '\0';
    assert_value(0, (struct str){value, sizeof(value)}, expected);
}

static void samples_above_the_limit_are_counted(void **state) {
    struct batch batch = {.max_samples = 2};
    for (int i = 0; i < 5; i++) {
        batch_add(&batch, gauge, (struct batch_labels){0}, i);
    }
    assert_int_equal(batch.n_samples, 2);
    assert_int_equal(batch.dropped_samples, 3);
    batch_deinit(&batch);
}

static void clearing_keeps_the_limits(void **state) {
    struct batch batch = {.max_samples = 1, .max_label_bytes = 3};
    batch_add(&batch, gauge, labels_of(&batch, "a=1"), 1);
    batch_add(&batch, gauge, labels_of(&batch, "a=2"), 1);
    batch.skipped_cells = 4;
    batch_clear(&batch);
    assert_int_equal(batch.n_samples, 0);
    assert_int_equal(batch.dropped_samples, 0);
    assert_int_equal(batch.skipped_cells, 0);
    assert_int_equal(batch.text.len, 0);
    assert_int_equal(batch.max_samples, 1);
    assert_text(&batch, labels_of(&batch, "a=12345"), "a=\"123\"");
    batch_deinit(&batch);
}

static void no_server_makes_a_stale_marker(void **state) {
    struct batch batch = {0};
    batch_add(&batch, gauge, (struct batch_labels){0}, series_stale_marker());
    assert_true(isnan(batch.samples[0].value));
    assert_false(series_is_stale_value(batch.samples[0].value));
    batch_deinit(&batch);
}

static void assert_sample(const struct batch *batch, size_t i, enum metric_suffix suffix,
                          const char *labels, double value) {
    assert_int_equal(batch->samples[i].suffix, suffix);
    assert_text(batch, batch->samples[i].labels, labels);
    assert_true(batch->samples[i].value == value);
}

static void histogram_has_buckets_sum_and_count(void **state) {
    struct batch batch = {0};
    const struct batch_metric metric = {"h", "Help.", METRIC_HISTOGRAM, true};
    struct label label = {str_of("db"), str_of("x")};
    batch_add_histogram(&batch, metric, &label, 1, (double[]){0.1, 1, 2.5}, (double[]){1, 3, 3}, 3,
                        4.25, 7);
    assert_int_equal(batch.n_samples, 6);
    assert_sample(&batch, 0, SUFFIX_BUCKET, "db=\"x\",le=\"0.1\"", 1);
    assert_sample(&batch, 1, SUFFIX_BUCKET, "db=\"x\",le=\"1\"", 3);
    assert_sample(&batch, 2, SUFFIX_BUCKET, "db=\"x\",le=\"2.5\"", 3);
    assert_sample(&batch, 3, SUFFIX_BUCKET, "db=\"x\",le=\"+Inf\"", 7);
    assert_sample(&batch, 4, SUFFIX_SUM, "db=\"x\"", 4.25);
    assert_sample(&batch, 5, SUFFIX_COUNT, "db=\"x\"", 7);
    batch_deinit(&batch);
}

static void half_a_histogram_is_not_taken(void **state) {
    struct batch batch = {.max_samples = 4};
    const struct batch_metric metric = {"h", "Help.", METRIC_HISTOGRAM, true};
    batch_add_histogram(&batch, metric, NULL, 0, (double[]){1, 2}, (double[]){1, 2}, 2, 3, 4);
    assert_int_equal(batch.n_samples, 0);
    assert_int_equal(batch.dropped_samples, 5);
    batch_add_histogram(&batch, metric, NULL, 0, (double[]){1}, (double[]){1}, 1, 3, 4);
    assert_int_equal(batch.n_samples, 4);
    batch_deinit(&batch);
}

static void summary_leaves_unknown_totals_out(void **state) {
    struct batch batch = {0};
    const struct batch_metric metric = {"s", "Help.", METRIC_SUMMARY, true};
    batch_add_summary(&batch, metric, NULL, 0, (double[]){0.5, 0.999}, (double[]){2, 9}, 2, NAN,
                      NAN);
    assert_int_equal(batch.n_samples, 2);
    assert_sample(&batch, 0, SUFFIX_NONE, "quantile=\"0.5\"", 2);
    assert_sample(&batch, 1, SUFFIX_NONE, "quantile=\"0.999\"", 9);
    batch_add_summary(&batch, metric, NULL, 0, NULL, NULL, 0, 11, 5);
    assert_int_equal(batch.n_samples, 4);
    assert_sample(&batch, 2, SUFFIX_SUM, "", 11);
    assert_sample(&batch, 3, SUFFIX_COUNT, "", 5);
    batch_deinit(&batch);
}

static void kept_names_become_metric_names(void **state) {
    struct batch batch = {0};
    assert_string_equal(batch_keep_name(&batch, str_of("pg_settings_auto.explain-x")),
                        "pg_settings_auto_explain_x");
    assert_string_equal(batch_keep_name(&batch, str_of("9lives:a1")), "_lives:a1");
    assert_string_equal(batch_keep_name(&batch, str_of("")), "_");
    assert_string_equal(batch_keep_name(&batch, str_of("\xc3\xbc")), "__");
    char name[300];
    memset(name, 'n', sizeof(name));
    assert_int_equal(strlen(batch_keep_name(&batch, (struct str){name, sizeof(name)})), 255);
    batch_deinit(&batch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sorts_labels_and_leaves_empty_ones_out),
        cmocka_unit_test(first_of_equal_names_counts),
        cmocka_unit_test(label_text_does_not_depend_on_the_order),
        cmocka_unit_test(leaves_labels_above_the_limit_out),
        cmocka_unit_test(escapes_quotes_backslashes_and_newlines),
        cmocka_unit_test(replaces_what_is_no_utf8),
        cmocka_unit_test(keeps_a_name_of_63_bytes),
        cmocka_unit_test(cuts_long_values_at_a_character),
        cmocka_unit_test(samples_above_the_limit_are_counted),
        cmocka_unit_test(clearing_keeps_the_limits),
        cmocka_unit_test(no_server_makes_a_stale_marker),
        cmocka_unit_test(histogram_has_buckets_sum_and_count),
        cmocka_unit_test(half_a_histogram_is_not_taken),
        cmocka_unit_test(summary_leaves_unknown_totals_out),
        cmocka_unit_test(kept_names_become_metric_names),
    };
    return cmocka_run_group_tests_name("batch", tests, NULL, NULL);
}
