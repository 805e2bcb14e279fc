/* SPDX-License-Identifier: Apache-2.0 */

/* The past of series: what is read back, what expires, what the limit on bytes takes, and all of it
 * against a naive model that notes every sample it sees. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "store/history.h"
#include "store_fixture.h"

#define MANY_BYTES ((size_t)64 * 1024 * 1024)
#define HOUR_MS    ((int64_t)3600 * 1000)

struct fixture {
    struct store *store;
    struct store_source *source;
    struct store_feed *feed;
    struct batch batch;
    struct sample_buffer read;
};

static int set_up(void **state) {
    struct fixture *f = mem_alloc(sizeof(*f));
    f->store = store_new(&(struct store_options){0});
    store_set_history(f->store, HOUR_MS, MANY_BYTES);
    f->source = add_source(f->store, "t", "");
    f->feed = store_feed_new(f->source, "feed");
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    store_free(f->store);
    batch_deinit(&f->batch);
    sample_buffer_deinit(&f->read);
    free(f);
    return 0;
}

/* One round in which the metric has that value. */
static void say_at(struct fixture *f, int64_t t_ms, double value) {
    batch_clear(&f->batch);
    say(&f->batch, "m", "", value);
    store_feed_commit(f->feed, &f->batch, t_ms);
}

static struct series *the_series(struct fixture *f) {
    struct matcher matcher = {MATCH_EQUAL, str_of("__name__"), str_of("m"), NULL};
    struct selection selection;
    assert_int_equal(store_select(f->store, &matcher, 1, &selection), 0);
    struct series *series = selection.n_series > 0 ? selection.series[0] : NULL;
    selection_deinit(&selection);
    return series;
}

static size_t read_past(struct fixture *f, int64_t from_ms, int64_t to_ms) {
    return series_read(the_series(f), from_ms, to_ms, &f->read);
}

static void reads_what_was_said_within_left_open_bounds(void **state) {
    struct fixture *f = *state;
    for (int i = 0; i < 500; i++) {
        say_at(f, i * 1000, i % 7 == 0 ? i / 3.0 : i);
    }
    assert_int_equal(read_past(f, INT64_MIN, INT64_MAX), 500);
    for (int i = 0; i < 500; i++) {
        assert_int_equal(f->read.t_ms[i], i * 1000);
        assert_true(f->read.values[i] == (i % 7 == 0 ? i / 3.0 : i));
    }
    assert_int_equal(read_past(f, 10000, 13000), 3);
    assert_int_equal(f->read.t_ms[0], 11000);
    assert_int_equal(f->read.t_ms[2], 13000);
    assert_int_equal(read_past(f, 10001, 10999), 0);
    assert_int_equal(read_past(f, 498000, 499000), 1);
    assert_int_equal(read_past(f, 499000, 600000), 0);
    assert_int_equal(read_past(f, -5000, -1), 0);
    assert_int_equal(read_past(f, -1, 0), 1);
}

static void times_may_be_negative(void **state) {
    struct fixture *f = *state;
    for (int i = -60; i <= 60; i++) {
        say_at(f, i * 1000, i);
    }
    assert_int_equal(read_past(f, INT64_MIN, -60000), 1);
    assert_int_equal(read_past(f, -60000, 0), 60);
    assert_int_equal(f->read.t_ms[0], -59000);
    assert_true(f->read.values[0] == -59);
    store_expire(f->store, -60000);
    store_expire(f->store, INT64_MIN);
    assert_int_equal(read_past(f, INT64_MIN, INT64_MAX), 121);
}

static void a_series_that_ended_and_came_back_has_its_marker_between(void **state) {
    struct fixture *f = *state;
    say_at(f, 1000, 1);
    batch_clear(&f->batch);
    store_feed_commit(f->feed, &f->batch, 2000);
    say_at(f, 3000, 1);
    assert_int_equal(read_past(f, INT64_MIN, INT64_MAX), 3);
    assert_true(series_is_stale_value(f->read.values[1]));
    assert_int_equal(f->read.t_ms[1], 2000);
    assert_true(f->read.values[2] == 1);
}

