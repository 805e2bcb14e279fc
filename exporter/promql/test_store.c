/* SPDX-License-Identifier: Apache-2.0 */

/* A store whose series are filled by hand. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "promql/case_file.h"
#include "promql/printer.h"
#include "store/history.h"

/* Nothing expires while cases run. */
#define FOR_EVER_MS   (INT64_MAX / 4)
#define HISTORY_BYTES ((size_t)1024 * 1024 * 1024)

struct test_series {
    char *text; /* its labels as printed: who it is */
    char *name;
    struct store_feed *feed;
    struct store_source *source;
    struct batch batch;
};

void test_store_init(struct test_store *tests) {
    *tests = (struct test_store){.store = store_new(&(struct store_options){0})};
    store_set_history(tests->store, FOR_EVER_MS, HISTORY_BYTES);
}

void test_store_deinit(struct test_store *tests) {
    for (size_t i = 0; i < tests->n_series; i++) {
        batch_deinit(&tests->series[i].batch);
        free(tests->series[i].text);
        free(tests->series[i].name);
    }
    free(tests->series);
    store_free(tests->store);
    *tests = (struct test_store){0};
}

static struct test_series *find(struct test_store *tests, const char *text) {
    for (size_t i = 0; i < tests->n_series; i++) {
        if (strcmp(tests->series[i].text, text) == 0) {
            return &tests->series[i];
        }
    }
    return NULL;
}

static struct test_series *add(struct test_store *tests, char *text, struct str name) {
    char target[32];
    tests->series =
        mem_grow(tests->series, tests->n_series, &tests->capacity, sizeof(*tests->series));
    struct test_series *series = &tests->series[tests->n_series];
    snprintf(target, sizeof(target), "%zu", tests->n_series++);
    *series = (struct test_series){
        .text = text,
        .name = mem_strndup(name.data, name.len),
        .source = store_source_new(
            tests->store, &(struct source_labels){.target = str_of(target), .hidden = true}),
    };
    series->feed = store_feed_new(series->source, "test");
    return series;
}

void test_store_append(struct test_store *tests, const struct label *labels, size_t n_labels,
                       int64_t t_ms, double value) {
    struct strbuf printed = {0};
    struct str name = str_of("");
    struct label own[BATCH_MAX_LABELS];
    size_t n_own = 0;
    print_series(labels, n_labels, &printed);
    for (size_t i = 0; i < n_labels; i++) {
        if (str_is(labels[i].name, "__name__")) {
            name = labels[i].value;
        } else if (n_own < BATCH_MAX_LABELS) {
            own[n_own++] = labels[i];
        }
    }
    char *text = strbuf_take(&printed);
    struct test_series *series = find(tests, text);
    if (series != NULL) {
        free(text);
    } else {
        series = add(tests, text, name);
    }
    batch_clear(&series->batch);
    if (!series_is_stale_value(value)) {
        struct batch_labels own_labels = batch_add_labels(&series->batch, own, n_own);
        batch_add(&series->batch,
                  (struct batch_metric){.name = series->name, .help = "", .type = METRIC_UNTYPED},
                  own_labels, value);
    }
    store_feed_commit(series->feed, &series->batch, t_ms);
}
