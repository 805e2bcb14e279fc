/* SPDX-License-Identifier: Apache-2.0 */

/* The syntax tree of an expression: typed, with the place in the text of every node.
 *
 * All nodes and texts of a tree lie in the arena that it was parsed into; the texts of matchers,
 * labels and strings are unescaped. A tree is never changed after parsing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "store/matcher.h"

/* Bytes of the text: from start up to, not including, end. */
struct span {
    uint32_t start, end;
};

enum value_type {
    VALUE_SCALAR,
    VALUE_STRING,
    VALUE_VECTOR, /* one sample for each of some series */
    VALUE_MATRIX, /* samples of a window for each of some series */
};

/* As in messages: "scalar", "string", "instant vector", "range vector". */
extern const char *const value_type_names[];

/* As in the HTTP API: "scalar", "string", "vector", "matrix". */
extern const char *const value_type_api_names[];

/* Binary operators, in the order of the table in operators.c. */
enum operator{
    OP_ADD,
    OP_SUB,
    OP_MUL,
    OP_DIV,
    OP_MOD,
    OP_POW,
    OP_ATAN2,
    OP_EQL,
    OP_NEQ,
    OP_GTR,
    OP_LSS,
    OP_GTE,
    OP_LTE,
    OP_AND,
    OP_OR,
    OP_UNLESS,
    OP_COUNT
};

enum operator_class { CLASS_ARITHMETIC, CLASS_COMPARISON, CLASS_SET };

struct operator_info {
    const char *text; /* as printed */
    int precedence;   /* binds tighter when higher */
    bool right;       /* associative to the right */
    enum operator_class class;
    double (*compute)(double left, double right); /* comparisons: 0 or 1; set: NULL */
};
extern const struct operator_info operator_table[OP_COUNT];

enum aggregate_op {
    AGGREGATE_AVG,
    AGGREGATE_BOTTOMK,
    AGGREGATE_COUNT,
    AGGREGATE_COUNT_VALUES,
    AGGREGATE_GROUP,
    AGGREGATE_LIMITK,
    AGGREGATE_LIMIT_RATIO,
    AGGREGATE_MAX,
    AGGREGATE_MIN,
    AGGREGATE_QUANTILE,
    AGGREGATE_STDDEV,
    AGGREGATE_STDVAR,
    AGGREGATE_SUM,
    AGGREGATE_TOPK,
    AGGREGATE_COUNT_OF
};

struct aggregate_info {
    const char *name;
    bool has_parameter;
    enum value_type parameter; /* of has_parameter */
    bool experimental;
};
extern const struct aggregate_info aggregate_table[AGGREGATE_COUNT_OF];

/* A list of label names in by, without, on, ignoring, group_left. */
struct name_list {
    struct str *names;
    size_t n_names;
};

/* How the series of two vectors find each other. */
enum matching_card { CARD_ONE_TO_ONE, CARD_MANY_TO_ONE, CARD_ONE_TO_MANY, CARD_MANY_TO_MANY };

struct matching {
    enum matching_card card;
    bool on;    /* labels is the list of on (...); else of ignoring (...) */
    bool given; /* on or ignoring was written */
    struct name_list labels;
    struct name_list include; /* of group_left (...), group_right (...) */
};

/* Where a selector or subquery looks, relative to the time of evaluation. */
enum at_kind { AT_EVALUATION, AT_TIME, AT_START, AT_END };

struct time_shift {
    enum at_kind at;
    int64_t at_ms; /* of AT_TIME */
    int64_t offset_ms;
    bool offset_given;
};

enum expr_kind {
    EXPR_NUMBER,
    EXPR_STRING,
    EXPR_SELECTOR, /* VALUE_VECTOR, or VALUE_MATRIX when range_ms is set */
    EXPR_SUBQUERY,
    EXPR_CALL,
    EXPR_AGGREGATE,
    EXPR_BINARY,
    EXPR_UNARY, /* minus; plus leaves no node */
    EXPR_PAREN,
};

struct function; /* promql/functions.h */

struct expr {
    enum expr_kind kind;
    enum value_type type;
    struct span at;
    union {
        struct {
            double value;
            bool duration; /* written as one: 5m */
        } number;
        struct str string;
        struct {
            struct str name;          /* written before the braces, or empty */
            struct matcher *matchers; /* the one of the name first */
            size_t n_matchers;
            int64_t range_ms; /* 0: an instant vector */
            struct time_shift shift;
            size_t index;      /* numbers the selectors of a tree, from 0 */
            struct expr *next; /* the selector before this one */
        } selector;
        struct {
            struct expr *inner;
            int64_t range_ms, step_ms; /* step 0: the default of the evaluation */
            struct time_shift shift;
        } subquery;
        struct {
            const struct function *function;
            struct expr **args;
            size_t n_args;
        } call;
        struct {
            enum aggregate_op op;
            bool without; /* grouping lists what is left out */
            bool grouped; /* by or without was written */
            struct name_list grouping;
            struct expr *parameter; /* NULL: none */
            struct expr *inner;
        } aggregate;
        struct {
            enum operator op;
            bool bool_modifier;
            struct expr *left, *right;
            struct matching matching; /* of two vectors */
        } binary;
        struct expr *inner; /* of UNARY and PAREN */
    };
};

/* The node without the parentheses around it. */
const struct expr *expr_unwrap(const struct expr *expr);

/* The one metric that a selector is of. Return: false when it names none, or a pattern. */
bool expr_metric_name(const struct expr *selector, struct str *ret);

/* Line and column (bytes, both from 1) of a byte of a text. */
struct position;
struct position text_position(struct str text, uint32_t offset);
