/* SPDX-License-Identifier: Apache-2.0 */

/* Rules at work: slots, order, what they record and tell, news, reload. */
#include "rules_world.h"

#include <stdio.h>
#include <string.h>

#define GROUP(rules) "groups:\n- name: g\n  interval: 10s\n  rules:\n" rules
#define DOWN         "  - alert: Down\n    expr: up == 0\n"

static struct rule_view rule_of(const struct world *world, size_t rule) {
    return rules_rule(world->rules, 0, rule);
}

/* A world with rules that have begun. */
static void begin(struct world *world, const char *text) {
    world_init(world, NULL);
    world_load(world, text);
    rules_start(world->rules, world->now_ms);
}

/* ---- slots ---- */

static void nothing_runs_before_the_start(void **state) {
    struct world world;
    world_init(&world, NULL);
    world_load(&world, GROUP("  - {record: a, expr: 1}\n"));
    assert_true(rules_run(world.rules, T0 + 60 * MINUTE) == INT64_MAX);
    assert_int_equal(rule_of(&world, 0).health, RULE_UNKNOWN);
    world_deinit(&world);
}

static void groups_run_at_slots_of_their_interval(void **state) {
    struct world world;
    begin(&world, GROUP("  - {record: a, expr: time()}\n"));
    world_slot(&world);
    int64_t first_ms = world.now_ms;
    assert_in_range(first_ms - T0, 1, 10 * SECOND);
    assert_int_equal(rules_group(world.rules, 0).last_ms, first_ms);
    world_slot(&world);
    assert_int_equal(world.now_ms, first_ms + 10 * SECOND);
    assert_int_equal(rules_group(world.rules, 0).iterations, 2);
    assert_int_equal(rules_group(world.rules, 0).missed, 0);
    world_deinit(&world);
}

static void a_late_call_evaluates_at_the_slot(void **state) {
    struct world world;
    begin(&world, GROUP("  - {record: a, expr: time()}\n"));
    world_slot(&world);
    int64_t first_ms = world.now_ms;
    world.now_ms = first_ms + 13 * SECOND;
    world_run(&world);
    assert_int_equal(rules_group(world.rules, 0).last_ms, first_ms + 10 * SECOND);
    assert_value(&world, "a", (double)(first_ms + 10 * SECOND) / 1000.0);
    world_deinit(&world);
}

static void missed_slots_are_counted_and_not_made_up_for(void **state) {
    struct world world;
    begin(&world, GROUP("  - {record: a, expr: time()}\n"));
    world_slot(&world);
    int64_t first_ms = world.now_ms;
    world.now_ms = first_ms + 45 * SECOND;
    assert_int_equal(world_run(&world), first_ms + 50 * SECOND);
    assert_int_equal(rules_group(world.rules, 0).missed, 3);
    assert_int_equal(rules_group(world.rules, 0).iterations, 2);
    assert_int_equal(rules_group(world.rules, 0).last_ms, first_ms + 40 * SECOND);
    world_deinit(&world);
}

static void a_clock_that_goes_back_evaluates_nothing_twice(void **state) {
    struct world world;
    begin(&world, GROUP("  - {record: a, expr: time()}\n"));
    world_slot(&world);
    world.now_ms -= 60 * SECOND;
    world_run(&world);
    assert_int_equal(rules_group(world.rules, 0).iterations, 1);
    world_deinit(&world);
}

static void groups_without_rules_do_no_harm(void **state) {
    struct world world;
    begin(&world, "groups: [{name: a}, {name: b, interval: 10s, rules: [{record: x, expr: 1}]}]");
    world_until(&world, T0 + 5 * MINUTE);
    assert_int_equal(rules_groups(world.rules), 2);
    assert_int_equal(rules_group(world.rules, 1).iterations, 30);
    world_deinit(&world);
}

/* ---- recording ---- */

