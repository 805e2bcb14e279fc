/* SPDX-License-Identifier: Apache-2.0 */

/* The notation of series and of their values. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "promql/case_file.h"
#include "promql/eval.h"
#include "promql/parser.h"

#define MOST_VALUES ((size_t)100000)
#define TOLERANCE   1e-6

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

size_t case_series_end(struct str line) {
    char quote = '\0';
    bool braces = false;
    size_t i = 0;
    for (; i < line.len; i++) {
        char c = line.data[i];
        if (quote != '\0') {
            i += c == '\\' && quote != '`' ? 1 : 0;
            quote = c == quote ? '\0' : quote;
        } else if (braces && (c == '"' || c == '\'' || c == '`')) {
            quote = c;
        } else if (c == '{' || c == '}') {
            braces = c == '{';
        } else if (!braces && is_blank(c)) {
            break;
        }
    }
    return i < line.len ? i : line.len;
}

int case_parse_series(struct str text, struct arena *arena, struct label **ret_labels,
                      size_t *ret_count, struct error *err) {
    struct parsed parsed;
    *ret_count = 0;
    *ret_labels = NULL;
    text = str_trim(text);
    if (str_is(text, "{}")) {
        return 0;
    }
    int r = promql_parse_selector(text, arena, &parsed, err);
    if (r < 0) {
        return r;
    }
    const struct expr *root = parsed.root;
    *ret_labels = arena_array(arena, root->selector.n_matchers, sizeof(**ret_labels));
    for (size_t i = 0; i < root->selector.n_matchers; i++) {
        const struct matcher *matcher = &root->selector.matchers[i];
        if (matcher->type != MATCH_EQUAL) {
            r = error_say(err, -EINVAL, "the labels of a series are written with '='");
        }
        (*ret_labels)[i] = (struct label){matcher->name, matcher->value};
    }
    *ret_count = root->selector.n_matchers;
    parsed_deinit(&parsed);
    return r;
}

struct values {
    struct case_value *list;
    size_t n, capacity;
};

static bool add(struct values *values, bool missing, double value, uint64_t times) {
    if (times > MOST_VALUES - values->n) {
        return false;
    }
    for (uint64_t i = 0; i < times; i++) {
        values->list = mem_grow(values->list, values->n, &values->capacity, sizeof(*values->list));
        values->list[values->n++] = (struct case_value){missing, value};
    }
    return true;
}

/* v, v+d and v-d: where the second number begins, sign included; or the length. */
static size_t find_step(struct str text) {
    for (size_t i = 1; i < text.len; i++) {
        char before = text.data[i - 1];
        if ((text.data[i] == '+' || text.data[i] == '-') && before != 'e' && before != 'E') {
            return i;
        }
    }
    return text.len;
}

static bool add_item(struct values *values, struct str item) {
    uint64_t times = 0;
    double value, step = 0;
    const char *x = memchr(item.data, 'x', item.len);
    struct str head = {item.data, x != NULL ? (size_t)(x - item.data) : item.len};
    if (x != NULL && !str_to_uint64((struct str){x + 1, item.len - head.len - 1}, &times)) {
        return false;
    }
    if (str_is(head, "_")) {
        return add(values, true, 0, x != NULL ? times : 1);
    }
    if (str_is(item, "stale")) {
        return add(values, false, eval_missing(), 1);
    }
    size_t at = find_step(head);
    struct str rest = {head.data + at, head.len - at};
    head.len = at;
    if (!promql_number(head, &value) || (rest.len > 0 && !promql_number(rest, &step)) ||
        (rest.len > 0 && x == NULL) || times > MOST_VALUES) {
        return false;
    }
    for (uint64_t i = 0; i <= times; i++, value += step) {
        if (!add(values, false, value, 1)) {
            return false;
        }
    }
    return true;
}

int case_parse_values(struct str text, struct arena *arena, struct case_value **ret_values,
                      size_t *ret_count, struct error *err) {
    struct values values = {0};
    int r = 0;
    for (size_t i = 0; r == 0 && i < text.len;) {
        size_t from = i;
        while (i < text.len && !is_blank(text.data[i])) {
            i++;
        }
        struct str item = {text.data + from, i - from};
        if (item.len > 0 && !add_item(&values, item)) {
            r = error_say(err, -EINVAL, "'%.*s' is no value, or makes more than %zu of them",
                          (int)item.len, item.data, MOST_VALUES);
        }
        while (i < text.len && is_blank(text.data[i])) {
            i++;
        }
    }
    *ret_values = arena_array(arena, values.n + 1, sizeof(**ret_values));
    *ret_count = values.n;
    if (values.n > 0) {
        memcpy(*ret_values, values.list, values.n * sizeof(*values.list));
    }
    free(values.list);
    return r;
}

bool case_values_equal(double a, double b) {
    if (eval_is_missing(a) || eval_is_missing(b)) {
        return eval_is_missing(a) && eval_is_missing(b);
    }
    if (a == b || (isnan(a) && isnan(b))) {
        return true;
    }
    const double smallest = 2.2250738585072014e-308, largest = 1.7976931348623157e308;
    double sum = fabs(a) + fabs(b), difference = fabs(a - b);
    if (a == 0 || b == 0 || sum < smallest) {
        return difference < TOLERANCE * smallest;
    }
    return difference / fmin(sum, largest) < TOLERANCE;
}
