/* SPDX-License-Identifier: Apache-2.0 */

/* The alerts of a rule: the table of transitions, times, and bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/pack.h"
#include "rules/alert.h"

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define T0     INT64_C(1700000000000)

static const struct label sick[] = {{{"alertname", 9}, {"Down", 4}}, {{"target", 6}, {"a", 1}}};

static struct alert *add(struct alert_list *list) {
    return alert_list_add(list, 7, sick, 2);
}

/* ---- the table ---- */

static void each_state_and_finding_has_exactly_one_row(void **state) {
    assert_int_equal(ALERT_TRANSITIONS, (ALERT_FIRING + 1) * FINDING_COUNT);
    for (int from = 0; from <= ALERT_FIRING; from++) {
        for (int finding = 0; finding < FINDING_COUNT; finding++) {
            int rows = 0;
            for (int i = 0; i < ALERT_TRANSITIONS; i++) {
                rows += (int)alert_transitions[i].from == from &&
                        (int)alert_transitions[i].finding == finding;
            }
            assert_int_equal(rows, 1);
        }
    }
}

static void every_state_is_reached_and_left(void **state) {
    bool reached[ALERT_FIRING + 1] = {[ALERT_INACTIVE] = true}, left[ALERT_FIRING + 1] = {0};
    for (int turn = 0; turn <= ALERT_FIRING; turn++) {
        for (int i = 0; i < ALERT_TRANSITIONS; i++) {
            const struct alert_transition *row = &alert_transitions[i];
            reached[row->to] |= reached[row->from];
            left[row->from] |= row->to != row->from;
        }
    }
    for (int i = 0; i <= ALERT_FIRING; i++) {
        assert_true(reached[i]);
        assert_true(left[i]);
    }
}

/* What moves does something; what stays in its state does nothing. */
static void only_what_moves_acts(void **state) {
    for (int i = 0; i < ALERT_TRANSITIONS; i++) {
        const struct alert_transition *row = &alert_transitions[i];
        assert_int_equal(row->from == row->to, row->action == ALERT_STAY);
    }
}

static void the_diagram_in_the_manual_is_this_table(void **state) {
    const char *path = getenv("DBVITALS_RULES_DOC");
    assert_non_null(path);
    struct strbuf wanted = {0}, found = {0};
    for (int i = 0; i < ALERT_TRANSITIONS; i++) {
        const struct alert_transition *row = &alert_transitions[i];
        if (row->to != row->from) {
            strbuf_printf(&wanted, "    %-8s --%s--> %s\n", alert_state_names[row->from],
                          alert_finding_names[row->finding], alert_state_names[row->to]);
        }
    }
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    char line[512];
    while (fgets(line, sizeof(line), file) != NULL) {
        strbuf_add_text(&found, line);
    }
    fclose(file);
    if (strstr(found.data, wanted.data) == NULL) {
        print_error("%s lacks this diagram:\n%s", path, wanted.data);
        fail();
    }
    strbuf_deinit(&wanted);
    strbuf_deinit(&found);
}

/* ---- lives ---- */

static void fires_at_once_without_for(void **state) {
    struct alert_list list = {0};
    struct rule rule = {0};
    struct alert *alert = add(&list);
    assert_int_equal(alert->view.state, ALERT_INACTIVE);
    assert_int_equal(alert_step(alert, true, &rule, T0), ALERT_BEGIN_FIRE);
    assert_int_equal(alert->view.state, ALERT_FIRING);
    assert_int_equal(alert->view.active_ms, T0);
    assert_int_equal(alert->view.fired_ms, T0);
    assert_int_equal(alert->generation, 1);
    assert_int_equal(alert_step(alert, true, &rule, T0 + MINUTE), ALERT_STAY);
    assert_int_equal(alert->view.fired_ms, T0);
    alert_list_deinit(&list);
}

static void fires_when_it_has_held_for_long_enough(void **state) {
    struct alert_list list = {0};
    struct rule rule = {.for_ms = MINUTE};
    struct alert *alert = add(&list);
    assert_int_equal(alert_step(alert, true, &rule, T0), ALERT_BEGIN);
    assert_int_equal(alert_list_state(&list), ALERT_PENDING);
    assert_int_equal(alert_step(alert, true, &rule, T0 + MINUTE - 1), ALERT_STAY);
    assert_int_equal(alert->view.state, ALERT_PENDING);
    assert_int_equal(alert->view.fired_ms, 0);
    assert_int_equal(alert_step(alert, true, &rule, T0 + MINUTE), ALERT_FIRE);
    assert_int_equal(alert->view.active_ms, T0);
    assert_int_equal(alert->view.fired_ms, T0 + MINUTE);
    assert_int_equal(alert_list_active(&list), 1);
    alert_list_deinit(&list);
}