static void later_rules_see_what_earlier_ones_recorded(void **state) {
    struct world world;
    begin(&world, GROUP("  - {record: a, expr: time()}\n"
                        "  - {record: b, expr: a + 1}\n"
                        "  - {record: c, expr: b + 1}\n"));
    world_slot(&world);
    assert_value(&world, "c - time()", 2);
    assert_value(&world, "timestamp(c)", (double)world.now_ms / 1000.0);
    world_deinit(&world);
}

/* Two minutes hold six steps of 20 s. */
static void subqueries_step_by_the_interval_of_the_rules(void **state) {
    struct world world;
    world_init(&world, NULL);
    rules_set(world.rules,
              make_set_with_interval(
                  GROUP("  - {record: a, expr: 'count_over_time(vector(1)[2m:])'}\n"), 20 * SECOND),
              world.now_ms);
    rules_start(world.rules, world.now_ms);
    world_slot(&world);
    assert_value(&world, "a", 6);
    world_deinit(&world);
}

static void recorded_series_have_the_labels_of_both(void **state) {
    struct world world;
    begin(&world, GROUP("  - {record: a, expr: m, labels: {x: new, y: '', z: own}}\n"));
    append(&world, "m{x=\"old\", y=\"gone\", w=\"kept\"}", T0, 7);
    world_slot(&world);
    assert_value(&world, "a{x=\"new\", y=\"\", z=\"own\", w=\"kept\"}", 7);
    assert_series(&world, "a", 1);
    world_deinit(&world);
}

static void what_vanishes_becomes_stale(void **state) {
    struct world world;
    begin(&world, GROUP("  - {record: a, expr: m > 5}\n"));
    append(&world, "m{x=\"1\"}", T0, 6);
    append(&world, "m{x=\"2\"}", T0, 7);
    world_slot(&world);
    assert_series(&world, "a", 2);
    append(&world, "m{x=\"1\"}", world.now_ms, 4);
    world_slot(&world);
    assert_series(&world, "a", 1);
    assert_series(&world, "a{x=\"2\"}", 1);
    world_deinit(&world);
}

static void duplicates_fail_the_rule(void **state) {
    struct world world;
    begin(&world, GROUP("  - {record: a, expr: m, labels: {x: same}}\n"));
    append(&world, "m{x=\"1\"}", T0, 6);
    world_slot(&world);
    assert_int_equal(rule_of(&world, 0).health, RULE_OK);
    append(&world, "m{x=\"2\"}", world.now_ms, 7);
    world_slot(&world);
    assert_int_equal(rule_of(&world, 0).health, RULE_ERROR);
    assert_string_equal(rule_of(&world, 0).error,
                        "vector contains metrics with the same labelset after applying rule "
                        "labels");
    assert_int_equal(rule_of(&world, 0).failures, 1);
    assert_value(&world, "a", 6); /* as it was */
    world_deinit(&world);
}

static void more_series_than_the_limit_fail_the_rule(void **state) {
    struct world world;
    begin(&world, "groups: [{name: g, interval: 10s, limit: 1, rules: [{record: a, expr: m}]}]");
    append(&world, "m{x=\"1\"}", T0, 6);
    append(&world, "m{x=\"2\"}", T0, 7);
    world_slot(&world);
    assert_string_equal(rule_of(&world, 0).error, "exceeded limit of 1 with 2 series");
    assert_series(&world, "a", 0);
    world_deinit(&world);
}

static void an_offset_moves_question_and_answer(void **state) {
    struct world world;
    begin(&world, "groups: [{name: g, interval: 10s, query_offset: 1m, rules: "
                  "[{record: a, expr: time()}]}]");
    world_slot(&world);
    assert_value(&world, "time() - a", 60);
    assert_value(&world, "time() - timestamp(a)", 60);
    world_deinit(&world);
}

