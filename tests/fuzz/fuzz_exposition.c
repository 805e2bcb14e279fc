/* SPDX-License-Identifier: Apache-2.0 */

/* From batches to pages: whatever values and labels have been committed by whoever, every page is
 * valid text format, the one that is sent in pieces is the one that is sent whole, and JSON is
 * JSON. The input is a script of bytes: commits of two targets, three feeds each, with a few
 * samples. */

#include <stdio.h>

#include "base/buffer.h"
#include "fuzz.h"
#include "store/exposition.h"
#include "tests/support/exposition_check.h"
#include "tests/support/json_check.h"

#define FEEDS       3
#define MOST_ROUNDS 16

/* Collectors name no label "exported_...", which a label that is lent may replace. */
static const char *const own_names[] = {"target", "cluster", "a", "b"};
/* "target" and "cluster" may not be configured. */
static const char *const lent_names[] = {"a", "exported_target", "exported_a", "zone"};

static struct label take_label(struct str *script, const char *const names[4]) {
    const char *name = names[fuzz_take_byte(script) % 4];
    return (struct label){str_of(name), fuzz_take_piece(script)};
}

static double take_double(struct str *script) {
    uint64_t bits = 0;
    double value;
    for (int i = 0; i < 8; i++) {
        bits = bits << 8 | fuzz_take_byte(script);
    }
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static void add_histogram(struct batch *batch, const struct label *labels, size_t n_labels,
                          double value) {
    static const struct batch_metric metric = {"test_seconds", "Help.", METRIC_HISTOGRAM, true};
    const double bounds[] = {0.1, 1}, cumulative[] = {value, value};
    batch_add_histogram(batch, metric, labels, n_labels, bounds, cumulative, 2, value, value);
}

static void add_summary(struct batch *batch, const struct label *labels, size_t n_labels,
                        double value) {
    static const struct batch_metric metric = {"test_bytes", "Help.", METRIC_SUMMARY, true};
    const double quantiles[] = {0.5}, values[] = {value};
    batch_add_summary(batch, metric, labels, n_labels, quantiles, values, 1, value, value);
}

static void add_sample(struct batch *batch, struct str *script) {
    struct label labels[4];
    uint8_t how = fuzz_take_byte(script);
    size_t n_labels = how & 3;
    for (size_t i = 0; i < n_labels; i++) {
        labels[i] = take_label(script, own_names);
    }
    double value = take_double(script);
    if ((how & 0xc) == 0xc) {
        add_histogram(batch, labels, n_labels, value);
    } else if ((how & 0xc) == 8) {
        add_summary(batch, labels, n_labels, value);
    } else {
        struct strbuf name = {0};
        strbuf_add_text(&name, "setting_");
        strbuf_add_str(&name, fuzz_take_piece(script));
        const struct batch_metric metric = {batch_keep_name(batch, strbuf_view(&name)),
                                            how & 0x10 ? "A \\ and\na line." : "Plain.",
                                            (enum metric_type)(how >> 6) % METRIC_HISTOGRAM, false};
        batch_add(batch, metric, batch_add_labels(batch, labels, n_labels), value);
        strbuf_deinit(&name);
    }
}

static void check_text(struct str text) {
    struct error err = {0};
    if (exposition_check(text, &err) < 0) {
        fprintf(stderr, "%.*s\nline %u: %s\n", (int)text.len, text.data, err.at.line, err.text);
        abort();
    }
}

static void check_pieces(struct store *store, const struct buffer *whole, size_t size) {
    char etag[48], out[256];
    struct strbuf text = {0};
    struct exposition_reader *reader = exposition_reader_new(store, false, 0, etag);
    for (size_t len; (len = exposition_reader_read(reader, out, size)) > 0;) {
        must(len <= size);
        strbuf_add(&text, out, len);
    }
    must(str_equal(strbuf_view(&text), (struct str){whole->data, whole->len}));
    exposition_reader_free(reader);
    strbuf_deinit(&text);
}

static void check_json(struct store_source *source) {
    struct strbuf text = {0};
    struct json_writer json = {.out = &text};
    json_object_begin(&json, NULL);
    exposition_json(source, &json, "families");
    json_object_end(&json);
    must(json_check(strbuf_view(&text)));
    strbuf_deinit(&text);
}

static void check_pages(struct store *store, struct store_source *source, size_t piece_size) {
    struct exposition_page page = {0};
    exposition_source(source, false, 0, &page);
    check_text((struct str){page.body->data, page.body->len});
    buffer_unref(page.body);
    exposition_joined(store, false, 0, &page);
    check_text((struct str){page.body->data, page.body->len});
    check_pieces(store, page.body, piece_size);
    buffer_unref(page.body);
    check_json(source);
}

static struct store_source *add_source(struct store *store, const char *target,
                                       struct str *script) {
    const struct label extra = take_label(script, lent_names);
    return store_source_new(store, &(struct source_labels){.target = str_of(target),
                                                           .cluster = fuzz_take_piece(script),
                                                           .extra = &extra,
                                                           .n_extra = 1});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct str script = fuzz_input(data, size);
    struct store *store = store_new(&(struct store_options){.max_series_per_source = 100});
    struct store_source *sources[] = {add_source(store, "cache-1", &script),
                                      add_source(store, "orders-1", &script)};
    struct store_feed *feeds[ARRAY_LEN(sources) * FEEDS];
    struct batch batch = {.max_samples = 50, .max_label_bytes = fuzz_take_byte(&script)};
    for (size_t i = 0; i < ARRAY_LEN(feeds); i++) {
        feeds[i] = store_feed_new(sources[i / FEEDS], "fuzz");
    }
    for (int64_t round = 0; round < MOST_ROUNDS && script.len > 0; round++) {
        uint8_t how = fuzz_take_byte(&script);
        size_t feed = how % ARRAY_LEN(feeds);
        for (int samples = how >> 4; samples > 0; samples--) {
            add_sample(&batch, &script);
        }
        store_feed_commit(feeds[feed], &batch, (round + 1) * 1000);
        batch_clear(&batch);
        store_publish(sources[feed / FEEDS]);
        check_pages(store, sources[feed / FEEDS], (size_t)how + 1);
    }
    batch_deinit(&batch);
    store_free(store);
    return 0;
}
