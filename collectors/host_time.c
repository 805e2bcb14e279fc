/* SPDX-License-Identifier: Apache-2.0 */

/* The clock. */
#include "collectors/collector.h"

static const struct query queries[] = {{0, 0, "time", SHAPE_ROWS}, {0}};

static const struct column columns[] = {
    {"offset", GAUGE, "node_time_zone_offset_seconds", "How far local time is ahead of UTC.",
     .group = 1},
    {"seconds", GAUGE, "node_time_seconds",
     "The host's clock at the round, in seconds since 1970."},
    {"time_zone", LABEL, "time_zone", .group = 1},
    {0},
};

const struct collector collector_host_time = {
    .name = "time",
    .help = "The clock.",
    .kind = KIND_HOST,
    .queries = queries,
    .columns = columns,
};
