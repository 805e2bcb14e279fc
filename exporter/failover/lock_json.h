/* SPDX-License-Identifier: Apache-2.0 */

/* What monitors leave for each other, as JSON. Reading takes any bytes: what is not understood
 * forbids as much as what is. */
#pragma once

#include "base/str.h"
#include "failover/lock.h"

/* Further than this numbers of JSON are not whole. */
#define LOCK_MOST_MS ((int64_t)9000000000000000)

void lock_plan_write(struct strbuf *out, const struct failover_lock_plan *plan);
void lock_plan_read(struct str text, struct failover_lock_plan *ret);

void lock_maintenance_write(struct strbuf *out, const struct failover_lock_maintenance *maintenance,
                            int64_t now_ms);
void lock_maintenance_read(struct str text, struct failover_lock_maintenance *ret);

/* Copies what fits, valid UTF-8 without control characters, cut at a character; size > 0. */
void lock_name_copy(char *out, size_t size, struct str name);

/* Whether the name comes back as it is: not empty, and neither too long nor changed. */
bool lock_name_fits(const char *name, size_t size);