static void the_past_goes_on_after_a_target_is_removed_and_added_again(void **state) {
    struct fixture *f = *state;
    say_at(f, 1000, 1);
    say_at(f, 2000, 2);
    store_source_free(f->store, f->source, 3000);
    assert_int_equal(read_past(f, INT64_MIN, INT64_MAX), 3); /* still found */
    f->source = add_source(f->store, "t", "");
    f->feed = store_feed_new(f->source, "feed");
    say_at(f, 4000, 4);
    assert_int_equal(read_past(f, INT64_MIN, INT64_MAX), 4);
    assert_true(f->read.values[0] == 1);
    assert_true(series_is_stale_value(f->read.values[2]));
    assert_true(f->read.values[3] == 4);
}

/* A time between two rounds has no tick of its own. */
static void a_late_feed_of_the_same_source_keeps_its_times(void **state) {
    struct fixture *f = *state;
    struct store_feed *other = store_feed_new(f->source, "other");
    struct batch batch = {0};
    for (int i = 1; i <= 300; i++) {
        batch_clear(&batch);
        say(&batch, "o", "", i);
        store_feed_commit(other, &batch, i * 1000);
        if (i % 3 == 0) {
            say_at(f, i * 1000 - 1500, i);
            say_at(f, i * 1000 - 1499, i + 0.5);
            say_at(f, i * 1000, i);
        }
    }
    assert_int_equal(read_past(f, INT64_MIN, INT64_MAX), 300);
    for (int i = 0; i < 300; i += 3) {
        assert_int_equal(f->read.t_ms[i], (i + 3) * 1000 - 1500);
        assert_int_equal(f->read.t_ms[i + 1], (i + 3) * 1000 - 1499);
        assert_int_equal(f->read.t_ms[i + 2], (i + 3) * 1000);
    }
    assert_int_equal(read_past(f, 28500, 28501), 1);
    assert_true(f->read.values[0] == 30.5);
    assert_int_equal(read_past(f, 28499, 28500), 1);
    assert_int_equal(read_past(f, 28501, 29999), 0);
    batch_deinit(&batch);
}

static void what_is_older_than_the_retention_goes(void **state) {
    struct fixture *f = *state;
    for (int i = 0; i < 5000; i++) {
        say_at(f, i * 5000, i * 1.1);
    }
    size_t blocks = store_history_numbers(f->store).blocks;
    store_expire(f->store, 4999 * 5000);
    assert_true(store_history_numbers(f->store).blocks < blocks / 4);
    assert_int_equal(read_past(f, INT64_MIN, INT64_MAX), 721); /* and one that is just too old */
    assert_int_equal(f->read.t_ms[0], 4279 * 5000);
    assert_int_equal(store_history_numbers(f->store).evicted_blocks, 0);
    assert_int_equal(store_history_numbers(f->store).samples, 5000);
    /* Silence: the past goes, the newest sample stays as long as the series is live. */
    store_expire(f->store, 5000 * 5000 + HOUR_MS);
    assert_int_equal(read_past(f, INT64_MIN, INT64_MAX), 1);
    assert_int_equal(f->read.t_ms[0], 4999 * 5000);
}

/* Of two sources one falls silent at any point of a block, also when it has just begun one. */
static void a_silent_source_does_not_keep_the_blocks_of_others(void **state) {
    struct batch batch = {0};
    for (int rounds = 20; rounds < 50; rounds++) {
        tear_down(state);
        set_up(state);
        struct fixture *f = *state;
        struct store_feed *other = store_feed_new(add_source(f->store, "other", ""), "feed");
        store_set_history(f->store, 60000, MANY_BYTES);
        for (int i = 0; i < rounds; i++) {
            say_at(f, i * 1000, i / 7.0);
        }
        for (int i = 0; i < 300; i++) {
            batch_clear(&batch);
            say(&batch, "o", "", i / 7.0);
            store_feed_commit(other, &batch, i * 1000);
        }
        for (int i = 300; i < 400; i++) {
            store_feed_repeat(other, i * 1000);
            store_expire(f->store, i * 1000);
        }
        assert_true(store_history_numbers(f->store).blocks <= 2);
    }
    batch_deinit(&batch);
}

