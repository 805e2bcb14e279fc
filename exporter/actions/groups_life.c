/* SPDX-License-Identifier: Apache-2.0 */

/* Groups of alerts: making and freeing them, and what a new configuration changes. */
#include <stdlib.h>

#include "actions/private_groups.h"
#include "base/mem.h"

#define LEAST_INTERVAL_MS ((int64_t)1000)

/* ---- parts ---- */

static bool has_key(const void *entry, const void *key) {
    return str_equal(((const struct alert_group *)entry)->key, *(const struct str *)key);
}

static bool has_id(const void *entry, const void *key) {
    return ((const struct group_alert *)entry)->id == *(const uint64_t *)key;
}

static uint64_t hash_of(uint64_t id) {
    return hash_bytes(&id, sizeof(id));
}

struct alert_group *alert_group_find(const struct groups *groups, struct str key) {
    return hash_map_get(&groups->by_key, hash_bytes(key.data, key.len), has_key, &key);
}

struct alert_group *alert_group_add(struct groups *groups, struct str key, struct str route,
                                    const struct label *labels, size_t n_labels) {
    struct alert_group *group = mem_alloc(sizeof(*group));
    group->key = arena_dup(&group->arena, key);
    group->route = arena_dup(&group->arena, route);
    group->labels = arena_array(&group->arena, n_labels + 1, sizeof(*group->labels));
    group->n_labels = n_labels;
    for (size_t i = 0; i < n_labels; i++) {
        group->labels[i].name = arena_dup(&group->arena, labels[i].name);
        group->labels[i].value = arena_dup(&group->arena, labels[i].value);
    }
    groups->groups = mem_grow(groups->groups, groups->n_groups, &groups->groups_capacity,
                              sizeof(struct alert_group *));
    groups->groups[groups->n_groups++] = group;
    hash_map_add(&groups->by_key, hash_bytes(key.data, key.len), group);
    return group;
}

struct group_alert *alert_group_find_alert(const struct alert_group *group, uint64_t id) {
    return hash_map_get(&group->by_id, hash_of(id), has_id, &id);
}

struct group_alert *alert_group_add_alert(struct groups *groups, struct alert_group *group,
                                          uint64_t id) {
    struct group_alert *alert = mem_alloc(sizeof(*alert));
    alert->id = id;
    group->alerts = mem_grow(group->alerts, group->n_alerts, &group->alerts_capacity,
                             sizeof(struct group_alert *));
    group->alerts[group->n_alerts++] = alert;
    hash_map_add(&group->by_id, hash_of(id), alert);
    groups->n_alerts++;
    return alert;
}

static void alert_free(struct group_alert *alert) {
    (void)buffer_unref(alert->texts);
    free(alert);
}

void alert_group_remove_alert(struct groups *groups, struct alert_group *group,
                              struct group_alert *alert) {
    (void)hash_map_remove(&group->by_id, hash_of(alert->id), alert);
    alert_free(alert);
    groups->n_alerts--;
}

struct group_log *alert_group_add_log(struct alert_group *group, const char *channel) {
    group->logs = mem_resize(group->logs, group->n_logs + 1, sizeof(*group->logs));
    group->logs[group->n_logs] =
        (struct group_log){.channel = mem_strdup(channel), .index = SIZE_MAX};
    return &group->logs[group->n_logs++];
}

static void log_deinit(struct group_log *log) {
    free(log->channel);
    told_deinit(&log->told);
}

void alert_group_free(struct groups *groups, struct alert_group *group) {
    for (size_t i = 0; i < group->n_alerts; i++) {
        alert_free(group->alerts[i]);
    }
    for (size_t i = 0; i < group->n_logs; i++) {
        log_deinit(&group->logs[i]);
    }
    groups->n_alerts -= group->n_alerts;
    free(group->alerts);
    free(group->logs);
    hash_map_deinit(&group->by_id);
    arena_deinit(&group->arena);
    free(group);
}

