/* SPDX-License-Identifier: Apache-2.0 */

#include "collectors/postgres_backends.h"

#include <errno.h>

#include "collectors/support.h"

#define CLIENT  "backend_type OPERATOR(pg_catalog.=) 'client backend'"
#define FOREIGN "pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()"

/* What the peer calls a long running transaction: any that is open and not autovacuum's. */
#define OPEN                                                                                       \
    FOREIGN " AND xact_start IS NOT NULL"                                                          \
            " AND (state IS NULL OR state OPERATOR(pg_catalog.<>) 'idle')"                         \
            " AND query OPERATOR(pg_catalog.!~~) 'autovacuum:%'"

#define OLDEST "GREATEST(0, COALESCE(pg_catalog.max(extract(epoch FROM pg_catalog.now()"

#define OTHERS                                                                                     \
    " pg_catalog.count(*) FILTER (WHERE " CLIENT                                                   \
    " AND state OPERATOR(pg_catalog.=) 'active' AND " FOREIGN ") AS active,"                       \
    " pg_catalog.count(*) FILTER (WHERE " CLIENT                                                   \
    " AND state OPERATOR(pg_catalog.=) 'idle in transaction') AS idle_in_transaction,"             \
    " pg_catalog.count(*) FILTER (WHERE " CLIENT                                                   \
    " AND wait_event_type OPERATOR(pg_catalog.=) 'Lock') AS waiting_for_lock,"                     \
    " pg_catalog.count(*) FILTER (WHERE backend_type OPERATOR(pg_catalog.=) 'walsender')"          \
    " AS walsenders,"                                                                              \
    " pg_catalog.count(*) FILTER (WHERE backend_type OPERATOR(pg_catalog.=) 'parallel worker')"    \
    " AS parallel_workers,"                                                                        \
    " pg_catalog.count(*) FILTER (WHERE backend_type OPERATOR(pg_catalog.=) 'autovacuum worker')"  \
    " AS autovacuum_workers,"                                                                      \
    " pg_catalog.count(*) FILTER (WHERE " OPEN ") AS open_transactions,"                           \
    " " OLDEST " OPERATOR(pg_catalog.-) xact_start)) FILTER (WHERE " OPEN "), 0))"                 \
    " AS oldest_open,"                                                                             \
    " " OLDEST " OPERATOR(pg_catalog.-) xact_start)) FILTER"                                       \
    " (WHERE " CLIENT " AND " FOREIGN "), 0)) AS oldest_client,"                                   \
    " " OLDEST " OPERATOR(pg_catalog.-) query_start)) FILTER (WHERE " CLIENT " AND " FOREIGN       \
    " AND state OPERATOR(pg_catalog.=) 'active'), 0)) AS oldest_statement,"                        \
    " " OLDEST " OPERATOR(pg_catalog.-) state_change)) FILTER (WHERE " CLIENT                      \
    " AND state OPERATOR(pg_catalog.~~) 'idle in transaction%'), 0)) AS oldest_idle,"              \
    " pg_catalog.current_setting('max_connections') AS max_connections,"                           \
    " pg_catalog.current_setting('superuser_reserved_connections')::pg_catalog.int4"               \
    " OPERATOR(pg_catalog.+)"                                                                      \
    " COALESCE(pg_catalog.current_setting('reserved_connections', true)::pg_catalog.int4, 0)"      \
    " AS reserved,"                                                                                \
    " pg_catalog.pg_has_role(pg_catalog.to_regrole('pg_read_all_stats')::pg_catalog.oid,"          \
    " 'USAGE') AS sees_all FROM pg_catalog.pg_stat_get_activity(NULL)"

const struct query postgres_backends_queries[] = {
    {.min_version = 120000,
     .text = "SELECT pg_catalog.count(*) FILTER (WHERE " CLIENT ") AS clients," OTHERS,
     .shape = SHAPE_ROWS},
    {.text = "SELECT pg_catalog.count(*) FILTER (WHERE " CLIENT
             " OR backend_type OPERATOR(pg_catalog.=) 'walsender') AS clients," OTHERS,
     .shape = SHAPE_ROWS},
    {0},
};

int postgres_backends_decode(const struct collector *collector,
                             const struct sample_context *context, const struct answer *answer,
                             struct batch *batch, struct error *err) {
    const struct table *table = answer->table;
    if (table->n_rows > 0 && str_is(cell_named(table, 0, "sees_all"), "f")) {
        return error_say(err, -EACCES,
                         "the role does not see what other sessions do: GRANT pg_monitor");
    }
    return collector_decode_table(collector, context, answer, batch, err);
}
