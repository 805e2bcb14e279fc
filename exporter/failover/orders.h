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

/* What is accepted is written to the journal and happens after that, which the plan tells.
 * Return: 0, or with *err, which says what to do instead: -ENOENT (there is no such plan, cluster
 * or member), -EBUSY (another plan or order is under way), -EPERM (it is forbidden now), -EROFS
 * (there is no storage folder), -EINVAL (something is missing). */
int watch_order(struct watch *watch, const struct order *order, struct error *err);
