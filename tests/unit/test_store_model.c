/* SPDX-License-Identifier: Apache-2.0 */

/* The store and its pages against a naive model: one flat list of everything that was ever said,
 * searched from the beginning each time, over some hundred random rounds with fixed seeds. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "store_fixture.h"

#define N_SOURCES  3
#define N_FEEDS    3
#define N_FAMILIES 7
#define N_LABELS   6
#define N_ROUNDS   400

/* Not sorted, so that sorting has something to do. */
static const char *const family_names[N_FAMILIES] = {"m_z", "a", "m_b", "m", "zz", "m_B", "m_a"};
static const char *const label_values[N_LABELS] = {"", "1", "22", "q\"x", "n\nl", "b\\s"};
static const char *const label_texts[N_LABELS] = {
    "", "l=\"1\"", "l=\"22\"", "l=\"q\\\"x\"", "l=\"n\\nl\"", "l=\"b\\\\s\""};

struct model_series {
    bool known, live, seen;
    unsigned feed;
    int64_t t_ms;
    double value;
    unsigned since; /* when it became live: the order within its family */
};

struct model {
    uint64_t random;
    unsigned clock;
    struct store *store;
    struct store_source *sources[N_SOURCES];
    struct store_feed *feeds[N_SOURCES][N_FEEDS];
    struct model_series series[N_SOURCES][N_FAMILIES][N_LABELS];
    unsigned lives[N_SOURCES]; /* of the source: changes its cluster */
    struct batch batch;
};

static unsigned pick(struct model *model, unsigned below) {
    model->random = model->random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(model->random >> 33) % below;
}

static void source_names(const struct model *model, unsigned source, char target[16],
                         char cluster[16]) {
    snprintf(target, 16, "t%u", N_SOURCES - source);
    snprintf(cluster, 16, "c%u", model->lives[source]);
}

static void begin_source(struct model *model, unsigned source) {
    char target[16], cluster[16];
    model->lives[source]++;
    source_names(model, source, target, cluster);
    model->sources[source] = add_source(model->store, target, cluster);
    for (unsigned i = 0; i < N_FEEDS; i++) {
        model->feeds[source][i] = store_feed_new(model->sources[source], "feed");
    }
    memset(model->series[source], 0, sizeof(model->series[source]));
}

static void model_end(struct model_series *series, int64_t t_ms) {
    series->t_ms = t_ms > series->t_ms ? t_ms : series->t_ms + 1;
    series->live = false;
}

/* What the store should make of one sample. */
static void model_sample(struct model *model, struct model_series *series, unsigned feed,
                         int64_t t_ms, double value, struct store_commit_result *expected) {
    if (series->seen || (series->live && series->feed != feed)) {
        expected->duplicates++;
        return;
    }
    series->seen = true;
    if (series->known && t_ms <= series->t_ms) {
        expected->out_of_order++;
        return;
    }
    expected->appended++;
    if (!series->live) {
        series->since = ++model->clock;
    }
    series->known = series->live = true;
    series->feed = feed;
    series->t_ms = t_ms;
    series->value = value;
}

static struct model_series *all_of(struct model *model, unsigned source) {
    return &model->series[source][0][0];
}