static void a_stale_series_stays_as_long_as_its_past(void **state) {
    struct fixture *f = *state;
    store_set_history(f->store, 3 * HOUR_MS, MANY_BYTES); /* longer than stale series are kept */
    say_at(f, 0, 1);
    store_feed_end(f->feed, 1000);
    store_expire(f->store, 2 * HOUR_MS);
    assert_int_equal(read_past(f, INT64_MIN, INT64_MAX), 2);
    uint64_t generation = store_series_generation(f->store);
    store_expire(f->store, 3 * HOUR_MS + 1000);
    assert_null(the_series(f));
    assert_true(store_series_generation(f->store) != generation);
    assert_int_equal(store_history_numbers(f->store).blocks, 0);
}

/* One round of two metrics, m and o. */
static void say_both_at(struct fixture *f, int64_t t_ms, double value) {
    batch_clear(&f->batch);
    say(&f->batch, "m", "", value);
    say(&f->batch, "o", "", value);
    store_feed_commit(f->feed, &f->batch, t_ms);
    store_expire(f->store, t_ms);
}

/* Both have all samples from some round to the newest one. Return: how many m and o have. */
static void check_both(struct fixture *f, int newest, size_t ret_n[2]) {
    for (size_t k = 0; k < 2; k++) {
        const struct series *series = store_find(f->source, k == 0 ? "m" : "o", "");
        const size_t n = series_read(series, INT64_MIN, INT64_MAX, &f->read);
        assert_true(n > 0);
        for (size_t i = 0; i < n; i++) {
            const int round = newest + 1 - (int)(n - i);
            assert_int_equal(f->read.t_ms[i], round * 1000);
            assert_true(f->read.values[i] == round / 7.0);
        }
        ret_n[k] = n;
    }
}

static void a_metric_may_be_kept_longer_than_others(void **state) {
    struct fixture *f = *state;
    const struct str name = str_of("m");
    size_t n[2];
    store_set_history(f->store, 60000, MANY_BYTES);
    store_keep_longer(f->store, &name, 1, 600000);
    for (int i = 0; i < 2000; i++) {
        say_both_at(f, i * 1000, i / 7.0);
    }
    check_both(f, 1999, n);
    assert_in_range(n[0], 600, 650);
    assert_in_range(n[1], 60, 90);
    store_keep_longer(f->store, NULL, 0, 0);
    for (int i = 2000; i < 2200; i++) {
        say_both_at(f, i * 1000, i / 7.0);
    }
    check_both(f, 2199, n);
    assert_in_range(n[0], 60, 90);
    assert_true(store_history_numbers(f->store).blocks < 30);
}

static void a_stale_series_of_such_a_metric_stays_as_long(void **state) {
    struct fixture *f = *state;
    const struct str names[] = {{"x", 1}, {"m_bucket", 8}};
    store_keep_longer(f->store, names, ARRAY_LEN(names), 3 * HOUR_MS);
    say_at(f, 0, 1);
    store_feed_end(f->feed, 1000);
    store_expire(f->store, 2 * HOUR_MS);
    assert_int_equal(read_past(f, INT64_MIN, INT64_MAX), 2);
    store_expire(f->store, 3 * HOUR_MS + 1000);
    assert_null(the_series(f));
}

/* What is kept may change with each reload, also while the limit on bytes takes blocks away. */
static void what_is_kept_longer_may_change_at_any_time(void **state) {
    struct fixture *f = *state;
    const struct str names[] = {{"m", 1}, {"o", 1}};
    size_t n[2];
    srand(1);
    for (int i = 0; i < 30000; i++) {
        if (rand() % 150 == 0) {
            const size_t first = (size_t)rand() % 2;
            store_set_history(f->store, 60000, rand() % 4 == 0 ? 24000 : MANY_BYTES);
            store_keep_longer(f->store, names + first, (size_t)rand() % (3 - first),
                              rand() % 2 == 0 ? 600000 : 300000);
        }
        say_both_at(f, i * 1000, i / 7.0);
        if (i % 50 == 0) {
            check_both(f, i, n);
            assert_true(n[0] < 700 && n[1] < 700);
        }
    }
    store_keep_longer(f->store, NULL, 0, 0);
    store_expire(f->store, (int64_t)40000 * 1000);
    assert_true(store_history_numbers(f->store).blocks <= 4);
}

