/* SPDX-License-Identifier: Apache-2.0 */

#include "actions/groups.h"

#include <stdlib.h>

#include "actions/private_groups.h"
#include "base/mem.h"

#define GROUPS_PER_RUN      64
#define FALLBACK_VALID_MS   ((int64_t)4 * 60 * 1000)
#define LONGEST_RESOLVED_MS ((int64_t)24 * 60 * 60 * 1000) /* then its end is given up */

bool alert_group_needs(const struct alert_group *group, uint64_t id) {
    for (size_t i = 0; i < group->n_logs; i++) {
        if (told_needs(&group->logs[i].told, id)) {
            return true;
        }
    }
    return false;
}

void alert_group_due(struct groups *groups, struct alert_group *group, int64_t at_ms) {
    group->next_ms = at_ms < group->next_ms ? at_ms : group->next_ms;
    groups->next_ms = group->next_ms < groups->next_ms ? group->next_ms : groups->next_ms;
}

/* ---- notifications ---- */

static int compare_alerts(const void *a, const void *b) {
    const struct group_alert *first = *(const struct group_alert *const *)a;
    const struct group_alert *second = *(const struct group_alert *const *)b;
    if (first->resolved != second->resolved) {
        return first->resolved ? 1 : -1;
    }
    if (first->starts_ms != second->starts_ms) {
        return first->starts_ms < second->starts_ms ? -1 : 1;
    }
    return first->id < second->id ? -1 : first->id > second->id;
}

static void add_alert(struct notification *notification, const struct group_alert *from) {
    struct notification_alert *alert = &notification->alerts[notification->n_alerts];
    struct unpacker in = {{from->texts->data, from->texts->len}, false};
    *alert = (struct notification_alert){
        .id = from->id,
        .generation = from->generation,
        .resolved = from->resolved,
        .value = from->value,
        .starts_ms = from->starts_ms,
        .ends_ms = from->resolved ? from->ends_ms : 0,
    };
    notification->n_alerts += notification_unpack_texts(&in, &notification->arena, alert);
}

/* The same number when the same is told again, another one at each repetition. */
static uint64_t make_id(const struct alert_group *group, const struct group_log *log,
                        struct group_alert *const *alerts, size_t n) {
    struct strbuf text = {0};
    pack_str(&text, str_of(log->channel));
    pack_str(&text, group->key);
    pack_u64(&text, log->told.count);
    for (size_t i = 0; i < n; i++) {
        pack_u64(&text, alerts[i]->id);
        pack_u64(&text, alerts[i]->generation);
        pack_u64(&text, alerts[i]->resolved);
    }
    uint64_t id = hash_stable(strbuf_view(&text));
    strbuf_deinit(&text);
    return id;
}

/* The alerts that the channel is told, in their order. Return: to be freed. */
static struct group_alert **choose_alerts(const struct alert_group *group, bool send_resolved,
                                          size_t *ret_n) {
    struct group_alert **chosen = mem_array(group->n_alerts + 1, sizeof(struct group_alert *));
    size_t n = 0;
    for (size_t i = 0; i < group->n_alerts; i++) {
        if (send_resolved || !group->alerts[i]->resolved) {
            chosen[n++] = group->alerts[i];
        }
    }
    qsort(chosen, n, sizeof(struct group_alert *), compare_alerts);
    *ret_n = n;
    return chosen;
}

static struct notification *make(const struct groups *groups, const struct alert_group *group,
                                 const struct group_log *log, int64_t wall_ms) {
    const struct groups_channel *channel = &groups->channels[log->index];
    struct notification *notification = notification_new();
    struct arena *arena = &notification->arena;
    size_t n;
    struct group_alert **alerts = choose_alerts(group, channel->send_resolved, &n);
    size_t told = n < NOTIFICATION_MOST_ALERTS ? n : NOTIFICATION_MOST_ALERTS;
    notification->id = make_id(group, log, alerts, n);
    notification->receiver = arena_dup(arena, str_of(channel->receiver));
    notification->group_key = arena_dup(arena, group->key);
    notification->group_labels = arena_array(arena, group->n_labels + 1, sizeof(struct label));
    notification->n_group_labels = group->n_labels;
    for (size_t i = 0; i < group->n_labels; i++) {
        notification->group_labels[i].name = arena_dup(arena, group->labels[i].name);
        notification->group_labels[i].value = arena_dup(arena, group->labels[i].value);
    }
    notification->alerts = arena_array(arena, told + 1, sizeof(*notification->alerts));
    for (size_t i = 0; i < told; i++) {
        add_alert(notification, alerts[i]);
    }
    notification->left_out = n - told;
    notification->made_ms = wall_ms;
    free(alerts);
    return notification;
}

