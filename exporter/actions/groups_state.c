/* SPDX-License-Identifier: Apache-2.0 */

/* Groups as bytes: what channels were told, and the alerts whose ends they still need. Alerts that
 * nobody was told about are left out: the rules bring them again. */
#include <stdlib.h>

#include "actions/private_groups.h"
#include "base/mem.h"

#define LEAST_GROUP_BYTES 72
#define LEAST_LOG_BYTES   80
#define LEAST_ALERT_BYTES 64
#define MOST_LOGS         NOTIFY_MOST_CHANNELS
#define GRACE_MS          ((int64_t)5 * 60 * 1000) /* for the rules to speak of an alert again */
#define LONGEST_MS        ((int64_t)400 * 24 * 60 * 60 * 1000) /* of any setting or duration */

static int64_t limit(int64_t value, int64_t least, int64_t most) {
    return value < least ? least : value > most ? most : value;
}

/* ---- packing ---- */

static void pack_alert(const struct group_alert *alert, struct groups_time time,
                       struct strbuf *out) {
    pack_u64(out, alert->id);
    pack_u64(out, alert->generation);
    pack_u64(out, alert->resolved);
    pack_double(out, alert->value);
    pack_i64(out, alert->starts_ms);
    pack_i64(out, alert->ends_ms);
    pack_i64(out, alert->resolved ? time.now_ms - alert->resolved_at_ms
                                  : alert->expires_ms - time.now_ms);
    pack_str(out, (struct str){alert->texts->data, alert->texts->len});
}

static size_t count_needed(const struct alert_group *group) {
    size_t n = 0;
    for (size_t i = 0; i < group->n_alerts; i++) {
        n += alert_group_needs(group, group->alerts[i]->id);
    }
    return n;
}

static void pack_group(const struct alert_group *group, size_t n_alerts, struct groups_time time,
                       struct strbuf *out) {
    pack_str(out, group->key);
    pack_str(out, group->route);
    notification_pack_labels(group->labels, group->n_labels, out);
    pack_i64(out, group->wait_ms);
    pack_i64(out, group->interval_ms);
    pack_i64(out, group->repeat_ms);
    pack_i64(out, time.wall_ms + (group->next_ms - time.now_ms));
    pack_u64(out, group->n_logs);
    for (size_t i = 0; i < group->n_logs; i++) {
        pack_str(out, str_of(group->logs[i].channel));
        told_pack(&group->logs[i].told, time.now_ms, time.wall_ms, out);
    }
    pack_u64(out, n_alerts);
    for (size_t i = 0; i < group->n_alerts; i++) {
        if (alert_group_needs(group, group->alerts[i]->id)) {
            pack_alert(group->alerts[i], time, out);
        }
    }
}

void groups_pack(const struct groups *groups, struct groups_time time, struct strbuf *out) {
    struct strbuf body = {0};
    uint64_t n = 0;
    for (size_t i = 0; i < groups->n_groups; i++) {
        size_t needed = count_needed(groups->groups[i]);
        if (needed > 0) {
            pack_group(groups->groups[i], needed, time, &body);
            n++;
        }
    }
    pack_u64(out, n);
    strbuf_add_str(out, strbuf_view(&body));
    strbuf_deinit(&body);
}

/* ---- unpacking ---- */

/* Whether the bytes are texts as they are expected when a notification is made. */
static bool are_texts(struct str bytes) {
    struct arena arena = {0};
    struct notification_alert alert;
    struct unpacker in = {bytes, false};
    bool fine = notification_unpack_texts(&in, &arena, &alert) && in.rest.len == 0;
    arena_deinit(&arena);
    return fine;
}

