/* SPDX-License-Identifier: Apache-2.0 */

/* Functions that change labels. */
#include "base/regex.h"
#include "promql/printer.h"
#include "promql/private.h"
#include "promql/vector_functions.h"

static struct str text_arg(const struct call_frame *frame, size_t index) {
    return expr_unwrap(frame->expr->call.args[index])->string;
}

/* Return: 0, or an error that names the function and the text. */
static int check_name(struct call_frame *frame, const char *what, struct str name) {
    if (name.len > 0 && str_is_utf8(name)) {
        return 0;
    }
    return eval_fail(frame->eval, "invalid %s label name in %s(): %.*s", what,
                     frame->expr->call.function->name, (int)name.len, name.data);
}

/* A row's label gets a value; the name's flag goes when the name itself was written. */
static void set_label(struct eval *eval, struct eval_row *row, struct str name, struct str value) {
    row->labels = labels_with(&eval->space, row->labels, name, value);
    if (str_is(name, "__name__")) {
        row->drop_name = false;
    }
}

static int replace_in(struct call_frame *frame, const struct regex *regex, uint32_t source,
                      struct eval_row *row) {
    struct regex_groups groups;
    struct strbuf value = {0};
    struct label_space *space = &frame->eval->space;
    int found = regex_find(regex, labels_value(space, row->labels, source), 0, &groups);
    if (found < 0) {
        return eval_fail(frame->eval, "the regular expression of label_replace() is too complex");
    }
    if (found == REGEX_YES) {
        regex_expand(regex, &groups, text_arg(frame, 2), &value);
        set_label(frame->eval, row, text_arg(frame, 1), strbuf_view(&value));
    }
    strbuf_deinit(&value);
    return 0;
}

int call_label_replace(struct call_frame *frame, struct matrix *ret) {
    struct eval *eval = frame->eval;
    struct str pattern = text_arg(frame, 4);
    CLEANUP(regex_freep)
    struct regex *regex = NULL;
    if (regex_new(pattern, REGEX_WHOLE, &regex, NULL) < 0) {
        return eval_fail(eval, "invalid regular expression in label_replace(): %.*s",
                         (int)pattern.len, pattern.data);
    }
    int r = check_name(frame, "destination", text_arg(frame, 1));
    r = r != 0 ? r : eval_vector(eval, frame->expr->call.args[0], frame->grid, ret);
    uint32_t source = label_space_id(&eval->space, text_arg(frame, 3));
    for (size_t i = 0; r == 0 && i < ret->n_rows; i++) {
        r = replace_in(frame, regex, source, &ret->rows[i]);
    }
    return r != 0 ? r : merge_rows(eval, ret, frame->grid, false);
}

int call_label_join(struct call_frame *frame, struct matrix *ret) {
    struct eval *eval = frame->eval;
    const size_t n_args = frame->expr->call.n_args;
    int r = check_name(frame, "destination", text_arg(frame, 1));
    for (size_t i = 3; r == 0 && i < n_args; i++) {
        r = check_name(frame, "source", text_arg(frame, i));
    }
    r = r != 0 ? r : eval_vector(eval, frame->expr->call.args[0], frame->grid, ret);
    for (size_t i = 0; r == 0 && i < ret->n_rows; i++) {
        struct strbuf value = {0};
        for (size_t k = 3; k < n_args; k++) {
            uint32_t source = label_space_id(&eval->space, text_arg(frame, k));
            strbuf_add_str(&value, k > 3 ? text_arg(frame, 2) : str_of(""));
            strbuf_add_str(&value, labels_value(&eval->space, ret->rows[i].labels, source));
        }
        set_label(eval, &ret->rows[i], text_arg(frame, 1), strbuf_view(&value));
        strbuf_deinit(&value);
    }
    return r != 0 ? r : merge_rows(eval, ret, frame->grid, false);
}
