/* SPDX-License-Identifier: Apache-2.0 */

/* From the YAML of a test file to its tests. */
#include "rules/test_file.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "base/yaml.h"
#include "promql/parser.h"

#define MOST_STEPS 1000000

struct test_reader {
    struct rule_test_file *file;
    struct arena *arena;
    struct error *err;
};

static const struct yaml_limits limits = {
    .bytes = (size_t)16 * 1024 * 1024,
    .depth = 16,
    .nodes = 2000000,
};

/* ---- values ---- */

static int check_keys(struct test_reader *reader, const struct yaml_node *map,
                      const char *const *known, size_t n_known) {
    if (map->type != YAML_MAP) {
        return error_set(reader->err, -EINVAL, map->at, "expected a map, found %s",
                         yaml_describe(map));
    }
    for (size_t i = 0; i < map->n_pairs; i++) {
        struct str key = map->pairs[i].key->scalar;
        bool found = false;
        for (size_t k = 0; !found && k < n_known; k++) {
            found = str_is(key, known[k]);
        }
        if (!found) {
            return error_set(reader->err, -EINVAL, map->pairs[i].key->at, "unknown key '%.*s'",
                             (int)(key.len < 60 ? key.len : 60), key.data);
        }
    }
    return 0;
}

static int read_text(struct test_reader *reader, const struct yaml_node *map, const char *key,
                     struct str *ret) {
    const struct yaml_node *node = yaml_map_find(map, key);
    *ret = str_of("");
    if (node == NULL || yaml_is_null(node)) {
        return 0;
    }
    if (node->type != YAML_SCALAR) {
        return error_set(reader->err, -EINVAL, node->at, "'%s': expected a text, found %s", key,
                         yaml_describe(node));
    }
    *ret = node->scalar;
    return 0;
}

static int read_duration(struct test_reader *reader, const struct yaml_node *map, const char *key,
                         int64_t *ret_ms) {
    struct str text;
    int r = read_text(reader, map, key, &text);
    if (r < 0 || text.len == 0 || promql_duration_ms(text, ret_ms)) {
        return r;
    }
    return error_set(reader->err, -EINVAL, yaml_map_find(map, key)->at,
                     "'%s': '%.*s' is no duration (as in 30s, 5m, 1h30m)", key,
                     (int)(text.len < 60 ? text.len : 60), text.data);
}

/* Seconds since 1970, or a time as in 2026-01-02T03:04:05Z. */
static bool parse_time(struct str text, int64_t *ret_ms) {
    struct tm date = {0};
    char copy[40], *rest;
    double seconds, fraction = 0;
    if (promql_number(text, &seconds)) {
        *ret_ms = (int64_t)round(seconds * 1000);
        return fabs(seconds) < 1e12;
    }
    if (text.len >= sizeof(copy)) {
        return false;
    }
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    rest = strptime(copy, "%Y-%m-%dT%H:%M:%S", &date);
    if (rest != NULL && *rest == '.') {
        fraction = strtod(rest, &rest);
    }
    if (rest == NULL || (*rest != 'Z' && *rest != '+' && *rest != '-')) {
        return false;
    }
    struct tm zone = {0};
    int64_t offset_s = 0;
    if (*rest != 'Z') {
        char *end = strptime(rest + 1, "%H:%M", &zone);
        offset_s = (zone.tm_hour * 60 + zone.tm_min) * (*rest == '-' ? -60 : 60);
        rest = end != NULL ? end - 1 : rest;
    }
    *ret_ms = ((int64_t)timegm(&date) - offset_s) * 1000 + (int64_t)round(fraction * 1000);
    return rest[1] == '\0';
}

static int compare_labels(const void *a, const void *b) {
    return str_compare(((const struct label *)a)->name, ((const struct label *)b)->name);
}

/* Sorts by name; without value is without label. */
static void sort_labels(struct test_labels *labels) {
    size_t kept = 0;
    for (size_t i = 0; i < labels->n; i++) {
        if (labels->labels[i].value.len > 0) {
            labels->labels[kept++] = labels->labels[i];
        }
    }
    labels->n = kept;
    if (kept > 1) {
        qsort(labels->labels, kept, sizeof(*labels->labels), compare_labels);
    }
}

