/* SPDX-License-Identifier: Apache-2.0 */

/* /proc/pressure: how long tasks had to wait for a resource. "some": at least one did; "full": all
 * did, and nothing was done meanwhile. Kernels without it, or where it is switched off, say
 * nothing.
 */
#include <errno.h>

#include "collectors/collector.h"
#include "collectors/support.h"

#define USEC 1e-6

static const struct query queries[] = {{0, 0, "/proc/pressure/*", SHAPE_ROWS}, {0}};

static const struct column columns[] = {{0}};

static const struct column also[] = {
    {NULL, COUNTER, "node_pressure_cpu_waiting_seconds_total",
     "Time in which a task had to wait for a processor."},
    {NULL, COUNTER, "node_pressure_io_stalled_seconds_total",
     "Time in which all tasks had to wait for disks."},
    {NULL, COUNTER, "node_pressure_io_waiting_seconds_total",
     "Time in which a task had to wait for disks."},
    {NULL, COUNTER, "node_pressure_irq_stalled_seconds_total",
     "Time in which all tasks had to wait for interrupts."},
    {NULL, COUNTER, "node_pressure_memory_stalled_seconds_total",
     "Time in which all tasks had to wait for memory."},
    {NULL, COUNTER, "node_pressure_memory_waiting_seconds_total",
     "Time in which a task had to wait for memory."},
    {0},
};

/* The line of each metric above. */
static const struct {
    const char *file, *line;
} lines[] = {
    {"cpu", "some"}, {"io", "full"},     {"io", "some"},
    {"irq", "full"}, {"memory", "full"}, {"memory", "some"},
};

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=1234" */
static bool total_of(struct str text, const char *line_name, double *ret) {
    while (text.len > 0) {
        struct str line = str_cut(&text, '\n');
        if (!str_is(str_cut(&line, ' '), line_name)) {
            continue;
        }
        while (line.len > 0) {
            struct str value = str_cut(&line, ' ');
            if (str_is(str_cut(&value, '='), "total")) {
                return str_to_double(value, ret);
            }
        }
    }
    return false;
}

static int decode(const struct sample_context *context, const struct answer *answer,
                  struct batch *batch, struct error *err) {
    const struct table *table = answer->table;
    if (table == NULL) {
        return error_say(err, -EPROTO, "the answer is no table");
    }
    for (size_t row = 0; row < table->n_rows; row++) {
        struct str file = cell_named(table, row, "name"), text = cell_named(table, row, "text");
        for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
            double usec;
            if (str_is(file, lines[i].file) && total_of(text, lines[i].line, &usec)) {
                batch_add(batch, column_metric(&also[i]), (struct batch_labels){0},
                          scale_value(usec, USEC));
            }
        }
    }
    return 0;
}

const struct collector collector_host_pressure = {
    .name = "pressure",
    .help = "Pressure stall information: waiting for processors, memory, disks.",
    .kind = KIND_HOST,
    .queries = queries,
    .columns = columns,
    .decode = decode,
    .also = also,
};
