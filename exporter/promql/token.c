/* SPDX-License-Identifier: Apache-2.0 */

/* The lexer: one function per kind of token, chosen by the first character. */
#include "promql/token.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <strings.h>

struct keyword {
    const char *text;
    enum token_kind kind;
    int number;
};

static const struct keyword keywords[] = {
    {"and", TOKEN_OPERATOR, OP_AND},
    {"atan2", TOKEN_OPERATOR, OP_ATAN2},
    {"bool", TOKEN_BOOL, 0},
    {"by", TOKEN_BY, 0},
    {"group_left", TOKEN_GROUP_LEFT, 0},
    {"group_right", TOKEN_GROUP_RIGHT, 0},
    {"ignoring", TOKEN_IGNORING, 0},
    {"inf", TOKEN_NUMBER, 0},
    {"nan", TOKEN_NUMBER, 0},
    {"offset", TOKEN_OFFSET, 0},
    {"on", TOKEN_ON, 0},
    {"or", TOKEN_OPERATOR, OP_OR},
    {"unless", TOKEN_OPERATOR, OP_UNLESS},
    {"without", TOKEN_WITHOUT, 0},
};

/* Punctuation outside braces; of two with the same beginning the longer one comes first. */
static const struct keyword signs[] = {
    {"!=", TOKEN_OPERATOR, OP_NEQ}, {"%", TOKEN_OPERATOR, OP_MOD},
    {"*", TOKEN_OPERATOR, OP_MUL},  {"+", TOKEN_OPERATOR, OP_ADD},
    {",", TOKEN_COMMA, 0},          {"-", TOKEN_OPERATOR, OP_SUB},
    {"/", TOKEN_OPERATOR, OP_DIV},  {"<=", TOKEN_OPERATOR, OP_LTE},
    {"<", TOKEN_OPERATOR, OP_LSS},  {"==", TOKEN_OPERATOR, OP_EQL},
    {"=", TOKEN_ASSIGN, 0},         {">=", TOKEN_OPERATOR, OP_GTE},
    {">", TOKEN_OPERATOR, OP_GTR},  {"@", TOKEN_AT, 0},
    {"^", TOKEN_OPERATOR, OP_POW},
};

