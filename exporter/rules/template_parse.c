/* SPDX-License-Identifier: Apache-2.0 */

/* From the text of a template to its tree. */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "promql/parser.h"
#include "rules/private_template.h"

enum token_kind {
    T_END,   /* of the text */
    T_TEXT,  /* outside of actions */
    T_CLOSE, /* }} */
    T_WORD,  /* a name, or a keyword */
    T_FIELD, /* .name */
    T_DOT,
    T_VARIABLE,
    T_STRING,
    T_CHAR,
    T_NUMBER,
    T_PIPE,
    T_OPEN_PAREN,
    T_CLOSE_PAREN,
    T_DECLARE, /* := */
    T_ASSIGN,  /* = */
    T_COMMA,
    T_ERROR,
};

struct token {
    enum token_kind kind;
    struct str text;
    size_t at;
    bool spaced; /* blanks stand before it */
};

struct template_parser {
    struct template *template;
    struct arena *arena;
    struct str text;
    size_t at;
    bool in_action;
    bool trim_next; /* the action before ended with -}} */
    struct token now;
    struct error *err;
    unsigned depth, loops;
    size_t n_variables, variables_capacity;
    struct str *variables; /* that are in scope */
};

static void *fail(struct template_parser *parser, size_t at, const char *format, ...)
    PRINTF_LIKE(3, 4);

static void *fail(struct template_parser *parser, size_t at, const char *format, ...) {
    char text[sizeof(parser->err->text)];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    error_set(parser->err, -EINVAL, text_position(parser->text, (uint32_t)at), "%s", text);
    return NULL;
}

/* ---- tokens ---- */

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static char peek(const struct template_parser *parser, size_t ahead) {
    size_t at = parser->at + ahead;
    return at < parser->text.len ? parser->text.data[at] : '\0';
}

static bool looking_at(const struct template_parser *parser, const char *text) {
    return str_starts_with(
        (struct str){parser->text.data + parser->at, parser->text.len - parser->at}, text);
}

static size_t find_open(const struct template_parser *parser) {
    size_t at = parser->at;
    while (at + 1 < parser->text.len &&
           !(parser->text.data[at] == '{' && parser->text.data[at + 1] == '{')) {
        at++;
    }
    return at + 1 < parser->text.len ? at : parser->text.len;
}

static struct str trim_left(struct str text) {
    while (text.len > 0 && is_space(text.data[0])) {
        text.data++;
        text.len--;
    }
    return text;
}

static struct str trim_right(struct str text) {
    while (text.len > 0 && is_space(text.data[text.len - 1])) {
        text.len--;
    }
    return text;
}

/* Behind {{ and a trim marker: skips a comment with its end. Return: false when there is none; the
 * token is an error when it does not end. */
static bool skip_comment(struct template_parser *parser) {
    if (!looking_at(parser, "/*")) {
        return false;
    }
    size_t from = parser->at;
    while (parser->at < parser->text.len && !looking_at(parser, "*/")) {
        parser->at++;
    }
    parser->at += 2;
    bool trim = is_space(peek(parser, 0)) && peek(parser, 1) == '-';
    parser->at += trim ? 2 : 0;
    if (parser->at > parser->text.len || !looking_at(parser, "}}")) {
        fail(parser, from, "a comment must end with */}}");
        parser->now.kind = T_ERROR;
        return true;
    }
    parser->at += 2;
    parser->trim_next = trim;
    parser->in_action = false;
    return true;
}

static void next_token(struct template_parser *parser);

/* Text up to the next action, and its beginning. */
static void next_text(struct template_parser *parser) {
    size_t from = parser->at, open = find_open(parser);
    struct str text = {parser->text.data + from, open - from};
    if (parser->trim_next) {
        text = trim_left(text);
        parser->trim_next = false;
    }
    if (open == parser->text.len) {
        parser->at = open;
        parser->now = (struct token){text.len > 0 ? T_TEXT : T_END, text, from, false};
        return;
    }
    parser->at = open + 2;
    parser->in_action = true;
    if (peek(parser, 0) == '-' && is_space(peek(parser, 1))) {
        text = trim_right(text);
        parser->at += 2;
    }
    skip_comment(parser);
    if (parser->now.kind == T_ERROR) {
        return;
    }
    if (text.len > 0) {
        parser->now = (struct token){T_TEXT, text, from, false};
    } else {
        next_token(parser);
    }
}

