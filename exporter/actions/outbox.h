/* SPDX-License-Identifier: Apache-2.0 */

/* What waits for delivery over one channel: at most one notification of each group, a newer one in
 * the place of the older; one attempt at a time, the oldest first.
 *
 * A failed attempt is repeated after a back-off, or when the receiver said; a notification that
 * failed several times in a row lets others go first. A breaker keeps away from who does not
 * answer. What is refused is dropped, and so is what nobody took for a day. A notification is
 * attempted once it is on the disk, which the owner says (outbox_saved()), or when that takes too
 * long. */
#pragma once

#include "actions/channel.h"
#include "actions/delivery.h"
#include "actions/notification.h"
#include "io/loop.h"

#define OUTBOX_MOST_QUEUED ((size_t)1000)
#define OUTBOX_MOST_BYTES  ((size_t)4 * 1024 * 1024)
#define OUTBOX_OLDEST_USEC ((uint64_t)24 * 3600 * 1000000)

/* How attempts are made: those of actions/channel.h, or a test's. */
struct outbox_way {
    void (*send)(void *channel, const struct notification *notification,
                 void (*done)(void *userdata, enum channel_outcome outcome, const char *why,
                              uint64_t retry_after_usec),
                 void *userdata);
    /* Ends it; an attempt under way is given up without done(). */
    void (*free)(void *channel);
    void *channel; /* owned by the outbox */
};

enum outbox_news {
    OUTBOX_STARTED, /* an attempt begins */
    OUTBOX_DELIVERED,
    OUTBOX_UNANSWERED, /* it waits for another attempt */
    OUTBOX_REFUSED,    /* or expired */
    OUTBOX_DROPPED,    /* it made place for others */
};

struct outbox_options {
    struct loop *loop;
    const char *receiver, *channel; /* copied: for labels and the log */
    /* All but OUTBOX_STARTED come when the outbox has done its part: putting and cancelling in it
     * is legal; freeing is not. */
    void (*news)(void *userdata, enum outbox_news news, struct str group_key);
    void *userdata;
    size_t most_queued, most_bytes; /* 0: as above */
    uint64_t oldest_usec;           /* 0: as above */
    uint64_t longest_unsaved_usec;  /* 0: 5 s */
    uint64_t first_wait_usec;       /* after a failure; 0: 1 s */
};

struct outbox;
struct outbox *outbox_new(const struct outbox_options *options);
struct outbox *outbox_free(struct outbox *outbox);
DEFINE_CLEANUP(struct outbox, outbox_free);

/* Another way from now on: an attempt under way is given up and counts as not answered; back-off
 * and breaker begin anew. */
void outbox_set_way(struct outbox *outbox, const struct outbox_way *way);

/* Takes it over. saved: it is on the disk already. Never attempts or drops inside this call. */
void outbox_put(struct outbox *outbox, struct notification *notification, bool saved);
/* Removes what waits for the group, unless it is under way. */
void outbox_cancel(struct outbox *outbox, struct str group_key);
/* Forgets everything that waits. Return: how many. */
size_t outbox_clear(struct outbox *outbox);
/* Whether there is something for the group, waiting or under way. */
bool outbox_has(const struct outbox *outbox, struct str group_key);

/* The notifications that were put up to now are being written: Return: a mark for outbox_saved().
 */
uint64_t outbox_mark(const struct outbox *outbox);
void outbox_saved(struct outbox *outbox, uint64_t mark);

/* For the state file: what waits and is under way, oldest first. Of unpacking: false, and in->bad,
 * when it is none; nothing is put then. */
void outbox_pack(const struct outbox *outbox, int64_t wall_ms, struct strbuf *out);
bool outbox_unpack(struct outbox *outbox, int64_t wall_ms, struct unpacker *in);

struct delivery_stats outbox_stats(const struct outbox *outbox);
void outbox_collect(const struct outbox *outbox, struct batch *batch);