/* ---- flush ---- */

static void sets_of(const struct alert_group *group, struct told_group *ret) {
    uint64_t *ids = mem_array(2 * group->n_alerts + 1, sizeof(*ids));
    uint64_t *ended = ids + group->n_alerts;
    size_t n_firing = 0, n_ended = 0;
    for (size_t i = 0; i < group->n_alerts; i++) {
        const struct group_alert *alert = group->alerts[i];
        if (alert->resolved) {
            ended[n_ended++] = alert->id;
        } else {
            ids[n_firing++] = alert->id;
        }
    }
    *ret = (struct told_group){{0}, {0}};
    id_set_assign(&ret->firing, ids, n_firing);
    id_set_assign(&ret->ended, ended, n_ended);
    free(ids);
}

static void sets_deinit(struct told_group *sets) {
    id_set_deinit(&sets->firing);
    id_set_deinit(&sets->ended);
}

/* Repeating what nobody has confirmed since the restart would be a guess. */
static bool all_confirmed(const struct alert_group *group) {
    for (size_t i = 0; i < group->n_alerts; i++) {
        if (group->alerts[i]->restored) {
            return false;
        }
    }
    return true;
}

static void decide(struct groups *groups, struct alert_group *group, struct group_log *log,
                   const struct told_group *sets, struct groups_time time) {
    const struct groups_options *options = &groups->options;
    bool send_resolved = groups->channels[log->index].send_resolved;
    int64_t repeat_ms = all_confirmed(group) ? group->repeat_ms : 0;
    switch (told_decide(&log->told, sets, send_resolved, repeat_ms, time.now_ms)) {
    case TOLD_LEAVE:
    case TOLD_LATER:
        break;
    case TOLD_CANCEL:
        options->cancel(options->userdata, log->channel, group->key);
        break;
    case TOLD_PUT: {
        struct notification *notification = make(groups, group, log, time.wall_ms);
        told_put(&log->told, sets, send_resolved);
        options->put(options->userdata, log->channel, notification);
        break;
    }
    }
}

/* Whom nobody has told again in time has ended. */
static void end_expired(struct alert_group *group, struct groups_time time) {
    for (size_t i = 0; i < group->n_alerts; i++) {
        struct group_alert *alert = group->alerts[i];
        if (!alert->resolved && alert->expires_ms <= time.now_ms) {
            alert->resolved = true;
            alert->restored = false;
            alert->resolved_at_ms = time.now_ms;
            alert->ends_ms =
                alert->ends_ms > 0 && alert->ends_ms < time.wall_ms ? alert->ends_ms : time.wall_ms;
        }
    }
}

/* Removes alerts that are over and whose end nobody needs. */
static void sweep(struct groups *groups, struct alert_group *group, int64_t now_ms) {
    size_t kept = 0;
    for (size_t i = 0; i < group->n_alerts; i++) {
        struct group_alert *alert = group->alerts[i];
        bool old = alert->resolved && now_ms - alert->resolved_at_ms >= LONGEST_RESOLVED_MS;
        if (!old && (!alert->looked_at || alert_group_needs(group, alert->id))) {
            group->alerts[kept++] = alert;
            continue;
        }
        for (size_t k = 0; k < group->n_logs; k++) {
            told_forget(&group->logs[k].told, alert->id);
        }
        alert_group_remove_alert(groups, group, alert);
    }
    group->n_alerts = kept;
}

