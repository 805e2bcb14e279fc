/* SPDX-License-Identifier: Apache-2.0 */

/* How many connections the server allows, keeps back and has.
 *
 * Only client backends count against max_connections; parallel workers, autovacuum and background
 * workers stand in pg_stat_activity too. Before version 12 WAL senders took such places as well.
 * The function behind the view spares its joins with databases and roles. */
#include "collectors/collector.h"

#define OTHERS                                                                                     \
    " pg_catalog.count(*) FILTER (WHERE backend_type OPERATOR(pg_catalog.=) 'client backend'"      \
    " AND state OPERATOR(pg_catalog.=) 'active'"                                                   \
    " AND pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()) AS active,"                     \
    " pg_catalog.count(*) FILTER (WHERE backend_type OPERATOR(pg_catalog.=) 'client backend'"      \
    " AND state OPERATOR(pg_catalog.=) 'idle in transaction') AS idle_in_transaction,"             \
    " pg_catalog.count(*) FILTER (WHERE backend_type OPERATOR(pg_catalog.=) 'client backend'"      \
    " AND wait_event_type OPERATOR(pg_catalog.=) 'Lock') AS waiting_for_lock,"                     \
    " pg_catalog.count(*) FILTER (WHERE backend_type OPERATOR(pg_catalog.=) 'walsender')"          \
    " AS walsenders,"                                                                              \
    " pg_catalog.count(*) FILTER (WHERE backend_type OPERATOR(pg_catalog.=) 'parallel worker')"    \
    " AS parallel_workers,"                                                                        \
    " pg_catalog.count(*) FILTER (WHERE backend_type OPERATOR(pg_catalog.=) 'autovacuum worker')"  \
    " AS autovacuum_workers,"                                                                      \
    " pg_catalog.current_setting('max_connections') AS max_connections,"                           \
    " pg_catalog.current_setting('superuser_reserved_connections')::pg_catalog.int4"               \
    " OPERATOR(pg_catalog.+)"                                                                      \
    " COALESCE(pg_catalog.current_setting('reserved_connections', true)::pg_catalog.int4, 0)"      \
    " AS reserved FROM pg_catalog.pg_stat_get_activity(NULL)"

static const struct query queries[] = {
    {.min_version = 120000,
     .text =
         "SELECT"
         " pg_catalog.count(*) FILTER (WHERE backend_type OPERATOR(pg_catalog.=) 'client backend')"
         " AS clients," OTHERS,
     .shape = SHAPE_ROWS},
    {.text =
         "SELECT"
         " pg_catalog.count(*) FILTER (WHERE backend_type OPERATOR(pg_catalog.=) 'client backend'"
         " OR backend_type OPERATOR(pg_catalog.=) 'walsender') AS clients," OTHERS,
     .shape = SHAPE_ROWS},
    {0},
};

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

const struct collector collector_postgres_connections = {
    .name = "connections",
    .help = "How many connections are allowed, reserved and in use.",
    .kind = KIND_POSTGRES,
    .queries = queries,
    .columns = columns,
};
