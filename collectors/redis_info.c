/* SPDX-License-Identifier: Apache-2.0 */

/* The main part of INFO: what is in redis_info_columns, and the few values that are computed. */
#include "collectors/redis_info.h"

#include "collectors/support.h"

#define STATISTICS "cmdstat_"

static const struct query queries[] = {{.text = "INFO ALL", .shape = SHAPE_PAIRS}, {0}};

static void keep_position(struct facts *facts, enum fact fact, const struct table *table,
                          const char *column) {
    int64_t position;
    if (str_to_int64(cell_named(table, 0, column), &position)) {
        facts_set(facts, fact, position);
    }
}

/* A replica has a master_repl_offset as well: the one that it would continue with. */
static void keep_positions(struct facts *facts, const struct table *table) {
    if (str_is(cell_named(table, 0, "role"), "master")) {
        keep_position(facts, FACT_WRITE_POSITION, table, "master_repl_offset");
        return;
    }
    keep_position(facts, FACT_REPLAY_POSITION, table, "slave_repl_offset");
    keep_position(facts, FACT_RECEIVE_POSITION, table, "slave_repl_offset");
    keep_position(facts, FACT_RECEIVE_POSITION, table, "slave_read_repl_offset");
}

/* A Valkey calls itself Redis 7.2.4 for the sake of old clients, and so do we here: what matters of
 * a version is what the server can do. */
static void keep_version(struct facts *facts, const struct table *table) {
    int64_t version;
    if (version_number(cell_named(table, 0, "redis_version"), &version)) {
        facts_set(facts, FACT_VERSION, version);
    }
}

static void add_start(const struct sample_context *context, const struct table *table,
                      struct batch *batch) {
    int64_t uptime;
    if (str_to_int64(cell_named(table, 0, "uptime_in_seconds"), &uptime)) {
        int64_t start = context->now_ms / 1000 - uptime;
        const struct column *rule = &redis_info_columns[0];
        struct batch_metric metric = {rule->metric, rule->help, METRIC_GAUGE, true};
        facts_set(context->facts, FACT_START_TIME_SECONDS, start);
        batch_add(batch, metric, (struct batch_labels){0}, (double)start);
    }
}

int redis_info_decode(const struct sample_context *context, const struct answer *answer,
                      struct batch *batch, struct error *err) {
    int r = collector_decode_table(&(struct collector){.columns = redis_info_columns}, context,
                                   answer, batch, err);
    if (r == 0 && answer->table->n_rows > 0) {
        keep_version(context->facts, answer->table);
        keep_positions(context->facts, answer->table);
        add_start(context, answer->table, batch);
    }
    return r;
}

struct str redis_command_statistics(const struct table *table, struct str command, size_t *cursor) {
    size_t prefix = strlen(STATISTICS);
    for (size_t step = 0; table->n_rows > 0 && step < table->n_columns; step++) {
        size_t column = (*cursor + step) % table->n_columns;
        struct str name = table->columns[column];
        if (name.len == prefix + command.len && str_starts_with(name, STATISTICS) &&
            memcmp(name.data + prefix, command.data, command.len) == 0) {
            *cursor = column + 1;
            return table_cell(table, 0, column);
        }
    }
    return (struct str){0};
}

const struct collector collector_redis_info = {
    .name = "info",
    .help = "Clients, memory, persistence, traffic and replication; decides whether it is up.",
    .kind = KIND_REDIS,
    .flags = COLLECTOR_VITAL,
    .queries = queries,
    .columns = redis_info_columns,
    .decode = redis_info_decode,
};