static void flush(struct groups *groups, struct alert_group *group, struct groups_time time) {
    struct told_group sets;
    group->next_ms = time.now_ms + group->interval_ms;
    group->flushed = true;
    end_expired(group, time);
    sets_of(group, &sets);
    for (size_t i = 0; i < group->n_logs; i++) {
        decide(groups, group, &group->logs[i], &sets, time);
    }
    sets_deinit(&sets);
    for (size_t i = 0; i < group->n_alerts; i++) {
        group->alerts[i]->looked_at = group->alerts[i]->resolved;
    }
    sweep(groups, group, time.now_ms);
}

void groups_run(struct groups *groups, struct groups_time time) {
    size_t kept = 0, looked_at = 0;
    if (groups->router == NULL) {
        return;
    }
    groups->next_ms = INT64_MAX;
    for (size_t i = 0; i < groups->n_groups; i++) {
        struct alert_group *group = groups->groups[i];
        bool due = group->next_ms <= time.now_ms && looked_at < GROUPS_PER_RUN;
        if (due && group->n_alerts == 0) {
            (void)hash_map_remove(&groups->by_key, hash_bytes(group->key.data, group->key.len),
                                  group);
            alert_group_free(groups, group);
            continue;
        }
        if (due) {
            flush(groups, group, time);
            looked_at++;
        }
        groups->groups[kept++] = group;
        groups->next_ms = group->next_ms < groups->next_ms ? group->next_ms : groups->next_ms;
    }
    groups->n_groups = kept;
}

int64_t groups_next_ms(const struct groups *groups) {
    return groups->router != NULL ? groups->next_ms : INT64_MAX;
}

/* ---- events ---- */

static int compare_labels(const void *a, const void *b) {
    return str_compare(((const struct label *)a)->name, ((const struct label *)b)->name);
}

/* Annotations stand in the order of the rule. */
static struct buffer *make_texts(const struct alert_view *view) {
    struct strbuf text = {0};
    struct label *annotations = mem_array(view->n_annotations + 1, sizeof(*annotations));
    if (view->n_annotations > 0) {
        memcpy(annotations, view->annotations, view->n_annotations * sizeof(*annotations));
        qsort(annotations, view->n_annotations, sizeof(*annotations), compare_labels);
    }
    const struct notification_alert alert = {
        .labels = (struct label *)(uintptr_t)view->labels,
        .n_labels = view->n_labels,
        .annotations = annotations,
        .n_annotations = view->n_annotations,
        .query = view->query,
    };
    notification_pack_texts(&alert, &text);
    free(annotations);
    return buffer_new(&text);
}

static bool is_over(const struct alert_event *event) {
    return event->kind == ALERT_EVENT_RESOLVED || event->alert->resolved_ms != 0;
}

static void update(struct group_alert *alert, const struct alert_event *event, struct buffer *texts,
                   struct groups_time time) {
    const struct alert_view *view = event->alert;
    bool over = is_over(event);
    int64_t valid_ms = view->valid_until_ms - time.wall_ms;
    valid_ms = valid_ms > 0 ? valid_ms : FALLBACK_VALID_MS;
    if (over && !alert->resolved) {
        alert->resolved_at_ms = time.now_ms;
        alert->looked_at = false;
    }
    alert->looked_at = alert->looked_at && over;
    alert->resolved = over;
    alert->restored = false;
    alert->generation = event->generation;
    alert->value = view->value;
    alert->starts_ms = view->fired_ms != 0 ? view->fired_ms : view->active_ms;
    alert->expires_ms = time.now_ms + valid_ms;
    alert->ends_ms = !over                    ? time.wall_ms + valid_ms
                     : view->resolved_ms != 0 ? view->resolved_ms
                                              : time.wall_ms;
    (void)buffer_unref(alert->texts);
    alert->texts = buffer_ref(texts);
}

