/* SPDX-License-Identifier: Apache-2.0 */

/* Rule files: what a good one becomes, and every mistake with its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "rules/rule_file.h"

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)

static bool is_reserved(struct str name) {
    return str_is(name, "pg_up");
}

static const struct rule_options options = {.interval_ms = MINUTE, .is_reserved = is_reserved};

static struct rule_set *read_one(const char *text, struct error_list *errors) {
    struct str name = str_of("r.yml"), content = str_of(text);
    return rule_set_new(&name, &content, 1, &options, errors);
}

static struct rule_set *read_good(const char *text) {
    struct error_list errors = {0};
    struct rule_set *set = read_one(text, &errors);
    for (size_t i = 0; i < errors.n; i++) {
        char line[512];
        print_error("%s\n", error_format(&errors.errors[i], line, sizeof(line)));
    }
    assert_non_null(set);
    assert_int_equal(errors.n, 0);
    error_list_deinit(&errors);
    return set;
}

/* The file's only error is this, as file:line:column: text. */
static void check_wrong(const char *text, const char *expected) {
    struct error_list errors = {0};
    char line[512] = "nothing";
    struct rule_set *set = read_one(text, &errors);
    if (errors.n > 0) {
        error_format(&errors.errors[0], line, sizeof(line));
    }
    if (strcmp(line, expected) != 0 || errors.n != 1) {
        print_error("%s\n", text);
    }
    assert_string_equal(line, expected);
    assert_int_equal(errors.n, 1);
    assert_null(set);
    error_list_deinit(&errors);
}

/* ---- good ones ---- */

static const char good[] = "groups:\n"
                           "  - name: first\n"
                           "    interval: 30s\n"
                           "    query_offset: 1m\n"
                           "    limit: 10\n"
                           "    labels: {team: db, severity: none}\n"
                           "    rules:\n"
                           "      - record: job:errors:rate5m\n"
                           "        expr: sum by (job) (rate(errors_total[5m]))\n"
                           "        labels: {kind: 1}\n"
                           "      - alert: Errors\n"
                           "        expr: job:errors:rate5m>1\n"
                           "        for: 1m30s\n"
                           "        keep_firing_for: 2m\n"
                           "        labels: {severity: '{{ $value }}'}\n"
                           "        annotations: {summary: \"On {{ $labels.job }}\", note: ~}\n"
                           "  - name: second\n"
                           "    rules: [{alert: One, expr: 1}]\n";

static void a_good_file_becomes_groups_and_rules(void **state) {
    struct rule_set *set = read_good(good);
    assert_int_equal(set->n_groups, 2);
    assert_int_equal(set->n_rules, 3);
    const struct rule_group *group = &set->groups[0];
    assert_true(str_is(group->file, "r.yml"));
    assert_true(str_is(group->name, "first"));
    assert_int_equal(group->interval_ms, 30 * SECOND);
    assert_int_equal(group->query_offset_ms, MINUTE);
    assert_int_equal(group->limit, 10);
    assert_int_equal(group->n_rules, 2);
    assert_int_equal(set->groups[1].interval_ms, MINUTE);
    assert_int_equal(set->groups[1].limit, 0);
    rule_set_free(set);
}

static void rules_have_what_their_lines_say(void **state) {
    struct rule_set *set = read_good(good);
    const struct rule *record = &set->groups[0].rules[0], *alert = &set->groups[0].rules[1];
    assert_int_equal(record->kind, RULE_RECORD);
    assert_true(str_is(record->name, "job:errors:rate5m"));
    assert_int_equal(record->at.line, 8);
    assert_int_equal(record->n_labels, 3);
    assert_true(str_is(record->labels[0].name, "kind"));
    assert_true(str_is(record->labels[0].text, "1"));
    assert_null(record->labels[0].template);
    assert_int_equal(alert->kind, RULE_ALERT);
    assert_int_equal(alert->index, 1);
    assert_int_equal(alert->for_ms, 90 * SECOND);
    assert_int_equal(alert->keep_firing_for_ms, 2 * MINUTE);
    assert_true(str_is(alert->query, "job:errors:rate5m > 1"));
    assert_int_equal(alert->query_at.line, 12);
    assert_int_equal(alert->query_at.column, 15);
    assert_int_equal(alert->n_annotations, 2);
    assert_true(str_is(alert->annotations[0].name, "note"));
    assert_true(str_is(alert->annotations[0].text, ""));
    assert_int_equal(alert->n_labels, 2);
    assert_true(str_is(alert->labels[0].text, "{{ $value }}"));
    assert_non_null(alert->labels[0].template);
    assert_true(str_is(alert->labels[1].text, "db"));
    assert_true(str_is(set->groups[1].rules[0].query, "1"));
    rule_set_free(set);
}

