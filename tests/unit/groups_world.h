/* SPDX-License-Identifier: Apache-2.0 */

/* Groups with two clocks, events in a line each, and a queue that keeps the newest notification of
 * each channel and group as bytes, as the disk does. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actions/groups.h"
#include "base/mem.h"

#define T0            ((int64_t)1767323045000)
#define MOST_WAITING  64
#define WORLD_CLUSTER 3 /* alerts of one cluster: ids 0 to 2, 3 to 5 ... */

struct waiting {
    char *channel;
    struct notification *notification;
};

struct world {
    struct router *router;
    struct groups *groups;
    struct groups_channel channels[4];
    size_t n_channels;
    struct groups_time time;
    struct waiting waiting[MOST_WAITING];
    size_t n_waiting;
    unsigned puts, cancels;
};

static inline size_t world_find(const struct world *world, const char *channel, struct str key) {
    size_t i = 0;
    while (i < world->n_waiting && (strcmp(world->waiting[i].channel, channel) != 0 ||
                                    !str_equal(world->waiting[i].notification->group_key, key))) {
        i++;
    }
    return i;
}

static inline void world_remove(struct world *world, size_t i) {
    free(world->waiting[i].channel);
    (void)notification_free(world->waiting[i].notification);
    world->waiting[i] = world->waiting[--world->n_waiting];
}

static inline void world_put(void *userdata, const char *channel,
                             struct notification *notification) {
    struct world *world = userdata;
    size_t i = world_find(world, channel, notification->group_key);
    if (i == world->n_waiting) {
        if (i == MOST_WAITING) {
            abort();
        }
        world->waiting[world->n_waiting++].channel = mem_strdup(channel);
    } else {
        (void)notification_free(world->waiting[i].notification);
    }
    world->waiting[i].notification = notification;
    world->puts++;
}

static inline void world_cancel(void *userdata, const char *channel, struct str key) {
    struct world *world = userdata;
    size_t i = world_find(world, channel, key);
    if (i == world->n_waiting) {
        abort(); /* only what waits is cancelled */
    }
    world_remove(world, i);
    world->cancels++;
}

static inline void world_new_groups(struct world *world) {
    world->groups = groups_new(
        &(struct groups_options){.put = world_put, .cancel = world_cancel, .userdata = world});
}

static inline void world_forget(struct world *world) {
    world->groups = groups_free(world->groups);
    while (world->n_waiting > 0) {
        world_remove(world, 0);
    }
}

static inline void world_deinit(struct world *world) {
    world_forget(world);
    world->router = router_free(world->router);
}

static inline void world_apply(struct world *world, const struct notify_options *options) {
    struct router *old = world->router;
    world->router = router_new(options);
    groups_apply(world->groups, world->router, world->channels, world->n_channels);
    (void)router_free(old);
}

static inline void world_pass(struct world *world, int64_t ms) {
    world->time.now_ms += ms;
    world->time.wall_ms += ms;
}

/* Runs whatever is due until then, at its time. */
static inline void world_until(struct world *world, int64_t ms) {
    int64_t end_ms = world->time.now_ms + ms;
    for (int64_t next; (next = groups_next_ms(world->groups)) <= end_ms;) {
        world_pass(world, next > world->time.now_ms ? next - world->time.now_ms : 0);
        groups_run(world->groups, world->time);
    }
    world_pass(world, end_ms - world->time.now_ms);
}

