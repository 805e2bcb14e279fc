/* SPDX-License-Identifier: Apache-2.0 */

/* A way to a receiver that the test itself answers, after writing down what was sent. */
#pragma once

#include <stdio.h>
#include <string.h>

#include "actions/outbox.h"

struct fake_way {
    bool under_way, freed;
    int sent;
    uint64_t last_id;
    char said[1024]; /* the key of each group that was sent, one after another */
    void (*done)(void *userdata, enum channel_outcome outcome, const char *why,
                 uint64_t retry_after_usec);
    void *userdata;
};

static inline void fake_send(void *channel, const struct notification *notification,
                             void (*done)(void *userdata, enum channel_outcome outcome,
                                          const char *why, uint64_t retry_after_usec),
                             void *userdata) {
    struct fake_way *way = channel;
    size_t len = strlen(way->said);
    (void)snprintf(way->said + len, sizeof(way->said) - len, "%s%.*s:%zu", len > 0 ? " " : "",
                   (int)notification->group_key.len, notification->group_key.data,
                   notification_firing(notification));
    way->under_way = true;
    way->sent++;
    way->last_id = notification->id;
    way->done = done;
    way->userdata = userdata;
}

static inline void fake_free(void *channel) {
    struct fake_way *way = channel;
    way->under_way = false;
    way->freed = true;
}

static inline struct outbox_way fake_way_of(struct fake_way *way) {
    return (struct outbox_way){fake_send, fake_free, way};
}

static inline void fake_answer(struct fake_way *way, enum channel_outcome outcome,
                               uint64_t retry_after_usec) {
    way->under_way = false;
    way->done(way->userdata, outcome, outcome == CHANNEL_DELIVERED ? "" : "for this reason",
              retry_after_usec);
}
