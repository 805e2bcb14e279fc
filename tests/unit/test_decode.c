/* SPDX-License-Identifier: Apache-2.0 */

/* From answers to samples by tables, and what decode functions share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>

#include "collectors/collector.h"
#include "collectors/support.h"
#include "collectors/tally.h"

#define CELL(text)                                                                                 \
    { text, sizeof(text) - 1 }
#define NONE                                                                                       \
    { NULL, 0 }

/* All that a collector needs, and what came of it. */
struct bench {
    struct arena arena;
    struct facts facts;
    struct batch batch;
    struct sample_context context;
};

static int set_up(void **state) {
    static struct bench bench;
    bench = (struct bench){0};
    bench.context = (struct sample_context){.server = str_of("db:5432"),
                                            .facts = &bench.facts,
                                            .arena = &bench.arena,
                                            .version = 150000};
    *state = &bench;
    return 0;
}

static int tear_down(void **state) {
    struct bench *bench = *state;
    batch_deinit(&bench->batch);
    arena_deinit(&bench->arena);
    return 0;
}

static int decode(struct bench *bench, const struct collector *collector, const char *const *names,
                  const struct str *cells, size_t n_columns, size_t n_rows) {
    struct str columns[16];
    struct error err = {0};
    for (size_t i = 0; i < n_columns; i++) {
        columns[i] = str_of(names[i]);
    }
    struct table table = {columns, cells, n_columns, n_rows};
    struct answer answer = {.table = &table};
    return collector_decode(collector, &bench->context, &answer, &bench->batch, &err);
}

static void has_sample(const struct bench *bench, size_t i, const char *name, const char *labels,
                       double value) {
    assert_true(i < bench->batch.n_samples);
    const struct batch_sample *sample = &bench->batch.samples[i];
    assert_string_equal(sample->metric.name, name);
    assert_true(str_is(batch_labels_text(&bench->batch, sample->labels), labels));
    assert_true(sample->value == value);
}

static const struct column plain[] = {
    {"a", GAUGE, "test_a", "A."},
    {"b", COUNTER, "test_b_total", "B."},
    {"name", LABEL, "name"},
    {0},
};

static const struct column as_nan[] = {
    {"a", GAUGE, "test_a", "A.", .null_is_nan = true},
    {"z", GAUGE, "test_z", "Z.", .null_is_nan = true},
    {0},
};

static void null_is_nan_where_its_row_says_so_and_the_column_is_there(void **state) {
    static const char *const names[] = {"a"};
    static const struct str cells[] = {NONE, CELL("3")};
    struct bench *bench = *state;
    const struct collector collector = {.name = "t", .columns = as_nan};
    assert_int_equal(decode(bench, &collector, names, cells, 1, 2), 0);
    assert_int_equal(bench->batch.n_samples, 2);
    assert_true(isnan(bench->batch.samples[0].value));
    assert_int_equal(bench->batch.skipped_cells, 0);
    has_sample(bench, 1, "test_a", "", 3);
}

static void null_is_no_sample_and_no_fault(void **state) {
    static const char *const names[] = {"name", "a", "b"};
    static const struct str cells[] = {CELL("x"), NONE, CELL("2")};
    struct bench *bench = *state;
    assert_int_equal(decode(bench, &(struct collector){.columns = plain}, names, cells, 3, 1), 0);
    assert_int_equal(bench->batch.n_samples, 1);
    has_sample(bench, 0, "test_b_total", "name=\"x\"", 2);
    assert_int_equal(bench->batch.samples[0].metric.type, METRIC_COUNTER);
    assert_int_equal(bench->batch.skipped_cells, 0);
}

static void garbage_is_skipped_and_counted(void **state) {
    static const char *const names[] = {"a", "b"};
    static const struct str cells[] = {CELL("12kB"), CELL(""),  CELL("Infinity"),
                                       CELL("nan"),  CELL("1"), CELL("0x10")};
    struct bench *bench = *state;
    assert_int_equal(decode(bench, &(struct collector){.columns = plain}, names, cells, 2, 3), 0);
    assert_int_equal(bench->batch.n_samples, 1);
    has_sample(bench, 0, "test_a", "", 1);
    assert_int_equal(bench->batch.skipped_cells, 5);
}

