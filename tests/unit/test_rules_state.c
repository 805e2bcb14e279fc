/* SPDX-License-Identifier: Apache-2.0 */

/* Alerts over a restart: saved, read again, and not given up before anything is known. */
#include "rules_world.h"

#include <string.h>
#include <time.h>

#include "base/pack.h"

#define GROUP(rules) "groups:\n- name: g\n  interval: 10s\n  rules:\n" rules
#define MAGIC_BYTES  18

static struct rule_view rule_of(const struct world *world, size_t rule) {
    return rules_rule(world->rules, 0, rule);
}

/* Ends the process of the first world, and begins that of the second some time later. */
static void restart(struct world *world, int64_t away_ms, const char *text) {
    struct strbuf bytes = {0};
    struct error err = {0};
    int64_t now_ms = world->now_ms;
    rules_save(world->rules, now_ms, &bytes);
    world_deinit(world);
    world_init(world, NULL);
    world->now_ms = now_ms + away_ms;
    world_load(world, text);
    if (rules_load(world->rules, strbuf_view(&bytes), world->now_ms, &err) < 0) {
        fail_msg("%s", err.text);
    }
    rules_start(world->rules, world->now_ms);
    strbuf_deinit(&bytes);
}

static void begin(struct world *world, const char *text) {
    world_init(world, NULL);
    world_load(world, text);
    append(world, "up{target=\"a\"}", T0, 0);
    rules_start(world->rules, world->now_ms);
    world_slot(world);
}

static void firing_alerts_stay_as_they_were(void **state) {
    const char *text = GROUP("  - alert: Down\n    expr: up == 0\n    annotations: {s: '{{ $value "
                             "}} of {{ $labels.target }}'}\n");
    struct world world;
    begin(&world, text);
    struct told before = world.told[0];
    restart(&world, 5 * MINUTE, text);
    struct alert_view alert = rules_alert(world.rules, 0, 0, 0);
    assert_true(alert.restored);
    assert_int_equal(alert.state, ALERT_FIRING);
    assert_int_equal(alert.id, before.id);
    assert_int_equal(alert.fired_ms, before.fired_ms);
    assert_true(str_is(alert.annotations[0].value, "0 of a"));
    assert_true(str_is(alert.query, "up == 0"));
    append(&world, "up{target=\"a\"}", world.now_ms, 0);
    world_slot(&world);
    assert_false(rules_alert(world.rules, 0, 0, 0).restored);
    assert_series(&world, "ALERTS{alertstate=\"firing\"}", 1);
    assert_int_equal(world.n_told, 1);
    assert_int_equal(world.told[0].kind, ALERT_EVENT_AGAIN); /* not a second beginning */
    assert_int_equal(world.told[0].generation, before.generation);
    assert_int_equal(world.told[0].fired_ms, before.fired_ms);
    world_deinit(&world);
}

static void the_time_away_does_not_count_for_pending_ones(void **state) {
    const char *text = GROUP("  - {alert: Down, expr: up == 0, for: 1m}\n");
    struct world world;
    begin(&world, text);
    int64_t active_ms = world.now_ms;
    world_until(&world, active_ms + 30 * SECOND);
    restart(&world, MINUTE, text);
    struct alert_view alert = rules_alert(world.rules, 0, 0, 0);
    assert_int_equal(alert.state, ALERT_PENDING);
    assert_int_equal(alert.active_ms, active_ms + MINUTE);
    append(&world, "up{target=\"a\"}", world.now_ms, 0);
    world_until(&world, active_ms + 120 * SECOND - 1);
    assert_int_equal(rule_of(&world, 0).state, ALERT_PENDING);
    world_until(&world, active_ms + 120 * SECOND);
    assert_int_equal(rule_of(&world, 0).state, ALERT_FIRING);
    world_deinit(&world);
}

static void absence_means_nothing_before_the_window_is_full(void **state) {
    const char *text = GROUP("  - {alert: Down, expr: 'max_over_time(up[2m]) == 0'}\n");
    struct world world;
    begin(&world, text);
    restart(&world, 10 * SECOND, text);
    int64_t start_ms = world.now_ms;
    world_until(&world, start_ms + 119 * SECOND);
    assert_int_equal(rule_of(&world, 0).state, ALERT_FIRING);
    assert_true(rules_alert(world.rules, 0, 0, 0).restored);
    assert_series(&world, "ALERTS", 1);
    assert_in_range(world.n_told, 1, 2); /* sent again meanwhile */
    assert_int_equal(world.told[0].kind, ALERT_EVENT_AGAIN);
    world_until(&world, start_ms + 130 * SECOND);
    assert_int_equal(rule_of(&world, 0).state, ALERT_INACTIVE);
    assert_int_equal(world.told[world.n_told - 1].kind, ALERT_EVENT_RESOLVED);
    assert_series(&world, "ALERTS", 0);
    world_deinit(&world);
}

