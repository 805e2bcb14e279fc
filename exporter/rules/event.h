/* SPDX-License-Identifier: Apache-2.0 */

/* What rules tell the world: an alert changed, or is to be sent again. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "store/batch.h"

enum alert_state { ALERT_INACTIVE, ALERT_PENDING, ALERT_FIRING };

/* "inactive", "pending", "firing". */
extern const char *const alert_state_names[];

/* An alert instance as others see it. Everything is borrowed and valid until the rules are
 * evaluated or reloaded again: who needs it longer copies it. */
struct alert_view {
    uint64_t id; /* of file, group, alert name and labels: the same after a restart */
    enum alert_state state;
    const struct label *labels; /* with alertname; sorted by name */
    size_t n_labels;
    const struct label *annotations;
    size_t n_annotations;
    double value;
    int64_t active_ms;            /* since when its expression holds */
    int64_t fired_ms;             /* when it began to fire; 0: never */
    int64_t resolved_ms;          /* 0: it is not resolved */
    int64_t keep_firing_since_ms; /* 0: its expression holds */
    int64_t valid_until_ms;       /* a firing one ends by itself then unless it is sent again */
    struct str query;             /* the expression as printed */
    bool restored;                /* as it was before the restart: not evaluated since */
};

enum alert_event_kind {
    ALERT_EVENT_FIRING,   /* it began to fire */
    ALERT_EVENT_RESOLVED, /* it fired and ended */
    ALERT_EVENT_AGAIN,    /* to those that want repeated state: it still fires, or is still over */
};

struct alert_event {
    enum alert_event_kind kind;
    uint64_t generation; /* of this alert: counts its firing and resolving */
    const struct alert_view *alert;
};
