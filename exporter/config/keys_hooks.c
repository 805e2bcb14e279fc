/* SPDX-License-Identifier: Apache-2.0 */

/* The keys below `failover[].hooks`. */
#include "base/duration.h"
#include "config/keys.h"

#define USER_MOST    63
#define LONGEST_USEC (600 * USEC_PER_SEC)

static const struct key hook_keys[FAILOVER_HOOKS_KEY_COUNT] = {
    [FAILOVER_HOOKS_PRE] = {"pre", KEY_LIST,
                            .help = "Commands, each a list of words that begins with the absolute "
                                    "path of a program; at most 8, run one after another before "
                                    "anything is done. One that fails stops the failover."},
    [FAILOVER_HOOKS_FENCE] = {"fence", KEY_LIST,
                              .help = "The same, to make sure that the old primary takes no "
                                      "writes. One that fails stops the failover."},
    [FAILOVER_HOOKS_PROMOTE] = {"promote", KEY_LIST,
                                .help = "One command that promotes the candidate, instead of what "
                                        "is built in. Never tried again."},
    [FAILOVER_HOOKS_POST] = {"post", KEY_LIST,
                             .help = "Commands for when the new primary takes writes: what must "
                                     "follow it. Each is run, whatever became of the others."},
    [FAILOVER_HOOKS_FAILED] = {"failed", KEY_LIST, .help = "The same for when a step has failed."},
    [FAILOVER_HOOKS_POOL] = {"pool", KEY_LIST,
                             .help = "The same for when a PgBouncer is dead and its PostgreSQL is "
                                     "not."},
    [FAILOVER_HOOKS_TIMEOUT] = {"timeout", KEY_DURATION, 0, 100 * USEC_PER_MSEC, LONGEST_USEC,
                                .fallback = "10s",
                                .help = "How long one command may take, with all its attempts."},
    [FAILOVER_HOOKS_FENCE_TIMEOUT] = {"fence_timeout", KEY_DURATION, 0, 100 * USEC_PER_MSEC,
                                      LONGEST_USEC, .fallback = "1m",
                                      .help = "The same for the commands of 'fence'."},
    [FAILOVER_HOOKS_USER] = {"user", KEY_TEXT, .most = USER_MOST, .inherits = "the daemon's",
                             .help = "Who runs them. Only a daemon that runs as root can become "
                                     "another user."},
};

const struct key_section key_section_failover_hooks = {
    .path = "failover[].hooks", .keys = hook_keys, .n_keys = FAILOVER_HOOKS_KEY_COUNT};
