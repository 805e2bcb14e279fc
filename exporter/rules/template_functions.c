/* SPDX-License-Identifier: Apache-2.0 */

/* The functions that templates may call: those of the language and those of Prometheus. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/escape.h"
#include "base/regex.h"
#include "promql/parser.h"
#include "promql/printer.h"
#include "rules/private_template.h"

/* ---- arguments ---- */

static int want_text(struct template_run *run, const struct template_value *value,
                     struct str *ret) {
    if (value->kind != TV_TEXT) {
        return template_fail(run, "wrong type for value; expected string; got %s",
                             template_type(value));
    }
    *ret = value->text;
    return 0;
}

/* A number, or a text that is one. */
static int want_number(struct template_run *run, const struct template_value *value, double *ret) {
    switch (value->kind) {
    case TV_FLOAT:
        *ret = value->number;
        return 0;
    case TV_INT:
        *ret = (double)value->integer;
        return 0;
    case TV_TEXT:
        if (promql_number(value->text, ret)) {
            return 0;
        }
        return template_fail(run, "strconv.ParseFloat: parsing \"%.*s\": invalid syntax",
                             (int)(value->text.len < 60 ? value->text.len : 60), value->text.data);
    default:
        return template_fail(run, "can't convert %s to float", template_type(value));
    }
}

static struct template_value keep(struct template_run *run, struct strbuf *text) {
    struct str copy = arena_dup(run->arena, strbuf_view(text));
    run->made += copy.len;
    strbuf_deinit(text);
    return template_text(copy);
}

/* ---- of the language ---- */

static int fn_short_circuit(struct template_run *run, const struct template_value *args, size_t n,
                            struct template_value *ret) {
    *ret = args[n - 1]; /* only reached without a command around it */
    return 0;
}

static int fn_not(struct template_run *run, const struct template_value *args, size_t n,
                  struct template_value *ret) {
    *ret = template_bool(!template_is_true(&args[0]));
    return 0;
}

/* Order of two values of one kind: -1, 0, 1; 2 when they do not compare (NaN). */
static int compare(struct template_run *run, const struct template_value *a,
                   const struct template_value *b, int *ret) {
    if (a->kind != b->kind) {
        return template_fail(run, "incompatible types for comparison");
    }
    switch (a->kind) {
    case TV_INT:
        *ret = (a->integer > b->integer) - (a->integer < b->integer);
        return 0;
    case TV_FLOAT:
        *ret = isnan(a->number) || isnan(b->number)
                   ? 2
                   : (a->number > b->number) - (a->number < b->number);
        return 0;
    case TV_TEXT:
        *ret = str_compare(a->text, b->text);
        return 0;
    case TV_BOOL:
        *ret = (int)a->boolean - (int)b->boolean;
        return 0;
    default:
        return template_fail(run, "invalid type for comparison");
    }
}

static int fn_eq(struct template_run *run, const struct template_value *args, size_t n,
                 struct template_value *ret) {
    *ret = template_bool(false);
    for (size_t i = 1; i < n; i++) {
        int order;
        if (args[0].kind == TV_NIL || args[i].kind == TV_NIL) {
            order = args[0].kind == args[i].kind ? 0 : 1;
        } else if (compare(run, &args[0], &args[i], &order) < 0) {
            return -EINVAL;
        }
        ret->boolean |= order == 0;
    }
    return 0;
}

static int fn_ne(struct template_run *run, const struct template_value *args, size_t n,
                 struct template_value *ret) {
    int r = fn_eq(run, args, n, ret);
    ret->boolean = !ret->boolean;
    return r;
}

/* lt, le, gt, ge: the order has to be one of the bits of wanted (1: less, 2: equal, 4: greater). */
static int ordered(struct template_run *run, const struct template_value *args, unsigned wanted,
                   struct template_value *ret) {
    int order;
    if (args[0].kind == TV_BOOL) {
        return template_fail(run, "invalid type for comparison");
    }
    int r = compare(run, &args[0], &args[1], &order);
    if (r == 0) {
        unsigned bit = order == 2 ? 0 : order < 0 ? 1 : order == 0 ? 2 : 4;
        *ret = template_bool((bit & wanted) != 0);
    }
    return r;
}

