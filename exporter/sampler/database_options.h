/* SPDX-License-Identifier: Apache-2.0 */

/* Which databases of a PostgreSQL server are asked by collectors that know only one: patterns for
 * those to visit and for those to leave out. Plain values, checked by whoever fills them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define DATABASE_MOST_PATTERNS 32
#define DATABASE_PATTERN_MOST  255 /* bytes */

struct database_patterns {
    char *list[DATABASE_MOST_PATTERNS]; /* of a shell: '*', '?', '[a-z]'; owned */
    size_t count;
};

struct database_options {
    bool given; /* false: only the database of the connection, in the rounds */
    struct database_patterns include, exclude;
};

/* A zeroed one may be deinitialised. */
void database_options_deinit(struct database_options *options);
void database_options_copy(const struct database_options *from, struct database_options *ret);
bool database_options_equal(const struct database_options *a, const struct database_options *b);

/* Whether a database is visited: a pattern of include fits and none of exclude. Byte by byte. */
bool database_options_select(const struct database_options *options, const char *name);
