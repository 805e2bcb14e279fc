/* SPDX-License-Identifier: Apache-2.0 */

/* What the files of the evaluator share. */
#pragma once

#include "promql/eval.h"
#include "promql/functions.h"
#include "promql/label_space.h"

/* The times that a node is evaluated at: start, start + step, ... */
struct grid {
    int64_t start_ms, step_ms;
    size_t n;
};

static inline int64_t grid_time(const struct grid *grid, size_t step) {
    return grid->start_ms + (int64_t)step * grid->step_ms;
}

struct eval {
    const struct store *store;
    const struct eval_options *options;
    struct arena *arena;
    struct label_space space;
    struct error *err;
    const char *message; /* the error's text in full */
    struct annotation_list warnings, infos;
    struct str text;             /* of the query, for places */
    struct sample_buffer buffer; /* of the series that is being read */
    uint64_t n_samples;          /* that were read or made */
    uint64_t work, checked_work; /* the same, each as often as it was looked at */
};

/* Rows under construction; they grow in the arena. */
struct matrix {
    struct eval_row *rows;
    size_t n_rows, capacity;
};

/* Adds a row without values yet (all missing). */
struct eval_row *matrix_add(struct eval *eval, struct matrix *matrix,
                            const struct label_set *labels, size_t n_steps);

/* Sets the error. Return: EVAL_E_FAILED. */
int eval_fail(struct eval *eval, const char *format, ...) PRINTF_LIKE(2, 3);

/* Counts samples that are read or made; looks at the limits. Return: 0 or an error. */
int eval_spend(struct eval *eval, uint64_t samples);

/* Before samples are looked at once more, as those of windows that overlap: counts for the deadline
 * alone. Return: 0 or an error. */
int eval_work(struct eval *eval, uint64_t samples);

void annotate_warning(struct eval *eval, struct span at, const char *format, ...) PRINTF_LIKE(3, 4);
void annotate_info(struct eval *eval, struct span at, const char *format, ...) PRINTF_LIKE(3, 4);

/* "quantile value should be between 0 and 1" unless it is. */
void warn_quantile(struct eval *eval, struct span at, double q);

/* ---- nodes: each returns 0 or an error ---- */

/* Of VALUE_VECTOR. */
int eval_vector(struct eval *eval, const struct expr *expr, const struct grid *grid,
                struct matrix *ret);
/* Of VALUE_SCALAR: grid->n values in the arena. */
int eval_scalar(struct eval *eval, const struct expr *expr, const struct grid *grid, double **ret);
int eval_binary(struct eval *eval, const struct expr *expr, const struct grid *grid,
                struct matrix *ret);
int eval_aggregate(struct eval *eval, const struct expr *expr, const struct grid *grid,
                   struct matrix *ret);
int eval_call(struct eval *eval, const struct expr *expr, const struct grid *grid,
              struct matrix *ret);

/* An instant selector. timestamps: the times of the samples (seconds) instead of their values. */
int eval_selector(struct eval *eval, const struct expr *expr, const struct grid *grid,
                  bool timestamps, struct matrix *ret);

/* ---- range vectors ---- */

/* The samples of one series in one window. */
struct window {
    const int64_t *t_ms;
    const double *values;
    size_t n;               /* at least 1 */
    int64_t from_ms, to_ms; /* from_ms < t <= to_ms */
    int64_t eval_ms;        /* time of the step */
    const double *scalars;  /* the scalar arguments at this step, in order */
};

struct window_function {
    /* Return: the value, or eval_missing() for none. */
    double (*compute)(const struct window *window);
    bool counter; /* says so when the name is not that of a counter */
    /* NULL: nothing. Looks at the scalar arguments of each step first. */
    int (*check)(struct eval *eval, const struct expr *call, const double *scalars);
};

/* A series of a range vector with its samples over all windows of a grid, stale markers left out;
 * at least one. */
struct range_series {
    const struct label_set *labels;
    bool drop_name;
    const int64_t *t_ms;
    const double *values;
    size_t n;
};

/* A type of function: the one typedef that C leaves no other way to write once. */
typedef int range_visitor(struct eval *eval, const struct range_series *series, void *userdata);

/* Calls visit() for each series; what it gets is gone when it returns. A visitor must not read
 * other series. Return: 0, or the first that visit() returned, or an error. */
int range_visit(struct eval *eval, const struct expr *range, const struct grid *grid,
                range_visitor *visit, void *userdata);

/* Bounds of the window of a step. */
void range_window(const struct eval *eval, const struct expr *range, const struct grid *grid,
                  size_t step, int64_t *ret_from_ms, int64_t *ret_to_ms);

/* ---- names and duplicates ---- */

/* Rows that have no value at any step are none. */
void remove_empty_rows(struct matrix *matrix, size_t n_steps);

/* Drops the metric's name of each row, or marks it to be dropped at the end. */
void drop_names(struct eval *eval, struct matrix *matrix);

/* Rows of the same labels become one when no step has both. strict: already two such rows are an
 * error, whatever their steps. */
int merge_rows(struct eval *eval, struct matrix *matrix, const struct grid *grid, bool strict);

/* ---- functions ---- */

/* For functions whose result has no metric name: drops it and looks for duplicates. */
struct call_frame;
int call_dropped_names(struct call_frame *frame, struct matrix *ret);

struct call_frame {
    struct eval *eval;
    const struct expr *expr; /* the call */
    const struct grid *grid;
};

/* ---- statistics.c ---- */

/* A sum with its error term. */
struct kahan {
    double sum, c;
};
void kahan_add(struct kahan *kahan, double value);
double kahan_value(const struct kahan *kahan);

struct mean {
    struct kahan total; /* the sum; of incremental the mean */
    double count;
    bool incremental;
};
void mean_add(struct mean *mean, double value);
double mean_value(const struct mean *mean);

/* Welford's algorithm, compensated; of the population. */
struct deviation {
    struct kahan mean, squares;
    double count;
};
void deviation_add(struct deviation *deviation, double value);
double deviation_variance(const struct deviation *deviation);

/* The q-quantile of values, which it sorts. */
double quantile_of(double q, double *values, size_t n);
