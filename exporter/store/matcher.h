/* SPDX-License-Identifier: Apache-2.0 */

/* A condition on one label, as in {name="value"}: for selectors, routes and relabelling. A label
 * that is not there has the empty value. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/str.h"

struct regex;

enum matcher_type { MATCH_EQUAL, MATCH_NOT_EQUAL, MATCH_REGEX, MATCH_NOT_REGEX };

/* "=", "!=", "=~", "!~". */
extern const char *const matcher_type_texts[];

struct matcher {
    enum matcher_type type;
    struct str name, value; /* borrowed: they live as long as who owns the matcher says */
    struct regex *regex;    /* of the two regex types; owned */
};

/* Compiles the regex of a matcher whose type, name and value are set.
 * Return: 0 or -EINVAL with *err. */
int matcher_prepare(struct matcher *matcher, struct error *err);
void matcher_deinit(struct matcher *matcher);

/* Return: 1 when it holds for the value, 0 when not, -E2BIG when the regex hit a limit. */
int matcher_holds(const struct matcher *matcher, struct str value);
/* The same for a label that is not there, giving up after microseconds. */
int matcher_holds_nothing(const struct matcher *matcher);