/* Alert number `id` of cluster c<id / WORLD_CLUSTER>. */
static inline void world_event(struct world *world, enum alert_event_kind kind, unsigned id,
                               uint64_t generation, int64_t fired_ms, int64_t resolved_ms) {
    char cluster[16], target[16];
    (void)snprintf(cluster, sizeof(cluster), "c%u", id / WORLD_CLUSTER);
    (void)snprintf(target, sizeof(target), "t%u", id);
    const struct label labels[] = {{str_of("alertname"), str_of("Down")},
                                   {str_of("cluster"), str_of(cluster)},
                                   {str_of("target"), str_of(target)}};
    const struct label annotations[] = {{str_of("summary"), str_of("it is down")},
                                        {str_of("description"), str_of("really")}};
    const struct alert_view view = {
        .id = id + 1000,
        .state = resolved_ms != 0 ? ALERT_INACTIVE : ALERT_FIRING,
        .labels = labels,
        .n_labels = 3,
        .annotations = annotations,
        .n_annotations = 2,
        .value = 1,
        .active_ms = fired_ms,
        .fired_ms = fired_ms,
        .resolved_ms = resolved_ms,
        .valid_until_ms = world->time.wall_ms + 240000,
        .query = str_of("up == 0"),
    };
    const struct alert_event event = {kind, generation, &view};
    (void)groups_event(world->groups, &event, world->time);
}

static inline void world_fire(struct world *world, unsigned id) {
    world_event(world, ALERT_EVENT_FIRING, id, 1, world->time.wall_ms, 0);
}

static inline void world_again(struct world *world, unsigned id, int64_t fired_ms) {
    world_event(world, ALERT_EVENT_AGAIN, id, 1, fired_ms, 0);
}

static inline void world_end(struct world *world, unsigned id) {
    world_event(world, ALERT_EVENT_RESOLVED, id, 2, world->time.wall_ms - 1, world->time.wall_ms);
}

/* What waits for a channel, if only one does: "+0,2 -1" are the alerts that fire and that are over.
 */
static inline const char *world_waits(const struct world *world, const char *channel) {
    static char text[512];
    size_t len = 0, found = 0;
    text[0] = '\0';
    for (size_t i = 0; i < world->n_waiting; i++) {
        const struct notification *notification = world->waiting[i].notification;
        if (strcmp(world->waiting[i].channel, channel) != 0) {
            continue;
        }
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", found++ > 0 ? " | " : "");
        for (size_t k = 0; k < notification->n_alerts; k++) {
            const struct notification_alert *alert = &notification->alerts[k];
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%c%u", k > 0 ? " " : "",
                                    alert->resolved ? '-' : '+', (unsigned)(alert->id - 1000));
        }
    }
    return text;
}

/* One attempt at everything that waits for the channel. */
static inline void world_deliver(struct world *world, const char *channel, enum told_end end) {
    for (size_t i = world->n_waiting; i-- > 0;) {
        if (strcmp(world->waiting[i].channel, channel) != 0) {
            continue;
        }
        struct strbuf key = {0};
        strbuf_add_str(&key, world->waiting[i].notification->group_key);
        groups_started(world->groups, channel, strbuf_view(&key));
        if (end != TOLD_UNANSWERED) {
            world_remove(world, i);
        }
        groups_ended(world->groups, channel, strbuf_view(&key), end, world->time);
        strbuf_deinit(&key);
    }
}

/* What is on the disk: groups, and what waits. */
static inline void world_save(const struct world *world, struct strbuf *out) {
    strbuf_clear(out);
    groups_pack(world->groups, world->time, out);
    pack_u64(out, world->n_waiting);
    for (size_t i = 0; i < world->n_waiting; i++) {
        pack_str(out, str_of(world->waiting[i].channel));
        notification_pack(world->waiting[i].notification, out);
    }
}

static inline bool world_load(struct world *world, struct str bytes,
                              const struct notify_options *options) {
    struct unpacker in = {bytes, false};
    world_forget(world);
    world_new_groups(world);
    if (bytes.len > 0) {
        (void)groups_unpack(world->groups, world->time, &in);
        size_t n = unpack_count(&in, 8);
        for (size_t i = 0; i < n && !in.bad; i++) {
            struct str channel = unpack_str(&in);
            char *name = mem_strndup(channel.data, channel.len);
            struct notification *notification = notification_unpack(&in);
            if (notification != NULL) {
                world_put(world, name, notification);
            }
            free(name);
        }
    }
    world_apply(world, options);
    return !in.bad;
}
