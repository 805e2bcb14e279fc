/* SPDX-License-Identifier: Apache-2.0 */

/* The answer to a query as a table for people. */
#pragma once

#include "base/json_reader.h"
#include "base/str.h"

/* Adds one line for each series: its labels and its value; of a range what it had least, most and
 * last, and a line of bars when there is room for them.
 * data: of the answer; bars: how many, 0: none. Return: 0, or -EINVAL when it is no such answer. */
int query_render(const struct json_value *data, size_t bars, struct strbuf *out);

/* Adds a bar for each piece of the time from start to end (seconds); a space where nothing is. */
void query_add_bars(const double *times, const double *values, size_t count, double start,
                    double end, size_t bars, struct strbuf *out);
