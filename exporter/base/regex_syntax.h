/* SPDX-License-Identifier: Apache-2.0 */

/* From the syntax of RE2 (Go's regexp) to that of PCRE2; regex.c matches with the outcome.
 *
 * It is a parser of RE2's grammar that writes what it understood, not a filter: everything in the
 * outcome was put there on purpose. Flags other than (?i) are resolved here, classes of ASCII are
 * spelt out, characters beyond ASCII are written as numbers, and groups have no names. Errors have
 * Go's words. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"

struct regex_group_name {
    struct str name;
    size_t group;
};

/* All texts lie in the arena. */
struct regex_syntax {
    struct arena arena;
    struct strbuf pcre; /* for PCRE2_UTF | PCRE2_DOTALL, without PCRE2_UCP; not anchored */
    struct regex_group_name *names;
    size_t n_names, names_capacity;
    size_t n_groups; /* the whole match included */
    /* What alone matches when the pattern is a literal or an alternation of literals, maybe in
     * groups around all of it; sorted, none twice. */
    struct str *literals;
    size_t n_literals, literals_capacity;
};

/* dot_all: '.' matches newlines without (?s), too.
 * Return: 0, or -EINVAL with *err, whose at.column is the byte of the pattern (from 1). */
int regex_syntax_parse(struct str pattern, bool dot_all, struct regex_syntax *ret,
                       struct error *err);
void regex_syntax_deinit(struct regex_syntax *syntax);
