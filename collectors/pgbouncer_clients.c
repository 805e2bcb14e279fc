/* SPDX-License-Identifier: Apache-2.0 */

/* Client connections counted by who they are. SHOW CLIENTS has a row for each of them, so it costs
 * PgBouncer time in proportion to its clients. */
#include "collectors/collector.h"

#include "base/duration.h"
#include "collectors/tally.h"

static const struct query queries[] = {{.text = "SHOW CLIENTS", .shape = SHAPE_ROWS}, {0}};

enum { APPLICATION, DATABASE, STATE, USER, N_LABELS };
static const char *const label_names[N_LABELS] = {"application_name", "database", "state", "user"};

static const char help[] = "Client connections by application, database, state and user.";

static const struct column columns[] = {{0}};

static const struct column also[] = {
    {NULL, LABEL, "application_name"},
    {NULL, LABEL, "database"},
    {NULL, LABEL, "state"},
    {NULL, LABEL, "user"},
    {NULL, GAUGE, "pgbouncer_client_connections", help},
    {0},
};

static const struct option options[] = {
    {"limit", OPTION_UNSIGNED, "200",
     "How many groups of clients are shown one by one; the smallest are summed up as application "
     "\"other\" of their database, state and user.",
     1, 10000},
    {NULL},
};

static void emit(const struct tally *tally, struct batch *batch) {
    struct batch_metric metric = {"pgbouncer_client_connections", help, METRIC_GAUGE, true};
    for (size_t i = 0; i < tally->n_groups; i++) {
        const struct tally_group *group = tally->groups[i];
        struct label labels[N_LABELS];
        for (size_t label = 0; label < N_LABELS; label++) {
            labels[label] = (struct label){str_of(label_names[label]), group->values[label]};
        }
        batch_add(batch, metric, batch_add_labels(batch, labels, N_LABELS), group->count);
    }
}

static int decode(const struct sample_context *context, const struct answer *answer,
                  struct batch *batch, struct error *err) {
    const struct table *table = answer->table;
    int places[N_LABELS];
    for (size_t i = 0; i < N_LABELS; i++) {
        places[i] = table_column(table, label_names[i]);
    }
    struct tally tally = {.arena = context->arena, .n_labels = N_LABELS};
    for (size_t row = 0; row < table->n_rows; row++) {
        struct str values[TALLY_LABELS] = {0};
        for (size_t i = 0; i < N_LABELS; i++) {
            values[i] = places[i] < 0 ? (struct str){0} : table_cell(table, row, (size_t)places[i]);
        }
        tally_add(&tally, values, 1, 0);
    }
    tally_limit(&tally, context->options[0].number, 1U << DATABASE | 1U << STATE | 1U << USER,
                APPLICATION);
    emit(&tally, batch);
    tally_deinit(&tally);
    return 0;
}

const struct collector collector_pgbouncer_clients = {
    .name = "clients",
    .help = "Client connections by application, database, state and user.",
    .kind = KIND_PGBOUNCER,
    .interval_usec = 15 * USEC_PER_SEC,
    .queries = queries,
    .columns = columns,
    .decode = decode,
    .options = options,
    .also = also,
};
