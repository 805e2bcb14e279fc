/* SPDX-License-Identifier: Apache-2.0 */

/* Transactions that are open for long. The peer's oldest_timestamp is an age in truth; ours beside
 * it tell apart what a client does: runs one statement, or sleeps with a transaction open. */
#include "collectors/collector.h"

#include "collectors/postgres_backends.h"

static const struct column columns[] = {
    {"oldest_client", GAUGE, "dbvitals_pg_transactions_oldest_seconds",
     "Age of the oldest transaction of a client, in seconds; 0 when none is open."},
    {"oldest_idle", GAUGE, "dbvitals_pg_transactions_oldest_idle_seconds",
     "How long a client has done nothing in its open transaction at most; 0 when none does."},
    {"oldest_open", GAUGE, "pg_long_running_transactions_oldest_timestamp_seconds",
     "Age in seconds, in spite of the name, of the oldest open transaction; 0 when none is open."},
    {"oldest_statement", GAUGE, "dbvitals_pg_statements_oldest_seconds",
     "How long the statement has run that a client has waited for the longest; 0 for none."},
    {"open_transactions", GAUGE, "pg_long_running_transactions",
     "Transactions that are open, without ours and those of autovacuum, however old."},
    {0},
};

extern const struct collector collector_postgres_transactions;

static int decode(const struct sample_context *context, const struct answer *answer,
                  struct batch *batch, struct error *err) {
    return postgres_backends_decode(&collector_postgres_transactions, context, answer, batch, err);
}

const struct collector collector_postgres_transactions = {
    .name = "transactions",
    .help = "How many transactions are open, and since when.",
    .kind = KIND_POSTGRES,
    .queries = postgres_backends_queries,
    .columns = columns,
    .decode = decode,
};
