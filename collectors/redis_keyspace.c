/* SPDX-License-Identifier: Apache-2.0 */

/* Keys of each database: db0:keys=3,expires=1,avg_ttl=1500. Redis does not name empty databases;
 * they are shown all the same, so that an emptied one is a zero and not a gap: as many as CONFIG
 * GET says there may be, or the first one while that is not known. */
#include "collectors/collector.h"

#include <stdio.h>

#include "collectors/support.h"

/* Databases that are shown although they are empty; somebody may have configured thousands. */
#define MOST_EMPTY 64

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

static struct batch_labels name_database(struct batch *batch, uint64_t index) {
    char text[24];
    int len = snprintf(text, sizeof(text), "db%llu", (unsigned long long)index);
    struct label label = {str_of("db"), {text, (size_t)len}};
    return batch_add_labels(batch, &label, 1);
}

static void add_database(const struct table *table, size_t row, uint64_t index,
                         struct batch *batch) {
    struct batch_labels labels = name_database(batch, index);
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

static void add_empty_database(uint64_t index, struct batch *batch) {
    struct batch_labels labels = name_database(batch, index);
    add(batch, &also[1], labels, 0);
    add(batch, &also[2], labels, 0);
}

static int decode(const struct sample_context *context, const struct answer *answer,
                  struct batch *batch, struct error *err) {
    int64_t n_databases = 1;
    bool seen[MOST_EMPTY] = {false};
    facts_get(context->known, FACT_DATABASES, &n_databases);
    for (size_t row = 0; row < answer->table->n_rows; row++) {
        uint64_t index;
        if (!str_to_uint64(cell_named(answer->table, row, "key"), &index)) {
            continue; /* some other line that begins with db */
        }
        if (index < MOST_EMPTY) {
            seen[index] = true;
        }
        add_database(answer->table, row, index, batch);
    }
    for (int64_t index = 0; index < n_databases && index < MOST_EMPTY; index++) {
        if (!seen[index]) {
            add_empty_database((uint64_t)index, batch);
        }
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
