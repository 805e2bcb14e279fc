/* SPDX-License-Identifier: Apache-2.0 */

/* The limits in PgBouncer's configuration. */
#include "base/duration.h"
#include "collectors/collector.h"

static const struct query queries[] = {{.text = "SHOW CONFIG", .shape = SHAPE_PAIRS}, {0}};

static const struct column columns[] = {
    {"default_pool_size", GAUGE, "pgbouncer_config_default_pool_size",
     "Server connections of a pool that has no size of its own."},
    {"max_client_conn", GAUGE, "pgbouncer_config_max_client_connections",
     "Client connections that PgBouncer takes."},
    {"max_client_conn", FACT, .fact = FACT_MAX_CONNECTIONS},
    {"max_db_connections", GAUGE, "pgbouncer_config_max_db_connections",
     "Server connections that a database may have; 0 for no limit."},
    {"max_user_connections", GAUGE, "pgbouncer_config_max_user_connections",
     "Server connections that a user may have; 0 for no limit."},
    {"reserve_pool_size", GAUGE, "pgbouncer_config_reserve_pool_size",
     "Additional server connections of a pool whose clients wait."},
    {0},
};

const struct collector collector_pgbouncer_config = {
    .name = "config",
    .help = "Limits in the configuration.",
    .kind = KIND_PGBOUNCER,
    .interval_usec = 60 * USEC_PER_SEC,
    .queries = queries,
    .columns = columns,
};
