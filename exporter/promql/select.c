/* SPDX-License-Identifier: Apache-2.0 */

/* Selectors and range vectors: series of the store, or of a subquery, and their windows. */
#include "promql/private.h"

static const struct time_shift *shift_of(const struct expr *expr) {
    return expr->kind == EXPR_SUBQUERY ? &expr->subquery.shift : &expr->selector.shift;
}

/* The time that a selector or subquery refers to at a step. */
static int64_t reference_ms(const struct eval *eval, const struct time_shift *shift,
                            const struct grid *grid, size_t step) {
    int64_t t_ms = 0;
    switch (shift->at) {
    case AT_EVALUATION:
        t_ms = grid_time(grid, step);
        break;
    case AT_TIME:
        t_ms = shift->at_ms;
        break;
    case AT_START:
        t_ms = eval->options->start_ms;
        break;
    case AT_END:
        t_ms = eval->options->end_ms;
        break;
    }
    return t_ms - shift->offset_ms;
}

static int select_series(struct eval *eval, const struct expr *expr, struct selection *ret) {
    int r = store_select(eval->store, expr->selector.matchers, expr->selector.n_matchers, ret);
    return r == 0 ? 0 : eval_fail(eval, "a regular expression of the selector is too complex");
}

/* ---- instant vectors ---- */

/* For each step the newest sample of the look-back; the marker means none. */
static void fill_newest(const struct eval *eval, const struct time_shift *shift,
                        const struct grid *grid, bool timestamps, double *values) {
    const struct sample_buffer *samples = &eval->buffer;
    size_t after = 0; /* samples before it are not newer than the step */
    for (size_t step = 0; step < grid->n; step++) {
        int64_t to_ms = reference_ms(eval, shift, grid, step);
        while (after < samples->n && samples->t_ms[after] <= to_ms) {
            after++;
        }
        if (after == 0 || samples->t_ms[after - 1] <= to_ms - eval->options->lookback_ms) {
            continue;
        }
        double value = samples->values[after - 1];
        if (!eval_is_missing(value)) {
            values[step] = timestamps ? (double)samples->t_ms[after - 1] / 1000.0 : value;
        }
    }
}

/* The samples that any step can see, into the buffer: the newest one alone, without decoding
 * anything, when it is not newer than the first step. Return: whether there are any. */
static bool read_newest(struct eval *eval, const struct series *series, int64_t from_ms,
                        int64_t first_ms, int64_t to_ms) {
    const struct series_hot *hot = series->hot;
    if (hot->t_ms > first_ms || eval->buffer.capacity == 0) {
        return series_read(series, from_ms, to_ms, &eval->buffer) > 0;
    }
    eval->buffer.n = hot->t_ms > from_ms ? 1 : 0;
    eval->buffer.t_ms[0] = hot->t_ms;
    eval->buffer.values[0] = hot->value;
    return eval->buffer.n > 0;
}

int eval_selector(struct eval *eval, const struct expr *expr, const struct grid *grid,
                  bool timestamps, struct matrix *ret) {
    const struct time_shift *shift = &expr->selector.shift;
    struct selection selection = {0};
    int64_t first_ms = reference_ms(eval, shift, grid, 0);
    int64_t from_ms = first_ms - eval->options->lookback_ms;
    int64_t to_ms = reference_ms(eval, shift, grid, grid->n - 1);
    int r = select_series(eval, expr, &selection);
    for (size_t i = 0; r == 0 && i < selection.n_series; i++) {
        const struct series *series = selection.series[i];
        if (!read_newest(eval, series, from_ms, first_ms, to_ms)) {
            continue;
        }
        r = eval_spend(eval, eval->buffer.n + grid->n);
        if (r == 0) {
            struct eval_row *row = matrix_add(eval, ret, series->labels, grid->n);
            fill_newest(eval, shift, grid, timestamps, row->values);
        }
    }
    selection_deinit(&selection);
    return r;
}

/* ---- range vectors ---- */

static int64_t range_of(const struct expr *range) {
    return range->kind == EXPR_SUBQUERY ? range->subquery.range_ms : range->selector.range_ms;
}

