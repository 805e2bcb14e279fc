/* SPDX-License-Identifier: Apache-2.0 */

/* Who keeps vacuum from removing dead rows, and the prepared transactions that nobody ended.
 *
 * The oldest transaction or snapshot of each kind of holder, as an age in transactions: backends
 * (idle in a transaction, a long query), replicas with hot_standby_feedback and no slot, slots,
 * prepared transactions. The holder with the largest age is the one to look at when dead rows pile
 * up. */
#include "base/duration.h"
#include "collectors/collector.h"

#define OLDEST                                                                                     \
    "pg_catalog.max(GREATEST(pg_catalog.age(backend_xid), pg_catalog.age(backend_xmin))) FILTER "

static const struct query queries[] = {
    {.text = "SELECT h.holder, COALESCE(h.age, 0) AS age,"
             " NULL::pg_catalog.int8 AS prepared, NULL::pg_catalog.float8 AS oldest_prepared"
             " FROM (SELECT"
             " " OLDEST "(WHERE backend_type OPERATOR(pg_catalog.<>) 'walsender') AS backend,"
             " " OLDEST "(WHERE backend_type OPERATOR(pg_catalog.=) 'walsender') AS replica"
             " FROM pg_catalog.pg_stat_get_activity(NULL)"
             " WHERE pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()) AS a"
             " CROSS JOIN LATERAL (VALUES ('backend', a.backend), ('replica', a.replica))"
             " AS h(holder, age)"
             " UNION ALL"
             " SELECT 'slot', COALESCE(pg_catalog.max(GREATEST(pg_catalog.age(xmin),"
             " pg_catalog.age(catalog_xmin))), 0), NULL, NULL"
             " FROM pg_catalog.pg_get_replication_slots()"
             " UNION ALL"
             " SELECT 'prepared transaction',"
             " COALESCE(pg_catalog.max(pg_catalog.age(transaction)), 0), pg_catalog.count(*),"
             " COALESCE(GREATEST(0, pg_catalog.max(extract(epoch FROM pg_catalog.now()"
             " OPERATOR(pg_catalog.-) prepared))), 0)"
             " FROM pg_catalog.pg_prepared_xact()",
     .shape = SHAPE_ROWS},
    {0},
};

static const struct column columns[] = {
    {"age", GAUGE, "dbvitals_pg_xmin_age_transactions",
     "Age of the oldest transaction or snapshot of this kind of holder, in transactions; rows that "
     "died since are kept for it. 0 for none."},
    {"holder", LABEL, "holder"},
    {"oldest_prepared", GAUGE, "dbvitals_pg_prepared_transactions_oldest_seconds",
     "How long ago the oldest prepared transaction was prepared; 0 for none.", .group = 1},
    {"prepared", GAUGE, "dbvitals_pg_prepared_transactions",
     "Transactions that are prepared and neither committed nor rolled back.", .group = 1},
    {0},
};

const struct collector collector_postgres_xmin = {
    .name = "xmin",
    .help = "What keeps vacuum from removing dead rows, and prepared transactions.",
    .kind = KIND_POSTGRES,
    /* Trouble of this kind grows over minutes. */
    .interval_usec = 15 * USEC_PER_SEC,
    .queries = queries,
    .columns = columns,
};
