/* SPDX-License-Identifier: Apache-2.0 */

/* What must hold for the tables of all collectors. DBVITALS_PEERS names the list of other
 * exporters' families, tests/collectors/peers.tsv. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/duration.h"
#include "base/mem.h"
#include "collectors/collector.h"
#include "collectors/support.h"

static const char *peers_path;

static bool is_metric(const struct column *rule) {
    return rule->kind != LABEL && rule->kind != NAME && rule->kind != FACT;
}

/* Calls visit for each rule of each collector, those of `also` included. */
static void each_rule(void (*visit)(const struct collector *collector, const struct column *rules,
                                    const struct column *rule)) {
    for (size_t i = 0; collector_list[i] != NULL; i++) {
        const struct collector *collector = collector_list[i];
        const struct column *lists[] = {collector->columns, collector->also};
        for (size_t list = 0; list < ARRAY_LEN(lists); list++) {
            const struct column *rule = lists[list];
            for (; rule != NULL && rule->kind != COLUMN_END; rule++) {
                visit(collector, lists[list], rule);
            }
        }
    }
}

static bool is_legal_name(const char *name, bool pattern) {
    for (const char *c = name; *c != '\0'; c++) {
        bool letter = (*c >= 'a' && *c <= 'z') || *c == '_';
        bool digit = *c >= '0' && *c <= '9' && c != name;
        if (!letter && !digit && !(pattern && *c == '*')) {
            return false;
        }
    }
    return name[0] != '\0';
}

static void ends_with_full_stop(const char *owner, const char *text) {
    if (text == NULL || text[0] == '\0' || text[strlen(text) - 1] != '.') {
        fail_msg("the help of '%s' is no sentence with a full stop", owner);
    }
    assert_null(strchr(text, '\n'));
}

static void every_kind_begins_with_its_only_vital_collector(void **state) {
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        size_t seen = 0;
        for (size_t i = 0; collector_list[i] != NULL; i++) {
            if (collector_list[i]->kind == (enum target_kind)kind) {
                bool vital = (collector_list[i]->flags & COLLECTOR_VITAL) != 0;
                assert_int_equal(vital, seen == 0);
                assert_int_equal(vital && (collector_list[i]->flags & COLLECTOR_OFF) != 0, 0);
                seen++;
            }
        }
        assert_true(seen > 0);
    }
}

static void names_of_collectors_are_unique_within_a_kind(void **state) {
    for (size_t i = 0; collector_list[i] != NULL; i++) {
        const struct collector *collector = collector_list[i];
        assert_true(is_legal_name(collector->name, false));
        assert_ptr_equal(collector_find(collector->kind, collector->name), collector);
        ends_with_full_stop(collector->name, collector->help);
    }
}

static void every_collector_has_a_query_for_its_oldest_and_newest_server(void **state) {
    for (size_t i = 0; collector_list[i] != NULL; i++) {
        bool postgres = collector_list[i]->kind == KIND_POSTGRES;
        assert_non_null(collector_query(collector_list[i], postgres ? 100000 : 0));
        assert_non_null(collector_query(collector_list[i], 189999));
    }
}

static void columns_are_sorted(void **state) {
    for (size_t i = 0; collector_list[i] != NULL; i++) {
        const struct column *rule = collector_list[i]->columns;
        assert_non_null(rule);
        for (; rule->kind != COLUMN_END && rule[1].kind != COLUMN_END; rule++) {
            if (str_compare(str_of(rule->column), str_of(rule[1].column)) > 0) {
                fail_msg("%s: '%s' comes before '%s'", collector_list[i]->name, rule->column,
                         rule[1].column);
            }
        }
    }
}

static void check_rule(const struct collector *collector, const struct column *rules,
                       const struct column *rule) {
    assert_true(rule->group < COLLECTOR_GROUPS);
    if (rule->kind == FACT) {
        assert_non_null(rule->column);
        assert_true(rule->fact < FACT_COUNT);
        assert_null(rule->metric);
    } else if (rule->kind != NAME && !is_legal_name(rule->metric, is_metric(rule))) {
        fail_msg("%s: '%s' is no legal name", collector->name, rule->metric);
    }
    if (is_metric(rule)) {
        ends_with_full_stop(rule->metric, rule->help);
    }
    if (rules == collector->columns) {
        assert_true(rule->kind != HISTOGRAM && rule->kind != SUMMARY);
    }
}