static void commit_random(struct model *model, unsigned source, unsigned feed, int64_t t_ms) {
    struct store_commit_result expected = {0};
    struct model_series *all = all_of(model, source);
    unsigned n = pick(model, 4) == 0 ? pick(model, 30) : 10, start = pick(model, 3);
    batch_clear(&model->batch);
    for (unsigned i = 0; i < N_FAMILIES * N_LABELS; i++) {
        all[i].seen = false;
    }
    for (unsigned i = 0; i < n; i++) {
        /* Mostly in order, with rows that come and go; now and then anything. */
        unsigned which = pick(model, 10) == 0 ? pick(model, N_FAMILIES * N_LABELS)
                                              : (start + feed * 11 + i + pick(model, 12) / 11) %
                                                    (N_FAMILIES * N_LABELS);
        double value = pick(model, 2) == 0 ? 1 : pick(model, 1000) / 8.0;
        struct label label = {str_of("l"), str_of(label_values[which % N_LABELS])};
        const char *name = family_names[which / N_LABELS];
        bool constant = pick(model, 2) == 0;
        struct batch_metric metric = {constant ? name
                                               : batch_keep_name(&model->batch, str_of(name)),
                                      "H.", METRIC_GAUGE, constant};
        batch_add(&model->batch, metric, batch_add_labels(&model->batch, &label, 1), value);
        model_sample(model, &all[which], feed, t_ms, value, &expected);
    }
    for (unsigned i = 0; i < N_FAMILIES * N_LABELS; i++) {
        if (all[i].live && all[i].feed == feed && !all[i].seen) {
            model_end(&all[i], t_ms);
        }
    }
    struct store_commit_result got =
        store_feed_commit(model->feeds[source][feed], &model->batch, t_ms);
    assert_result(got, expected.appended, expected.duplicates, expected.out_of_order, 0);
}

static void repeat(struct model *model, unsigned source, unsigned feed, int64_t t_ms) {
    struct model_series *all = all_of(model, source);
    store_feed_repeat(model->feeds[source][feed], t_ms);
    for (unsigned i = 0; i < N_FAMILIES * N_LABELS; i++) {
        if (all[i].live && all[i].feed == feed && t_ms > all[i].t_ms) {
            all[i].t_ms = t_ms;
        }
    }
}

static void end_feed(struct model *model, unsigned source, unsigned feed, int64_t t_ms) {
    struct model_series *all = all_of(model, source);
    store_feed_end(model->feeds[source][feed], t_ms);
    for (unsigned i = 0; i < N_FAMILIES * N_LABELS; i++) {
        if (all[i].live && all[i].feed == feed) {
            model_end(&all[i], t_ms);
        }
    }
}

/* --- What the pages should be --- */

static int compare_names(const void *a, const void *b) {
    return strcmp(family_names[*(const unsigned *)a], family_names[*(const unsigned *)b]);
}

/* The live series of a family in the order in which they became so. Return: their number. */
static unsigned live_of(const struct model *model, unsigned source, unsigned family,
                        unsigned out[N_LABELS]) {
    unsigned n = 0;
    const struct model_series *series = model->series[source][family];
    for (unsigned i = 0; i < N_LABELS; i++) {
        unsigned at = n;
        if (!series[i].live) {
            continue;
        }
        for (; at > 0 && series[out[at - 1]].since > series[i].since; at--) {
            out[at] = out[at - 1];
        }
        out[at] = i;
        n++;
    }
    return n;
}

static void add_family(const struct model *model, struct strbuf *out, unsigned source,
                       unsigned family, bool joined, bool *head_given) {
    unsigned live[N_LABELS];
    unsigned n = live_of(model, source, family, live);
    const char *name = family_names[family];
    char target[16], cluster[16];
    source_names(model, source, target, cluster);
    if (n > 0 && !*head_given) {
        strbuf_printf(out, "# HELP %s H.\n# TYPE %s gauge\n", name, name);
        *head_given = true;
    }
    for (unsigned i = 0; i < n; i++) {
        const char *own = label_texts[live[i]];
        double value = model->series[source][family][live[i]].value;
        if (joined) {
            strbuf_printf(out, "%s{%s%scluster=\"%s\",target=\"%s\"} %.15g\n", name, own,
                          own[0] != '\0' ? "," : "", cluster, target, value);
        } else if (own[0] != '\0') {
            strbuf_printf(out, "%s{%s} %.15g\n", name, own, value);
        } else {
            strbuf_printf(out, "%s %.15g\n", name, value);
        }
    }
}