static void a_failing_rule_leaves_others_alone(void **state) {
    struct world world;
    begin(&world, GROUP("  - {record: a, expr: 'm + on () n'}\n"
                        "  - {record: b, expr: 1}\n"
                        "  - {alert: A, expr: 'm * on () n > 0'}\n"));
    append(&world, "m", T0, 1);
    append(&world, "n{x=\"1\"}", T0, 1);
    world_slot(&world);
    assert_series(&world, "ALERTS", 1);
    append(&world, "n{x=\"2\"}", world.now_ms, 1);
    world_slot(&world);
    assert_int_equal(rule_of(&world, 0).health, RULE_ERROR);
    assert_non_null(rule_of(&world, 0).error);
    assert_int_equal(rule_of(&world, 1).health, RULE_OK);
    assert_int_equal(rule_of(&world, 2).health, RULE_ERROR);
    assert_int_equal(rule_of(&world, 2).state, ALERT_FIRING);
    assert_value(&world, "timestamp(b)", (double)world.now_ms / 1000.0);
    assert_int_equal(world.n_told, 1);
    append(&world, "n{x=\"2\"}", world.now_ms + 1, eval_missing());
    world_slot(&world);
    assert_int_equal(rule_of(&world, 2).health, RULE_OK);
    assert_null(rule_of(&world, 2).error);
    world_deinit(&world);
}

/* ---- alerts ---- */

static void alerts_become_series_and_events(void **state) {
    struct world world;
    begin(&world, GROUP("  - alert: Down\n    expr: up == 0\n    for: 20s\n"
                        "    labels: {severity: '{{ $labels.target }}!'}\n"
                        "    annotations: {summary: '{{ $labels.target }} is {{ $value }}'}\n"));
    append(&world, "up{target=\"a\"}", T0, 0);
    append(&world, "up{target=\"b\"}", T0, 1);
    world_slot(&world);
    int64_t first_ms = world.now_ms;
    assert_series(&world, "ALERTS", 1);
    assert_int_equal(rules_count_alerts(world.rules).by_state[ALERT_PENDING], 1);
    assert_value(&world,
                 "ALERTS{alertname=\"Down\", alertstate=\"pending\", severity=\"a!\", "
                 "target=\"a\"}",
                 1);
    assert_value(&world, "ALERTS_FOR_STATE{alertname=\"Down\"}", (double)first_ms / 1000.0);
    assert_int_equal(world.n_told, 0);
    world_until(&world, first_ms + 20 * SECOND);
    assert_series(&world, "ALERTS", 1);
    assert_series(&world, "ALERTS{alertstate=\"firing\"}", 1);
    assert_int_equal(world.n_told, 1);
    assert_int_equal(world.told[0].kind, ALERT_EVENT_FIRING);
    assert_string_equal(world.told[0].summary, "a is 0");
    assert_string_equal(world.told[0].query, "up == 0");
    assert_int_equal(world.told[0].active_ms, first_ms);
    assert_int_equal(world.told[0].fired_ms, first_ms + 20 * SECOND);
    assert_int_equal(world.told[0].valid_until_ms, first_ms + 20 * SECOND + 4 * MINUTE);
    append(&world, "up{target=\"a\"}", world.now_ms + 1, 1);
    world_slot(&world);
    assert_series(&world, "{__name__=~\"ALERTS.*\"}", 0);
    assert_int_equal(rules_count_alerts(world.rules).by_state[ALERT_PENDING], 0);
    assert_int_equal(rules_count_alerts(world.rules).by_state[ALERT_FIRING], 0);
    assert_int_equal(world.n_told, 2);
    assert_int_equal(world.told[1].kind, ALERT_EVENT_RESOLVED);
    assert_int_equal(world.told[1].resolved_ms, world.now_ms);
    assert_int_equal(world.told[1].id, world.told[0].id);
    assert_int_equal(world.told[1].generation, world.told[0].generation + 1);
    assert_int_equal(world.changes, 3); /* pending, firing, resolved */
    world_deinit(&world);
}

static void zero_and_nan_are_active_too(void **state) {
    struct world world;
    begin(&world, GROUP("  - {alert: A, expr: m}\n"));
    append(&world, "m{x=\"1\"}", T0, 0);
    append(&world, "m{x=\"2\"}", T0, (double)NAN);
    world_slot(&world);
    assert_series(&world, "ALERTS{alertstate=\"firing\"}", 2);
    world_deinit(&world);
}

