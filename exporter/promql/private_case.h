/* SPDX-License-Identifier: Apache-2.0 */

/* One case of a file: what is asked, what is expected. */
#pragma once

#include "base/arena.h"
#include "promql/case_file.h"
#include "promql/eval.h"

#define CASE_MOST_EXPECTATIONS 16

enum text_match { TEXT_ANY, TEXT_IS, TEXT_REGEX };

/* A message that is expected. */
struct expected_text {
    enum text_match match;
    struct str text;
};

struct expected_annotations {
    bool none; /* there must not be any */
    struct expected_text list[CASE_MOST_EXPECTATIONS];
    size_t n;
};

/* A series with its values, as a line of a file has them. */
struct case_series {
    struct label *labels;
    size_t n_labels;
    struct case_value *values; /* one per step */
    size_t n_values;
};

struct eval_case {
    unsigned line;
    struct str expr;
    bool range;
    int64_t start_ms, end_ms, step_ms; /* of an instant case only start_ms */
    bool fails;
    struct expected_text failure;
    struct expected_annotations warnings, infos;
    bool ordered;
    bool is_string, is_scalar, is_matrix;
    struct str string;
    double scalar;
    int64_t matrix_start_ms, matrix_step_ms; /* of is_matrix: the times of the values */
    struct case_series *series;
    size_t n_series, capacity;
};

/* Runs the case in all its forms. Return: NULL when it passed, else why not, in the arena. */
const char *case_run(const struct eval_case *test, const struct test_store *tests,
                     bool classic_names, struct arena *arena);
