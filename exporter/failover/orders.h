/* SPDX-License-Identifier: Apache-2.0 */

/* What an operator says about failovers. */
#pragma once

#include "base/error.h"
#include "base/str.h"
#include "failover/watch.h"

enum order_kind {
    ORDER_APPROVE,     /* a plan that waits: its id */
    ORDER_ACKNOWLEDGE, /* a plan that has ended: its id */
    ORDER_SWITCHOVER,  /* a cluster, to a member */
    ORDER_TEST,        /* a cluster: walk through the hooks, and touch nothing */
    ORDER_MAINTENANCE, /* a cluster, for so long; 0 ends it */
    ORDERS
};
extern const char *const order_names[]; /* "approve", ...; NULL-terminated */

#define ORDER_MOST_MAINTENANCE_SECONDS ((uint64_t)30 * 24 * 3600)

struct order {
    enum order_kind kind;
    struct str subject; /* a plan's id or a cluster's name */
    struct str to;      /* of a switchover; empty where a Sentinel chooses */
    uint64_t seconds;   /* of maintenance */
    const char *who;    /* for the journal and the log */
};

/* done() is called exactly once, maybe before this returns. Without err the order is accepted: an
 * approval or an acknowledgement is on the disk then (and the lock's plan is taken away),
 * maintenance stands in the lock if there is one; the others have begun, which their plans tell.
 * err says what to do instead: -ENOENT (there is no such plan, cluster or member), -EBUSY (another
 * plan or order is under way), -EPERM (it is forbidden now), -EROFS (there is no storage folder),
 * -EIO or -EFBIG (it could not be written), -EHOSTUNREACH (the lock could not be asked), -EINVAL
 * (something is missing), -ECANCELED (the daemon ends). */
void watch_order(struct watch *watch, const struct order *order,
                 void (*done)(void *userdata, const struct error *err), void *userdata);
