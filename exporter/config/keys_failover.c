/* SPDX-License-Identifier: Apache-2.0 */

/* The keys below `failover:`. */
#include "base/duration.h"
#include "config/keys.h"

#define BYTES_MOST ((uint64_t)1024 * 1024 * 1024 * 1024)

static const char *const modes[] = {"observe", "manual", "automatic", NULL};

static const struct key failover_keys[FAILOVER_KEY_COUNT] = {
    [FAILOVER_KEY_CLUSTER] = {"cluster", KEY_TEXT,
                              .help = "The targets of type postgres or redis with this 'cluster' "
                                      "are its members: one primary and its replicas. Required."},
    [FAILOVER_KEY_MODE] = {"mode", KEY_CHOICE, .choices = modes, .fallback = "observe",
                           .help = "What follows when a primary is lost: observe says what it sees "
                                   "and what it would have done, manual waits for an operator's "
                                   "approval (dbvitals failover approve), automatic fails over."},
    [FAILOVER_KEY_INTERVAL] = {"interval", KEY_DURATION, 0, 100 * USEC_PER_MSEC, 10 * USEC_PER_SEC,
                               .fallback = "500ms",
                               .help = "How often each member is asked, over a connection of its "
                                       "own; an answer that takes longer is none."},
    [FAILOVER_KEY_FAILURES] = {"failures", KEY_UNSIGNED, 0, 2, 100, .fallback = "3",
                               .help = "So many failures of one kind in a row, and for so many "
                                       "intervals at least, before the primary counts as lost."},
    [FAILOVER_KEY_QUORUM] = {"quorum", KEY_TEXT, .most = 16, .fallback = "majority",
                             .help = "How many direct replicas must have lost the primary as "
                                     "well: a number, or the majority of all of them. One that "
                                     "still hears it forbids it in any case."},
    [FAILOVER_KEY_MAX_LAG_BYTES] = {"max_lag_bytes", KEY_BYTES, KEY_MAY_BE_ZERO, 0, BYTES_MOST,
                                    .fallback = "16MiB",
                                    .help = "A replica that is further behind the last position "
                                            "seen on the primary is no candidate."},
    [FAILOVER_KEY_MAX_REPLAY_BYTES] = {"max_replay_bytes", KEY_BYTES, KEY_MAY_BE_ZERO, 0,
                                       BYTES_MOST, .fallback = "256MiB",
                                       .help = "A replica that has more yet to replay is no "
                                               "candidate."},
    [FAILOVER_KEY_VIEW_MAX_AGE] = {"view_max_age", KEY_DURATION, 0, USEC_PER_SEC,
                                   3600 * USEC_PER_SEC, .fallback = "30s",
                                   .help = "After a restart of the daemon what it saw last counts "
                                           "when it is not older; else the cluster must be seen "
                                           "whole again first."},
    [FAILOVER_KEY_RESTART_GRACE] = {"restart_grace", KEY_DURATION, KEY_MAY_BE_ZERO, USEC_PER_SEC,
                                    3600 * USEC_PER_SEC, .fallback = "10s",
                                    .help = "How long a Redis that refuses connections may take to "
                                            "come back: its service manager restarts it."},
    [FAILOVER_KEY_STARTUP_GRACE] = {"startup_grace", KEY_DURATION, KEY_MAY_BE_ZERO, USEC_PER_SEC,
                                    24 * 3600 * USEC_PER_SEC, .fallback = "1m",
                                    .help = "How long a primary may be starting up or recovering "
                                            "before that is an alert."},
    [FAILOVER_KEY_START_TIMEOUT] = {"primary_start_timeout", KEY_DURATION, KEY_MAY_BE_ZERO,
                                    USEC_PER_SEC, 24 * 3600 * USEC_PER_SEC, .fallback = "0s",
                                    .help = "A primary that is starting up or recovering for "
                                            "longer is as good as silent: it is replaced behind "
                                            "a fence that succeeds; 0: never."},
    [FAILOVER_KEY_ON_CLEAN_STOP] = {"failover_on_clean_stop", KEY_BOOL, .fallback = "false",
                                    .help = "Whether a primary that its operator has stopped is "
                                            "replaced, when it stays away for restart_grace."},
    [FAILOVER_KEY_UNFENCED] = {"unfenced", KEY_TEXT, .most = 32,
                               .help = "'accept_split_brain' lets a primary be replaced that "
                                       "nobody has fenced, when it is gone for certain. Without "
                                       "it 'automatic' demands hooks.fence."},
    [FAILOVER_KEY_MAINTENANCE] = {"maintenance", KEY_LIST,
                                  .help = "Windows in UTC, such as '02:00-04:30' or 'Sat,Sun "
                                          "22:00-06:00', in which nothing is failed over; one for "
                                          "now is announced with dbvitals failover maintenance."},
    [FAILOVER_KEY_HOOKS] = {"hooks", KEY_MAP,
                            .help = "Commands that are run at the steps of a failover "
                                    "(docs/failover.md)."},
    [FAILOVER_KEY_PGBOUNCER] = {"pgbouncer", KEY_MAP,
                                .help = "PgBouncers that are told to RELOAD, KILL and RESUME "
                                        "when the post hooks have changed where they lead; before "
                                        "a switchover they PAUSE."},
    [FAILOVER_KEY_LOCK] = {"lock", KEY_MAP,
                           .help = "What several monitors of this cluster agree by. Without it "
                                   "this one must be the only one."},
    [FAILOVER_KEY_WITNESS] = {"witness", KEY_LIST, KEY_MAY_BE_ONE,
                              .help = "URLs of other dbvitals daemons that watch a cluster of this "
                                      "name, at most 8: http://10.0.0.8:9719. They are asked while "
                                      "the primary fails us; one that still hears it forbids "
                                      "everything, one that is not reached has no word."},
};

static const struct key pgbouncer_keys[PGBOUNCER_KEY_COUNT] = {
    [PGBOUNCER_TARGETS] = {"targets", KEY_LIST,
                           .help =
                               "Targets of type pgbouncer, as a role of admin_users. Required."},
    [PGBOUNCER_DATABASES] = {"databases", KEY_LIST,
                             .help = "The databases in them that lead to this cluster. Required."},
};
const struct key_section key_section_failover_pgbouncer = {
    .path = "failover[].pgbouncer", .keys = pgbouncer_keys, .n_keys = PGBOUNCER_KEY_COUNT};

const struct key_section key_section_failover = {
    .path = "failover[]", .keys = failover_keys, .n_keys = FAILOVER_KEY_COUNT};
