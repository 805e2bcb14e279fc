/* SPDX-License-Identifier: Apache-2.0 */

/* The replicas that are connected to this server: slave0:ip=10.0.0.2,port=6379,state=online,... */
#include "collectors/collector.h"

#include <math.h>

static const struct query queries[] = {
    {.text = "INFO ALL", .shape = SHAPE_RECORDS, .record = "slave"}, {0}};

/* A replica that has said nothing yet has no lag. */
static const struct word lags[] = {{"-1", NAN}, {NULL, 0}};

static const struct column columns[] = {
    {"ip", LABEL, "slave_ip"},
    {"lag", GAUGE, "redis_connected_slave_lag_seconds",
     "Seconds since the replica last said how far it is.", .words = lags},
    {"offset", GAUGE, "redis_connected_slave_offset_bytes",
     "Replication offset that the replica has confirmed."},
    {"port", LABEL, "slave_port"},
    {"state", LABEL, "slave_state"},
    {0},
};

const struct collector collector_redis_replicas = {
    .name = "replicas",
    .help = "The replicas that are connected to this server.",
    .kind = KIND_REDIS,
    .queries = queries,
    .columns = columns,
};
