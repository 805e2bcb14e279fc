/* SPDX-License-Identifier: Apache-2.0 */

/* Error replies by their first word. */
#include "collectors/collector.h"

static const struct query queries[] = {
    {.text = "INFO ALL", .shape = SHAPE_RECORDS, .record = "errorstat_"}, {0}};

static const struct column columns[] = {
    {"count", COUNTER, "redis_errors_total",
     "Error replies by their first word: ERR, WRONGTYPE, OOM."},
    {"key", LABEL, "err"},
    {0},
};

const struct collector collector_redis_errorstats = {
    .name = "errorstats",
    .help = "Error replies by kind.",
    .kind = KIND_REDIS,
    .queries = queries,
    .columns = columns,
};