static void take(struct template_parser *parser, enum token_kind kind, size_t len, bool spaced) {
    parser->now = (struct token){kind, {parser->text.data + parser->at, len}, parser->at, spaced};
    parser->at += len;
}

static size_t quoted_length(const struct template_parser *parser, char quote) {
    for (size_t len = 1; parser->at + len < parser->text.len; len++) {
        char c = peek(parser, len);
        if (c == quote) {
            return len + 1;
        }
        if (quote != '`' && c == '\n') {
            return 0;
        }
        len += quote != '`' && c == '\\' ? 1 : 0;
    }
    return 0;
}

static size_t word_length(const struct template_parser *parser, size_t from) {
    size_t len = from;
    while (is_letter(peek(parser, len)) || (len > from && is_digit(peek(parser, len)))) {
        len++;
    }
    return len;
}

static size_t number_length(const struct template_parser *parser) {
    size_t len = peek(parser, 0) == '+' || peek(parser, 0) == '-' ? 1 : 0;
    while (is_digit(peek(parser, len)) || is_letter(peek(parser, len)) ||
           peek(parser, len) == '.' ||
           ((peek(parser, len) == '+' || peek(parser, len) == '-') &&
            (peek(parser, len - 1) | 0x20) == 'e')) {
        len++;
    }
    return len;
}

static bool starts_number(const struct template_parser *parser) {
    char c = peek(parser, 0), next = peek(parser, 1);
    return is_digit(c) || ((c == '+' || c == '-') && (is_digit(next) || next == '.')) ||
           (c == '.' && is_digit(next));
}

static void next_in_action(struct template_parser *parser) {
    bool spaced = false;
    for (; is_space(peek(parser, 0)) && parser->at < parser->text.len; parser->at++) {
        spaced = true;
        if (peek(parser, 1) == '-' && peek(parser, 2) == '}' && peek(parser, 3) == '}') {
            parser->trim_next = true;
            parser->at += 2;
            break;
        }
    }
    char c = peek(parser, 0);
    size_t len = 0;
    if (looking_at(parser, "}}")) {
        parser->in_action = false;
        take(parser, T_CLOSE, 2, spaced);
    } else if (parser->at >= parser->text.len) {
        fail(parser, parser->at, "unclosed action: }} is missing");
        parser->now = (struct token){T_ERROR, {"", 0}, parser->at, spaced};
    } else if (c == '"' || c == '`' || c == '\'') {
        len = quoted_length(parser, c);
        if (len == 0) {
            fail(parser, parser->at, "unterminated quoted string");
        }
        take(parser, len == 0 ? T_ERROR : c == '\'' ? T_CHAR : T_STRING, len, spaced);
    } else if (starts_number(parser)) {
        take(parser, T_NUMBER, number_length(parser), spaced);
    } else if (c == '.' && is_letter(peek(parser, 1))) {
        take(parser, T_FIELD, word_length(parser, 1), spaced);
    } else if (c == '.') {
        take(parser, T_DOT, 1, spaced);
    } else if (c == '$') {
        take(parser, T_VARIABLE, word_length(parser, 1), spaced);
    } else if (is_letter(c)) {
        take(parser, T_WORD, word_length(parser, 0), spaced);
    } else if (looking_at(parser, ":=")) {
        take(parser, T_DECLARE, 2, spaced);
    } else {
        static const char signs[] = "|()=,";
        static const enum token_kind kinds[] = {T_PIPE, T_OPEN_PAREN, T_CLOSE_PAREN, T_ASSIGN,
                                                T_COMMA};
        const char *sign = c != '\0' ? strchr(signs, c) : NULL;
        if (sign == NULL) {
            fail(parser, parser->at, "unexpected character '%c' in an action", c);
        }
        take(parser, sign != NULL ? kinds[sign - signs] : T_ERROR, 1, spaced);
    }
}

static void next_token(struct template_parser *parser) {
    if (parser->now.kind == T_ERROR) {
        return;
    }
    if (parser->in_action) {
        next_in_action(parser);
    } else {
        next_text(parser);
    }
}

static bool is_word(const struct template_parser *parser, const char *word) {
    return parser->now.kind == T_WORD && str_is(parser->now.text, word);
}

