/* SPDX-License-Identifier: Apache-2.0 */

/* Calls of functions: of one number, over windows, and of their own kind. */
#include "promql/private.h"

static const char *const counter_endings[] = {"_total", "_sum", "_count", "_bucket"};

/* ---- functions of one number ---- */

static int call_math(struct call_frame *frame, struct matrix *ret) {
    const struct function *function = frame->expr->call.function;
    int r = eval_vector(frame->eval, frame->expr->call.args[0], frame->grid, ret);
    if (r != 0) {
        return r;
    }
    for (size_t i = 0; i < ret->n_rows; i++) {
        double *values = ret->rows[i].values;
        for (size_t step = 0; step < frame->grid->n; step++) {
            if (!eval_is_missing(values[step])) {
                values[step] = function->math(values[step]);
            }
        }
    }
    return call_dropped_names(frame, ret);
}

int call_dropped_names(struct call_frame *frame, struct matrix *ret) {
    drop_names(frame->eval, ret);
    return frame->eval->options->delayed_names ? 0
                                               : merge_rows(frame->eval, ret, frame->grid, false);
}

/* ---- functions over windows ---- */

struct window_call {
    struct call_frame *frame;
    const struct expr *range;
    const double *scalars; /* n_scalars for each step */
    size_t n_scalars;
    struct matrix *result;
};

static void look_at_name(struct window_call *call, const struct label_set *labels) {
    struct eval *eval = call->frame->eval;
    struct str name = labels_metric(&eval->space, labels);
    if (name.len == 0) {
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(counter_endings); i++) {
        size_t len = strlen(counter_endings[i]);
        if (name.len >= len && memcmp(name.data + name.len - len, counter_endings[i], len) == 0) {
            return;
        }
    }
    /* Prometheus forgets where a subquery stood when it has evaluated it. */
    bool known = call->range->kind == EXPR_SELECTOR;
    annotate_info(eval, known ? call->range->at : (struct span){0},
                  "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "
                  "\"%.*s\"",
                  (int)name.len, name.data);
}

/* Two indices slide over the samples; both bounds of the windows only ever grow. */
static int slide(struct eval *eval, const struct range_series *series, void *userdata) {
    struct window_call *call = userdata;
    const struct grid *grid = call->frame->grid;
    const struct window_function *function = call->frame->expr->call.function->window;
    size_t first = 0, after = 0;
    bool any = false;
    int r = eval_spend(eval, grid->n);
    if (r != 0) {
        return r;
    }
    struct eval_row *row = matrix_add(eval, call->result, series->labels, grid->n);
    row->drop_name = series->drop_name;
    for (size_t step = 0; step < grid->n; step++) {
        struct window window = {
            .eval_ms = grid_time(grid, step),
            .scalars = call->scalars + step * call->n_scalars,
        };
        range_window(eval, call->range, grid, step, &window.from_ms, &window.to_ms);
        while (after < series->n && series->t_ms[after] <= window.to_ms) {
            after++;
        }
        while (first < after && series->t_ms[first] <= window.from_ms) {
            first++;
        }
        if (first == after) {
            continue;
        }
        window.t_ms = series->t_ms + first;
        window.values = series->values + first;
        window.n = after - first;
        r = eval_work(eval, window.n);
        r = r == 0 && function->check != NULL
                ? function->check(eval, call->frame->expr, window.scalars)
                : r;
        if (r != 0) {
            return r;
        }
        row->values[step] = function->compute(&window);
        any |= !eval_is_missing(row->values[step]);
    }
    if (function->counter && any) {
        look_at_name(call, series->labels);
    }
    return 0;
}

/* All scalar arguments, step by step. */
static int eval_scalar_args(struct window_call *call) {
    struct call_frame *frame = call->frame;
    const struct expr *expr = frame->expr;
    double *lists[FUNCTION_MOST_ARGS];
    for (size_t i = 0; i < expr->call.n_args; i++) {
        if (expr->call.args[i]->type == VALUE_SCALAR) {
            int r = eval_scalar(frame->eval, expr->call.args[i], frame->grid,
                                &lists[call->n_scalars++]);
            if (r != 0) {
                return r;
            }
        } else {
            call->range = expr_unwrap(expr->call.args[i]);
        }
    }
    double *scalars =
        arena_array(frame->eval->arena, frame->grid->n * call->n_scalars + 1, sizeof(*scalars));
    for (size_t step = 0; step < frame->grid->n; step++) {
        for (size_t i = 0; i < call->n_scalars; i++) {
            scalars[step * call->n_scalars + i] = lists[i][step];
        }
    }
    call->scalars = scalars;
    return 0;
}

static int call_window(struct call_frame *frame, struct matrix *ret) {
    struct window_call call = {.frame = frame, .result = ret};
    int r = eval_scalar_args(&call);
    r = r != 0 ? r : range_visit(frame->eval, call.range, frame->grid, slide, &call);
    if (r != 0 || frame->expr->call.function->keeps_name) {
        return r;
    }
    drop_names(frame->eval, ret);
    return frame->eval->options->delayed_names ? 0
                                               : merge_rows(frame->eval, ret, frame->grid, true);
}

int eval_call(struct eval *eval, const struct expr *expr, const struct grid *grid,
              struct matrix *ret) {
    struct call_frame frame = {eval, expr, grid};
    const struct function *function = expr->call.function;
    return function->math != NULL     ? call_math(&frame, ret)
           : function->window != NULL ? call_window(&frame, ret)
                                      : function->call(&frame, ret);
}