static void a_column_that_the_server_lacks_is_left_out(void **state) {
    static const char *const names[] = {"zoo", "b", "aa"};
    static const struct str cells[] = {CELL("1"), CELL("2"), CELL("3")};
    struct bench *bench = *state;
    assert_int_equal(decode(bench, &(struct collector){.columns = plain}, names, cells, 3, 1), 0);
    assert_int_equal(bench->batch.n_samples, 1);
    has_sample(bench, 0, "test_b_total", "", 2);
}

static void of_two_equal_columns_the_first_counts(void **state) {
    static const char *const names[] = {"a", "a"};
    static const struct str cells[] = {CELL("1"), CELL("2")};
    struct bench *bench = *state;
    assert_int_equal(decode(bench, &(struct collector){.columns = plain}, names, cells, 2, 1), 0);
    assert_int_equal(bench->batch.n_samples, 1);
    has_sample(bench, 0, "test_a", "", 1);
}

static void no_rows_are_no_samples(void **state) {
    static const char *const names[] = {"a"};
    struct bench *bench = *state;
    assert_int_equal(decode(bench, &(struct collector){.columns = plain}, names, NULL, 1, 0), 0);
    assert_int_equal(bench->batch.n_samples, 0);
}

static void an_answer_without_a_table_is_an_error(void **state) {
    struct bench *bench = *state;
    struct answer answer = {0};
    struct error err = {0};
    struct collector collector = {.columns = plain};
    assert_int_equal(collector_decode(&collector, &bench->context, &answer, &bench->batch, &err),
                     -EPROTO);
    assert_true(error_is_set(&err));
}

static void booleans_of_sql_and_of_files_are_numbers(void **state) {
    static const char *const words[] = {"t", "f", "true", "false", "on", "off", "yes", "no"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        double value = -1;
        assert_true(collector_number(str_of(words[i]), NULL, &value));
        assert_true(value == (i % 2 == 0 ? 1 : 0));
    }
    double value;
    assert_false(collector_number(str_of("T"), NULL, &value));
    assert_false(collector_number((struct str){0}, NULL, &value));
}

static void own_words_replace_the_booleans(void **state) {
    static const struct word words[] = {{"ok", 1}, {"7", 70}, {NULL, 0}};
    double value;
    assert_true(collector_number(str_of("ok"), words, &value) && value == 1);
    assert_true(collector_number(str_of("7"), words, &value) && value == 70);
    assert_true(collector_number(str_of("8"), words, &value) && value == 8);
    assert_false(collector_number(str_of("yes"), words, &value));
}

static void a_word_for_no_sample_is_not_counted(void **state) {
    static const struct word words[] = {{"-1", NAN}, {NULL, 0}};
    static const struct column columns[] = {{"a", GAUGE, "test_a", "A.", .words = words}, {0}};
    static const char *const names[] = {"a"};
    static const struct str cells[] = {CELL("-1"), CELL("5")};
    struct bench *bench = *state;
    assert_int_equal(decode(bench, &(struct collector){.columns = columns}, names, cells, 1, 2), 0);
    assert_int_equal(bench->batch.n_samples, 1);
    has_sample(bench, 0, "test_a", "", 5);
    assert_int_equal(bench->batch.skipped_cells, 0);
}

static void scales_round_once(void **state) {
    assert_true(scale_value(351, 1e-6) == 0.000351);
    assert_true(scale_value(3, 1e-3) == 0.003);
    assert_true(scale_value(3, 0) == 3);
    assert_true(scale_value(3, 1024) == 3072);
    assert_true(scale_value(4, 0.75) == 3);
}

static void scale_applies_to_samples(void **state) {
    static const struct column columns[] = {{"a", GAUGE, "test_a", "A.", 1e-3}, {0}};
    static const char *const names[] = {"a"};
    static const struct str cells[] = {CELL("1500")};
    struct bench *bench = *state;
    decode(bench, &(struct collector){.columns = columns}, names, cells, 1, 1);
    has_sample(bench, 0, "test_a", "", 1.5);
}

static const struct column pattern[] = {
    {"name", NAME},
    {"value", GAUGE, "test_*_now", "Value."},
    {0},
};

