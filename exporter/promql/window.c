/* SPDX-License-Identifier: Apache-2.0 */

/* Functions over the samples of a window. */
#include "promql/window.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "promql/private.h"

/* A window may begin or end so much further from its samples than these are apart. */
#define EXTRAPOLATION_THRESHOLD 1.1

/* ---- rates ---- */

static double seconds(int64_t ms) {
    return (double)ms / 1000.0;
}

/* The difference over the window, counter resets made good, extrapolated to its ends. */
static double extrapolated(const struct window *window, bool counter, bool per_second) {
    const double *values = window->values;
    const size_t last = window->n - 1;
    if (window->n < 2) {
        return eval_missing();
    }
    double difference = values[last] - values[0];
    for (size_t i = 1; counter && i <= last; i++) {
        difference += values[i] < values[i - 1] ? values[i - 1] : 0.0;
    }
    double to_start = seconds(window->t_ms[0] - window->from_ms);
    double to_end = seconds(window->to_ms - window->t_ms[last]);
    double sampled = seconds(window->t_ms[last] - window->t_ms[0]);
    double between = sampled / (double)last;
    double threshold = between * EXTRAPOLATION_THRESHOLD;
    if (to_start >= threshold) {
        to_start = between / 2;
    }
    if (counter && difference > 0 && values[0] >= 0) {
        double to_zero = sampled * (values[0] / difference);
        to_start = to_zero < to_start ? to_zero : to_start;
    }
    if (to_end >= threshold) {
        to_end = between / 2;
    }
    double factor = (sampled + to_start + to_end) / sampled;
    if (per_second) {
        factor /= seconds(window->to_ms - window->from_ms);
    }
    return difference * factor;
}

static double rate(const struct window *window) {
    return extrapolated(window, true, true);
}

static double increase(const struct window *window) {
    return extrapolated(window, true, false);
}

static double delta(const struct window *window) {
    return extrapolated(window, false, false);
}

/* Of the last two samples. */
static double instant(const struct window *window, bool counter) {
    if (window->n < 2) {
        return eval_missing();
    }
    double last = window->values[window->n - 1], before = window->values[window->n - 2];
    int64_t apart = window->t_ms[window->n - 1] - window->t_ms[window->n - 2];
    if (apart == 0) {
        return eval_missing();
    }
    if (!counter) {
        return last - before;
    }
    return (last < before ? last : last - before) / seconds(apart);
}

static double irate(const struct window *window) {
    return instant(window, true);
}

static double idelta(const struct window *window) {
    return instant(window, false);
}

static double changes(const struct window *window) {
    double count = 0;
    for (size_t i = 1; i < window->n; i++) {
        double before = window->values[i - 1], value = window->values[i];
        count += value != before && !(isnan(value) && isnan(before));
    }
    return count;
}

static double resets(const struct window *window) {
    double count = 0;
    for (size_t i = 1; i < window->n; i++) {
        count += window->values[i] < window->values[i - 1];
    }
    return count;
}

/* ---- over time ---- */

static double avg_over_time(const struct window *window) {
    struct mean mean = {0};
    for (size_t i = 0; i < window->n; i++) {
        mean_add(&mean, window->values[i]);
    }
    return mean_value(&mean);
}

static double sum_over_time(const struct window *window) {
    struct kahan kahan = {0};
    for (size_t i = 0; i < window->n; i++) {
        kahan_add(&kahan, window->values[i]);
    }
    return kahan_value(&kahan);
}

static double count_over_time(const struct window *window) {
    return (double)window->n;
}

static double present_over_time(const struct window *window) {
    return 1.0;
}

static double last_over_time(const struct window *window) {
    return window->values[window->n - 1];
}

static double first_over_time(const struct window *window) {
    return window->values[0];
}

/* Where the extreme value is: NaN only when all are; of equal ones the last if wanted. */
static size_t extreme(const struct window *window, double sign, bool last) {
    size_t at = 0;
    for (size_t i = 1; i < window->n; i++) {
        double value = sign * window->values[i], best = sign * window->values[at];
        if (value > best || isnan(best) || (last && value == best)) {
            at = i;
        }
    }
    return at;
}

static double max_over_time(const struct window *window) {
    return window->values[extreme(window, 1, false)];
}

static double min_over_time(const struct window *window) {
    return window->values[extreme(window, -1, false)];
}

static double ts_of_max_over_time(const struct window *window) {
    return seconds(window->t_ms[extreme(window, 1, true)]);
}

static double ts_of_min_over_time(const struct window *window) {
    return seconds(window->t_ms[extreme(window, -1, true)]);
}

static double ts_of_first_over_time(const struct window *window) {
    return seconds(window->t_ms[0]);
}

static double ts_of_last_over_time(const struct window *window) {
    return seconds(window->t_ms[window->n - 1]);
}

static double stdvar_over_time(const struct window *window) {
    struct deviation deviation = {0};
    for (size_t i = 0; i < window->n; i++) {
        deviation_add(&deviation, window->values[i]);
    }
    return deviation_variance(&deviation);
}

static double stddev_over_time(const struct window *window) {
    return sqrt(stdvar_over_time(window));
}