static void an_alert_that_is_over_resolves_after_an_interval(void **state) {
    const char *text = GROUP("  - {alert: Down, expr: up == 0}\n");
    struct world world;
    begin(&world, text);
    restart(&world, 10 * SECOND, text);
    append(&world, "up{target=\"a\"}", world.now_ms, 1);
    world_until(&world, world.now_ms + 20 * SECOND);
    assert_int_equal(rule_of(&world, 0).state, ALERT_INACTIVE);
    world_deinit(&world);
}

static void resolved_ones_are_still_told(void **state) {
    const char *text = GROUP("  - {alert: Down, expr: up == 0}\n");
    struct world world;
    begin(&world, text);
    append(&world, "up{target=\"a\"}", world.now_ms + 1, 1);
    world_slot(&world);
    int64_t resolved_ms = world.now_ms;
    restart(&world, 2 * MINUTE, text);
    world_until(&world, world.now_ms + 30 * SECOND);
    assert_int_equal(world.n_told, 1);
    assert_int_equal(world.told[0].kind, ALERT_EVENT_AGAIN);
    assert_int_equal(world.told[0].resolved_ms, resolved_ms);
    world_deinit(&world);
}

/* What waited for a receiver that was away went with the process. */
static void all_are_told_again_at_once(void **state) {
    const char *text = GROUP("  - {alert: Down, expr: up == 0}\n");
    struct world world;
    begin(&world, text);
    restart(&world, SECOND, text);
    append(&world, "up{target=\"a\"}", world.now_ms, 0);
    world_slot(&world);
    assert_int_equal(world.n_told, 1);
    assert_int_equal(world.told[0].kind, ALERT_EVENT_AGAIN);
    append(&world, "up{target=\"a\"}", world.now_ms + 1, 1);
    world_slot(&world);
    assert_int_equal(world.told[1].kind, ALERT_EVENT_RESOLVED);
    restart(&world, SECOND, text);
    world_slot(&world);
    assert_int_equal(world.n_told, 1);
    assert_int_equal(world.told[0].kind, ALERT_EVENT_AGAIN);
    assert_int_not_equal(world.told[0].resolved_ms, 0);
    world_deinit(&world);
}

static void rules_of_one_name_keep_their_own_alerts(void **state) {
    const char *text = GROUP("  - {alert: Lag, expr: lag > 100, labels: {severity: critical}}\n"
                             "  - {alert: Lag, expr: lag > 10, labels: {severity: warning}}\n"
                             "  - {alert: Lag, expr: lag > 200, labels: {severity: warning}}\n");
    struct world world;
    world_init(&world, NULL);
    world_load(&world, text);
    append(&world, "lag", T0, 50);
    rules_start(world.rules, world.now_ms);
    world_slot(&world);
    restart(&world, SECOND, text);
    assert_int_equal(rule_of(&world, 0).n_alerts, 0);
    assert_int_equal(rule_of(&world, 1).n_alerts, 1);
    assert_int_equal(rule_of(&world, 2).n_alerts, 0);
    world_deinit(&world);
    /* Of equal ones the place counts. */
    text = GROUP("  - {alert: Lag, expr: lag > 100}\n  - {alert: Lag, expr: lag > 10}\n");
    world_init(&world, NULL);
    world_load(&world, text);
    append(&world, "lag", T0, 50);
    rules_start(world.rules, world.now_ms);
    world_slot(&world);
    restart(&world, SECOND, text);
    assert_int_equal(rule_of(&world, 0).n_alerts, 0);
    assert_int_equal(rule_of(&world, 1).n_alerts, 1);
    world_deinit(&world);
}

static void alerts_of_rules_that_are_gone_are_left_out(void **state) {
    struct world world;
    begin(&world, GROUP("  - {alert: Down, expr: up == 0}\n  - {alert: Also, expr: up == 0}\n"));
    restart(&world, SECOND, GROUP("  - {alert: Also, expr: up == 0}\n"));
    assert_int_equal(rule_of(&world, 0).n_alerts, 1);
    world_deinit(&world);
}

/* ---- bytes that are not to be trusted ---- */

static void check_refused(struct str bytes, const char *expected) {
    struct world world;
    struct error err = {0};
    world_init(&world, NULL);
    world_load(&world, GROUP("  - {alert: Down, expr: up == 0}\n"));
    assert_int_equal(rules_load(world.rules, bytes, T0, &err), -EINVAL);
    assert_non_null(strstr(err.text, expected));
    assert_int_equal(rule_of(&world, 0).n_alerts, 0);
    world_deinit(&world);
}

static void save_one(struct strbuf *bytes) {
    struct world world;
    begin(&world, GROUP("  - {alert: Down, expr: up == 0}\n"));
    rules_save(world.rules, world.now_ms, bytes);
    world_deinit(&world);
}