static void state_is_told_again_after_the_delay(void **state) {
    struct world world;
    begin(&world, GROUP(DOWN));
    append(&world, "up{target=\"a\"}", T0, 0);
    world_slot(&world);
    int64_t first_ms = world.now_ms;
    world_until(&world, first_ms + 60 * SECOND);
    assert_int_equal(world.n_told, 1);
    world_until(&world, first_ms + 70 * SECOND);
    assert_int_equal(world.n_told, 2);
    assert_int_equal(world.told[1].kind, ALERT_EVENT_AGAIN);
    assert_int_equal(world.told[1].generation, world.told[0].generation);
    world_deinit(&world);
}

static void what_is_over_is_told_for_a_quarter_of_an_hour(void **state) {
    struct world world;
    begin(&world, GROUP(DOWN));
    append(&world, "up{target=\"a\"}", T0, 0);
    world_slot(&world);
    append(&world, "up{target=\"a\"}", world.now_ms + 1, 1);
    world_slot(&world);
    int64_t resolved_ms = world.now_ms;
    assert_int_equal(world.n_told, 2);
    world_until(&world, resolved_ms + 15 * MINUTE);
    assert_int_equal(rule_of(&world, 0).n_alerts, 1);
    size_t told = world.n_told;
    assert_in_range(told, 14, 16);
    assert_int_equal(world.told[told - 1].kind, ALERT_EVENT_AGAIN);
    assert_int_equal(world.told[told - 1].resolved_ms, resolved_ms);
    world_until(&world, resolved_ms + 20 * MINUTE);
    assert_int_equal(rule_of(&world, 0).n_alerts, 0);
    assert_in_range(world.n_told, told, told + 1);
    world_deinit(&world);
}

static void annotations_follow_the_value(void **state) {
    struct world world;
    begin(&world, GROUP("  - alert: A\n    expr: m\n    annotations: {s: '{{ $value }}'}\n"
                        "  - alert: B\n    expr: n\n    annotations: {s: '{{ query \"m\" | first "
                        "| value }}'}\n"));
    append(&world, "m", T0, 1);
    append(&world, "n", T0, 1);
    world_slot(&world);
    append(&world, "m", world.now_ms + 1, 2);
    world_slot(&world);
    for (size_t i = 0; i < 2; i++) {
        struct alert_view alert = rules_alert(world.rules, 0, i, 0);
        assert_true(str_is(alert.annotations[0].value, "2"));
    }
    world_deinit(&world);
}

static void a_text_that_cannot_be_expanded_says_so(void **state) {
    struct world world;
    begin(&world, GROUP("  - alert: A\n    expr: vector(1)\n"
                        "    annotations: {s: '{{ query \"nosuch\" | first }}'}\n"));
    world_slot(&world);
    assert_int_equal(world.n_told, 1);
    assert_non_null(strstr(world.told[0].summary, "<error expanding template: "));
    world_deinit(&world);
}

static void alerts_that_become_equal_fail_the_rule(void **state) {
    struct world world;
    begin(&world, GROUP("  - {alert: A, expr: m, labels: {x: ''}}\n"));
    append(&world, "m{x=\"1\"}", T0, 1);
    world_slot(&world);
    assert_int_equal(rule_of(&world, 0).state, ALERT_FIRING);
    append(&world, "m{x=\"2\"}", world.now_ms, 1);
    world_slot(&world);
    assert_string_equal(rule_of(&world, 0).error,
                        "vector contains metrics with the same labelset after applying alert "
                        "labels");
    assert_int_equal(rule_of(&world, 0).n_alerts, 1);
    assert_int_equal(rule_of(&world, 0).state, ALERT_FIRING);
    world_deinit(&world);
}

static void more_alerts_than_the_limit_are_dropped_untold(void **state) {
    struct world world;
    begin(&world, "groups: [{name: g, interval: 10s, limit: 1, rules: [{alert: A, expr: m}]}]");
    append(&world, "m{x=\"1\"}", T0, 1);
    append(&world, "m{x=\"2\"}", T0, 1);
    world_slot(&world);
    assert_string_equal(rule_of(&world, 0).error, "exceeded limit of 1 with 2 alerts");
    assert_int_equal(rule_of(&world, 0).n_alerts, 0);
    assert_int_equal(world.n_told, 0);
    assert_series(&world, "ALERTS", 0);
    world_deinit(&world);
}

