/* SPDX-License-Identifier: Apache-2.0 */

/* What a receiver is told: the alerts of one group as they were at one time. It holds all that a
 * channel needs, so that it can wait on the disk and be sent after a restart as well. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/pack.h"
#include "base/str.h"
#include "store/batch.h"

#define NOTIFICATION_MOST_ALERTS 256
#define NOTIFICATION_MOST_LABELS 128 /* of an alert: more cannot be told and is left out */

struct notification_alert {
    uint64_t id, generation; /* as in struct alert_view and struct alert_event */
    bool resolved;
    struct label *labels, *annotations; /* sorted by name */
    size_t n_labels, n_annotations;
    double value;
    int64_t starts_ms, ends_ms; /* ends_ms 0: it fires */
    struct str query;
};

struct notification {
    struct arena arena; /* of everything below */
    uint64_t id;        /* of channel, group and what is told: the same when it is made again */
    struct str receiver;
    struct str group_key; /* of route and group labels: the same after a restart */
    struct label *group_labels;
    size_t n_group_labels;
    struct notification_alert *alerts; /* firing ones first, then by age */
    size_t n_alerts;
    size_t left_out; /* alerts above NOTIFICATION_MOST_ALERTS */
    int64_t made_ms;
};

struct notification *notification_new(void);
struct notification *notification_free(struct notification *notification);
DEFINE_CLEANUP(struct notification, notification_free);

/* Whether all of its alerts are over. */
bool notification_is_resolved(const struct notification *notification);
size_t notification_firing(const struct notification *notification);

/* What all alerts have in common, names sorted. annotations: those instead of labels.
 * Return: how many, in *ret in the arena. */
size_t notification_common(const struct notification *notification, bool annotations,
                           struct arena *arena, struct label **ret);

/* For the state file. Return of unpacking: NULL, and in->bad, when it is not one. */
void notification_pack(const struct notification *notification, struct strbuf *out);
struct notification *notification_unpack(struct unpacker *in);

/* The parts of an alert that are texts, and labels, alone: unpacked texts lie in the arena.
 * Return of unpacking: false, and in->bad, when they are not that. */
void notification_pack_texts(const struct notification_alert *alert, struct strbuf *out);
bool notification_unpack_texts(struct unpacker *in, struct arena *arena,
                               struct notification_alert *ret);
void notification_pack_labels(const struct label *labels, size_t count, struct strbuf *out);
size_t notification_unpack_labels(struct unpacker *in, struct arena *arena, struct label **ret);
