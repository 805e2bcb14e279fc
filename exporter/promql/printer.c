/* SPDX-License-Identifier: Apache-2.0 */

#include "promql/printer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "promql/functions.h"
#include "store/batch.h"

/* A node that is longer than this on one line is split by the pretty printer. */
#define MOST_LINE   100
#define MOST_DIGITS 17

/* ---- values ---- */

/* The fewest decimal digits that read back as the value: 0.d1d2d3... times 10^(exponent + 1). */
struct decimal {
    char digits[MOST_DIGITS + 1];
    int n, exponent;
};

static struct decimal shortest(double value) {
    struct decimal decimal = {{0}, 0, 0};
    char text[40];
    for (int precision = 1; precision <= MOST_DIGITS; precision++) {
        snprintf(text, sizeof(text), "%.*e", precision - 1, fabs(value));
        if (strtod(text, NULL) == fabs(value)) {
            break;
        }
    }
    const char *e = strchr(text, 'e');
    decimal.exponent = atoi(e + 1);
    for (const char *c = text; c < e; c++) {
        if (*c != '.') {
            decimal.digits[decimal.n++] = *c;
        }
    }
    return decimal;
}

/* Return: whether it is one of those that have no digits. */
static bool print_special(double value, struct strbuf *out) {
    if (isfinite(value)) {
        return false;
    }
    strbuf_add_text(out, isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf");
    return true;
}

void print_number(double value, struct strbuf *out) {
    if (print_special(value, out)) {
        return;
    }
    struct decimal decimal = shortest(value);
    strbuf_add_text(out, signbit(value) ? "-" : "");
    strbuf_add_text(out, decimal.exponent < 0 ? "0." : "");
    for (int i = decimal.exponent + 1; i < 0; i++) {
        strbuf_add_char(out, '0');
    }
    for (int i = 0; i < decimal.n || i <= decimal.exponent; i++) {
        if (i == decimal.exponent + 1 && i > 0) {
            strbuf_add_char(out, '.');
        }
        strbuf_add_char(out, i < decimal.n ? decimal.digits[i] : '0');
    }
}

void print_go_g(double value, char out[40]) {
    struct strbuf text = {0};
    if (isfinite(value)) {
        struct decimal decimal = shortest(value);
        if (value != 0 && (decimal.exponent < -4 || decimal.exponent >= 6)) {
            strbuf_printf(&text, "%s%c%s%.*se%c%02d", signbit(value) ? "-" : "", decimal.digits[0],
                          decimal.n > 1 ? "." : "", decimal.n - 1, decimal.digits + 1,
                          decimal.exponent < 0 ? '-' : '+', abs(decimal.exponent));
        } else {
            print_number(value, &text);
        }
    } else {
        print_special(value, &text);
    }
    snprintf(out, 40, "%s", text.data);
    strbuf_deinit(&text);
}

struct duration_unit {
    const char *text;
    int64_t ms;
    bool exact; /* only when nothing is left over */
};

static const struct duration_unit duration_units[] = {
    {"y", INT64_C(365) * 24 * 3600 * 1000, true},
    {"w", INT64_C(7) * 24 * 3600 * 1000, true},
    {"d", INT64_C(24) * 3600 * 1000, false},
    {"h", INT64_C(3600) * 1000, false},
    {"m", INT64_C(60) * 1000, false},
    {"s", 1000, false},
    {"ms", 1, false},
};

void print_duration(int64_t ms, struct strbuf *out) {
    if (ms == 0) {
        strbuf_add_text(out, "0s");
    }
    for (size_t i = 0; i < ARRAY_LEN(duration_units); i++) {
        const struct duration_unit *unit = &duration_units[i];
        int64_t count = ms / unit->ms;
        if (count > 0 && !(unit->exact && ms % unit->ms != 0)) {
            strbuf_printf(out, "%lld%s", (long long)count, unit->text);
            ms -= count * unit->ms;
        }
    }
}

/* Printable as Go's strconv understands it, as far as that is told by the class of a character:
 * everything above the control characters but what is no character. */
static bool is_printable(uint32_t point) {
    return point >= 0xa1 && point != 0xad && point != 0xfeff &&
           !(point >= 0x2000 && point <= 0x200f) && !(point >= 0x2028 && point <= 0x202f) &&
           !(point >= 0x205f && point <= 0x206f) && point != 0x3000 &&
           !(point >= 0xd800 && point <= 0xf8ff) && !(point >= 0xfff0 && point <= 0xfffb) &&
           (point & 0xfffe) != 0xfffe;
}

static uint32_t decode_utf8(const char *data, size_t len) {
    static const unsigned char masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t point = (unsigned char)data[0] & masks[len];
    for (size_t i = 1; i < len; i++) {
        point = point << 6 | ((unsigned char)data[i] & 0x3f);
    }
    return point;
}

static void print_ascii(char c, struct strbuf *out) {
    static const char named[] = "\a\b\f\n\r\t\v\\\"", names[] = "abfnrtv\\\"";
    const char *found = c != '\0' ? strchr(named, c) : NULL;
    if (found != NULL) {
        strbuf_add_char(out, '\\');
        strbuf_add_char(out, names[found - named]);
    } else if ((unsigned char)c < ' ' || c == 0x7f) {
        strbuf_printf(out, "\\x%02x", (unsigned char)c);
    } else {
        strbuf_add_char(out, c);
    }
}

void print_quoted(struct str text, struct strbuf *out) {
    strbuf_add_char(out, '"');
    for (size_t i = 0; i < text.len;) {
        size_t len = utf8_length(text.data + i, text.len - i);
        uint32_t point = len > 1 ? decode_utf8(text.data + i, len) : 0;
        if (len == 0) {
            strbuf_printf(out, "\\x%02x", (unsigned char)text.data[i]);
            len = 1;
        } else if (len == 1) {
            print_ascii(text.data[i], out);
        } else if (is_printable(point)) {
            strbuf_add(out, text.data + i, len);
        } else {
            strbuf_printf(out, point < 0x10000 ? "\\u%04x" : "\\U%08x", point);
        }
        i += len;
    }
    strbuf_add_char(out, '"');
}

/* A name that needs no quotes; colons are only for metrics. */
static bool is_plain(struct str name, bool colon) {
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        bool letter =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colon && c == ':');
        if (!letter && (i == 0 || c < '0' || c > '9')) {
            return false;
        }
    }
    return name.len > 0;
}

