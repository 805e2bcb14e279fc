/* SPDX-License-Identifier: Apache-2.0 */

/* Lines are read one after another; what must be there only once is collected and sorted. */
#include "tests/support/exposition_check.h"

#include <errno.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/mem.h"

struct list {
    struct str *items;
    size_t count, capacity;
};

struct checker {
    struct arena arena;
    struct list families; /* as "name", after their TYPE line */
    struct list series;   /* name and labels, these in the order of names */
    struct list endings;  /* names that series of histograms and summaries take */
    struct str helped;    /* the family of a HELP line that waits for its TYPE */
    struct str family, type;
    unsigned line;
    struct error *err;
};

static int bad(struct checker *checker, const char *what) {
    return error_set(checker->err, -EINVAL, (struct position){.line = checker->line}, "%s", what);
}

static void list_add(struct list *list, struct str item) {
    list->items = mem_grow(list->items, list->count, &list->capacity, sizeof(*list->items));
    list->items[list->count++] = item;
}

static int compare(const void *a, const void *b) {
    return str_compare(*(const struct str *)a, *(const struct str *)b);
}

static void list_sort(struct list *list) {
    if (list->count > 0) {
        qsort(list->items, list->count, sizeof(*list->items), compare);
    }
}

/* Of a sorted list. */
static bool has_twice(const struct list *list) {
    for (size_t i = 1; i < list->count; i++) {
        if (str_equal(list->items[i - 1], list->items[i])) {
            return true;
        }
    }
    return false;
}

static bool is_name(struct str name, bool colons) {
    static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_:";
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        bool letter = memchr(first, c, sizeof(first) - 1) != NULL && (colons || c != ':');
        if (!letter && !(i > 0 && c >= '0' && c <= '9')) {
            return false;
        }
    }
    return name.len > 0;
}

static bool is_text(struct str text) {
    for (size_t i = 0, len; i < text.len; i += len) {
        len = utf8_length(text.data + i, text.len - i);
        if (len == 0 || text.data[i] == '\0') {
            return false;
        }
    }
    return true;
}

static bool escapes_are(struct str text, const char *allowed) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '\\' && (++i == text.len || strchr(allowed, text.data[i]) == NULL)) {
            return false;
        }
    }
    return true;
}

/* What Go's ParseFloat takes, without its hexadecimal numbers and underscores. */
static bool is_value(struct str text) {
    char copy[64], *end;
    if (str_is(text, "NaN") || str_is(text, "+Inf") || str_is(text, "-Inf")) {
        return true;
    }
    if (text.len == 0 || text.len >= sizeof(copy)) {
        return false;
    }
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    if (strspn(copy, "0123456789+-.eE") != text.len) {
        return false;
    }
    (void)strtod(copy, &end);
    return *end == '\0';
}

/* ---- HELP and TYPE ---- */

static int take_help(struct checker *checker, struct str rest) {
    struct str name = str_cut(&rest, ' ');
    if (!is_name(name, true)) {
        return bad(checker, "HELP of something that is no name");
    }
    if (checker->helped.len > 0) {
        return bad(checker, "HELP behind HELP");
    }
    if (!escapes_are(rest, "\\n")) {
        return bad(checker, "HELP with an unknown escape");
    }
    checker->helped = name;
    return 0;
}

static void add_ending(struct checker *checker, const char *ending) {
    struct strbuf text = {0};
    strbuf_add_str(&text, checker->family);
    strbuf_add_text(&text, ending);
    list_add(&checker->endings, arena_dup(&checker->arena, strbuf_view(&text)));
    strbuf_deinit(&text);
}

static int take_type(struct checker *checker, struct str rest) {
    static const char *const types[] = {"counter", "gauge", "untyped", "histogram", "summary"};
    struct str name = str_cut(&rest, ' ');
    size_t type = 0;
    while (type < ARRAY_LEN(types) && !str_is(rest, types[type])) {
        type++;
    }
    if (type == ARRAY_LEN(types)) {
        return bad(checker, "unknown type");
    }
    if (!str_equal(name, checker->helped)) {
        return bad(checker, "TYPE without its HELP");
    }
    checker->helped = (struct str){0};
    checker->family = name;
    checker->type = rest;
    list_add(&checker->families, name);
    if (type >= 3) {
        add_ending(checker, "_sum");
        add_ending(checker, "_count");
    }
    if (type == 3) {
        add_ending(checker, "_bucket");
    }
    return 0;
}

/* ---- samples ---- */

/* Cuts name="value" off *rest. */
static int take_label(struct checker *checker, struct str *rest, struct str *ret) {
    struct str whole = *rest;
    if (!is_name(str_cut(rest, '='), false)) {
        return bad(checker, "a label that is no name");
    }
    if (rest->len == 0 || rest->data[0] != '"') {
        return bad(checker, "a label without quotes");
    }
    size_t end = 1;
    while (end < rest->len && rest->data[end] != '"') {
        end += rest->data[end] == '\\' ? 2 : 1;
    }
    if (end >= rest->len) {
        return bad(checker, "a label that does not end");
    }
    if (!escapes_are((struct str){rest->data + 1, end - 1}, "\\\"n")) {
        return bad(checker, "a label with an unknown escape");
    }
    *rest = (struct str){rest->data + end + 1, rest->len - end - 1};
    *ret = (struct str){whole.data, (size_t)(rest->data - whole.data)};
    return 0;
}