static void without_a_retention_only_the_newest_sample_is_there(void **state) {
    struct fixture *f = *state;
    store_set_history(f->store, 0, 0);
    for (int i = 0; i < 100; i++) {
        say_at(f, i, i);
    }
    assert_int_equal(read_past(f, INT64_MIN, INT64_MAX), 1);
    assert_int_equal(f->read.t_ms[0], 99);
    assert_int_equal(read_past(f, 99, 100), 0);
    assert_int_equal(store_history_numbers(f->store).bytes, 0);
    assert_int_equal(store_history_numbers(f->store).samples, 0);
}

static void history_may_begin_and_end_at_any_time(void **state) {
    struct fixture *f = *state;
    for (int i = 0; i < 1000; i++) {
        say_at(f, i * 1000, i * 0.7);
    }
    assert_true(store_history_numbers(f->store).blocks > 0);
    store_set_history(f->store, 0, 0);
    assert_int_equal(store_history_numbers(f->store).bytes, 0);
    assert_int_equal(read_past(f, INT64_MIN, INT64_MAX), 1);
    store_set_history(f->store, HOUR_MS, MANY_BYTES);
    assert_int_equal(read_past(f, INT64_MIN, INT64_MAX), 1);
    say_at(f, 2000000, 5);
    say_at(f, 2001000, 6);
    assert_int_equal(read_past(f, 999000, INT64_MAX), 2);
    assert_true(f->read.values[1] == 6);
    /* Its hot part has moved twice. */
    assert_page(f->source, "# HELP m Help.\n# TYPE m gauge\nm 6\n");
}

static void the_oldest_blocks_make_room(void **state) {
    struct fixture *f = *state;
    const size_t limit = 768 * 1024;
    store_set_history(f->store, 1000 * HOUR_MS, limit);
    for (int i = 0; i < 50000; i++) {
        say_at(f, i * 1000, i / 7.0);
        if (i % 10 == 0) { /* the time log grows in leaps, which expiry makes up for */
            store_expire(f->store, i * 1000);
            /* but for two slabs of blocks that are used in part */
            assert_true(store_history_numbers(f->store).bytes <= limit + (size_t)2 * 16 * 1024);
        }
    }
    struct history_numbers numbers = store_history_numbers(f->store);
    assert_true(numbers.evicted_blocks > 0);
    size_t n = read_past(f, INT64_MIN, INT64_MAX);
    assert_true(n > 0 && n < 50000);
    for (size_t i = 0; i < n; i++) { /* the newest ones, without a gap */
        assert_int_equal(f->read.t_ms[i], (int64_t)(50000 - n + i) * 1000);
        assert_true(f->read.values[i] == (double)(50000 - n + i) / 7.0);
    }
    store_set_history(f->store, 1000 * HOUR_MS, 1); /* and lowering it takes at once */
    assert_true(read_past(f, INT64_MIN, INT64_MAX) < 150);
    say_at(f, 50000 * 1000, 1);
    assert_true(read_past(f, INT64_MIN, INT64_MAX) >= 1);
}

static void a_limit_that_leaves_no_block_keeps_the_newest(void **state) {
    struct fixture *f = *state;
    store_set_history(f->store, HOUR_MS, 1);
    for (int i = 0; i < 1000; i++) {
        say_at(f, i * 1000, i * 1.1);
        size_t n = read_past(f, INT64_MIN, INT64_MAX);
        assert_true(n >= 1);
        assert_int_equal(f->read.t_ms[n - 1], i * 1000);
        assert_true(f->read.values[n - 1] == i * 1.1);
    }
    assert_int_equal(store_history_numbers(f->store).blocks, 0);
}

