/* SPDX-License-Identifier: Apache-2.0 */

/* From YAML to a set of rules, with all mistakes at once. */
#include "rules/rule_file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/pack.h"
#include "base/yaml.h"
#include "promql/printer.h"

#define MOST_ERRORS 100
#define LOOKBACK_MS ((int64_t)5 * 60 * 1000)

static const struct yaml_limits limits = {
    .bytes = (size_t)8 * 1024 * 1024,
    .depth = 16,
    .nodes = 1000000,
};

struct rule_reader {
    struct rule_set *set;
    const struct rule_options *options;
    struct error_list *errors;
    struct arena yaml; /* the file's tree: what rules keep of it is copied */
    struct str file;
    const char *file_name; /* the same in the list of errors; NULL: there is none yet */
    size_t groups_capacity;
    size_t first_group;     /* of the file */
    const char *group_name; /* for messages; NULL outside of groups */
};

void error_list_deinit(struct error_list *list) {
    free(list->errors);
    arena_deinit(&list->names);
    *list = (struct error_list){0};
}

/* ---- errors ---- */

/* What stands in a group is read for each of its rules. */
static bool is_known(const struct error_list *list, const struct error *err) {
    for (size_t i = 0; i < list->n; i++) {
        const struct error *known = &list->errors[i];
        if (known->at.file == err->at.file && known->at.line == err->at.line &&
            known->at.column == err->at.column && strcmp(known->text, err->text) == 0) {
            return true;
        }
    }
    return false;
}

static void list_add(struct rule_reader *reader, const struct error *err) {
    struct error_list *list = reader->errors;
    struct error kept = *err;
    if (reader->file_name == NULL) {
        reader->file_name = arena_dup(&list->names, reader->file).data;
    }
    kept.at.file = reader->file_name; /* the set, which has the name too, is about to go */
    if (is_known(list, &kept)) {
        return;
    }
    if (list->n == MOST_ERRORS) {
        list->more++;
        return;
    }
    list->errors = mem_grow(list->errors, list->n, &list->capacity, sizeof(*list->errors));
    list->errors[list->n++] = kept;
}

/* Return: false, for callers that give up on what they read. */
static bool fail(struct rule_reader *reader, struct position at, const char *format, ...)
    PRINTF_LIKE(3, 4);

static bool fail(struct rule_reader *reader, struct position at, const char *format, ...) {
    struct error err = {0};
    char text[sizeof(err.text)];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (reader->group_name != NULL) {
        error_set(&err, -EINVAL, at, "group '%.60s': %s", reader->group_name, text);
    } else {
        error_set(&err, -EINVAL, at, "%s", text);
    }
    list_add(reader, &err);
    return false;
}

/* ---- values ---- */

static bool check_keys(struct rule_reader *reader, const struct yaml_node *map,
                       const char *const *known, size_t n_known) {
    bool good = true;
    if (map->type != YAML_MAP) {
        return fail(reader, map->at, "expected a map, found %s", yaml_describe(map));
    }
    for (size_t i = 0; i < map->n_pairs; i++) {
        struct str key = map->pairs[i].key->scalar;
        bool found = false;
        for (size_t k = 0; !found && k < n_known; k++) {
            found = str_is(key, known[k]);
        }
        if (found) {
            continue;
        }
        const char *near = str_suggest(key, known, n_known, sizeof(known[0]));
        good = fail(reader, map->pairs[i].key->at, "unknown key '%.*s'%s%s%s",
                    (int)(key.len < 60 ? key.len : 60), key.data,
                    near != NULL ? " (did you mean '" : "", near != NULL ? near : "",
                    near != NULL ? "'?)" : "");
    }
    return good;
}

/* The text of a scalar, whatever its type; empty when the key is not there or null. */
static bool read_text(struct rule_reader *reader, const struct yaml_node *map, const char *key,
                      struct str *ret) {
    const struct yaml_node *node = yaml_map_find(map, key);
    *ret = str_of("");
    if (node == NULL || yaml_is_null(node)) {
        return true;
    }
    if (node->type != YAML_SCALAR) {
        return fail(reader, node->at, "'%s': expected a text, found %s", key, yaml_describe(node));
    }
    *ret = node->scalar;
    return true;
}

