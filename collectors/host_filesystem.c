/* SPDX-License-Identifier: Apache-2.0 */

/* Mounted file systems: which there are and how full they are. One that does not answer, or hangs,
 * has its device_error and whether it is read-only, and no numbers. */
#include "collectors/collector.h"

static const struct query queries[] = {{0, 0, "statvfs", SHAPE_ROWS}, {0}};

static const struct column columns[] = {
    {"avail", GAUGE, "node_filesystem_avail_bytes",
     "Bytes that users other than root may still use."},
    {"device", LABEL, "device"},
    {"device", LABEL, "device", .group = 1},
    {"device_error", GAUGE, "node_filesystem_device_error",
     "Whether the file system failed to tell its numbers; the label says why."},
    {"error", LABEL, "device_error"},
    {"files", GAUGE, "node_filesystem_files", "Inodes of the file system."},
    {"files_free", GAUGE, "node_filesystem_files_free", "Inodes that are free."},
    {"free", GAUGE, "node_filesystem_free_bytes", "Bytes that are free, root's share included."},
    {"fstype", LABEL, "fstype"},
    {"major", LABEL, "major", .group = 1},
    {"major", INFO, "node_filesystem_mount_info", "Which device is mounted where.", .group = 1},
    {"minor", LABEL, "minor", .group = 1},
    {"mountpoint", LABEL, "mountpoint"},
    {"mountpoint", LABEL, "mountpoint", .group = 1},
    {"readonly", GAUGE, "node_filesystem_readonly", "Whether the file system is read-only."},
    {"size", GAUGE, "node_filesystem_size_bytes", "Size of the file system."},
    {0},
};

const struct collector collector_host_filesystem = {
    .name = "filesystem",
    .help = "How full file systems are.",
    .kind = KIND_HOST,
    .interval_usec = (uint64_t)15 * 1000 * 1000, /* by a worker, which costs more than all others */
    .queries = queries,
    .columns = columns,
};
