/* SPDX-License-Identifier: Apache-2.0 */

/* A notification as a receiver gets it, made by hand. */
#pragma once

#include "actions/notification.h"

#define STARTS_MS ((int64_t)1767323045678) /* 2026-01-02T03:04:05.678Z */

static inline struct str told_str(struct notification *notification, const char *text) {
    return arena_dup(&notification->arena, str_of(text));
}

/* "name", "value", ..., NULL; sorted by name. Return: how many. */
static inline size_t told_labels(struct notification *notification, const char *const *texts,
                                 struct label **ret) {
    size_t count = 0;
    while (texts[2 * count] != NULL) {
        count++;
    }
    *ret = arena_array(&notification->arena, count + 1, sizeof(**ret));
    for (size_t i = 0; i < count; i++) {
        (*ret)[i] = (struct label){told_str(notification, texts[2 * i]),
                                   told_str(notification, texts[2 * i + 1])};
    }
    return count;
}

static inline struct notification *told_new(void) {
    struct notification *notification = notification_new();
    notification->id = 0xabc;
    notification->receiver = told_str(notification, "ops");
    notification->group_key = told_str(notification, "{}:{cluster=\"orders\"}");
    notification->n_group_labels =
        told_labels(notification, (const char *const[]){"cluster", "orders", NULL},
                    &notification->group_labels);
    notification->alerts =
        arena_array(&notification->arena, NOTIFICATION_MOST_ALERTS, sizeof(*notification->alerts));
    notification->made_ms = STARTS_MS + 65 * 1000;
    return notification;
}

static inline struct notification_alert *told_add(struct notification *notification, bool resolved,
                                                  const char *const *labels,
                                                  const char *const *annotations) {
    struct notification_alert *alert = &notification->alerts[notification->n_alerts++];
    *alert = (struct notification_alert){.id = notification->n_alerts,
                                         .generation = 1,
                                         .resolved = resolved,
                                         .starts_ms = STARTS_MS,
                                         .ends_ms = resolved ? STARTS_MS + 60000 : 0,
                                         .value = 0.5,
                                         .query = told_str(notification, "pg_up == 0")};
    alert->n_labels = told_labels(notification, labels, &alert->labels);
    alert->n_annotations = told_labels(notification, annotations, &alert->annotations);
    return alert;
}

/* A critical one that fires. */
static inline struct notification *told_down(void) {
    struct notification *notification = told_new();
    told_add(notification, false,
             (const char *const[]){"alertname", "PostgresDown", "cluster", "orders", "severity",
                                   "critical", "target", "orders-1", NULL},
             (const char *const[]){"description", "It does not answer.", "runbook_url",
                                   "https://wiki.example/down?a=1&b=2", "summary",
                                   "orders-1 is down", NULL});
    return notification;
}

/* What a hostile server could name its databases. */
static const char hostile[] =
    "</td><script>alert(1)</script>\"'&<!channel> \r\nBcc: x@example.org\r\n\r\n\xff\xfe {{x}}";

static inline struct notification *told_hostile(void) {
    struct notification *notification = told_new();
    told_add(
        notification, false,
        (const char *const[]){"alertname", hostile, "cluster", hostile, "severity", hostile, NULL},
        (const char *const[]){"description", hostile, "runbook_url", "javascript:alert(1)",
                              "summary", hostile, NULL});
    return notification;
}
