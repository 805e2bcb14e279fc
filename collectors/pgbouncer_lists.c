/* SPDX-License-Identifier: Apache-2.0 */

/* How many of each thing PgBouncer holds: cheap, and of use in each round, so it decides about
 * "up". */
#include "collectors/collector.h"

static const struct query queries[] = {{.text = "SHOW LISTS", .shape = SHAPE_PAIRS}, {0}};

static const struct column columns[] = {
    {"databases", GAUGE, "pgbouncer_databases", "Databases that PgBouncer knows."},
    {"dns_names", GAUGE, "pgbouncer_cached_dns_names", "Host names in the DNS cache."},
    {"dns_pending", GAUGE, "pgbouncer_pending_dns_queries",
     "DNS look-ups that wait to be started."},
    {"dns_queries", GAUGE, "pgbouncer_in_flight_dns_queries",
     "DNS look-ups that wait for an answer."},
    {"dns_zones", GAUGE, "pgbouncer_cached_dns_zones", "DNS zones in the cache."},
    {"free_clients", GAUGE, "pgbouncer_free_clients",
     "Places for clients that are allocated and free."},
    {"free_servers", GAUGE, "pgbouncer_free_servers",
     "Places for servers that are allocated and free."},
    {"login_clients", GAUGE, "pgbouncer_login_clients", "Clients that are logging in."},
    {"pools", GAUGE, "pgbouncer_pools", "Pools that exist."},
    {"used_clients", GAUGE, "pgbouncer_used_clients", "Client connections."},
    {"used_servers", GAUGE, "pgbouncer_used_servers", "Server connections."},
    {"users", GAUGE, "pgbouncer_users", "Users that PgBouncer knows."},
    {0},
};

const struct collector collector_pgbouncer_lists = {
    .name = "lists",
    .help = "How many databases, users, pools, connections and DNS entries there are; decides "
            "whether it is up.",
    .kind = KIND_PGBOUNCER,
    .flags = COLLECTOR_VITAL,
    .queries = queries,
    .columns = columns,
};
