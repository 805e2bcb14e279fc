/* SPDX-License-Identifier: Apache-2.0 */

/* Settings that are numbers or switches, each a family of its own as the peer has them: in base
 * units, which the name then ends with (pg_settings_work_mem_bytes). */
#include "collectors/collector.h"

#include "base/duration.h"
#include "collectors/support.h"

/* Our session has settings of its own (read only, time-outs); what a session would have without
 * them is in reset_val, and a transaction is read only because its session is. */
/* What our own session has changed for its safety is no setting of the server: the value that other
 * sessions begin with is shown instead. A replica is read-only in truth. */
static const struct query queries[] = {
    {.text = "SELECT name, unit, CASE WHEN source OPERATOR(pg_catalog.=) 'session'"
             " OR name OPERATOR(pg_catalog.=) 'transaction_read_only'"
             " AND NOT pg_catalog.pg_is_in_recovery()"
             " THEN reset_val ELSE setting END AS setting"
             " FROM pg_catalog.pg_settings"
             " WHERE vartype OPERATOR(pg_catalog.=) ANY ('{bool,integer,real}')",
     .shape = SHAPE_ROWS},
    {0},
};

static const char help[] =
    "The server's setting of this name, in bytes or seconds where it has a unit; -1 stays -1.";

static const struct column columns[] = {{0}};
static const struct column also[] = {{NULL, GAUGE, "pg_settings_*", help}, {0}};

static const struct unit {
    const char *name;
    double size;
    const char *suffix;
} units[] = {
    {"B", 1, "_bytes"},
    {"kB", 1024, "_bytes"},
    {"MB", 1024.0 * 1024, "_bytes"},
    {"GB", 1024.0 * 1024 * 1024, "_bytes"},
    {"TB", 1024.0 * 1024 * 1024 * 1024, "_bytes"},
    {"us", 1e-6, "_seconds"},
    {"ms", 1e-3, "_seconds"},
    {"s", 1, "_seconds"},
    {"min", 60, "_seconds"},
    {"h", 3600, "_seconds"},
    {"d", 86400, "_seconds"},
};

/* "8kB" is 8 times "kB"; the size of a block is chosen when the server is built. */
static bool find_unit(struct str text, double *ret_size, const char **ret_suffix) {
    double times = 0;
    if (text.len == 0) {
        *ret_size = 1;
        *ret_suffix = "";
        return true;
    }
    while (text.len > 0 && text.data[0] >= '0' && text.data[0] <= '9') {
        times = times * 10 + (text.data[0] - '0');
        text = (struct str){text.data + 1, text.len - 1};
    }
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (str_is(text, units[i].name)) {
            *ret_size = units[i].size * (times == 0 ? 1 : times);
            *ret_suffix = units[i].suffix;
            return true;
        }
    }
    return false;
}

static const char *keep_name(struct batch *batch, struct str name, const char *suffix) {
    struct strbuf text = {0};
    strbuf_add_text(&text, "pg_settings_");
    strbuf_add_str(&text, name);
    strbuf_add_text(&text, suffix);
    const char *kept = batch_keep_name(batch, strbuf_view(&text));
    strbuf_deinit(&text);
    return kept;
}

static int decode(const struct sample_context *context, const struct answer *answer,
                  struct batch *batch, struct error *err) {
    const struct table *table = answer->table;
    struct label server = {str_of("server"), context->server};
    struct batch_labels labels = batch_add_labels(batch, &server, 1);
    for (size_t row = 0; row < table->n_rows; row++) {
        struct str name = cell_named(table, row, "name");
        double value, size;
        const char *suffix;
        if (name.len == 0 || !collector_number(cell_named(table, row, "setting"), NULL, &value) ||
            !find_unit(cell_named(table, row, "unit"), &size, &suffix)) {
            batch->skipped_cells++;
            continue;
        }
        struct batch_metric metric = {keep_name(batch, name, suffix), help, METRIC_GAUGE, false};
        batch_add(batch, metric, labels, value == -1 ? value : scale_value(value, size));
        if (str_is(name, "default_transaction_read_only")) {
            facts_set(context->facts, FACT_READ_ONLY, value != 0);
        }
    }
    return 0;
}

const struct collector collector_postgres_settings = {
    .name = "settings",
    .help = "Settings of the server that are numbers or switches.",
    .kind = KIND_POSTGRES,
    .flags = COLLECTOR_SERVER_LABEL,
    .interval_usec = 60 * USEC_PER_SEC,
    .queries = queries,
    .columns = columns,
    .decode = decode,
    .also = also,
};