static int fn_lt(struct template_run *run, const struct template_value *args, size_t n,
                 struct template_value *ret) {
    return ordered(run, args, 1, ret);
}

static int fn_le(struct template_run *run, const struct template_value *args, size_t n,
                 struct template_value *ret) {
    return ordered(run, args, 1 | 2, ret);
}

static int fn_gt(struct template_run *run, const struct template_value *args, size_t n,
                 struct template_value *ret) {
    return ordered(run, args, 4, ret);
}

static int fn_ge(struct template_run *run, const struct template_value *args, size_t n,
                 struct template_value *ret) {
    return ordered(run, args, 4 | 2, ret);
}

static int fn_len(struct template_run *run, const struct template_value *args, size_t n,
                  struct template_value *ret) {
    *ret = (struct template_value){.kind = TV_INT};
    switch (args[0].kind) {
    case TV_TEXT:
        ret->integer = (int64_t)args[0].text.len;
        return 0;
    case TV_LABELS:
    case TV_SAMPLES:
    case TV_ARGS:
        ret->integer = (int64_t)args[0].count;
        return 0;
    default:
        return template_fail(run, "len of type %s", template_type(&args[0]));
    }
}

static int fn_index(struct template_run *run, const struct template_value *args, size_t n,
                    struct template_value *ret) {
    struct template_value value = args[0];
    for (size_t i = 1; i < n; i++) {
        if (value.kind == TV_LABELS && args[i].kind == TV_TEXT) {
            struct str found = str_of("");
            for (size_t k = 0; k < value.count; k++) {
                found =
                    str_equal(value.labels[k].name, args[i].text) ? value.labels[k].value : found;
            }
            value = template_text(found);
        } else if (value.kind == TV_SAMPLES && args[i].kind == TV_INT) {
            if (args[i].integer < 0 || (uint64_t)args[i].integer >= value.count) {
                return template_fail(run, "index out of range: %lld", (long long)args[i].integer);
            }
            value = (struct template_value){.kind = TV_SAMPLE,
                                            .samples = &value.samples[args[i].integer]};
        } else {
            return template_fail(run, "can't index item of type %s with %s", template_type(&value),
                                 template_type(&args[i]));
        }
    }
    *ret = value;
    return 0;
}

static int fn_slice(struct template_run *run, const struct template_value *args, size_t n,
                    struct template_value *ret) {
    struct str text = {0};
    int64_t from = 0, to;
    if (want_text(run, &args[0], &text) < 0) {
        return -EINVAL;
    }
    to = (int64_t)text.len;
    for (size_t i = 1; i < n; i++) {
        if (args[i].kind != TV_INT) {
            return template_fail(run, "cannot index slice/array with type %s",
                                 template_type(&args[i]));
        }
        *(i == 1 ? &from : &to) = args[i].integer;
    }
    if (from < 0 || to > (int64_t)text.len || from > to) {
        return template_fail(run, "index out of range: %lld", (long long)(from < 0 ? from : to));
    }
    *ret = template_text((struct str){text.data + from, (size_t)(to - from)});
    return 0;
}

/* What is nothing has another name here than in the text itself. */
static void print_argument(const struct template_value *value, struct strbuf *out) {
    if (value->kind == TV_NIL) {
        strbuf_add_text(out, "<nil>");
    } else {
        template_print(value, out);
    }
}

static int fn_print(struct template_run *run, const struct template_value *args, size_t n,
                    struct template_value *ret) {
    struct strbuf text = {0};
    for (size_t i = 0; i < n; i++) {
        /* Blanks come between operands of which neither is a text. */
        if (i > 0 && args[i].kind != TV_TEXT && args[i - 1].kind != TV_TEXT) {
            strbuf_add_char(&text, ' ');
        }
        print_argument(&args[i], &text);
    }
    *ret = keep(run, &text);
    return 0;
}