static bool expect_close(struct template_parser *parser) {
    if (parser->now.kind != T_CLOSE) {
        fail(parser, parser->now.at, "unexpected '%.*s', expected }}",
             (int)(parser->now.text.len < 60 ? parser->now.text.len : 60), parser->now.text.data);
        return false;
    }
    next_token(parser);
    return true;
}

/* ---- variables ---- */

static void declare(struct template_parser *parser, struct str name) {
    parser->variables = mem_grow(parser->variables, parser->n_variables,
                                 &parser->variables_capacity, sizeof(*parser->variables));
    parser->variables[parser->n_variables++] = name;
}

static bool is_declared(const struct template_parser *parser, struct str name) {
    for (size_t i = 0; i < parser->n_variables; i++) {
        if (str_equal(parser->variables[i], name)) {
            return true;
        }
    }
    return false;
}

/* ---- pipelines ---- */

static struct pipeline *parse_pipeline(struct template_parser *parser);

static bool parse_number_operand(struct template_parser *parser, struct operand *operand) {
    struct str text = parser->now.text;
    double value;
    bool is_float = false;
    bool hex = text.len > 1 && (text.data[1] == 'x' || text.data[1] == 'X');
    if (!promql_number(text, &value)) {
        return fail(parser, parser->now.at, "bad number '%.*s'",
                    (int)(text.len < 60 ? text.len : 60), text.data) != NULL;
    }
    for (size_t i = 0; !hex && i < text.len; i++) {
        is_float |= strchr(".eE", text.data[i]) != NULL;
    }
    operand->number = value;
    if (is_float) {
        operand->kind = OPERAND_FLOAT;
        return true;
    }
    operand->kind = OPERAND_INT;
    /* Decimal ones keep all of their digits; what no 64 bits hold is an error in Go too. */
    if (hex ? !(fabs(value) < 9223372036854775808.0) : !str_to_int64(text, &operand->integer)) {
        return fail(parser, parser->now.at, "integer overflow, or bad number '%.*s'",
                    (int)(text.len < 60 ? text.len : 60), text.data) != NULL;
    }
    operand->integer = hex ? (int64_t)value : operand->integer;
    return true;
}

static bool parse_word_operand(struct template_parser *parser, struct operand *operand) {
    struct str text = parser->now.text;
    if (str_is(text, "true") || str_is(text, "false")) {
        operand->kind = OPERAND_BOOL;
        operand->boolean = str_is(text, "true");
    } else if (str_is(text, "nil")) {
        operand->kind = OPERAND_NIL;
    } else {
        operand->kind = OPERAND_FUNCTION;
        operand->function = template_function_find(text);
        if (operand->function == NULL) {
            fail(parser, parser->now.at, "function \"%.*s\" not defined",
                 (int)(text.len < 60 ? text.len : 60), text.data);
            return false;
        }
        parser->template->is_volatile |= operand->function->is_volatile;
    }
    return true;
}

static bool parse_quoted_operand(struct template_parser *parser, struct operand *operand) {
    struct str text;
    if (!promql_unquote(parser->now.text, parser->arena, &text)) {
        fail(parser, parser->now.at, "bad quoted string");
        return false;
    }
    if (parser->now.kind == T_CHAR) {
        operand->kind = OPERAND_INT;
        operand->integer = text.len > 0 ? (unsigned char)text.data[0] : 0;
        return true;
    }
    operand->kind = OPERAND_TEXT;
    operand->text = text;
    return true;
}

static bool parse_operand_head(struct template_parser *parser, struct operand *operand) {
    const struct token *now = &parser->now;
    switch (now->kind) {
    case T_DOT:
        operand->kind = OPERAND_DOT;
        return true;
    case T_NUMBER:
        return parse_number_operand(parser, operand);
    case T_STRING:
    case T_CHAR:
        return parse_quoted_operand(parser, operand);
    case T_WORD:
        return parse_word_operand(parser, operand);
    case T_VARIABLE:
        operand->kind = OPERAND_VARIABLE;
        operand->text = now->text;
        if (!is_declared(parser, now->text)) {
            fail(parser, now->at, "undefined variable \"%.*s\"", (int)now->text.len,
                 now->text.data);
            return false;
        }
        return true;
    case T_OPEN_PAREN:
        operand->kind = OPERAND_PIPELINE;
        next_token(parser);
        operand->pipeline = parse_pipeline(parser);
        if (operand->pipeline != NULL && now->kind != T_CLOSE_PAREN) {
            fail(parser, now->at, "a parenthesis is not closed");
        }
        return operand->pipeline != NULL && now->kind == T_CLOSE_PAREN;
    default:
        fail(parser, now->at, "unexpected '%.*s' in operand",
             (int)(now->text.len < 60 ? now->text.len : 60), now->text.data);
        return false;
    }
}

