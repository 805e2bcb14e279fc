/* SPDX-License-Identifier: Apache-2.0 */

/* Pages in Prometheus' text format: lines of a few metrics that we know, the rest is passed over.
 * Only what is read is checked: a page of an application has thousands of other lines. */
#include <errno.h>
#include <math.h>

#include "sampler/app_book.h"

#define MOST_LABELS 32
/* What is read holds the loop; lines of usual lengths reach the limit on bytes first. */
#define MOST_LINES 100000

struct text_label {
    struct str name, value; /* the value with its escapes */
};

struct line {
    struct str metric;
    struct text_label labels[MOST_LABELS];
    size_t n_labels;
    double value;
};

/* ---- lines ---- */

static bool is_name_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == ':' || c == '.';
}

static struct str cut_name(struct str *rest) {
    struct str name = {rest->data, 0};
    while (name.len < rest->len && is_name_char(rest->data[name.len])) {
        name.len++;
    }
    *rest = (struct str){rest->data + name.len, rest->len - name.len};
    return name;
}

static void skip_blanks(struct str *rest) {
    while (rest->len > 0 && (rest->data[0] == ' ' || rest->data[0] == '\t')) {
        rest->data++;
        rest->len--;
    }
}

/* Return: false when something else comes first. */
static bool skip(struct str *rest, char c) {
    skip_blanks(rest);
    if (rest->len == 0 || rest->data[0] != c) {
        return false;
    }
    rest->data++;
    rest->len--;
    return true;
}

/* What stands up to the next quote. */
static bool cut_quoted(struct str *rest, struct str *ret) {
    size_t len = 0;
    if (!skip(rest, '"')) {
        return false;
    }
    while (len < rest->len && rest->data[len] != '"') {
        len += rest->data[len] == '\\' ? 2 : 1;
    }
    if (len >= rest->len) {
        return false;
    }
    *ret = (struct str){rest->data, len};
    *rest = (struct str){rest->data + len + 1, rest->len - len - 1};
    return true;
}

static bool cut_labels(struct str *rest, struct line *line) {
    while (!skip(rest, '}')) {
        struct text_label label;
        skip_blanks(rest);
        label.name = cut_name(rest);
        if (label.name.len == 0 || !skip(rest, '=') || !cut_quoted(rest, &label.value)) {
            return false;
        }
        if (line->n_labels < MOST_LABELS) {
            line->labels[line->n_labels++] = label;
        }
        (void)skip(rest, ',');
    }
    return true;
}

/* Labels and value of a line whose metric is cut off already. */
static bool read_line(struct str rest, struct line *line) {
    line->n_labels = 0;
    if (skip(&rest, '{') && !cut_labels(&rest, line)) {
        return false;
    }
    skip_blanks(&rest);
    struct str number = str_trim(str_cut(&rest, ' ')); /* a time may follow */
    return str_to_double(number, &line->value);
}

static struct str unescape(struct str text, struct arena *arena) {
    if (text.len == 0 || memchr(text.data, '\\', text.len) == NULL) {
        return text;
    }
    char *out = arena_alloc(arena, text.len);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '\\' && i + 1 < text.len) {
            i++;
            out[len++] = text.data[i] == 'n' ? '\n' : text.data[i];
        } else {
            out[len++] = text.data[i];
        }
    }
    return (struct str){out, len};
}

/* The first of several labels, names ended by NULL; no text when it has none of them. */
static struct str label_of(const struct line *line, struct arena *arena, const char *const *names) {
    for (; *names != NULL; names++) {
        for (size_t i = 0; i < line->n_labels; i++) {
            if (str_is(line->labels[i].name, *names)) {
                return unescape(line->labels[i].value, arena);
            }
        }
    }
    return (struct str){0};
}

/* ---- what lines mean ---- */

static const char *const state_label[] = {"state", NULL};
static const char *const kind_label[] = {"kind", NULL};
static const char *const result_label[] = {"result", NULL};
static const char *const layer_label[] = {"layer", NULL};
static const char *const cluster_label[] = {"envoy_cluster_name", NULL};
static const char *const breaker_labels[] = {"name", "breaker", "circuit_breaker", "circuit", NULL};
static const char *const cache_labels[] = {"cache", "name", NULL};

static int find_breaker(const struct line *line, struct app_book *book, struct app_breaker **ret,
                        struct error *err) {
    struct str name = label_of(line, book->arena, breaker_labels);
    return app_book_breaker(book, name.data != NULL ? name : str_of("default"), ret, err);
}

static int find_cache(const struct line *line, struct app_book *book, struct app_cache **ret,
                      struct error *err) {
    struct str name = label_of(line, book->arena, cache_labels);
    struct str layer = label_of(line, book->arena, layer_label);
    return app_book_cache(book, name, layer, ret, err);
}

/* A set of states of which one is 1, or one number. */
static int take_state(const struct line *line, struct app_book *book, struct error *err) {
    struct app_breaker *breaker;
    int r = find_breaker(line, book, &breaker, err);
    struct str state = label_of(line, book->arena, state_label);
    if (r == 0 && state.data == NULL) {
        const char *number = line->value == 0 ? "0" : line->value == 1 ? "1" : "2";
        bool known = line->value == 0 || line->value == 1 || line->value == 2;
        app_book_state(NULL, str_of(known ? number : "unknown"), breaker);
    } else if (r == 0 && line->value != 0) {
        app_book_state(NULL, state, breaker);
    }
    return r;
}

static int take_failure_rate(const struct line *line, struct app_book *book, struct error *err) {
    struct app_breaker *breaker;
    int r = find_breaker(line, book, &breaker, err);
    if (r == 0) {
        breaker->failure_rate = line->value >= 0 ? line->value / 100 : (double)NAN;
    }
    return r;
}

