/* SPDX-License-Identifier: Apache-2.0 */

/* Short ways for tests of the store to say who said what. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "store/exposition.h"
#include "store/store.h"

static inline struct store_source *add_source(struct store *store, const char *target,
                                              const char *cluster) {
    struct source_labels labels = {
        .target = str_of(target),
        .cluster = str_of(cluster),
        .instance = str_of("10.0.0.1:5432"),
        .job = str_of("postgres"),
    };
    return store_source_new(store, &labels);
}

/* Labels are written as "a=1,b=two"; "" for none. */
static inline size_t split_labels(const char *text, struct label out[BATCH_MAX_LABELS]) {
    struct str rest = str_of(text);
    size_t n = 0;
    while (rest.len > 0 && n < BATCH_MAX_LABELS) {
        struct str value = str_cut(&rest, ',');
        out[n].name = str_cut(&value, '=');
        out[n++].value = value;
    }
    return n;
}

static inline struct batch_labels labels_of(struct batch *batch, const char *text) {
    struct label labels[BATCH_MAX_LABELS] = {0};
    size_t n = split_labels(text, labels);
    return batch_add_labels(batch, labels, n);
}

static inline void say(struct batch *batch, const char *name, const char *labels, double value) {
    struct batch_metric metric = {name, "Help.", METRIC_GAUGE, true};
    batch_add(batch, metric, labels_of(batch, labels), value);
}

static inline void assert_result(struct store_commit_result got, size_t appended, size_t duplicates,
                                 size_t out_of_order, size_t over_limit) {
    assert_int_equal(got.appended, appended);
    assert_int_equal(got.duplicates, duplicates);
    assert_int_equal(got.out_of_order, out_of_order);
    assert_int_equal(got.over_limit, over_limit);
}

static inline void assert_page(struct store_source *source, const char *expected) {
    struct exposition_page page;
    exposition_source(source, false, 0, &page);
    assert_string_equal(page.body->data, expected);
    assert_int_equal(page.body->len, strlen(expected));
    buffer_unref(page.body);
}

static inline void assert_joined(struct store *store, const char *expected) {
    struct exposition_page page;
    size_t size = exposition_joined_size(store, 0);
    exposition_joined(store, false, 0, &page);
    assert_string_equal(page.body->data, expected);
    assert_int_equal(page.body->len, strlen(expected));
    assert_int_equal(page.body->len, size);
    buffer_unref(page.body);
}
