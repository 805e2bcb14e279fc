/* SPDX-License-Identifier: Apache-2.0 */

/* Functions over whole vectors: absence, clamping, order, times. */
#include "promql/vector_functions.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "promql/private.h"

static struct eval_row *single_row(struct call_frame *frame, struct matrix *ret) {
    return matrix_add(frame->eval, ret, labels_none(&frame->eval->space), frame->grid->n);
}

static const struct expr *arg(const struct call_frame *frame, size_t index) {
    return frame->expr->call.args[index];
}

static int eval_arg(struct call_frame *frame, size_t index, struct matrix *ret) {
    return eval_vector(frame->eval, arg(frame, index), frame->grid, ret);
}

int call_nothing(struct call_frame *frame, struct matrix *ret) {
    struct matrix ignored = {0};
    return eval_arg(frame, 0, &ignored);
}

/* ---- scalars ---- */

int call_pi(struct call_frame *frame, struct matrix *ret) {
    struct eval_row *row = single_row(frame, ret);
    for (size_t step = 0; step < frame->grid->n; step++) {
        row->values[step] = M_PI;
    }
    return 0;
}

int call_time(struct call_frame *frame, struct matrix *ret) {
    struct eval_row *row = single_row(frame, ret);
    for (size_t step = 0; step < frame->grid->n; step++) {
        row->values[step] = (double)grid_time(frame->grid, step) / 1000.0;
    }
    return 0;
}

int call_vector(struct call_frame *frame, struct matrix *ret) {
    double *values;
    int r = eval_scalar(frame->eval, arg(frame, 0), frame->grid, &values);
    if (r == 0) {
        single_row(frame, ret)->values = values;
    }
    return r;
}

int call_scalar(struct call_frame *frame, struct matrix *ret) {
    struct matrix input = {0};
    int r = eval_arg(frame, 0, &input);
    if (r != 0) {
        return r;
    }
    struct eval_row *row = single_row(frame, ret);
    for (size_t step = 0; step < frame->grid->n; step++) {
        size_t found = 0;
        for (size_t i = 0; i < input.n_rows; i++) {
            if (!eval_is_missing(input.rows[i].values[step])) {
                row->values[step] = input.rows[i].values[step];
                found++;
            }
        }
        row->values[step] = found == 1 ? row->values[step] : (double)NAN;
    }
    return 0;
}

/* ---- absence ---- */

/* The labels that the matchers of a direct selector promise. */
static const struct label_set *promised_labels(struct eval *eval, const struct expr *expr) {
    const struct label_set *labels = labels_none(&eval->space);
    expr = expr_unwrap(expr);
    if (expr->kind != EXPR_SELECTOR) {
        return labels;
    }
    for (size_t i = 0; i < expr->selector.n_matchers; i++) {
        const struct matcher *matcher = &expr->selector.matchers[i];
        bool again = false;
        for (size_t k = 0; k < i; k++) {
            const struct matcher *other = &expr->selector.matchers[k];
            again |= other->type == MATCH_EQUAL && str_equal(other->name, matcher->name);
        }
        if (!str_is(matcher->name, "__name__")) {
            bool sure = matcher->type == MATCH_EQUAL && !again;
            labels = labels_with(&eval->space, labels, matcher->name,
                                 sure ? matcher->value : str_of(""));
        }
    }
    return labels;
}

int call_absent(struct call_frame *frame, struct matrix *ret) {
    struct matrix input = {0};
    int r = eval_arg(frame, 0, &input);
    if (r != 0) {
        return r;
    }
    struct eval_row *row =
        matrix_add(frame->eval, ret, promised_labels(frame->eval, arg(frame, 0)), frame->grid->n);
    for (size_t step = 0; step < frame->grid->n; step++) {
        bool there = false;
        for (size_t i = 0; !there && i < input.n_rows; i++) {
            there = !eval_is_missing(input.rows[i].values[step]);
        }
        row->values[step] = there ? eval_missing() : 1.0;
    }
    return 0;
}

struct presence {
    const struct expr *range;
    const struct grid *grid;
    bool *steps;
};

static int mark_presence(struct eval *eval, const struct range_series *series, void *userdata) {
    struct presence *presence = userdata;
    size_t after = 0;
    for (size_t step = 0; step < presence->grid->n; step++) {
        int64_t from_ms, to_ms;
        range_window(eval, presence->range, presence->grid, step, &from_ms, &to_ms);
        while (after < series->n && series->t_ms[after] <= to_ms) {
            after++;
        }
        presence->steps[step] |= after > 0 && series->t_ms[after - 1] > from_ms;
    }
    return 0;
}

