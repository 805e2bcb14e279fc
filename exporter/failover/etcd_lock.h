/* SPDX-License-Identifier: Apache-2.0 */

/* The lock in etcd v3. Below PREFIX/CLUSTER/ lie
 *   holder       the name of the monitor that holds it, with its lease: it goes when that ends
 *   plan         what is being done or was done, without a lease: it stays until acknowledged
 *   maintenance  until when nothing shall be done, and who said so
 * Every third of the time to live the lease is renewed and all three are read; whoever finds no
 * holder becomes it. A request that has no answer after that time is given up, and the next
 * endpoint is asked; when none is left there is a pause, longer each time. */
#pragma once

#include "failover/lock.h"
#include "failover/lock_options.h"
#include "io/loop.h"
#include "io/transfer.h"

struct etcd_lock_options {
    struct loop *loop;
    struct transfers *transfers;              /* may be shared by all locks; must outlive them */
    const struct failover_lock_options *lock; /* copied */
    const char *cluster;
    const char *holder; /* our name, another one in each process; NULL: etcd_lock_holder() */
};

/* Begins to ask at once. */
struct failover_lock *etcd_lock_new(const struct etcd_lock_options *options);

/* A name for this process: the host's, and something random. */
void etcd_lock_holder(char ret[FAILOVER_LOCK_NAME_SIZE]);
