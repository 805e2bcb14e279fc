/* SPDX-License-Identifier: Apache-2.0 */

/* For how long connections have been idle, as the peer's histogram by application and state; its
 * users must switch it on, too. */
#include "base/duration.h"
#include "collectors/collector.h"
#include "collectors/support.h"

#define WITHIN " pg_catalog.count(*) FILTER (WHERE a.age OPERATOR(pg_catalog.<=) "

static const struct query queries[] = {
    {.text = "SELECT a.application_name, a.state, pg_catalog.count(*) AS count,"
             " pg_catalog.sum(a.age) AS sum," WITHIN "1) AS le_1," WITHIN "2) AS le_2," WITHIN
             "5) AS le_5," WITHIN "15) AS le_15," WITHIN "30) AS le_30," WITHIN
             "60) AS le_60," WITHIN "90) AS le_90," WITHIN "120) AS le_120," WITHIN "300) AS le_300"
             " FROM (SELECT application_name, state, GREATEST(0, extract(epoch FROM"
             " pg_catalog.now() OPERATOR(pg_catalog.-) state_change)) AS age"
             " FROM pg_catalog.pg_stat_get_activity(NULL)"
             " WHERE state OPERATOR(pg_catalog.~~) 'idle%'"
             " AND pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()) AS a"
             " GROUP BY a.application_name, a.state"
             " ORDER BY pg_catalog.count(*) DESC, a.application_name, a.state LIMIT 1000",
     .shape = SHAPE_ROWS},
    {0},
};

static const struct {
    const char *column;
    double bound;
} buckets[] = {
    {"le_1", 1},   {"le_2", 2},   {"le_5", 5},     {"le_15", 15},   {"le_30", 30},
    {"le_60", 60}, {"le_90", 90}, {"le_120", 120}, {"le_300", 300},
};

static const char help[] = "For how long connections have been idle, in seconds.";

static const struct column columns[] = {{0}};

static const struct column also[] = {
    {NULL, LABEL, "application_name"},
    {NULL, LABEL, "state"},
    {NULL, HISTOGRAM, "pg_process_idle_seconds", help},
    {0},
};

static const struct option options[] = {
    {"limit", OPTION_UNSIGNED, "100",
     "How many pairs of application and state are shown, those with most connections first.", 1,
     1000},
    {NULL},
};

static void add_row(const struct table *table, size_t row, struct batch *batch) {
    double bounds[ARRAY_LEN(buckets)], counts[ARRAY_LEN(buckets)], sum, count;
    bool good = str_to_double(cell_named(table, row, "sum"), &sum) &&
                str_to_double(cell_named(table, row, "count"), &count);
    for (size_t i = 0; good && i < ARRAY_LEN(buckets); i++) {
        bounds[i] = buckets[i].bound;
        good = str_to_double(cell_named(table, row, buckets[i].column), &counts[i]);
    }
    if (!good) {
        batch->skipped_cells++;
        return;
    }
    struct label labels[] = {
        {str_of("application_name"), cell_named(table, row, "application_name")},
        {str_of("state"), cell_named(table, row, "state")},
    };
    batch_add_histogram(
        batch, (struct batch_metric){"pg_process_idle_seconds", help, METRIC_HISTOGRAM, true},
        labels, ARRAY_LEN(labels), bounds, counts, ARRAY_LEN(buckets), sum, count);
}

static int decode(const struct sample_context *context, const struct answer *answer,
                  struct batch *batch, struct error *err) {
    const struct table *table = answer->table;
    for (size_t row = 0; row < table->n_rows && row < context->options[0].number; row++) {
        add_row(table, row, batch);
    }
    return 0;
}

const struct collector collector_postgres_process_idle = {
    .name = "process_idle",
    .help = "For how long connections have been idle, by application.",
    .kind = KIND_POSTGRES,
    .flags = COLLECTOR_OFF,
    .interval_usec = 15 * USEC_PER_SEC,
    .queries = queries,
    .columns = columns,
    .decode = decode,
    .options = options,
    .also = also,
};