int call_absent_over_time(struct call_frame *frame, struct matrix *ret) {
    const struct grid *grid = frame->grid;
    struct presence presence = {
        .range = expr_unwrap(arg(frame, 0)),
        .grid = grid,
        .steps = arena_array(frame->eval->arena, grid->n, sizeof(bool)),
    };
    int r = range_visit(frame->eval, presence.range, grid, mark_presence, &presence);
    if (r != 0) {
        return r;
    }
    struct eval_row *row =
        matrix_add(frame->eval, ret, promised_labels(frame->eval, presence.range), grid->n);
    for (size_t step = 0; step < grid->n; step++) {
        row->values[step] = presence.steps[step] ? eval_missing() : 1.0;
    }
    return 0;
}

/* ---- values with parameters ---- */

/* NaN wins, unlike in fmin() and fmax(), except over what nothing can be beyond. */
static double least_of(double a, double b) {
    const double bound = -(double)INFINITY;
    return a == bound || b == bound ? bound : isnan(a) || isnan(b) ? (double)NAN : a < b ? a : b;
}

static double most_of(double a, double b) {
    const double bound = (double)INFINITY;
    return a == bound || b == bound ? bound : isnan(a) || isnan(b) ? (double)NAN : a > b ? a : b;
}

/* Each value becomes compute(value, first parameter, second parameter). */
static int with_parameters(struct call_frame *frame, double fallback,
                           double (*compute)(double value, double a, double b),
                           struct matrix *ret) {
    double *parameters[2] = {NULL, NULL};
    int r = eval_arg(frame, 0, ret);
    for (size_t i = 1; r == 0 && i < frame->expr->call.n_args; i++) {
        r = eval_scalar(frame->eval, arg(frame, i), frame->grid, &parameters[i - 1]);
    }
    if (r != 0) {
        return r;
    }
    for (size_t i = 0; i < ret->n_rows; i++) {
        double *values = ret->rows[i].values;
        for (size_t step = 0; step < frame->grid->n; step++) {
            double a = parameters[0] != NULL ? parameters[0][step] : fallback;
            double b = parameters[1] != NULL ? parameters[1][step] : fallback;
            if (!eval_is_missing(values[step])) {
                values[step] = compute(values[step], a, b);
            }
        }
    }
    return call_dropped_names(frame, ret);
}

static double clamp(double value, double least, double most) {
    return least > most ? eval_missing() : most_of(least, least_of(most, value));
}

static double clamp_max(double value, double most, double unused) {
    return least_of(most, value);
}

static double clamp_min(double value, double least, double unused) {
    return most_of(least, value);
}

static double round_to(double value, double to, double unused) {
    double inverse = 1.0 / to;
    return floor(value * inverse + 0.5) / inverse;
}

int call_clamp(struct call_frame *frame, struct matrix *ret) {
    return with_parameters(frame, 0, clamp, ret);
}

int call_clamp_max(struct call_frame *frame, struct matrix *ret) {
    return with_parameters(frame, 0, clamp_max, ret);
}

int call_clamp_min(struct call_frame *frame, struct matrix *ret) {
    return with_parameters(frame, 0, clamp_min, ret);
}

int call_round(struct call_frame *frame, struct matrix *ret) {
    return with_parameters(frame, 1, round_to, ret);
}

/* ---- times ---- */

int call_timestamp(struct call_frame *frame, struct matrix *ret) {
    const struct expr *inner = expr_unwrap(arg(frame, 0));
    int r;
    if (inner->kind == EXPR_SELECTOR) {
        r = eval_selector(frame->eval, inner, frame->grid, true, ret);
        return r != 0 ? r : call_dropped_names(frame, ret);
    }
    r = eval_vector(frame->eval, inner, frame->grid, ret);
    for (size_t i = 0; r == 0 && i < ret->n_rows; i++) {
        double *values = ret->rows[i].values;
        for (size_t step = 0; step < frame->grid->n; step++) {
            if (!eval_is_missing(values[step])) {
                values[step] = (double)grid_time(frame->grid, step) / 1000.0;
            }
        }
    }
    return r != 0 ? r : call_dropped_names(frame, ret);
}

/* ---- order ---- */

static int compare_values(const void *a, const void *b, void *descending) {
    double left = ((const struct eval_row *)a)->values[0];
    double right = ((const struct eval_row *)b)->values[0];
    if (isnan(left) || isnan(right)) {
        return (int)isnan(left) - (int)isnan(right);
    }
    int order = (left > right) - (left < right);
    return *(const bool *)descending ? -order : order;
}

