/* SPDX-License-Identifier: Apache-2.0 */

/* The parser: one function per rule of the grammar, operators by their precedence. */
#include "promql/parser.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"
#include "promql/functions.h"
#include "promql/private_parser.h"

/* What unary minus binds like: looser than '^', as tight as '*'. */
#define UNARY_PRECEDENCE 5

static struct expr *parse_expr(struct parser *parser, int precedence);

/* ---- errors ---- */

struct position text_position(struct str text, uint32_t offset) {
    struct position at = {.line = 1, .column = 1};
    for (size_t i = 0; i < offset && i < text.len; i++) {
        at.column++;
        if (text.data[i] == '\n') {
            at.line++;
            at.column = 1;
        }
    }
    return at;
}

void *parser_fail(struct parser *parser, uint32_t at, const char *format, ...) {
    char text[sizeof(parser->err->text)];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    error_set(parser->err, -EINVAL, text_position(parser->text, at), "%s", text);
    return NULL;
}

void *parser_unexpected(struct parser *parser, const char *where, const char *what) {
    const struct token *now = &parser->now;
    if (now->kind == TOKEN_ERROR) {
        return parser_fail(parser, now->at.start, "%s", parser->lexer.error.text);
    }
    struct strbuf found = {0};
    token_describe(now, &found);
    parser_fail(parser, now->at.start, "unexpected %s%s%s%s%s", found.data,
                where != NULL ? " in " : "", where != NULL ? where : "",
                what != NULL ? ", expected " : "", what != NULL ? what : "");
    strbuf_deinit(&found);
    return NULL;
}

/* ---- tokens ---- */

static struct token advance(struct parser *parser) {
    struct token was = parser->now;
    parser->last_end = was.at.end;
    parser->now = parser->ahead;
    parser->ahead = lexer_next(&parser->lexer);
    return was;
}

static bool accept(struct parser *parser, enum token_kind kind) {
    if (parser->now.kind != kind) {
        return false;
    }
    advance(parser);
    return true;
}

static bool is_operator(const struct token *token, enum operator op) {
    return token->kind == TOKEN_OPERATOR && token->number == (int)op;
}

/* Where the token before this one ended is where a node ends. */
static struct expr *node_new(struct parser *parser, enum expr_kind kind, uint32_t start) {
    struct expr *expr = arena_alloc(parser->arena, sizeof(*expr));
    expr->kind = kind;
    expr->at.start = start;
    return expr;
}

/* ---- lists ---- */

/* Elements are collected in a list of the heap and go to the arena when they are complete. */
struct element_list {
    void *elements;
    size_t n, capacity, size;
};

static void *list_add(struct parser *parser, struct element_list *list) {
    if (list->n == QUERY_MOST_LIST) {
        return parser_fail(parser, parser->now.at.start, "more than %d elements in a list",
                           QUERY_MOST_LIST);
    }
    list->elements = mem_grow(list->elements, list->n, &list->capacity, list->size);
    char *element = (char *)list->elements + list->n++ * list->size;
    memset(element, 0, list->size);
    return element;
}

static void *list_take(struct parser *parser, struct element_list *list) {
    void *copy = arena_array(parser->arena, list->n + 1, list->size);
    if (list->n > 0) {
        memcpy(copy, list->elements, list->n * list->size);
    }
    free(list->elements);
    list->elements = NULL;
    return copy;
}

static bool is_word_token(const struct token *token) {
    char c = token->text.len > 0 ? token->text.data[0] : '\0';
    return token->kind != TOKEN_NUMBER && token->kind != TOKEN_ERROR &&
           ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_');
}

static bool take_string(struct parser *parser, struct str *ret) {
    struct token token = advance(parser);
    if (promql_unquote(token.text, parser->arena, ret)) {
        return true;
    }
    parser_fail(parser, token.at.start, "error unquoting string: invalid syntax");
    return false;
}

