/* SPDX-License-Identifier: Apache-2.0 */

/* Breakers by name: what a reload and a restart keep, whose word counts, what is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "circuits/circuit_json.h"

#define T0    ((uint64_t)100000 * USEC_PER_SEC)
#define T0_MS ((int64_t)1700000000000)

static struct circuits *circuits;
static unsigned n_changes;
static enum breaker_state last_from;

static void changed(void *userdata, struct kept_circuit *kept, enum breaker_state from) {
    assert_ptr_equal(userdata, &n_changes);
    assert_true(kept->circuit.breaker.state != from);
    n_changes++;
    last_from = from;
}

static struct circuits *fresh(void) {
    return circuits_new(&(struct circuits_events){.changed = changed, .userdata = &n_changes});
}

static struct circuit_time at(unsigned seconds) {
    return (struct circuit_time){T0 + seconds * USEC_PER_SEC, T0_MS + (int64_t)seconds * 1000};
}

static struct circuit_options named(const char *name) {
    return (struct circuit_options){.name = (char *)(uintptr_t)name,
                                    .policy = circuit_policy_default};
}

static void configure(struct circuits *them, const char *const *names, size_t n) {
    struct circuit_options list[8];
    for (size_t i = 0; i < n; i++) {
        list[i] = named(names[i]);
    }
    circuits_configure(them, list, n, T0, T0_MS);
}

static int set_up(void **state) {
    static const char *const names[] = {"a", "b", "c"};
    circuits = fresh();
    n_changes = 0;
    configure(circuits, names, 3);
    return 0;
}

static int tear_down(void **state) {
    circuits = circuits_free(circuits);
    return 0;
}

static struct kept_circuit *get(const char *name) {
    struct kept_circuit *kept = circuits_find(circuits, str_of(name));
    assert_non_null(kept);
    return kept;
}

static void expect(const char *name, struct circuit_time now, enum breaker_state wanted,
                   const char *reason, const char *owner) {
    struct circuit_status status = circuits_status(get(name), now);
    assert_string_equal(breaker_state_names[status.state], breaker_state_names[wanted]);
    assert_string_equal(status.reason, reason);
    assert_string_equal(status.owner != NULL ? status.owner : "-", owner);
}

static void fail_often(const char *name, struct circuit_time now) {
    for (int i = 0; i < 5; i++) {
        circuits_call(circuits, get(name), now, true, 0);
    }
}

static struct circuit_foreign foreign(enum breaker_state state, unsigned until) {
    return (struct circuit_foreign){.state = state,
                                    .owner = "two",
                                    .reason = "waiting_clients",
                                    .until_usec = at(until).usec,
                                    .since_ms = 5};
}

static void a_reload_keeps_what_stays(void **state) {
    static const char *const names[] = {"d", "b"};
    fail_often("b", at(1));
    configure(circuits, names, 2);
    assert_int_equal(circuits_count(circuits), 2);
    assert_string_equal(circuits_at(circuits, 0)->options.name, "d");
    assert_null(circuits_find(circuits, str_of("a")));
    expect("b", at(2), BREAKER_OPEN, "consecutive_failures", "-");
    expect("d", at(2), BREAKER_CLOSED, "", "-");
    assert_int_equal(circuits_status(get("b"), at(2)).since_ms, T0_MS + 1000);
}

static void changes_are_told_once_each(void **state) {
    fail_often("a", at(1));
    assert_int_equal(n_changes, 1);
    assert_int_equal(last_from, BREAKER_CLOSED);
    uint64_t next = circuits_tick(circuits, at(1));
    assert_true(next >= at(1 + 24).usec && next <= at(1 + 36).usec);
    assert_int_equal(n_changes, 1);
    assert_true(circuits_tick(circuits, at(60)) == UINT64_MAX);
    assert_int_equal(n_changes, 2);
    assert_int_equal(last_from, BREAKER_OPEN);
    circuits_order(circuits, get("a"), at(61), BREAKER_LIFT); /* nothing to lift */
    assert_int_equal(n_changes, 2);
    circuits_order(circuits, get("a"), at(61), BREAKER_DISABLE);
    assert_int_equal(n_changes, 3);
}

