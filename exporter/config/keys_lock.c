/* SPDX-License-Identifier: Apache-2.0 */

/* The keys below `failover[].lock`. */
#include "base/duration.h"
#include "config/keys.h"
#include "failover/lock_options.h"

static const struct key lock_keys[FAILOVER_LOCK_KEY_COUNT] = {
    [FAILOVER_LOCK_ETCD] = {"etcd", KEY_LIST, KEY_MAY_BE_ONE,
                            .help = "The endpoints of one etcd (3.4 or newer) that all monitors of "
                                    "this cluster share: http:// or https://, host and port, at "
                                    "most 8. The next one is asked when one does not answer. "
                                    "Required."},
    [FAILOVER_LOCK_PREFIX] = {"prefix", KEY_TEXT, .most = FAILOVER_LOCK_MOST_PREFIX,
                              .fallback = "/dbvitals",
                              .help = "What the keys begin with: PREFIX/CLUSTER/holder, plan and "
                                      "maintenance. The same for all monitors."},
    [FAILOVER_LOCK_TTL] = {"ttl", KEY_DURATION, 0, FAILOVER_LOCK_LEAST_TTL_USEC, 60 * USEC_PER_SEC,
                           .fallback = "5s",
                           .help = "How long a monitor keeps the lock that is not heard of. It is "
                                   "renewed every third of it, and a request may take as long."},
    [FAILOVER_LOCK_TLS] = {"tls", KEY_MAP, .help = "How https:// endpoints are checked."},
    [FAILOVER_LOCK_USER] = {"user", KEY_TEXT, .most = 256,
                            .help = "A user of etcd who may read and write below PREFIX/CLUSTER/, "
                                    "where etcd demands one."},
    [FAILOVER_LOCK_PASSWORD] = {"password", KEY_SECRET, .help = "The user's password."},
    [FAILOVER_LOCK_PASSWORD_FILE] = {"password_file", KEY_SECRET_FILE,
                                     .help = "File that holds it."},
};

const struct key_section key_section_failover_lock = {
    .path = "failover[].lock", .keys = lock_keys, .n_keys = FAILOVER_LOCK_KEY_COUNT};
