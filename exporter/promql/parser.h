/* SPDX-License-Identifier: Apache-2.0 */

/* From text to a syntax tree, with the checks of Prometheus 3: what it refuses is refused.
 *
 * Errors carry line and column and say what was found and what was expected; only the first one is
 * reported. Limits: 64 KiB of text, nesting of 100, 2000 operators, 1000
 * elements in a list. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "promql/ast.h"

#define QUERY_MOST_BYTES     ((size_t)64 * 1024)
#define QUERY_MOST_DEPTH     100
#define QUERY_MOST_OPERATORS 2000 /* the depth of the tree follows */
#define QUERY_MOST_LIST      1000

struct parse_options {
    bool experimental; /* functions and aggregations that Prometheus has behind a flag */
};

struct parsed {
    struct expr *root;
    struct str text;        /* as given, a copy */
    struct expr *selectors; /* all in the tree, chained */
    size_t n_selectors;
};

/* Everything in *ret lives in arena; regexes of matchers are compiled and must be given back with
 * parsed_deinit() before the arena goes. options: NULL for the defaults. Return: 0 or -EINVAL with
 * *err (at.file is NULL). */
int promql_parse(struct str text, const struct parse_options *options, struct arena *arena,
                 struct parsed *ret, struct error *err);
void parsed_deinit(struct parsed *parsed);

/* {name="value", ...} or name{...} alone, as in `match[]` and in files of test cases.
 * *ret is a selector without range and shift. */
int promql_parse_selector(struct str text, struct arena *arena, struct parsed *ret,
                          struct error *err);

/* "1h30m", or a number of seconds; negative with a sign in front. Return: whether it is one. */
bool promql_duration_ms(struct str text, int64_t *ret_ms);

/* A number literal as PromQL knows it: decimal, hexadecimal, octal, with '_', Inf, NaN, a duration
 * in seconds; a sign in front. */
bool promql_number(struct str text, double *ret);

/* Unescapes what stands between quotes. Return: whether it is a string literal. */
bool promql_unquote(struct str literal, struct arena *arena, struct str *ret);