static void unpack_alert(struct groups *groups, struct alert_group *group, struct groups_time time,
                         struct unpacker *in) {
    uint64_t id = unpack_u64(in);
    uint64_t generation = unpack_u64(in);
    uint64_t resolved = unpack_u64(in);
    double value = unpack_double(in);
    int64_t starts_ms = unpack_i64(in);
    int64_t ends_ms = unpack_i64(in);
    int64_t duration_ms = limit(unpack_i64(in), 0, LONGEST_MS);
    struct str texts = unpack_str(in);
    in->bad |= resolved > 1 || ends_ms <= 0 || groups->n_alerts >= groups->options.most_alerts;
    if (in->bad || !are_texts(texts) || alert_group_find_alert(group, id) != NULL) {
        in->bad = true;
        return;
    }
    struct strbuf copy = {0};
    strbuf_add_str(&copy, texts);
    struct group_alert *alert = alert_group_add_alert(groups, group, id);
    alert->generation = generation;
    alert->resolved = resolved != 0;
    alert->restored = !alert->resolved;
    alert->value = value;
    alert->starts_ms = starts_ms;
    alert->ends_ms = ends_ms;
    alert->expires_ms = time.now_ms + (duration_ms > GRACE_MS ? duration_ms : GRACE_MS);
    alert->resolved_at_ms = time.now_ms - (alert->resolved ? duration_ms : 0);
    alert->texts = buffer_new(&copy);
}

static void unpack_log(struct alert_group *group, struct groups_time time, struct unpacker *in) {
    struct str name = unpack_str(in);
    in->bad |= name.len > 0 && memchr(name.data, '\0', name.len) != NULL;
    if (in->bad) {
        return;
    }
    char *channel = mem_strndup(name.data, name.len);
    struct group_log *log = alert_group_add_log(group, channel);
    (void)told_unpack(in, time.now_ms, time.wall_ms, &log->told);
    free(channel);
}

static struct alert_group *unpack_head(struct groups *groups, struct groups_time time,
                                       struct unpacker *in) {
    struct arena arena = {0};
    struct label *labels = NULL;
    struct alert_group *group = NULL;
    struct str key = unpack_str(in);
    struct str route = unpack_str(in);
    size_t n_labels = notification_unpack_labels(in, &arena, &labels);
    in->bad |= groups->n_groups >= groups->options.most_groups;
    if (!in->bad && alert_group_find(groups, key) == NULL) {
        group = alert_group_add(groups, key, route, labels, n_labels);
        group->wait_ms = limit(unpack_i64(in), 0, LONGEST_MS);
        group->interval_ms = limit(unpack_i64(in), 1000, LONGEST_MS);
        group->repeat_ms = limit(unpack_i64(in), 0, LONGEST_MS);
        int64_t next_ms = limit(unpack_i64(in), time.wall_ms, time.wall_ms + group->interval_ms);
        group->flushed = true;
        group->orphan = true;
        group->next_ms = INT64_MAX;
        alert_group_due(groups, group, time.now_ms + (next_ms - time.wall_ms));
    } else {
        in->bad = true;
    }
    arena_deinit(&arena);
    return group;
}

/* Nothing can be said about alerts that are not there. */
static void forget_missing(struct alert_group *group, struct told *told) {
    for (size_t i = told->maybe.n; i-- > 0;) {
        if (alert_group_find_alert(group, told->maybe.ids[i]) == NULL) {
            told_forget(told, told->maybe.ids[i]);
        }
    }
}

static void unpack_group(struct groups *groups, struct groups_time time, struct unpacker *in) {
    struct alert_group *group = unpack_head(groups, time, in);
    if (group == NULL) {
        return;
    }
    size_t n_logs = unpack_count(in, LEAST_LOG_BYTES);
    in->bad |= n_logs > MOST_LOGS;
    for (size_t i = 0; !in->bad && i < n_logs; i++) {
        unpack_log(group, time, in);
    }
    size_t n_alerts = unpack_count(in, LEAST_ALERT_BYTES);
    for (size_t i = 0; !in->bad && i < n_alerts; i++) {
        unpack_alert(groups, group, time, in);
    }
    for (size_t i = 0; i < group->n_logs; i++) {
        forget_missing(group, &group->logs[i].told);
    }
}

bool groups_unpack(struct groups *groups, struct groups_time time, struct unpacker *in) {
    size_t n = unpack_count(in, LEAST_GROUP_BYTES);
    for (size_t i = 0; !in->bad && i < n; i++) {
        unpack_group(groups, time, in);
    }
    if (in->bad) {
        groups_clear(groups);
    }
    return !in->bad;
}