static int fn_println(struct template_run *run, const struct template_value *args, size_t n,
                      struct template_value *ret) {
    struct strbuf text = {0};
    for (size_t i = 0; i < n; i++) {
        strbuf_add_text(&text, i > 0 ? " " : "");
        print_argument(&args[i], &text);
    }
    strbuf_add_char(&text, '\n');
    *ret = keep(run, &text);
    return 0;
}

static int fn_printf(struct template_run *run, const struct template_value *args, size_t n,
                     struct template_value *ret) {
    struct strbuf text = {0};
    struct str format;
    if (want_text(run, &args[0], &format) < 0) {
        return -EINVAL;
    }
    template_format(format, args + 1, n - 1, &text);
    *ret = keep(run, &text);
    return 0;
}

static int escaped(struct template_run *run, const struct template_value *args, size_t n,
                   const struct escape *table, struct template_value *ret) {
    struct template_value all;
    struct strbuf text = {0};
    fn_print(run, args, n, &all);
    strbuf_add_escaped(&text, all.text, table);
    *ret = keep(run, &text);
    return 0;
}

static int fn_html(struct template_run *run, const struct template_value *args, size_t n,
                   struct template_value *ret) {
    static const struct escape table[] = {{'"', "&#34;"}, {'\'', "&#39;"}, {'&', "&amp;"},
                                          {'<', "&lt;"},  {'>', "&gt;"},   {0, NULL}};
    return escaped(run, args, n, table, ret);
}

static int fn_js(struct template_run *run, const struct template_value *args, size_t n,
                 struct template_value *ret) {
    static const struct escape table[] = {{'\\', "\\\\"},    {'\'', "\\'"},     {'"', "\\\""},
                                          {'<', "\\u003C"},  {'>', "\\u003E"},  {'&', "\\u0026"},
                                          {'=', "\\u003D"},  {'\n', "\\u000A"}, {'\r', "\\u000D"},
                                          {'\t', "\\u0009"}, {0, NULL}};
    return escaped(run, args, n, table, ret);
}

static int fn_urlquery(struct template_run *run, const struct template_value *args, size_t n,
                       struct template_value *ret) {
    struct template_value all;
    struct strbuf text = {0};
    fn_print(run, args, n, &all);
    strbuf_add_query_value(&text, all.text);
    *ret = keep(run, &text);
    return 0;
}

static int fn_call(struct template_run *run, const struct template_value *args, size_t n,
                   struct template_value *ret) {
    return template_fail(run, "there is nothing that 'call' could call");
}

/* ---- queries ---- */

static int fn_query(struct template_run *run, const struct template_value *args, size_t n,
                    struct template_value *ret) {
    struct str expr;
    struct template_sample *samples = NULL;
    size_t count = 0;
    struct error err = {0};
    if (want_text(run, &args[0], &expr) < 0) {
        return -EINVAL;
    }
    if (run->data->query == NULL) {
        return template_fail(run, "there is nothing to query here");
    }
    if (++run->queries > TEMPLATE_MOST_QUERIES) {
        return template_fail(run, "more than %d queries", TEMPLATE_MOST_QUERIES);
    }
    if (run->data->query(run->data->userdata, expr, run->data->t_ms, run->arena, &samples, &count,
                         &err) < 0) {
        return template_fail(run, "error calling query: %s", err.text);
    }
    *ret = (struct template_value){.kind = TV_SAMPLES, .samples = samples, .count = count};
    return 0;
}

static int fn_first(struct template_run *run, const struct template_value *args, size_t n,
                    struct template_value *ret) {
    if (args[0].kind != TV_SAMPLES) {
        return template_fail(run, "wrong type for value; expected template.queryResult; got %s",
                             template_type(&args[0]));
    }
    if (args[0].count == 0) {
        return template_fail(run, "error calling first: first() called on vector with no elements");
    }
    *ret = (struct template_value){.kind = TV_SAMPLE, .samples = args[0].samples};
    return 0;
}

