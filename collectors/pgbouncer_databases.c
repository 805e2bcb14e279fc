/* SPDX-License-Identifier: Apache-2.0 */

/* The databases that PgBouncer offers. How full the worst of them is becomes a fact: connections to
 * the server by the size of its pool; a database whose users have pools of their own may exceed it.
 * The console itself has no servers and is left out. */
#include "collectors/collector.h"

#include "collectors/support.h"

static const struct query queries[] = {{.text = "SHOW DATABASES", .shape = SHAPE_ROWS}, {0}};

static const char reserve_help[] =
    "Server connections that each pool may have beyond its size when clients wait.";

static const struct column columns[] = {
    {"current_client_connections", GAUGE, "pgbouncer_databases_current_client_connections",
     "Client connections to the database now."},
    {"current_connections", GAUGE, "pgbouncer_databases_current_connections",
     "Server connections of the database now."},
    {"database", LABEL, "database"},
    {"disabled", GAUGE, "pgbouncer_databases_disabled",
     "1 while the database takes no new clients."},
    {"force_user", LABEL, "force_user"},
    {"host", LABEL, "host"},
    {"max_client_connections", GAUGE, "pgbouncer_databases_max_client_connections",
     "Client connections that the database may have; 0 for no limit of its own."},
    {"max_connections", GAUGE, "pgbouncer_databases_max_connections",
     "Server connections that the database may have; 0 for no limit of its own."},
    {"min_pool_size", GAUGE, "pgbouncer_databases_min_pool_size",
     "Server connections that each pool keeps open."},
    {"name", LABEL, "name"},
    {"paused", GAUGE, "pgbouncer_databases_paused", "1 while the database is paused."},
    {"pool_mode", LABEL, "pool_mode"},
    {"pool_size", GAUGE, "pgbouncer_databases_pool_size",
     "Server connections that each pool of the database may have."},
    {"port", LABEL, "port"},
    {"reserve_pool", GAUGE, "pgbouncer_databases_reserve_pool", reserve_help},
    /* its name from 1.24 on */
    {"reserve_pool_size", GAUGE, "pgbouncer_databases_reserve_pool", reserve_help},
    {0},
};

static int64_t worst_permille(const struct table *table) {
    double worst = 0, used, size;
    for (size_t row = 0; row < table->n_rows; row++) {
        if (!str_is(cell_named(table, row, "name"), "pgbouncer") &&
            str_to_double(cell_named(table, row, "current_connections"), &used) &&
            str_to_double(cell_named(table, row, "pool_size"), &size) && size >= 1 &&
            used / size > worst) {
            worst = used / size;
        }
    }
    return fact_of(worst * 1000);
}

static bool is_one(const struct table *table, size_t row, const char *column) {
    return str_is(cell_named(table, row, column), "1");
}

/* PAUSE or DISABLE without a name means all of them; one database alone is its own business. */
static bool all_are_paused(const struct table *table) {
    size_t paused = 0;
    for (size_t row = 0; row < table->n_rows; row++) {
        if (str_is(cell_named(table, row, "name"), "pgbouncer")) {
            continue;
        }
        if (!is_one(table, row, "paused") && !is_one(table, row, "disabled")) {
            return false;
        }
        paused++;
    }
    return paused > 0;
}

extern const struct collector collector_pgbouncer_databases;

static int decode(const struct sample_context *context, const struct answer *answer,
                  struct batch *batch, struct error *err) {
    int r = collector_decode_table(&collector_pgbouncer_databases, context, answer, batch, err);
    double connections = 0;
    if (r == 0) {
        sum_column(answer->table, "current_connections", "name", "pgbouncer", &connections);
        facts_set(context->facts, FACT_POOL_CONNECTIONS, fact_of(connections));
        facts_set(context->facts, FACT_POOL_USAGE_PERMILLE, worst_permille(answer->table));
        facts_set(context->facts, FACT_PAUSED, all_are_paused(answer->table));
    }
    return r;
}

const struct collector collector_pgbouncer_databases = {
    .name = "databases",
    .help = "Limits and connections of each database that PgBouncer offers.",
    .kind = KIND_PGBOUNCER,
    .queries = queries,
    .columns = columns,
    .decode = decode,
};