static void names_fill_patterns(void **state) {
    static const char *const names[] = {"name", "value"};
    static const struct str cells[] = {CELL("work_mem"), CELL("4"), CELL("pg.x y"),
                                       CELL("5"),        NONE,      CELL("6")};
    struct bench *bench = *state;
    decode(bench, &(struct collector){.columns = pattern}, names, cells, 2, 3);
    assert_int_equal(bench->batch.n_samples, 2);
    has_sample(bench, 0, "test_work_mem_now", "", 4);
    has_sample(bench, 1, "test_pg_x_y_now", "", 5);
    assert_false(bench->batch.samples[0].metric.constant);
}

static void facts_are_kept_whole(void **state) {
    static const struct word roles[] = {{"t", ROLE_REPLICA}, {"f", ROLE_PRIMARY}, {NULL, 0}};
    static const struct column columns[] = {
        {"lsn", FACT, .fact = FACT_WRITE_POSITION},
        {"role", FACT, .fact = FACT_ROLE, .words = roles},
        {"start", FACT, .fact = FACT_START_TIME_SECONDS},
        {"up", FACT, .fact = FACT_RECEIVER_CONNECTED},
        {0},
    };
    static const char *const names[] = {"lsn", "role", "start", "up"};
    static const struct str cells[] = {CELL("9223372036854775807"), CELL("t"),
                                       CELL("1795254462.402"), CELL("f")};
    struct bench *bench = *state;
    int64_t value;
    decode(bench, &(struct collector){.columns = columns}, names, cells, 4, 1);
    assert_int_equal(bench->batch.n_samples, 0);
    assert_true(facts_get(&bench->facts, FACT_WRITE_POSITION, &value) && value == INT64_MAX);
    assert_true(facts_get(&bench->facts, FACT_ROLE, &value) && value == ROLE_REPLICA);
    assert_true(facts_get(&bench->facts, FACT_START_TIME_SECONDS, &value) && value == 1795254462);
    assert_true(facts_get(&bench->facts, FACT_RECEIVER_CONNECTED, &value) && value == 0);
    assert_false(facts_get(&bench->facts, FACT_TIMELINE, &value));
}

static void a_fact_that_is_none_stays_unknown(void **state) {
    static const struct column columns[] = {{"x", FACT, .fact = FACT_TIMELINE}, {0}};
    static const char *const names[] = {"x"};
    static const struct str cells[] = {CELL("one"), NONE, CELL("1e300")};
    struct bench *bench = *state;
    decode(bench, &(struct collector){.columns = columns}, names, cells, 1, 3);
    assert_int_equal(bench->facts.known, 0);
    assert_int_equal(bench->batch.skipped_cells, 2);
}

static void a_number_is_no_role_unless_it_is_one(void **state) {
    static const struct word roles[] = {{"master", ROLE_PRIMARY}, {NULL, 0}};
    static const struct column columns[] = {{"x", FACT, .fact = FACT_ROLE, .words = roles}, {0}};
    static const char *const names[] = {"x"};
    static const struct str cells[] = {CELL("2"), CELL("3"), CELL("1e9"), CELL("-1")};
    struct bench *bench = *state;
    int64_t value;
    decode(bench, &(struct collector){.columns = columns}, names, cells, 1, 4);
    assert_true(facts_get(&bench->facts, FACT_ROLE, &value) && value == ROLE_REPLICA);
    assert_int_equal(bench->batch.skipped_cells, 3);
}

static void labels_belong_to_their_group(void **state) {
    static const struct column columns[] = {
        {NULL, LABEL, "server", .group = 1},
        {"a", GAUGE, "test_a", "A."},
        {"a", GAUGE, "test_aa", "A again.", .group = 1},
        {"x", LABEL, "x"},
        {"y", LABEL, "y", .group = 1},
        {"y", INFO, "test_info", "Y.", .group = 1},
        {0},
    };
    static const char *const names[] = {"y", "x", "a"};
    static const struct str cells[] = {CELL("Y"), CELL("X"), CELL("1"), NONE, CELL("X"), CELL("2")};
    struct bench *bench = *state;
    decode(bench, &(struct collector){.columns = columns}, names, cells, 3, 2);
    assert_int_equal(bench->batch.n_samples, 5);
    has_sample(bench, 0, "test_a", "x=\"X\"", 1);
    has_sample(bench, 1, "test_aa", "server=\"db:5432\",y=\"Y\"", 1);
    has_sample(bench, 2, "test_info", "server=\"db:5432\",y=\"Y\"", 1);
    has_sample(bench, 3, "test_a", "x=\"X\"", 2);
    has_sample(bench, 4, "test_aa", "server=\"db:5432\"", 2);
}

