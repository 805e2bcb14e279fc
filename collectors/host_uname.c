/* SPDX-License-Identifier: Apache-2.0 */

/* What uname(2) says. */
#include "collectors/collector.h"

static const struct query queries[] = {{0, 0, "uname", SHAPE_ROWS}, {0}};

static const struct column columns[] = {
    {NULL, INFO, "node_uname_info", "The kernel and its name for the host, in labels."},
    {"domainname", LABEL, "domainname"},
    {"machine", LABEL, "machine"},
    {"nodename", LABEL, "nodename"},
    {"release", LABEL, "release"},
    {"sysname", LABEL, "sysname"},
    {"version", LABEL, "version"},
    {0},
};

const struct collector collector_host_uname = {
    .name = "uname",
    .help = "Kernel and host name.",
    .kind = KIND_HOST,
    .queries = queries,
    .columns = columns,
};