/* A map of texts; empty ones are kept, because an annotation may be empty. */
static int read_map(struct test_reader *reader, const struct yaml_node *map, const char *key,
                    struct test_labels *ret) {
    const struct yaml_node *node = yaml_map_find(map, key);
    *ret = (struct test_labels){0};
    if (node == NULL || yaml_is_null(node)) {
        return 0;
    }
    if (node->type != YAML_MAP) {
        return error_set(reader->err, -EINVAL, node->at, "'%s': expected a map, found %s", key,
                         yaml_describe(node));
    }
    ret->labels = arena_array(reader->arena, node->n_pairs + 1, sizeof(struct label));
    for (size_t i = 0; i < node->n_pairs; i++) {
        const struct yaml_node *value = node->pairs[i].value;
        if (value->type != YAML_SCALAR) {
            return error_set(reader->err, -EINVAL, value->at, "expected a text, found %s",
                             yaml_describe(value));
        }
        ret->labels[ret->n++] = (struct label){node->pairs[i].key->scalar,
                                               yaml_is_null(value) ? str_of("") : value->scalar};
    }
    if (ret->n > 1) {
        qsort(ret->labels, ret->n, sizeof(*ret->labels), compare_labels);
    }
    return 0;
}

/* A series as it is written in expressions; "" has no labels. */
static int read_series(struct test_reader *reader, const struct yaml_node *map, const char *key,
                       struct test_labels *ret) {
    struct str text;
    struct error why = {0};
    int r = read_text(reader, map, key, &text);
    *ret = (struct test_labels){0};
    if (r < 0 || text.len == 0) {
        return r;
    }
    if (case_parse_series(text, reader->arena, &ret->labels, &ret->n, &why) < 0) {
        return error_set(reader->err, -EINVAL, yaml_map_find(map, key)->at, "'%.*s': %s",
                         (int)(text.len < 100 ? text.len : 100), text.data, why.text);
    }
    sort_labels(ret);
    return 0;
}

/* The list of a key, or NULL in *ret; elements are read one by one into an array. */
static int read_list(struct test_reader *reader, const struct yaml_node *map, const char *key,
                     size_t size,
                     int (*read)(struct test_reader *, const struct yaml_node *, void *),
                     void **ret, size_t *ret_n) {
    const struct yaml_node *list = yaml_map_find(map, key);
    *ret = NULL;
    *ret_n = 0;
    if (list == NULL || yaml_is_null(list)) {
        return 0;
    }
    if (list->type != YAML_LIST) {
        return error_set(reader->err, -EINVAL, list->at, "'%s': expected a list, found %s", key,
                         yaml_describe(list));
    }
    char *array = arena_array(reader->arena, list->n_items + 1, size);
    for (size_t i = 0; i < list->n_items; i++) {
        int r = read(reader, list->items[i], array + i * size);
        if (r < 0) {
            return r;
        }
    }
    *ret = array;
    *ret_n = list->n_items;
    return 0;
}

static int read_string(struct test_reader *reader, const struct yaml_node *node, void *ret) {
    if (node->type != YAML_SCALAR) {
        return error_set(reader->err, -EINVAL, node->at, "expected a text, found %s",
                         yaml_describe(node));
    }
    *(struct str *)ret = node->scalar;
    return 0;
}

/* ---- the parts of a test ---- */

static int read_input(struct test_reader *reader, const struct yaml_node *map, void *ret) {
    static const char *const keys[] = {"series", "values"};
    struct test_input *input = ret;
    struct str values;
    struct error why = {0};
    int r = check_keys(reader, map, keys, ARRAY_LEN(keys));
    r = r == 0 ? read_series(reader, map, "series", &input->series) : r;
    r = r == 0 ? read_text(reader, map, "values", &values) : r;
    if (r == 0 &&
        case_parse_values(values, reader->arena, &input->values, &input->n_values, &why) < 0) {
        r = error_set(reader->err, -EINVAL, yaml_map_find(map, "values")->at, "%s", why.text);
    }
    return r;
}

static int read_expected_alert(struct test_reader *reader, const struct yaml_node *map, void *ret) {
    static const char *const keys[] = {"exp_annotations", "exp_labels"};
    struct expected_alert *alert = ret;
    int r = check_keys(reader, map, keys, ARRAY_LEN(keys));
    r = r == 0 ? read_map(reader, map, "exp_labels", &alert->labels) : r;
    return r == 0 ? read_map(reader, map, "exp_annotations", &alert->annotations) : r;
}

