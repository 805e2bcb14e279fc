/* SPDX-License-Identifier: Apache-2.0 */

/* What the control file says. Apart from the vital query because it is read from disk, and because
 * some managed services take the right to call these functions away. */
#include "base/duration.h"
#include "collectors/collector.h"

static const struct query queries[] = {
    {.text = "SELECT s.system_identifier,"
             " extract(epoch FROM c.checkpoint_time) AS checkpoint_time"
             " FROM pg_catalog.pg_control_system() AS s,"
             " pg_catalog.pg_control_checkpoint() AS c",
     .shape = SHAPE_ROWS},
    {0},
};

static const struct column columns[] = {
    {"checkpoint_time", GAUGE, "dbvitals_pg_control_checkpoint_timestamp_seconds",
     "When the newest checkpoint was started, or on a replica the restart point's, in seconds "
     "since "
     "1970."},
    {"system_identifier", LABEL, "system_identifier", .group = 1},
    {"system_identifier", FACT, .fact = FACT_SYSTEM_IDENTIFIER},
    {"system_identifier", INFO, "dbvitals_pg_control_info",
     "Identifier that initdb gave the cluster and all its replicas share; the value is always 1.",
     .group = 1},
    {0},
};

const struct collector collector_postgres_control = {
    .name = "control",
    .help = "System identifier and newest checkpoint, from the control file.",
    .kind = KIND_POSTGRES,
    .interval_usec = 60 * USEC_PER_SEC,
    .queries = queries,
    .columns = columns,
};
