/* SPDX-License-Identifier: Apache-2.0 */

/* The parameters of the bundled rules: their thresholds, by name, with what they are when nobody
 * says anything else. Rules join them as dbvitals_threshold{name="..."}. Names that are not in the
 * table are for users' own rules. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/str.h"

#define PARAMETER_NAME_MOST 63

enum parameter_unit { PARAMETER_NUMBER, PARAMETER_RATIO, PARAMETER_SECONDS, PARAMETER_BYTES };
extern const char *const parameter_unit_names[];

struct parameter {
    const char *name;
    const char *types; /* of the targets that have it, "redis, sentinel"; NULL: all */
    enum parameter_unit unit;
    double fallback;
    const char *help;
};

/* By name; ended by a row without. */
extern const struct parameter parameter_table[];

/* Return: NULL when it is none of the bundled ones. */
const struct parameter *parameter_find(struct str name);

/* [a-z_][a-z0-9_]*, at most PARAMETER_NAME_MOST. */
bool parameter_is_name(struct str name);

/* The bundled one that may be meant by a misspelt name, or NULL. */
const char *parameter_suggest(struct str name);

/* Of a bundled one as the table says; of others by how their name ends: _ratio, _seconds, _bytes.
 */
enum parameter_unit parameter_unit_of(struct str name);

/* Whether targets of a type have it. */
bool parameter_fits(const struct parameter *parameter, const char *type);

/* Whether a parameter may have a value: finite; a ratio of a bundled one is from 0 to 1, everything
 * else of a bundled one not negative. Return: 0 or -EINVAL with a sentence. */
int parameter_check(struct str name, double value, struct error *err);

/* Reads "5", and where the unit is seconds or bytes also "1m30s" or "16MiB"; checks it as above.
 * Return: 0 or -EINVAL with a sentence. */
int parameter_parse(struct str name, struct str text, double *ret, struct error *err);

/* Adds a value as parameter_parse() reads it, in the largest unit that needs no digits behind a
 * point. */
void parameter_format(struct str name, double value, struct strbuf *out);