static bool take_label_name(struct parser *parser, const char *where, struct str *ret) {
    uint32_t at = parser->now.at.start;
    if (parser->now.kind == TOKEN_STRING) {
        if (!take_string(parser, ret)) {
            return false;
        }
        if (ret->len == 0 || !str_is_utf8(*ret)) {
            parser_fail(parser, at, "unexpected invalid label name in %s", where);
            return false;
        }
        return true;
    }
    if (!is_word_token(&parser->now) || parser->now.kind == TOKEN_METRIC) {
        parser_unexpected(parser, where, "label");
        return false;
    }
    *ret = arena_dup(parser->arena, advance(parser).text);
    return true;
}

/* ( name, name, ) */
static bool parse_names(struct parser *parser, struct name_list *ret) {
    const char *where = "grouping opts";
    struct element_list list = {.size = sizeof(struct str)};
    bool good = accept(parser, TOKEN_PAREN_OPEN);
    if (!good) {
        parser_unexpected(parser, where, "\"(\"");
    }
    while (good && !accept(parser, TOKEN_PAREN_CLOSE)) {
        struct str *name = list_add(parser, &list);
        good = name != NULL && take_label_name(parser, where, name);
        if (good && !accept(parser, TOKEN_COMMA) && parser->now.kind != TOKEN_PAREN_CLOSE) {
            parser_unexpected(parser, where, "\",\" or \")\"");
            good = false;
        }
    }
    ret->n_names = list.n;
    ret->names = list_take(parser, &list);
    return good;
}

/* ---- durations and times ---- */

/* A number or duration with an optional sign. Return: false after an error. */
static bool parse_duration(struct parser *parser, const char *where, int64_t *ret_ms) {
    uint32_t at = parser->now.at.start;
    bool minus = false;
    if (is_operator(&parser->now, OP_SUB) || is_operator(&parser->now, OP_ADD)) {
        minus = advance(parser).number == OP_SUB;
    }
    if (parser->now.kind != TOKEN_NUMBER && parser->now.kind != TOKEN_DURATION) {
        parser_unexpected(parser, where, "number or duration");
        return false;
    }
    if (!promql_duration_ms(advance(parser).text, ret_ms)) {
        parser_fail(parser, at, "duration out of range");
        return false;
    }
    *ret_ms = minus ? -*ret_ms : *ret_ms;
    return true;
}

static bool parse_positive_duration(struct parser *parser, const char *where, int64_t *ret_ms) {
    uint32_t at = parser->now.at.start;
    if (!parse_duration(parser, where, ret_ms)) {
        return false;
    }
    if (*ret_ms <= 0) {
        parser_fail(parser, at, "duration must be greater than 0");
        return false;
    }
    return true;
}

static struct time_shift *shift_of(struct expr *expr) {
    return expr->kind == EXPR_SELECTOR   ? &expr->selector.shift
           : expr->kind == EXPR_SUBQUERY ? &expr->subquery.shift
                                         : NULL;
}

static struct expr *parse_offset(struct parser *parser, struct expr *expr) {
    struct time_shift *shift = shift_of(expr);
    advance(parser);
    if (shift == NULL) {
        return parser_fail(parser, expr->at.start,
                           "offset modifier must be preceded by an instant vector selector or "
                           "range vector selector or a subquery");
    }
    if (shift->offset_given) {
        return parser_fail(parser, expr->at.start, "offset may not be set multiple times");
    }
    shift->offset_given = true;
    return parse_duration(parser, "offset", &shift->offset_ms) ? expr : NULL;
}

/* start() or end(). */
static bool parse_bound(struct parser *parser, struct time_shift *shift) {
    shift->at = str_is(parser->now.text, "start") ? AT_START : AT_END;
    advance(parser);
    if (!accept(parser, TOKEN_PAREN_OPEN) || !accept(parser, TOKEN_PAREN_CLOSE)) {
        parser_unexpected(parser, "@", "\"()\"");
        return false;
    }
    return true;
}