static struct str name_of(struct str label) {
    return str_cut(&label, '=');
}

/* Cuts {a="b",...} off *rest. */
static int take_labels(struct checker *checker, struct str *rest, struct list *ret) {
    char next = ',';
    *rest = (struct str){rest->data + 1, rest->len - 1};
    while (next == ',') {
        struct str label;
        int r = take_label(checker, rest, &label);
        if (r < 0) {
            return r;
        }
        for (size_t i = 0; i < ret->count; i++) {
            if (str_equal(name_of(ret->items[i]), name_of(label))) {
                return bad(checker, "a label is there twice");
            }
        }
        list_add(ret, label);
        next = rest->len > 0 ? rest->data[0] : '\0';
        *rest = (struct str){rest->data + (rest->len > 0), rest->len - (rest->len > 0)};
    }
    return next == '}' ? 0 : bad(checker, "labels that do not end");
}

static bool has_label(const struct list *labels, const char *name) {
    for (size_t i = 0; i < labels->count; i++) {
        if (str_is(name_of(labels->items[i]), name)) {
            return true;
        }
    }
    return false;
}

/* Whether a series of this name and with these labels may stand in the present family. */
static bool belongs(const struct checker *checker, struct str name, const struct list *labels) {
    bool histogram = str_is(checker->type, "histogram"), summary = str_is(checker->type, "summary");
    if (checker->family.len == 0 || name.len < checker->family.len ||
        memcmp(name.data, checker->family.data, checker->family.len) != 0) {
        return false;
    }
    struct str ending = {name.data + checker->family.len, name.len - checker->family.len};
    if (ending.len == 0) {
        return !histogram && (!summary || has_label(labels, "quantile"));
    }
    if (str_is(ending, "_bucket")) {
        return histogram && has_label(labels, "le");
    }
    return (histogram || summary) && (str_is(ending, "_sum") || str_is(ending, "_count"));
}

static void note_series(struct checker *checker, struct str name, struct list *labels) {
    struct strbuf text = {0};
    strbuf_add_str(&text, name);
    list_sort(labels);
    for (size_t i = 0; i < labels->count; i++) {
        strbuf_add_char(&text, ',');
        strbuf_add_str(&text, labels->items[i]);
    }
    list_add(&checker->series, arena_dup(&checker->arena, strbuf_view(&text)));
    strbuf_deinit(&text);
}

static int take_sample(struct checker *checker, struct str line, struct list *labels) {
    size_t end = 0;
    while (end < line.len && line.data[end] != '{' && line.data[end] != ' ') {
        end++;
    }
    struct str name = {line.data, end}, rest = {line.data + end, line.len - end};
    if (!is_name(name, true)) {
        return bad(checker, "a series that has no name");
    }
    if (rest.len > 0 && rest.data[0] == '{') {
        int r = take_labels(checker, &rest, labels);
        if (r < 0) {
            return r;
        }
    }
    if (checker->helped.len > 0 || !belongs(checker, name, labels)) {
        return bad(checker, "a series that is not of the family before it");
    }
    if (rest.len == 0 || rest.data[0] != ' ' ||
        !is_value((struct str){rest.data + 1, rest.len - 1})) {
        return bad(checker, "a value that is no number");
    }
    note_series(checker, name, labels);
    return 0;
}

static struct str behind_mark(struct str line) {
    size_t len = strlen("# HELP ");
    return (struct str){line.data + len, line.len - len};
}

static int take_line(struct checker *checker, struct str line) {
    if (!is_text(line)) {
        return bad(checker, "bytes that are no text");
    }
    if (str_starts_with(line, "# HELP ")) {
        return take_help(checker, behind_mark(line));
    }
    if (str_starts_with(line, "# TYPE ")) {
        return take_type(checker, behind_mark(line));
    }
    struct list labels = {0};
    int r = take_sample(checker, line, &labels);
    free(labels.items);
    return r;
}

/* ---- the whole ---- */

static int check_whole(struct checker *checker) {
    checker->line = 0;
    list_sort(&checker->families);
    list_sort(&checker->series);
    if (checker->helped.len > 0) {
        return bad(checker, "HELP at the end");
    }
    if (has_twice(&checker->families)) {
        return bad(checker, "a family is there twice");
    }
    if (has_twice(&checker->series)) {
        return bad(checker, "a series is there twice");
    }
    for (size_t i = 0; i < checker->endings.count; i++) {
        if (bsearch(&checker->endings.items[i], checker->families.items, checker->families.count,
                    sizeof(struct str), compare) != NULL) {
            return bad(checker, "a family has the name of another one's series");
        }
    }
    return 0;
}

int exposition_check(struct str page, struct error *err) {
    struct checker checker = {.err = err};
    int r = 0;
    while (r == 0 && page.len > 0) {
        checker.line++;
        if (memchr(page.data, '\n', page.len) == NULL) {
            r = bad(&checker, "the last line does not end");
            break;
        }
        r = take_line(&checker, str_cut(&page, '\n'));
    }
    if (r == 0) {
        r = check_whole(&checker);
    }
    free(checker.families.items);
    free(checker.series.items);
    free(checker.endings.items);
    arena_deinit(&checker.arena);
    return r;
}
