/* SPDX-License-Identifier: Apache-2.0 */

/* /proc/loadavg. */
#include "collectors/collector.h"

static const struct query queries[] = {
    {0, 0, "/proc/loadavg", SHAPE_WORDS, "load1 load5 load15"},
    {0},
};

static const struct column columns[] = {
    {"load1", GAUGE, "node_load1",
     "Processes that run, could run or wait for a disk, averaged over 1 minute."},
    {"load15", GAUGE, "node_load15", "The same, averaged over 15 minutes."},
    {"load5", GAUGE, "node_load5", "The same, averaged over 5 minutes."},
    {0},
};

const struct collector collector_host_loadavg = {
    .name = "loadavg",
    .help = "Load averages.",
    .kind = KIND_HOST,
    .queries = queries,
    .columns = columns,
};
