/* SPDX-License-Identifier: Apache-2.0 */

/* Expanding a template: walking its tree with a dot, variables and limits. */
#include "rules/template.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "rules/private_template.h"

/* What a list of nodes ended with. */
enum flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE, FLOW_ERROR };

static enum flow run_nodes(struct template_run *run, const struct template_node *node,
                           const struct template_value *dot);
static int run_pipeline(struct template_run *run, const struct pipeline *pipeline,
                        const struct template_value *dot, struct template_value *ret);

int template_new(struct str text, struct arena *arena, struct template **ret, struct error *err) {
    if (text.len > TEMPLATE_MOST_BYTES) {
        return error_say(err, -EINVAL, "a template of more than %zu bytes", TEMPLATE_MOST_BYTES);
    }
    struct template *template = arena_alloc(arena, sizeof(*template));
    template->text = text.data != NULL ? text : str_of("");
    int r = template_parse(template, arena, err);
    if (r < 0) {
        return r;
    }
    const struct template_node *body = template->body;
    /* A text of comments alone has no body and is not what it gives. */
    template->is_constant = body != NULL && body->kind == NODE_TEXT && body->next == NULL &&
                            body->text.len == template->text.len;
    *ret = template;
    return 0;
}

struct str template_constant(const struct template *template) {
    return template->is_constant && template->text.len > 0 ? template->text : (struct str){0};
}

bool template_is_volatile(const struct template *template) {
    return template->is_volatile;
}

int template_fail(struct template_run *run, const char *format, ...) {
    char text[sizeof(run->err->text)];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return error_say(run->err, -EINVAL, "%s", text);
}

/* ---- variables and fields ---- */

static void set_variable(struct template_run *run, struct str name,
                         const struct template_value *value) {
    run->variables = mem_grow(run->variables, run->n_variables, &run->variables_capacity,
                              sizeof(*run->variables));
    run->variables[run->n_variables].name = name;
    run->variables[run->n_variables++].value = *value;
}

/* The innermost of that name; the parser has seen to it that there is one. */
static struct template_value *find_variable(struct template_run *run, struct str name) {
    for (size_t i = run->n_variables; i > 0; i--) {
        if (str_equal(run->variables[i - 1].name, name)) {
            return &run->variables[i - 1].value;
        }
    }
    return NULL;
}

static struct str label_value(const struct template_value *map, struct str name) {
    for (size_t i = 0; i < map->count; i++) {
        if (str_equal(map->labels[i].name, name)) {
            return map->labels[i].value;
        }
    }
    return str_of("");
}

static int data_field(struct template_run *run, struct str field, struct template_value *ret) {
    const struct template_data *data = run->data;
    if (str_is(field, "Labels")) {
        *ret = (struct template_value){
            .kind = TV_LABELS, .labels = data->labels, .count = data->n_labels};
    } else if (str_is(field, "ExternalLabels")) {
        *ret = (struct template_value){
            .kind = TV_LABELS, .labels = data->external_labels, .count = data->n_external_labels};
    } else if (str_is(field, "ExternalURL")) {
        *ret = template_text(data->external_url);
    } else if (str_is(field, "Value")) {
        *ret = template_number(data->value);
    } else {
        return template_fail(run, "can't evaluate field %.*s in the data of a template",
                             (int)field.len, field.data);
    }
    return 0;
}

static int arg_field(const struct template_value *args, struct str field,
                     struct template_value *ret) {
    uint64_t index;
    *ret = (struct template_value){.kind = TV_NIL};
    if (str_starts_with(field, "arg") &&
        str_to_uint64((struct str){field.data + 3, field.len - 3}, &index) && index < args->count) {
        *ret = args->args[index];
    }
    return 0;
}

static int get_field(struct template_run *run, struct str field, struct template_value *value) {
    struct template_value from = *value;
    switch (from.kind) {
    case TV_DATA:
        return data_field(run, field, value);
    case TV_LABELS:
        *value = template_text(label_value(&from, field));
        return 0;
    case TV_ARGS:
        return arg_field(&from, field, value);
    case TV_SAMPLE:
        if (str_is(field, "Value")) {
            *value = template_number(from.samples->value);
            return 0;
        }
        if (str_is(field, "Labels")) {
            *value = (struct template_value){
                .kind = TV_LABELS, .labels = from.samples->labels, .count = from.samples->n_labels};
            return 0;
        }
        break;
    case TV_NIL:
        return template_fail(run, "nil data; no entry for key \"%.*s\"", (int)field.len,
                             field.data);
    default:
        break;
    }
    return template_fail(run, "can't evaluate field %.*s in type %s", (int)field.len, field.data,
                         template_type(&from));
}

