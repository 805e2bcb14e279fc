/* SPDX-License-Identifier: Apache-2.0 */

/* The table of operators and the names of types. */
#include "promql/ast.h"

#include <math.h>

const char *const value_type_names[] = {
    [VALUE_SCALAR] = "scalar",
    [VALUE_STRING] = "string",
    [VALUE_VECTOR] = "instant vector",
    [VALUE_MATRIX] = "range vector",
};

const char *const value_type_api_names[] = {
    [VALUE_SCALAR] = "scalar",
    [VALUE_STRING] = "string",
    [VALUE_VECTOR] = "vector",
    [VALUE_MATRIX] = "matrix",
};

static double add(double left, double right) {
    return left + right;
}

static double subtract(double left, double right) {
    return left - right;
}

static double multiply(double left, double right) {
    return left * right;
}

static double divide(double left, double right) {
    return left / right;
}

static double is_equal(double left, double right) {
    return left == right;
}

static double is_not_equal(double left, double right) {
    return left != right;
}

static double is_greater(double left, double right) {
    return left > right;
}

static double is_less(double left, double right) {
    return left < right;
}

static double is_greater_or_equal(double left, double right) {
    return left >= right;
}

static double is_less_or_equal(double left, double right) {
    return left <= right;
}

/* Go's math.Pow differs from C's nowhere on finite arguments; both follow IEEE 754-2008. */
const struct operator_info operator_table[OP_COUNT] = {
    [OP_ADD] = {"+", 4, false, CLASS_ARITHMETIC, add},
    [OP_SUB] = {"-", 4, false, CLASS_ARITHMETIC, subtract},
    [OP_MUL] = {"*", 5, false, CLASS_ARITHMETIC, multiply},
    [OP_DIV] = {"/", 5, false, CLASS_ARITHMETIC, divide},
    [OP_MOD] = {"%", 5, false, CLASS_ARITHMETIC, fmod},
    [OP_POW] = {"^", 6, true, CLASS_ARITHMETIC, pow},
    [OP_ATAN2] = {"atan2", 5, false, CLASS_ARITHMETIC, atan2},
    [OP_EQL] = {"==", 3, false, CLASS_COMPARISON, is_equal},
    [OP_NEQ] = {"!=", 3, false, CLASS_COMPARISON, is_not_equal},
    [OP_GTR] = {">", 3, false, CLASS_COMPARISON, is_greater},
    [OP_LSS] = {"<", 3, false, CLASS_COMPARISON, is_less},
    [OP_GTE] = {">=", 3, false, CLASS_COMPARISON, is_greater_or_equal},
    [OP_LTE] = {"<=", 3, false, CLASS_COMPARISON, is_less_or_equal},
    [OP_AND] = {"and", 2, false, CLASS_SET, NULL},
    [OP_OR] = {"or", 1, false, CLASS_SET, NULL},
    [OP_UNLESS] = {"unless", 2, false, CLASS_SET, NULL},
};

const struct aggregate_info aggregate_table[AGGREGATE_COUNT_OF] = {
    [AGGREGATE_AVG] = {"avg", false, VALUE_SCALAR, false},
    [AGGREGATE_BOTTOMK] = {"bottomk", true, VALUE_SCALAR, false},
    [AGGREGATE_COUNT] = {"count", false, VALUE_SCALAR, false},
    [AGGREGATE_COUNT_VALUES] = {"count_values", true, VALUE_STRING, false},
    [AGGREGATE_GROUP] = {"group", false, VALUE_SCALAR, false},
    [AGGREGATE_LIMITK] = {"limitk", true, VALUE_SCALAR, true},
    [AGGREGATE_LIMIT_RATIO] = {"limit_ratio", true, VALUE_SCALAR, true},
    [AGGREGATE_MAX] = {"max", false, VALUE_SCALAR, false},
    [AGGREGATE_MIN] = {"min", false, VALUE_SCALAR, false},
    [AGGREGATE_QUANTILE] = {"quantile", true, VALUE_SCALAR, false},
    [AGGREGATE_STDDEV] = {"stddev", false, VALUE_SCALAR, false},
    [AGGREGATE_STDVAR] = {"stdvar", false, VALUE_SCALAR, false},
    [AGGREGATE_SUM] = {"sum", false, VALUE_SCALAR, false},
    [AGGREGATE_TOPK] = {"topk", true, VALUE_SCALAR, false},
};

const struct expr *expr_unwrap(const struct expr *expr) {
    while (expr->kind == EXPR_PAREN) {
        expr = expr->inner;
    }
    return expr;
}

bool expr_metric_name(const struct expr *selector, struct str *ret) {
    for (size_t i = 0; i < selector->selector.n_matchers; i++) {
        const struct matcher *matcher = &selector->selector.matchers[i];
        if (matcher->type == MATCH_EQUAL && str_is(matcher->name, "__name__")) {
            *ret = matcher->value;
            return true;
        }
    }
    return false;
}
