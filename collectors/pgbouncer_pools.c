/* SPDX-License-Identifier: Apache-2.0 */

/* The pools: one for each pair of database and user. The console's own pool is shown as the peer
 * does, but is no part of the sums. */
#include "collectors/collector.h"

#include "collectors/support.h"

static const struct query queries[] = {{.text = "SHOW POOLS", .shape = SHAPE_ROWS}, {0}};

static const char waiting_cancel_help[] =
    "Clients whose request to cancel a statement has not been sent on yet.";

static const struct column columns[] = {
    {"cl_active", GAUGE, "pgbouncer_pools_client_active_connections",
     "Clients that have a server connection, or are idle and need none."},
    {"cl_active_cancel_req", GAUGE, "pgbouncer_pools_client_active_cancel_connections",
     "Clients whose request to cancel a statement is on its way at the server."},
    /* its only name before 1.18 */
    {"cl_cancel_req", GAUGE, "pgbouncer_pools_client_waiting_cancel_connections",
     waiting_cancel_help},
    {"cl_waiting", GAUGE, "pgbouncer_pools_client_waiting_connections",
     "Clients that have sent something and wait for a server connection."},
    {"cl_waiting_cancel_req", GAUGE, "pgbouncer_pools_client_waiting_cancel_connections",
     waiting_cancel_help},
    {"database", LABEL, "database"},
    {"maxwait", GAUGE, "pgbouncer_pools_client_maxwait_seconds",
     "How long the first client in the queue has waited, in whole seconds."},
    {"sv_active", GAUGE, "pgbouncer_pools_server_active_connections",
     "Server connections that belong to a client now."},
    {"sv_active_cancel", GAUGE, "pgbouncer_pools_server_active_cancel_connections",
     "Server connections that carry a request to cancel a statement."},
    {"sv_being_canceled", GAUGE, "pgbouncer_pools_server_being_canceled_connections",
     "Server connections that wait until requests to cancel their statement have ended."},
    {"sv_idle", GAUGE, "pgbouncer_pools_server_idle_connections",
     "Server connections that a client can have at once."},
    {"sv_login", GAUGE, "pgbouncer_pools_server_login_connections",
     "Server connections that are being made."},
    {"sv_tested", GAUGE, "pgbouncer_pools_server_testing_connections",
     "Server connections that are being reset or checked."},
    {"sv_used", GAUGE, "pgbouncer_pools_server_used_connections",
     "Server connections that have been idle for so long that they must be checked first."},
    {"user", LABEL, "user"},
    {0},
};

extern const struct collector collector_pgbouncer_pools;

static int decode(const struct sample_context *context, const struct answer *answer,
                  struct batch *batch, struct error *err) {
    int r = collector_decode_table(&collector_pgbouncer_pools, context, answer, batch, err);
    double sum;
    if (r < 0) {
        return r;
    }
    /* Without pools nobody waits. */
    sum = 0;
    sum_column(answer->table, "cl_waiting", "database", "pgbouncer", &sum);
    facts_set(context->facts, FACT_WAITING_CONNECTIONS, fact_of(sum));
    sum = 0;
    sum_column(answer->table, "sv_active", "database", "pgbouncer", &sum);
    facts_set(context->facts, FACT_ACTIVE_CONNECTIONS, fact_of(sum));
    return 0;
}

const struct collector collector_pgbouncer_pools = {
    .name = "pools",
    .help = "Client and server connections of each pool, and how long clients wait.",
    .kind = KIND_PGBOUNCER,
    .queries = queries,
    .columns = columns,
    .decode = decode,
};
