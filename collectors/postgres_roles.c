/* SPDX-License-Identifier: Apache-2.0 */

/* Connection limits of roles. */
#include "base/duration.h"
#include "collectors/collector.h"

static const struct query queries[] = {
    {.text = "SELECT rolname, rolconnlimit FROM pg_catalog.pg_roles", .shape = SHAPE_ROWS},
    {0},
};

static const struct column columns[] = {
    {"rolconnlimit", GAUGE, "pg_roles_connection_limit",
     "Connections that the role may have; -1 for no limit."},
    {"rolname", LABEL, "rolname"},
    {0},
};

const struct collector collector_postgres_roles = {
    .name = "roles",
    .help = "Connection limits of roles.",
    .kind = KIND_POSTGRES,
    /* A catalog that people change by hand. */
    .interval_usec = 60 * USEC_PER_SEC,
    .queries = queries,
    .columns = columns,
};