static void memory_that_is_not_used_is_given_back(void **state) {
    struct fixture *f = *state;
    for (int i = 0; i < 100; i++) {
        batch_clear(&f->batch);
        for (int k = 0; k < 300; k++) {
            char labels[16];
            snprintf(labels, sizeof(labels), "l=%d", k);
            say(&f->batch, "m", labels, (i * 37 + k) * 1.1);
        }
        store_feed_commit(f->feed, &f->batch, i * 1000);
    }
    struct history_numbers before = store_history_numbers(f->store);
    assert_true(before.blocks > 500);
    store_feed_end(f->feed, 200000);
    store_expire(f->store, 200000 + HOUR_MS);
    store_expire(f->store, 200000 + HOUR_MS);
    struct history_numbers after = store_history_numbers(f->store);
    assert_int_equal(after.blocks, 0);
    assert_true(after.bytes < 16 * 1024);
}

/* --- Against a model --- */

#define N_SOURCES 3
#define N_FEEDS   2
#define N_LABELS  5
#define N_STEPS   1500
#define MODEL_MS  20000 /* retention */

struct noted {
    const struct series *series;
    bool seen;
    struct sample_buffer past; /* everything, also what should have expired */
};

struct model {
    uint64_t random;
    struct store *store;
    struct store_source *sources[N_SOURCES];
    struct store_feed *feeds[N_SOURCES][N_FEEDS];
    struct noted noted[N_SOURCES * N_LABELS * 4];
    size_t n_noted;
    struct batch batch;
    struct sample_buffer read;
    int64_t newest_ms;
    bool limited;
};

static unsigned pick(struct model *model, unsigned below) {
    model->random = model->random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(model->random >> 33) % below;
}

static void begin_source(struct model *model, unsigned i) {
    char name[16];
    snprintf(name, sizeof(name), "t%u", i);
    struct source_labels labels = {.target = str_of(name), .hidden = i == 0};
    model->sources[i] = store_source_new(model->store, &labels);
    for (unsigned k = 0; k < N_FEEDS; k++) {
        model->feeds[i][k] = store_feed_new(model->sources[i], "feed");
    }
}

static void note(struct noted *noted) {
    const struct series_hot *hot = noted->series->hot;
    struct sample_buffer *past = &noted->past;
    if (hot->t_ms == INT64_MIN || (past->n > 0 && past->t_ms[past->n - 1] == hot->t_ms)) {
        return;
    }
    if (past->n == past->capacity) {
        past->capacity = past->capacity * 2 + 64;
        past->t_ms = mem_resize(past->t_ms, past->capacity, sizeof(*past->t_ms));
        past->values = mem_resize(past->values, past->capacity, sizeof(*past->values));
    }
    past->t_ms[past->n] = hot->t_ms;
    past->values[past->n++] = hot->value;
}

/* Each operation gives a series one sample at most, so that looking after each finds all. */
static void note_all(struct model *model) {
    struct selection all;
    assert_int_equal(store_select(model->store, NULL, 0, &all), 0);
    for (size_t i = 0; i < model->n_noted; i++) {
        model->noted[i].seen = false;
    }
    for (size_t i = 0; i < all.n_series; i++) {
        size_t at = 0;
        while (at < model->n_noted && model->noted[at].series != all.series[i]) {
            at++;
        }
        if (at == model->n_noted) {
            assert_true(at < sizeof(model->noted) / sizeof(model->noted[0]));
            model->noted[model->n_noted++] = (struct noted){.series = all.series[i]};
        }
        model->noted[at].seen = true;
        note(&model->noted[at]);
    }
    for (size_t i = 0; i < model->n_noted;) {
        if (model->noted[i].seen) {
            i++;
            continue;
        }
        sample_buffer_deinit(&model->noted[i].past);
        model->noted[i] = model->noted[--model->n_noted];
    }
    selection_deinit(&all);
}