/* Expected alerts have the name of their test among their labels. */
static void add_alertname(struct test_reader *reader, struct alert_test *test) {
    for (size_t i = 0; i < test->n_expected; i++) {
        struct test_labels *labels = &test->expected[i].labels;
        struct label *more = arena_array(reader->arena, labels->n + 1, sizeof(*more));
        size_t n = 0;
        for (size_t k = 0; k < labels->n; k++) {
            if (!str_is(labels->labels[k].name, "alertname")) {
                more[n++] = labels->labels[k];
            }
        }
        more[n++] = (struct label){str_of("alertname"), test->alert};
        *labels = (struct test_labels){more, n};
        sort_labels(labels);
    }
}

static int read_alert_test(struct test_reader *reader, const struct yaml_node *map, void *ret) {
    static const char *const keys[] = {"alertname", "eval_time", "exp_alerts"};
    struct alert_test *test = ret;
    void *expected = NULL;
    int r = check_keys(reader, map, keys, ARRAY_LEN(keys));
    r = r == 0 ? read_text(reader, map, "alertname", &test->alert) : r;
    r = r == 0 ? read_duration(reader, map, "eval_time", &test->after_ms) : r;
    r = r == 0 ? read_list(reader, map, "exp_alerts", sizeof(struct expected_alert),
                           read_expected_alert, &expected, &test->n_expected)
               : r;
    if (r == 0 && test->alert.len == 0) {
        r = error_set(reader->err, -EINVAL, map->at, "an alert test needs an 'alertname'");
    }
    if (r == 0) {
        test->expected = expected;
        add_alertname(reader, test);
    }
    return r;
}

static bool parse_value(struct str text, double *ret) {
    bool negative = str_starts_with(text, "-");
    struct str rest = negative ? (struct str){text.data + 1, text.len - 1} : text;
    if (str_is(rest, ".inf") || str_is(rest, ".Inf") || str_is(rest, ".INF")) {
        *ret = negative ? -INFINITY : INFINITY;
        return true;
    }
    if (str_is(text, ".nan") || str_is(text, ".NaN") || str_is(text, ".NAN")) {
        *ret = NAN;
        return true;
    }
    return promql_number(text, ret);
}

static int read_expected_sample(struct test_reader *reader, const struct yaml_node *map,
                                void *ret) {
    static const char *const keys[] = {"labels", "value"};
    struct expected_sample *sample = ret;
    struct str value = {0};
    int r = check_keys(reader, map, keys, ARRAY_LEN(keys));
    r = r == 0 ? read_series(reader, map, "labels", &sample->labels) : r;
    r = r == 0 ? read_text(reader, map, "value", &value) : r;
    if (r == 0 && value.len > 0 && !parse_value(value, &sample->value)) {
        r = error_set(reader->err, -EINVAL, yaml_map_find(map, "value")->at, "'%.*s' is no number",
                      (int)(value.len < 60 ? value.len : 60), value.data);
    }
    return r;
}

static int read_expr_test(struct test_reader *reader, const struct yaml_node *map, void *ret) {
    static const char *const keys[] = {"eval_time", "exp_samples", "expr"};
    struct expr_test *test = ret;
    void *expected = NULL;
    int r = check_keys(reader, map, keys, ARRAY_LEN(keys));
    r = r == 0 ? read_text(reader, map, "expr", &test->expr) : r;
    r = r == 0 ? read_duration(reader, map, "eval_time", &test->after_ms) : r;
    r = r == 0 ? read_list(reader, map, "exp_samples", sizeof(struct expected_sample),
                           read_expected_sample, &expected, &test->n_expected)
               : r;
    test->expected = expected;
    return r;
}

static int read_start(struct test_reader *reader, const struct yaml_node *map, int64_t *ret_ms) {
    struct str text;
    int r = read_text(reader, map, "start_timestamp", &text);
    if (r == 0 && text.len > 0 && !parse_time(text, ret_ms)) {
        r = error_set(reader->err, -EINVAL, yaml_map_find(map, "start_timestamp")->at,
                      "'%.*s' is no time (as in 1700000000 or 2026-01-02T03:04:05Z)",
                      (int)(text.len < 60 ? text.len : 60), text.data);
    }
    return r;
}

