/* SPDX-License-Identifier: Apache-2.0 */

#include "failover/managers.h"

#include "base/macros.h"

const char *const manager_clue_columns[] = {
    [CLUE_APPLICATION] = "applications", [CLUE_ROLE] = "roles",
    [CLUE_EXTENSION] = "extensions",     [CLUE_SCHEMA] = "schemas",
    [CLUE_LIBRARY] = "libraries",        [CLUE_SETTING] = "settings",
};

/* Patroni starts its servers with these settings on the command line, always all of them:
 * cluster_name, max_prepared_transactions, track_commit_timestamp, wal_log_hints. */
const struct manager managers[] = {
    {"Patroni", {{CLUE_APPLICATION, "Patroni"}, {CLUE_SETTING, "command line"}}},
    {"repmgr",
     {{CLUE_APPLICATION, "repmgr"},
      {CLUE_EXTENSION, "repmgr"},
      {CLUE_SCHEMA, "repmgr"},
      {CLUE_LIBRARY, "repmgr"}}},
    {"pg_auto_failover",
     {{CLUE_APPLICATION, "pgautofailover"},
      {CLUE_EXTENSION, "pgautofailover"},
      {CLUE_LIBRARY, "pgautofailover"}}},
    {"CloudNativePG",
     {{CLUE_APPLICATION, "cnpg"},
      {CLUE_ROLE, "streaming_replica"},
      {CLUE_SETTING, "cnpg.config_sha256"}}},
    {"Amazon RDS", {{CLUE_ROLE, "rds_superuser"}}},
    {"Cloud SQL", {{CLUE_ROLE, "cloudsqlsuperuser"}}},
    {"Azure Database", {{CLUE_ROLE, "azure_pg_admin"}}},
};
const size_t n_managers = ARRAY_LEN(managers);

const char *const manager_sentinel = "Sentinel";

static bool holds(struct str found, enum manager_clue clue, const char *text) {
    while (found.len > 0) {
        struct str line = str_cut(&found, '\n');
        while (line.len > 0) {
            struct str word = str_trim(str_cut(&line, clue == CLUE_LIBRARY ? ',' : '\n'));
            if (clue == CLUE_APPLICATION ? str_starts_with(word, text) : str_is(word, text)) {
                return true;
            }
        }
    }
    return false;
}

const char *managers_find(const struct str clues[CLUES]) {
    for (size_t i = 0; i < n_managers; i++) {
        for (size_t k = 0; k < ARRAY_LEN(managers[i].clues); k++) {
            enum manager_clue clue = managers[i].clues[k].clue;
            const char *text = managers[i].clues[k].text;
            if (text != NULL && holds(clues[clue], clue, text)) {
                return managers[i].name;
            }
        }
    }
    return NULL;
}