/* ---- pipelines ---- */

static int operand_value(struct template_run *run, const struct operand *operand,
                         const struct template_value *dot, struct template_value *ret) {
    int r = 0;
    *ret = (struct template_value){.kind = TV_NIL};
    switch (operand->kind) {
    case OPERAND_DOT:
        *ret = *dot;
        break;
    case OPERAND_NIL:
        break;
    case OPERAND_BOOL:
        *ret = template_bool(operand->boolean);
        break;
    case OPERAND_INT:
        *ret = (struct template_value){.kind = TV_INT, .integer = operand->integer};
        break;
    case OPERAND_FLOAT:
        *ret = template_number(operand->number);
        break;
    case OPERAND_TEXT:
        *ret = template_text(operand->text);
        break;
    case OPERAND_VARIABLE:
        *ret = *find_variable(run, operand->text);
        break;
    case OPERAND_FUNCTION:
        r = operand->function->least > 0
                ? template_fail(run, "wrong number of args for %s: want at least %d got 0",
                                operand->function->name, operand->function->least)
                : operand->function->call(run, NULL, 0, ret);
        break;
    case OPERAND_PIPELINE:
        r = run_pipeline(run, operand->pipeline, dot, ret);
        break;
    }
    for (size_t i = 0; r == 0 && i < operand->n_fields; i++) {
        r = get_field(run, operand->fields[i], ret);
    }
    return r;
}

/* and, or: the arguments are looked at one after another, only as far as needed. */
static int run_short_circuit(struct template_run *run, const struct command *command,
                             const struct template_value *dot, const struct template_value *piped,
                             struct template_value *ret) {
    bool is_and = strcmp(command->operands[0].function->name, "and") == 0;
    int r = 0;
    for (size_t i = 1; r == 0 && i < command->n_operands; i++) {
        r = operand_value(run, &command->operands[i], dot, ret);
        if (r == 0 && template_is_true(ret) != is_and) {
            return 0;
        }
    }
    if (r == 0 && piped != NULL) {
        *ret = *piped;
    }
    return r;
}

static int run_function(struct template_run *run, const struct command *command,
                        const struct template_value *dot, const struct template_value *piped,
                        struct template_value *ret) {
    const struct template_function *function = command->operands[0].function;
    struct template_value args[TEMPLATE_MOST_ARGS + 1];
    size_t n = 0;
    int given = (int)command->n_operands - 1 + (piped != NULL ? 1 : 0);
    if (given < function->least || (function->most >= 0 && given > function->most)) {
        return template_fail(run, "wrong number of args for %s: want %s%d got %d", function->name,
                             function->most == function->least ? "" : "at least ", function->least,
                             given);
    }
    if (strcmp(function->name, "and") == 0 || strcmp(function->name, "or") == 0) {
        return run_short_circuit(run, command, dot, piped, ret);
    }
    for (size_t i = 1; i < command->n_operands; i++) {
        int r = operand_value(run, &command->operands[i], dot, &args[n++]);
        if (r < 0) {
            return r;
        }
    }
    if (piped != NULL) {
        args[n++] = *piped;
    }
    return function->call(run, args, n, ret);
}

static int run_command(struct template_run *run, const struct command *command,
                       const struct template_value *dot, const struct template_value *piped,
                       struct template_value *ret) {
    const struct operand *first = &command->operands[0];
    if (++run->steps > TEMPLATE_MOST_STEPS) {
        return template_fail(run, "more than %d steps", TEMPLATE_MOST_STEPS);
    }
    if (run->made > TEMPLATE_MOST_MADE) {
        return template_fail(run, "texts of more than %zu bytes", TEMPLATE_MOST_MADE);
    }
    if (first->kind == OPERAND_FUNCTION && first->n_fields == 0) {
        return run_function(run, command, dot, piped, ret);
    }
    if (command->n_operands > 1 || piped != NULL) {
        return template_fail(run, "can't give argument to non-function");
    }
    return operand_value(run, first, dot, ret);
}