static struct alert_group *begin_group(struct groups *groups, const struct router_route *route,
                                       struct str key, const struct label *labels, size_t n_labels,
                                       int64_t now_ms) {
    struct alert_group *group = alert_group_add(groups, key, route->identity, labels, n_labels);
    alert_group_take_settings(group, route);
    for (size_t i = 0; i < groups->n_channels; i++) {
        if (groups->channels[i].receiver_index == route->receiver) {
            alert_group_add_log(group, groups->channels[i].name)->index = i;
        }
    }
    group->next_ms = INT64_MAX;
    alert_group_due(groups, group, now_ms + group->wait_ms);
    return group;
}

static void take_alert(struct groups *groups, const struct router_route *route,
                       const struct alert_event *event, struct buffer *texts,
                       struct groups_time time) {
    const struct alert_view *view = event->alert;
    struct label *labels = mem_array(view->n_labels + 1, sizeof(*labels));
    struct strbuf key = {0};
    size_t n_labels = router_group_labels(route, view->labels, view->n_labels, labels);
    router_group_key(route, labels, n_labels, &key);
    struct alert_group *group = alert_group_find(groups, strbuf_view(&key));
    struct group_alert *alert = group != NULL ? alert_group_find_alert(group, view->id) : NULL;
    bool full = groups->n_alerts >= groups->options.most_alerts ||
                (group == NULL && groups->n_groups >= groups->options.most_groups);
    if (alert == NULL && full && !is_over(event)) {
        groups->dropped++;
    } else if (alert == NULL && !is_over(event)) {
        if (group == NULL) {
            group = begin_group(groups, route, strbuf_view(&key), labels, n_labels, time.now_ms);
        }
        alert = alert_group_add_alert(groups, group, view->id);
    }
    if (alert != NULL) {
        update(alert, event, texts, time);
        if (!group->flushed && alert->starts_ms + group->wait_ms <= time.wall_ms) {
            alert_group_due(groups, group, time.now_ms);
        }
    }
    strbuf_deinit(&key);
    free(labels);
}

bool groups_event(struct groups *groups, const struct alert_event *event, struct groups_time time) {
    const struct alert_view *view = event->alert;
    size_t routes[NOTIFY_MOST_ROUTES];
    if (groups->router == NULL) {
        return false;
    }
    size_t n = router_match(groups->router, view->labels, view->n_labels, routes);
    struct buffer *texts = n > 0 ? make_texts(view) : NULL;
    for (size_t i = 0; i < n; i++) {
        take_alert(groups, &groups->router->routes[routes[i]], event, texts, time);
    }
    (void)buffer_unref(texts);
    groups->unrouted += n == 0 && event->kind == ALERT_EVENT_FIRING;
    return n > 0;
}

/* ---- answers ---- */

static struct group_log *find_log(struct alert_group *group, const char *channel) {
    for (size_t i = 0; group != NULL && i < group->n_logs; i++) {
        if (strcmp(group->logs[i].channel, channel) == 0) {
            return &group->logs[i];
        }
    }
    return NULL;
}

void groups_started(struct groups *groups, const char *channel, struct str group_key) {
    struct group_log *log = find_log(alert_group_find(groups, group_key), channel);
    if (log != NULL) {
        told_started(&log->told);
    }
}

void groups_ended(struct groups *groups, const char *channel, struct str group_key,
                  enum told_end end, struct groups_time time) {
    struct alert_group *group = alert_group_find(groups, group_key);
    struct group_log *log = find_log(group, channel);
    if (log == NULL || log->told.pending == TOLD_NOTHING) {
        return;
    }
    if (told_ended(&log->told, end, time.now_ms)) {
        struct told_group sets;
        sets_of(group, &sets);
        decide(groups, group, log, &sets, time);
        sets_deinit(&sets);
    }
    sweep(groups, group, time.now_ms);
}

void groups_reconcile(struct groups *groups,
                      bool (*waits)(void *userdata, const char *channel, struct str group_key),
                      void *userdata) {
    for (size_t i = 0; i < groups->n_groups; i++) {
        struct alert_group *group = groups->groups[i];
        for (size_t k = 0; k < group->n_logs; k++) {
            struct group_log *log = &group->logs[k];
            if (log->told.pending != TOLD_NOTHING && !waits(userdata, log->channel, group->key)) {
                told_cancel(&log->told);
            }
        }
    }
}
