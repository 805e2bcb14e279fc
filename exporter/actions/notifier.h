/* SPDX-License-Identifier: Apache-2.0 */

/* Who is told about alerts: all Alertmanagers, each in its own time, and receivers by routes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "actions/notify_options.h"
#include "actions/outbox.h"
#include "io/loop.h"
#include "io/resolve.h"
#include "rules/event.h"
#include "store/batch.h"

struct notifier;

/* All outlive the notifier. */
struct notifier_parts {
    struct loop *loop;
    struct resolver *resolver;
    struct str external_url;  /* where our pages are, for links */
    const char *storage_path; /* of what receivers were told; NULL: in memory only */
    /* Other ways to the channels of receivers than the real ones, for tests, as in receivers.h. */
    struct outbox_way (*connect)(void *userdata, const char *receiver,
                                 const struct channel_options *options);
    void *userdata;
};

/* Nobody is told before notifier_apply(). */
struct notifier *notifier_new(const struct notifier_parts *parts);
/* What waits for Alertmanagers is dropped: whoever fires is sent again by the rules. What waits for
 * receivers is on the disk. NULL is fine. Return: NULL. */
struct notifier *notifier_free(struct notifier *notifier);
DEFINE_CLEANUP(struct notifier, notifier_free);

/* Takes a configuration over, which is borrowed until the next one has been; labels are external
 * ones, added where an alert has no such label. What waits for Alertmanagers and receivers that are
 * in both stays. */
void notifier_apply(struct notifier *notifier, const struct notify_options *options,
                    const struct label *labels, size_t n_labels);

/* Copies what it needs and returns at once; legal while the rules are evaluated. */
void notifier_event(struct notifier *notifier, const struct alert_event *event);

/* Alerts and notifications that wait or are under way, to whomever. */
size_t notifier_queued(const struct notifier *notifier);

/* URL of the API of one of the Alertmanagers, without credentials; behind the last one NULL. */
const char *notifier_alertmanager(const struct notifier *notifier, size_t index);

/* dbvitals_notifications_*. */
void notifier_collect(const struct notifier *notifier, struct batch *batch);