static double pick_value(struct model *model, unsigned label, int64_t t_ms) {
    switch (label) {
    case 0:
        return 7;
    case 1:
        return (double)t_ms;
    case 2:
        return pick(model, 4) == 0 ? pick(model, 1000) : 3;
    case 3:
        return pick(model, 100000) / 7.0;
    default:
        return pick(model, 100000) / 1000.0;
    }
}

static void commit_random(struct model *model, unsigned source, unsigned feed, int64_t t_ms) {
    batch_clear(&model->batch);
    for (unsigned i = 0; i < N_LABELS; i++) {
        char labels[16];
        if (pick(model, 15) == 0) {
            continue;
        }
        snprintf(labels, sizeof(labels), "l=%u,f=%u", i, feed);
        say(&model->batch, i % 2 == 0 ? "a" : "b", labels, pick_value(model, i, t_ms));
    }
    store_feed_commit(model->feeds[source][feed], &model->batch, t_ms);
    note_all(model);
}

static void check_noted(struct model *model, const struct noted *noted) {
    const struct sample_buffer *past = &noted->past;
    int64_t from = model->newest_ms - (int64_t)pick(model, 2 * MODEL_MS);
    int64_t to = from + (int64_t)pick(model, MODEL_MS);
    if (pick(model, 3) == 0) {
        from = INT64_MIN;
        to = INT64_MAX;
    }
    size_t first = 0, end;
    while (first < past->n && past->t_ms[first] <= from) {
        first++;
    }
    for (end = first; end < past->n && past->t_ms[end] <= to; end++) {}
    const size_t n = series_read(noted->series, from, to, &model->read);
    assert_true(n <= end - first);
    for (size_t i = 0; i < n; i++) { /* the newest of the window, bit by bit */
        assert_int_equal(model->read.t_ms[i], past->t_ms[end - n + i]);
        assert_memory_equal(&model->read.values[i], &past->values[end - n + i], sizeof(double));
    }
    if (end - first > n && !model->limited) { /* what is missing was old, but for a tick's gap */
        assert_true(past->t_ms[end - n - 1] <= model->newest_ms - MODEL_MS + 2000);
    }
}

static void step(struct model *model, int64_t t_ms) {
    const unsigned source = pick(model, N_SOURCES), what = pick(model, 60);
    for (unsigned feed = 0; feed < N_FEEDS; feed++) {
        int64_t at = pick(model, 10) == 0 ? t_ms - 50 * (int64_t)pick(model, 5) : t_ms;
        if (pick(model, 8) == 0) {
            store_feed_repeat(model->feeds[source][feed], at);
            note_all(model);
        } else if (pick(model, 60) == 0) {
            store_feed_end(model->feeds[source][feed], at);
            note_all(model);
        } else {
            commit_random(model, source, feed, at);
        }
    }
    if (what == 0) {
        store_source_free(model->store, model->sources[source], t_ms + 1);
        note_all(model);
        begin_source(model, source);
    }
    if (what < 5) {
        store_expire(model->store, t_ms);
        note_all(model);
    }
}

static void run_model(uint64_t seed, size_t bytes) {
    struct model *model = mem_alloc(sizeof(*model));
    model->random = seed;
    model->limited = bytes != MANY_BYTES;
    model->store = store_new(&(struct store_options){.retention_ms = MODEL_MS / 2});
    store_set_history(model->store, MODEL_MS, bytes);
    for (unsigned i = 0; i < N_SOURCES; i++) {
        begin_source(model, i);
    }
    int64_t t_ms = -60000;
    for (unsigned i = 0; i < N_STEPS; i++) {
        t_ms += pick(model, 200) == 0 ? (int64_t)pick(model, 30000) : 100;
        model->newest_ms = t_ms + 1;
        step(model, t_ms);
        if (i % 10 == 0) {
            for (size_t k = 0; k < model->n_noted; k++) {
                check_noted(model, &model->noted[k]);
            }
        }
        assert_true(!model->limited || store_history_numbers(model->store).blocks <= 128);
    }
    for (size_t i = 0; i < model->n_noted; i++) {
        sample_buffer_deinit(&model->noted[i].past);
    }
    batch_deinit(&model->batch);
    sample_buffer_deinit(&model->read);
    store_free(model->store);
    free(model);
}