void print_label_name(struct str name, struct strbuf *out) {
    if (is_plain(name, false)) {
        strbuf_add_str(out, name);
    } else {
        print_quoted(name, out);
    }
}

void print_series(const struct label *labels, size_t n_labels, struct strbuf *out) {
    struct str name = {0};
    const char *between = "";
    for (size_t i = 0; i < n_labels; i++) {
        if (str_is(labels[i].name, "__name__")) {
            name = labels[i].value;
        }
    }
    bool plain = name.data != NULL && is_plain(name, true);
    if (plain) {
        strbuf_add_str(out, name);
        if (n_labels == 1) {
            return;
        }
    }
    strbuf_add_char(out, '{');
    if (name.data != NULL && !plain) {
        print_quoted(name, out);
        between = ", ";
    }
    for (size_t i = 0; i < n_labels; i++) {
        if (!str_is(labels[i].name, "__name__")) {
            strbuf_add_text(out, between);
            print_label_name(labels[i].name, out);
            strbuf_add_char(out, '=');
            print_quoted(labels[i].value, out);
            between = ", ";
        }
    }
    strbuf_add_char(out, '}');
}

/* ---- parts of nodes ---- */

static void print_names(const struct name_list *list, struct strbuf *out) {
    strbuf_add_char(out, '(');
    for (size_t i = 0; i < list->n_names; i++) {
        strbuf_add_text(out, i > 0 ? ", " : "");
        print_label_name(list->names[i], out);
    }
    strbuf_add_char(out, ')');
}

static void print_shift(const struct time_shift *shift, struct strbuf *out) {
    switch (shift->at) {
    case AT_EVALUATION:
        break;
    case AT_TIME:
        strbuf_printf(out, " @ %.3f", (double)shift->at_ms / 1000.0);
        break;
    case AT_START:
        strbuf_add_text(out, " @ start()");
        break;
    case AT_END:
        strbuf_add_text(out, " @ end()");
        break;
    }
    if (shift->offset_ms != 0) {
        strbuf_add_text(out, shift->offset_ms < 0 ? " offset -" : " offset ");
        print_duration(llabs(shift->offset_ms), out);
    }
}

