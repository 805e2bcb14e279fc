/* SPDX-License-Identifier: Apache-2.0 */

/* Takes apart what INFO answers: lines `name:value`, section heads `# Name`, and records whose
 * value is a list `a=1,b=2`. Pure; the text may be hostile. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "base/table.h"

/* One row whose columns are the names, in the order of the text; of equal names the first counts.
 */
int redis_info_pairs(struct str info, const struct table_limits *limits, struct arena *arena,
                     const struct table **ret, struct error *err);

/* A row for each line whose name is record + anything and whose value is a list: column "key" with
 * the rest of the name, then every field that any of the lines has (NULL where one has it not).
 * A field `p50=0.1` is a column like any other; `usec_per_call` too. */
int redis_info_records(struct str info, const char *record, const struct table_limits *limits,
                       struct arena *arena, const struct table **ret, struct error *err);