static void a_pending_one_that_ends_is_forgotten(void **state) {
    struct alert_list list = {0};
    struct rule rule = {.for_ms = MINUTE, .keep_firing_for_ms = MINUTE};
    struct alert *alert = add(&list);
    alert_step(alert, true, &rule, T0);
    assert_int_equal(alert_step(alert, false, &rule, T0 + SECOND), ALERT_FORGET);
    alert_list_sweep(&list, T0 + SECOND, MINUTE);
    assert_int_equal(list.n, 0);
    assert_null(alert_list_find(&list, sick, 2));
    alert_list_deinit(&list);
}

static void resolves_and_stays_for_the_retention(void **state) {
    struct alert_list list = {0};
    struct rule rule = {0};
    struct alert *alert = add(&list);
    alert_step(alert, true, &rule, T0);
    assert_int_equal(alert_step(alert, false, &rule, T0 + MINUTE), ALERT_RESOLVE);
    assert_int_equal(alert->view.resolved_ms, T0 + MINUTE);
    assert_int_equal(alert->generation, 2);
    assert_int_equal(alert_list_active(&list), 0);
    assert_int_equal(alert_step(alert, false, &rule, T0 + 2 * MINUTE), ALERT_STAY);
    assert_int_equal(alert->view.resolved_ms, T0 + MINUTE);
    alert_list_sweep(&list, T0 + 16 * MINUTE, 15 * MINUTE);
    assert_ptr_equal(alert_list_find(&list, sick, 2), alert);
    alert_list_sweep(&list, T0 + 16 * MINUTE + 1, 15 * MINUTE);
    assert_int_equal(list.n, 0);
    alert_list_deinit(&list);
}

static void a_resolved_one_begins_a_new_life(void **state) {
    struct alert_list list = {0};
    struct rule rule = {.for_ms = MINUTE};
    struct alert *alert = add(&list);
    alert_step(alert, true, &rule, T0);
    alert_step(alert, true, &rule, T0 + MINUTE);
    alert_step(alert, false, &rule, T0 + 2 * MINUTE);
    assert_int_equal(alert_step(alert, true, &rule, T0 + 3 * MINUTE), ALERT_BEGIN);
    assert_int_equal(alert->view.active_ms, T0 + 3 * MINUTE);
    assert_int_equal(alert->view.fired_ms, 0);
    assert_int_equal(alert->view.resolved_ms, 0);
    assert_int_equal(alert_step(alert, true, &rule, T0 + 4 * MINUTE), ALERT_FIRE);
    assert_int_equal(alert->generation, 3);
    alert_list_deinit(&list);
}

static void keeps_firing_while_it_is_told_to(void **state) {
    struct alert_list list = {0};
    struct rule rule = {.keep_firing_for_ms = MINUTE};
    struct alert *alert = add(&list);
    alert_step(alert, true, &rule, T0);
    assert_int_equal(alert_step(alert, false, &rule, T0 + 10 * SECOND), ALERT_STAY);
    assert_int_equal(alert->view.keep_firing_since_ms, T0 + 10 * SECOND);
    assert_int_equal(alert_step(alert, true, &rule, T0 + 20 * SECOND), ALERT_STAY);
    assert_int_equal(alert->view.keep_firing_since_ms, 0);
    assert_int_equal(alert_step(alert, false, &rule, T0 + 30 * SECOND), ALERT_STAY);
    assert_int_equal(alert_step(alert, false, &rule, T0 + 90 * SECOND - 1), ALERT_STAY);
    assert_int_equal(alert_step(alert, false, &rule, T0 + 90 * SECOND), ALERT_RESOLVE);
    assert_int_equal(alert->view.keep_firing_since_ms, 0);
    alert_list_deinit(&list);
}

static void a_longer_for_takes_its_firing_back(void **state) {
    struct alert_list list = {0};
    struct rule rule = {.for_ms = MINUTE};
    struct alert *alert = add(&list);
    alert_step(alert, true, &rule, T0);
    alert_step(alert, true, &rule, T0 + MINUTE);
    rule.for_ms = 5 * MINUTE;
    assert_int_equal(alert_step(alert, true, &rule, T0 + 2 * MINUTE), ALERT_WITHDRAW);
    assert_int_equal(alert->view.state, ALERT_PENDING);
    assert_int_equal(alert->view.active_ms, T0);
    assert_int_equal(alert_step(alert, true, &rule, T0 + 5 * MINUTE), ALERT_FIRE);
    assert_int_equal(alert->view.fired_ms, T0 + 5 * MINUTE);
    alert_list_deinit(&list);
}

/* ---- who it is ---- */

