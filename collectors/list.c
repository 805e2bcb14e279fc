/* SPDX-License-Identifier: Apache-2.0 */

/* The list of all collectors, and the names that go with them. */
#include "collectors/collector.h"

#include "collectors/collector_list.h"

#define DECLARE(name) extern const struct collector collector_##name;
COLLECTOR_LIST(DECLARE)

#define ADDRESS(name) &collector_##name,
const struct collector *const collector_list[] = {COLLECTOR_LIST(ADDRESS) NULL};

const char *const target_kind_names[] = {"postgres", "pgbouncer", "redis", "sentinel",
                                         "host",     "breakers",  NULL};

const char *const server_role_names[] = {"unknown", "primary", "replica", NULL};

const struct collector *collector_find(enum target_kind kind, const char *name) {
    for (size_t i = 0; collector_list[i] != NULL; i++) {
        if (collector_list[i]->kind == kind && strcmp(collector_list[i]->name, name) == 0) {
            return collector_list[i];
        }
    }
    return NULL;
}

const struct query *collector_query(const struct collector *collector, int version) {
    for (const struct query *query = collector->queries; query->text != NULL; query++) {
        bool new_enough = query->min_version == 0 || version >= query->min_version;
        bool old_enough =
            query->max_version == 0 || (version != 0 && version <= query->max_version);
        if (new_enough && old_enough) {
            return query;
        }
    }
    return NULL;
}
