/* SPDX-License-Identifier: Apache-2.0 */

/* /proc/vmstat: paging and swapping, those of its many lines that node_exporter shows. */
#include "collectors/collector.h"
#include "collectors/support.h"

static const struct query queries[] = {{0, 0, "/proc/vmstat", SHAPE_WORDS, "name value"}, {0}};

static const struct column columns[] = {
    {"name", NAME},
    {"value", UNTYPED, "node_vmstat_*",
     "Counters of the kernel's memory management: pgfault and pgmajfault (page faults), pgpgin and "
     "pgpgout (KiB from and to disks), pswpin and pswpout (pages swapped), oom_kill."},
    {0},
};

static bool edit(const struct sample_context *context, const struct table *table,
                 struct str *cells) {
    static const char *const beginnings[] = {"oom_kill", "pgpg", "pswp"};
    for (size_t i = 0; i < ARRAY_LEN(beginnings); i++) {
        if (str_starts_with(cells[0], beginnings[i])) {
            return true;
        }
    }
    return str_starts_with(cells[0], "pg") &&
           memmem(cells[0].data, cells[0].len, "fault", strlen("fault")) != NULL;
}

extern const struct collector collector_host_vmstat;

static int decode(const struct sample_context *context, const struct answer *answer,
                  struct batch *batch, struct error *err) {
    return decode_edited_rows(&collector_host_vmstat, context, answer, NULL, edit, batch, err);
}

const struct collector collector_host_vmstat = {
    .name = "vmstat",
    .help = "Paging and swapping.",
    .kind = KIND_HOST,
    .queries = queries,
    .columns = columns,
    .decode = decode,
};