/* ---- news ---- */

static bool has_metric(void *userdata, const char *target, struct str metric) {
    return strcmp(target, "a") == 0 && str_is(metric, "up");
}

static void begin_with_news(struct world *world, const char *text) {
    world_init(world, &(struct rules_options){.has_metric = has_metric});
    world_load(world, text);
    rules_start(world->rules, world->now_ms);
    world_slot(world);
}

static void news_are_evaluated_at_once(void **state) {
    struct world world;
    begin_with_news(&world, GROUP(DOWN));
    int64_t slot_ms = world.now_ms;
    world.now_ms += 3 * SECOND;
    append(&world, "up{target=\"a\"}", world.now_ms, 0);
    rules_news(world.rules, "a", world.now_ms);
    assert_int_equal(world_run(&world), slot_ms + 10 * SECOND);
    assert_int_equal(world.n_told, 1);
    assert_int_equal(world.told[0].fired_ms, slot_ms + 3 * SECOND);
    world_slot(&world);
    assert_int_equal(world.now_ms, slot_ms + 10 * SECOND);
    assert_int_equal(rules_group(world.rules, 0).missed, 0);
    world_deinit(&world);
}

static void news_of_others_are_not(void **state) {
    struct world world;
    begin_with_news(&world, GROUP(DOWN));
    world.now_ms += 3 * SECOND;
    rules_news(world.rules, "b", world.now_ms);
    world_run(&world);
    assert_int_equal(rules_group(world.rules, 0).iterations, 1);
    world_deinit(&world);
}

static void groups_that_may_read_anything_take_all_news(void **state) {
    static const char *const exprs[] = {"'{target=\"b\"}'", "'{__name__=~\"u.*\"}'", "ALERTS"};
    for (size_t i = 0; i < ARRAY_LEN(exprs); i++) {
        struct world world;
        char *text = mem_printf(GROUP("  - {record: a, expr: %s}\n"), exprs[i]);
        begin_with_news(&world, text);
        world.now_ms += 3 * SECOND;
        rules_news(world.rules, "b", world.now_ms);
        world_run(&world);
        assert_int_equal(rules_group(world.rules, 0).iterations, 2);
        world_deinit(&world);
        free(text);
    }
}

static void a_storm_of_news_is_five_evaluations_a_second(void **state) {
    struct world world;
    begin_with_news(&world, GROUP(DOWN));
    int64_t slot_ms = world.now_ms;
    for (int i = 0; i < 1000; i++) {
        world.now_ms++;
        rules_news(world.rules, "a", world.now_ms);
        world_run(&world);
    }
    assert_int_equal(rules_group(world.rules, 0).iterations, 1 + 5);
    /* The last of them is not lost. */
    append(&world, "up{target=\"a\"}", world.now_ms, 0);
    assert_in_range(world_run(&world), slot_ms + 1001, slot_ms + 1201);
    world_slot(&world);
    assert_true(world.now_ms < slot_ms + 10 * SECOND);
    assert_int_equal(world.n_told, 1);
    world_deinit(&world);
}

static void news_just_after_a_slot_are_not_lost_to_it(void **state) {
    struct world world;
    begin_with_news(&world, GROUP(DOWN));
    int64_t slot_ms = world.now_ms + 10 * SECOND;
    /* The loop comes late: the news are newer than the slot that it finds due. */
    append(&world, "up{target=\"a\"}", slot_ms + 5, 0);
    rules_news(world.rules, "a", slot_ms + 5);
    world.now_ms = slot_ms + 8;
    world_run(&world);
    assert_int_equal(world.n_told, 1);
    assert_int_equal(rules_group(world.rules, 0).iterations, 3);
    world_deinit(&world);
}

