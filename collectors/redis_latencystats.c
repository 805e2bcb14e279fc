/* SPDX-License-Identifier: Apache-2.0 */

/* Latency of each command as summaries. The quantiles stand in lines of their own, sum and count in
 * the command's statistics:
 *
 *   cmdstat_get:calls=21,usec=175,...
 *   latency_percentiles_usec_get:p50=0.001,p99=1.003,p99.9=4.015 */
#include "collectors/redis_info.h"

#include <math.h>

#include "collectors/support.h"

#define PERCENTILES    "latency_percentiles_usec_"
#define MOST_QUANTILES 16

static const struct query queries[] = {{.text = "INFO ALL", .shape = SHAPE_PAIRS}, {0}};

static const char help[] =
    "Time that calls of the command took, in microseconds; quantiles since the start, in percent.";

static const struct column columns[] = {{0}};

static const struct column also[] = {
    {NULL, LABEL, "cmd"},
    {NULL, SUMMARY, "redis_latency_percentiles_usec", help},
    {0},
};

struct quantiles {
    double at[MOST_QUANTILES], value[MOST_QUANTILES];
    size_t count;
};

static void read_quantiles(struct str list, struct quantiles *ret, struct batch *batch) {
    ret->count = 0;
    while (list.len != 0 && ret->count < MOST_QUANTILES) {
        struct str value = str_cut(&list, ',');
        struct str name = str_cut(&value, '=');
        if (name.len > 1 && name.data[0] == 'p' &&
            str_to_double((struct str){name.data + 1, name.len - 1}, &ret->at[ret->count]) &&
            str_to_double(value, &ret->value[ret->count])) {
            ret->count++;
        } else {
            batch->skipped_cells++;
        }
    }
}

static int decode(const struct sample_context *context, const struct answer *answer,
                  struct batch *batch, struct error *err) {
    const struct table *table = answer->table;
    struct batch_metric metric = {"redis_latency_percentiles_usec", help, METRIC_SUMMARY, true};
    size_t cursor = 0, prefix = strlen(PERCENTILES);
    for (size_t column = 0; table->n_rows > 0 && column < table->n_columns; column++) {
        struct str name = table->columns[column];
        if (!str_starts_with(name, PERCENTILES)) {
            continue;
        }
        struct str command = {name.data + prefix, name.len - prefix};
        struct label label = {str_of("cmd"), command};
        struct quantiles quantiles;
        double sum = NAN, count = NAN;
        struct str statistics = redis_command_statistics(table, command, &cursor);
        read_quantiles(table_cell(table, 0, column), &quantiles, batch);
        if (!str_to_double(list_value(statistics, "usec"), &sum) ||
            !str_to_double(list_value(statistics, "calls"), &count)) {
            sum = NAN;
            count = NAN;
        }
        batch_add_summary(batch, metric, &label, 1, quantiles.at, quantiles.value, quantiles.count,
                          sum, count);
    }
    return 0;
}

const struct collector collector_redis_latencystats = {
    .name = "latencystats",
    .help = "Latency of each command.",
    .kind = KIND_REDIS,
    .queries = queries,
    .columns = columns,
    .decode = decode,
    .also = also,
};