static struct expr *parse_at(struct parser *parser, struct expr *expr) {
    struct time_shift *shift = shift_of(expr);
    double seconds;
    advance(parser);
    if (shift == NULL) {
        return parser_fail(parser, expr->at.start,
                           "@ modifier must be preceded by an instant vector selector or range "
                           "vector selector or a subquery");
    }
    if (shift->at != AT_EVALUATION) {
        return parser_fail(parser, expr->at.start, "@ <timestamp> may not be set multiple times");
    }
    if (parser->now.kind == TOKEN_IDENTIFIER &&
        (str_is(parser->now.text, "start") || str_is(parser->now.text, "end"))) {
        return parse_bound(parser, shift) ? expr : NULL;
    }
    bool minus = false;
    if (is_operator(&parser->now, OP_SUB) || is_operator(&parser->now, OP_ADD)) {
        minus = advance(parser).number == OP_SUB;
    }
    if (parser->now.kind != TOKEN_NUMBER && parser->now.kind != TOKEN_DURATION) {
        return parser_unexpected(parser, "@", "timestamp");
    }
    struct str number = advance(parser).text;
    if (!promql_number(number, &seconds) || !(fabs(seconds) < (double)INT64_MAX / 1000.0)) {
        return parser_fail(parser, expr->at.start, "timestamp out of bounds for @ modifier: %s%.*s",
                           minus ? "-" : "", (int)(number.len < 60 ? number.len : 60), number.data);
    }
    shift->at = AT_TIME;
    shift->at_ms = (int64_t)round((minus ? -seconds : seconds) * 1000.0);
    return expr;
}

/* ---- selectors ---- */

static bool parse_matcher(struct parser *parser, struct matcher *matcher) {
    const char *where = "label matching";
    bool quoted = parser->now.kind == TOKEN_STRING;
    uint32_t at = parser->now.at.start;
    if (!take_label_name(parser, where, &matcher->name)) {
        return false;
    }
    switch (parser->now.kind) {
    case TOKEN_ASSIGN:
        matcher->type = MATCH_EQUAL;
        break;
    case TOKEN_OPERATOR: /* inside braces only != */
        matcher->type = MATCH_NOT_EQUAL;
        break;
    case TOKEN_EQL_REGEX:
        matcher->type = MATCH_REGEX;
        break;
    case TOKEN_NEQ_REGEX:
        matcher->type = MATCH_NOT_REGEX;
        break;
    default:
        if (quoted && (parser->now.kind == TOKEN_COMMA || parser->now.kind == TOKEN_BRACE_CLOSE)) {
            *matcher = (struct matcher){MATCH_EQUAL, str_of("__name__"), matcher->name, NULL};
            return true;
        }
        parser_unexpected(parser, where, "label matching operator");
        return false;
    }
    advance(parser);
    if (parser->now.kind != TOKEN_STRING) {
        parser_unexpected(parser, where, "string");
        return false;
    }
    if (!take_string(parser, &matcher->value)) {
        return false;
    }
    struct error err = {0};
    if (matcher_prepare(matcher, &err) < 0) {
        parser_fail(parser, at, "%s", err.text);
        return false;
    }
    return true;
}

/* The regexes of matchers that never became part of the tree are given back here. */
static bool parse_matchers(struct parser *parser, struct element_list *list) {
    accept(parser, TOKEN_BRACE_OPEN);
    while (!accept(parser, TOKEN_BRACE_CLOSE)) {
        struct matcher *matcher = list_add(parser, list);
        if (matcher == NULL || !parse_matcher(parser, matcher)) {
            return false;
        }
        if (!accept(parser, TOKEN_COMMA) && parser->now.kind != TOKEN_BRACE_CLOSE) {
            parser_unexpected(parser, "label matching", "\",\" or \"}\"");
            return false;
        }
    }
    return true;
}

