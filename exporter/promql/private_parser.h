/* SPDX-License-Identifier: Apache-2.0 */

/* What the files of the parser share: its state, and the checks of finished nodes. */
#pragma once

#include "promql/parser.h"
#include "promql/token.h"

struct parser {
    struct lexer lexer;
    struct token now, ahead;
    uint32_t last_end; /* of the token before now */
    struct arena *arena;
    struct error *err;
    struct str text;
    bool experimental;
    unsigned depth, operators;
    struct parsed *parsed;
};

/* Sets the error at a byte of the text, unless one is set. Return: NULL, for callers that return
 * a node. */
void *parser_fail(struct parser *parser, uint32_t at, const char *format, ...) PRINTF_LIKE(3, 4);

/* "unexpected X in <where>, expected <what>"; what may be NULL. */
void *parser_unexpected(struct parser *parser, const char *where, const char *what);

/* check.c: the rules that a node has to keep, given nodes below it that do. They set types.
 * Return: the node, or NULL after parser_fail(). */
struct expr *check_binary(struct parser *parser, struct expr *expr, uint32_t operator_at);
struct expr *check_unary(struct parser *parser, struct expr *expr);
struct expr *check_call(struct parser *parser, struct expr *expr);
struct expr *check_aggregate(struct parser *parser, struct expr *expr);
struct expr *check_selector(struct parser *parser, struct expr *expr);
