/* SPDX-License-Identifier: Apache-2.0 */

/* What decode functions share. */
#pragma once

#include "collectors/collector.h"

/* Label groups that a collector may have. */
#define COLLECTOR_GROUPS 8

/* value * scale, where 0 means 1. A scale below 1 divides by its inverse if that is whole, because
 * 351 / 1e6 is 0.000351 and 351 * 1e-6 is not. */
double scale_value(double value, double scale);

/* The cell of a named column, or no text when there is none. */
struct str cell_named(const struct table *table, size_t row, const char *column);

/* The sum of a column's numbers over the rows whose other column is not `except` (NULL: all rows).
 * Return: false when the column has no number at all. */
bool sum_column(const struct table *table, const char *column, const char *except_column,
                const char *except, double *ret);

/* The first dotted number in a text, "PgBouncer 1.18.0" or "7.0.15", as major * 10000 + minor * 100
 * + patch. */
bool version_number(struct str text, int64_t *ret);

/* The value of name in "a=1,b=2", or no text. */
struct str list_value(struct str list, const char *name);

/* collector_decode_table() of the first `most` rows only: what is sorted by importance and would be
 * too many series. */
int decode_first_rows(const struct collector *collector, const struct sample_context *context,
                      const struct answer *answer, size_t most, struct batch *batch,
                      struct error *err);

/* collector_decode_table() of rows that `edit` may change or, with false, leave out. The cells are
 * a copy and have one more column than the answer, of that name (NULL: none). */
int decode_edited_rows(const struct collector *collector, const struct sample_context *context,
                       const struct answer *answer, const char *extra_column,
                       bool (*edit)(const struct sample_context *context, const struct table *table,
                                    struct str *cells),
                       struct batch *batch, struct error *err);
