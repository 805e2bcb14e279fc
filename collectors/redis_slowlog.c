/* SPDX-License-Identifier: Apache-2.0 */

/* The newest entry of the slow log: [[id, time, microseconds, [words], address, name]]. A log
 * without entries is shown as zeros. How long the log is stands in another collector, so that both
 * commands go out in the same pipeline. */
#include "collectors/collector.h"

#include <errno.h>

#include "collectors/support.h"

static const struct query queries[] = {{.text = "SLOWLOG GET 1", .shape = SHAPE_TREE}, {0}};

static const struct column columns[] = {{0}};

enum row { LAST_ID, LAST_DURATION };

static const struct column also[] = {
    [LAST_ID] = {NULL, GAUGE, "redis_slowlog_last_id",
                 "Number of the newest entry of the slow log; each entry raises it."},
    [LAST_DURATION] = {NULL, GAUGE, "redis_last_slow_execution_duration_seconds",
                       "Time that the newest command in the slow log took, in seconds.", 1e-6},
    {0},
};

static void add(struct batch *batch, enum row row, int64_t value) {
    const struct column *rule = &also[row];
    batch_add(batch, (struct batch_metric){rule->metric, rule->help, METRIC_GAUGE, true},
              (struct batch_labels){0}, scale_value((double)value, rule->scale));
}

static int decode(const struct sample_context *context, const struct answer *answer,
                  struct batch *batch, struct error *err) {
    const struct tree *list = answer->tree;
    int64_t id = 0, duration_usec = 0;
    if (list->type != TREE_LIST) {
        return error_say(err, -EPROTO, "the slow log is no list");
    }
    if (list->n_items > 0) {
        const struct tree *entry = &list->items[0];
        if (entry->type != TREE_LIST || entry->n_items < 3 ||
            entry->items[0].type != TREE_INTEGER || entry->items[2].type != TREE_INTEGER) {
            return error_say(err, -EPROTO, "an entry of the slow log has an unexpected form");
        }
        id = entry->items[0].integer;
        duration_usec = entry->items[2].integer;
    }
    add(batch, LAST_ID, id);
    add(batch, LAST_DURATION, duration_usec);
    return 0;
}

const struct collector collector_redis_slowlog = {
    .name = "slowlog",
    .help = "The newest entry of the slow log.",
    .kind = KIND_REDIS,
    .queries = queries,
    .columns = columns,
    .decode = decode,
    .also = also,
};
