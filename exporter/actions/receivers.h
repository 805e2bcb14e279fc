/* SPDX-License-Identifier: Apache-2.0 */

/* The receivers of notifications: alerts are routed into groups, news of groups waits in a queue
 * for each channel, and both are one file on the disk (notifications.state), so that after a crash
 * nothing is lost and nothing certain is told twice.
 *
 * A notification is attempted once the file with it is on the disk. If the disk fails or stalls it
 * is attempted all the same: being told counts for more than not being told twice. */
#pragma once

#include "actions/notify_options.h"
#include "actions/outbox.h"
#include "base/error.h"
#include "rules/event.h"
#include "store/batch.h"

/* All outlive the receivers. */
struct receivers_parts {
    struct loop *loop;
    const char *storage_path; /* copied; NULL: in memory only */
    /* The way to a channel; options live until the way is freed. */
    struct outbox_way (*connect)(void *userdata, const char *receiver,
                                 const struct channel_options *options);
    void *userdata;
    uint64_t saved_soon_usec; /* how long what is not urgent waits for its write; 0: 1 s */
};

struct receivers;
struct receivers *receivers_new(const struct receivers_parts *parts);
/* Writes the state. NULL is fine. Return: NULL. */
struct receivers *receivers_free(struct receivers *receivers);
DEFINE_CLEANUP(struct receivers, receivers_free);

/* Takes a configuration over; copies what it needs. Channels that stay, by receiver, kind and place
 * among its kind, keep what they were told and what waits, and with equal options their breaker and
 * the attempt under way as well. The first call reads the state. */
void receivers_apply(struct receivers *receivers, const struct notify_options *options);

/* labels: external ones, added where the alert has no such label. Copies what it needs. */
void receivers_event(struct receivers *receivers, const struct alert_event *event,
                     const struct label *labels, size_t n_labels);

/* Notifications that wait or are under way. */
size_t receivers_queued(const struct receivers *receivers);

/* dbvitals_notifications_*; nothing without receivers. */
void receivers_collect(const struct receivers *receivers, struct batch *batch);