void groups_clear(struct groups *groups) {
    for (size_t i = 0; i < groups->n_groups; i++) {
        alert_group_free(groups, groups->groups[i]);
    }
    groups->n_groups = 0;
    groups->next_ms = INT64_MAX;
    hash_map_deinit(&groups->by_key);
}

void alert_group_take_settings(struct alert_group *group, const struct router_route *route) {
    group->wait_ms = route->group_wait_ms;
    group->interval_ms =
        route->group_interval_ms > LEAST_INTERVAL_MS ? route->group_interval_ms : LEAST_INTERVAL_MS;
    group->repeat_ms = route->repeat_interval_ms;
}

/* ---- life ---- */

static void free_channels(struct groups *groups) {
    for (size_t i = 0; i < groups->n_channels; i++) {
        free((char *)(uintptr_t)groups->channels[i].name);
        free((char *)(uintptr_t)groups->channels[i].receiver);
    }
    free(groups->channels);
}

static void copy_channels(struct groups *groups, const struct groups_channel *channels, size_t n) {
    struct groups_channel *copy = mem_array(n + 1, sizeof(*copy));
    for (size_t i = 0; i < n; i++) {
        copy[i] = channels[i];
        copy[i].name = mem_strdup(channels[i].name);
        copy[i].receiver = mem_strdup(channels[i].receiver);
    }
    free_channels(groups);
    groups->channels = copy;
    groups->n_channels = n;
}

/* What channels know stays with them by their names. */
static void take_channels(struct groups *groups, struct alert_group *group, size_t receiver) {
    struct group_log *old = group->logs;
    size_t n_old = group->n_logs;
    group->logs = NULL;
    group->n_logs = 0;
    for (size_t i = 0; i < groups->n_channels; i++) {
        const struct groups_channel *channel = &groups->channels[i];
        size_t k = 0;
        while (k < n_old && strcmp(old[k].channel, channel->name) != 0) {
            k++;
        }
        if (group->orphan ? k == n_old : channel->receiver_index != receiver) {
            continue;
        }
        struct group_log *log = alert_group_add_log(group, channel->name);
        log->index = i;
        if (k < n_old) {
            log->told = old[k].told;
            old[k].told = (struct told){0};
        }
    }
    for (size_t i = 0; i < n_old; i++) {
        log_deinit(&old[i]);
    }
    free(old);
}

void groups_apply(struct groups *groups, const struct router *router,
                  const struct groups_channel *channels, size_t n_channels) {
    groups->router = router;
    copy_channels(groups, channels, n_channels);
    for (size_t i = 0; i < groups->n_groups; i++) {
        struct alert_group *group = groups->groups[i];
        size_t route = router_find(router, group->route);
        group->orphan = route == router->n_routes;
        if (!group->orphan) {
            alert_group_take_settings(group, &router->routes[route]);
        }
        take_channels(groups, group, group->orphan ? 0 : router->routes[route].receiver);
    }
}

struct groups *groups_new(const struct groups_options *options) {
    struct groups *groups = mem_alloc(sizeof(*groups));
    groups->options = *options;
    groups->options.most_groups = options->most_groups != 0 ? options->most_groups : GROUPS_MOST;
    groups->options.most_alerts =
        options->most_alerts != 0 ? options->most_alerts : GROUPS_MOST_ALERTS;
    groups->next_ms = INT64_MAX;
    return groups;
}

struct groups *groups_free(struct groups *groups) {
    if (groups != NULL) {
        groups_clear(groups);
        free_channels(groups);
        free(groups->groups);
        free(groups);
    }
    return NULL;
}

struct groups_stats groups_stats(const struct groups *groups) {
    return (struct groups_stats){
        .groups = groups->n_groups,
        .alerts = groups->n_alerts,
        .unrouted = groups->unrouted,
        .dropped = groups->dropped,
    };
}
