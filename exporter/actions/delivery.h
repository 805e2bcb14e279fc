/* SPDX-License-Identifier: Apache-2.0 */

/* How deliveries go, to an Alertmanager or over a channel of a receiver, as the same metrics; and
 * the table of all metrics about notifications. */
#pragma once

#include "breaker/breaker.h"
#include "store/batch.h"

enum delivery_drop {
    DELIVERY_FULL,    /* the queue was full */
    DELIVERY_REFUSED, /* refused for good */
    DELIVERY_EXPIRED, /* not accepted for too long */
    DELIVERY_DROPS
};
/* "queue_full", "refused", "expired". */
extern const char *const delivery_drop_names[];

/* The rows that delivery_collect() fills, then those about groups. */
enum delivery_row {
    DELIVERY_ROW_SENT,
    DELIVERY_ROW_REQUESTS,
    DELIVERY_ROW_ERRORS,
    DELIVERY_ROW_SECONDS,
    DELIVERY_ROW_QUEUED,
    DELIVERY_ROW_BREAKER,
    DELIVERY_ROW_DROPPED,
    DELIVERY_ROW_GROUPS,
    DELIVERY_ROW_GROUP_ALERTS,
    DELIVERY_ROW_UNROUTED,
    DELIVERY_ROW_OVERFLOWS,
    DELIVERY_ROWS
};

struct delivery_metric {
    enum metric_type type;
    const char *name, *help;
    const char
        *labels; /* with commas between; an Alertmanager has the first, a receiver the next */
};
extern const struct delivery_metric delivery_metrics[DELIVERY_ROWS];

struct delivery_stats {
    uint64_t sent;                    /* what was accepted: alerts, or notifications */
    uint64_t dropped[DELIVERY_DROPS]; /* what was never delivered */
    uint64_t requests, errors;        /* attempts, and those that failed or were refused */
    double seconds;                   /* all attempts together */
    size_t queued;                    /* waiting or under way */
    const struct breaker *breaker;
};

/* Adds dbvitals_notifications_*. labels say to whom; n_drops: how many of the reasons there are. */
void delivery_collect(const struct delivery_stats *stats, const struct label *labels,
                      size_t n_labels, size_t n_drops, struct batch *batch);

/* Adds one sample of a row. */
void delivery_add(struct batch *batch, enum delivery_row row, struct batch_labels labels,
                  double value);