static const struct keyword brace_signs[] = {
    {"!=", TOKEN_OPERATOR, OP_NEQ}, {"!~", TOKEN_NEQ_REGEX, 0}, {",", TOKEN_COMMA, 0},
    {"=~", TOKEN_EQL_REGEX, 0},     {"=", TOKEN_ASSIGN, 0},     {"}", TOKEN_BRACE_CLOSE, 0},
};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_hex_digit(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_word_start(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_word(char c) {
    return is_word_start(c) || is_digit(c);
}

/* '\0' at the end; a zero byte in the text is no character of any token. */
static char peek(const struct lexer *lexer, size_t ahead) {
    size_t at = lexer->at + ahead;
    return at < lexer->text.len ? lexer->text.data[at] : '\0';
}

static struct token token_of(struct lexer *lexer, enum token_kind kind, size_t len, int number) {
    struct token token = {
        .kind = kind,
        .at = {lexer->at, lexer->at + (uint32_t)len},
        .text = {lexer->text.data + lexer->at, len},
        .number = number,
    };
    lexer->at += (uint32_t)len;
    return token;
}

static struct token fail(struct lexer *lexer, size_t len, const char *what) {
    struct token token = token_of(lexer, TOKEN_ERROR, 0, 0);
    struct str found = {lexer->text.data + lexer->at, len};
    if (len == 0) {
        error_say(&lexer->error, -EINVAL, "%s", what);
    } else {
        error_say(&lexer->error, -EINVAL, "%s: '%.*s'", what, (int)(len < 100 ? len : 100),
                  found.data);
    }
    token.at.end = token.at.start + (uint32_t)len;
    return token;
}

static struct token fail_character(struct lexer *lexer, const char *what) {
    struct str rest = {lexer->text.data + lexer->at, lexer->text.len - lexer->at};
    size_t len = utf8_length(rest.data, rest.len);
    if (len == 0 || (unsigned char)rest.data[0] < ' ') {
        char text[96];
        snprintf(text, sizeof(text), "%s: byte 0x%02x", what, (unsigned char)rest.data[0]);
        return fail(lexer, 0, text);
    }
    return fail(lexer, len, what);
}

static void skip_blanks(struct lexer *lexer) {
    for (;; lexer->at++) {
        char c = peek(lexer, 0);
        if (c == '#') {
            while (lexer->at < lexer->text.len && peek(lexer, 0) != '\n') {
                lexer->at++;
            }
        }
        c = peek(lexer, 0);
        if (c != ' ' && c != '\t' && c != '\n' && c != '\r') {
            return;
        }
    }
}

/* Length of [0-9]+unit groups from here, or 0. */
static size_t scan_duration(const struct lexer *lexer) {
    size_t len = 0;
    while (is_digit(peek(lexer, len))) {
        size_t at = len;
        while (is_digit(peek(lexer, at))) {
            at++;
        }
        if (peek(lexer, at) == 'm' && peek(lexer, at + 1) == 's') {
            at += 2;
        } else if (peek(lexer, at) != '\0' && strchr("smhdwy", peek(lexer, at)) != NULL) {
            at++;
        } else {
            return 0;
        }
        len = at;
    }
    return is_word(peek(lexer, len)) ? 0 : len;
}

static size_t scan_digits(const struct lexer *lexer, size_t at, bool (*is)(char c)) {
    while (is(peek(lexer, at)) || (peek(lexer, at) == '_' && is(peek(lexer, at + 1)))) {
        at++;
    }
    return at;
}

static struct token next_number(struct lexer *lexer) {
    size_t len = scan_duration(lexer);
    if (len > 0) {
        return token_of(lexer, TOKEN_DURATION, len, 0);
    }
    if (peek(lexer, 0) == '0' && (peek(lexer, 1) | 0x20) == 'x' && is_hex_digit(peek(lexer, 2))) {
        len = scan_digits(lexer, 2, is_hex_digit);
    } else {
        len = scan_digits(lexer, 0, is_digit);
        if (peek(lexer, len) == '.') {
            len = scan_digits(lexer, len + 1, is_digit);
        }
        if ((peek(lexer, len) | 0x20) == 'e') {
            size_t sign = peek(lexer, len + 1) == '+' || peek(lexer, len + 1) == '-';
            if (is_digit(peek(lexer, len + 1 + sign))) {
                len = scan_digits(lexer, len + 1 + sign, is_digit);
            }
        }
    }
    if (is_word(peek(lexer, len))) {
        while (is_word(peek(lexer, len))) {
            len++;
        }
        return fail(lexer, len, "bad number or duration syntax");
    }
    return token_of(lexer, TOKEN_NUMBER, len, 0);
}

static struct token next_string(struct lexer *lexer) {
    char quote = peek(lexer, 0);
    size_t len = 1;
    for (; lexer->at + len < lexer->text.len; len++) {
        char c = peek(lexer, len);
        if (c == quote) {
            return token_of(lexer, TOKEN_STRING, len + 1, 0);
        }
        if (quote != '`' && c == '\n') {
            break;
        }
        if (quote != '`' && c == '\\') {
            len++;
        }
    }
    return fail(lexer, 0, quote == '`' ? "unterminated raw string" : "unterminated quoted string");
}

static struct token next_word(struct lexer *lexer) {
    size_t len = 0;
    bool colon = false;
    bool may_have_colon = !lexer->braces && !lexer->brackets;
    while (is_word(peek(lexer, len)) || (may_have_colon && peek(lexer, len) == ':')) {
        colon |= peek(lexer, len) == ':';
        len++;
    }
    if (colon || lexer->braces) {
        return token_of(lexer, colon ? TOKEN_METRIC : TOKEN_IDENTIFIER, len, 0);
    }
    const char *word = lexer->text.data + lexer->at;
    for (size_t i = 0; i < ARRAY_LEN(keywords); i++) {
        if (strlen(keywords[i].text) == len && strncasecmp(word, keywords[i].text, len) == 0) {
            return token_of(lexer, keywords[i].kind, len, keywords[i].number);
        }
    }
    for (int i = 0; i < AGGREGATE_COUNT_OF; i++) {
        const char *name = aggregate_table[i].name;
        if (strlen(name) == len && strncasecmp(word, name, len) == 0) {
            return token_of(lexer, TOKEN_AGGREGATE, len, i);
        }
    }
    return token_of(lexer, TOKEN_IDENTIFIER, len, 0);
}

static const struct keyword *find_sign(const struct lexer *lexer, const struct keyword *list,
                                       size_t count) {
    for (size_t i = 0; i < count; i++) {
        const char *text = list[i].text;
        if (peek(lexer, 0) == text[0] && (text[1] == '\0' || peek(lexer, 1) == text[1])) {
            return &list[i];
        }
    }
    return NULL;
}

static struct token next_in_braces(struct lexer *lexer) {
    char c = peek(lexer, 0);
    if (c == '"' || c == '\'' || c == '`') {
        return next_string(lexer);
    }
    if (is_word_start(c)) {
        return next_word(lexer);
    }
    const struct keyword *sign = find_sign(lexer, brace_signs, ARRAY_LEN(brace_signs));
    if (sign == NULL) {
        return fail_character(lexer, "unexpected character inside braces");
    }
    lexer->braces = sign->kind != TOKEN_BRACE_CLOSE;
    return token_of(lexer, sign->kind, strlen(sign->text), sign->number);
}

/* Parentheses, brackets and braces, which have to close what was opened. */
static struct token next_bracket(struct lexer *lexer, char c) {
    switch (c) {
    case '(':
        lexer->parens++;
        return token_of(lexer, TOKEN_PAREN_OPEN, 1, 0);
    case ')':
        if (lexer->parens == 0) {
            return fail(lexer, 0, "unexpected right parenthesis ')'");
        }
        lexer->parens--;
        return token_of(lexer, TOKEN_PAREN_CLOSE, 1, 0);
    case '{':
        lexer->braces = true;
        return token_of(lexer, TOKEN_BRACE_OPEN, 1, 0);
    case '[':
        if (lexer->brackets) {
            return fail(lexer, 0, "unexpected left bracket '['");
        }
        lexer->brackets = true;
        return token_of(lexer, TOKEN_BRACKET_OPEN, 1, 0);
    case ']':
        if (!lexer->brackets) {
            return fail(lexer, 0, "unexpected right bracket ']'");
        }
        lexer->brackets = false;
        return token_of(lexer, TOKEN_BRACKET_CLOSE, 1, 0);
    default:
        return fail(lexer, 0, "unexpected right brace '}'");
    }
}

static struct token next_at_end(struct lexer *lexer) {
    if (lexer->braces) {
        return fail(lexer, 0, "unexpected end of input inside braces");
    }
    if (lexer->brackets) {
        return fail(lexer, 0, "unclosed left bracket");
    }
    if (lexer->parens > 0) {
        return fail(lexer, 0, "unclosed left parenthesis");
    }
    return token_of(lexer, TOKEN_END, 0, 0);
}

struct token lexer_next(struct lexer *lexer) {
    if (error_is_set(&lexer->error)) {
        return token_of(lexer, TOKEN_ERROR, 0, 0);
    }
    skip_blanks(lexer);
    if (lexer->at >= lexer->text.len) {
        return next_at_end(lexer);
    }
    if (lexer->braces) {
        return next_in_braces(lexer);
    }
    char c = peek(lexer, 0);
    if (is_digit(c) || (c == '.' && is_digit(peek(lexer, 1)))) {
        return next_number(lexer);
    }
    if (c == ':' && lexer->brackets) {
        return token_of(lexer, TOKEN_COLON, 1, 0);
    }
    if (is_word_start(c) || c == ':') {
        return next_word(lexer);
    }
    if (c == '"' || c == '\'' || c == '`') {
        return next_string(lexer);
    }
    if (c != '\0' && strchr("(){}[]", c) != NULL) {
        return next_bracket(lexer, c);
    }
    const struct keyword *sign = find_sign(lexer, signs, ARRAY_LEN(signs));
    if (sign == NULL) {
        return fail_character(lexer, "unexpected character");
    }
    return token_of(lexer, sign->kind, strlen(sign->text), sign->number);
}

void token_describe(const struct token *token, struct strbuf *out) {
    static const char *const names[] = {
        [TOKEN_IDENTIFIER] = "identifier ", [TOKEN_METRIC] = "metric identifier ",
        [TOKEN_STRING] = "string ",         [TOKEN_NUMBER] = "number ",
        [TOKEN_DURATION] = "duration ",     [TOKEN_BOOL] = "",
    };
    switch (token->kind) {
    case TOKEN_END:
        strbuf_add_text(out, "end of input");
        return;
    case TOKEN_OPERATOR:
        strbuf_printf(out, "<op:%s>", operator_table[token->number].text);
        return;
    case TOKEN_AGGREGATE:
        strbuf_printf(out, "<aggr:%s>", aggregate_table[token->number].name);
        return;
    case TOKEN_OFFSET:
    case TOKEN_BY:
    case TOKEN_WITHOUT:
    case TOKEN_ON:
    case TOKEN_IGNORING:
    case TOKEN_GROUP_LEFT:
    case TOKEN_GROUP_RIGHT:
    case TOKEN_BOOL:
        strbuf_add_char(out, '<');
        for (size_t i = 0; i < token->text.len; i++) {
            strbuf_add_char(out, (char)tolower((unsigned char)token->text.data[i]));
        }
        strbuf_add_char(out, '>');
        return;
    default:
        break;
    }
    size_t len = token->text.len < 100 ? token->text.len : 100;
    const char *name = token->kind < ARRAY_LEN(names) ? names[token->kind] : NULL;
    strbuf_add_text(out, name != NULL ? name : "");
    bool quoted = token->kind == TOKEN_STRING;
    strbuf_printf(out, quoted ? "%.*s" : "\"%.*s\"", (int)len, token->text.data);
}
