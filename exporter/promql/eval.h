/* SPDX-License-Identifier: Apache-2.0 */

/* Evaluation of a syntax tree over the store: every node over all steps at once.
 *
 * A node gives rows: a label set and a value for each step of its grid, where a missing value is
 * the stale marker. Range functions read a series once and slide over it; matching and grouping is
 * worked out once per row, the loops over steps are numeric. An instant query is one step.
 *
 * Everything of a result lives in the arena that was given. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "promql/ast.h"
#include "promql/parser.h"
#include "store/history.h"

struct eval_options {
    int64_t start_ms, end_ms;
    int64_t step_ms;            /* 0: an instant query at start_ms */
    int64_t lookback_ms;        /* 0: 5 minutes */
    int64_t subquery_step_ms;   /* of [5m:]; 0: 1 minute */
    uint64_t max_samples;       /* read and made; 0: 50 million */
    uint64_t deadline_usec;     /* CLOCK_BOOTTIME; 0: none */
    uint64_t (*now_usec)(void); /* asked now and then when there is a deadline */
    bool delayed_names;         /* names are dropped at the end (conformance cases) */
};

struct eval_row {
    const struct label_set *labels;
    bool drop_name; /* of delayed_names */
    double *values; /* one per step; eval_missing() where there is none */
    int64_t *t_ms;  /* of a MATRIX: the samples' times, and as many values */
    size_t n_samples;
};

struct annotation_list {
    char **texts; /* in the arena; none differs from another in its place only */
    size_t n, capacity;
};

struct label_space;

/* What the tree is. SCALAR: one row without labels. VECTOR and, of an instant query, MATRIX: rows;
 * those of a range query and of MATRIX are sorted by labels. */
struct eval_result {
    enum value_type type;
    struct str string;
    struct eval_row *rows;
    size_t n_rows;
    size_t n_steps;
    struct annotation_list warnings, infos;
    struct label_space *space; /* that the labels belong to */
    uint64_t n_samples;        /* that the evaluation read */
    const char *message;       /* of a failure: all of it, where *err has room for less */
};

enum eval_error {
    EVAL_E_FAILED = 1, /* the expression cannot be computed: text in *err */
    EVAL_E_TOO_MANY,   /* more samples than allowed */
    EVAL_E_TIMEOUT,
};

/* Return: 0 or one of enum eval_error with *err. ret must be given back after either. */
int promql_eval(const struct parsed *parsed, const struct store *store,
                const struct eval_options *options, struct arena *arena, struct eval_result *ret,
                struct error *err);
void eval_result_deinit(struct eval_result *result);

/* The missing value, and whether a value is it. */
static inline double eval_missing(void) {
    return series_stale_marker();
}

static inline bool eval_is_missing(double value) {
    return series_is_stale_value(value);
}
