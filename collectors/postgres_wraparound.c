/* SPDX-License-Identifier: Apache-2.0 */

/* How far each database is from the end of its transaction ids, and its connection limit: what
 * pg_database says of it.
 *
 * The peer's names end with seconds and count transactions; beside them is what is left until the
 * server refuses to write, which it does three million before the ids would repeat. */
#include "base/duration.h"
#include "collectors/collector.h"

static const struct query queries[] = {
    {.text = "SELECT datname, datconnlimit,"
             " CASE WHEN datallowconn THEN pg_catalog.age(datfrozenxid) END AS age,"
             " CASE WHEN datallowconn THEN pg_catalog.mxid_age(datminmxid) END AS multi_age,"
             " CASE WHEN datallowconn THEN 2144483647 OPERATOR(pg_catalog.-)"
             " pg_catalog.age(datfrozenxid) END AS transactions_left,"
             " CASE WHEN datallowconn THEN 2144483647 OPERATOR(pg_catalog.-)"
             " pg_catalog.mxid_age(datminmxid) END AS multixacts_left"
             " FROM pg_catalog.pg_database",
     .shape = SHAPE_ROWS},
    {0},
};

static const struct column columns[] = {
    {"age", GAUGE, "pg_database_wraparound_age_datfrozenxid_seconds",
     "Age of the oldest transaction id of the database, in transactions in spite of the name."},
    {"datconnlimit", GAUGE, "pg_database_connection_limit",
     "Connections that the database allows; -1 for no limit."},
    {"datname", LABEL, "datname"},
    {"multi_age", GAUGE, "pg_database_wraparound_age_datminmxid_seconds",
     "Age of the oldest multixact id of the database, in multixacts in spite of the name."},
    {"multixacts_left", GAUGE, "dbvitals_pg_wraparound_multixacts_left",
     "Multixacts until the server refuses to write in order to save the database."},
    {"transactions_left", GAUGE, "dbvitals_pg_wraparound_transactions_left",
     "Transactions until the server refuses to write in order to save the database."},
    {0},
};

const struct collector collector_postgres_wraparound = {
    .name = "wraparound",
    .help = "Age of transaction ids and connection limit of each database.",
    .kind = KIND_POSTGRES,
    /* It takes weeks to use the ids up, and a catalog must be read. */
    .interval_usec = 60 * USEC_PER_SEC,
    .queries = queries,
    .columns = columns,
};
