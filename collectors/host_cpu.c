/* SPDX-License-Identifier: Apache-2.0 */

/* /proc/stat: what each processor spent its time with.
 *
 * The kernel's idle and iowait may fall a little, which would be taken for a counter that began
 * anew: what was shown stays until the kernel is beyond it. When idle falls by seconds the
 * processor itself began anew. */
#include <errno.h>

#include "collectors/collector.h"
#include "collectors/support.h"

#define TICKS_PER_SECOND 100 /* of this interface, whatever the kernel's own clock is */
#define MOST_CPUS        4096
#define BEGAN_ANEW       ((double)3 * TICKS_PER_SECOND)

/* In the order of the file. */
enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL, GUEST, GUEST_NICE, MODES };

static const struct query queries[] = {
    {0, 0, "/proc/stat", SHAPE_WORDS,
     "cpu user nice system idle iowait irq softirq steal guest guest_nice"},
    {0},
};

static const struct column columns[] = {{0}};

enum { SECONDS, GUEST_SECONDS };

static const struct column also[] = {
    [SECONDS] = {NULL, COUNTER, "node_cpu_seconds_total",
                 "Time that the processors spent in each mode."},
    [GUEST_SECONDS] = {NULL, COUNTER, "node_cpu_guest_seconds_total",
                       "Time that the processors spent for guests, which is part of user and nice.",
                       .group = 1},
    {NULL, LABEL, "cpu"},
    {NULL, LABEL, "mode"},
    {NULL, LABEL, "cpu", .group = 1},
    {NULL, LABEL, "mode", .group = 1},
    {0},
};

static const struct mode {
    const char *name;
    int metric;
} modes[MODES] = {
    [USER] = {"user", SECONDS},        [NICE] = {"nice", SECONDS},
    [SYSTEM] = {"system", SECONDS},    [IDLE] = {"idle", SECONDS},
    [IOWAIT] = {"iowait", SECONDS},    [IRQ] = {"irq", SECONDS},
    [SOFTIRQ] = {"softirq", SECONDS},  [STEAL] = {"steal", SECONDS},
    [GUEST] = {"user", GUEST_SECONDS}, [GUEST_NICE] = {"nice", GUEST_SECONDS},
};

/* "cpu7" is 7; "cpu" is all of them together. */
static bool cpu_number(struct str name, uint64_t *ret) {
    return str_starts_with(name, "cpu") &&
           str_to_uint64((struct str){name.data + 3, name.len - 3}, ret) && *ret < MOST_CPUS;
}

/* What was shown of a processor, zeros at first; NULL when nothing is kept. */
static double *shown_before(struct strbuf *kept, uint64_t cpu) {
    size_t end = (size_t)(cpu + 1) * MODES * sizeof(double);
    if (kept == NULL) {
        return NULL;
    }
    if (kept->len < end) {
        memset(strbuf_reserve(kept, end - kept->len), 0, end - kept->len);
        kept->len = end;
    }
    return (double *)(void *)kept->data + cpu * MODES;
}

static void never_fall(double *ticks, double *before) {
    bool anew = ticks[IDLE] < before[IDLE] - BEGAN_ANEW;
    for (size_t mode = 0; mode < MODES; mode++) {
        if (anew || ticks[mode] > before[mode]) {
            before[mode] = ticks[mode];
        }
        ticks[mode] = before[mode];
    }
}

/* What the processors did together; guests are part of user and nice. */
struct work {
    double busy, total;
};

static void add_work(const double *ticks, struct work *work) {
    for (size_t mode = 0; mode < GUEST; mode++) {
        work->total += ticks[mode];
        work->busy += mode != IDLE && mode != IOWAIT ? ticks[mode] : 0;
    }
}

static void add_cpu(const struct sample_context *context, const struct table *table, size_t row,
                    uint64_t cpu, struct work *work, struct batch *batch) {
    struct str name = table_cell(table, row, 0);
    struct str number = {name.data + 3, name.len - 3};
    double *before = shown_before(context->kept, cpu);
    double ticks[MODES];
    bool known[MODES];
    for (size_t mode = 0; mode < MODES; mode++) {
        struct str cell = table_cell(table, row, mode + 1);
        ticks[mode] = 0;
        known[mode] = cell.data != NULL && str_to_double(cell, &ticks[mode]);
        batch->skipped_cells += cell.data != NULL && !known[mode] ? 1 : 0;
    }
    if (before != NULL) {
        never_fall(ticks, before);
    }
    add_work(ticks, work);
    for (size_t mode = 0; mode < MODES; mode++) {
        const struct label labels[] = {{str_of("cpu"), number},
                                       {str_of("mode"), str_of(modes[mode].name)}};
        if (known[mode]) {
            batch_add(batch, column_metric(&also[modes[mode].metric]),
                      batch_add_labels(batch, labels, ARRAY_LEN(labels)),
                      ticks[mode] / TICKS_PER_SECOND);
        }
    }
}

static int decode(const struct sample_context *context, const struct answer *answer,
                  struct batch *batch, struct error *err) {
    const struct table *table = answer->table;
    struct work work = {0};
    uint64_t cpu;
    if (table == NULL || table->n_columns <= MODES) {
        return error_say(err, -EPROTO, "the answer is no list of processors");
    }
    for (size_t row = 0; row < table->n_rows; row++) {
        if (cpu_number(table_cell(table, row, 0), &cpu)) {
            add_cpu(context, table, row, cpu, &work, batch);
        }
    }
    facts_set(context->facts, FACT_CPU_BUSY_TICKS, fact_of(work.busy));
    facts_set(context->facts, FACT_CPU_TOTAL_TICKS, fact_of(work.total));
    return 0;
}

const struct collector collector_host_cpu = {
    .name = "cpu",
    .help = "What the processors spend their time with.",
    .kind = KIND_HOST,
    .queries = queries,
    .columns = columns,
    .decode = decode,
    .also = also,
};
