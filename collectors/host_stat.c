/* SPDX-License-Identifier: Apache-2.0 */

/* /proc/stat: what the kernel has done since it started. That it can be read means that the host is
 * up. */
#include "collectors/collector.h"

static const struct query queries[] = {{0, 0, "/proc/stat", SHAPE_PAIRS, "name value"}, {0}};

static const struct column columns[] = {
    {"btime", GAUGE, "node_boot_time_seconds", "When the host was started, in seconds since 1970."},
    {"btime", FACT, .fact = FACT_START_TIME_SECONDS},
    {"ctxt", COUNTER, "node_context_switches_total", "Context switches."},
    {"intr", COUNTER, "node_intr_total", "Interrupts served."},
    {"processes", COUNTER, "node_forks_total", "Processes and threads that were made."},
    {"procs_blocked", GAUGE, "node_procs_blocked", "Processes that wait for a disk."},
    {"procs_running", GAUGE, "node_procs_running", "Processes that run or could run."},
    {0},
};

const struct collector collector_host_stat = {
    .name = "stat",
    .help = "Start, context switches, interrupts, processes.",
    .kind = KIND_HOST,
    .flags = COLLECTOR_VITAL,
    .queries = queries,
    .columns = columns,
};