static void remove_missing(struct matrix *matrix) {
    size_t kept = 0;
    for (size_t i = 0; i < matrix->n_rows; i++) {
        if (!eval_is_missing(matrix->rows[i].values[0])) {
            matrix->rows[kept++] = matrix->rows[i];
        }
    }
    matrix->n_rows = kept;
}

/* A range query's result is ordered by labels, whatever is wanted here. */
static bool can_sort(struct call_frame *frame, const struct matrix *matrix) {
    if (frame->grid->n > 1) {
        annotate_warning(frame->eval, frame->expr->at,
                         "sort is ineffective for range queries since results are always ordered "
                         "by labels");
    }
    return frame->grid->n == 1 && matrix->n_rows > 0;
}

static int sort_by_value(struct call_frame *frame, bool descending, struct matrix *ret) {
    int r = eval_arg(frame, 0, ret);
    if (r == 0 && can_sort(frame, ret)) {
        remove_missing(ret);
        qsort_r(ret->rows, ret->n_rows, sizeof(*ret->rows), compare_values, &descending);
    }
    return r;
}

int call_sort(struct call_frame *frame, struct matrix *ret) {
    return sort_by_value(frame, false, ret);
}

int call_sort_desc(struct call_frame *frame, struct matrix *ret) {
    return sort_by_value(frame, true, ret);
}

struct label_order {
    struct label_space *space;
    struct name_ids names; /* in the order of the arguments */
    bool descending;
};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* The next run of digits or of anything else; cut off from *rest. */
static struct str cut_run(struct str *rest) {
    struct str run = {rest->data, 0};
    while (run.len < rest->len && is_digit(run.data[run.len]) == is_digit(run.data[0])) {
        run.len++;
    }
    rest->data += run.len;
    rest->len -= run.len;
    return run;
}

static bool run_number(struct str run, unsigned long long *ret) {
    unsigned long long number = 0;
    for (size_t i = 0; i < run.len; i++) {
        if (!is_digit(run.data[i]) || number > (INT64_MAX - 9) / 10) {
            return false;
        }
        number = number * 10 + (unsigned long long)(run.data[i] - '0');
    }
    *ret = number;
    return run.len > 0;
}

/* Run by run, those of digits as numbers: "a9" comes before "a10", and both before "a b". */
static int compare_natural(struct str a, struct str b) {
    while (a.len > 0 && b.len > 0) {
        struct str left = cut_run(&a), right = cut_run(&b);
        unsigned long long x, y;
        bool numbers = run_number(left, &x) && run_number(right, &y);
        int order = numbers ? (x > y) - (x < y) : str_compare(left, right);
        if (order != 0) {
            return order;
        }
    }
    return (int)(a.len > 0) - (int)(b.len > 0);
}

static int compare_by_labels(const void *a, const void *b, void *userdata) {
    const struct label_order *order = userdata;
    const struct label_set *left = ((const struct eval_row *)a)->labels;
    const struct label_set *right = ((const struct eval_row *)b)->labels;
    int result = 0;
    for (size_t i = 0; result == 0 && i < order->names.n; i++) {
        uint32_t name = order->names.ids[i];
        result = compare_natural(labels_value(order->space, left, name),
                                 labels_value(order->space, right, name));
    }
    result = result != 0 ? result : labels_compare(order->space, left, right);
    return order->descending ? -result : result;
}

static int sort_by_labels(struct call_frame *frame, bool descending, struct matrix *ret) {
    struct label_space *space = &frame->eval->space;
    size_t n = frame->expr->call.n_args - 1;
    struct label_order order = {space, {NULL, n}, descending};
    int r = eval_arg(frame, 0, ret);
    if (r != 0 || !can_sort(frame, ret)) {
        return r;
    }
    order.names.ids = arena_array(frame->eval->arena, n + 1, sizeof(uint32_t));
    for (size_t i = 0; i < n; i++) {
        order.names.ids[i] = label_space_id(space, expr_unwrap(arg(frame, i + 1))->string);
    }
    remove_missing(ret);
    qsort_r(ret->rows, ret->n_rows, sizeof(*ret->rows), compare_by_labels, &order);
    return 0;
}

int call_sort_by_label(struct call_frame *frame, struct matrix *ret) {
    return sort_by_labels(frame, false, ret);
}

int call_sort_by_label_desc(struct call_frame *frame, struct matrix *ret) {
    return sort_by_labels(frame, true, ret);
}