void range_window(const struct eval *eval, const struct expr *range, const struct grid *grid,
                  size_t step, int64_t *ret_from_ms, int64_t *ret_to_ms) {
    *ret_to_ms = reference_ms(eval, shift_of(range), grid, step);
    *ret_from_ms = *ret_to_ms - range_of(range);
}

/* Samples of the buffer without stale markers. */
static void remove_markers(struct sample_buffer *samples) {
    size_t kept = 0;
    for (size_t i = 0; i < samples->n; i++) {
        if (!eval_is_missing(samples->values[i])) {
            samples->t_ms[kept] = samples->t_ms[i];
            samples->values[kept++] = samples->values[i];
        }
    }
    samples->n = kept;
}

static int visit_selector(struct eval *eval, const struct expr *range, const struct grid *grid,
                          range_visitor *visit, void *userdata) {
    struct selection selection = {0};
    int64_t from_ms, to_ms, ignored;
    range_window(eval, range, grid, 0, &from_ms, &ignored);
    range_window(eval, range, grid, grid->n - 1, &ignored, &to_ms);
    int r = select_series(eval, range, &selection);
    for (size_t i = 0; r == 0 && i < selection.n_series; i++) {
        const struct series *series = selection.series[i];
        series_read(series, from_ms, to_ms, &eval->buffer);
        remove_markers(&eval->buffer);
        r = eval_spend(eval, eval->buffer.n);
        if (r == 0 && eval->buffer.n > 0) {
            struct range_series found = {
                .labels = series->labels,
                .t_ms = eval->buffer.t_ms,
                .values = eval->buffer.values,
                .n = eval->buffer.n,
            };
            r = visit(eval, &found, userdata);
        }
    }
    selection_deinit(&selection);
    return r;
}

/* The inner expression is evaluated at absolute multiples of the step. */
static struct grid inner_grid(const struct eval *eval, const struct expr *range,
                              const struct grid *grid) {
    int64_t from_ms, to_ms, ignored;
    int64_t step_ms =
        range->subquery.step_ms != 0 ? range->subquery.step_ms : eval->options->subquery_step_ms;
    range_window(eval, range, grid, 0, &from_ms, &ignored);
    range_window(eval, range, grid, grid->n - 1, &ignored, &to_ms);
    struct grid inner = {.start_ms = from_ms / step_ms * step_ms, .step_ms = step_ms};
    if (inner.start_ms <= from_ms) {
        inner.start_ms += step_ms;
    }
    inner.n = inner.start_ms > to_ms ? 0 : (size_t)((to_ms - inner.start_ms) / step_ms) + 1;
    return inner;
}

static int visit_row(struct eval *eval, const struct eval_row *row, const struct grid *inner,
                     int64_t *t_ms, double *values, range_visitor *visit, void *userdata) {
    size_t n = 0;
    for (size_t step = 0; step < inner->n; step++) {
        if (!eval_is_missing(row->values[step])) {
            t_ms[n] = grid_time(inner, step);
            values[n++] = row->values[step];
        }
    }
    struct range_series found = {row->labels, row->drop_name, t_ms, values, n};
    return n > 0 ? visit(eval, &found, userdata) : 0;
}

static int visit_subquery(struct eval *eval, const struct expr *range, const struct grid *grid,
                          range_visitor *visit, void *userdata) {
    struct matrix matrix = {0};
    struct grid inner = inner_grid(eval, range, grid);
    if (inner.n == 0) {
        return 0;
    }
    int r = eval_spend(eval, inner.n);
    r = r != 0 ? r : eval_vector(eval, range->subquery.inner, &inner, &matrix);
    if (r != 0) {
        return r;
    }
    int64_t *t_ms = arena_array(eval->arena, inner.n, sizeof(*t_ms));
    double *values = arena_array(eval->arena, inner.n, sizeof(*values));
    for (size_t i = 0; r == 0 && i < matrix.n_rows; i++) {
        r = visit_row(eval, &matrix.rows[i], &inner, t_ms, values, visit, userdata);
    }
    return r;
}

int range_visit(struct eval *eval, const struct expr *range, const struct grid *grid,
                range_visitor *visit, void *userdata) {
    range = expr_unwrap(range);
    return range->kind == EXPR_SUBQUERY ? visit_subquery(eval, range, grid, visit, userdata)
                                        : visit_selector(eval, range, grid, visit, userdata);
}
