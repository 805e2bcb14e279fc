/* SPDX-License-Identifier: Apache-2.0 */

#include "self_rules.h"

enum {
    EVALUATIONS,
    FAILURES,
    MISSED,
    INTERVAL,
    DURATION,
    LAST,
    RULES,
    SAMPLES,
    ALERTS,
};

#define BY_GROUP 1
#define BY_STATE 2

const struct column self_rules_rows[] = {
    [EVALUATIONS] = {NULL, COUNTER, "dbvitals_rule_evaluations_total",
                     "Evaluations of the group's rules, each rule counted.", .group = BY_GROUP},
    [FAILURES] = {NULL, COUNTER, "dbvitals_rule_evaluation_failures_total",
                  "Evaluations of the group's rules that failed.", .group = BY_GROUP},
    [MISSED] = {NULL, COUNTER, "dbvitals_rule_group_iterations_missed_total",
                "Slots that passed while the group was still busy with the one before.",
                .group = BY_GROUP},
    [INTERVAL] = {NULL, GAUGE, "dbvitals_rule_group_interval_seconds",
                  "How often the group is evaluated.", .group = BY_GROUP},
    [DURATION] = {NULL, GAUGE, "dbvitals_rule_group_last_duration_seconds",
                  "How long the last evaluation of the group took.", .group = BY_GROUP},
    [LAST] = {NULL, GAUGE, "dbvitals_rule_group_last_evaluation_timestamp_seconds",
              "The time that the group was evaluated at last; 0 before the first.",
              .group = BY_GROUP},
    [RULES] = {NULL, GAUGE, "dbvitals_rule_group_rules", "Rules of the group.", .group = BY_GROUP},
    [SAMPLES] = {NULL, GAUGE, "dbvitals_rule_group_last_evaluation_samples",
                 "Results of the group's rules at their last evaluation.", .group = BY_GROUP},
    [ALERTS] = {NULL, GAUGE, "dbvitals_alerts", "Alerts that are pending or fire.",
                .group = BY_STATE},
    {NULL, LABEL, "rule_group", .group = BY_GROUP},
    {NULL, LABEL, "state", .group = BY_STATE},
    {0},
};

static void add(struct batch *batch, int row, struct batch_labels labels, double value) {
    batch_add(batch, column_metric(&self_rules_rows[row]), labels, value);
}

static void add_group(const struct group_view *view, struct batch *batch) {
    const struct rule_group *group = view->group;
    struct strbuf name = {0};
    strbuf_add_str(&name, group->file);
    strbuf_add_char(&name, ';');
    strbuf_add_str(&name, group->name);
    const struct label label = {str_of("rule_group"), strbuf_view(&name)};
    struct batch_labels labels = batch_add_labels(batch, &label, 1);
    strbuf_deinit(&name);
    add(batch, EVALUATIONS, labels, (double)view->evaluations);
    add(batch, FAILURES, labels, (double)view->failures);
    add(batch, MISSED, labels, (double)view->missed);
    add(batch, INTERVAL, labels, (double)group->interval_ms / 1000);
    add(batch, DURATION, labels, view->seconds);
    add(batch, LAST, labels, (double)view->last_ms / 1000);
    add(batch, RULES, labels, (double)group->n_rules);
    add(batch, SAMPLES, labels, (double)view->samples);
}

void self_rules_add(const struct rules *rules, struct batch *batch) {
    static const enum alert_state states[] = {ALERT_PENDING, ALERT_FIRING};
    struct alert_counts counts = rules_count_alerts(rules);
    for (size_t i = 0; i < rules_groups(rules); i++) {
        struct group_view view = rules_group(rules, i);
        add_group(&view, batch);
    }
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        const struct label label = {str_of("state"), str_of(alert_state_names[states[i]])};
        add(batch, ALERTS, batch_add_labels(batch, &label, 1), (double)counts.by_state[states[i]]);
    }
}
