/* SPDX-License-Identifier: Apache-2.0 */

/* Which parameters rules join. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rules/parameter_use.h"

static struct rule_set *read_rules(const char *expr) {
    const struct rule_options options = {.interval_ms = 1000};
    struct error_list errors = {0};
    struct strbuf text = {0};
    struct str name = str_of("r.yml");
    strbuf_printf(&text,
                  "groups:\n- name: g\n  rules:\n  - {record: a, expr: vector(1)}\n"
                  "  - alert: b\n    expr: |\n      %s\n",
                  expr);
    struct str content = strbuf_view(&text);
    struct rule_set *set = rule_set_new(&name, &content, 1, &options, &errors);
    assert_non_null(set);
    error_list_deinit(&errors);
    strbuf_deinit(&text);
    return set;
}

static bool reads(const char *expr, const char *name) {
    CLEANUP(rule_set_freep)
    struct rule_set *set = read_rules(expr);
    return rule_set_reads_parameter(set, str_of(name));
}

static void finds_a_parameter_wherever_it_is_joined(void **state) {
    const char *joined = "lag > on (instance, target) group_left () "
                         "dbvitals_threshold{name=\"queue\"} and up == 1";
    assert_true(reads(joined, "queue"));
    assert_false(reads(joined, "queues"));
    assert_true(reads("sum(max_over_time(dbvitals_threshold{name=~\"a|b\"}[5m]))", "b"));
    assert_false(reads("dbvitals_threshold{name=~\"a|b\",name!=\"b\"} > 1", "b"));
    assert_true(reads("dbvitals_threshold > 1", "anything"));
}

static void other_metrics_with_a_name_do_not_count(void **state) {
    assert_false(reads("pgbouncer_databases_paused{name=\"queue\"} == 1", "queue"));
    assert_false(reads("vector(1)", "queue"));
    assert_false(reads("{name=\"queue\"} > 0", "queue"));
    assert_false(reads("{__name__=~\"pg_.+\", __name__!=\"pg_up\"} > 0", "queue"));
    assert_true(reads("{__name__=~\"dbv.+\", __name__!=\"pg_up\"} > 0", "queue"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_a_parameter_wherever_it_is_joined),
        cmocka_unit_test(other_metrics_with_a_name_do_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