static void news_are_evaluated_when_their_sample_counts(void **state) {
    struct world world;
    begin_with_news(&world, GROUP(DOWN));
    world.now_ms += SECOND;
    append(&world, "up{target=\"a\"}", world.now_ms + 1, 0);
    rules_news(world.rules, "a", world.now_ms + 1);
    world_run(&world);
    assert_int_equal(world.n_told, 1);
    assert_int_equal(world.told[0].fired_ms, world.now_ms + 1);
    world_deinit(&world);
}

static void groups_with_an_offset_take_no_news(void **state) {
    struct world world;
    begin_with_news(&world, "groups: [{name: g, interval: 10s, query_offset: 1s, rules: "
                            "[{alert: A, expr: up}]}]");
    world.now_ms += SECOND;
    rules_news(world.rules, "a", world.now_ms);
    world_run(&world);
    assert_int_equal(rules_group(world.rules, 0).iterations, 1);
    world_deinit(&world);
}

/* ---- reload ---- */

static void unchanged_groups_go_on_undisturbed(void **state) {
    struct world world;
    begin(&world, GROUP("  - {alert: Down, expr: up == 0, for: 30s}\n"));
    append(&world, "up{target=\"a\"}", T0, 0);
    world_slot(&world);
    int64_t first_ms = world.now_ms;
    world.now_ms += SECOND;
    world_load(&world, "# moved\n" GROUP("  - {alert: Down, expr: up==0, for: 30s}\n"));
    assert_int_equal(rules_group(world.rules, 0).iterations, 1);
    assert_int_equal(world_run(&world), first_ms + 10 * SECOND);
    world_until(&world, first_ms + 30 * SECOND);
    assert_int_equal(world.n_told, 1);
    assert_int_equal(world.told[0].active_ms, first_ms);
    assert_string_equal(world.told[0].query, "up == 0");
    world_deinit(&world);
}

static void alerts_of_a_changed_rule_are_kept(void **state) {
    struct world world;
    begin(&world, GROUP("  - alert: Down\n    expr: up == 0\n    annotations: {s: old}\n"));
    append(&world, "up{target=\"a\"}", T0, 0);
    world_slot(&world);
    int64_t first_ms = world.now_ms;
    world.now_ms += SECOND;
    world_load(&world, GROUP("  - {record: x, expr: 1}\n"
                             "  - alert: Down\n    expr: up < 1\n    annotations: {s: new}\n"));
    assert_series(&world, "ALERTS", 1);
    world_slot(&world);
    struct alert_view alert = rules_alert(world.rules, 0, 1, 0);
    assert_int_equal(alert.active_ms, first_ms);
    assert_true(str_is(alert.annotations[0].value, "new"));
    assert_true(str_is(alert.query, "up < 1"));
    assert_series(&world, "ALERTS", 1);
    assert_int_equal(world.n_told, 1);
    world_deinit(&world);
}

static void an_alert_that_ends_after_a_reload_resolves(void **state) {
    struct world world;
    begin(&world, GROUP(DOWN));
    append(&world, "up{target=\"a\"}", T0, 0);
    world_slot(&world); /* its first evaluation, and its first after the reload, have one number */
    append(&world, "up{target=\"a\"}", world.now_ms + 1, 1);
    world.now_ms += SECOND;
    world_load(&world, GROUP(DOWN "  - {record: x, expr: 1}\n"));
    world_slot(&world);
    assert_int_equal(world.n_told, 2);
    assert_int_equal(world.told[1].kind, ALERT_EVENT_RESOLVED);
    assert_string_equal(world.told[1].query, "up == 0");
    world_deinit(&world);
}

static void the_nth_of_equal_rules_follows_the_nth(void **state) {
    struct world world;
    const char *before = GROUP("  - {alert: A, expr: m > 5}\n  - {alert: A, expr: m > 1}\n");
    const char *after = GROUP("  - {alert: A, expr: m > 6}\n  - {alert: A, expr: m > 2}\n");
    begin(&world, before);
    append(&world, "m", T0, 3);
    world_slot(&world);
    world.now_ms += SECOND;
    world_load(&world, after);
    assert_int_equal(rule_of(&world, 0).n_alerts, 0);
    assert_int_equal(rule_of(&world, 1).n_alerts, 1);
    world_deinit(&world);
}