/* A test ends with its last question; it must not take for ever to get there. */
static int check_length(struct test_reader *reader, const struct yaml_node *map,
                        const struct rule_test *test) {
    int64_t last_ms = 0;
    for (size_t i = 0; i < test->n_alerts; i++) {
        last_ms = test->alerts[i].after_ms > last_ms ? test->alerts[i].after_ms : last_ms;
    }
    for (size_t i = 0; i < test->n_exprs; i++) {
        last_ms = test->exprs[i].after_ms > last_ms ? test->exprs[i].after_ms : last_ms;
    }
    if (test->interval_ms <= 0) {
        return error_set(reader->err, -EINVAL, map->at, "'interval' must be longer than nothing");
    }
    return last_ms / reader->file->interval_ms <= MOST_STEPS
               ? 0
               : error_set(reader->err, -EINVAL, map->at, "more than %d evaluations", MOST_STEPS);
}

static int read_test(struct test_reader *reader, const struct yaml_node *map, void *ret) {
    static const char *const keys[] = {"alert_rule_test",  "external_labels", "external_url",
                                       "input_series",     "interval",        "name",
                                       "promql_expr_test", "start_timestamp"};
    struct rule_test *test = ret;
    void *inputs = NULL, *alerts = NULL, *exprs = NULL;
    test->interval_ms = reader->file->interval_ms;
    int r = check_keys(reader, map, keys, ARRAY_LEN(keys));
    r = r == 0 ? read_text(reader, map, "name", &test->name) : r;
    r = r == 0 ? read_duration(reader, map, "interval", &test->interval_ms) : r;
    r = r == 0 ? read_start(reader, map, &test->start_ms) : r;
    r = r == 0 ? read_map(reader, map, "external_labels", &test->external_labels) : r;
    r = r == 0 ? read_text(reader, map, "external_url", &test->external_url) : r;
    r = r == 0 ? read_list(reader, map, "input_series", sizeof(struct test_input), read_input,
                           &inputs, &test->n_inputs)
               : r;
    r = r == 0 ? read_list(reader, map, "alert_rule_test", sizeof(struct alert_test),
                           read_alert_test, &alerts, &test->n_alerts)
               : r;
    r = r == 0 ? read_list(reader, map, "promql_expr_test", sizeof(struct expr_test),
                           read_expr_test, &exprs, &test->n_exprs)
               : r;
    test->inputs = inputs;
    test->alerts = alerts;
    test->exprs = exprs;
    return r == 0 ? check_length(reader, map, test) : r;
}

static int read_bool(struct test_reader *reader, const struct yaml_node *map, const char *key,
                     bool *ret) {
    struct str text;
    int r = read_text(reader, map, key, &text);
    *ret = str_is(text, "true");
    if (r == 0 && text.len > 0 && !*ret && !str_is(text, "false")) {
        r = error_set(reader->err, -EINVAL, yaml_map_find(map, key)->at,
                      "'%s': expected true or false", key);
    }
    return r;
}

int rule_test_parse(const char *name, struct str text, struct rule_test_file *ret,
                    struct error *err) {
    static const char *const keys[] = {"evaluation_interval", "fuzzy_compare", "group_eval_order",
                                       "rule_files", "tests"};
    const struct yaml_node *root;
    void *files = NULL, *order = NULL, *tests = NULL;
    *ret = (struct rule_test_file){.interval_ms = 60000};
    struct test_reader reader = {ret, &ret->arena, err};
    int r = yaml_parse(text, name, &limits, &ret->arena, &root, err);
    r = r == 0 ? check_keys(&reader, root, keys, ARRAY_LEN(keys)) : r;
    r = r == 0 ? read_duration(&reader, root, "evaluation_interval", &ret->interval_ms) : r;
    if (r == 0 && ret->interval_ms <= 0) {
        r = error_set(err, -EINVAL, root->at, "'evaluation_interval' must be longer than nothing");
    }
    r = r == 0 ? read_bool(&reader, root, "fuzzy_compare", &ret->fuzzy) : r;
    r = r == 0 ? read_list(&reader, root, "rule_files", sizeof(struct str), read_string, &files,
                           &ret->n_rule_files)
               : r;
    r = r == 0 ? read_list(&reader, root, "group_eval_order", sizeof(struct str), read_string,
                           &order, &ret->n_order)
               : r;
    r = r == 0 ? read_list(&reader, root, "tests", sizeof(struct rule_test), read_test, &tests,
                           &ret->n_tests)
               : r;
    ret->rule_files = files;
    ret->order = order;
    ret->tests = tests;
    return r == 0 ? 0 : -EINVAL;
}

void rule_test_deinit(struct rule_test_file *file) {
    arena_deinit(&file->arena);
    *file = (struct rule_test_file){0};
}