static void names_and_helps_are_legal(void **state) {
    each_rule(check_rule);
}

static void check_label_used(const struct collector *collector, const struct column *rules,
                             const struct column *rule) {
    bool used = rule->kind != LABEL;
    for (const struct column *other = rules; other->kind != COLUMN_END; other++) {
        used = used || (is_metric(other) && other->group == rule->group);
    }
    if (!used) {
        fail_msg("%s: label '%s' has no metric in its group", collector->name, rule->metric);
    }
}

static void every_label_has_a_metric(void **state) {
    each_rule(check_label_used);
}

struct family {
    const char *name, *help;
    enum column_kind kind;
    const struct collector *collector;
};

static struct family families[2000];
static size_t n_families;

static void check_agreement(const struct collector *collector, const struct column *rules,
                            const struct column *rule) {
    enum column_kind kind = rule->kind == INFO ? GAUGE : rule->kind;
    if (!is_metric(rule)) {
        return;
    }
    for (size_t i = 0; i < n_families; i++) {
        if (strcmp(families[i].name, rule->metric) == 0) {
            if (families[i].kind != kind || strcmp(families[i].help, rule->help) != 0) {
                fail_msg("'%s' differs between %s and %s", rule->metric,
                         families[i].collector->name, collector->name);
            }
            return;
        }
    }
    assert_true(n_families < ARRAY_LEN(families));
    families[n_families++] = (struct family){rule->metric, rule->help, kind, collector};
}

static void equal_families_agree_in_type_and_help(void **state) {
    n_families = 0;
    each_rule(check_agreement);
    assert_true(n_families > 250);
}

struct peer {
    char name[96], type[16], labels[256];
    bool met;
};

static struct peer peers[600];
static size_t n_peers;

static int load_peers(void **state) {
    FILE *file = fopen(peers_path, "re");
    char line[512];
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        struct peer *peer = &peers[n_peers];
        assert_true(n_peers < ARRAY_LEN(peers));
        if (line[0] != '#') {
            assert_int_equal(
                sscanf(line, "%95[^\t]\t%15[^\t]\t%255[^\n]", peer->name, peer->type, peer->labels),
                3);
            n_peers++;
        }
    }
    return fclose(file);
}

static struct peer *find_peer(const char *name) {
    for (size_t i = 0; i < n_peers; i++) {
        if (strcmp(peers[i].name, name) == 0) {
            return &peers[i];
        }
    }
    return NULL;
}

static const char *type_name(enum column_kind kind) {
    switch (kind) {
    case COUNTER:
        return "counter";
    case UNTYPED:
        return "untyped";
    case HISTOGRAM:
        return "histogram";
    case SUMMARY:
        return "summary";
    default:
        return "gauge";
    }
}

static bool rules_have_label(const struct collector *collector, const struct column *rules,
                             uint8_t group, struct str name) {
    if ((collector->flags & COLLECTOR_SERVER_LABEL) != 0 && str_is(name, "server")) {
        return true;
    }
    for (const struct column *rule = rules; rule->kind != COLUMN_END; rule++) {
        if (rule->kind == LABEL && rule->group == group && str_is(name, rule->metric)) {
            return true;
        }
    }
    return false;
}

static bool list_has(const char *list, const char *name) {
    struct str rest = str_of(list);
    while (rest.len > 0) {
        struct str word = str_cut(&rest, ',');
        if (word.len > 0 && word.data[0] == '?') {
            word = (struct str){word.data + 1, word.len - 1};
        }
        if (str_is(word, name)) {
            return true;
        }
    }
    return false;
}

static void check_peer(const struct collector *collector, const struct column *rules,
                       const struct column *rule) {
    struct peer *peer = is_metric(rule) ? find_peer(rule->metric) : NULL;
    if (peer == NULL) {
        return;
    }
    peer->met = true;
    if (strcmp(peer->type, type_name(rule->kind)) != 0) {
        fail_msg("'%s' is no %s", rule->metric, type_name(rule->kind));
    }
    struct str rest = str_of(strcmp(peer->labels, "-") == 0 ? "" : peer->labels);
    while (rest.len > 0) {
        struct str name = str_cut(&rest, ',');
        bool optional = name.data[0] == '?';
        name = optional ? (struct str){name.data + 1, name.len - 1} : name;
        if (!rules_have_label(collector, rules, rule->group, name)) {
            fail_msg("'%s' lacks label '%.*s'", rule->metric, (int)name.len, name.data);
        }
    }
    if ((collector->flags & COLLECTOR_SERVER_LABEL) != 0 && !list_has(peer->labels, "server")) {
        fail_msg("'%s' has no label 'server' elsewhere", rule->metric);
    }
    for (const struct column *other = rules; other->kind != COLUMN_END; other++) {
        if (other->kind == LABEL && other->group == rule->group &&
            !list_has(peer->labels, other->metric)) {
            fail_msg("'%s' has no label '%s' elsewhere", rule->metric, other->metric);
        }
    }
}