static void what_is_removed_becomes_stale_and_resolves(void **state) {
    struct world world;
    begin(&world, GROUP(DOWN "  - {record: a, expr: 1}\n"));
    append(&world, "up{target=\"a\"}", T0, 0);
    world_slot(&world);
    assert_series(&world, "a or ALERTS", 2);
    world.now_ms += SECOND;
    world_load(&world, "groups: []");
    assert_series(&world, "a or ALERTS", 0);
    assert_int_equal(world.n_told, 2);
    assert_int_equal(world.told[1].kind, ALERT_EVENT_RESOLVED);
    assert_int_equal(world.told[1].resolved_ms, world.now_ms);
    assert_int_equal(rules_groups(world.rules), 0);
    assert_true(world_run(&world) == INT64_MAX);
    world_deinit(&world);
}

static void counters_of_a_group_outlive_a_reload(void **state) {
    struct world world;
    begin(&world, GROUP("  - {record: a, expr: 1}\n"
                        "  - {record: b, expr: m, labels: {x: same}}\n"));
    append(&world, "m{x=\"1\"}", T0, 1);
    append(&world, "m{x=\"2\"}", T0, 1);
    assert_int_equal(rules_group(world.rules, 0).failures, 0);
    world_slot(&world);
    struct group_view before = rules_group(world.rules, 0);
    assert_int_equal(before.evaluations, 2);
    assert_int_equal(before.failures, 1);
    assert_int_equal(before.samples, 1);
    world_load(&world, GROUP("  - {record: a, expr: 2}\n"));
    struct group_view after = rules_group(world.rules, 0);
    assert_int_equal(after.evaluations, 2);
    assert_int_equal(after.failures, 1);
    assert_int_equal(after.last_ms, before.last_ms);
    world_slot(&world);
    assert_int_equal(rules_group(world.rules, 0).evaluations, 3);
    world_deinit(&world);
}

static void a_removed_rule_leaves_its_neighbours_alone(void **state) {
    struct world world;
    begin(&world, GROUP("  - {record: a, expr: 1}\n  - {record: b, expr: 2}\n"));
    world_slot(&world);
    world.now_ms += SECOND;
    world_load(&world, GROUP("  - {record: b, expr: 2}\n"));
    assert_series(&world, "a", 0);
    assert_series(&world, "b", 1);
    world_slot(&world);
    assert_series(&world, "b", 1);
    world_deinit(&world);
}

static void a_raised_for_takes_firing_back(void **state) {
    struct world world;
    begin(&world, GROUP(DOWN));
    append(&world, "up{target=\"a\"}", T0, 0);
    world_slot(&world);
    world.now_ms += SECOND;
    world_load(&world, GROUP("  - {alert: Down, expr: up == 0, for: 1m}\n"));
    world_slot(&world);
    assert_int_equal(rule_of(&world, 0).state, ALERT_PENDING);
    assert_series(&world, "ALERTS{alertstate=\"pending\"}", 1);
    assert_series(&world, "ALERTS{alertstate=\"firing\"}", 0);
    world_until(&world, world.now_ms + 60 * SECOND);
    assert_int_equal(rule_of(&world, 0).state, ALERT_FIRING);
    world_deinit(&world);
}