static bool parse_operand(struct template_parser *parser, struct operand *operand) {
    struct arena *arena = parser->arena;
    struct str fields[TEMPLATE_MOST_ARGS];
    size_t n = 0;
    if (parser->now.kind == T_FIELD) {
        operand->kind = OPERAND_DOT;
        parser->now.spaced = false;
    } else {
        if (!parse_operand_head(parser, operand)) {
            return false;
        }
        next_token(parser);
    }
    while (parser->now.kind == T_FIELD && !parser->now.spaced && n < ARRAY_LEN(fields)) {
        fields[n++] = (struct str){parser->now.text.data + 1, parser->now.text.len - 1};
        next_token(parser);
    }
    operand->fields = arena_array(arena, n + 1, sizeof(*fields));
    operand->n_fields = n;
    if (n > 0) {
        memcpy(operand->fields, fields, n * sizeof(*fields));
    }
    return true;
}

static bool ends_command(enum token_kind kind) {
    return kind == T_PIPE || kind == T_CLOSE || kind == T_CLOSE_PAREN || kind == T_ERROR;
}

static bool parse_command(struct template_parser *parser, struct command *command) {
    struct operand operands[TEMPLATE_MOST_ARGS] = {0};
    size_t n = 0;
    while (!ends_command(parser->now.kind)) {
        if (n == TEMPLATE_MOST_ARGS) {
            fail(parser, parser->now.at, "more than %d operands", TEMPLATE_MOST_ARGS);
            return false;
        }
        if (!parse_operand(parser, &operands[n++])) {
            return false;
        }
    }
    if (n == 0) {
        fail(parser, parser->now.at, "missing value for command");
        return false;
    }
    command->operands = arena_array(parser->arena, n, sizeof(*operands));
    memcpy(command->operands, operands, n * sizeof(*operands));
    command->n_operands = n;
    return true;
}

/* $x := , $x, $y := , $x = : looked for ahead, because $x may also be an operand. */
static bool parse_variables(struct template_parser *parser, struct pipeline *pipeline) {
    struct template_parser before = *parser;
    size_t n = 0;
    while (parser->now.kind == T_VARIABLE && n < 2) {
        pipeline->variables[n++] = parser->now.text;
        next_token(parser);
        if (parser->now.kind != T_COMMA) {
            break;
        }
        next_token(parser);
    }
    bool declares = parser->now.kind == T_DECLARE, assigns = parser->now.kind == T_ASSIGN;
    if (n == 0 || (!declares && !assigns)) {
        struct error *err = parser->err;
        *parser = before;
        parser->err = err;
        pipeline->n_variables = 0;
        return true;
    }
    next_token(parser);
    pipeline->n_variables = n;
    pipeline->assigns = assigns;
    for (size_t i = 0; assigns && i < n; i++) {
        if (!is_declared(parser, pipeline->variables[i])) {
            fail(parser, before.now.at, "undefined variable \"%.*s\"",
                 (int)pipeline->variables[i].len, pipeline->variables[i].data);
            return false;
        }
    }
    return true;
}

static struct pipeline *parse_pipeline(struct template_parser *parser) {
    struct arena *arena = parser->arena;
    struct command commands[TEMPLATE_MOST_ARGS] = {0};
    struct pipeline *pipeline = arena_alloc(arena, sizeof(*pipeline));
    if (++parser->depth > TEMPLATE_MOST_DEPTH) {
        return fail(parser, parser->now.at, "nested more than %d deep", TEMPLATE_MOST_DEPTH);
    }
    if (!parse_variables(parser, pipeline)) {
        return NULL;
    }
    do {
        if (pipeline->n_commands > 0) {
            next_token(parser);
        }
        if (pipeline->n_commands == TEMPLATE_MOST_ARGS) {
            return fail(parser, parser->now.at, "more than %d commands", TEMPLATE_MOST_ARGS);
        }
        if (!parse_command(parser, &commands[pipeline->n_commands++])) {
            return NULL;
        }
    } while (parser->now.kind == T_PIPE);
    pipeline->commands = arena_array(arena, pipeline->n_commands, sizeof(*commands));
    memcpy(pipeline->commands, commands, pipeline->n_commands * sizeof(*commands));
    for (size_t i = 0; !pipeline->assigns && i < pipeline->n_variables; i++) {
        declare(parser, pipeline->variables[i]);
    }
    parser->depth--;
    return pipeline;
}

