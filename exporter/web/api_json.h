/* SPDX-License-Identifier: Apache-2.0 */

/* JSON as the Prometheus HTTP API writes it: numbers in quotes with the shortest digits, times in
 * seconds, label sets as objects, and the envelope around all answers. */
#pragma once

#include "base/json.h"
#include "promql/eval.h"
#include "store/labels.h"
#include "web/api_parameters.h"

/* "1.5", with an exponent below 1e-6 and from 1e21 on; "NaN", "+Inf", "-Inf". With quotes. */
void api_write_value(struct strbuf *out, double value);

/* 1700000000 or 1700000000.120. */
void api_write_time(struct strbuf *out, int64_t t_ms);

/* [1700000000,"1.5"] */
void api_write_sample(struct strbuf *out, int64_t t_ms, double value);

/* "2023-11-14T22:13:20.123Z" as Go prints it in UTC; never: the first of January of the year 1. */
void api_write_rfc3339(struct json_writer *json, const char *key, int64_t t_ms);

/* {"name":"value",...} of a set of a store or of an evaluation. */
struct label_space;
void api_write_set(struct strbuf *out, const struct label_space *space,
                   const struct label_set *set);
void api_write_labels(struct json_writer *json, const char *key, const struct label *labels,
                      size_t count);

/* {"status":"success","data": and what closes it. annotations may be NULL. */
void api_write_head(struct strbuf *out);
void api_write_tail(struct strbuf *out, const struct annotation_list *warnings,
                    const struct annotation_list *infos);

/* {"status":"error",...} in place of everything. */
void api_write_error(struct strbuf *out, enum api_error_type type, struct str text);
