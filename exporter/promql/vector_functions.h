/* SPDX-License-Identifier: Apache-2.0 */

/* Functions over whole vectors, as the table of functions names them. Each adds its rows to *ret.
 * Return: 0 or an error. */
#pragma once

struct call_frame;
struct matrix;

int call_absent(struct call_frame *frame, struct matrix *ret);
int call_absent_over_time(struct call_frame *frame, struct matrix *ret);
int call_clamp(struct call_frame *frame, struct matrix *ret);
int call_clamp_max(struct call_frame *frame, struct matrix *ret);
int call_clamp_min(struct call_frame *frame, struct matrix *ret);
int call_round(struct call_frame *frame, struct matrix *ret);
int call_scalar(struct call_frame *frame, struct matrix *ret);
int call_vector(struct call_frame *frame, struct matrix *ret);
int call_time(struct call_frame *frame, struct matrix *ret);
int call_pi(struct call_frame *frame, struct matrix *ret);
int call_timestamp(struct call_frame *frame, struct matrix *ret);
int call_sort(struct call_frame *frame, struct matrix *ret);
int call_sort_desc(struct call_frame *frame, struct matrix *ret);
int call_sort_by_label(struct call_frame *frame, struct matrix *ret);
int call_sort_by_label_desc(struct call_frame *frame, struct matrix *ret);
int call_label_join(struct call_frame *frame, struct matrix *ret);
int call_label_replace(struct call_frame *frame, struct matrix *ret);
int call_nothing(struct call_frame *frame, struct matrix *ret);
int call_histogram_fraction(struct call_frame *frame, struct matrix *ret);
int call_histogram_quantile(struct call_frame *frame, struct matrix *ret);
int call_minute(struct call_frame *frame, struct matrix *ret);
int call_hour(struct call_frame *frame, struct matrix *ret);
int call_day_of_week(struct call_frame *frame, struct matrix *ret);
int call_day_of_month(struct call_frame *frame, struct matrix *ret);
int call_day_of_year(struct call_frame *frame, struct matrix *ret);
int call_days_in_month(struct call_frame *frame, struct matrix *ret);
int call_month(struct call_frame *frame, struct matrix *ret);
int call_year(struct call_frame *frame, struct matrix *ret);
