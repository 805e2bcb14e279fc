/* SPDX-License-Identifier: Apache-2.0 */

/* Writing a batch: label sets in their final form, samples, and the series of histograms. */
#include "store/batch.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/number.h"

#define DEFAULT_MAX_LABEL_BYTES 256
#define MAX_NAME_BYTES          255
#define REPLACEMENT             "\xef\xbf\xbd" /* U+FFFD */

void batch_deinit(struct batch *batch) {
    free(batch->samples);
    strbuf_deinit(&batch->text);
    arena_deinit(&batch->names);
    *batch = (struct batch){0};
}

void batch_clear(struct batch *batch) {
    batch->n_samples = 0;
    batch->skipped_cells = 0;
    batch->dropped_samples = 0;
    strbuf_clear(&batch->text);
    arena_reset(&batch->names);
}

static void add_character(struct strbuf *out, const char *character, size_t len) {
    if (len == 0) {
        strbuf_add(out, REPLACEMENT, sizeof(REPLACEMENT) - 1);
    } else if (*character == '\n') {
        strbuf_add(out, "\\n", 2);
    } else {
        if (*character == '"' || *character == '\\') {
            strbuf_add_char(out, '\\');
        }
        strbuf_add(out, character, len);
    }
}

/* Most values are short and need nothing: these are copied at once. */
static bool is_plain(struct str value) {
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.data[i];
        if (c < ' ' || c >= 0x7f || c == '"' || c == '\\') {
            return false;
        }
    }
    return true;
}

static void add_value(struct strbuf *out, struct str value, size_t most) {
    if (value.len <= most && is_plain(value)) {
        strbuf_add_str(out, value);
        return;
    }
    size_t written = 0;
    for (size_t at = 0; at < value.len;) {
        size_t len = value.data[at] != '\0' ? utf8_length(value.data + at, value.len - at) : 0;
        written += len != 0 ? len : sizeof(REPLACEMENT) - 1;
        if (written > most) {
            break;
        }
        add_character(out, value.data + at, len);
        at += len != 0 ? len : 1;
    }
}

/* Sorts into out (BATCH_MAX_LABELS places) what is to be written. Return: how many. */
static size_t sort_labels(const struct label *labels, size_t count, struct label *out) {
    size_t n = 0;
    for (size_t i = 0; i < count && n < BATCH_MAX_LABELS; i++) {
        size_t at = n;
        int order = 1;
        if (labels[i].value.len == 0) {
            continue;
        }
        while (at > 0 && (order = str_compare(out[at - 1].name, labels[i].name)) > 0) {
            at--;
        }
        if (order == 0) {
            continue;
        }
        for (size_t moved = n; moved > at; moved--) {
            out[moved] = out[moved - 1];
        }
        out[at] = labels[i];
        n++;
    }
    return n;
}

static bool is_plain_name(struct str name) {
    for (size_t i = 0; i < name.len; i++) {
        const char c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
              (i > 0 && c >= '0' && c <= '9'))) {
            return false;
        }
    }
    return name.len > 0;
}

void batch_write_name(struct strbuf *out, struct str name) {
    if (is_plain_name(name)) {
        strbuf_add_str(out, name);
        return;
    }
    strbuf_add_char(out, '"');
    add_value(out, name, SIZE_MAX);
    strbuf_add_char(out, '"');
}

struct batch_labels batch_add_labels(struct batch *batch, const struct label *labels,
                                     size_t count) {
    struct label sorted[BATCH_MAX_LABELS];
    size_t n = sort_labels(labels, count, sorted);
    size_t most = batch->max_label_bytes != 0 ? batch->max_label_bytes : DEFAULT_MAX_LABEL_BYTES;
    size_t start = batch->text.len;
    for (size_t i = 0; i < n; i++) {
        if (i > 0) {
            strbuf_add_char(&batch->text, ',');
        }
        batch_write_name(&batch->text, sorted[i].name);
        strbuf_add(&batch->text, "=\"", 2);
        add_value(&batch->text, sorted[i].value, most);
        strbuf_add_char(&batch->text, '"');
    }
    return (struct batch_labels){(uint32_t)start, (uint32_t)(batch->text.len - start)};
}

/* Whether count more samples fit; those that do not are counted. */
static bool has_room(struct batch *batch, size_t count) {
    if (batch->max_samples != 0 && batch->n_samples + count > batch->max_samples) {
        batch->dropped_samples += count;
        return false;
    }
    return true;
}

