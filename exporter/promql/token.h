/* SPDX-License-Identifier: Apache-2.0 */

/* From text to tokens. What a word means depends on where it stands: inside braces every word is an
 * identifier, after a number a duration may go on, inside brackets ':' separates. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "promql/ast.h"

enum token_kind {
    TOKEN_END,
    TOKEN_ERROR, /* error is set */
    TOKEN_IDENTIFIER,
    TOKEN_METRIC, /* a word with ':' */
    TOKEN_STRING,
    TOKEN_NUMBER,
    TOKEN_DURATION,
    TOKEN_PAREN_OPEN,
    TOKEN_PAREN_CLOSE,
    TOKEN_BRACE_OPEN,
    TOKEN_BRACE_CLOSE,
    TOKEN_BRACKET_OPEN,
    TOKEN_BRACKET_CLOSE,
    TOKEN_COMMA,
    TOKEN_COLON,
    TOKEN_AT,
    TOKEN_ASSIGN,    /* = */
    TOKEN_EQL_REGEX, /* =~ */
    TOKEN_NEQ_REGEX, /* !~ */
    TOKEN_OPERATOR,  /* number is an enum operator; '!=' too */
    TOKEN_AGGREGATE, /* number is an enum aggregate_op */
    TOKEN_OFFSET,
    TOKEN_BY,
    TOKEN_WITHOUT,
    TOKEN_ON,
    TOKEN_IGNORING,
    TOKEN_GROUP_LEFT,
    TOKEN_GROUP_RIGHT,
    TOKEN_BOOL,
};

struct token {
    enum token_kind kind;
    struct span at;
    struct str text; /* borrowed from the query */
    int number;
};

struct lexer {
    struct str text;
    uint32_t at;
    bool braces, brackets; /* inside of */
    unsigned parens;
    struct error error; /* of TOKEN_ERROR */
};

/* The next token. After TOKEN_END and TOKEN_ERROR it stays the same. */
struct token lexer_next(struct lexer *lexer);

/* What a token is called in messages: `<op:+>`, `"("`, `identifier "x"`, `end of input`. */
void token_describe(const struct token *token, struct strbuf *out);