static void alerts_are_told_apart_by_all_labels(void **state) {
    static const struct label other[] = {{{"alertname", 9}, {"Down", 4}},
                                         {{"target", 6}, {"ab", 2}}};
    struct alert_list list = {0};
    struct alert *first = add(&list), *second = alert_list_add(&list, 7, other, 2);
    assert_ptr_equal(alert_list_find(&list, sick, 2), first);
    assert_ptr_equal(alert_list_find(&list, other, 2), second);
    assert_null(alert_list_find(&list, sick, 1));
    assert_true(first->view.id != second->view.id);
    struct alert_list elsewhere = {0};
    assert_true(alert_list_add(&elsewhere, 8, sick, 2)->view.id != first->view.id);
    alert_list_deinit(&elsewhere);
    alert_list_deinit(&list);
}

/* ---- bytes ---- */

static struct alert *make_rich(struct alert_list *list) {
    static const struct label annotations[] = {{{"summary", 7}, {"It is down.", 11}}};
    struct rule rule = {.keep_firing_for_ms = MINUTE};
    struct alert *alert = add(list);
    alert_step(alert, true, &rule, T0);
    alert_step(alert, false, &rule, T0 + SECOND);
    alert_set_annotations(alert, annotations, 1);
    alert->view.value = 0.25;
    alert->sent_ms = T0;
    return alert;
}

static void comes_back_as_it_was_packed(void **state) {
    struct alert_list list = {0}, restored = {0};
    struct strbuf bytes = {0};
    struct alert *alert = make_rich(&list);
    alert_pack(alert, &bytes);
    struct unpacker in = {strbuf_view(&bytes), false};
    struct alert *again = alert_unpack(&restored, 7, &in);
    assert_non_null(again);
    assert_int_equal(in.rest.len, 0);
    assert_true(again->view.restored);
    assert_int_equal(again->view.id, alert->view.id);
    assert_int_equal(again->view.state, ALERT_FIRING);
    assert_true(again->view.value == 0.25);
    assert_int_equal(again->view.active_ms, T0);
    assert_int_equal(again->view.fired_ms, T0);
    assert_int_equal(again->view.keep_firing_since_ms, T0 + SECOND);
    assert_int_equal(again->sent_ms, T0);
    assert_int_equal(again->generation, 1);
    assert_int_equal(again->view.n_annotations, 1);
    assert_true(str_is(again->view.annotations[0].value, "It is down."));
    assert_ptr_equal(alert_list_find(&restored, sick, 2), again);
    alert_list_deinit(&restored);
    alert_list_deinit(&list);
    strbuf_deinit(&bytes);
}

static void bytes_cut_anywhere_make_no_alert(void **state) {
    struct alert_list list = {0}, restored = {0};
    struct strbuf bytes = {0};
    alert_pack(make_rich(&list), &bytes);
    for (size_t len = 0; len < bytes.len; len++) {
        struct unpacker in = {{bytes.data, len}, false};
        assert_null(alert_unpack(&restored, 7, &in));
        assert_true(in.bad);
    }
    assert_int_equal(restored.n, 0);
    alert_list_deinit(&restored);
    alert_list_deinit(&list);
    strbuf_deinit(&bytes);
}

static void an_alert_that_is_there_is_not_made_twice(void **state) {
    struct alert_list list = {0};
    struct strbuf bytes = {0};
    alert_pack(make_rich(&list), &bytes);
    struct unpacker in = {strbuf_view(&bytes), false};
    assert_null(alert_unpack(&list, 7, &in));
    assert_false(in.bad);
    assert_int_equal(list.n, 1);
    alert_list_deinit(&list);
    strbuf_deinit(&bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_state_and_finding_has_exactly_one_row),
        cmocka_unit_test(every_state_is_reached_and_left),
        cmocka_unit_test(only_what_moves_acts),
        cmocka_unit_test(the_diagram_in_the_manual_is_this_table),
        cmocka_unit_test(fires_at_once_without_for),
        cmocka_unit_test(fires_when_it_has_held_for_long_enough),
        cmocka_unit_test(a_pending_one_that_ends_is_forgotten),
        cmocka_unit_test(resolves_and_stays_for_the_retention),
        cmocka_unit_test(a_resolved_one_begins_a_new_life),
        cmocka_unit_test(keeps_firing_while_it_is_told_to),
        cmocka_unit_test(a_longer_for_takes_its_firing_back),
        cmocka_unit_test(alerts_are_told_apart_by_all_labels),
        cmocka_unit_test(comes_back_as_it_was_packed),
        cmocka_unit_test(bytes_cut_anywhere_make_no_alert),
        cmocka_unit_test(an_alert_that_is_there_is_not_made_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