static void add_sample(struct batch *batch, struct batch_metric metric, enum metric_suffix suffix,
                       struct batch_labels labels, double value) {
    batch->samples = mem_grow(batch->samples, batch->n_samples, &batch->samples_capacity,
                              sizeof(*batch->samples));
    batch->samples[batch->n_samples++] = (struct batch_sample){
        .metric = metric,
        .suffix = suffix,
        .labels = labels,
        .value = isnan(value) ? (double)NAN : value,
    };
}

void batch_add(struct batch *batch, struct batch_metric metric, struct batch_labels labels,
               double value) {
    if (has_room(batch, 1)) {
        add_sample(batch, metric, SUFFIX_NONE, labels, value);
    }
}

/* The labels and one more, which comes first so that a full set does not lose it. */
static struct batch_labels add_labels_and(struct batch *batch, const struct label *labels,
                                          size_t n_labels, const char *name, double value) {
    char number[NUMBER_TEXT_SIZE];
    struct label all[BATCH_MAX_LABELS];
    if (n_labels > BATCH_MAX_LABELS - 1) {
        n_labels = BATCH_MAX_LABELS - 1;
    }
    all[0] = (struct label){str_of(name), {number, number_format(value, number)}};
    for (size_t i = 0; i < n_labels; i++) {
        all[i + 1] = labels[i];
    }
    return batch_add_labels(batch, all, n_labels + 1);
}

void batch_add_histogram(struct batch *batch, struct batch_metric metric,
                         const struct label *labels, size_t n_labels, const double *bounds,
                         const double *cumulative, size_t n_bounds, double sum, double count) {
    if (!has_room(batch, n_bounds + 3)) {
        return;
    }
    for (size_t i = 0; i < n_bounds; i++) {
        add_sample(batch, metric, SUFFIX_BUCKET,
                   add_labels_and(batch, labels, n_labels, "le", bounds[i]), cumulative[i]);
    }
    add_sample(batch, metric, SUFFIX_BUCKET,
               add_labels_and(batch, labels, n_labels, "le", (double)INFINITY), count);
    struct batch_labels plain = batch_add_labels(batch, labels, n_labels);
    add_sample(batch, metric, SUFFIX_SUM, plain, sum);
    add_sample(batch, metric, SUFFIX_COUNT, plain, count);
}

void batch_add_summary(struct batch *batch, struct batch_metric metric, const struct label *labels,
                       size_t n_labels, const double *quantiles, const double *values,
                       size_t n_quantiles, double sum, double count) {
    size_t n_totals = (isnan(sum) ? 0 : 1) + (isnan(count) ? 0 : 1);
    if (!has_room(batch, n_quantiles + n_totals)) {
        return;
    }
    for (size_t i = 0; i < n_quantiles; i++) {
        add_sample(batch, metric, SUFFIX_NONE,
                   add_labels_and(batch, labels, n_labels, "quantile", quantiles[i]), values[i]);
    }
    struct batch_labels plain = {0};
    if (n_totals > 0) {
        plain = batch_add_labels(batch, labels, n_labels);
    }
    if (!isnan(sum)) {
        add_sample(batch, metric, SUFFIX_SUM, plain, sum);
    }
    if (!isnan(count)) {
        add_sample(batch, metric, SUFFIX_COUNT, plain, count);
    }
}

static bool may_stand_in_name(char c, bool first) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':' ||
           (!first && c >= '0' && c <= '9');
}

const char *batch_keep_any_name(struct batch *batch, struct str name) {
    struct strbuf text = {0};
    strbuf_add_utf8(&text, name);
    const struct str view = strbuf_view(&text);
    char *copy = arena_alloc(&batch->names, view.len + 1);
    for (size_t i = 0; i < view.len; i++) {
        copy[i] = view.data[i] != '\0' ? view.data[i] : '_';
    }
    strbuf_deinit(&text);
    return copy;
}

const char *batch_keep_name(struct batch *batch, struct str name) {
    if (name.len == 0) {
        return "_";
    }
    if (name.len > MAX_NAME_BYTES) {
        name.len = MAX_NAME_BYTES;
    }
    char *copy = arena_alloc(&batch->names, name.len + 1);
    for (size_t i = 0; i < name.len; i++) {
        copy[i] = may_stand_in_name(name.data[i], i == 0) ? name.data[i] : '_';
    }
    return copy;
}
