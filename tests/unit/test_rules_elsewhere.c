/* SPDX-License-Identifier: Apache-2.0 */

/* Rules that are evaluated elsewhere: submitted once, answered once, or never. */
#include "rules_world.h"

#include <string.h>

#define GROUP(rules) "groups:\n- name: g\n  interval: 10s\n  rules:\n" rules

static struct {
    int calls;
    int64_t t_ms;
    uint64_t ticket;
    char name[40];
} asked;

static void submit(void *userdata, const struct rule *rule, int64_t t_ms, uint64_t ticket) {
    asked.calls++;
    asked.t_ms = t_ms;
    asked.ticket = ticket;
    copy_text(asked.name, sizeof(asked.name), rule->name);
}

/* The second rule reads more than the loop may: 300,000 samples. */
static void begin(struct world *world) {
    world_init(world, &(struct rules_options){.submit = submit});
    asked.calls = 0;
    world_load(world, GROUP("  - {record: before, expr: time()}\n"
                            "  - {alert: Large, expr: 'sum_over_time(m[5m]) + "
                            "count_over_time(vector(1)[300000s:1s]) > 0'}\n"
                            "  - {record: after, expr: 1}\n"));
    append(world, "m", T0, 1);
    rules_start(world->rules, world->now_ms);
    world->now_ms = world_run(world);
    world_run(world);
}

static void answer_at(struct world *world, const struct rule_cost *cost) {
    static const struct label labels[] = {{{"x", 1}, {"1", 1}}};
    const struct rule_sample sample = {labels, 1, 7};
    rules_evaluated(world->rules, asked.ticket, &sample, 1, cost, NULL);
}

static void answer(struct world *world) {
    answer_at(world, NULL);
}

static void what_is_too_large_for_the_loop_is_submitted(void **state) {
    struct world world;
    begin(&world);
    assert_int_equal(asked.calls, 1);
    assert_string_equal(asked.name, "Large");
    assert_int_equal(asked.t_ms, world.now_ms);
    assert_series(&world, "before", 1);
    assert_series(&world, "after", 0); /* it waits its turn */
    answer(&world);
    world_run(&world);
    assert_series(&world, "ALERTS{alertname=\"Large\", x=\"1\"}", 1);
    assert_series(&world, "after", 1);
    assert_int_equal(rules_group(world.rules, 0).iterations, 1);
    assert_int_equal(world.n_told, 1);
    world_deinit(&world);
}

static void slots_pass_while_it_runs(void **state) {
    struct world world;
    begin(&world);
    int64_t first_ms = world.now_ms;
    world.now_ms += 35 * SECOND;
    assert_true(world_run(&world) == INT64_MAX); /* only the answer goes on */
    assert_int_equal(asked.calls, 1);
    answer(&world);
    world_run(&world);
    assert_int_equal(rules_group(world.rules, 0).missed, 2);
    assert_int_equal(asked.calls, 2);
    assert_int_equal(asked.t_ms, first_ms + 30 * SECOND);
    world_deinit(&world);
}

static void an_error_from_elsewhere_is_the_rules(void **state) {
    struct world world;
    struct error err = {0};
    begin(&world);
    error_say(&err, -1, "no worker");
    rules_evaluated(world.rules, asked.ticket, NULL, 0, NULL, &err);
    world_run(&world);
    assert_int_equal(rules_rule(world.rules, 0, 1).health, RULE_ERROR);
    assert_string_equal(rules_rule(world.rules, 0, 1).error, "no worker");
    assert_int_equal(rules_rule(world.rules, 0, 2).health, RULE_OK);
    world_deinit(&world);
}

static void an_answer_counts_once(void **state) {
    struct world world;
    begin(&world);
    uint64_t ticket = asked.ticket;
    answer(&world);
    world_run(&world);
    rules_evaluated(world.rules, ticket, NULL, 0, NULL, NULL);
    rules_evaluated(world.rules, 0, NULL, 0, NULL, NULL);
    assert_int_equal(rules_rule(world.rules, 0, 1).evaluations, 1);
    assert_int_equal(rules_rule(world.rules, 0, 1).n_alerts, 1);
    world_deinit(&world);
}

static void an_answer_after_a_reload_is_nobodys(void **state) {
    struct world world;
    begin(&world);
    world_load(&world, GROUP("  - {record: before, expr: 2}\n"));
    answer(&world);
    assert_series(&world, "ALERTS", 0);
    world_slot(&world);
    assert_value(&world, "before", 2);
    world_deinit(&world);
}

/* Answers the evaluation that runs, at this cost; the next slot begins another one. Return: whether
 * that was submitted, too. */
static bool next_is_submitted(struct world *world, const struct rule_cost *cost) {
    const int before = asked.calls;
    answer_at(world, cost);
    int64_t next_ms = world_run(world);
    if (next_ms != INT64_MAX) { /* else a slot had passed, and its evaluation runs */
        world->now_ms = next_ms;
        world_run(world);
    }
    return asked.calls > before;
}

