/* SPDX-License-Identifier: Apache-2.0 */

/* Functions over the samples of a window, as the table of functions names them. */
#pragma once

struct window_function;

extern const struct window_function window_avg;
extern const struct window_function window_changes;
extern const struct window_function window_count;
extern const struct window_function window_delta;
extern const struct window_function window_deriv;
extern const struct window_function window_first;
extern const struct window_function window_idelta;
extern const struct window_function window_increase;
extern const struct window_function window_irate;
extern const struct window_function window_last;
extern const struct window_function window_mad;
extern const struct window_function window_max;
extern const struct window_function window_min;
extern const struct window_function window_predict;
extern const struct window_function window_present;
extern const struct window_function window_quantile;
extern const struct window_function window_rate;
extern const struct window_function window_resets;
extern const struct window_function window_smoothing;
extern const struct window_function window_stddev;
extern const struct window_function window_stdvar;
extern const struct window_function window_sum;
extern const struct window_function window_ts_of_first;
extern const struct window_function window_ts_of_last;
extern const struct window_function window_ts_of_max;
extern const struct window_function window_ts_of_min;
