/* SPDX-License-Identifier: Apache-2.0 */

/* The table of functions, by name. Those of one number are simple enough to stand here. */
#include "promql/functions.h"

#include <math.h>

#include "promql/private.h"
#include "promql/vector_functions.h"
#include "promql/window.h"

static double sgn(double value) {
    return value < 0 ? -1.0 : value > 0 ? 1.0 : value;
}

static double deg(double value) {
    return value * 180.0 / M_PI;
}

static double rad(double value) {
    return value * M_PI / 180.0;
}

#define S VALUE_SCALAR
#define T VALUE_STRING
#define V VALUE_VECTOR
#define M VALUE_MATRIX

static const struct function functions[] = {
    {"abs", {V}, 1, .result = V, .math = fabs},
    {"absent", {V}, 1, .result = V, .call = call_absent},
    {"absent_over_time", {M}, 1, .result = V, .call = call_absent_over_time},
    {"acos", {V}, 1, .result = V, .math = acos},
    {"acosh", {V}, 1, .result = V, .math = acosh},
    {"asin", {V}, 1, .result = V, .math = asin},
    {"asinh", {V}, 1, .result = V, .math = asinh},
    {"atan", {V}, 1, .result = V, .math = atan},
    {"atanh", {V}, 1, .result = V, .math = atanh},
    {"avg_over_time", {M}, 1, .result = V, .window = &window_avg},
    {"ceil", {V}, 1, .result = V, .math = ceil},
    {"changes", {M}, 1, .result = V, .window = &window_changes},
    {"clamp", {V, S, S}, 3, .result = V, .call = call_clamp},
    {"clamp_max", {V, S}, 2, .result = V, .call = call_clamp_max},
    {"clamp_min", {V, S}, 2, .result = V, .call = call_clamp_min},
    {"cos", {V}, 1, .result = V, .math = cos},
    {"cosh", {V}, 1, .result = V, .math = cosh},
    {"count_over_time", {M}, 1, .result = V, .window = &window_count},
    {"day_of_month", {V}, 1, 1, .result = V, .call = call_day_of_month},
    {"day_of_week", {V}, 1, 1, .result = V, .call = call_day_of_week},
    {"day_of_year", {V}, 1, 1, .result = V, .call = call_day_of_year},
    {"days_in_month", {V}, 1, 1, .result = V, .call = call_days_in_month},
    {"deg", {V}, 1, .result = V, .math = deg},
    {"delta", {M}, 1, .result = V, .window = &window_delta},
    {"deriv", {M}, 1, .result = V, .window = &window_deriv},
    {"double_exponential_smoothing",
     {M, S, S},
     3,
     .result = V,
     .experimental = true,
     .window = &window_smoothing},
    {"exp", {V}, 1, .result = V, .math = exp},
    {"first_over_time", {M}, 1, .result = V, .keeps_name = true, .window = &window_first},
    {"floor", {V}, 1, .result = V, .math = floor},
    {"histogram_avg", {V}, 1, .result = V, .call = call_nothing},
    {"histogram_count", {V}, 1, .result = V, .call = call_nothing},
    {"histogram_fraction", {S, S, V}, 3, .result = V, .call = call_histogram_fraction},
    {"histogram_quantile", {S, V}, 2, .result = V, .call = call_histogram_quantile},
    {"histogram_stddev", {V}, 1, .result = V, .call = call_nothing},
    {"histogram_stdvar", {V}, 1, .result = V, .call = call_nothing},
    {"histogram_sum", {V}, 1, .result = V, .call = call_nothing},
    {"hour", {V}, 1, 1, .result = V, .call = call_hour},
    {"idelta", {M}, 1, .result = V, .window = &window_idelta},
    {"increase", {M}, 1, .result = V, .window = &window_increase},
    {"irate", {M}, 1, .result = V, .window = &window_irate},
    {"label_join", {V, T, T, T}, 4, -1, .result = V, .keeps_name = true, .call = call_label_join},
    {"label_replace",
     {V, T, T, T, T},
     5,
     .result = V,
     .keeps_name = true,
     .call = call_label_replace},
    {"last_over_time", {M}, 1, .result = V, .keeps_name = true, .window = &window_last},
    {"ln", {V}, 1, .result = V, .math = log},
    {"log10", {V}, 1, .result = V, .math = log10},
    {"log2", {V}, 1, .result = V, .math = log2},
    {"mad_over_time", {M}, 1, .result = V, .experimental = true, .window = &window_mad},
    {"max_over_time", {M}, 1, .result = V, .window = &window_max},
    {"min_over_time", {M}, 1, .result = V, .window = &window_min},
    {"minute", {V}, 1, 1, .result = V, .call = call_minute},
    {"month", {V}, 1, 1, .result = V, .call = call_month},
    {"pi", {S}, 0, .result = S, .call = call_pi},
    {"predict_linear", {M, S}, 2, .result = V, .window = &window_predict},
    {"present_over_time", {M}, 1, .result = V, .window = &window_present},
    {"quantile_over_time", {S, M}, 2, .result = V, .window = &window_quantile},
    {"rad", {V}, 1, .result = V, .math = rad},
    {"rate", {M}, 1, .result = V, .window = &window_rate},
    {"resets", {M}, 1, .result = V, .window = &window_resets},
    {"round", {V, S}, 2, 1, .result = V, .call = call_round},
    {"scalar", {V}, 1, .result = S, .call = call_scalar},
    {"sgn", {V}, 1, .result = V, .math = sgn},
    {"sin", {V}, 1, .result = V, .math = sin},
    {"sinh", {V}, 1, .result = V, .math = sinh},
    {"sort", {V}, 1, .result = V, .keeps_name = true, .call = call_sort},
    {"sort_by_label",
     {V, T},
     2,
     -1,
     .result = V,
     .experimental = true,
     .keeps_name = true,
     .call = call_sort_by_label},
    {"sort_by_label_desc",
     {V, T},
     2,
     -1,
     .result = V,
     .experimental = true,
     .keeps_name = true,
     .call = call_sort_by_label_desc},
    {"sort_desc", {V}, 1, .result = V, .keeps_name = true, .call = call_sort_desc},
    {"sqrt", {V}, 1, .result = V, .math = sqrt},
    {"stddev_over_time", {M}, 1, .result = V, .window = &window_stddev},
    {"stdvar_over_time", {M}, 1, .result = V, .window = &window_stdvar},
    {"sum_over_time", {M}, 1, .result = V, .window = &window_sum},
    {"tan", {V}, 1, .result = V, .math = tan},
    {"tanh", {V}, 1, .result = V, .math = tanh},
    {"time", {S}, 0, .result = S, .call = call_time},
    {"timestamp", {V}, 1, .result = V, .call = call_timestamp},
    {"ts_of_first_over_time",
     {M},
     1,
     .result = V,
     .experimental = true,
     .window = &window_ts_of_first},
    {"ts_of_last_over_time",
     {M},
     1,
     .result = V,
     .experimental = true,
     .window = &window_ts_of_last},
    {"ts_of_max_over_time", {M}, 1, .result = V, .experimental = true, .window = &window_ts_of_max},
    {"ts_of_min_over_time", {M}, 1, .result = V, .experimental = true, .window = &window_ts_of_min},
    {"vector", {S}, 1, .result = V, .call = call_vector},
    {"year", {V}, 1, 1, .result = V, .call = call_year},
};

#undef S
#undef T
#undef V
#undef M

const struct function *function_find(struct str name) {
    for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
        if (str_is(name, functions[i].name)) {
            return &functions[i];
        }
    }
    return NULL;
}

const struct function *function_list(size_t *ret_count) {
    *ret_count = ARRAY_LEN(functions);
    return functions;
}