static int take_buffered(const struct line *line, struct app_book *book, struct error *err) {
    struct app_breaker *breaker;
    int r = find_breaker(line, book, &breaker, err);
    if (r == 0 && str_is(label_of(line, book->arena, kind_label), "failed")) {
        breaker->failed_calls = line->value;
    }
    return r;
}

/* One cache may be told of in several lines that differ in labels that we leave out. */
static void add(double *sum, double value) {
    *sum = isnan(*sum) ? value : *sum + value;
}

static int take_cache(const struct line *line, struct app_book *book, struct error *err) {
    struct app_cache *cache;
    int r = find_cache(line, book, &cache, err);
    if (r < 0) {
        return r;
    }
    struct str result = label_of(line, book->arena, result_label);
    if (str_is(line->metric, "cache_hits_total") || str_is(result, "hit")) {
        add(&cache->hits, line->value);
    } else if (str_is(line->metric, "cache_misses_total") || str_is(result, "miss")) {
        add(&cache->misses, line->value);
    } else if (str_is(line->metric, "cache_size")) {
        add(&cache->entries, line->value);
    } else if (str_is(line->metric, "cache_evictions_total")) {
        add(&cache->evictions, line->value);
    }
    return 0;
}

static bool cut_prefix(struct str *text, const char *prefix) {
    size_t len = strlen(prefix);
    if (!str_starts_with(*text, prefix)) {
        return false;
    }
    *text = (struct str){text->data + len, text->len - len};
    return true;
}

/* envoy_cluster_circuit_breakers_PRIORITY_LIMIT_open: one of its limits is reached. */
static int take_envoy(const struct line *line, struct app_book *book, struct error *err) {
    struct str rest = line->metric;
    struct str name = label_of(line, book->arena, cluster_label);
    struct app_breaker *breaker;
    (void)cut_prefix(&rest, "envoy_cluster_circuit_breakers_");
    bool high = cut_prefix(&rest, "high_");
    bool known = high || cut_prefix(&rest, "default_");
    if (!known || rest.len < strlen("_open") ||
        memcmp(rest.data + rest.len - strlen("_open"), "_open", strlen("_open")) != 0) {
        return 0;
    }
    if (high) {
        char *both = arena_alloc(book->arena, name.len + strlen("/high"));
        if (name.len > 0) {
            memcpy(both, name.data, name.len);
        }
        memcpy(both + name.len, "/high", strlen("/high"));
        name = (struct str){both, name.len + strlen("/high")};
    }
    int r = app_book_breaker(book, name, &breaker, err);
    if (r == 0 && (line->value != 0 || breaker->state.data == NULL)) {
        breaker->state = str_of(app_state_names[line->value != 0 ? APP_OPEN : APP_CLOSED]);
    }
    return r;
}

static int take_ejections(const struct line *line, struct app_book *book, struct error *err) {
    struct app_breaker *breaker;
    int r = app_book_breaker(book, label_of(line, book->arena, cluster_label), &breaker, err);
    if (r == 0) {
        breaker->ejected_hosts = line->value;
    }
    return r;
}

struct rule {
    enum app_format format;
    const char *metric;
    bool prefix; /* of metrics */
    int (*take)(const struct line *line, struct app_book *book, struct error *err);
};

static const struct rule rules[] = {
    {APP_ENVOY, "envoy_cluster_circuit_breakers_", true, take_envoy},
    {APP_ENVOY, "envoy_cluster_outlier_detection_ejections_active", false, take_ejections},
    {APP_PROMETHEUS, "cache_evictions_total", false, take_cache},
    {APP_PROMETHEUS, "cache_gets_total", false, take_cache},
    {APP_PROMETHEUS, "cache_hits_total", false, take_cache},
    {APP_PROMETHEUS, "cache_misses_total", false, take_cache},
    {APP_PROMETHEUS, "cache_size", false, take_cache},
    {APP_PROMETHEUS, "circuit_breaker_state", false, take_state},
    {APP_PROMETHEUS, "resilience4j_circuitbreaker_buffered_calls", false, take_buffered},
    {APP_PROMETHEUS, "resilience4j_circuitbreaker_failure_rate", false, take_failure_rate},
    {APP_PROMETHEUS, "resilience4j_circuitbreaker_state", false, take_state},
};

static const struct rule *find_rule(enum app_format format, struct str metric) {
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        bool fits = rules[i].prefix ? str_starts_with(metric, rules[i].metric)
                                    : str_is(metric, rules[i].metric);
        if (rules[i].format == format && fits) {
            return &rules[i];
        }
    }
    return NULL;
}

/* The first line tells pages of another kind: "<html>", "{", "no healthy upstream". */
static int check_form(struct str page, struct error *err) {
    struct str text = str_trim(page);
    struct str rest = str_cut(&text, '\n');
    bool comment = rest.len > 0 && rest.data[0] == '#';
    struct line line;
    if (!comment && (cut_name(&rest).len == 0 || !read_line(rest, &line))) {
        return error_say(err, -EPROTO, "the page is not in Prometheus' text format");
    }
    return 0;
}

int app_read_text(enum app_format format, struct str page, struct app_book *book,
                  struct error *err) {
    struct line line;
    int r = check_form(page, err);
    for (size_t lines = 0; r == 0 && page.len > 0; lines++) {
        if (lines == MOST_LINES) {
            return error_say(err, -E2BIG, "the page has more than %d lines", MOST_LINES);
        }
        struct str rest = str_cut(&page, '\n');
        skip_blanks(&rest);
        line.metric = cut_name(&rest);
        const struct rule *rule = find_rule(format, line.metric);
        if (rule != NULL && read_line(rest, &line) && isfinite(line.value)) {
            r = rule->take(&line, book, err);
        }
    }
    return r;
}