/* Its variables are the caller's business when it is of a range. */
static int run_commands(struct template_run *run, const struct pipeline *pipeline,
                        const struct template_value *dot, struct template_value *ret) {
    struct template_value value = {.kind = TV_NIL};
    for (size_t i = 0; i < pipeline->n_commands; i++) {
        struct template_value next;
        int r = run_command(run, &pipeline->commands[i], dot, i > 0 ? &value : NULL, &next);
        if (r < 0) {
            return r;
        }
        value = next;
    }
    *ret = value;
    return 0;
}

static int run_pipeline(struct template_run *run, const struct pipeline *pipeline,
                        const struct template_value *dot, struct template_value *ret) {
    int r = run_commands(run, pipeline, dot, ret);
    for (size_t i = 0; r == 0 && i < pipeline->n_variables; i++) {
        if (pipeline->assigns) {
            *find_variable(run, pipeline->variables[i]) = *ret;
        } else {
            set_variable(run, pipeline->variables[i], ret);
        }
    }
    return r;
}

/* ---- nodes ---- */

static enum flow run_choice(struct template_run *run, const struct template_node *node,
                            const struct template_value *dot) {
    struct template_value value;
    size_t scope = run->n_variables;
    if (run_pipeline(run, node->pipeline, dot, &value) < 0) {
        return FLOW_ERROR;
    }
    enum flow flow;
    if (!template_is_true(&value)) {
        flow = run_nodes(run, node->otherwise, dot);
    } else {
        flow = run_nodes(run, node->body, node->kind == NODE_WITH ? &value : dot);
    }
    run->n_variables = scope;
    return flow;
}

/* The index-th element of what is ranged over. Return: false when there is none. */
static bool element(const struct template_value *list, size_t index, struct template_value *ret_key,
                    struct template_value *ret) {
    *ret_key = (struct template_value){.kind = TV_INT, .integer = (int64_t)index};
    switch (list->kind) {
    case TV_SAMPLES:
        *ret = (struct template_value){.kind = TV_SAMPLE, .samples = &list->samples[index]};
        return index < list->count;
    case TV_LABELS:
        if (index < list->count) {
            *ret_key = template_text(list->labels[index].name);
            *ret = template_text(list->labels[index].value);
        }
        return index < list->count;
    case TV_ARGS:
        if (index < list->count) {
            *ret = list->args[index];
        }
        return index < list->count;
    case TV_INT:
        *ret = *ret_key;
        return list->integer > 0 && index < (uint64_t)list->integer;
    default:
        return false;
    }
}

static bool can_range(const struct template_value *value) {
    return value->kind == TV_SAMPLES || value->kind == TV_LABELS || value->kind == TV_ARGS ||
           value->kind == TV_INT || value->kind == TV_NIL;
}

static void set_loop_variables(struct template_run *run, const struct pipeline *pipeline,
                               const struct template_value *key,
                               const struct template_value *value) {
    const struct template_value *values[] = {pipeline->n_variables == 2 ? key : value, value};
    for (size_t i = 0; i < pipeline->n_variables; i++) {
        if (pipeline->assigns) {
            *find_variable(run, pipeline->variables[i]) = *values[i];
        } else {
            set_variable(run, pipeline->variables[i], values[i]);
        }
    }
}

static enum flow run_range(struct template_run *run, const struct template_node *node,
                           const struct template_value *dot) {
    struct template_value list, key, value;
    size_t scope = run->n_variables;
    enum flow flow = FLOW_ON;
    if (run_commands(run, node->pipeline, dot, &list) < 0) {
        return FLOW_ERROR;
    }
    if (!can_range(&list)) {
        template_fail(run, "range can't iterate over a %s", template_type(&list));
        return FLOW_ERROR;
    }
    if (!element(&list, 0, &key, &value)) {
        /* They are in scope there too; Go gives them the list. */
        set_loop_variables(run, node->pipeline, &list, &list);
        flow = run_nodes(run, node->otherwise, dot);
        run->n_variables = scope;
        return flow;
    }
    for (size_t i = 0; flow != FLOW_ERROR && flow != FLOW_BREAK && element(&list, i, &key, &value);
         i++) {
        set_loop_variables(run, node->pipeline, &key, &value);
        if (++run->steps > TEMPLATE_MOST_STEPS) {
            template_fail(run, "more than %d steps", TEMPLATE_MOST_STEPS);
            flow = FLOW_ERROR;
        } else {
            flow = run_nodes(run, node->body, &value);
        }
        run->n_variables = scope;
    }
    return flow == FLOW_ERROR ? FLOW_ERROR : FLOW_ON;
}