/* ---- nodes ---- */

enum block_end { BLOCK_END, BLOCK_ELSE, BLOCK_TEXT_END, BLOCK_ERROR };

static enum block_end parse_nodes(struct template_parser *parser, struct template_node **ret);

static struct template_node *node_new(struct template_parser *parser,
                                      enum template_node_kind kind) {
    struct template_node *node = arena_alloc(parser->arena, sizeof(*node));
    node->kind = kind;
    return node;
}

static struct template_node *parse_block(struct template_parser *parser,
                                         enum template_node_kind kind);

/* What follows {{else: }}, or if/with and another condition. */
static bool parse_else(struct template_parser *parser, enum template_node_kind kind,
                       struct template_node **ret) {
    const char *word = kind == NODE_IF ? "if" : kind == NODE_WITH ? "with" : NULL;
    if (word != NULL && is_word(parser, word)) {
        next_token(parser);
        *ret = parse_block(parser, kind);
        return *ret != NULL;
    }
    if (!expect_close(parser)) {
        return false;
    }
    enum block_end end = parse_nodes(parser, ret);
    if (end == BLOCK_ELSE) {
        fail(parser, parser->now.at, "{{else}} stands twice");
    } else if (end == BLOCK_TEXT_END) {
        fail(parser, parser->now.at, "{{end}} is missing");
    }
    return end == BLOCK_END && expect_close(parser);
}

/* if, range and with: behind the word. */
static struct template_node *parse_block(struct template_parser *parser,
                                         enum template_node_kind kind) {
    struct template_node *node = node_new(parser, kind);
    size_t scope = parser->n_variables;
    node->pipeline = parse_pipeline(parser);
    if (node->pipeline == NULL || !expect_close(parser)) {
        return NULL;
    }
    if (++parser->depth > TEMPLATE_MOST_DEPTH) {
        return fail(parser, parser->now.at, "nested more than %d deep", TEMPLATE_MOST_DEPTH);
    }
    parser->loops += kind == NODE_RANGE;
    enum block_end end = parse_nodes(parser, &node->body);
    parser->loops -= kind == NODE_RANGE;
    bool good = end == BLOCK_END    ? expect_close(parser)
                : end == BLOCK_ELSE ? parse_else(parser, kind, &node->otherwise)
                                    : false;
    if (end == BLOCK_TEXT_END) {
        fail(parser, parser->now.at, "{{end}} is missing");
    }
    parser->n_variables = scope;
    parser->depth--;
    return good ? node : NULL;
}

static bool take_name(struct template_parser *parser, struct str *ret) {
    if (parser->now.kind != T_STRING || !promql_unquote(parser->now.text, parser->arena, ret)) {
        fail(parser, parser->now.at, "expected a name in quotes");
        return false;
    }
    next_token(parser);
    return true;
}

/* The body of define and block, with only the dot as variable. */
static bool parse_definition(struct template_parser *parser, struct str name) {
    struct template_definition *definition = arena_alloc(parser->arena, sizeof(*definition));
    struct template_parser outside = *parser;
    struct str dollar[] = {str_of("$")};
    definition->name = name;
    if (++parser->depth > TEMPLATE_MOST_DEPTH) {
        return fail(parser, parser->now.at, "nested more than %d deep", TEMPLATE_MOST_DEPTH);
    }
    parser->variables = mem_dup(dollar, sizeof(dollar));
    parser->n_variables = parser->variables_capacity = ARRAY_LEN(dollar);
    parser->loops = 0;
    enum block_end end = parse_nodes(parser, &definition->body);
    if (end != BLOCK_END) {
        fail(parser, parser->now.at, "{{end}} is missing");
    }
    free(parser->variables);
    parser->variables = outside.variables;
    parser->n_variables = outside.n_variables;
    parser->variables_capacity = outside.variables_capacity;
    parser->loops = outside.loops;
    parser->depth--;
    definition->next = parser->template->definitions;
    parser->template->definitions = definition;
    return end == BLOCK_END && expect_close(parser);
}

