/* SPDX-License-Identifier: Apache-2.0 */

#include "actions/delivery.h"

#include <string.h>

#include "base/macros.h"

#define MOST_LABELS 7 /* beside the reason */
#define TO_WHOM     "alertmanager, channel, receiver"

const char *const delivery_drop_names[] = {
    [DELIVERY_FULL] = "queue_full",
    [DELIVERY_REFUSED] = "refused",
    [DELIVERY_EXPIRED] = "expired",
};

const struct delivery_metric delivery_metrics[DELIVERY_ROWS] = {
    [DELIVERY_ROW_SENT] = {METRIC_COUNTER, "dbvitals_notifications_sent_total",
                           "What was accepted: alerts by an Alertmanager, notifications by a "
                           "receiver.",
                           TO_WHOM},
    [DELIVERY_ROW_REQUESTS] = {METRIC_COUNTER, "dbvitals_notifications_requests_total",
                               "Attempts to deliver alerts or notifications.", TO_WHOM},
    [DELIVERY_ROW_ERRORS] = {METRIC_COUNTER, "dbvitals_notifications_errors_total",
                             "Attempts that failed or were refused.", TO_WHOM},
    [DELIVERY_ROW_SECONDS] = {METRIC_COUNTER, "dbvitals_notifications_seconds_total",
                              "Time until attempts were answered or given up, all together.",
                              TO_WHOM},
    [DELIVERY_ROW_QUEUED] = {METRIC_GAUGE, "dbvitals_notifications_queue_length",
                             "Alerts or notifications that wait or are under way.", TO_WHOM},
    [DELIVERY_ROW_BREAKER] = {METRIC_GAUGE, "dbvitals_notifications_breaker_state",
                              "The breaker of the way there: 0 closed, 1 open, 2 half open.",
                              TO_WHOM},
    [DELIVERY_ROW_DROPPED] = {METRIC_COUNTER, "dbvitals_notifications_dropped_total",
                              "Alerts or notifications that were never delivered: the queue was "
                              "full, they were refused, or nobody took them for a day.",
                              TO_WHOM ", reason"},
    [DELIVERY_ROW_GROUPS] = {METRIC_GAUGE, "dbvitals_notification_groups",
                             "Groups of alerts for receivers.", ""},
    [DELIVERY_ROW_GROUP_ALERTS] = {METRIC_GAUGE, "dbvitals_notification_group_alerts",
                                   "Alerts in groups for receivers; one in several groups counts "
                                   "in each.",
                                   ""},
    [DELIVERY_ROW_UNROUTED] = {METRIC_COUNTER, "dbvitals_notification_unrouted_alerts_total",
                               "Alerts that began to fire and that no route takes.", ""},
    [DELIVERY_ROW_OVERFLOWS] = {METRIC_COUNTER, "dbvitals_notification_group_overflows_total",
                                "Times that an alert was not taken because there are too many "
                                "alerts or groups for receivers.",
                                ""},
};

void delivery_add(struct batch *batch, enum delivery_row row, struct batch_labels labels,
                  double value) {
    const struct delivery_metric *metric = &delivery_metrics[row];
    batch_add(batch, (struct batch_metric){metric->name, metric->help, metric->type, true}, labels,
              value);
}

void delivery_collect(const struct delivery_stats *stats, const struct label *labels,
                      size_t n_labels, size_t n_drops, struct batch *batch) {
    struct label all[MOST_LABELS + 1];
    n_labels = n_labels < MOST_LABELS ? n_labels : MOST_LABELS;
    memcpy(all, labels, n_labels * sizeof(*labels));
    struct batch_labels to = batch_add_labels(batch, labels, n_labels);
    delivery_add(batch, DELIVERY_ROW_SENT, to, (double)stats->sent);
    delivery_add(batch, DELIVERY_ROW_REQUESTS, to, (double)stats->requests);
    delivery_add(batch, DELIVERY_ROW_ERRORS, to, (double)stats->errors);
    delivery_add(batch, DELIVERY_ROW_SECONDS, to, stats->seconds);
    delivery_add(batch, DELIVERY_ROW_QUEUED, to, (double)stats->queued);
    delivery_add(batch, DELIVERY_ROW_BREAKER, to, breaker_metric_state(stats->breaker));
    for (size_t i = 0; i < n_drops; i++) {
        all[n_labels] = (struct label){str_of("reason"), str_of(delivery_drop_names[i])};
        delivery_add(batch, DELIVERY_ROW_DROPPED, batch_add_labels(batch, all, n_labels + 1),
                     (double)stats->dropped[i]);
    }
}
