/* SPDX-License-Identifier: Apache-2.0 */

/* How many connections the server allows, keeps back and has. */
#include "collectors/collector.h"

#include "collectors/postgres_backends.h"

static const struct column columns[] = {
    {"active", GAUGE, "dbvitals_pg_connections_active",
     "Client connections that run a statement, without the one that asks this."},
    {"active", FACT, .fact = FACT_ACTIVE_CONNECTIONS},
    {"autovacuum_workers", GAUGE, "dbvitals_pg_connections_autovacuum_workers",
     "Autovacuum workers that run; they have places of their own."},
    {"clients", GAUGE, "dbvitals_pg_connections_clients",
     "Connections that count against max_connections."},
    {"clients", FACT, .fact = FACT_CLIENT_BACKENDS},
    {"idle_in_transaction", GAUGE, "dbvitals_pg_connections_idle_in_transaction",
     "Client connections that have a transaction open and do nothing in it."},
    {"max_connections", GAUGE, "dbvitals_pg_connections_max",
     "Connections that the server allows, max_connections."},
    {"max_connections", FACT, .fact = FACT_MAX_CONNECTIONS},
    {"parallel_workers", GAUGE, "dbvitals_pg_connections_parallel_workers",
     "Parallel workers that run; they have places of their own."},
    {"reserved", GAUGE, "dbvitals_pg_connections_reserved",
     "Connections that are kept back from ordinary users."},
    {"reserved", FACT, .fact = FACT_RESERVED_CONNECTIONS},
    {"waiting_for_lock", GAUGE, "dbvitals_pg_connections_waiting_for_lock",
     "Client connections that wait for a lock of another one."},
    {"walsenders", GAUGE, "dbvitals_pg_connections_walsenders",
     "WAL senders: replicas, base backups and logical subscribers."},
    {0},
};

extern const struct collector collector_postgres_connections;

static int decode(const struct sample_context *context, const struct answer *answer,
                  struct batch *batch, struct error *err) {
    return postgres_backends_decode(&collector_postgres_connections, context, answer, batch, err);
}

const struct collector collector_postgres_connections = {
    .name = "connections",
    .help = "How many connections are allowed, reserved and in use.",
    .kind = KIND_POSTGRES,
    .queries = postgres_backends_queries,
    .columns = columns,
    .decode = decode,
};