static void the_past_is_what_the_model_noted(void **state) {
    for (uint64_t seed = 1; seed <= 4; seed++) {
        run_model(seed * 7919, MANY_BYTES);
    }
}

static void it_is_its_newest_part_under_a_limit(void **state) {
    for (uint64_t seed = 1; seed <= 4; seed++) {
        run_model(seed * 104729, 40 * 1024);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* Beyond 8 MiB blocks come from large pages, which go when all of theirs have gone. */
static void much_of_the_past_is_kept_and_forgotten(void **state) {
    enum { SERIES = 500, ROUNDS = 2600, WINDOW = 50 };
    struct fixture *f = *state;
    batch_clear(&f->batch);
    for (int i = 0; i < SERIES; i++) {
        char labels[20];
        snprintf(labels, sizeof(labels), "%d", i);
        struct label label = {str_of("i"), str_of(labels)};
        batch_add(&f->batch, (struct batch_metric){"m", "", METRIC_GAUGE, true},
                  batch_add_labels(&f->batch, &label, 1), 0);
    }
    for (int again = 0; again < 2; again++) {
        const int64_t begin_ms = again * 10 * HOUR_MS;
        for (int round = 1; round <= ROUNDS; round++) {
            for (int i = 0; i < SERIES; i++) {
                f->batch.samples[i].value = (round * SERIES + i) / 7.0;
            }
            store_feed_commit(f->feed, &f->batch, begin_ms + round * 1000);
        }
        const size_t bytes = store_history_numbers(f->store).bytes;
        assert_true(bytes > (size_t)9 * 1024 * 1024);
        struct selection all = {0};
        store_select(f->store, NULL, 0, &all);
        assert_int_equal(all.n_series, SERIES);
        for (size_t k = 0; k < all.n_series; k++) {
            const int64_t to_ms = begin_ms + ROUNDS * 1000;
            assert_int_equal(series_read(all.series[k], begin_ms, to_ms, &f->read), ROUNDS);
            const double first = f->read.values[0], last = f->read.values[ROUNDS - 1];
            assert_int_equal(series_read(all.series[k], begin_ms, begin_ms + 1000, &f->read), 1);
            assert_true(f->read.values[0] == first);
            assert_int_equal(series_read(all.series[k], to_ms - WINDOW * 1000, to_ms, &f->read),
                             WINDOW);
            assert_true(f->read.values[WINDOW - 1] == last && f->read.t_ms[0] == to_ms - 49000);
        }
        selection_deinit(&all);
        store_expire(f->store, begin_ms + 5 * HOUR_MS);
        assert_true(store_history_numbers(f->store).bytes < bytes / 8);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(reads_what_was_said_within_left_open_bounds),
        TEST(times_may_be_negative),
        TEST(a_series_that_ended_and_came_back_has_its_marker_between),
        TEST(the_past_goes_on_after_a_target_is_removed_and_added_again),
        TEST(a_late_feed_of_the_same_source_keeps_its_times),
        TEST(what_is_older_than_the_retention_goes),
        TEST(a_silent_source_does_not_keep_the_blocks_of_others),
        TEST(a_stale_series_stays_as_long_as_its_past),
        TEST(a_metric_may_be_kept_longer_than_others),
        TEST(a_stale_series_of_such_a_metric_stays_as_long),
        TEST(what_is_kept_longer_may_change_at_any_time),
        TEST(without_a_retention_only_the_newest_sample_is_there),
        TEST(history_may_begin_and_end_at_any_time),
        TEST(the_oldest_blocks_make_room),
        TEST(a_limit_that_leaves_no_block_keeps_the_newest),
        TEST(memory_that_is_not_used_is_given_back),
        cmocka_unit_test(the_past_is_what_the_model_noted),
        cmocka_unit_test(it_is_its_newest_part_under_a_limit),
        TEST(much_of_the_past_is_kept_and_forgotten),
    };
    return cmocka_run_group_tests_name("history", tests, NULL, NULL);
}