static void knows_how_far_each_rule_looks_back(void **state) {
    static const struct {
        const char *expr;
        int64_t reach_ms;
    } cases[] = {
        {"vector(1)", 0},
        {"a", 5 * MINUTE},
        {"a offset 1h", HOUR + 5 * MINUTE},
        {"a offset -1h", 5 * MINUTE},
        {"rate(a[10m])", 10 * MINUTE},
        {"rate(a[1m]) + b", 5 * MINUTE},
        {"max_over_time(rate(a[10m] offset 2m)[30m:1m] offset 5m)", 47 * MINUTE},
        {"-(sum(a offset 1m) > 1)", 6 * MINUTE},
        {"topk(scalar(a offset 1h), b)", HOUR + 5 * MINUTE},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *text =
            mem_printf("groups: [{name: g, rules: [{record: x, expr: '%s'}]}]", cases[i].expr);
        struct rule_set *set = read_good(text);
        assert_int_equal(set->groups[0].rules[0].reach_ms, cases[i].reach_ms);
        rule_set_free(set);
        free(text);
    }
}

static void files_without_groups_are_good(void **state) {
    static const char *const texts[] = {"",
                                        "groups:\n",
                                        "groups: []",
                                        "# nothing\n",
                                        "groups: [{name: a, rules: }, {name: b}]",
                                        "namespace: x\ngroups: []"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct rule_set *set = read_good(texts[i]);
        assert_int_equal(set->n_rules, 0);
        rule_set_free(set);
    }
}

static void texts_are_taken_whatever_their_type(void **state) {
    struct rule_set *set = read_good("groups: [{name: 7, rules: [{alert: true, expr: 1, for: 0, "
                                     "labels: {page: true, n: 1.50}}]}]");
    const struct rule *rule = &set->groups[0].rules[0];
    assert_true(str_is(set->groups[0].name, "7"));
    assert_true(str_is(rule->name, "true"));
    assert_int_equal(rule->for_ms, 0);
    assert_true(str_is(rule->labels[0].text, "1.50"));
    assert_true(str_is(rule->labels[1].text, "true"));
    rule_set_free(set);
}

static void anchors_and_merges_are_carried_out(void **state) {
    struct rule_set *set = read_good("groups:\n"
                                     "  - name: g\n"
                                     "    rules:\n"
                                     "      - &base {alert: A, expr: a, for: 1m}\n"
                                     "      - <<: *base\n"
                                     "        alert: B\n");
    assert_true(str_is(set->groups[0].rules[1].name, "B"));
    assert_int_equal(set->groups[0].rules[1].for_ms, MINUTE);
    rule_set_free(set);
}