static bool read_duration(struct rule_reader *reader, const struct yaml_node *map, const char *key,
                          int64_t *ret_ms) {
    struct str text;
    if (!read_text(reader, map, key, &text)) {
        return false;
    }
    if (text.len == 0) {
        return true;
    }
    bool digits = text.data[0] >= '0' && text.data[0] <= '9';
    bool unit = text.data[text.len - 1] >= 'a';
    if (!digits || !(unit || str_is(text, "0")) || !promql_duration_ms(text, ret_ms)) {
        return fail(reader, yaml_map_find(map, key)->at,
                    "'%s': '%.*s' is no duration (as in 30s, 5m, 1h30m)", key,
                    (int)(text.len < 60 ? text.len : 60), text.data);
    }
    return true;
}

static int compare_rule_texts(const void *a, const void *b) {
    return str_compare(((const struct rule_text *)a)->name, ((const struct rule_text *)b)->name);
}

/* Labels or annotations; of two maps the keys of the first win. templates: texts are compiled. */
struct text_list {
    struct rule_text texts[RULES_MOST_LABELS];
    size_t n;
};

static bool add_text(struct rule_reader *reader, const struct yaml_pair *pair, bool templates,
                     const char *what, struct text_list *list) {
    struct str name = pair->key->scalar;
    struct error err = {0};
    for (size_t i = 0; i < list->n; i++) {
        if (str_equal(list->texts[i].name, name)) {
            return true;
        }
    }
    if (pair->value->type != YAML_SCALAR) {
        return fail(reader, pair->value->at, "%s '%.*s': expected a text, found %s", what,
                    (int)name.len, name.data, yaml_describe(pair->value));
    }
    if (list->n == RULES_MOST_LABELS) {
        return fail(reader, pair->key->at, "more than %d %ss", RULES_MOST_LABELS, what);
    }
    if (name.len == 0 || !str_is_utf8(name) || str_is(name, "__name__")) {
        return fail(reader, pair->key->at, "invalid %s name '%.*s'", what, (int)name.len,
                    name.data);
    }
    struct arena *arena = &reader->set->arena;
    struct rule_text text = {
        .name = arena_dup(arena, name),
        .text = yaml_is_null(pair->value) ? str_of("") : arena_dup(arena, pair->value->scalar),
    };
    if (templates && template_new(text.text, arena, &text.template, &err) < 0) {
        return fail(reader, pair->value->at, "%s '%.*s': template %u:%u: %s", what, (int)name.len,
                    name.data, err.at.line, err.at.column, err.text);
    }
    list->texts[list->n++] = text;
    return true;
}

static bool add_texts(struct rule_reader *reader, const struct yaml_node *map, const char *key,
                      bool templates, const char *what, struct text_list *list) {
    const struct yaml_node *node = yaml_map_find(map, key);
    bool good = true;
    if (node == NULL || yaml_is_null(node)) {
        return true;
    }
    if (node->type != YAML_MAP) {
        return fail(reader, node->at, "'%s': expected a map, found %s", key, yaml_describe(node));
    }
    for (size_t i = 0; i < node->n_pairs; i++) {
        good &= add_text(reader, &node->pairs[i], templates, what, list);
    }
    return good;
}

/* ---- how far an expression looks back ---- */

static int64_t shift_reach(const struct time_shift *shift) {
    return shift->offset_ms > 0 ? shift->offset_ms : 0;
}