static void the_server_label_is_added_when_asked_for(void **state) {
    static const char *const names[] = {"a", "name"};
    static const struct str cells[] = {CELL("1"), CELL("x")};
    struct bench *bench = *state;
    struct collector collector = {.columns = plain, .flags = COLLECTOR_SERVER_LABEL};
    decode(bench, &collector, names, cells, 2, 1);
    has_sample(bench, 0, "test_a", "name=\"x\",server=\"db:5432\"", 1);
}

static void hostile_names_are_escaped(void **state) {
    static const char *const names[] = {"a", "name"};
    static const struct str cells[] = {CELL("1"), CELL("a\"b\\c\nd}\xff{")};
    struct bench *bench = *state;
    decode(bench, &(struct collector){.columns = plain}, names, cells, 2, 1);
    has_sample(bench, 0, "test_a", "name=\"a\\\"b\\\\c\\nd}\xef\xbf\xbd{\"", 1);
}

static int decode_histogram(const struct sample_context *context, const struct answer *answer,
                            struct batch *batch, struct error *err) {
    static const double bounds[] = {0.1, 1}, cumulative[] = {2, 5};
    struct batch_metric metric = {"test_seconds", "Time.", METRIC_HISTOGRAM, true};
    struct label label = {str_of("cmd"), table_cell(answer->table, 0, 0)};
    batch_add_histogram(batch, metric, &label, 1, bounds, cumulative, 2, 3.5, 6);
    return 0;
}

static void a_decode_function_may_make_histograms(void **state) {
    static const char *const names[] = {"cmd"};
    static const struct str cells[] = {CELL("get")};
    struct bench *bench = *state;
    struct collector collector = {.columns = plain, .decode = decode_histogram};
    assert_int_equal(decode(bench, &collector, names, cells, 1, 1), 0);
    assert_int_equal(bench->batch.n_samples, 5);
    has_sample(bench, 2, "test_seconds", "cmd=\"get\",le=\"+Inf\"", 6);
    assert_int_equal(bench->batch.samples[2].suffix, SUFFIX_BUCKET);
}

static void the_first_query_that_fits_is_taken(void **state) {
    static const struct query queries[] = {
        {.min_version = 140000, .text = "new"},
        {.min_version = 120000, .max_version = 139999, .text = "middle"},
        {.max_version = 109999, .text = "old"},
        {0},
    };
    static const struct query open[] = {{.max_version = 1, .text = "one"}, {.text = "any"}, {0}};
    struct collector collector = {.queries = queries};
    assert_string_equal(collector_query(&collector, 180001)->text, "new");
    assert_string_equal(collector_query(&collector, 140000)->text, "new");
    assert_string_equal(collector_query(&collector, 139999)->text, "middle");
    assert_null(collector_query(&collector, 110000));
    assert_string_equal(collector_query(&collector, 100000)->text, "old");
    assert_null(collector_query(&collector, 0));
    collector.queries = open;
    assert_string_equal(collector_query(&collector, 0)->text, "any");
}

static void versions_are_read_from_words(void **state) {
    int64_t version;
    assert_true(version_number(str_of("PgBouncer 1.18.0"), &version) && version == 11800);
    assert_true(version_number(str_of("7.0.15"), &version) && version == 70015);
    assert_true(version_number(str_of("8.0-rc1"), &version) && version == 80000);
    assert_true(version_number(str_of("99999999999999999999"), &version));
    assert_false(version_number(str_of("unknown"), &version));
    assert_false(version_number((struct str){0}, &version));
}

static void lists_give_their_values_by_name(void **state) {
    struct str list = str_of("calls=3,usec=9,usec_per_call=3.00,x");
    assert_true(str_is(list_value(list, "usec"), "9"));
    assert_true(str_is(list_value(list, "calls"), "3"));
    assert_int_equal(list_value(list, "x").len, 0);
    assert_null(list_value(list, "sec").data);
}