static void check_pages(struct model *model) {
    unsigned order[N_FAMILIES] = {0, 1, 2, 3, 4, 5, 6};
    struct strbuf text = {0};
    qsort(order, N_FAMILIES, sizeof(order[0]), compare_names);
    for (unsigned source = 0; source < N_SOURCES; source++) {
        strbuf_clear(&text);
        for (unsigned i = 0; i < N_FAMILIES; i++) {
            bool head_given = false;
            add_family(model, &text, source, order[i], false, &head_given);
        }
        assert_page(model->sources[source], strbuf_view(&text).data);
    }
    strbuf_clear(&text);
    for (unsigned i = 0; i < N_FAMILIES; i++) {
        bool head_given = false;
        for (unsigned source = N_SOURCES; source-- > 0;) { /* t1 is the last one */
            add_family(model, &text, source, order[i], true, &head_given);
        }
    }
    char out[64], etag[48];
    size_t at = 0, n;
    struct exposition_reader *reader = exposition_reader_new(model->store, false, 0, etag);
    while ((n = exposition_reader_read(reader, out, sizeof(out))) > 0) {
        assert_true(at + n <= text.len);
        assert_memory_equal(out, text.data + at, n);
        at += n;
    }
    assert_int_equal(at, text.len);
    exposition_reader_free(reader);
    assert_joined(model->store, strbuf_view(&text).data);
    strbuf_deinit(&text);
}

static void check_series(struct model *model) {
    size_t live = 0;
    for (unsigned source = 0; source < N_SOURCES; source++) {
        for (unsigned i = 0; i < N_FAMILIES * N_LABELS; i++) {
            const struct model_series *expected = &all_of(model, source)[i];
            const struct series *got = store_find(
                model->sources[source], family_names[i / N_LABELS], label_texts[i % N_LABELS]);
            assert_int_equal(got != NULL, expected->live);
            if (got != NULL) {
                assert_int_equal(got->hot->t_ms, expected->t_ms);
                assert_true(got->hot->value == expected->value);
                live++;
            }
        }
    }
    assert_int_equal(store_numbers(model->store).series, live);
}

static void step(struct model *model, int64_t t_ms) {
    unsigned source = pick(model, N_SOURCES);
    for (unsigned feed = 0; feed < N_FEEDS; feed++) {
        unsigned what = pick(model, 20);
        int64_t at = pick(model, 15) == 0 ? t_ms - 10 * pick(model, 4) : t_ms;
        if (what < 14) {
            commit_random(model, source, feed, at);
        } else if (what < 17) {
            repeat(model, source, feed, at);
        } else if (what < 18) {
            end_feed(model, source, feed, at);
        }
    }
    if (pick(model, 40) == 0) {
        store_source_free(model->store, model->sources[source], t_ms + 1);
        begin_source(model, source);
    }
    store_publish(model->sources[source]);
    if (pick(model, 30) == 0) {
        exposition_drop_idle(model->store, (uint64_t)t_ms, 0);
    }
}

/* Expiry forgets when a series ended; the model must forget it, too. */
static void expire(struct model *model, int64_t now_ms) {
    store_expire(model->store, now_ms);
    for (unsigned source = 0; source < N_SOURCES; source++) {
        for (unsigned i = 0; i < N_FAMILIES * N_LABELS; i++) {
            struct model_series *series = &all_of(model, source)[i];
            series->known = series->known && (series->live || series->t_ms > now_ms - 300);
        }
    }
}

static void run(uint64_t seed) {
    static struct model model;
    model = (struct model){
        .random = seed,
        .store = store_new(&(struct store_options){.retention_ms = 300}),
    };
    for (unsigned source = 0; source < N_SOURCES; source++) {
        begin_source(&model, source);
    }
    for (int64_t round = 1; round <= N_ROUNDS; round++) {
        step(&model, round * 10);
        check_series(&model);
        if (round % 2 == 0) {
            check_pages(&model);
        }
        if (round % 17 == 0) {
            expire(&model, round * 10);
        }
    }
    expire(&model, 1000000);
    assert_int_equal(store_numbers(model.store).stale_series, 0);
    check_pages(&model);
    batch_deinit(&model.batch);
    store_free(model.store);
}

static void store_does_what_the_model_does(void **state) {
    for (uint64_t seed = 1; seed <= 5; seed++) {
        run(seed * 7919);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(store_does_what_the_model_does),
    };
    return cmocka_run_group_tests_name("store_model", tests, NULL, NULL);
}