/* Trees own regexes outside of the arena: they are chained for parsed_deinit(). */
static void keep_selector(struct parser *parser, struct expr *expr) {
    expr->selector.index = parser->parsed->n_selectors++;
    expr->selector.next = parser->parsed->selectors;
    parser->parsed->selectors = expr;
}

static struct expr *parse_selector(struct parser *parser) {
    struct expr *expr = node_new(parser, EXPR_SELECTOR, parser->now.at.start);
    struct element_list list = {.size = sizeof(struct matcher)};
    bool good = true;
    uint32_t end = parser->now.at.end;
    expr->type = VALUE_VECTOR;
    if (parser->now.kind != TOKEN_BRACE_OPEN) {
        expr->selector.name = arena_dup(parser->arena, advance(parser).text);
        struct matcher *matcher = list_add(parser, &list);
        *matcher = (struct matcher){MATCH_EQUAL, str_of("__name__"), expr->selector.name, NULL};
    }
    if (parser->now.kind == TOKEN_BRACE_OPEN) {
        good = parse_matchers(parser, &list);
        end = parser->last_end;
    }
    expr->at.end = end;
    expr->selector.n_matchers = list.n;
    expr->selector.matchers = list_take(parser, &list);
    keep_selector(parser, expr);
    return good ? check_selector(parser, expr) : NULL;
}

/* ---- calls and aggregations ---- */

/* ( expr, expr ): no comma at the end. */
static bool parse_args(struct parser *parser, const char *where, struct expr ***ret_args,
                       size_t *ret_count) {
    struct element_list list = {.size = sizeof(struct expr *)};
    bool good = accept(parser, TOKEN_PAREN_OPEN);
    if (!good) {
        parser_unexpected(parser, where, "\"(\"");
    } else if (!accept(parser, TOKEN_PAREN_CLOSE)) {
        do {
            struct expr **arg = list_add(parser, &list);
            good = arg != NULL && (*arg = parse_expr(parser, 0)) != NULL;
        } while (good && accept(parser, TOKEN_COMMA));
        if (good && !accept(parser, TOKEN_PAREN_CLOSE)) {
            parser_unexpected(parser, where, "\",\" or \")\"");
            good = false;
        }
    }
    *ret_count = list.n;
    *ret_args = list_take(parser, &list);
    return good;
}

static struct expr *parse_call(struct parser *parser) {
    struct expr *expr = node_new(parser, EXPR_CALL, parser->now.at.start);
    struct token name = advance(parser);
    expr->call.function = function_find(name.text);
    if (expr->call.function == NULL) {
        return parser_fail(parser, name.at.start, "unknown function with name \"%.*s\"",
                           (int)(name.text.len < 100 ? name.text.len : 100), name.text.data);
    }
    if (!parse_args(parser, "function call", &expr->call.args, &expr->call.n_args)) {
        return NULL;
    }
    expr->at.end = parser->last_end;
    return check_call(parser, expr);
}

static bool parse_grouping(struct parser *parser, struct expr *expr) {
    if (parser->now.kind != TOKEN_BY && parser->now.kind != TOKEN_WITHOUT) {
        return true;
    }
    expr->aggregate.without = advance(parser).kind == TOKEN_WITHOUT;
    expr->aggregate.grouped = true;
    return parse_names(parser, &expr->aggregate.grouping);
}

static struct expr *parse_aggregate(struct parser *parser) {
    struct expr *expr = node_new(parser, EXPR_AGGREGATE, parser->now.at.start);
    struct expr **args;
    size_t n_args;
    expr->aggregate.op = (enum aggregate_op)advance(parser).number;
    if (!parse_grouping(parser, expr) || !parse_args(parser, "aggregation", &args, &n_args)) {
        return NULL;
    }
    if (!expr->aggregate.grouped && !parse_grouping(parser, expr)) {
        return NULL;
    }
    expr->at.end = parser->last_end;
    size_t wanted = aggregate_table[expr->aggregate.op].has_parameter ? 2 : 1;
    if (n_args == 0) {
        return parser_fail(parser, expr->at.start,
                           "no arguments for aggregate expression provided");
    }
    if (n_args != wanted) {
        return parser_fail(
            parser, expr->at.start,
            "wrong number of arguments for aggregate expression provided, expected %zu, got %zu",
            wanted, n_args);
    }
    expr->aggregate.parameter = wanted == 2 ? args[0] : NULL;
    expr->aggregate.inner = args[wanted - 1];
    return check_aggregate(parser, expr);
}