/* Twelve series make a subquery too large for the loop, later there is one. */
static void what_is_cheap_again_comes_back_into_the_loop(void **state) {
    static const struct rule_cost cheap = {1000, 100}, dear = {1000, 4000}, large = {150000, 100};
    const struct rule_cost *stays[] = {&cheap, &cheap, &dear,  &cheap, &cheap,
                                       &large, &cheap, &cheap, NULL};
    struct world world;
    world_init(&world, &(struct rules_options){.submit = submit});
    asked.calls = 0;
    world_load(&world, GROUP("  - {record: r, expr: 'count_over_time(m[20000s:1s])'}\n"));
    for (int i = 0; i < 12; i++) {
        char name[20];
        snprintf(name, sizeof(name), "m{i=\"%d\"}", i);
        append(&world, name, T0, 1);
    }
    rules_start(world.rules, world.now_ms);
    world.now_ms = world_run(&world);
    world_run(&world);
    assert_int_equal(asked.calls, 1);
    world.now_ms += 30000 * SECOND;
    append(&world, "m{i=\"1\"}", world.now_ms, 1);
    for (size_t i = 0; i < ARRAY_LEN(stays); i++) {
        assert_true(next_is_submitted(&world, stays[i]));
    }
    assert_true(next_is_submitted(&world, &cheap));
    assert_true(next_is_submitted(&world, &cheap));
    assert_false(next_is_submitted(&world, &cheap));
    assert_series(&world, "r", 1);
    const uint64_t evaluations = rules_rule(world.rules, 0, 0).evaluations;
    world_slot(&world);
    assert_int_equal(rules_rule(world.rules, 0, 0).evaluations, evaluations + 1);
    world_deinit(&world);
}

/* 600 windows of 600 samples, which are few samples. */
static void the_deadline_counts_within_windows(void **state) {
    struct world world;
    world_init(&world, &(struct rules_options){.submit = submit});
    world_load(&world, GROUP("  - record: r\n    expr: max_over_time(quantile_over_time(0.5, "
                             "vector(1)[10m:1s])[10m:1s])\n"));
    rules_start(world.rules, world.now_ms);
    asked.calls = 0;
    world_look_usec = 20000;
    world_slot(&world);
    world_look_usec = 0;
    assert_int_equal(asked.calls, 1);
    world_deinit(&world);
}

/* Each alert may ask the store, in the loop: together they have 50 ms. */
static void templates_do_not_ask_for_ever(void **state) {
    enum { ALERTS = 90 };
    struct world world;
    world_init(&world, &(struct rules_options){.submit = submit});
    world_load(&world, GROUP("  - {alert: A, expr: m, annotations: {s: '{{ query \"n\" | first | "
                             "value }}'}}\n"));
    for (int i = 0; i < ALERTS; i++) {
        char name[20];
        snprintf(name, sizeof(name), "m{i=\"%d\"}", i);
        append(&world, name, T0, 1);
    }
    append(&world, "n", T0, 7);
    rules_start(world.rules, world.now_ms);
    world_look_usec = 1000;
    world_slot(&world);
    world_look_usec = 0;
    size_t asked_well = 0, late = 0;
    for (size_t i = 0; i < ALERTS; i++) {
        struct str text = rules_alert(world.rules, 0, 0, i).annotations[0].value;
        asked_well += str_is(text, "7");
        late += memmem(text.data, text.len, "take too long", 13) != NULL;
    }
    assert_in_range(asked_well, 10, 50);
    assert_int_equal(asked_well + late, ALERTS);
    world_deinit(&world);
}

#define HEAVY "  - {alert: Large, expr: 'count_over_time(vector(1)[300000s:1s]) > 0'}\n"

/* What is evaluated elsewhere may begin long after it was submitted. */
static void a_rule_that_waits_is_found_after_a_reload(void **state) {
    struct world world;
    world_init(&world, &(struct rules_options){.submit = submit});
    world_load(&world, GROUP(HEAVY));
    rules_start(world.rules, world.now_ms);
    world_slot(&world);
    const struct rule *before = rules_submitted(world.rules, asked.ticket);
    assert_true(str_is(before->name, "Large"));
    world_load(&world, GROUP(HEAVY) "- name: other\n  rules:\n  - {record: r, expr: 1}\n");
    const struct rule *after = rules_submitted(world.rules, asked.ticket);
    assert_non_null(after);
    assert_ptr_equal(after, rules_rule(world.rules, 0, 0).rule); /* of the set that is there */
    world_load(&world, GROUP("  - {record: r, expr: 1}\n"));
    assert_null(rules_submitted(world.rules, asked.ticket));
    assert_null(rules_submitted(world.rules, 0));
    world_deinit(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_too_large_for_the_loop_is_submitted),
        cmocka_unit_test(slots_pass_while_it_runs),
        cmocka_unit_test(an_error_from_elsewhere_is_the_rules),
        cmocka_unit_test(an_answer_counts_once),
        cmocka_unit_test(an_answer_after_a_reload_is_nobodys),
        cmocka_unit_test(what_is_cheap_again_comes_back_into_the_loop),
        cmocka_unit_test(the_deadline_counts_within_windows),
        cmocka_unit_test(templates_do_not_ask_for_ever),
        cmocka_unit_test(a_rule_that_waits_is_found_after_a_reload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
