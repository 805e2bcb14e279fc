/* SPDX-License-Identifier: Apache-2.0 */

/* What one collector found in one round: samples with their own labels, before the store gives
 * them the labels of their target.
 *
 * A batch is made afresh each round, so it is laid out for being written once and compared once:
 * label sets are kept as they stand in an exposition (sorted by name, escaped), and the samples of
 * a row share theirs. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"
#include "store/metric.h"

/* A label in flight; both views are borrowed. An empty value is the same as no label. */
struct label {
    struct str name, value;
};

/* A label set inside its batch: where its text starts and how long it is. {0} is the empty set. */
struct batch_labels {
    uint32_t offset, len;
};

/* What a sample is of. Names and help of constant metrics live as long as the program and are
 * compared by address; others live until batch_clear() (batch_keep_name). */
struct batch_metric {
    const char *name; /* of the family, without suffix */
    const char *help;
    enum metric_type type;
    bool constant;
};

struct batch_sample {
    struct batch_metric metric;
    enum metric_suffix suffix;
    struct batch_labels labels;
    double value;
};

struct batch {
    struct batch_sample *samples;
    size_t n_samples, samples_capacity;
    size_t max_samples;       /* 0: no limit; what is above it is dropped and counted */
    size_t max_label_bytes;   /* of one value; 0: 256. A longer one is cut at a character */
    struct strbuf text;       /* label sets, one after another */
    struct arena names;       /* what batch_keep_name() copied */
    uint64_t skipped_cells;   /* cells that were no number where one was expected */
    uint64_t dropped_samples; /* above max_samples */
};

void batch_deinit(struct batch *batch);

/* Empties it for the next round and keeps the memory and the limits. */
void batch_clear(struct batch *batch);

/* Adds a label set: sorted by name, values escaped, zero bytes and bytes that are no UTF-8
 * replaced, empty values left out. Names must be valid label names unless the source is hidden; of
 * two equal names the first one counts. At most BATCH_MAX_LABELS; the rest is left out. */
#define BATCH_MAX_LABELS 32
struct batch_labels batch_add_labels(struct batch *batch, const struct label *labels, size_t count);

/* Every NaN becomes the ordinary one: no server can make the stale marker. */
void batch_add(struct batch *batch, struct batch_metric metric, struct batch_labels labels,
               double value);

/* Adds the series of a histogram: cumulative counts at ascending bounds, "+Inf" is added from
 * count. The labels must not contain "le". All of its series or, above max_samples, none. */
void batch_add_histogram(struct batch *batch, struct batch_metric metric,
                         const struct label *labels, size_t n_labels, const double *bounds,
                         const double *cumulative, size_t n_bounds, double sum, double count);

/* Adds the series of a summary; without sum and count when they are NaN. All or none as above; the
 * labels must not contain "quantile". */
void batch_add_summary(struct batch *batch, struct batch_metric metric, const struct label *labels,
                       size_t n_labels, const double *quantiles, const double *values,
                       size_t n_quantiles, double sum, double count);

/* A copy of a name that lives until batch_clear(), for metrics whose names come from a server.
 * Characters that metric names cannot have become '_', and it is cut at 255 bytes. */
const char *batch_keep_name(struct batch *batch, struct str name);

/* The same for series of hidden sources: any characters and any length; "" is no name. */
const char *batch_keep_any_name(struct batch *batch, struct str name);

/* A label's name as it stands in label sets: between quotes and escaped unless it is a usual one.
 */
void batch_write_name(struct strbuf *out, struct str name);

static inline struct str batch_labels_text(const struct batch *batch, struct batch_labels labels) {
    return (struct str){labels.len != 0 ? batch->text.data + labels.offset : "", labels.len};
}
