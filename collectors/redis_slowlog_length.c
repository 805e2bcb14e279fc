/* SPDX-License-Identifier: Apache-2.0 */

/* How many entries the slow log has. */
#include "collectors/collector.h"

#include <errno.h>

static const struct query queries[] = {{.text = "SLOWLOG LEN", .shape = SHAPE_TREE}, {0}};

static const struct column columns[] = {{0}};

static const struct column also[] = {
    {NULL, GAUGE, "redis_slowlog_length",
     "Entries in the slow log; it grows up to slowlog-max-len."},
    {0},
};

static int decode(const struct sample_context *context, const struct answer *answer,
                  struct batch *batch, struct error *err) {
    if (answer->tree->type != TREE_INTEGER) {
        return error_say(err, -EPROTO, "the length of the slow log is no number");
    }
    batch_add(batch, (struct batch_metric){also[0].metric, also[0].help, METRIC_GAUGE, true},
              (struct batch_labels){0}, (double)answer->tree->integer);
    return 0;
}

const struct collector collector_redis_slowlog_length = {
    .name = "slowlog_length",
    .help = "How many entries the slow log has.",
    .kind = KIND_REDIS,
    .queries = queries,
    .columns = columns,
    .decode = decode,
    .also = also,
};
