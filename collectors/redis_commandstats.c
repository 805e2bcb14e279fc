/* SPDX-License-Identifier: Apache-2.0 */

/* Calls of each command. Sub-commands stand beside their command: config|get. */
#include "collectors/collector.h"

static const struct query queries[] = {
    {.text = "INFO ALL", .shape = SHAPE_RECORDS, .record = "cmdstat_"}, {0}};

static const struct column columns[] = {
    {"calls", COUNTER, "redis_commands_total", "Calls of the command that were run."},
    {"failed_calls", COUNTER, "redis_commands_failed_calls_total",
     "Calls that failed while they ran."},
    {"key", LABEL, "cmd"},
    {"rejected_calls", COUNTER, "redis_commands_rejected_calls_total",
     "Calls that were refused before they ran."},
    {"slowlog_count", COUNTER, "redis_commands_slowlog_total",
     "Calls that were slow enough for the slow log."},
    {"slowlog_time_ms_max", GAUGE, "redis_commands_slowlog_duration_seconds_max",
     "Time of the slowest call in the slow log, in seconds.", 1e-3},
    {"slowlog_time_ms_sum", COUNTER, "redis_commands_slowlog_duration_seconds_total",
     "Time of all calls that went to the slow log, in seconds.", 1e-3},
    {"usec", COUNTER, "redis_commands_duration_seconds_total",
     "Processor time that the command took, in seconds.", 1e-6},
    {0},
};

const struct collector collector_redis_commandstats = {
    .name = "commandstats",
    .help = "Calls, time and failures of each command.",
    .kind = KIND_REDIS,
    .queries = queries,
    .columns = columns,
};