/* An event that comes late finds it half open already. */
static void a_late_event_is_two_changes(void **state) {
    fail_often("a", at(1));
    const struct circuit_pressure full = {.utilisation = 1};
    circuits_pressure(circuits, get("a"), at(100), &full);
    assert_int_equal(n_changes, 3); /* open, half open, open */
    expect("a", at(100), BREAKER_OPEN, "pool_utilisation", "-");
}

static void the_stricter_word_counts(void **state) {
    struct circuit_foreign open = foreign(BREAKER_OPEN, 30), half = foreign(BREAKER_HALF_OPEN, 30);
    assert_true(circuits_set_foreign(get("a"), &open));
    assert_false(circuits_set_foreign(get("a"), &open));
    expect("a", at(1), BREAKER_OPEN, "waiting_clients", "two");
    assert_int_equal(circuits_status(get("a"), at(10)).retry_after_usec, 20 * USEC_PER_SEC);
    assert_false(circuits_allow(circuits, get("a"), at(1)));
    assert_int_equal(get("a")->circuit.breaker.rejected_total, 1);
    assert_int_equal(n_changes, 0); /* the own word has not changed */
    /* It ends by itself. */
    assert_true(circuits_allow(circuits, get("a"), at(30)));
    expect("a", at(30), BREAKER_CLOSED, "", "-");
    /* Half open lets exactly the share pass. */
    assert_true(circuits_set_foreign(get("a"), &half));
    unsigned passed = 0;
    for (int i = 0; i < 100; i++) {
        passed += circuits_allow(circuits, get("a"), at(1));
    }
    assert_int_equal(passed, 50);
    /* The own open one is stricter than a half open one of another. */
    fail_often("a", at(2));
    expect("a", at(2), BREAKER_OPEN, "consecutive_failures", "-");
    assert_true(circuits_set_foreign(get("a"), NULL));
}

static void an_order_counts_alone(void **state) {
    struct circuit_foreign open = foreign(BREAKER_OPEN, 30);
    circuits_set_foreign(get("a"), &open);
    circuits_order(circuits, get("a"), at(1), BREAKER_FORCE_CLOSED);
    expect("a", at(1), BREAKER_FORCED_CLOSED, "operator", "-");
    assert_true(circuits_allow(circuits, get("a"), at(1)));
    circuits_order(circuits, get("a"), at(1), BREAKER_FORCE_OPEN);
    assert_false(circuits_allow(circuits, get("a"), at(1)));
    circuits_order(circuits, get("a"), at(1), BREAKER_LIFT);
    expect("a", at(1), BREAKER_OPEN, "waiting_clients", "two");
}

static void words_of_orders_are_known(void **state) {
    enum breaker_event event;
    assert_true(circuits_order_of(str_of("lift"), &event));
    assert_int_equal(event, BREAKER_LIFT);
    assert_true(circuits_order_of(str_of("force_open"), &event));
    assert_int_equal(event, BREAKER_FORCE_OPEN);
    assert_false(circuits_order_of(str_of("tripped"), &event));
    assert_false(circuits_order_of(str_of(""), &event));
}

static void a_restart_keeps_orders_and_what_was_open(void **state) {
    static const char *const later[] = {"c", "b", "a"};
    struct strbuf saved = {0};
    struct circuits *again = fresh();
    fail_often("a", at(1));
    circuits_order(circuits, get("b"), at(2), BREAKER_DISABLE);
    circuits_save(circuits, &saved);
    configure(again, later, 3);
    n_changes = 0;
    assert_int_equal(circuits_load(again, strbuf_view(&saved), at(500), NULL), 0);
    assert_int_equal(n_changes, 0);
    circuits_free(circuits);
    circuits = again;
    expect("a", at(500), BREAKER_OPEN, "consecutive_failures", "-");
    expect("b", at(500), BREAKER_DISABLED, "operator", "-");
    expect("c", at(500), BREAKER_CLOSED, "", "-");
    assert_int_equal(circuits_status(get("b"), at(500)).since_ms, T0_MS + 2000);
    assert_true(circuits_tick(circuits, at(500)) > at(500).usec);
    strbuf_deinit(&saved);
}