/* ---- what stands behind an operand ---- */

static struct expr *make_range(struct parser *parser, struct expr *expr, int64_t range_ms) {
    if (expr->kind != EXPR_SELECTOR || expr->type != VALUE_VECTOR) {
        return parser_fail(parser, expr->at.start, "ranges only allowed for vector selectors");
    }
    if (expr->selector.shift.offset_given) {
        return parser_fail(parser, expr->at.start, "no offset modifiers allowed before range");
    }
    if (expr->selector.shift.at != AT_EVALUATION) {
        return parser_fail(parser, expr->at.start, "no @ modifiers allowed before range");
    }
    expr->type = VALUE_MATRIX;
    expr->selector.range_ms = range_ms;
    return expr;
}

static struct expr *make_subquery(struct parser *parser, struct expr *inner, int64_t range_ms,
                                  int64_t step_ms) {
    if (inner->type != VALUE_VECTOR) {
        return parser_fail(parser, inner->at.start,
                           "subquery is only allowed on instant vector, got %s instead",
                           value_type_names[inner->type]);
    }
    struct expr *expr = node_new(parser, EXPR_SUBQUERY, inner->at.start);
    expr->type = VALUE_MATRIX;
    expr->subquery.inner = inner;
    expr->subquery.range_ms = range_ms;
    expr->subquery.step_ms = step_ms;
    return expr;
}

/* [range] or [range:step] */
static struct expr *parse_brackets(struct parser *parser, struct expr *expr) {
    int64_t range_ms, step_ms = 0;
    const char *where = "subquery or range";
    advance(parser);
    if (!parse_positive_duration(parser, where, &range_ms)) {
        return NULL;
    }
    bool subquery = accept(parser, TOKEN_COLON);
    if (subquery && parser->now.kind != TOKEN_BRACKET_CLOSE &&
        !parse_positive_duration(parser, where, &step_ms)) {
        return NULL;
    }
    if (!accept(parser, TOKEN_BRACKET_CLOSE)) {
        return parser_unexpected(parser, where, subquery ? "\"]\"" : "\":\" or \"]\"");
    }
    return subquery ? make_subquery(parser, expr, range_ms, step_ms)
                    : make_range(parser, expr, range_ms);
}

static struct expr *parse_postfix(struct parser *parser, struct expr *expr) {
    while (expr != NULL) {
        if (parser->now.kind == TOKEN_BRACKET_OPEN) {
            expr = parse_brackets(parser, expr);
        } else if (parser->now.kind == TOKEN_OFFSET) {
            expr = parse_offset(parser, expr);
        } else if (parser->now.kind == TOKEN_AT) {
            expr = parse_at(parser, expr);
        } else {
            return expr;
        }
        if (expr != NULL) {
            expr->at.end = parser->last_end;
        }
    }
    return NULL;
}

/* ---- operands ---- */

static struct expr *parse_number(struct parser *parser) {
    struct expr *expr = node_new(parser, EXPR_NUMBER, parser->now.at.start);
    struct token token = advance(parser);
    expr->type = VALUE_SCALAR;
    expr->at = token.at;
    expr->number.duration = token.kind == TOKEN_DURATION;
    if (!promql_number(token.text, &expr->number.value)) {
        return parser_fail(parser, token.at.start, "error parsing number: %.*s",
                           (int)(token.text.len < 100 ? token.text.len : 100), token.text.data);
    }
    return expr;
}

