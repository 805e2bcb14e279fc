/* SPDX-License-Identifier: Apache-2.0 */

/* The version of PgBouncer. */
#include "collectors/collector.h"

#include "base/duration.h"
#include "collectors/support.h"

static const struct query queries[] = {{.text = "SHOW VERSION", .shape = SHAPE_ROWS}, {0}};

static const struct column columns[] = {
    {"version", LABEL, "version"},
    {"version", INFO, "pgbouncer_version_info",
     "Version of PgBouncer, as a label; the value is always 1."},
    {0},
};

extern const struct collector collector_pgbouncer_version;

static int decode(const struct sample_context *context, const struct answer *answer,
                  struct batch *batch, struct error *err) {
    int64_t version;
    int r = collector_decode_table(&collector_pgbouncer_version, context, answer, batch, err);
    if (r == 0 && answer->table->n_rows > 0 &&
        version_number(cell_named(answer->table, 0, "version"), &version)) {
        facts_set(context->facts, FACT_VERSION, version);
    }
    return r;
}

const struct collector collector_pgbouncer_version = {
    .name = "version",
    .help = "Version of PgBouncer.",
    .kind = KIND_PGBOUNCER,
    .interval_usec = 60 * USEC_PER_SEC,
    .queries = queries,
    .columns = columns,
    .decode = decode,
};
