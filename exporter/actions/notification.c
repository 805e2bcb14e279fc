/* SPDX-License-Identifier: Apache-2.0 */

#include "actions/notification.h"

#include <stdlib.h>

#include "base/mem.h"

#define LEAST_LABEL_BYTES 16 /* two lengths */
#define LEAST_ALERT_BYTES 72 /* numbers, two counts and a length */

struct notification *notification_new(void) {
    return mem_alloc(sizeof(struct notification));
}

struct notification *notification_free(struct notification *notification) {
    if (notification != NULL) {
        arena_deinit(&notification->arena);
        free(notification);
    }
    return NULL;
}

size_t notification_firing(const struct notification *notification) {
    size_t firing = 0;
    for (size_t i = 0; i < notification->n_alerts; i++) {
        firing += !notification->alerts[i].resolved;
    }
    return firing;
}

bool notification_is_resolved(const struct notification *notification) {
    return notification_firing(notification) == 0;
}

/* ---- what alerts have in common ---- */

static size_t labels_of(const struct notification_alert *alert, bool annotations,
                        const struct label **ret) {
    *ret = annotations ? alert->annotations : alert->labels;
    return annotations ? alert->n_annotations : alert->n_labels;
}

static bool has_label(const struct notification_alert *alert, bool annotations,
                      const struct label *label) {
    const struct label *labels;
    size_t count = labels_of(alert, annotations, &labels);
    for (size_t i = 0; i < count; i++) {
        if (str_equal(labels[i].name, label->name)) {
            return str_equal(labels[i].value, label->value);
        }
    }
    return false;
}

static bool all_have_label(const struct notification *notification, bool annotations,
                           const struct label *label) {
    for (size_t i = 1; i < notification->n_alerts; i++) {
        if (!has_label(&notification->alerts[i], annotations, label)) {
            return false;
        }
    }
    return true;
}

size_t notification_common(const struct notification *notification, bool annotations,
                           struct arena *arena, struct label **ret) {
    const struct label *first = NULL;
    size_t common = 0, count = 0;
    if (notification->n_alerts > 0) {
        count = labels_of(&notification->alerts[0], annotations, &first);
    }
    struct label *labels = arena_array(arena, count + 1, sizeof(*labels));
    for (size_t i = 0; i < count; i++) {
        if (all_have_label(notification, annotations, &first[i])) {
            labels[common++] = first[i];
        }
    }
    *ret = labels;
    return common;
}

/* ---- state file ---- */

void notification_pack_labels(const struct label *labels, size_t count, struct strbuf *out) {
    count = count < NOTIFICATION_MOST_LABELS ? count : NOTIFICATION_MOST_LABELS;
    pack_u64(out, count);
    for (size_t i = 0; i < count; i++) {
        pack_str(out, labels[i].name);
        pack_str(out, labels[i].value);
    }
}

size_t notification_unpack_labels(struct unpacker *in, struct arena *arena, struct label **ret) {
    size_t count = unpack_count(in, LEAST_LABEL_BYTES);
    in->bad |= count > NOTIFICATION_MOST_LABELS;
    if (in->bad) {
        return 0;
    }
    struct label *labels = arena_array(arena, count + 1, sizeof(*labels));
    for (size_t i = 0; !in->bad && i < count; i++) {
        labels[i].name = arena_dup(arena, unpack_str(in));
        labels[i].value = arena_dup(arena, unpack_str(in));
        in->bad |= i > 0 && str_compare(labels[i - 1].name, labels[i].name) >= 0;
    }
    if (in->bad) {
        return 0;
    }
    *ret = labels;
    return count;
}

void notification_pack_texts(const struct notification_alert *alert, struct strbuf *out) {
    notification_pack_labels(alert->labels, alert->n_labels, out);
    notification_pack_labels(alert->annotations, alert->n_annotations, out);
    pack_str(out, alert->query);
}

bool notification_unpack_texts(struct unpacker *in, struct arena *arena,
                               struct notification_alert *ret) {
    struct notification_alert texts = {0};
    texts.n_labels = notification_unpack_labels(in, arena, &texts.labels);
    texts.n_annotations = notification_unpack_labels(in, arena, &texts.annotations);
    texts.query = arena_dup(arena, unpack_str(in));
    if (in->bad) {
        return false;
    }
    ret->labels = texts.labels;
    ret->n_labels = texts.n_labels;
    ret->annotations = texts.annotations;
    ret->n_annotations = texts.n_annotations;
    ret->query = texts.query;
    return true;
}

static void pack_alert(const struct notification_alert *alert, struct strbuf *out) {
    pack_u64(out, alert->id);
    pack_u64(out, alert->generation);
    pack_u64(out, alert->resolved);
    pack_double(out, alert->value);
    pack_i64(out, alert->starts_ms);
    pack_i64(out, alert->ends_ms);
    notification_pack_texts(alert, out);
}

static void unpack_alert(struct unpacker *in, struct arena *arena, struct notification_alert *ret) {
    ret->id = unpack_u64(in);
    ret->generation = unpack_u64(in);
    uint64_t resolved = unpack_u64(in);
    ret->value = unpack_double(in);
    ret->starts_ms = unpack_i64(in);
    ret->ends_ms = unpack_i64(in);
    ret->resolved = resolved != 0;
    in->bad |= resolved > 1 || ret->resolved != (ret->ends_ms != 0);
    (void)notification_unpack_texts(in, arena, ret);
}

void notification_pack(const struct notification *notification, struct strbuf *out) {
    pack_u64(out, notification->id);
    pack_str(out, notification->receiver);
    pack_str(out, notification->group_key);
    pack_i64(out, notification->made_ms);
    pack_u64(out, notification->left_out);
    notification_pack_labels(notification->group_labels, notification->n_group_labels, out);
    pack_u64(out, notification->n_alerts);
    for (size_t i = 0; i < notification->n_alerts; i++) {
        pack_alert(&notification->alerts[i], out);
    }
}

struct notification *notification_unpack(struct unpacker *in) {
    CLEANUP(notification_freep)
    struct notification *notification = notification_new();
    struct arena *arena = &notification->arena;
    notification->id = unpack_u64(in);
    notification->receiver = arena_dup(arena, unpack_str(in));
    notification->group_key = arena_dup(arena, unpack_str(in));
    notification->made_ms = unpack_i64(in);
    notification->left_out = (size_t)unpack_u64(in);
    notification->n_group_labels =
        notification_unpack_labels(in, arena, &notification->group_labels);
    size_t count = unpack_count(in, LEAST_ALERT_BYTES);
    in->bad |= count == 0 || count > NOTIFICATION_MOST_ALERTS;
    if (in->bad) {
        return NULL;
    }
    notification->alerts = arena_array(arena, count, sizeof(*notification->alerts));
    for (; !in->bad && notification->n_alerts < count; notification->n_alerts++) {
        unpack_alert(in, arena, &notification->alerts[notification->n_alerts]);
    }
    return in->bad ? NULL : take_ptr(notification);
}