static struct expr *parse_string(struct parser *parser) {
    struct expr *expr = node_new(parser, EXPR_STRING, parser->now.at.start);
    expr->type = VALUE_STRING;
    expr->at = parser->now.at;
    return take_string(parser, &expr->string) ? expr : NULL;
}

static struct expr *parse_paren(struct parser *parser) {
    struct expr *expr = node_new(parser, EXPR_PAREN, parser->now.at.start);
    advance(parser);
    expr->inner = parse_expr(parser, 0);
    if (expr->inner == NULL) {
        return NULL;
    }
    if (!accept(parser, TOKEN_PAREN_CLOSE)) {
        return parser_unexpected(parser, "parentheses", "\")\"");
    }
    expr->type = expr->inner->type;
    expr->at.end = parser->last_end;
    return expr;
}

/* Words that are no name of a metric wherever they stand. */
static bool is_reserved(const struct token *token) {
    return token->kind == TOKEN_BOOL || token->kind == TOKEN_ON || token->kind == TOKEN_IGNORING ||
           token->kind == TOKEN_GROUP_LEFT || token->kind == TOKEN_GROUP_RIGHT;
}

static struct expr *parse_operand(struct parser *parser) {
    const struct token *now = &parser->now;
    enum token_kind ahead = parser->ahead.kind;
    switch (now->kind) {
    case TOKEN_NUMBER:
    case TOKEN_DURATION:
        return parse_number(parser);
    case TOKEN_STRING:
        return parse_string(parser);
    case TOKEN_PAREN_OPEN:
        return parse_paren(parser);
    case TOKEN_BRACE_OPEN:
    case TOKEN_METRIC:
        return parse_selector(parser);
    case TOKEN_IDENTIFIER:
        return ahead == TOKEN_PAREN_OPEN ? parse_call(parser) : parse_selector(parser);
    case TOKEN_AGGREGATE:
        if (ahead == TOKEN_PAREN_OPEN || ahead == TOKEN_BY || ahead == TOKEN_WITHOUT) {
            return parse_aggregate(parser);
        }
        return parse_selector(parser);
    default:
        if (is_word_token(now) && !is_reserved(now)) {
            return parse_selector(parser);
        }
        return parser_unexpected(parser, NULL, NULL);
    }
}

static struct expr *parse_unary(struct parser *parser) {
    if (!is_operator(&parser->now, OP_ADD) && !is_operator(&parser->now, OP_SUB)) {
        return parse_postfix(parser, parse_operand(parser));
    }
    struct token sign = advance(parser);
    struct expr *inner = parse_expr(parser, UNARY_PRECEDENCE + 1);
    if (inner == NULL) {
        return NULL;
    }
    if (inner->kind == EXPR_NUMBER) {
        inner->number.value = sign.number == OP_SUB ? -inner->number.value : inner->number.value;
        inner->at.start = sign.at.start;
        return inner;
    }
    struct expr *expr = node_new(parser, EXPR_UNARY, sign.at.start);
    expr->inner = inner;
    expr->at.end = inner->at.end;
    return check_unary(parser, expr) == NULL ? NULL : sign.number == OP_SUB ? expr : inner;
}

/* ---- operators ---- */

static bool parse_matching(struct parser *parser, struct matching *matching) {
    if (parser->now.kind != TOKEN_ON && parser->now.kind != TOKEN_IGNORING) {
        return true;
    }
    matching->given = true;
    matching->on = advance(parser).kind == TOKEN_ON;
    if (!parse_names(parser, &matching->labels)) {
        return false;
    }
    if (parser->now.kind != TOKEN_GROUP_LEFT && parser->now.kind != TOKEN_GROUP_RIGHT) {
        return true;
    }
    matching->card = advance(parser).kind == TOKEN_GROUP_LEFT ? CARD_MANY_TO_ONE : CARD_ONE_TO_MANY;
    return parser->now.kind != TOKEN_PAREN_OPEN || parse_names(parser, &matching->include);
}

