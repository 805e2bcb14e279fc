/* SPDX-License-Identifier: Apache-2.0 */

/* What the latency monitor (latency-monitor-threshold) saw last, by the kind of event:
 * [[event, time, milliseconds, most milliseconds], ...]. Empty while the monitor is off. */
#include "collectors/collector.h"

#include <errno.h>

#include "collectors/support.h"

static const struct query queries[] = {{.text = "LATENCY LATEST", .shape = SHAPE_TREE}, {0}};

static const struct column columns[] = {{0}};

/* The item of an event is the row's place and one. */
static const struct column also[] = {
    {NULL, GAUGE, "redis_latency_spike_last",
     "When such an event last took too long, in seconds since 1970."},
    {NULL, GAUGE, "redis_latency_spike_duration_seconds",
     "How long such an event last took when it was too long, in seconds.", 1e-3},
    {NULL, LABEL, "event_name"},
    {0},
};

static int decode(const struct sample_context *context, const struct answer *answer,
                  struct batch *batch, struct error *err) {
    const struct tree *list = answer->tree;
    if (list->type != TREE_LIST) {
        return error_say(err, -EPROTO, "the events are no list");
    }
    for (size_t i = 0; i < list->n_items; i++) {
        const struct tree *event = &list->items[i];
        if (event->type != TREE_LIST || event->n_items < 3 || event->items[0].type != TREE_TEXT) {
            return error_say(err, -EPROTO, "an event has an unexpected form");
        }
        struct label label = {str_of("event_name"), event->items[0].text};
        struct batch_labels labels = batch_add_labels(batch, &label, 1);
        for (size_t row = 0; row < 2; row++) {
            struct batch_metric metric = {also[row].metric, also[row].help, METRIC_GAUGE, true};
            if (event->items[row + 1].type == TREE_INTEGER) {
                batch_add(batch, metric, labels,
                          scale_value((double)event->items[row + 1].integer, also[row].scale));
            } else {
                batch->skipped_cells++;
            }
        }
    }
    return 0;
}

const struct collector collector_redis_latency_spikes = {
    .name = "latency_spikes",
    .help = "What the latency monitor saw last.",
    .kind = KIND_REDIS,
    .queries = queries,
    .columns = columns,
    .decode = decode,
    .also = also,
};