static int64_t most(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* lookback_ms: what a selector without range counts for. */
static int64_t reach_of(const struct expr *expr, int64_t lookback_ms) {
    int64_t reach = 0;
    switch (expr->kind) {
    case EXPR_NUMBER:
    case EXPR_STRING:
        return 0;
    case EXPR_SELECTOR:
        return shift_reach(&expr->selector.shift) +
               (expr->selector.range_ms > 0 ? expr->selector.range_ms : lookback_ms);
    case EXPR_SUBQUERY:
        return shift_reach(&expr->subquery.shift) + expr->subquery.range_ms +
               reach_of(expr->subquery.inner, lookback_ms);
    case EXPR_CALL:
        for (size_t i = 0; i < expr->call.n_args; i++) {
            reach = most(reach, reach_of(expr->call.args[i], lookback_ms));
        }
        return reach;
    case EXPR_AGGREGATE:
        reach = expr->aggregate.parameter != NULL ? reach_of(expr->aggregate.parameter, lookback_ms)
                                                  : 0;
        return most(reach, reach_of(expr->aggregate.inner, lookback_ms));
    case EXPR_BINARY:
        return most(reach_of(expr->binary.left, lookback_ms),
                    reach_of(expr->binary.right, lookback_ms));
    case EXPR_UNARY:
    case EXPR_PAREN:
        return reach_of(expr->inner, lookback_ms);
    }
    return reach;
}

/* ---- rules ---- */

static bool read_expr(struct rule_reader *reader, const struct yaml_node *map, struct rule *rule) {
    const struct yaml_node *node = yaml_map_find(map, "expr");
    struct error err = {0};
    struct str text;
    struct strbuf printed = {0};
    if (!read_text(reader, map, "expr", &text)) {
        return false;
    }
    if (text.len == 0) {
        return fail(reader, map->at, "field 'expr' must be set in rule");
    }
    rule->query_at = node->at;
    if (promql_parse(text, NULL, &reader->set->arena, &rule->expr, &err) < 0) {
        return fail(reader, node->at, "could not parse expression: %u:%u: parse error: %s",
                    err.at.line, err.at.column, err.text);
    }
    expr_print(rule->expr.root, &printed);
    rule->query = arena_dup(&reader->set->arena, strbuf_view(&printed));
    strbuf_deinit(&printed);
    rule->reach_ms = reach_of(rule->expr.root, LOOKBACK_MS);
    rule->window_ms = reach_of(rule->expr.root, 0);
    return true;
}

static bool refuse_key(struct rule_reader *reader, const struct yaml_node *map, const char *key) {
    const struct yaml_node *node = yaml_map_find(map, key);
    return node == NULL || yaml_is_null(node) ||
           fail(reader, node->at, "invalid field '%s' in recording rule", key);
}

static bool read_record(struct rule_reader *reader, const struct yaml_node *map,
                        struct rule *rule) {
    bool good = refuse_key(reader, map, "for");
    good &= refuse_key(reader, map, "keep_firing_for");
    good &= refuse_key(reader, map, "annotations");
    struct str name = rule->name;
    if (!str_is_utf8(name) || memchr(name.data, '{', name.len) != NULL ||
        memchr(name.data, '}', name.len) != NULL) {
        return fail(reader, map->at, "invalid recording rule name: '%.*s'", (int)name.len,
                    name.data);
    }
    bool own = str_is(name, "ALERTS") || str_is(name, "ALERTS_FOR_STATE");
    if (own || (reader->options->is_reserved != NULL && reader->options->is_reserved(name))) {
        return fail(reader, map->at,
                    "recorded series may not be called '%.*s': dbvitals makes series of that name",
                    (int)name.len, name.data);
    }
    return good;
}

static bool read_kind(struct rule_reader *reader, const struct yaml_node *map, struct rule *rule) {
    struct str record, alert;
    if (!read_text(reader, map, "record", &record) || !read_text(reader, map, "alert", &alert)) {
        return false;
    }
    if (record.len > 0 && alert.len > 0) {
        return fail(reader, map->at, "only one of 'record' and 'alert' must be set");
    }
    if (record.len == 0 && alert.len == 0) {
        return fail(reader, map->at, "one of 'record' or 'alert' must be set");
    }
    rule->kind = record.len > 0 ? RULE_RECORD : RULE_ALERT;
    rule->name = arena_dup(&reader->set->arena, record.len > 0 ? record : alert);
    return true;
}

static struct rule_text *keep_texts(struct rule_reader *reader, struct text_list *list) {
    struct rule_text *kept = arena_array(&reader->set->arena, list->n, sizeof(*kept));
    if (list->n > 0) {
        qsort(list->texts, list->n, sizeof(*kept), compare_rule_texts);
        memcpy(kept, list->texts, list->n * sizeof(*kept));
    }
    return kept;
}

static bool read_texts(struct rule_reader *reader, const struct yaml_node *group,
                       const struct yaml_node *map, struct rule *rule) {
    bool alert = rule->kind == RULE_ALERT;
    struct text_list labels = {.n = 0}, annotations = {.n = 0};
    bool good = add_texts(reader, map, "labels", alert, "label", &labels);
    good &= add_texts(reader, group, "labels", alert, "label", &labels);
    if (alert) {
        good &= add_texts(reader, map, "annotations", true, "annotation", &annotations);
    }
    rule->labels = keep_texts(reader, &labels);
    rule->n_labels = labels.n;
    rule->annotations = keep_texts(reader, &annotations);
    rule->n_annotations = annotations.n;
    return good;
}

static bool read_rule(struct rule_reader *reader, const struct yaml_node *group,
                      const struct yaml_node *map, struct rule *rule) {
    static const char *const keys[] = {"alert",           "annotations", "expr",  "for",
                                       "keep_firing_for", "labels",      "record"};
    rule->at = map->at;
    bool good = check_keys(reader, map, keys, ARRAY_LEN(keys));
    if (map->type != YAML_MAP || !read_kind(reader, map, rule)) {
        return false;
    }
    good &= read_expr(reader, map, rule);
    good &= read_texts(reader, group, map, rule);
    good &= read_duration(reader, map, "for", &rule->for_ms);
    good &= read_duration(reader, map, "keep_firing_for", &rule->keep_firing_for_ms);
    return good && (rule->kind == RULE_ALERT || read_record(reader, map, rule));
}

/* ---- groups ---- */

static void hash_texts(const struct rule_text *texts, size_t n, struct strbuf *out) {
    pack_u64(out, n);
    for (size_t i = 0; i < n; i++) {
        pack_str(out, texts[i].name);
        pack_str(out, texts[i].text);
    }
}

static uint64_t identity_of(const struct rule_group *group) {
    struct strbuf all = {0};
    pack_str(&all, group->file);
    pack_str(&all, group->name);
    pack_i64(&all, group->interval_ms);
    pack_i64(&all, group->query_offset_ms);
    pack_u64(&all, group->limit);
    for (size_t i = 0; i < group->n_rules; i++) {
        const struct rule *rule = &group->rules[i];
        pack_u64(&all, (uint64_t)rule->kind);
        pack_str(&all, rule->name);
        pack_str(&all, rule->query);
        pack_i64(&all, rule->for_ms);
        pack_i64(&all, rule->keep_firing_for_ms);
        hash_texts(rule->labels, rule->n_labels, &all);
        hash_texts(rule->annotations, rule->n_annotations, &all);
    }
    uint64_t identity = hash_stable(strbuf_view(&all));
    strbuf_deinit(&all);
    return identity;
}

static bool read_limit(struct rule_reader *reader, const struct yaml_node *map, uint64_t *ret) {
    struct str text;
    if (!read_text(reader, map, "limit", &text)) {
        return false;
    }
    if (text.len > 0 && !str_to_uint64(text, ret)) {
        return fail(reader, yaml_map_find(map, "limit")->at, "'limit': '%.*s' is no number",
                    (int)(text.len < 60 ? text.len : 60), text.data);
    }
    return true;
}

static bool read_rules(struct rule_reader *reader, const struct yaml_node *map,
                       struct rule_group *group) {
    const struct yaml_node *list = yaml_map_find(map, "rules");
    struct rule_set *set = reader->set;
    bool good = true;
    if (list == NULL || yaml_is_null(list)) {
        return true;
    }
    if (list->type != YAML_LIST) {
        return fail(reader, list->at, "'rules': expected a list, found %s", yaml_describe(list));
    }
    if (list->n_items > RULES_MOST_RULES - set->n_rules) {
        return fail(reader, list->at, "more than %d rules", RULES_MOST_RULES);
    }
    group->rules = arena_array(&set->arena, list->n_items + 1, sizeof(*group->rules));
    group->n_rules = list->n_items;
    set->n_rules += list->n_items;
    for (size_t i = 0; i < list->n_items; i++) {
        group->rules[i].index = i;
        good &= read_rule(reader, map, list->items[i], &group->rules[i]);
    }
    return good;
}

static bool check_group_name(struct rule_reader *reader, const struct yaml_node *map,
                             struct str name) {
    if (name.len == 0) {
        return fail(reader, map->at, "a group needs a name");
    }
    for (size_t i = reader->first_group; i < reader->set->n_groups; i++) {
        if (str_equal(reader->set->groups[i].name, name)) {
            return fail(reader, map->at, "group '%.*s' is there twice in this file", (int)name.len,
                        name.data);
        }
    }
    return true;
}

static void read_group(struct rule_reader *reader, const struct yaml_node *map) {
    static const char *const keys[] = {"interval", "labels",       "limit",
                                       "name",     "query_offset", "rules"};
    struct rule_set *set = reader->set;
    struct rule_group group = {.file = reader->file, .interval_ms = reader->options->interval_ms};
    reader->group_name = NULL;
    if (!check_keys(reader, map, keys, ARRAY_LEN(keys)) && map->type != YAML_MAP) {
        return;
    }
    if (!read_text(reader, map, "name", &group.name) ||
        !check_group_name(reader, map, group.name)) {
        return;
    }
    group.name = arena_dup(&set->arena, group.name);
    reader->group_name = group.name.data;
    read_duration(reader, map, "interval", &group.interval_ms);
    read_duration(reader, map, "query_offset", &group.query_offset_ms);
    read_limit(reader, map, &group.limit);
    if (group.interval_ms <= 0) {
        group.interval_ms = reader->options->interval_ms;
    }
    if (set->n_groups == RULES_MOST_GROUPS) {
        fail(reader, map->at, "more than %d groups", RULES_MOST_GROUPS);
        return;
    }
    /* In the set before its rules are read: what they own is given back with the set. */
    set->groups =
        mem_grow(set->groups, set->n_groups, &reader->groups_capacity, sizeof(*set->groups));
    struct rule_group *kept = &set->groups[set->n_groups++];
    *kept = group;
    if (read_rules(reader, map, kept)) {
        kept->identity = identity_of(kept);
    }
    reader->group_name = NULL;
}

static void read_file(struct rule_reader *reader, struct str name, struct str text) {
    static const char *const keys[] = {"groups", "namespace"};
    const struct yaml_node *root;
    struct error err = {0};
    reader->file = arena_dup(&reader->set->arena, name);
    reader->file_name = NULL;
    reader->first_group = reader->set->n_groups;
    if (yaml_parse(text, reader->file.data, &limits, &reader->yaml, &root, &err) < 0) {
        list_add(reader, &err);
        return;
    }
    if (!check_keys(reader, root, keys, ARRAY_LEN(keys)) || root->type != YAML_MAP) {
        return;
    }
    const struct yaml_node *groups = yaml_map_find(root, "groups");
    if (groups == NULL || yaml_is_null(groups)) {
        return;
    }
    if (groups->type != YAML_LIST) {
        fail(reader, groups->at, "'groups': expected a list, found %s", yaml_describe(groups));
        return;
    }
    for (size_t i = 0; i < groups->n_items; i++) {
        read_group(reader, groups->items[i]);
    }
}

/* ---- the set ---- */

struct rule_set *rule_set_new(const struct str *names, const struct str *texts, size_t n_files,
                              const struct rule_options *options, struct error_list *errors) {
    struct rule_reader reader = {
        .set = mem_alloc(sizeof(struct rule_set)),
        .options = options,
        .errors = errors,
    };
    reader.set->interval_ms = options->interval_ms;
    size_t before = errors->n + errors->more;
    for (size_t i = 0; i < n_files; i++) {
        read_file(&reader, names[i], texts[i]);
        arena_deinit(&reader.yaml);
    }
    return errors->n + errors->more > before ? rule_set_free(reader.set) : reader.set;
}

struct rule_set *rule_set_free(struct rule_set *set) {
    if (set == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < set->n_groups; i++) {
        for (size_t k = 0; k < set->groups[i].n_rules; k++) {
            parsed_deinit(&set->groups[i].rules[k].expr);
        }
    }
    free(set->groups);
    arena_deinit(&set->arena);
    free(set);
    return NULL;
}