static void damaged_states_change_nothing(void **state) {
    struct strbuf saved = {0};
    circuits_order(circuits, get("a"), at(1), BREAKER_FORCE_OPEN);
    circuits_save(circuits, &saved);
    circuits_order(circuits, get("a"), at(1), BREAKER_LIFT);
    for (size_t len = 0; len < saved.len; len++) {
        struct error err = {0};
        assert_int_equal(circuits_load(circuits, (struct str){saved.data, len}, at(2), &err),
                         -EINVAL);
        assert_true(error_is_set(&err));
    }
    for (size_t i = 0; i < saved.len; i++) {
        saved.data[i] ^= 1;
        assert_int_equal(circuits_load(circuits, strbuf_view(&saved), at(2), NULL), -EINVAL);
        saved.data[i] ^= 1;
    }
    expect("a", at(2), BREAKER_CLOSED, "", "-");
    assert_int_equal(circuits_load(circuits, strbuf_view(&saved), at(2), NULL), 0);
    expect("a", at(2), BREAKER_FORCED_OPEN, "operator", "-");
    strbuf_deinit(&saved);
}

/* ---- in Redis ---- */

static void what_is_published_is_read_again(void **state) {
    struct circuit_foreign found = {0};
    struct strbuf value = {0};
    fail_often("a", at(1));
    circuit_json_publish(get("a"), "one:9719", at(2), &value);
    assert_true(circuit_json_parse(strbuf_view(&value), &found));
    assert_int_equal(found.state, BREAKER_OPEN);
    assert_string_equal(found.owner, "one:9719");
    assert_string_equal(found.reason, "consecutive_failures");
    assert_int_equal(found.since_ms, T0_MS + 1000);
    strbuf_clear(&value);
    circuits_order(circuits, get("a"), at(3), BREAKER_FORCE_OPEN);
    circuit_json_publish(get("a"), "one:9719", at(3), &value);
    assert_non_null(strstr(value.data, "\"state\":\"open\",\"reason\":\"operator\""));
    strbuf_deinit(&value);
}

static void what_is_no_value_of_ours_is_no_word(void **state) {
    static const char *const values[] = {
        "",
        "open",
        "{}",
        "[]",
        "null",
        "{\"state\":\"open\"}",
        "{\"owner\":\"x\"}",
        "{\"state\":\"closed\",\"owner\":\"x\"}",
        "{\"state\":1,\"owner\":\"x\"}",
        "{\"state\":\"open\",\"owner\":\"\"}",
        "{\"state\":\"open\",\"owner\":\"x\"",
    };
    struct circuit_foreign found = {.state = BREAKER_DISABLED};
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        if (circuit_json_parse(str_of(values[i]), &found)) {
            fail_msg("%s", values[i]);
        }
    }
    assert_int_equal(found.state, BREAKER_DISABLED);
    assert_true(circuit_json_parse(
        str_of("{\"state\":\"half_open\",\"owner\":\"x\",\"since\":1e300,\"until\":\"?\"}"),
        &found));
    assert_int_equal(found.state, BREAKER_HALF_OPEN);
    assert_int_equal(found.since_ms, 0);
    struct strbuf longest = {0};
    strbuf_add_text(&longest, "{\"state\":\"open\",\"owner\":\"");
    for (int i = 0; i < 3000; i++) {
        strbuf_add_char(&longest, 'x');
    }
    strbuf_add_text(&longest, "\"}");
    assert_true(circuit_json_parse(strbuf_view(&longest), &found)); /* cut */
    assert_int_equal(strlen(found.owner), CIRCUIT_MOST_OWNER_BYTES - 1);
    strbuf_deinit(&longest);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_reload_keeps_what_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(changes_are_told_once_each, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_late_event_is_two_changes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_stricter_word_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_order_counts_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(words_of_orders_are_known, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_restart_keeps_orders_and_what_was_open, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(damaged_states_change_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_published_is_read_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_value_of_ours_is_no_word, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
