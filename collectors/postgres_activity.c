/* SPDX-License-Identifier: Apache-2.0 */

/* Who does what in which database, from pg_stat_activity.
 *
 * As the peer does, each database shows each state: where nobody is in it, a row of zero without
 * the other labels. The query brings those rows as databases without a state. Our own connection,
 * which is always active when it looks, is left out as the peer leaves out its own. */
#include "collectors/collector.h"

#include <math.h>

#include "collectors/support.h"
#include "collectors/tally.h"

static const struct query queries[] = {
    {.text = "SELECT datname, state, usename, application_name, backend_type,"
             " wait_event_type, wait_event, pg_catalog.count(*) AS count,"
             " pg_catalog.max(extract(epoch FROM pg_catalog.now()"
             " OPERATOR(pg_catalog.-) xact_start)) AS max_tx_duration"
             " FROM pg_catalog.pg_stat_activity"
             " WHERE datname IS NOT NULL AND state IS NOT NULL"
             " AND pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()"
             " GROUP BY datname, state, usename, application_name, backend_type,"
             " wait_event_type, wait_event"
             " UNION ALL"
             " SELECT datname, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL"
             " FROM pg_catalog.pg_database",
     .shape = SHAPE_ROWS},
    {0},
};

static const char *const states[] = {"active",
                                     "disabled",
                                     "fastpath function call",
                                     "idle",
                                     "idle in transaction",
                                     "idle in transaction (aborted)"};

/* In the order in which they are sorted; the bits of DATABASE and STATE survive the limit. */
enum { APPLICATION, BACKEND_TYPE, DATABASE, STATE, USER, WAIT_EVENT, WAIT_EVENT_TYPE, N_LABELS };
static const char *const label_columns[N_LABELS] = {
    "application_name", "backend_type", "datname",        "state",
    "usename",          "wait_event",   "wait_event_type"};

static const char count_help[] =
    "Connections by what they do; zero rows name each state of each database.";
static const char duration_help[] =
    "Age of the oldest transaction of these connections, in seconds; 0 when none is open.";

static const struct column columns[] = {{0}};

static const struct column also[] = {
    {NULL, LABEL, "application_name"},
    {NULL, LABEL, "backend_type"},
    {NULL, LABEL, "datname"},
    {NULL, LABEL, "state"},
    {NULL, LABEL, "usename"},
    {NULL, LABEL, "wait_event"},
    {NULL, LABEL, "wait_event_type"},
    {NULL, GAUGE, "pg_stat_activity_count", count_help},
    {NULL, GAUGE, "pg_stat_activity_max_tx_duration", duration_help},
    {0},
};

static const struct option options[] = {
    {"limit", OPTION_UNSIGNED, "200",
     "How many groups of connections are shown one by one; the smallest are summed up as "
     "application \"other\" of their database and state.",
     1, 10000},
    {NULL},
};

static void count_row(struct tally *tally, const struct table *table, size_t row,
                      const int places[N_LABELS], struct batch *batch) {
    struct str values[TALLY_LABELS] = {0};
    for (size_t i = 0; i < N_LABELS; i++) {
        values[i] = places[i] < 0 ? (struct str){0} : table_cell(table, row, (size_t)places[i]);
    }
    double count = 0, duration = 0;
    struct str age = cell_named(table, row, "max_tx_duration");
    if (!str_to_double(cell_named(table, row, "count"), &count) ||
        (age.data != NULL && !str_to_double(age, &duration))) {
        batch->skipped_cells++;
        return;
    }
    tally_add(tally, values, count, fmax(duration, 0));
}

/* Adds the states of a database that no row has shown. */
static void fill_database(struct tally *tally, const struct tally *seen, struct str database) {
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        struct str pair[TALLY_LABELS] = {database, str_of(states[i])};
        if (!tally_has(seen, pair)) {
            struct str values[TALLY_LABELS] = {[DATABASE] = database, [STATE] = str_of(states[i])};
            tally_add(tally, values, 0, 0);
        }
    }
}

static void emit(const struct sample_context *context, const struct tally *tally,
                 struct batch *batch) {
    for (size_t i = 0; i < tally->n_groups; i++) {
        const struct tally_group *group = tally->groups[i];
        struct label labels[N_LABELS + 1] = {{str_of("server"), context->server}};
        for (size_t label = 0; label < N_LABELS; label++) {
            labels[label + 1] = (struct label){str_of(label_columns[label]), group->values[label]};
        }
        struct batch_labels text = batch_add_labels(batch, labels, ARRAY_LEN(labels));
        batch_add(batch,
                  (struct batch_metric){"pg_stat_activity_count", count_help, METRIC_GAUGE, true},
                  text, group->count);
        batch_add(batch,
                  (struct batch_metric){"pg_stat_activity_max_tx_duration", duration_help,
                                        METRIC_GAUGE, true},
                  text, group->most);
    }
}

static int decode(const struct sample_context *context, const struct answer *answer,
                  struct batch *batch, struct error *err) {
    const struct table *table = answer->table;
    int places[N_LABELS];
    for (size_t i = 0; i < N_LABELS; i++) {
        places[i] = table_column(table, label_columns[i]);
    }
    struct tally tally = {.arena = context->arena, .n_labels = N_LABELS};
    struct tally seen = {.arena = context->arena, .n_labels = 2};
    for (size_t row = 0; row < table->n_rows; row++) {
        struct str state = cell_named(table, row, "state");
        if (state.data != NULL) {
            struct str pair[TALLY_LABELS] = {cell_named(table, row, "datname"), state};
            tally_add(&seen, pair, 1, 0);
            count_row(&tally, table, row, places, batch);
        }
    }
    tally_limit(&tally, context->options[0].number, 1U << DATABASE | 1U << STATE, APPLICATION);
    for (size_t row = 0; row < table->n_rows; row++) {
        if (cell_named(table, row, "state").data == NULL) {
            fill_database(&tally, &seen, cell_named(table, row, "datname"));
        }
    }
    emit(context, &tally, batch);
    tally_deinit(&tally);
    tally_deinit(&seen);
    return 0;
}

const struct collector collector_postgres_activity = {
    .name = "activity",
    .help = "Connections by database, state, user, application and what they wait for.",
    .kind = KIND_POSTGRES,
    .flags = COLLECTOR_SERVER_LABEL,
    .queries = queries,
    .columns = columns,
    .decode = decode,
    .options = options,
    .also = also,
};
