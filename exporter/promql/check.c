/* SPDX-License-Identifier: Apache-2.0 */

/* The rules of types and of sense that a node has to keep. */
#include "promql/functions.h"
#include "promql/private_parser.h"

static bool is_simple(const struct expr *expr) {
    return expr->type == VALUE_SCALAR || expr->type == VALUE_VECTOR;
}

static bool has_name(const struct name_list *list, struct str name) {
    for (size_t i = 0; i < list->n_names; i++) {
        if (str_equal(list->names[i], name)) {
            return true;
        }
    }
    return false;
}

static struct expr *check_matching(struct parser *parser, struct expr *expr, uint32_t operator_at) {
    struct matching *matching = &expr->binary.matching;
    const struct operator_info *info = &operator_table[expr->binary.op];
    if (info->class == CLASS_SET) {
        if (matching->card != CARD_ONE_TO_ONE) {
            return parser_fail(parser, expr->at.start, "no grouping allowed for \"%s\" operation",
                               info->text);
        }
        matching->card = CARD_MANY_TO_MANY;
    }
    for (size_t i = 0; matching->on && i < matching->labels.n_names; i++) {
        struct str name = matching->labels.names[i];
        if (has_name(&matching->include, name)) {
            return parser_fail(parser, operator_at,
                               "label \"%.*s\" must not occur in ON and GROUP clause at once",
                               (int)name.len, name.data);
        }
    }
    return expr;
}

struct expr *check_binary(struct parser *parser, struct expr *expr, uint32_t operator_at) {
    const struct expr *left = expr->binary.left, *right = expr->binary.right;
    const struct operator_info *info = &operator_table[expr->binary.op];
    const struct matching *matching = &expr->binary.matching;
    if (expr->binary.bool_modifier && info->class != CLASS_COMPARISON) {
        return parser_fail(parser, operator_at,
                           "bool modifier can only be used on comparison operators");
    }
    if (!is_simple(left) || !is_simple(right)) {
        return parser_fail(parser, is_simple(left) ? right->at.start : left->at.start,
                           "binary expression must contain only scalar and instant vector types");
    }
    if (left->type == VALUE_VECTOR && right->type == VALUE_VECTOR) {
        expr->type = VALUE_VECTOR;
        return check_matching(parser, expr, operator_at);
    }
    expr->type = left->type == VALUE_VECTOR ? VALUE_VECTOR : right->type;
    if (matching->given) {
        return parser_fail(parser, expr->at.start,
                           "vector matching only allowed between instant vectors");
    }
    if (info->class == CLASS_SET) {
        return parser_fail(parser, expr->at.start,
                           "set operator \"%s\" not allowed in binary scalar expression",
                           info->text);
    }
    if (info->class == CLASS_COMPARISON && expr->type == VALUE_SCALAR &&
        !expr->binary.bool_modifier) {
        return parser_fail(parser, operator_at,
                           "comparisons between scalars must use BOOL modifier");
    }
    return expr;
}

struct expr *check_unary(struct parser *parser, struct expr *expr) {
    if (!is_simple(expr->inner)) {
        return parser_fail(
            parser, expr->at.start,
            "unary expression only allowed on expressions of type scalar or instant vector, "
            "got \"%s\"",
            value_type_names[expr->inner->type]);
    }
    expr->type = expr->inner->type;
    return expr;
}

static struct expr *check_arguments(struct parser *parser, struct expr *expr) {
    const struct function *function = expr->call.function;
    const size_t given = expr->call.n_args, listed = function->n_args;
    const char *bound = "";
    size_t least = listed, most = listed;
    if (function->variadic != 0) {
        least = function->variadic < 0 ? listed - 1 : listed - (size_t)function->variadic;
        most = function->variadic < 0 ? SIZE_MAX : listed;
        bound = given < least ? "at least " : "at most ";
    }
    if (given < least || given > most) {
        return parser_fail(parser, expr->at.start,
                           "expected %s%zu argument(s) in call to \"%s\", got %zu", bound,
                           given < least ? least : most, function->name, given);
    }
    for (size_t i = 0; i < given; i++) {
        enum value_type wanted = function->args[i < listed ? i : listed - 1];
        const struct expr *arg = expr->call.args[i];
        if (arg->type != wanted) {
            return parser_fail(
                parser, arg->at.start, "expected type %s in call to function \"%s\", got %s",
                value_type_names[wanted], function->name, value_type_names[arg->type]);
        }
    }
    return expr;
}

struct expr *check_call(struct parser *parser, struct expr *expr) {
    const struct function *function = expr->call.function;
    expr->type = function->result;
    if (function->experimental && !parser->experimental) {
        return parser_fail(parser, expr->at.start, "function \"%s\" is experimental in Prometheus",
                           function->name);
    }
    return check_arguments(parser, expr);
}

struct expr *check_aggregate(struct parser *parser, struct expr *expr) {
    const struct aggregate_info *info = &aggregate_table[expr->aggregate.op];
    const struct expr *parameter = expr->aggregate.parameter;
    expr->type = VALUE_VECTOR;
    if (info->experimental && !parser->experimental) {
        return parser_fail(parser, expr->at.start, "%s() is experimental in Prometheus",
                           info->name);
    }
    if (expr->aggregate.inner->type != VALUE_VECTOR) {
        return parser_fail(parser, expr->aggregate.inner->at.start,
                           "expected type instant vector in aggregation expression, got %s",
                           value_type_names[expr->aggregate.inner->type]);
    }
    if (parameter != NULL && parameter->type != info->parameter) {
        return parser_fail(parser, parameter->at.start,
                           "expected type %s in aggregation parameter, got %s",
                           value_type_names[info->parameter], value_type_names[parameter->type]);
    }
    return expr;
}

/* Whether a matcher wants a label to be there. Those without a regular expression are asked first:
 * they cost nothing. Return: 1, 0, or -E2BIG. */
static int is_selective(const struct expr *expr) {
    for (size_t i = 0; i < expr->selector.n_matchers; i++) {
        const struct matcher *matcher = &expr->selector.matchers[i];
        if (matcher->regex == NULL && matcher_holds_nothing(matcher) == 0) {
            return 1;
        }
    }
    for (size_t i = 0; i < expr->selector.n_matchers; i++) {
        int r = matcher_holds_nothing(&expr->selector.matchers[i]);
        if (r <= 0) {
            return r < 0 ? r : 1;
        }
    }
    return 0;
}

struct expr *check_selector(struct parser *parser, struct expr *expr) {
    bool named = expr->selector.name.data != NULL;
    for (size_t i = 0; i < expr->selector.n_matchers; i++) {
        const struct matcher *matcher = &expr->selector.matchers[i];
        if (named && i > 0 && str_is(matcher->name, "__name__")) {
            return parser_fail(parser, expr->at.start,
                               "metric name must not be set twice: \"%.*s\" or \"%.*s\"",
                               (int)expr->selector.name.len, expr->selector.name.data,
                               (int)matcher->value.len, matcher->value.data);
        }
    }
    int r = is_selective(expr);
    if (r < 0) {
        return parser_fail(parser, expr->at.start,
                           "a regular expression takes too long on the empty text");
    }
    if (r > 0) {
        return expr;
    }
    return parser_fail(parser, expr->at.start,
                       "vector selector must contain at least one non-empty matcher");
}