static double quantile_over_time(const struct window *window) {
    double *values = mem_dup(window->values, window->n * sizeof(*values));
    double result = quantile_of(window->scalars[0], values, window->n);
    free(values);
    return result;
}

/* The median of how far the values are from their median. */
static double mad_over_time(const struct window *window) {
    double *values = mem_dup(window->values, window->n * sizeof(*values));
    double median = quantile_of(0.5, values, window->n);
    for (size_t i = 0; i < window->n; i++) {
        values[i] = fabs(values[i] - median);
    }
    double result = quantile_of(0.5, values, window->n);
    free(values);
    return result;
}

/* ---- trends ---- */

struct line {
    double slope, intercept;
};

/* Least squares; x is in seconds from zero_ms. */
static struct line fit_line(const struct window *window, int64_t zero_ms) {
    struct kahan x_sum = {0}, y_sum = {0}, xy_sum = {0}, xx_sum = {0};
    bool constant = true;
    for (size_t i = 0; i < window->n; i++) {
        double x = seconds(window->t_ms[i] - zero_ms), y = window->values[i];
        constant = constant && y == window->values[0];
        kahan_add(&x_sum, x);
        kahan_add(&y_sum, y);
        kahan_add(&xy_sum, x * y);
        kahan_add(&xx_sum, x * x);
    }
    if (constant) {
        double y = window->values[0];
        return isinf(y) ? (struct line){(double)NAN, (double)NAN} : (struct line){0.0, y};
    }
    double n = (double)window->n;
    double sx = x_sum.sum + x_sum.c, sy = y_sum.sum + y_sum.c;
    double covariance = xy_sum.sum + xy_sum.c - sx * sy / n;
    double variance = xx_sum.sum + xx_sum.c - sx * sx / n;
    double slope = covariance / variance;
    return (struct line){slope, sy / n - slope * sx / n};
}

static double deriv(const struct window *window) {
    return window->n < 2 ? eval_missing() : fit_line(window, window->t_ms[0]).slope;
}

static double predict_linear(const struct window *window) {
    if (window->n < 2) {
        return eval_missing();
    }
    struct line line = fit_line(window, window->eval_ms);
    return line.slope * window->scalars[0] + line.intercept;
}

static double double_exponential_smoothing(const struct window *window) {
    double smoothing = window->scalars[0], trend_share = window->scalars[1];
    if (window->n < 2) {
        return eval_missing();
    }
    double before = 0, level = window->values[0], trend = window->values[1] - window->values[0];
    for (size_t i = 1; i < window->n; i++) {
        double scaled = smoothing * window->values[i];
        if (i > 1) {
            trend = trend_share * (level - before) + (1 - trend_share) * trend;
        }
        before = level;
        level = scaled + (1 - smoothing) * (level + trend);
    }
    return level;
}

static int check_smoothing(struct eval *eval, const struct expr *call, const double *scalars) {
    if (scalars[0] <= 0 || scalars[0] >= 1) {
        return eval_fail(eval, "invalid smoothing factor. Expected: 0 < sf < 1, got: %f",
                         scalars[0]);
    }
    if (scalars[1] <= 0 || scalars[1] >= 1) {
        return eval_fail(eval, "invalid trend factor. Expected: 0 < tf < 1, got: %f", scalars[1]);
    }
    return 0;
}

static int check_quantile(struct eval *eval, const struct expr *call, const double *scalars) {
    warn_quantile(eval, expr_unwrap(call->call.args[0])->at, scalars[0]);
    return 0;
}

const struct window_function window_avg = {.compute = avg_over_time};
const struct window_function window_changes = {.compute = changes};
const struct window_function window_count = {.compute = count_over_time};
const struct window_function window_delta = {.compute = delta};
const struct window_function window_deriv = {.compute = deriv};
const struct window_function window_first = {.compute = first_over_time};
const struct window_function window_idelta = {.compute = idelta};
const struct window_function window_increase = {.compute = increase, .counter = true};
const struct window_function window_irate = {.compute = irate};
const struct window_function window_last = {.compute = last_over_time};
const struct window_function window_mad = {.compute = mad_over_time};
const struct window_function window_max = {.compute = max_over_time};
const struct window_function window_min = {.compute = min_over_time};
const struct window_function window_predict = {.compute = predict_linear};
const struct window_function window_present = {.compute = present_over_time};
const struct window_function window_quantile = {.compute = quantile_over_time,
                                                .check = check_quantile};
const struct window_function window_rate = {.compute = rate, .counter = true};
const struct window_function window_resets = {.compute = resets};
const struct window_function window_smoothing = {.compute = double_exponential_smoothing,
                                                 .check = check_smoothing};
const struct window_function window_stddev = {.compute = stddev_over_time};
const struct window_function window_stdvar = {.compute = stdvar_over_time};
const struct window_function window_sum = {.compute = sum_over_time};
const struct window_function window_ts_of_first = {.compute = ts_of_first_over_time};
const struct window_function window_ts_of_last = {.compute = ts_of_last_over_time};
const struct window_function window_ts_of_max = {.compute = ts_of_max_over_time};
const struct window_function window_ts_of_min = {.compute = ts_of_min_over_time};
