/* SPDX-License-Identifier: Apache-2.0 */

/* The table of functions: what they take, what they give, and how they are computed. */
#pragma once

#include "promql/ast.h"

#define FUNCTION_MOST_ARGS 5

struct call_frame; /* promql/eval.h */
struct matrix;

struct function {
    const char *name;
    enum value_type args[FUNCTION_MOST_ARGS];
    uint8_t n_args;  /* how many the list has */
    int8_t variadic; /* 0: exactly n_args; n > 0: up to n more may be left out at the end;
                        -1: the last one any number of times, or not at all */
    enum value_type result;
    bool experimental; /* behind a flag in Prometheus */
    bool keeps_name;
    /* Exactly one of them. */
    double (*math)(double value);         /* one number from one number, name dropped */
    const struct window_function *window; /* over the samples of a range vector */
    int (*call)(struct call_frame *frame, struct matrix *ret); /* anything else */
};

/* NULL when there is none of that name (case counts). */
const struct function *function_find(struct str name);

/* All of them, by name; for suggestions and the reference. */
const struct function *function_list(size_t *ret_count);
