/* SPDX-License-Identifier: Apache-2.0 */

/* From a syntax tree to text, byte for byte as Prometheus prints it. */
#pragma once

#include "promql/ast.h"

/* On one line. */
void expr_print(const struct expr *expr, struct strbuf *out);

/* In several lines with indentation where it is long, as format_query shows it. */
void expr_print_pretty(const struct expr *expr, struct strbuf *out);

/* Shortest decimal digits without exponent: 'f', -1. "NaN", "+Inf", "-Inf". */
void print_number(double value, struct strbuf *out);

/* As Go's %g and templates print numbers: shortest digits, with an exponent below 0.0001 and from
 * a million on. */
void print_go_g(double value, char out[40]);

/* "1h30m"; "0s" for nothing. */
void print_duration(int64_t ms, struct strbuf *out);

/* In double quotes, as Go's strconv.Quote. */
void print_quoted(struct str text, struct strbuf *out);

/* In double quotes when it is no legacy name. */
void print_label_name(struct str name, struct strbuf *out);

/* name{label="value"} of a label set as series are shown; sorted pairs, metric name first. */
struct label;
void print_series(const struct label *labels, size_t n_labels, struct strbuf *out);