static int want_sample(struct template_run *run, const struct template_value *value) {
    return value->kind == TV_SAMPLE
               ? 0
               : template_fail(run, "wrong type for value; expected *template.sample; got %s",
                               template_type(value));
}

static struct str sample_label(const struct template_sample *sample, struct str name) {
    for (size_t i = 0; i < sample->n_labels; i++) {
        if (str_equal(sample->labels[i].name, name)) {
            return sample->labels[i].value;
        }
    }
    return str_of("");
}

static int fn_value(struct template_run *run, const struct template_value *args, size_t n,
                    struct template_value *ret) {
    int r = want_sample(run, &args[0]);
    if (r == 0) {
        *ret = template_number(args[0].samples->value);
    }
    return r;
}

static int fn_strvalue(struct template_run *run, const struct template_value *args, size_t n,
                       struct template_value *ret) {
    int r = want_sample(run, &args[0]);
    if (r == 0) {
        *ret = template_text(sample_label(args[0].samples, str_of("__value__")));
    }
    return r;
}

static int fn_label(struct template_run *run, const struct template_value *args, size_t n,
                    struct template_value *ret) {
    struct str name;
    if (want_text(run, &args[0], &name) < 0 || want_sample(run, &args[1]) < 0) {
        return -EINVAL;
    }
    *ret = template_text(sample_label(args[1].samples, name));
    return 0;
}

static int compare_samples(const void *a, const void *b, void *name) {
    return str_compare(sample_label(a, *(struct str *)name), sample_label(b, *(struct str *)name));
}

static int fn_sort_by_label(struct template_run *run, const struct template_value *args, size_t n,
                            struct template_value *ret) {
    struct str name;
    if (want_text(run, &args[0], &name) < 0) {
        return -EINVAL;
    }
    if (args[1].kind != TV_SAMPLES) {
        return template_fail(run, "wrong type for value; expected template.queryResult; got %s",
                             template_type(&args[1]));
    }
    size_t count = args[1].count;
    struct template_sample *sorted = arena_array(run->arena, count + 1, sizeof(*sorted));
    if (count > 0) {
        memcpy(sorted, args[1].samples, count * sizeof(*sorted));
        qsort_r(sorted, count, sizeof(*sorted), compare_samples, &name);
    }
    *ret = (struct template_value){.kind = TV_SAMPLES, .samples = sorted, .count = count};
    return 0;
}

/* ---- texts ---- */

static int fn_args(struct template_run *run, const struct template_value *args, size_t n,
                   struct template_value *ret) {
    struct template_value *copy = arena_array(run->arena, n + 1, sizeof(*copy));
    for (size_t i = 0; i < n; i++) {
        copy[i] = args[i];
    }
    *ret = (struct template_value){.kind = TV_ARGS, .args = copy, .count = n};
    return 0;
}

static int compile(struct template_run *run, struct str pattern, struct regex **ret) {
    struct error err = {0};
    return regex_new(pattern, REGEX_SEARCH, ret, &err) < 0
               ? template_fail(run, "error parsing regexp: %s", err.text)
               : 0;
}

static int fn_re_replace_all(struct template_run *run, const struct template_value *args, size_t n,
                             struct template_value *ret) {
    struct str pattern, replacement, text;
    struct strbuf out = {0};
    CLEANUP(regex_freep)
    struct regex *regex = NULL;
    if (want_text(run, &args[0], &pattern) < 0 || want_text(run, &args[1], &replacement) < 0 ||
        want_text(run, &args[2], &text) < 0 || compile(run, pattern, &regex) < 0) {
        return -EINVAL;
    }
    if (regex_replace_all(regex, text, replacement, &out) < 0) {
        strbuf_deinit(&out);
        return template_fail(run, "the regular expression is too complex");
    }
    *ret = keep(run, &out);
    return 0;
}

