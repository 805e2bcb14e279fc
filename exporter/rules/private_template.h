/* SPDX-License-Identifier: Apache-2.0 */

/* What the files of templates share: the tree, values, and the table of functions. */
#pragma once

#include "rules/template.h"

#define TEMPLATE_MOST_BYTES   ((size_t)64 * 1024)   /* of a text and of an expansion */
#define TEMPLATE_MOST_MADE    ((size_t)1024 * 1024) /* of all texts that functions made for it */
#define TEMPLATE_MOST_DEPTH   100
#define TEMPLATE_MOST_STEPS   100000
#define TEMPLATE_MOST_QUERIES 10
#define TEMPLATE_MOST_ARGS    32

/* ---- the tree ---- */

struct template_function;

enum operand_kind {
    OPERAND_DOT,
    OPERAND_NIL,
    OPERAND_BOOL,
    OPERAND_INT,
    OPERAND_FLOAT,
    OPERAND_TEXT,
    OPERAND_VARIABLE, /* text is its name with the dollar */
    OPERAND_FUNCTION,
    OPERAND_PIPELINE, /* in parentheses */
};

struct pipeline;

struct operand {
    enum operand_kind kind;
    bool boolean;
    int64_t integer;
    double number;
    struct str text;
    const struct template_function *function;
    struct pipeline *pipeline;
    struct str *fields; /* .a.b behind it */
    size_t n_fields;
};

struct command {
    struct operand *operands; /* the first is called with the others when it is a function */
    size_t n_operands;
};

struct pipeline {
    struct str variables[2]; /* := or = */
    size_t n_variables;
    bool assigns; /* = */
    struct command *commands;
    size_t n_commands;
};

enum template_node_kind {
    NODE_TEXT,
    NODE_ACTION,
    NODE_IF,
    NODE_RANGE,
    NODE_WITH,
    NODE_TEMPLATE,
    NODE_BREAK,
    NODE_CONTINUE,
};

struct template_node {
    enum template_node_kind kind;
    struct template_node *next;
    struct str text; /* of TEXT; of TEMPLATE the name */
    struct pipeline *pipeline;
    struct template_node *body, *otherwise;
};

struct template_definition {
    struct template_definition *next;
    struct str name;
    struct template_node *body;
};

struct template {
    struct str text; /* borrowed */
    struct template_node *body;
    struct template_definition *definitions;
    bool is_volatile, is_constant;
};

/* Fills template->body from template->text. Return: 0 or -EINVAL with *err. */
int template_parse(struct template *template, struct arena *arena, struct error *err);

/* ---- values ---- */

enum template_value_kind {
    TV_NIL,
    TV_BOOL,
    TV_INT,
    TV_FLOAT,
    TV_TEXT,
    TV_TIME,   /* seconds in number */
    TV_LABELS, /* a map of texts */
    TV_SAMPLE,
    TV_SAMPLES,
    TV_ARGS, /* arg0, arg1, ... */
    TV_DATA, /* the dot of the outermost template */
};

struct template_value {
    enum template_value_kind kind;
    bool boolean;
    int64_t integer;
    double number;
    struct str text;
    const struct label *labels;
    const struct template_sample *samples; /* one of SAMPLE */
    const struct template_value *args;
    size_t count; /* of labels, samples, args */
};

struct template_run {
    const struct template *template;
    const struct template_data *data;
    struct arena *arena;
    struct strbuf *out;
    size_t begin; /* of the expansion within out */
    struct error *err;
    struct {
        struct str name;
        struct template_value value;
    } * variables;
    size_t n_variables, variables_capacity;
    unsigned depth, steps, queries;
    size_t made; /* bytes of texts in the arena */
};

/* ---- functions ---- */

struct template_function {
    const char *name;
    int least, most; /* arguments; most -1: any number */
    bool is_volatile;
    /* Return: 0 or -EINVAL with run->err. */
    int (*call)(struct template_run *run, const struct template_value *args, size_t n,
                struct template_value *ret);
};

const struct template_function *template_function_find(struct str name);

/* Sets run->err. Return: -EINVAL. */
int template_fail(struct template_run *run, const char *format, ...) PRINTF_LIKE(2, 3);

/* A value as %v prints it. */
void template_print(const struct template_value *value, struct strbuf *out);

/* Of what Go calls a type: "float64", "string", ... */
const char *template_type(const struct template_value *value);

bool template_is_true(const struct template_value *value);

/* Go's fmt.Sprintf. */
void template_format(struct str format, const struct template_value *args, size_t n,
                     struct strbuf *out);

/* humanize.c: numbers for people; out is 64 bytes. */
void humanize(double value, char *out);
void humanize_1024(double value, char *out);
void humanize_duration(double value, char *out);
void humanize_percentage(double value, char *out);
/* Return: false when there is no such time. */
bool humanize_timestamp(double seconds, char *out);

static inline struct template_value template_text(struct str text) {
    return (struct template_value){.kind = TV_TEXT, .text = text};
}

static inline struct template_value template_number(double number) {
    return (struct template_value){.kind = TV_FLOAT, .number = number};
}

static inline struct template_value template_bool(bool boolean) {
    return (struct template_value){.kind = TV_BOOL, .boolean = boolean};
}