/* Only of what a window is made of: the newest samples are always there. */
static void what_needs_more_history_than_is_kept_is_not_evaluated(void **state) {
    struct world world;
    begin(&world, GROUP("  - {record: exact, expr: 'count_over_time(up[1h])'}\n"
                        "  - {record: beyond, expr: 'count_over_time(up[1h] offset 1s)'}\n"
                        "  - {alert: Gone, expr: 'absent_over_time(other[2h])'}\n"
                        "  - {record: newest, expr: up}\n"));
    append(&world, "up{target=\"a\"}", T0, 0);
    rules_set_history(world.rules, 60 * MINUTE);
    world_slot(&world);
    assert_int_equal(rule_of(&world, 0).health, RULE_OK);
    assert_int_equal(rule_of(&world, 1).health, RULE_ERROR);
    assert_string_equal(rule_of(&world, 1).error,
                        "not evaluated: it looks back 1h1s, but history is kept for 1h "
                        "(history.max_retention)");
    assert_int_equal(rule_of(&world, 2).health, RULE_ERROR);
    assert_int_equal(rule_of(&world, 2).n_alerts, 0);
    assert_int_equal(rule_of(&world, 3).health, RULE_OK);
    assert_series(&world, "exact", 1);
    assert_series(&world, "beyond", 0);
    rules_set_history(world.rules, 0);
    world_slot(&world);
    assert_int_equal(rule_of(&world, 0).health, RULE_ERROR);
    assert_int_equal(rule_of(&world, 3).health, RULE_OK);
    rules_set_history(world.rules, 120 * MINUTE);
    world_slot(&world);
    assert_int_equal(rule_of(&world, 1).health, RULE_OK);
    assert_int_equal(rule_of(&world, 2).n_alerts, 1);
    world_deinit(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_runs_before_the_start),
        cmocka_unit_test(groups_run_at_slots_of_their_interval),
        cmocka_unit_test(a_late_call_evaluates_at_the_slot),
        cmocka_unit_test(missed_slots_are_counted_and_not_made_up_for),
        cmocka_unit_test(a_clock_that_goes_back_evaluates_nothing_twice),
        cmocka_unit_test(groups_without_rules_do_no_harm),
        cmocka_unit_test(later_rules_see_what_earlier_ones_recorded),
        cmocka_unit_test(subqueries_step_by_the_interval_of_the_rules),
        cmocka_unit_test(recorded_series_have_the_labels_of_both),
        cmocka_unit_test(what_vanishes_becomes_stale),
        cmocka_unit_test(duplicates_fail_the_rule),
        cmocka_unit_test(more_series_than_the_limit_fail_the_rule),
        cmocka_unit_test(an_offset_moves_question_and_answer),
        cmocka_unit_test(a_failing_rule_leaves_others_alone),
        cmocka_unit_test(alerts_become_series_and_events),
        cmocka_unit_test(zero_and_nan_are_active_too),
        cmocka_unit_test(state_is_told_again_after_the_delay),
        cmocka_unit_test(what_is_over_is_told_for_a_quarter_of_an_hour),
        cmocka_unit_test(annotations_follow_the_value),
        cmocka_unit_test(a_text_that_cannot_be_expanded_says_so),
        cmocka_unit_test(alerts_that_become_equal_fail_the_rule),
        cmocka_unit_test(more_alerts_than_the_limit_are_dropped_untold),
        cmocka_unit_test(news_are_evaluated_at_once),
        cmocka_unit_test(news_of_others_are_not),
        cmocka_unit_test(groups_that_may_read_anything_take_all_news),
        cmocka_unit_test(a_storm_of_news_is_five_evaluations_a_second),
        cmocka_unit_test(news_just_after_a_slot_are_not_lost_to_it),
        cmocka_unit_test(news_are_evaluated_when_their_sample_counts),
        cmocka_unit_test(groups_with_an_offset_take_no_news),
        cmocka_unit_test(unchanged_groups_go_on_undisturbed),
        cmocka_unit_test(alerts_of_a_changed_rule_are_kept),
        cmocka_unit_test(an_alert_that_ends_after_a_reload_resolves),
        cmocka_unit_test(the_nth_of_equal_rules_follows_the_nth),
        cmocka_unit_test(what_is_removed_becomes_stale_and_resolves),
        cmocka_unit_test(counters_of_a_group_outlive_a_reload),
        cmocka_unit_test(a_removed_rule_leaves_its_neighbours_alone),
        cmocka_unit_test(a_raised_for_takes_firing_back),
        cmocka_unit_test(what_needs_more_history_than_is_kept_is_not_evaluated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
