/* SPDX-License-Identifier: Apache-2.0 */

/* INFO of a Sentinel: its own fields, and those that it shares with Redis. */
#include "collectors/redis_info.h"

static const struct query queries[] = {{.text = "INFO ALL", .shape = SHAPE_PAIRS}, {0}};

static const struct column columns[] = {
    {"sentinel_masters", GAUGE, "redis_sentinel_masters", "Primaries that the Sentinel watches."},
    {"sentinel_running_scripts", GAUGE, "redis_sentinel_running_scripts",
     "Scripts of the user that run now."},
    {"sentinel_scripts_queue_length", GAUGE, "redis_sentinel_scripts_queue_length",
     "Scripts of the user that run or wait."},
    {"sentinel_simulate_failure_flags", GAUGE, "redis_sentinel_simulate_failure_flags",
     "Failures that somebody told the Sentinel to simulate, as bits."},
    {"sentinel_tilt", GAUGE, "redis_sentinel_tilt",
     "1 while the Sentinel distrusts its clock or its schedule and does not act."},
    {0},
};

extern const struct collector collector_sentinel_info;

static int decode(const struct sample_context *context, const struct answer *answer,
                  struct batch *batch, struct error *err) {
    int r = collector_decode_table(&collector_sentinel_info, context, answer, batch, err);
    return r < 0 ? r : redis_info_decode(context, answer, batch, err);
}

const struct collector collector_sentinel_info = {
    .name = "sentinel_info",
    .help = "The Sentinel itself: what it watches, its clients and traffic; decides whether it is "
            "up.",
    .kind = KIND_SENTINEL,
    .flags = COLLECTOR_VITAL,
    .queries = queries,
    .columns = columns,
    .decode = decode,
    .also = redis_info_columns,
};
