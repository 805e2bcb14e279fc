/* SPDX-License-Identifier: Apache-2.0 */

/* The parameters of a PostgreSQL connection as libpq takes them: the DSN, over its service file,
 * over the environment, over what is compiled in. Only for io/pg_*. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <libpq-fe.h>

#include "base/error.h"
#include "io/pg_options.h"

struct pg_params {
    char **keywords, **values; /* both end with NULL, as PQconnectStartParams() wants them */
    size_t count, keywords_capacity, values_capacity;
};

/* Reads the service file and the environment as they are now. Passwords are included.
 * Return: 0 or -EINVAL. */
int pg_params_load(const struct pg_options *options, struct pg_params *ret, struct error *err);

/* Return: the value, or NULL when it is unset or empty. */
const char *pg_params_get(const struct pg_params *params, const char *keyword);

/* Replaces a value or adds it; both are copied. */
void pg_params_set(struct pg_params *params, const char *keyword, const char *value);

/* The same, unless there is a value already. */
void pg_params_default(struct pg_params *params, const char *keyword, const char *value);

/* Overwrites all values. */
void pg_params_deinit(struct pg_params *params);

/* Overwrites the values of a list of libpq before it gives it back. NULL is fine. */
void pg_conninfo_wipe(PQconninfoOption *list);
