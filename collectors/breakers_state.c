/* SPDX-License-Identifier: Apache-2.0 */

/* The circuit breakers that an application keeps itself, a row each. What the application said is
 * made into rows by sampler/app_page.h, whatever form it has. */
#include "collectors/app_state.h"
#include "collectors/collector.h"
#include "collectors/support.h"

const char *const app_state_names[] = {
    [APP_CLOSED] = "closed",       [APP_OPEN] = "open",
    [APP_HALF_OPEN] = "half_open", [APP_FORCED_OPEN] = "forced_open",
    [APP_DISABLED] = "disabled",   [APP_METRICS_ONLY] = "metrics_only",
    [APP_STATE_COUNT] = NULL,
};

static const struct query queries[] = {{0, 0, "the page", SHAPE_ROWS, "breakers"}, {0}};

static const struct column columns[] = {
    {"app", LABEL, "app"},
    {"ejected_hosts", GAUGE, "dbvitals_app_breaker_ejected_hosts",
     "Hosts of an Envoy cluster that outlier detection keeps calls from."},
    {"failed_calls", GAUGE, "dbvitals_app_breaker_failed_calls",
     "Failed calls that an application's breaker counts at present."},
    {"failure_rate", GAUGE, "dbvitals_app_breaker_failure_rate",
     "Share of failed calls, from 0 to 1, as an application's breaker sees it; not there while it "
     "has too few calls to tell."},
    {"last_failure", GAUGE, "dbvitals_app_breaker_last_failure_timestamp_seconds",
     "When a call of an application's breaker failed last."},
    {"name", LABEL, "name"},
    {0},
};

static const struct column also[] = {
    {NULL, GAUGE, "dbvitals_app_breaker_state",
     "1 for the state that a breaker of an application is in, 0 for the others.", .group = 1},
    {NULL, LABEL, "app", .group = 1},
    {NULL, LABEL, "name", .group = 1},
    {NULL, LABEL, "state", .group = 1},
    {0},
};

static void add_states(const struct table *table, size_t row, struct batch *batch) {
    struct str state = cell_named(table, row, "state");
    struct label labels[] = {
        {str_of("app"), cell_named(table, row, "app")},
        {str_of("name"), cell_named(table, row, "name")},
        {str_of("state")},
    };
    bool known = false;
    for (int i = 0; i < APP_STATE_COUNT; i++) {
        known |= str_is(state, app_state_names[i]);
    }
    if (!known) {
        batch->skipped_cells += state.data != NULL ? 1 : 0;
        return;
    }
    for (int i = 0; i < APP_STATE_COUNT; i++) {
        labels[2].value = str_of(app_state_names[i]);
        batch_add(batch, column_metric(&also[0]), batch_add_labels(batch, labels, 3),
                  str_is(state, app_state_names[i]) ? 1 : 0);
    }
}

extern const struct collector collector_breakers_state;

static int decode(const struct sample_context *context, const struct answer *answer,
                  struct batch *batch, struct error *err) {
    int r = collector_decode_table(&collector_breakers_state, context, answer, batch, err);
    for (size_t row = 0; r == 0 && row < answer->table->n_rows; row++) {
        add_states(answer->table, row, batch);
    }
    return r;
}

const struct collector collector_breakers_state = {
    .name = "state",
    .help = "The circuit breakers that an application keeps itself.",
    .kind = KIND_BREAKERS,
    .flags = COLLECTOR_VITAL,
    .queries = queries,
    .columns = columns,
    .decode = decode,
    .also = also,
};