/* template "name" [pipeline] */
static struct template_node *parse_template_call(struct template_parser *parser) {
    struct template_node *node = node_new(parser, NODE_TEMPLATE);
    if (!take_name(parser, &node->text)) {
        return NULL;
    }
    if (parser->now.kind != T_CLOSE && (node->pipeline = parse_pipeline(parser)) == NULL) {
        return NULL;
    }
    return expect_close(parser) ? node : NULL;
}

/* block "name" pipeline: a definition that is used where it stands. */
static struct template_node *parse_block_definition(struct template_parser *parser) {
    struct template_node *node = node_new(parser, NODE_TEMPLATE);
    if (!take_name(parser, &node->text) || (node->pipeline = parse_pipeline(parser)) == NULL ||
        !expect_close(parser)) {
        return NULL;
    }
    return parse_definition(parser, node->text) ? node : NULL;
}

static struct template_node *parse_loop_word(struct template_parser *parser,
                                             enum template_node_kind kind) {
    if (parser->loops == 0) {
        return fail(parser, parser->now.at, "{{break}} and {{continue}} stand in {{range}} only");
    }
    next_token(parser);
    return expect_close(parser) ? node_new(parser, kind) : NULL;
}

/* An action, behind {{. *ret_none: it leaves no node. */
static struct template_node *parse_action(struct template_parser *parser, bool *ret_none) {
    static const struct {
        const char *word;
        enum template_node_kind kind;
    } blocks[] = {{"if", NODE_IF}, {"range", NODE_RANGE}, {"with", NODE_WITH}};
    for (size_t i = 0; i < ARRAY_LEN(blocks); i++) {
        if (is_word(parser, blocks[i].word)) {
            next_token(parser);
            return parse_block(parser, blocks[i].kind);
        }
    }
    if (is_word(parser, "break") || is_word(parser, "continue")) {
        return parse_loop_word(parser, is_word(parser, "break") ? NODE_BREAK : NODE_CONTINUE);
    }
    if (is_word(parser, "template")) {
        next_token(parser);
        return parse_template_call(parser);
    }
    if (is_word(parser, "block")) {
        next_token(parser);
        return parse_block_definition(parser);
    }
    if (is_word(parser, "define")) {
        struct str name;
        next_token(parser);
        *ret_none =
            take_name(parser, &name) && expect_close(parser) && parse_definition(parser, name);
        return NULL;
    }
    struct template_node *node = node_new(parser, NODE_ACTION);
    node->pipeline = parse_pipeline(parser);
    return node->pipeline != NULL && expect_close(parser) ? node : NULL;
}

/* Up to {{end}} or {{else}}, of which the word is read but not the }}. */
static enum block_end parse_nodes(struct template_parser *parser, struct template_node **ret) {
    struct template_node **last = ret;
    *ret = NULL;
    while (parser->now.kind != T_END) {
        struct template_node *node;
        bool none = false;
        if (parser->now.kind == T_TEXT) {
            node = node_new(parser, NODE_TEXT);
            node->text = parser->now.text;
            next_token(parser);
        } else if (is_word(parser, "end") || is_word(parser, "else")) {
            enum block_end end = is_word(parser, "end") ? BLOCK_END : BLOCK_ELSE;
            next_token(parser);
            return end;
        } else {
            node = parse_action(parser, &none);
        }
        if (node == NULL && !none) {
            return BLOCK_ERROR;
        }
        if (node != NULL) {
            *last = node;
            last = &node->next;
        }
    }
    return BLOCK_TEXT_END;
}

int template_parse(struct template *template, struct arena *arena, struct error *err) {
    static const char *const given[] = {"$", "$labels", "$externalLabels", "$externalURL",
                                        "$value"};
    struct error ignored = {0};
    struct template_parser parser = {
        .template = template,
        .arena = arena,
        .text = template->text,
        .err = err != NULL ? err : &ignored,
    };
    for (size_t i = 0; i < ARRAY_LEN(given); i++) {
        declare(&parser, str_of(given[i]));
    }
    next_token(&parser);
    enum block_end end = parse_nodes(&parser, &template->body);
    if (end == BLOCK_END || end == BLOCK_ELSE) {
        fail(&parser, parser.now.at, "{{end}} or {{else}} without a beginning");
    }
    free(parser.variables);
    return end == BLOCK_TEXT_END && !error_is_set(parser.err) ? 0 : -EINVAL;
}
