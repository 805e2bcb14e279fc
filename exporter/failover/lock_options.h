/* SPDX-License-Identifier: Apache-2.0 */

/* What the configuration says about the lock between several monitors: plain values. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/duration.h"
#include "io/tls_options.h"

#define FAILOVER_LOCK_MOST_ENDPOINTS 8
#define FAILOVER_LOCK_MOST_PREFIX    128                          /* bytes */
#define FAILOVER_LOCK_LEAST_TTL_USEC ((uint64_t)2 * USEC_PER_SEC) /* etcd grants no less */

struct failover_lock_options {
    char **endpoints;   /* "http://10.0.0.1:2379", without a slash at the end; owned */
    size_t n_endpoints; /* 0: no lock, there is one monitor */
    char *prefix;       /* of the keys: "/dbvitals"; owned */
    uint64_t ttl_usec;
    struct tls_options tls; /* of endpoints with https; owned */
    char *user, *password;  /* of etcd; both or none; owned */
};

void failover_lock_options_deinit(struct failover_lock_options *options);

/* A copy of its own. */
void failover_lock_options_copy(const struct failover_lock_options *from,
                                struct failover_lock_options *ret);

bool failover_lock_options_equal(const struct failover_lock_options *a,
                                 const struct failover_lock_options *b);
