/* SPDX-License-Identifier: Apache-2.0 */

/* Background writer and checkpointer. Version 17 gave the checkpointer a view of its own and moved
 * what backends write themselves to pg_stat_io; both views are read in one question. */
#include "collectors/collector.h"

#define BGWRITER                                                                                   \
    "SELECT b.buffers_clean, b.maxwritten_clean, b.buffers_alloc,"                                 \
    " COALESCE(extract(epoch FROM b.stats_reset), 0) AS stats_reset,"
#define CHECKPOINTER                                                                               \
    " c.num_timed, c.num_requested, c.restartpoints_timed, c.restartpoints_req,"                   \
    " c.restartpoints_done, c.write_time, c.sync_time, c.buffers_written,"                         \
    " COALESCE(extract(epoch FROM c.stats_reset), 0) AS checkpointer_reset"
#define FROM_BOTH                                                                                  \
    " FROM pg_catalog.pg_stat_bgwriter AS b CROSS JOIN pg_catalog.pg_stat_checkpointer AS c"

static const struct query queries[] = {
    {.min_version = 180000,
     .text = BGWRITER CHECKPOINTER ", c.num_done, c.slru_written" FROM_BOTH,
     .shape = SHAPE_ROWS},
    {.min_version = 170000, .text = BGWRITER CHECKPOINTER FROM_BOTH, .shape = SHAPE_ROWS},
    {.text = BGWRITER " b.checkpoints_timed, b.checkpoints_req, b.checkpoint_write_time,"
                      " b.checkpoint_sync_time, b.buffers_checkpoint, b.buffers_backend,"
                      " b.buffers_backend_fsync"
                      " FROM pg_catalog.pg_stat_bgwriter AS b",
     .shape = SHAPE_ROWS},
    {0},
};

static const struct column columns[] = {
    {"buffers_alloc", COUNTER, "pg_stat_bgwriter_buffers_alloc_total",
     "Buffers that were taken for another block."},
    {"buffers_backend", COUNTER, "pg_stat_bgwriter_buffers_backend_total",
     "Buffers that backends had to write themselves; up to version 16."},
    {"buffers_backend_fsync", COUNTER, "pg_stat_bgwriter_buffers_backend_fsync_total",
     "Times that a backend had to bring a file to disk itself; up to version 16."},
    {"buffers_checkpoint", COUNTER, "pg_stat_bgwriter_buffers_checkpoint_total",
     "Buffers that checkpoints wrote; up to version 16."},
    {"buffers_clean", COUNTER, "pg_stat_bgwriter_buffers_clean_total",
     "Buffers that the background writer wrote."},
    {"buffers_written", COUNTER, "pg_stat_checkpointer_buffers_written_total",
     "Buffers that checkpoints and restart points wrote; from version 17 on."},
    {"checkpoint_sync_time", COUNTER, "pg_stat_bgwriter_checkpoint_sync_time_total",
     "Time that checkpoints took to bring files to disk, in milliseconds; up to version 16."},
    {"checkpoint_write_time", COUNTER, "pg_stat_bgwriter_checkpoint_write_time_total",
     "Time that checkpoints took to write, in milliseconds; up to version 16."},
    {"checkpointer_reset", COUNTER, "pg_stat_checkpointer_stats_reset_total",
     "When the checkpointer's counters were set to zero, in seconds since 1970; 0 for never."},
    {"checkpoints_req", COUNTER, "pg_stat_bgwriter_checkpoints_req_total",
     "Checkpoints that were asked for, by hand or because of much WAL; up to version 16."},
    {"checkpoints_timed", COUNTER, "pg_stat_bgwriter_checkpoints_timed_total",
     "Checkpoints because their time had come; up to version 16."},
    {"maxwritten_clean", COUNTER, "pg_stat_bgwriter_maxwritten_clean_total",
     "Rounds that the background writer ended early because it had written enough."},
    {"num_done", COUNTER, "pg_stat_checkpointer_num_done_total",
     "Checkpoints that were completed; from version 18 on."},
    {"num_requested", COUNTER, "pg_stat_checkpointer_num_requested_total",
     "Checkpoints that were asked for, by hand or because of much WAL; from version 17 on."},
    {"num_timed", COUNTER, "pg_stat_checkpointer_num_timed_total",
     "Checkpoints because their time had come; from version 17 on."},
    {"restartpoints_done", COUNTER, "pg_stat_checkpointer_restartpoints_done_total",
     "Restart points that a replica completed; from version 17 on."},
    {"restartpoints_req", COUNTER, "pg_stat_checkpointer_restartpoints_req_total",
     "Restart points of a replica that were asked for; from version 17 on."},
    {"restartpoints_timed", COUNTER, "pg_stat_checkpointer_restartpoints_timed_total",
     "Restart points of a replica because their time had come; from version 17 on."},
    {"slru_written", COUNTER, "pg_stat_checkpointer_slru_written_total",
     "Buffers of transaction status and the like that checkpoints wrote; from version 18 on."},
    {"stats_reset", COUNTER, "pg_stat_bgwriter_stats_reset_total",
     "When the background writer's counters were set to zero, in seconds since 1970; 0 for "
     "never."},
    {"sync_time", COUNTER, "pg_stat_checkpointer_sync_time_total",
     "Time that checkpoints and restart points took to bring files to disk, in milliseconds; from "
     "version 17 on."},
    {"write_time", COUNTER, "pg_stat_checkpointer_write_time_total",
     "Time that checkpoints and restart points took to write, in milliseconds; from version 17 "
     "on."},
    {0},
};

const struct collector collector_postgres_bgwriter = {
    .name = "bgwriter",
    .help = "What background writer and checkpointer have done.",
    .kind = KIND_POSTGRES,
    .queries = queries,
    .columns = columns,
};
