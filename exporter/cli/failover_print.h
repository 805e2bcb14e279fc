/* SPDX-License-Identifier: Apache-2.0 */

/* What the API says about failovers, for people and for programs. */
#pragma once

#include "base/json_reader.h"
#include "base/str.h"

enum failover_format { FAILOVER_TABLE, FAILOVER_JSON };
extern const char *const failover_format_names[]; /* NULL-terminated */

/* data: of GET /api/v1/failover. As JSON: [{id, cluster, state, mode, old_primary, new_primary,
 * started, ended, reason}], the newest first; as a table the clusters before it. */
void failover_print_list(const struct json_value *data, enum failover_format format,
                         struct strbuf *out);

/* One of its plans with all that happened. */
void failover_print_plan(const struct json_value *plan, enum failover_format format,
                         struct strbuf *out);

/* Any value, as compact JSON and a line end. */
void failover_print_json(const struct json_value *value, struct strbuf *out);