static void only_equal_groups_have_equal_identities(void **state) {
    static const char *const others[] = {
        "groups: [{name: h, rules: [{alert: A, expr: a}]}]",
        "groups: [{name: g, rules: [{alert: B, expr: a}]}]",
        "groups: [{name: g, rules: [{alert: A, expr: b}]}]",
        "groups: [{name: g, rules: [{record: A, expr: a}]}]",
        "groups: [{name: g, rules: [{alert: A, expr: a, for: 1m}]}]",
        "groups: [{name: g, rules: [{alert: A, expr: a, keep_firing_for: 1m}]}]",
        "groups: [{name: g, rules: [{alert: A, expr: a, labels: {x: y}}]}]",
        "groups: [{name: g, rules: [{alert: A, expr: a, annotations: {x: y}}]}]",
        "groups: [{name: g, labels: {x: z}, rules: [{alert: A, expr: a}]}]",
        "groups: [{name: g, interval: 2m, rules: [{alert: A, expr: a}]}]",
        "groups: [{name: g, query_offset: 2m, rules: [{alert: A, expr: a}]}]",
        "groups: [{name: g, limit: 1, rules: [{alert: A, expr: a}]}]",
        "groups: [{name: g, rules: [{alert: A, expr: a}, {alert: A, expr: a}]}]",
        "groups: [{name: g, rules: []}]",
    };
    struct rule_set *first = read_good("groups: [{name: g, rules: [{alert: A, expr: a}]}]");
    struct rule_set *same =
        read_good("# moved\ngroups:\n- rules: [{expr: ' a ', alert: A}]\n  name: g\n");
    assert_int_equal(first->groups[0].identity, same->groups[0].identity);
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        struct rule_set *other = read_good(others[i]);
        assert_true(first->groups[0].identity != other->groups[0].identity);
        rule_set_free(other);
    }
    rule_set_free(first);
    rule_set_free(same);
}

/* ---- mistakes ---- */

#define RULE(text) "groups:\n- name: g\n  rules:\n  - " text "\n"

static void tells_each_mistake_and_where_it_is(void **state) {
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"groups: [",
         "r.yml:2:1: not valid YAML: did not find expected node content, while parsing a flow node "
         "that begins at line 2"},
        {"[]", "r.yml:1:1: expected a map, found a list"},
        {"group: []", "r.yml:1:1: unknown key 'group' (did you mean 'groups'?)"},
        {"groups: {}", "r.yml:1:9: 'groups': expected a list, found a map"},
        {"groups: [a]", "r.yml:1:10: expected a map, found a value"},
        {"groups: [{}]", "r.yml:1:10: a group needs a name"},
        {"groups: [{name: a}, {name: a}]", "r.yml:1:21: group 'a' is there twice in this file"},
        {"groups: [{name: g, rule: []}]", "r.yml:1:20: unknown key 'rule' (did you mean 'rules'?)"},
        {"groups: [{name: g, rules: {}}]",
         "r.yml:1:27: group 'g': 'rules': expected a list, found a map"},
        {"groups: [{name: g, interval: 1x}]",
         "r.yml:1:30: group 'g': 'interval': '1x' is no duration (as in 30s, 5m, 1h30m)"},
        {"groups: [{name: g, interval: 30}]",
         "r.yml:1:30: group 'g': 'interval': '30' is no duration (as in 30s, 5m, 1h30m)"},
        {"groups: [{name: g, query_offset: -1m}]",
         "r.yml:1:34: group 'g': 'query_offset': '-1m' is no duration (as in 30s, 5m, 1h30m)"},
        {"groups: [{name: g, limit: -1}]", "r.yml:1:27: group 'g': 'limit': '-1' is no number"},
        {RULE("[]"), "r.yml:4:5: group 'g': expected a map, found a list"},
        {RULE("{expr: a}"), "r.yml:4:5: group 'g': one of 'record' or 'alert' must be set"},
        {RULE("{expr: a, alert: A, record: b}"),
         "r.yml:4:5: group 'g': only one of 'record' and 'alert' must be set"},
        {RULE("{alert: A}"), "r.yml:4:5: group 'g': field 'expr' must be set in rule"},
        {RULE("{alert: A, expr: [a]}"),
         "r.yml:4:22: group 'g': 'expr': expected a text, found a list"},
        {RULE("{alert: A, expr: a, fore: 1m}"),
         "r.yml:4:25: group 'g': unknown key 'fore' (did you mean 'for'?)"},
        {RULE("{alert: A, expr: a, for: soon}"),
         "r.yml:4:30: group 'g': 'for': 'soon' is no duration (as in 30s, 5m, 1h30m)"},
        {RULE("{record: b, expr: a, for: 1m}"),
         "r.yml:4:31: group 'g': invalid field 'for' in recording rule"},
        {RULE("{record: b, expr: a, keep_firing_for: 1m}"),
         "r.yml:4:43: group 'g': invalid field 'keep_firing_for' in recording rule"},
        {RULE("{record: b, expr: a, annotations: {x: y}}"),
         "r.yml:4:39: group 'g': invalid field 'annotations' in recording rule"},
        {RULE("{record: 'b{x=\"y\"}', expr: a}"),
         "r.yml:4:5: group 'g': invalid recording rule name: 'b{x=\"y\"}'"},
        {RULE("{record: ALERTS, expr: a}"),
         "r.yml:4:5: group 'g': recorded series may not be called 'ALERTS': dbvitals makes series "
         "of that name"},
        {RULE("{record: pg_up, expr: a}"),
         "r.yml:4:5: group 'g': recorded series may not be called 'pg_up': dbvitals makes series "
         "of that name"},
        {RULE("{alert: A, expr: a, labels: [x]}"),
         "r.yml:4:33: group 'g': 'labels': expected a map, found a list"},
        {RULE("{alert: A, expr: a, labels: {x: [y]}}"),
         "r.yml:4:37: group 'g': label 'x': expected a text, found a list"},
        {RULE("{alert: A, expr: a, labels: {__name__: y}}"),
         "r.yml:4:34: group 'g': invalid label name '__name__'"},
        {RULE("{alert: A, expr: a, labels: {'': y}}"),
         "r.yml:4:34: group 'g': invalid label name ''"},
        {RULE("{alert: A, expr: a, annotations: {x: '{{ nosuch }}'}}"),
         "r.yml:4:42: group 'g': annotation 'x': template 1:4: function \"nosuch\" not defined"},
        {RULE("{alert: A, expr: a, labels: {x: '{{ if }}'}}"),
         "r.yml:4:37: group 'g': label 'x': template 1:7: missing value for command"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        check_wrong(cases[i].text, cases[i].expected);
    }
}

