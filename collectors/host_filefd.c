/* SPDX-License-Identifier: Apache-2.0 */

/* /proc/sys/fs/file-nr: open files of all processes together. */
#include "collectors/collector.h"

static const struct query queries[] = {
    {0, 0, "/proc/sys/fs/file-nr", SHAPE_WORDS, "allocated unused maximum"},
    {0},
};

static const struct column columns[] = {
    {"allocated", GAUGE, "node_filefd_allocated", "Open files of all processes together."},
    {"maximum", GAUGE, "node_filefd_maximum", "How many files may be open at once."},
    {0},
};

const struct collector collector_host_filefd = {
    .name = "filefd",
    .help = "Open files.",
    .kind = KIND_HOST,
    .queries = queries,
    .columns = columns,
};