static void shared_families_have_the_usual_types_and_labels(void **state) {
    each_rule(check_peer);
    for (size_t i = 0; i < n_peers; i++) {
        if (!peers[i].met) {
            fail_msg("'%s' is listed and no collector has it", peers[i].name);
        }
    }
}

static void options_have_names_helps_and_legal_fallbacks(void **state) {
    for (size_t i = 0; collector_list[i] != NULL; i++) {
        const struct option *option = collector_list[i]->options;
        for (; option != NULL && option->name != NULL; option++) {
            uint64_t value;
            assert_true(is_legal_name(option->name, false));
            ends_with_full_stop(option->name, option->help);
            assert_non_null(option->fallback);
            if (option->type == OPTION_UNSIGNED || option->type == OPTION_DURATION) {
                assert_true(option->type == OPTION_UNSIGNED
                                ? str_to_uint64(str_of(option->fallback), &value)
                                : duration_parse(str_of(option->fallback), &value, NULL) == 0);
                assert_true(value >= option->least && value <= option->most);
            }
        }
    }
}

static void a_name_is_found_only_under_its_kind(void **state) {
    assert_null(collector_find(KIND_REDIS, "settings"));
    assert_null(collector_find(KIND_POSTGRES, "setting"));
    assert_string_equal(collector_find(KIND_POSTGRES, "settings")->name, "settings");
}

/* Whatever schemas a database owner puts in front: what begins with pg_ is asked for by its schema,
 * and so are operators, of which these are the usual ones. */
static void check_statement(const char *collector, const char *text) {
    static const char *const bare[] = {" = ",    " <> ",    " - ",   " + ",   " || ",
                                       " now()", " count(", " max(", " IN (", "::int",
                                       "::text", ";",       "  "};
    for (const char *at = strstr(text, "pg_"); at != NULL; at = strstr(at + 1, "pg_")) {
        /* A quoted word is a text: the name of a role, a pattern. */
        if (at != text && strchr("._'", at[-1]) == NULL && strncmp(at, "pg_catalog.", 11) != 0) {
            fail_msg("%s: no schema at '%.30s'", collector, at);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(bare); i++) {
        if (strstr(text, bare[i]) != NULL) {
            fail_msg("%s: '%s' without a schema", collector, bare[i]);
        }
    }
}

static void statements_do_not_depend_on_the_search_path(void **state) {
    for (size_t i = 0; collector_list[i] != NULL; i++) {
        const struct query *query = collector_list[i]->queries;
        for (; collector_list[i]->kind == KIND_POSTGRES && query->text != NULL; query++) {
            check_statement(collector_list[i]->name, query->text);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_begins_with_its_only_vital_collector),
        cmocka_unit_test(names_of_collectors_are_unique_within_a_kind),
        cmocka_unit_test(every_collector_has_a_query_for_its_oldest_and_newest_server),
        cmocka_unit_test(columns_are_sorted),
        cmocka_unit_test(names_and_helps_are_legal),
        cmocka_unit_test(every_label_has_a_metric),
        cmocka_unit_test(equal_families_agree_in_type_and_help),
        cmocka_unit_test(shared_families_have_the_usual_types_and_labels),
        cmocka_unit_test(options_have_names_helps_and_legal_fallbacks),
        cmocka_unit_test(a_name_is_found_only_under_its_kind),
        cmocka_unit_test(statements_do_not_depend_on_the_search_path),
    };
    peers_path = getenv("DBVITALS_PEERS");
    if (peers_path == NULL) {
        fprintf(stderr, "DBVITALS_PEERS must name the list of families\n");
        return 2;
    }
    return cmocka_run_group_tests(tests, load_peers, NULL);
}