static void errors_of_expressions_tell_both_places(void **state) {
    struct error_list errors = {0};
    assert_null(read_one(RULE("{alert: A, expr: 'rate(a)'}"), &errors));
    assert_int_equal(errors.n, 1);
    assert_int_equal(errors.errors[0].at.line, 4);
    assert_int_equal(errors.errors[0].at.column, 22);
    const char *expected = "group 'g': could not parse expression: 1:6: parse error: ";
    assert_int_equal(strncmp(errors.errors[0].text, expected, strlen(expected)), 0);
    error_list_deinit(&errors);
}

static void tells_all_mistakes_of_all_files_in_order(void **state) {
    struct str names[] = {str_of("a.yml"), str_of("b.yml"), str_of("c.yml")};
    struct str texts[] = {
        str_of(RULE("{alert: A, expr: 'a{', for: x}")),
        str_of(RULE("{alert: A, expr: a}")),
        str_of("groups:\n- {name: g, rules: [{alert: A}, {record: b, expr: a, for: 1m}]}\n"
               "- {name: g, rules: []}\n- {name: h, nosuch: 1}\n"),
    };
    static const struct {
        const char *file;
        unsigned line, column;
    } expected[] = {{"a.yml", 4, 22}, {"a.yml", 4, 33}, {"c.yml", 2, 21},
                    {"c.yml", 2, 59}, {"c.yml", 3, 3},  {"c.yml", 4, 13}};
    struct error_list errors = {0};
    assert_null(rule_set_new(names, texts, 3, &options, &errors));
    assert_int_equal(errors.n, ARRAY_LEN(expected));
    for (size_t i = 0; i < errors.n; i++) {
        assert_string_equal(errors.errors[i].at.file, expected[i].file);
        assert_int_equal(errors.errors[i].at.line, expected[i].line);
        assert_int_equal(errors.errors[i].at.column, expected[i].column);
    }
    error_list_deinit(&errors);
}

static void names_of_files_outlive_the_call(void **state) {
    char *name = mem_strdup("gone.yml");
    struct str names[] = {str_of(name)}, texts[] = {str_of("groups: 1")};
    struct error_list errors = {0};
    assert_null(rule_set_new(names, texts, 1, &options, &errors));
    memset(name, 'x', strlen(name));
    free(name);
    char line[200];
    assert_string_equal(error_format(&errors.errors[0], line, sizeof(line)),
                        "gone.yml:1:9: 'groups': expected a list, found a value");
    error_list_deinit(&errors);
}