static void a_tally_merges_what_is_above_its_limit(void **state) {
    struct bench *bench = *state;
    struct tally tally = {.arena = &bench->arena, .n_labels = 2};
    const struct str rows[][TALLY_LABELS] = {{str_of("a"), str_of("1")},
                                             {str_of("b"), str_of("1")},
                                             {str_of("a"), str_of("1")},
                                             {str_of("c"), str_of("1")},
                                             {str_of("other"), str_of("1")}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        tally_add(&tally, rows[i], i == 4 ? 5 : 1, (double)i);
    }
    assert_int_equal(tally.n_groups, 4);
    tally_limit(&tally, 2, 1U << 1, 0);
    /* The largest two stay; b and c join the group that is really called "other". */
    assert_int_equal(tally.n_groups, 2);
    assert_true(str_is(tally.groups[0]->values[0], "other"));
    assert_true(tally.groups[0]->count == 7 && tally.groups[0]->most == 4);
    assert_true(str_is(tally.groups[1]->values[0], "a") && tally.groups[1]->count == 2);
    assert_true(tally_has(&tally, rows[0]));
    assert_false(tally_has(&tally, rows[1]));
    tally_deinit(&tally);
}

/* What the kernel says of one processor in a round, and what is shown of its idle and iowait. */
static void see_cpu(struct bench *bench, const char *idle, const char *iowait, double shown_idle,
                    double shown_iowait) {
    static const char *const names[] = {"cpu", "user",    "nice",  "system", "idle",      "iowait",
                                        "irq", "softirq", "steal", "guest",  "guest_nice"};
    const struct str cells[] = {CELL("cpu0"), CELL("1"),      CELL("1"), CELL("1"),
                                str_of(idle), str_of(iowait), CELL("1"), CELL("1"),
                                CELL("1"),    CELL("1"),      CELL("1")};
    extern const struct collector collector_host_cpu;
    batch_clear(&bench->batch);
    assert_int_equal(decode(bench, &collector_host_cpu, names, cells, 11, 1), 0);
    has_sample(bench, 3, "node_cpu_seconds_total", "cpu=\"0\",mode=\"idle\"", shown_idle);
    has_sample(bench, 4, "node_cpu_seconds_total", "cpu=\"0\",mode=\"iowait\"", shown_iowait);
}

static void times_of_processors_never_fall_a_little(void **state) {
    struct bench *bench = *state;
    struct strbuf kept = {0};
    bench->context.kept = &kept;
    see_cpu(bench, "10000", "500", 100, 5);
    see_cpu(bench, "9990", "499", 100, 5);
    see_cpu(bench, "10010", "510", 100.1, 5.1);
    /* A processor that was switched off and on begins anew, whatever else it says. */
    see_cpu(bench, "100", "3", 1, 0.03);
    see_cpu(bench, "110", "4", 1.1, 0.04);
    bench->context.kept = NULL;
    strbuf_deinit(&kept);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(null_is_no_sample_and_no_fault),
        TEST(null_is_nan_where_its_row_says_so_and_the_column_is_there),
        TEST(garbage_is_skipped_and_counted),
        TEST(a_column_that_the_server_lacks_is_left_out),
        TEST(of_two_equal_columns_the_first_counts),
        TEST(no_rows_are_no_samples),
        TEST(an_answer_without_a_table_is_an_error),
        TEST(booleans_of_sql_and_of_files_are_numbers),
        TEST(own_words_replace_the_booleans),
        TEST(a_word_for_no_sample_is_not_counted),
        TEST(scales_round_once),
        TEST(scale_applies_to_samples),
        TEST(names_fill_patterns),
        TEST(facts_are_kept_whole),
        TEST(a_fact_that_is_none_stays_unknown),
        TEST(a_number_is_no_role_unless_it_is_one),
        TEST(labels_belong_to_their_group),
        TEST(the_server_label_is_added_when_asked_for),
        TEST(hostile_names_are_escaped),
        TEST(a_decode_function_may_make_histograms),
        TEST(the_first_query_that_fits_is_taken),
        TEST(versions_are_read_from_words),
        TEST(lists_give_their_values_by_name),
        TEST(a_tally_merges_what_is_above_its_limit),
        TEST(times_of_processors_never_fall_a_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