static void bytes_that_are_cut_are_refused(void **state) {
    struct strbuf bytes = {0};
    save_one(&bytes);
    for (size_t len = 0; len < bytes.len; len++) {
        check_refused((struct str){bytes.data, len},
                      len < MAGIC_BYTES ? "does not begin" : "checksum");
    }
    strbuf_deinit(&bytes);
}

static void bytes_that_are_flipped_are_refused(void **state) {
    struct strbuf bytes = {0};
    save_one(&bytes);
    for (size_t i = 0; i < bytes.len; i++) {
        bytes.data[i] ^= 0x10;
        check_refused(strbuf_view(&bytes), i < MAGIC_BYTES ? "does not begin" : "checksum");
        bytes.data[i] ^= 0x10;
    }
    strbuf_deinit(&bytes);
}

static void bytes_of_another_version_are_refused(void **state) {
    struct strbuf bytes = {0};
    save_one(&bytes);
    assert_int_equal(bytes.data[MAGIC_BYTES - 2], '1');
    bytes.data[MAGIC_BYTES - 2] = '2';
    check_refused(strbuf_view(&bytes), "of this version");
    strbuf_deinit(&bytes);
}

/* With a checksum that is right: from a version that writes something else under one name. */
static void contents_that_do_not_add_up_are_refused(void **state) {
    struct strbuf bytes = {0};
    save_one(&bytes);
    const size_t head = MAGIC_BYTES + 8;
    for (size_t len = head; len < bytes.len; len++) {
        struct strbuf made = {0};
        strbuf_add(&made, bytes.data, MAGIC_BYTES);
        pack_u64(&made, crc32c(bytes.data + head, len - head));
        strbuf_add(&made, bytes.data + head, len - head);
        check_refused(strbuf_view(&made), "not what its length says");
        strbuf_deinit(&made);
    }
    struct strbuf longer = {0};
    strbuf_add_char(&bytes, 'x');
    strbuf_add(&longer, bytes.data, MAGIC_BYTES);
    pack_u64(&longer, crc32c(bytes.data + head, bytes.len - head));
    strbuf_add(&longer, bytes.data + head, bytes.len - head);
    check_refused(strbuf_view(&longer), "not what its length says");
    strbuf_deinit(&longer);
    strbuf_deinit(&bytes);
}

static void nothing_to_remember_is_read_again_too(void **state) {
    const char *text = GROUP("  - {alert: Down, expr: up == 5}\n");
    struct world world;
    begin(&world, text);
    restart(&world, SECOND, text);
    assert_int_equal(rule_of(&world, 0).n_alerts, 0);
    world_deinit(&world);
}

/* Not each rule compared with each: the loop does this while alerts change. */
static void thousands_of_rules_are_no_burden(void **state) {
    enum { RULES = 4000, SAVES = 10 };
    struct strbuf text = {0}, bytes = {0};
    struct world world;
    strbuf_add_text(&text, "groups:\n- name: g\n  interval: 10s\n  rules:\n");
    for (int i = 0; i < RULES; i++) {
        strbuf_printf(&text, "  - {alert: A, expr: 1, labels: {team: t%d}, for: 1h}\n", i);
    }
    begin(&world, text.data);
    clock_t before = clock();
    for (int i = 0; i < SAVES; i++) {
        strbuf_clear(&bytes);
        rules_save(world.rules, world.now_ms, &bytes);
    }
    world_load(&world, text.data);
    strbuf_add_text(&text, "  - {alert: B, expr: 1}\n");
    world_load(&world, text.data);
    restart(&world, 0, text.data);
    assert_true(clock() - before < 3 * CLOCKS_PER_SEC); /* tens of seconds if each were */
    for (size_t i = 0; i < RULES; i++) {
        assert_int_equal(rule_of(&world, i).n_alerts, 1);
    }
    world_deinit(&world);
    strbuf_deinit(&text);
    strbuf_deinit(&bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(firing_alerts_stay_as_they_were),
        cmocka_unit_test(the_time_away_does_not_count_for_pending_ones),
        cmocka_unit_test(absence_means_nothing_before_the_window_is_full),
        cmocka_unit_test(an_alert_that_is_over_resolves_after_an_interval),
        cmocka_unit_test(resolved_ones_are_still_told),
        cmocka_unit_test(all_are_told_again_at_once),
        cmocka_unit_test(rules_of_one_name_keep_their_own_alerts),
        cmocka_unit_test(alerts_of_rules_that_are_gone_are_left_out),
        cmocka_unit_test(bytes_that_are_cut_are_refused),
        cmocka_unit_test(bytes_that_are_flipped_are_refused),
        cmocka_unit_test(bytes_of_another_version_are_refused),
        cmocka_unit_test(contents_that_do_not_add_up_are_refused),
        cmocka_unit_test(nothing_to_remember_is_read_again_too),
        cmocka_unit_test(thousands_of_rules_are_no_burden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