static enum flow run_template(struct template_run *run, const struct template_node *node,
                              const struct template_value *dot) {
    const struct template_definition *definition = run->template->definitions;
    struct template_value value = {.kind = TV_NIL};
    size_t scope = run->n_variables;
    while (definition != NULL && !str_equal(definition->name, node->text)) {
        definition = definition->next;
    }
    if (definition == NULL) {
        template_fail(run, "template \"%.*s\" not defined", (int)node->text.len, node->text.data);
        return FLOW_ERROR;
    }
    if (node->pipeline != NULL && run_pipeline(run, node->pipeline, dot, &value) < 0) {
        return FLOW_ERROR;
    }
    if (++run->depth > TEMPLATE_MOST_DEPTH) {
        template_fail(run, "templates call each other more than %d deep", TEMPLATE_MOST_DEPTH);
        return FLOW_ERROR;
    }
    set_variable(run, str_of("$"), &value);
    enum flow flow = run_nodes(run, definition->body, &value);
    run->n_variables = scope;
    run->depth--;
    return flow;
}

static enum flow run_action(struct template_run *run, const struct template_node *node,
                            const struct template_value *dot) {
    struct template_value value;
    if (run_pipeline(run, node->pipeline, dot, &value) < 0) {
        return FLOW_ERROR;
    }
    if (node->pipeline->n_variables == 0) {
        template_print(&value, run->out);
    }
    return FLOW_ON;
}

static enum flow run_node(struct template_run *run, const struct template_node *node,
                          const struct template_value *dot) {
    switch (node->kind) {
    case NODE_TEXT:
        strbuf_add_str(run->out, node->text);
        return FLOW_ON;
    case NODE_ACTION:
        return run_action(run, node, dot);
    case NODE_IF:
    case NODE_WITH:
        return run_choice(run, node, dot);
    case NODE_RANGE:
        return run_range(run, node, dot);
    case NODE_TEMPLATE:
        return run_template(run, node, dot);
    case NODE_BREAK:
        return FLOW_BREAK;
    case NODE_CONTINUE:
        return FLOW_CONTINUE;
    }
    return FLOW_ERROR;
}

static enum flow run_nodes(struct template_run *run, const struct template_node *node,
                           const struct template_value *dot) {
    enum flow flow = FLOW_ON;
    for (; node != NULL && flow == FLOW_ON; node = node->next) {
        flow = run_node(run, node, dot);
        if (flow != FLOW_ERROR && run->out->len - run->begin > TEMPLATE_MOST_BYTES) {
            template_fail(run, "the expansion has more than %zu bytes", TEMPLATE_MOST_BYTES);
            flow = FLOW_ERROR;
        }
    }
    return flow;
}

static void set_given_variables(struct template_run *run) {
    static const struct {
        const char *name, *field;
    } given[] = {{"$labels", "Labels"},
                 {"$externalLabels", "ExternalLabels"},
                 {"$externalURL", "ExternalURL"},
                 {"$value", "Value"}};
    struct template_value value = {.kind = TV_DATA};
    set_variable(run, str_of("$"), &value);
    for (size_t i = 0; i < ARRAY_LEN(given); i++) {
        data_field(run, str_of(given[i].field), &value);
        set_variable(run, str_of(given[i].name), &value);
    }
}

int template_expand(const struct template *template, const struct template_data *data,
                    struct strbuf *out, struct error *err) {
    struct arena arena = {0};
    struct error own = {0};
    struct template_run run = {
        .template = template,
        .data = data,
        .arena = &arena,
        .out = out,
        .begin = out->len,
        .err = &own,
    };
    struct template_value dot = {.kind = TV_DATA};
    set_given_variables(&run);
    int r = run_nodes(&run, template->body, &dot) == FLOW_ERROR ? -EINVAL : 0;
    if (r < 0) {
        out->len = run.begin;
        strbuf_printf(out, "<error expanding template: %s>", own.text);
        error_say(err, -EINVAL, "%s", own.text);
    }
    free(run.variables);
    arena_deinit(&arena);
    return r;
}
