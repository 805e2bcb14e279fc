/* SPDX-License-Identifier: Apache-2.0 */

/* Lets the other replicas of a Redis cluster follow its new primary: to each ROLE, `REPLICAOF host
 * port` and CONFIG REWRITE, to the primary CONFIG REWRITE alone; all at the same time.
 *
 * A member that calls itself a master is left alone, and that is a failure: REPLICAOF would wipe
 * what it holds. One that follows already is not told again, so that all of this may be repeated,
 * over new connections and in another run. A CONFIG REWRITE that fails (a server without a
 * configuration file, a right that is missing) is a warning in the text and no failure. Whether a
 * replica's link comes up is not waited for: a full copy may take long. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "failover/contact.h"

struct repoint_member {
    const char *name;                  /* of the target, for the text; copied */
    const struct redis_options *redis; /* copied */
};

struct repoint_options {
    struct contact_options contact; /* how to connect, without pg and redis */
    struct repoint_member primary;  /* the new one */
    const char *host;               /* of it, as its replicas reach it; copied */
    uint16_t port;
    const struct repoint_member *replicas; /* without the old primary */
    size_t n_replicas;
    uint64_t deadline_usec; /* 0: 10 s */
    /* Exactly once unless it is freed before; not inside repoint_redis_new(). It may be freed in
     * it. failed: how many replicas do not follow. text: what became of each member, borrowed. */
    void (*ended)(void *userdata, size_t failed, struct str text);
    void *userdata;
};

struct repoint_redis;

struct repoint_redis *repoint_redis_new(const struct repoint_options *options);
struct repoint_redis *repoint_redis_free(struct repoint_redis *repoint);
DEFINE_CLEANUP(struct repoint_redis, repoint_redis_free);
