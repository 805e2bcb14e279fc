/* SPDX-License-Identifier: Apache-2.0 */

/* The tree walk: what is common to all nodes, the simple ones, and the result. */
#include "promql/eval.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "promql/printer.h"
#include "promql/private.h"

#define DEFAULT_LOOKBACK_MS      ((int64_t)5 * 60 * 1000)
#define DEFAULT_SUBQUERY_STEP_MS ((int64_t)60 * 1000)
#define DEFAULT_MOST_SAMPLES     UINT64_C(50000000)
#define MOST_STEPS               11001
#define MOST_ANNOTATIONS         1000
/* The clock is asked after so many samples. */
#define SAMPLES_PER_LOOK 100000

/* ---- errors, limits, annotations ---- */

int eval_fail(struct eval *eval, const char *format, ...) {
    char text[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (!error_is_set(eval->err)) {
        eval->message = arena_dup(eval->arena, str_of(text)).data;
    }
    error_say(eval->err, -EINVAL, "%s", text);
    return EVAL_E_FAILED;
}

int eval_work(struct eval *eval, uint64_t samples) {
    const struct eval_options *options = eval->options;
    eval->work += samples;
    if (options->deadline_usec == 0 || eval->work - eval->checked_work <= SAMPLES_PER_LOOK) {
        return 0;
    }
    eval->checked_work = eval->work;
    if (options->now_usec() > options->deadline_usec) {
        error_say(eval->err, -ETIMEDOUT, "query timed out in expression evaluation");
        return EVAL_E_TIMEOUT;
    }
    return 0;
}

int eval_spend(struct eval *eval, uint64_t samples) {
    const struct eval_options *options = eval->options;
    eval->n_samples += samples;
    if (eval->n_samples > options->max_samples) {
        error_say(eval->err, -E2BIG,
                  "query processing would load too many samples into memory in query execution: "
                  "more than %llu",
                  (unsigned long long)options->max_samples);
        return EVAL_E_TOO_MANY;
    }
    return eval_work(eval, samples);
}

static char *arena_text(struct arena *arena, const char *text) {
    size_t size = strlen(text) + 1;
    return memcpy(arena_alloc(arena, size), text, size);
}

/* The same text is said once; of its places the last one counts. */
static void annotate(struct eval *eval, struct annotation_list *list, const char *kind,
                     struct span at, const char *format, va_list args) {
    char what[512], text[640];
    struct position position = text_position(eval->text, at.start);
    vsnprintf(what, sizeof(what), format, args);
    int len = snprintf(text, sizeof(text), "PromQL %s: %s (", kind, what);
    snprintf(text + len, sizeof(text) - (size_t)len, "%u:%u)", position.line, position.column);
    size_t i = 0;
    while (i < list->n && strncmp(list->texts[i], text, (size_t)len) != 0) {
        i++;
    }
    if (i < list->n) {
        if (strcmp(list->texts[i], text) != 0) {
            list->texts[i] = arena_text(eval->arena, text);
        }
        return;
    }
    if (list->n == MOST_ANNOTATIONS) {
        return;
    }
    if (list->n == list->capacity) {
        size_t larger = list->capacity == 0 ? 8 : 2 * list->capacity;
        char **texts = arena_array(eval->arena, larger, sizeof(*texts));
        if (list->n > 0) {
            memcpy(texts, list->texts, list->n * sizeof(*texts));
        }
        list->texts = texts;
        list->capacity = larger;
    }
    list->texts[list->n++] = arena_text(eval->arena, text);
}

void annotate_warning(struct eval *eval, struct span at, const char *format, ...) {
    va_list args;
    va_start(args, format);
    annotate(eval, &eval->warnings, "warning", at, format, args);
    va_end(args);
}

void annotate_info(struct eval *eval, struct span at, const char *format, ...) {
    va_list args;
    va_start(args, format);
    annotate(eval, &eval->infos, "info", at, format, args);
    va_end(args);
}

void warn_quantile(struct eval *eval, struct span at, double q) {
    if (q >= 0 && q <= 1) {
        return;
    }
    char text[40];
    print_go_g(q, text);
    annotate_warning(eval, at, "quantile value should be between 0 and 1, got %s", text);
}

/* ---- rows ---- */

struct eval_row *matrix_add(struct eval *eval, struct matrix *matrix,
                            const struct label_set *labels, size_t n_steps) {
    if (matrix->n_rows == matrix->capacity) {
        size_t larger = matrix->capacity == 0 ? 16 : 2 * matrix->capacity;
        struct eval_row *rows = arena_array(eval->arena, larger, sizeof(*rows));
        if (matrix->n_rows > 0) {
            memcpy(rows, matrix->rows, matrix->n_rows * sizeof(*rows));
        }
        matrix->rows = rows;
        matrix->capacity = larger;
    }
    struct eval_row *row = &matrix->rows[matrix->n_rows++];
    const double missing = eval_missing();
    *row = (struct eval_row){
        .labels = labels,
        .values = arena_array(eval->arena, n_steps, sizeof(double)),
    };
    for (size_t i = 0; i < n_steps; i++) {
        row->values[i] = missing;
    }
    return row;
}

void drop_names(struct eval *eval, struct matrix *matrix) {
    for (size_t i = 0; i < matrix->n_rows; i++) {
        struct eval_row *row = &matrix->rows[i];
        if (eval->options->delayed_names) {
            row->drop_name = true;
        } else {
            row->labels = labels_without_name(&eval->space, row->labels);
        }
    }
}

static bool row_has_labels(const void *entry, const void *key) {
    return label_set_equal(((const struct eval_row *)entry)->labels, key);
}

/* Return: false when both have a value at the same step. */
static bool merge_into(struct eval_row *row, const struct eval_row *other, size_t n_steps) {
    for (size_t i = 0; i < n_steps; i++) {
        if (eval_is_missing(other->values[i])) {
            continue;
        }
        if (!eval_is_missing(row->values[i])) {
            return false;
        }
        row->values[i] = other->values[i];
    }
    return true;
}

void remove_empty_rows(struct matrix *matrix, size_t n_steps) {
    size_t kept = 0;
    for (size_t i = 0; i < matrix->n_rows; i++) {
        const double *values = matrix->rows[i].values;
        size_t step = 0;
        while (step < n_steps && eval_is_missing(values[step])) {
            step++;
        }
        if (step < n_steps) {
            matrix->rows[kept++] = matrix->rows[i];
        }
    }
    matrix->n_rows = kept;
}

int merge_rows(struct eval *eval, struct matrix *matrix, const struct grid *grid, bool strict) {
    struct hash_map by_labels = {0};
    size_t kept = 0;
    bool good = true;
    remove_empty_rows(matrix, grid->n);
    for (size_t i = 0; good && i < matrix->n_rows; i++) {
        struct eval_row *row = &matrix->rows[i];
        struct eval_row *same =
            hash_map_get(&by_labels, row->labels->hash, row_has_labels, row->labels);
        if (same != NULL) {
            good = !strict && merge_into(same, row, grid->n);
            continue;
        }
        matrix->rows[kept] = *row;
        hash_map_add(&by_labels, row->labels->hash, &matrix->rows[kept]);
        kept++;
    }
    hash_map_deinit(&by_labels);
    if (!good) {
        return eval_fail(eval, "vector cannot contain metrics with the same labelset");
    }
    matrix->n_rows = kept;
    return 0;
}

/* ---- simple nodes ---- */

static double *fill(struct eval *eval, size_t n, double value) {
    double *values = arena_array(eval->arena, n, sizeof(*values));
    for (size_t i = 0; i < n; i++) {
        values[i] = value;
    }
    return values;
}

static int scalar_unary(struct eval *eval, const struct expr *expr, const struct grid *grid,
                        double **ret) {
    int r = eval_scalar(eval, expr->inner, grid, ret);
    for (size_t i = 0; r == 0 && i < grid->n; i++) {
        (*ret)[i] = -(*ret)[i];
    }
    return r;
}

static int scalar_binary(struct eval *eval, const struct expr *expr, const struct grid *grid,
                         double **ret) {
    const struct operator_info *info = &operator_table[expr->binary.op];
    double *left, *right;
    int r = eval_scalar(eval, expr->binary.left, grid, &left);
    r = r != 0 ? r : eval_scalar(eval, expr->binary.right, grid, &right);
    for (size_t i = 0; r == 0 && i < grid->n; i++) {
        left[i] = info->compute(left[i], right[i]);
    }
    if (r == 0) {
        *ret = left;
    }
    return r;
}

/* Functions that give a scalar answer with one row. */
static int scalar_call(struct eval *eval, const struct expr *expr, const struct grid *grid,
                       double **ret) {
    struct matrix matrix = {0};
    int r = eval_call(eval, expr, grid, &matrix);
    if (r == 0) {
        *ret = matrix.rows[0].values;
    }
    return r;
}

int eval_scalar(struct eval *eval, const struct expr *expr, const struct grid *grid, double **ret) {
    switch (expr->kind) {
    case EXPR_NUMBER:
        *ret = fill(eval, grid->n, expr->number.value);
        return eval_spend(eval, grid->n);
    case EXPR_PAREN:
        return eval_scalar(eval, expr->inner, grid, ret);
    case EXPR_UNARY:
        return scalar_unary(eval, expr, grid, ret);
    case EXPR_BINARY:
        return scalar_binary(eval, expr, grid, ret);
    case EXPR_CALL:
        return scalar_call(eval, expr, grid, ret);
    default:
        return eval_fail(eval, "this is no scalar");
    }
}

static int eval_unary(struct eval *eval, const struct expr *expr, const struct grid *grid,
                      struct matrix *ret) {
    int r = eval_vector(eval, expr->inner, grid, ret);
    if (r != 0) {
        return r;
    }
    for (size_t i = 0; i < ret->n_rows; i++) {
        double *values = ret->rows[i].values;
        for (size_t step = 0; step < grid->n; step++) {
            values[step] = eval_is_missing(values[step]) ? values[step] : -values[step];
        }
    }
    drop_names(eval, ret);
    return eval->options->delayed_names ? 0 : merge_rows(eval, ret, grid, false);
}

int eval_vector(struct eval *eval, const struct expr *expr, const struct grid *grid,
                struct matrix *ret) {
    *ret = (struct matrix){0};
    switch (expr->kind) {
    case EXPR_PAREN:
        return eval_vector(eval, expr->inner, grid, ret);
    case EXPR_UNARY:
        return eval_unary(eval, expr, grid, ret);
    case EXPR_SELECTOR:
        return eval_selector(eval, expr, grid, false, ret);
    case EXPR_BINARY:
        return eval_binary(eval, expr, grid, ret);
    case EXPR_AGGREGATE:
        return eval_aggregate(eval, expr, grid, ret);
    case EXPR_CALL:
        return eval_call(eval, expr, grid, ret);
    default:
        return eval_fail(eval, "this is no instant vector");
    }
}

/* ---- the whole ---- */

/* What delayed_names left to do. */
static int finish_names(struct eval *eval, struct matrix *matrix, const struct grid *grid) {
    bool any = false;
    for (size_t i = 0; i < matrix->n_rows; i++) {
        if (matrix->rows[i].drop_name) {
            matrix->rows[i].labels = labels_without_name(&eval->space, matrix->rows[i].labels);
            any = true;
        }
    }
    return any ? merge_rows(eval, matrix, grid, false) : 0;
}

static int compare_rows(const void *a, const void *b, void *space) {
    return labels_compare(space, ((const struct eval_row *)a)->labels,
                          ((const struct eval_row *)b)->labels);
}

static bool is_ordered(const struct expr *expr) {
    expr = expr_unwrap(expr);
    if (expr->kind == EXPR_AGGREGATE) {
        return expr->aggregate.op == AGGREGATE_TOPK || expr->aggregate.op == AGGREGATE_BOTTOMK;
    }
    return expr->kind == EXPR_CALL && strncmp(expr->call.function->name, "sort", 4) == 0;
}

static int vector_result(struct eval *eval, const struct expr *root, const struct grid *grid,
                         struct eval_result *ret) {
    struct matrix matrix;
    int r = eval_vector(eval, root, grid, &matrix);
    r = r != 0 ? r : finish_names(eval, &matrix, grid);
    if (r != 0) {
        return r;
    }
    remove_empty_rows(&matrix, grid->n);
    bool instant = eval->options->step_ms == 0;
    if (matrix.n_rows > 0 && !(instant && is_ordered(root))) {
        qsort_r(matrix.rows, matrix.n_rows, sizeof(*matrix.rows), compare_rows, &eval->space);
    }
    ret->rows = matrix.rows;
    ret->n_rows = matrix.n_rows;
    return 0;
}

static int scalar_result(struct eval *eval, const struct expr *root, const struct grid *grid,
                         struct eval_result *ret) {
    double *values;
    int r = eval_scalar(eval, root, grid, &values);
    if (r == 0) {
        struct matrix matrix = {0};
        matrix_add(eval, &matrix, labels_none(&eval->space), 0)->values = values;
        ret->rows = matrix.rows;
        ret->n_rows = 1;
    }
    return r;
}

static void *copy(struct eval *eval, const void *data, size_t size) {
    return memcpy(arena_alloc(eval->arena, size), data, size);
}

static int keep_samples(struct eval *eval, const struct range_series *series, void *userdata) {
    const struct label_set *labels = series->labels;
    if (series->drop_name) {
        labels = labels_without_name(&eval->space, labels);
    }
    struct eval_row *row = matrix_add(eval, userdata, labels, 0);
    row->values = copy(eval, series->values, series->n * sizeof(*series->values));
    row->t_ms = copy(eval, series->t_ms, series->n * sizeof(*series->t_ms));
    row->n_samples = series->n;
    return 0;
}

static int matrix_result(struct eval *eval, const struct expr *root, const struct grid *grid,
                         struct eval_result *ret) {
    struct matrix matrix = {0};
    int r = range_visit(eval, expr_unwrap(root), grid, keep_samples, &matrix);
    if (r == 0 && matrix.n_rows > 0) {
        qsort_r(matrix.rows, matrix.n_rows, sizeof(*matrix.rows), compare_rows, &eval->space);
    }
    ret->rows = matrix.rows;
    ret->n_rows = r == 0 ? matrix.n_rows : 0;
    return r;
}

static int evaluate(struct eval *eval, const struct expr *root, const struct grid *grid,
                    struct eval_result *ret) {
    switch (root->type) {
    case VALUE_SCALAR:
        return scalar_result(eval, root, grid, ret);
    case VALUE_STRING:
        ret->string = expr_unwrap(root)->string;
        return 0;
    case VALUE_VECTOR:
        return vector_result(eval, root, grid, ret);
    case VALUE_MATRIX:
        return matrix_result(eval, root, grid, ret);
    }
    return 0;
}

static int make_grid(struct eval *eval, const struct expr *root, struct grid *ret) {
    const struct eval_options *options = eval->options;
    *ret = (struct grid){options->start_ms, options->step_ms, 1};
    if (options->step_ms == 0) {
        return 0;
    }
    if (root->type != VALUE_VECTOR && root->type != VALUE_SCALAR) {
        return eval_fail(eval,
                         "invalid expression type \"%s\" for range query, must be Scalar or "
                         "instant Vector",
                         value_type_names[root->type]);
    }
    if (options->end_ms < options->start_ms) {
        return eval_fail(eval, "end timestamp must not be before start time");
    }
    uint64_t span = (uint64_t)options->end_ms - (uint64_t)options->start_ms;
    if (span / (uint64_t)options->step_ms >= MOST_STEPS) {
        return eval_fail(eval, "exceeded maximum resolution of 11,000 points per timeseries. Try "
                               "decreasing the query resolution (?step=XX)");
    }
    ret->n = (size_t)(span / (uint64_t)options->step_ms) + 1;
    return 0;
}

int promql_eval(const struct parsed *parsed, const struct store *store,
                const struct eval_options *options, struct arena *arena, struct eval_result *ret,
                struct error *err) {
    struct eval_options given = *options;
    struct error ignored = {0};
    struct grid grid;
    given.lookback_ms = given.lookback_ms != 0 ? given.lookback_ms : DEFAULT_LOOKBACK_MS;
    given.subquery_step_ms =
        given.subquery_step_ms != 0 ? given.subquery_step_ms : DEFAULT_SUBQUERY_STEP_MS;
    given.max_samples = given.max_samples != 0 ? given.max_samples : DEFAULT_MOST_SAMPLES;
    if (given.step_ms == 0) {
        given.end_ms = given.start_ms;
    }
    struct eval *eval = arena_alloc(arena, sizeof(*eval));
    eval->store = store;
    eval->options = &given;
    eval->arena = arena;
    eval->err = err != NULL ? err : &ignored;
    eval->text = parsed->text;
    label_space_init(&eval->space, store_label_pool(store), arena);
    *ret = (struct eval_result){.type = parsed->root->type, .space = &eval->space};
    int r = make_grid(eval, parsed->root, &grid);
    if (r == 0) {
        ret->n_steps = grid.n;
        r = evaluate(eval, parsed->root, &grid, ret);
    }
    ret->warnings = eval->warnings;
    ret->infos = eval->infos;
    ret->n_samples = eval->n_samples;
    ret->message = eval->message;
    sample_buffer_deinit(&eval->buffer);
    eval->options = options;
    return r;
}

void eval_result_deinit(struct eval_result *result) {
    if (result->space != NULL) {
        label_space_deinit(result->space);
    }
    *result = (struct eval_result){0};
}
