/* SPDX-License-Identifier: Apache-2.0 */

/* Groups of alerts, and when what is told about them: Alertmanager's dispatcher and its removal of
 * duplicates as pure logic; clocks are arguments, notifications leave through a sink.
 *
 * Each route has a group for each set of values of its group_by labels. A group is looked at (a
 * flush) group_wait after its first alert and every group_interval from then on: channels that have
 * news (actions/told) get a notification of the whole group. An alert that is over leaves the group
 * when no channel needs its end any more; a group without alerts goes at its next flush. A firing
 * alert ends by itself when the rules have not told it again in time, so the alerts of a rule, a
 * route or a restart that never comes back end too. */
#pragma once

#include "actions/notification.h"
#include "actions/router.h"
#include "actions/told.h"
#include "base/error.h"
#include "rules/event.h"

#define GROUPS_MOST        ((size_t)2000)
#define GROUPS_MOST_ALERTS ((size_t)10000) /* of all groups */

/* Two clocks: one for waiting, which never steps, and the wall's for what is shown and kept. */
struct groups_time {
    int64_t now_ms, wall_ms;
};

/* A way to a receiver, known by its name over reloads and restarts. */
struct groups_channel {
    const char *name;     /* ops/slack */
    const char *receiver; /* its name */
    size_t receiver_index;
    bool send_resolved;
};

struct groups_options {
    /* Takes the notification over; what waits for the same channel and group makes place. */
    void (*put)(void *userdata, const char *channel, struct notification *notification);
    /* What waits is no longer news. */
    void (*cancel)(void *userdata, const char *channel, struct str group_key);
    void *userdata;
    size_t most_groups, most_alerts; /* 0: as above */
};

struct groups;
struct groups *groups_new(const struct groups_options *options);
struct groups *groups_free(struct groups *groups);
DEFINE_CLEANUP(struct groups, groups_free);

/* From now on these routes and channels. The router is borrowed until the next one is given;
 * channels are copied. Groups of routes that are gone get no more alerts, those of channels that
 * are gone are not told any more. */
void groups_apply(struct groups *groups, const struct router *router,
                  const struct groups_channel *channels, size_t n_channels);

/* Return: whether a route takes the alert. */
bool groups_event(struct groups *groups, const struct alert_event *event, struct groups_time time);

/* When groups_run() is due, on the clock now_ms; INT64_MAX: not at all. It looks at a limited
 * number of groups at a time, and is due again at once when there are more. */
int64_t groups_next_ms(const struct groups *groups);
void groups_run(struct groups *groups, struct groups_time time);

/* What became of a notification that was put. Legal for groups that are gone. */
void groups_started(struct groups *groups, const char *channel, struct str group_key);
void groups_ended(struct groups *groups, const char *channel, struct str group_key,
                  enum told_end end, struct groups_time time);

/* Forgets what waits where the queue knows nothing of it. */
void groups_reconcile(struct groups *groups,
                      bool (*waits)(void *userdata, const char *channel, struct str group_key),
                      void *userdata);

struct groups_stats {
    size_t groups, alerts;
    uint64_t unrouted; /* alerts that began to fire and that no route takes */
    uint64_t dropped;  /* events of alerts above the limits */
};
struct groups_stats groups_stats(const struct groups *groups);

/* For the state file: all that a channel was told or is about to be told. Before groups_apply().
 * Of unpacking: false, in->bad and no groups when it is none. */
void groups_pack(const struct groups *groups, struct groups_time time, struct strbuf *out);
bool groups_unpack(struct groups *groups, struct groups_time time, struct unpacker *in);
