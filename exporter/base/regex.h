/* SPDX-License-Identifier: Apache-2.0 */

/* Regular expressions as Prometheus understands them: RE2's syntax, matched by PCRE2 with limits.
 *
 * What RE2 does not know (look-around, back-references, possessive quantifiers, repeats above 1000,
 * ...) is refused with its column, so that a pattern means here what it means in Prometheus or is
 * an error. Texts are bytes that should be UTF-8; one that is not matches nothing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/str.h"

struct regex;

enum regex_mode {
    /* The whole text must match, and '.' matches newlines: label matchers, label_replace. */
    REGEX_WHOLE,
    /* Anywhere in the text: match and reReplaceAll of templates. */
    REGEX_SEARCH,
};

/* Return: 0, or -EINVAL with *err (text only; at.column is the byte of the pattern, from 1). */
int regex_new(struct str pattern, enum regex_mode mode, struct regex **ret, struct error *err);
struct regex *regex_free(struct regex *regex);
DEFINE_CLEANUP(struct regex, regex_free);

enum regex_result { REGEX_NO, REGEX_YES };

/* Return: enum regex_result, or -E2BIG when a limit of the matcher was hit: never "no match". */
int regex_match(const struct regex *regex, struct str text);

/* The same for the empty text, giving up after microseconds: for whoever only reads an expression,
 * which may hold thousands of patterns. */
int regex_match_empty(const struct regex *regex);

/* What a group matched; data NULL when it took no part. */
struct regex_groups {
    struct str group[10]; /* 0 is the whole match; more groups than these match and are not kept */
    size_t n_groups;      /* of the pattern, the whole match included, at most 10 */
};

/* From byte `from` on. Return: as regex_match(); *ret_groups is set on REGEX_YES. */
int regex_find(const struct regex *regex, struct str text, size_t from,
               struct regex_groups *ret_groups);

/* Adds replacement with Go's expansion: $1, ${1}, $name, ${name}, $$; the longest word counts, so
 * $1x is the (empty) group "1x". */
void regex_expand(const struct regex *regex, const struct regex_groups *groups,
                  struct str replacement, struct strbuf *out);

/* Every match replaced. Return: 0, or -E2BIG (and out is as it was) when a limit of the matcher was
 * hit or the outcome would have more than 16 MiB. */
int regex_replace_all(const struct regex *regex, struct str text, struct str replacement,
                      struct strbuf *out);

/* The texts that alone match when the pattern is a literal or an alternation of literals (a|b|c).
 * Return: how many, in ret_set (borrowed from regex); 0 when it is anything else. Of REGEX_WHOLE.
 */
size_t regex_literals(const struct regex *regex, const struct str **ret_set);