static int compare_texts(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Of a selector: its matchers as text, sorted. */
static void print_matchers(const struct expr *expr, struct strbuf *out) {
    char **texts = calloc(expr->selector.n_matchers + 1, sizeof(*texts));
    size_t n = 0;
    bool named = expr->selector.name.len > 0;
    for (size_t i = named ? 1 : 0; texts != NULL && i < expr->selector.n_matchers; i++) {
        const struct matcher *matcher = &expr->selector.matchers[i];
        struct strbuf text = {0};
        print_label_name(matcher->name, &text);
        strbuf_add_text(&text, matcher_type_texts[matcher->type]);
        print_quoted(matcher->value, &text);
        texts[n++] = strbuf_take(&text);
    }
    if (n > 0) {
        qsort(texts, n, sizeof(*texts), compare_texts);
        strbuf_add_char(out, '{');
    }
    for (size_t i = 0; i < n; i++) {
        strbuf_add_text(out, i > 0 ? "," : "");
        strbuf_add_text(out, texts[i]);
        free(texts[i]);
    }
    strbuf_add_text(out, n > 0 ? "}" : "");
    free(texts);
}

static void print_selector(const struct expr *expr, struct strbuf *out) {
    strbuf_add_str(out, expr->selector.name);
    print_matchers(expr, out);
    if (expr->selector.range_ms > 0) {
        strbuf_add_char(out, '[');
        print_duration(expr->selector.range_ms, out);
        strbuf_add_char(out, ']');
    }
    print_shift(&expr->selector.shift, out);
}

static void print_subquery_suffix(const struct expr *expr, struct strbuf *out) {
    strbuf_add_char(out, '[');
    print_duration(expr->subquery.range_ms, out);
    strbuf_add_char(out, ':');
    if (expr->subquery.step_ms > 0) {
        print_duration(expr->subquery.step_ms, out);
    }
    strbuf_add_char(out, ']');
    print_shift(&expr->subquery.shift, out);
}

static void print_literal(const struct expr *expr, struct strbuf *out) {
    double value = expr->number.value;
    if (!expr->number.duration) {
        print_number(value, out);
        return;
    }
    strbuf_add_text(out, value < 0 ? "-" : "");
    print_duration((int64_t)(fabs(value) * 1000.0 + 0.5), out);
}

static void print_aggregate_head(const struct expr *expr, struct strbuf *out) {
    strbuf_add_text(out, aggregate_table[expr->aggregate.op].name);
    if (expr->aggregate.without || expr->aggregate.grouping.n_names > 0) {
        strbuf_add_text(out, expr->aggregate.without ? " without " : " by ");
        print_names(&expr->aggregate.grouping, out);
        strbuf_add_char(out, ' ');
    }
}

static void print_operator(const struct expr *expr, struct strbuf *out) {
    const struct matching *matching = &expr->binary.matching;
    bool grouped = matching->card == CARD_MANY_TO_ONE || matching->card == CARD_ONE_TO_MANY;
    strbuf_add_text(out, operator_table[expr->binary.op].text);
    strbuf_add_text(out, expr->binary.bool_modifier ? " bool" : "");
    if (matching->labels.n_names > 0 || matching->on || grouped) {
        strbuf_add_text(out, matching->on ? " on " : " ignoring ");
        print_names(&matching->labels, out);
    }
    if (grouped) {
        strbuf_add_text(out, matching->card == CARD_MANY_TO_ONE ? " group_left " : " group_right ");
        print_names(&matching->include, out);
    }
}

/* ---- on one line ---- */

void expr_print(const struct expr *expr, struct strbuf *out) {
    switch (expr->kind) {
    case EXPR_NUMBER:
        print_literal(expr, out);
        break;
    case EXPR_STRING:
        print_quoted(expr->string, out);
        break;
    case EXPR_SELECTOR:
        print_selector(expr, out);
        break;
    case EXPR_SUBQUERY:
        expr_print(expr->subquery.inner, out);
        print_subquery_suffix(expr, out);
        break;
    case EXPR_CALL:
        strbuf_add_text(out, expr->call.function->name);
        strbuf_add_char(out, '(');
        for (size_t i = 0; i < expr->call.n_args; i++) {
            strbuf_add_text(out, i > 0 ? ", " : "");
            expr_print(expr->call.args[i], out);
        }
        strbuf_add_char(out, ')');
        break;
    case EXPR_AGGREGATE:
        print_aggregate_head(expr, out);
        strbuf_add_char(out, '(');
        if (expr->aggregate.parameter != NULL) {
            expr_print(expr->aggregate.parameter, out);
            strbuf_add_text(out, ", ");
        }
        expr_print(expr->aggregate.inner, out);
        strbuf_add_char(out, ')');
        break;
    case EXPR_BINARY:
        expr_print(expr->binary.left, out);
        strbuf_add_char(out, ' ');
        print_operator(expr, out);
        strbuf_add_char(out, ' ');
        expr_print(expr->binary.right, out);
        break;
    case EXPR_UNARY:
        strbuf_add_char(out, '-');
        expr_print(expr->inner, out);
        break;
    case EXPR_PAREN:
        strbuf_add_char(out, '(');
        expr_print(expr->inner, out);
        strbuf_add_char(out, ')');
        break;
    }
}

/* ---- in several lines ---- */

static void indent(unsigned level, struct strbuf *out) {
    for (unsigned i = 0; i < level; i++) {
        strbuf_add_text(out, "  ");
    }
}

static void pretty(const struct expr *expr, unsigned level, struct strbuf *out);

/* expr on lines of its own between parentheses. */
static void pretty_inner(const struct expr *expr, unsigned level, struct strbuf *out) {
    pretty(expr, level + 1, out);
    strbuf_add_char(out, '\n');
    indent(level, out);
    strbuf_add_char(out, ')');
}

static void pretty_call(const struct expr *expr, unsigned level, struct strbuf *out) {
    strbuf_printf(out, "%s(\n", expr->call.function->name);
    for (size_t i = 0; i + 1 < expr->call.n_args; i++) {
        pretty(expr->call.args[i], level + 1, out);
        strbuf_add_text(out, ",\n");
    }
    pretty_inner(expr->call.args[expr->call.n_args - 1], level, out);
}

static void pretty_split(const struct expr *expr, unsigned level, struct strbuf *out) {
    switch (expr->kind) {
    case EXPR_CALL:
        indent(level, out);
        pretty_call(expr, level, out);
        break;
    case EXPR_AGGREGATE:
        indent(level, out);
        print_aggregate_head(expr, out);
        strbuf_add_text(out, "(\n");
        if (expr->aggregate.parameter != NULL) {
            pretty(expr->aggregate.parameter, level + 1, out);
            strbuf_add_text(out, ",\n");
        }
        pretty_inner(expr->aggregate.inner, level, out);
        break;
    case EXPR_BINARY:
        pretty(expr->binary.left, level + 1, out);
        strbuf_add_char(out, '\n');
        indent(level, out);
        print_operator(expr, out);
        strbuf_add_char(out, '\n');
        pretty(expr->binary.right, level + 1, out);
        break;
    case EXPR_PAREN:
        indent(level, out);
        strbuf_add_text(out, "(\n");
        pretty_inner(expr->inner, level, out);
        break;
    case EXPR_SUBQUERY:
        pretty(expr->subquery.inner, level, out);
        print_subquery_suffix(expr, out);
        break;
    default:
        indent(level, out);
        expr_print(expr, out);
        break;
    }
}

static void pretty(const struct expr *expr, unsigned level, struct strbuf *out) {
    if (expr->kind == EXPR_UNARY) {
        struct strbuf inner = {0};
        pretty(expr->inner, level, &inner);
        indent(level, out);
        strbuf_add_char(out, '-');
        strbuf_add_str(out, str_trim(strbuf_view(&inner)));
        strbuf_deinit(&inner);
        return;
    }
    struct strbuf line = {0};
    expr_print(expr, &line);
    bool empty_call = expr->kind == EXPR_CALL && expr->call.n_args == 0;
    if (line.len > MOST_LINE && !empty_call) {
        pretty_split(expr, level, out);
    } else {
        /* Prometheus leaves subqueries that fit without their indentation. */
        indent(expr->kind == EXPR_SUBQUERY ? 0 : level, out);
        strbuf_add_str(out, strbuf_view(&line));
    }
    strbuf_deinit(&line);
}

void expr_print_pretty(const struct expr *expr, struct strbuf *out) {
    pretty(expr, 0, out);
}
