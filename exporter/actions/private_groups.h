/* SPDX-License-Identifier: Apache-2.0 */

/* What the files of groups share. */
#pragma once

#include "actions/groups.h"
#include "base/buffer.h"
#include "base/hash.h"

struct group_alert {
    uint64_t id, generation;
    double value;
    bool resolved;
    bool looked_at;         /* a flush has seen it resolved */
    bool restored;          /* the rules have not spoken of it since the restart */
    int64_t starts_ms;      /* wall */
    int64_t ends_ms;        /* wall; of a firing one: when it ends unless it is told again */
    int64_t expires_ms;     /* the same on the other clock */
    int64_t resolved_at_ms; /* other clock */
    struct buffer *texts;   /* notification_pack_texts() */
};

/* What one channel of the group's receiver knows. */
struct group_log {
    char *channel;
    size_t index; /* of groups->channels */
    struct told told;
};

struct alert_group {
    struct str key, route; /* owned, in one arena with the labels */
    struct arena arena;
    struct label *labels;
    size_t n_labels;
    int64_t wait_ms, interval_ms, repeat_ms;
    bool orphan; /* its route is gone */
    bool flushed;
    int64_t next_ms;
    struct group_alert **alerts;
    size_t n_alerts, alerts_capacity;
    struct hash_map by_id;
    struct group_log *logs;
    size_t n_logs;
};

struct groups {
    struct groups_options options;
    const struct router *router;
    struct groups_channel *channels; /* names are owned */
    size_t n_channels;
    struct alert_group **groups;
    size_t n_groups, groups_capacity;
    struct hash_map by_key;
    size_t n_alerts;
    int64_t next_ms;
    uint64_t unrouted, dropped;
};

struct alert_group *alert_group_add(struct groups *groups, struct str key, struct str route,
                                    const struct label *labels, size_t n_labels);
struct alert_group *alert_group_find(const struct groups *groups, struct str key);
struct group_alert *alert_group_add_alert(struct groups *groups, struct alert_group *group,
                                          uint64_t id);
struct group_alert *alert_group_find_alert(const struct alert_group *group, uint64_t id);
struct group_log *alert_group_add_log(struct alert_group *group, const char *channel);
/* Takes it out of the map and frees it; the caller closes the gap among the alerts. */
void alert_group_remove_alert(struct groups *groups, struct alert_group *group,
                              struct group_alert *alert);
/* The caller takes it out of the list and the map. */
void alert_group_free(struct groups *groups, struct alert_group *group);
void alert_group_take_settings(struct alert_group *group, const struct router_route *route);
/* Whether a channel needs the alert's end. */
bool alert_group_needs(const struct alert_group *group, uint64_t id);
void groups_clear(struct groups *groups);
/* Its next flush is not later than this. */
void alert_group_due(struct groups *groups, struct alert_group *group, int64_t at_ms);