static int fn_match(struct template_run *run, const struct template_value *args, size_t n,
                    struct template_value *ret) {
    struct str pattern, text;
    CLEANUP(regex_freep)
    struct regex *regex = NULL;
    if (want_text(run, &args[0], &pattern) < 0 || want_text(run, &args[1], &text) < 0 ||
        compile(run, pattern, &regex) < 0) {
        return -EINVAL;
    }
    int found = regex_match(regex, text);
    if (found < 0) {
        return template_fail(run, "the regular expression is too complex");
    }
    *ret = template_bool(found == REGEX_YES);
    return 0;
}

static int map_bytes(struct template_run *run, const struct template_value *value,
                     char (*map)(char before, char c), struct template_value *ret) {
    struct str text = {0};
    char before = ' ';
    if (want_text(run, value, &text) < 0) {
        return -EINVAL;
    }
    char *copy = arena_alloc(run->arena, text.len + 1);
    run->made += text.len;
    for (size_t i = 0; i < text.len; i++) {
        copy[i] = map(before, text.data[i]);
        before = text.data[i];
    }
    *ret = template_text((struct str){copy, text.len});
    return 0;
}

static char to_upper(char before, char c) {
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static char to_lower(char before, char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static char to_title(char before, char c) {
    bool word = isalnum((unsigned char)before) || before == '_' || before == '\'' ||
                (unsigned char)before >= 0x80;
    return word ? c : to_upper(before, c);
}

static int fn_to_upper(struct template_run *run, const struct template_value *args, size_t n,
                       struct template_value *ret) {
    return map_bytes(run, &args[0], to_upper, ret);
}

static int fn_to_lower(struct template_run *run, const struct template_value *args, size_t n,
                       struct template_value *ret) {
    return map_bytes(run, &args[0], to_lower, ret);
}

static int fn_title(struct template_run *run, const struct template_value *args, size_t n,
                    struct template_value *ret) {
    return map_bytes(run, &args[0], to_title, ret);
}

static int fn_safe_html(struct template_run *run, const struct template_value *args, size_t n,
                        struct template_value *ret) {
    *ret = args[0];
    return args[0].kind == TV_TEXT ? 0 : want_text(run, &args[0], &ret->text);
}

static int fn_url_query_escape(struct template_run *run, const struct template_value *args,
                               size_t n, struct template_value *ret) {
    struct str text;
    struct strbuf out = {0};
    if (want_text(run, &args[0], &text) < 0) {
        return -EINVAL;
    }
    strbuf_add_query_value(&out, text);
    *ret = keep(run, &out);
    return 0;
}

/* host:port, [v6]:port, or a host alone. */
static struct str host_of(struct str text) {
    const char *colon = memrchr(text.data, ':', text.len);
    if (text.len > 0 && text.data[0] == '[') {
        const char *close = memchr(text.data, ']', text.len);
        return close != NULL ? (struct str){text.data + 1, (size_t)(close - text.data) - 1} : text;
    }
    if (colon == NULL || memchr(text.data, ':', text.len) != colon) {
        return text;
    }
    return (struct str){text.data, (size_t)(colon - text.data)};
}

static int fn_strip_port(struct template_run *run, const struct template_value *args, size_t n,
                         struct template_value *ret) {
    struct str text;
    if (want_text(run, &args[0], &text) < 0) {
        return -EINVAL;
    }
    *ret = template_text(host_of(text));
    return 0;
}

static bool is_address(struct str host) {
    bool digits = host.len > 0;
    for (size_t i = 0; i < host.len; i++) {
        digits &= isdigit((unsigned char)host.data[i]) || host.data[i] == '.';
    }
    return digits || memchr(host.data, ':', host.len) != NULL;
}

static int fn_strip_domain(struct template_run *run, const struct template_value *args, size_t n,
                           struct template_value *ret) {
    struct str text;
    if (want_text(run, &args[0], &text) < 0) {
        return -EINVAL;
    }
    struct str host = host_of(text);
    const char *dot = memchr(host.data, '.', host.len);
    if (is_address(host) || dot == NULL) {
        *ret = template_text(text);
        return 0;
    }
    struct strbuf out = {0};
    strbuf_add(&out, host.data, (size_t)(dot - host.data));
    strbuf_add(&out, host.data + host.len, (size_t)(text.data + text.len - host.data) - host.len);
    *ret = keep(run, &out);
    return 0;
}

/* ---- numbers and times ---- */

static int humanized(struct template_run *run, const struct template_value *value,
                     void (*print)(double number, char *out), struct template_value *ret) {
    double number;
    char text[64];
    if (want_number(run, value, &number) < 0) {
        return -EINVAL;
    }
    print(number, text);
    *ret = template_text(arena_dup(run->arena, str_of(text)));
    return 0;
}

static int fn_humanize(struct template_run *run, const struct template_value *args, size_t n,
                       struct template_value *ret) {
    return humanized(run, &args[0], humanize, ret);
}

static int fn_humanize_1024(struct template_run *run, const struct template_value *args, size_t n,
                            struct template_value *ret) {
    return humanized(run, &args[0], humanize_1024, ret);
}

static int fn_humanize_duration(struct template_run *run, const struct template_value *args,
                                size_t n, struct template_value *ret) {
    return humanized(run, &args[0], humanize_duration, ret);
}

static int fn_humanize_percentage(struct template_run *run, const struct template_value *args,
                                  size_t n, struct template_value *ret) {
    return humanized(run, &args[0], humanize_percentage, ret);
}

static int fn_humanize_timestamp(struct template_run *run, const struct template_value *args,
                                 size_t n, struct template_value *ret) {
    double seconds;
    char text[64];
    if (want_number(run, &args[0], &seconds) < 0) {
        return -EINVAL;
    }
    if (!humanize_timestamp(seconds, text)) {
        return template_fail(run,
                             "%g cannot be represented as a nanoseconds timestamp since it "
                             "overflows int64",
                             seconds);
    }
    *ret = template_text(arena_dup(run->arena, str_of(text)));
    return 0;
}

static int fn_to_time(struct template_run *run, const struct template_value *args, size_t n,
                      struct template_value *ret) {
    *ret = (struct template_value){.kind = TV_TIME};
    return want_number(run, &args[0], &ret->number);
}

static int fn_to_duration(struct template_run *run, const struct template_value *args, size_t n,
                          struct template_value *ret) {
    double seconds;
    char text[64];
    if (want_number(run, &args[0], &seconds) < 0) {
        return -EINVAL;
    }
    humanize_duration(seconds, text);
    *ret = template_text(arena_dup(run->arena, str_of(text)));
    return 0;
}

static int fn_parse_duration(struct template_run *run, const struct template_value *args, size_t n,
                             struct template_value *ret) {
    struct str text;
    int64_t ms;
    if (want_text(run, &args[0], &text) < 0) {
        return -EINVAL;
    }
    if (!promql_duration_ms(text, &ms)) {
        return template_fail(run, "not a valid duration string: \"%.*s\"",
                             (int)(text.len < 60 ? text.len : 60), text.data);
    }
    *ret = template_number((double)ms / 1000.0);
    return 0;
}

static int fn_now(struct template_run *run, const struct template_value *args, size_t n,
                  struct template_value *ret) {
    *ret = template_number((double)run->data->t_ms / 1000.0);
    return 0;
}

/* ---- links ---- */

static int link_to(struct template_run *run, const struct template_value *value, int tab,
                   struct template_value *ret) {
    struct str expr;
    struct strbuf out = {0};
    if (want_text(run, value, &expr) < 0) {
        return -EINVAL;
    }
    strbuf_add_text(&out, "/graph?g0.expr=");
    strbuf_add_query_value(&out, expr);
    strbuf_printf(&out, "&g0.tab=%d", tab);
    *ret = keep(run, &out);
    return 0;
}

static int fn_graph_link(struct template_run *run, const struct template_value *args, size_t n,
                         struct template_value *ret) {
    return link_to(run, &args[0], 0, ret);
}

static int fn_table_link(struct template_run *run, const struct template_value *args, size_t n,
                         struct template_value *ret) {
    return link_to(run, &args[0], 1, ret);
}

static int fn_external_url(struct template_run *run, const struct template_value *args, size_t n,
                           struct template_value *ret) {
    *ret = template_text(run->data->external_url);
    return 0;
}

/* The path of the external URL. */
static int fn_path_prefix(struct template_run *run, const struct template_value *args, size_t n,
                          struct template_value *ret) {
    struct str url = run->data->external_url;
    const char *scheme = memmem(url.data, url.len, "://", 3);
    const char *host = scheme != NULL ? scheme + 3 : url.data;
    size_t rest = url.len - (size_t)(host - url.data);
    const char *path = rest > 0 ? memchr(host, '/', rest) : NULL;
    *ret = template_text(path != NULL ? (struct str){path, url.len - (size_t)(path - url.data)}
                                      : str_of(""));
    return 0;
}

/* ---- the table ---- */

static const struct template_function functions[] = {
    {"and", 1, -1, false, fn_short_circuit},
    {"args", 0, -1, false, fn_args},
    {"call", 1, -1, false, fn_call},
    {"eq", 2, -1, false, fn_eq},
    {"externalURL", 0, 0, false, fn_external_url},
    {"first", 1, 1, false, fn_first},
    {"ge", 2, 2, false, fn_ge},
    {"graphLink", 1, 1, false, fn_graph_link},
    {"gt", 2, 2, false, fn_gt},
    {"html", 1, -1, false, fn_html},
    {"humanize", 1, 1, false, fn_humanize},
    {"humanize1024", 1, 1, false, fn_humanize_1024},
    {"humanizeDuration", 1, 1, false, fn_humanize_duration},
    {"humanizePercentage", 1, 1, false, fn_humanize_percentage},
    {"humanizeTimestamp", 1, 1, false, fn_humanize_timestamp},
    {"index", 1, -1, false, fn_index},
    {"js", 1, -1, false, fn_js},
    {"label", 2, 2, false, fn_label},
    {"le", 2, 2, false, fn_le},
    {"len", 1, 1, false, fn_len},
    {"lt", 2, 2, false, fn_lt},
    {"match", 2, 2, false, fn_match},
    {"ne", 2, 2, false, fn_ne},
    {"not", 1, 1, false, fn_not},
    {"now", 0, 0, true, fn_now},
    {"or", 1, -1, false, fn_short_circuit},
    {"parseDuration", 1, 1, false, fn_parse_duration},
    {"pathPrefix", 0, 0, false, fn_path_prefix},
    {"print", 0, -1, false, fn_print},
    {"printf", 1, -1, false, fn_printf},
    {"println", 0, -1, false, fn_println},
    {"query", 1, 1, true, fn_query},
    {"reReplaceAll", 3, 3, false, fn_re_replace_all},
    {"safeHtml", 1, 1, false, fn_safe_html},
    {"slice", 1, 3, false, fn_slice},
    {"sortByLabel", 2, 2, false, fn_sort_by_label},
    {"stripDomain", 1, 1, false, fn_strip_domain},
    {"stripPort", 1, 1, false, fn_strip_port},
    {"strvalue", 1, 1, false, fn_strvalue},
    {"tableLink", 1, 1, false, fn_table_link},
    {"title", 1, 1, false, fn_title},
    {"toDuration", 1, 1, false, fn_to_duration},
    {"toLower", 1, 1, false, fn_to_lower},
    {"toTime", 1, 1, false, fn_to_time},
    {"toUpper", 1, 1, false, fn_to_upper},
    {"urlQueryEscape", 1, 1, false, fn_url_query_escape},
    {"urlquery", 1, -1, false, fn_urlquery},
    {"value", 1, 1, false, fn_value},
};

const struct template_function *template_function_find(struct str name) {
    for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
        if (str_is(name, functions[i].name)) {
            return &functions[i];
        }
    }
    return NULL;
}
