/* SPDX-License-Identifier: Apache-2.0 */

/* Keys of each database: db0:keys=3,expires=1,avg_ttl=1500. Redis does not name empty databases;
 * the first one is shown all the same, so that an emptied cache is a zero and not a gap. */
#include "collectors/collector.h"

#include "collectors/support.h"

static const struct query queries[] = {{.text = "INFO ALL", .shape = SHAPE_RECORDS, .record = "db"},
                                       {0}};

static const struct column columns[] = {{0}};

/* Also in the order in which they are shown. */
static const struct column also[] = {
    {NULL, LABEL, "db"},
    {"keys", GAUGE, "redis_db_keys", "Keys in the database."},
    {"expires", GAUGE, "redis_db_keys_expiring", "Keys with a time to live."},
    {"avg_ttl", GAUGE, "redis_db_avg_ttl_seconds",
     "Estimate of the mean time to live of the keys that have one, in seconds.", 1e-3},
    {"cached_keys", GAUGE, "redis_db_keys_cached", "Keys that are held in memory (KeyDB)."},
    {"keys_with_volatile_items", GAUGE, "redis_db_keys_with_expiring_items",
     "Keys in which single fields have a time to live."},
    {"subexpiry", GAUGE, "redis_db_keys_with_expiring_items",
     "Keys in which single fields have a time to live."},
    {0},
};

static void add(struct batch *batch, const struct column *rule, struct batch_labels labels,
                double value) {
    struct batch_metric metric = {rule->metric, rule->help, METRIC_GAUGE, true};
    batch_add(batch, metric, labels, scale_value(value, rule->scale));
}

static struct batch_labels name_database(struct batch *batch, struct arena *arena,
                                         struct str number) {
    char *text = arena_alloc(arena, number.len + 3);
    memcpy(text, "db", 2);
    memcpy(text + 2, number.data, number.len);
    struct label label = {str_of("db"), {text, number.len + 2}};
    return batch_add_labels(batch, &label, 1);
}

static int decode(const struct sample_context *context, const struct answer *answer,
                  struct batch *batch, struct error *err) {
    const struct table *table = answer->table;
    bool first_seen = false;
    for (size_t row = 0; row < table->n_rows; row++) {
        struct str number = cell_named(table, row, "key");
        int64_t index;
        if (!str_to_int64(number, &index)) {
            continue; /* some other line that begins with db */
        }
        first_seen = first_seen || index == 0;
        struct batch_labels labels = name_database(batch, context->arena, number);
        for (const struct column *rule = also + 1; rule->kind != COLUMN_END; rule++) {
            struct str cell = cell_named(table, row, rule->column);
            double value;
            if (cell.data != NULL && str_to_double(cell, &value)) {
                add(batch, rule, labels, value);
            } else if (cell.data != NULL) {
                batch->skipped_cells++;
            }
        }
    }
    if (!first_seen) {
        struct batch_labels labels = name_database(batch, context->arena, str_of("0"));
        add(batch, &also[1], labels, 0);
        add(batch, &also[2], labels, 0);
    }
    return 0;
}

const struct collector collector_redis_keyspace = {
    .name = "keyspace",
    .help = "Keys of each database, and how many of them expire.",
    .kind = KIND_REDIS,
    .queries = queries,
    .columns = columns,
    .decode = decode,
    .also = also,
};