static struct expr *parse_binary(struct parser *parser, struct expr *left) {
    struct expr *expr = node_new(parser, EXPR_BINARY, left->at.start);
    uint32_t operator_at = parser->now.at.start;
    expr->binary.op = (enum operator)advance(parser).number;
    expr->binary.left = left;
    expr->binary.bool_modifier = accept(parser, TOKEN_BOOL);
    if (!parse_matching(parser, &expr->binary.matching)) {
        return NULL;
    }
    const struct operator_info *info = &operator_table[expr->binary.op];
    expr->binary.right = parse_expr(parser, info->precedence + (info->right ? 0 : 1));
    if (expr->binary.right == NULL) {
        return NULL;
    }
    expr->at.end = expr->binary.right->at.end;
    return check_binary(parser, expr, operator_at);
}

static struct expr *parse_expr(struct parser *parser, int precedence) {
    if (++parser->depth > QUERY_MOST_DEPTH) {
        return parser_fail(parser, parser->now.at.start, "nested more than %d deep",
                           QUERY_MOST_DEPTH);
    }
    struct expr *expr = parse_unary(parser);
    while (expr != NULL && parser->now.kind == TOKEN_OPERATOR &&
           operator_table[parser->now.number].precedence >= precedence) {
        if (++parser->operators > QUERY_MOST_OPERATORS) {
            return parser_fail(parser, parser->now.at.start, "more than %d operators",
                               QUERY_MOST_OPERATORS);
        }
        expr = parse_binary(parser, expr);
    }
    parser->depth--;
    return expr;
}

/* ---- entries ---- */

static void parser_init(struct parser *parser, struct str text) {
    parser->text = text;
    parser->lexer.text = text;
    parser->now = lexer_next(&parser->lexer);
    parser->ahead = lexer_next(&parser->lexer);
}

static int finish(struct parser *parser, struct expr *root) {
    if (root != NULL && parser->now.kind != TOKEN_END) {
        root = parser_unexpected(parser, NULL, NULL);
    }
    parser->parsed->root = root;
    if (root == NULL) {
        parsed_deinit(parser->parsed);
        return -EINVAL;
    }
    return 0;
}

int promql_parse(struct str text, const struct parse_options *options, struct arena *arena,
                 struct parsed *ret, struct error *err) {
    struct error ignored = {0};
    struct parser parser = {
        .arena = arena,
        .err = err != NULL ? err : &ignored,
        .experimental = options != NULL && options->experimental,
        .parsed = ret,
    };
    *ret = (struct parsed){0};
    if (text.len > QUERY_MOST_BYTES) {
        return error_say(parser.err, -EINVAL, "the expression has more than %zu bytes",
                         QUERY_MOST_BYTES);
    }
    ret->text = arena_dup(arena, text);
    parser_init(&parser, ret->text);
    if (parser.now.kind == TOKEN_END) {
        return error_set(parser.err, -EINVAL, (struct position){NULL, 1, 1},
                         "no expression found in input");
    }
    return finish(&parser, parse_expr(&parser, 0));
}

int promql_parse_selector(struct str text, struct arena *arena, struct parsed *ret,
                          struct error *err) {
    int r = promql_parse(text, NULL, arena, ret, err);
    if (r == 0 &&
        (ret->root->kind != EXPR_SELECTOR || ret->root->type != VALUE_VECTOR ||
         ret->root->selector.shift.offset_given || ret->root->selector.shift.at != AT_EVALUATION)) {
        parsed_deinit(ret);
        return error_set(err, -EINVAL, (struct position){NULL, 1, 1},
                         "only a selector is allowed here");
    }
    return r;
}

void parsed_deinit(struct parsed *parsed) {
    for (struct expr *expr = parsed->selectors; expr != NULL; expr = expr->selector.next) {
        for (size_t i = 0; i < expr->selector.n_matchers; i++) {
            matcher_deinit(&expr->selector.matchers[i]);
        }
    }
    parsed->selectors = NULL;
    parsed->root = NULL;
}
