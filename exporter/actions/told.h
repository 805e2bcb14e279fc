/* SPDX-License-Identifier: Apache-2.0 */

/* What one channel knows of one group of alerts, and whether there is news for it. Pure.
 *
 * An attempt whose answer never came leaves two possibilities, so both are kept: `sure` are the
 * alerts that the receiver was told to fire for certain, `maybe` (which contains them) those that
 * it may believe to fire. A firing is news unless it is sure; an end is news while it may be
 * believed. So nothing is lost, and what is certain is not told twice.
 *
 *   nothing     --put-->      waits       --started-->  under_way
 *   waits/tried --put-->      the newer one in its place; --cancel--> nothing
 *   under_way   --ended-->    nothing (delivered, refused) or tried (no answer)
 */
#pragma once

#include "actions/id_set.h"

enum told_pending {
    TOLD_NOTHING,
    TOLD_WAITS, /* no attempt was made */
    TOLD_UNDER_WAY,
    TOLD_TRIED, /* at least one attempt had no good answer */
    TOLD_PENDING_COUNT
};
/* "nothing", "waits", "under_way", "tried". */
extern const char *const told_pending_names[];

struct told {
    struct id_set sure, maybe;
    struct id_set over; /* ends that the last accepted notification told */
    bool ever;          /* something was accepted */
    int64_t at_ms;      /* when */
    uint64_t count;     /* how often */
    enum told_pending pending;
    struct id_set firing, ended; /* what the notification that waits says */
    bool decide_again;           /* there was a flush while it was under way */
};
void told_deinit(struct told *told);

/* The group as it is. */
struct told_group {
    struct id_set firing, ended;
};

enum told_verdict {
    TOLD_LEAVE,  /* nothing changes for the channel */
    TOLD_PUT,    /* make a notification, in the place of one that waits; then told_put() */
    TOLD_CANCEL, /* what waits is no longer news; told_cancel() was done already */
    TOLD_LATER,  /* ask again when the attempt has ended: told_ended() returns true */
};

/* With send_resolved false an end is only noted. repeat_ms 0: what is known is never repeated. */
enum told_verdict told_decide(struct told *told, const struct told_group *group, bool send_resolved,
                              int64_t repeat_ms, int64_t now_ms);

void told_put(struct told *told, const struct told_group *group, bool send_resolved);
void told_cancel(struct told *told);

/* An attempt begins: what it says may be believed from now on. */
void told_started(struct told *told);

enum told_end {
    TOLD_ACCEPTED,
    TOLD_UNANSWERED, /* it waits for another attempt */
    TOLD_REFUSED,    /* it is dropped, and an end would be refused again */
    TOLD_DROPPED,    /* it gave way to others; news stays news */
};
/* Also for what was dropped while it waited. Return: whether to decide again at once. */
bool told_ended(struct told *told, enum told_end end, int64_t now_ms);

/* Whether the channel knows the alert, or waits to tell it: its end is still needed. */
bool told_needs(const struct told *told, uint64_t id);

/* An alert is no longer in the group. */
void told_forget(struct told *told, uint64_t id);

/* For the state file: what waits there may have been attempted since. Times are kept on the wall
 * clock. Of unpacking: false, and in->bad, when it is none; told must be empty. */
void told_pack(const struct told *told, int64_t now_ms, int64_t wall_ms, struct strbuf *out);
bool told_unpack(struct unpacker *in, int64_t now_ms, int64_t wall_ms, struct told *told);