static void a_mistake_of_a_group_is_told_once(void **state) {
    check_wrong("groups:\n- name: g\n  labels: {__name__: x}\n"
                "  rules: [{record: a, expr: b}, {record: c, expr: d}]\n",
                "r.yml:3:12: group 'g': invalid label name '__name__'");
}

static void counts_mistakes_above_a_hundred(void **state) {
    struct strbuf text = {0};
    struct error_list errors = {0};
    strbuf_add_text(&text, "groups:\n");
    for (int i = 0; i < 120; i++) {
        strbuf_printf(&text, "- {name: g%d, limit: x}\n", i);
    }
    strbuf_add_char(&text, '\0');
    assert_null(read_one(text.data, &errors));
    assert_int_equal(errors.n, 100);
    assert_int_equal(errors.more, 20);
    error_list_deinit(&errors);
    strbuf_deinit(&text);
}

static void refuses_more_labels_than_a_rule_may_have(void **state) {
    struct strbuf text = {0};
    struct error_list errors = {0};
    strbuf_add_text(&text, "groups: [{name: g, rules: [{alert: A, expr: a, labels: {");
    for (int i = 0; i <= RULES_MOST_LABELS; i++) {
        strbuf_printf(&text, "l%d: x, ", i);
    }
    strbuf_add_text(&text, "}}]}]");
    strbuf_add_char(&text, '\0');
    assert_null(read_one(text.data, &errors));
    assert_non_null(strstr(errors.errors[0].text, "more than 32 labels"));
    error_list_deinit(&errors);
    strbuf_deinit(&text);
}

static void texts_cut_anywhere_do_no_harm(void **state) {
    size_t sets = 0;
    for (size_t len = 0; len < sizeof(good); len++) {
        struct str name = str_of("r.yml"), text = {good, len};
        struct error_list errors = {0};
        struct rule_set *set = rule_set_new(&name, &text, 1, &options, &errors);
        assert_true((set == NULL) == (errors.n > 0));
        sets += set != NULL;
        rule_set_free(set);
        error_list_deinit(&errors);
    }
    assert_true(sets > 2);
}

/* ---- ours ---- */

static char *read_all(const char *path) {
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    char *text = mem_alloc(1 << 20);
    size_t len = fread(text, 1, (1 << 20) - 1, file);
    text[len] = '\0';
    fclose(file);
    return text;
}

static void the_bundled_alerts_load(void **state) {
    const char *folder = getenv("DBVITALS_ALERTS");
    assert_non_null(folder);
    glob_t found;
    char *pattern = mem_printf("%s/*.yml", folder), *cluster = mem_printf("%s/*/c*r.yml", folder);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    assert_int_equal(glob(cluster, GLOB_APPEND, NULL, &found), 0);
    assert_true(found.gl_pathc >= 8);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        char *text = read_all(found.gl_pathv[i]);
        struct rule_set *set = read_good(text);
        assert_true(set->n_rules > 0);
        rule_set_free(set);
        free(text);
    }
    globfree(&found);
    free(pattern);
    free(cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_file_becomes_groups_and_rules),
        cmocka_unit_test(rules_have_what_their_lines_say),
        cmocka_unit_test(knows_how_far_each_rule_looks_back),
        cmocka_unit_test(files_without_groups_are_good),
        cmocka_unit_test(texts_are_taken_whatever_their_type),
        cmocka_unit_test(anchors_and_merges_are_carried_out),
        cmocka_unit_test(only_equal_groups_have_equal_identities),
        cmocka_unit_test(tells_each_mistake_and_where_it_is),
        cmocka_unit_test(errors_of_expressions_tell_both_places),
        cmocka_unit_test(tells_all_mistakes_of_all_files_in_order),
        cmocka_unit_test(names_of_files_outlive_the_call),
        cmocka_unit_test(a_mistake_of_a_group_is_told_once),
        cmocka_unit_test(counts_mistakes_above_a_hundred),
        cmocka_unit_test(refuses_more_labels_than_a_rule_may_have),
        cmocka_unit_test(texts_cut_anywhere_do_no_harm),
        cmocka_unit_test(the_bundled_alerts_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
