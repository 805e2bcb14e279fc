/* SPDX-License-Identifier: Apache-2.0 */

/* The keys below `breakers:`. What they fall back to is circuit_policy_default (breaker/circuit.h),
 * which a test compares. */
#include "base/duration.h"
#include "circuits/circuit_options.h"
#include "config/keys.h"

#define TEXT_MOST   1024
#define PREFIX_MOST 256
#define COUNT_MOST  1000000
#define TIMES_MOST  1000

static const struct key breaker_keys[BREAKER_KEY_COUNT] = {
    [BREAKER_KEY_NAME] = {"name", KEY_TEXT, .most = 63,
                          .help = "Unique name, spelt like a target's, by which applications ask. "
                                  "'sampling' is reserved. Required."},
    [BREAKER_KEY_TARGET] = {"target", KEY_TEXT, .most = 63,
                            .help = "The target whose pools are judged, and on whose page the "
                                    "breaker stands; without one it is on the daemon's own."},
    [BREAKER_KEY_CIRCUIT] = {"circuit", KEY_CHOICE, .choices = circuit_kind_names,
                             .fallback = "all",
                             .help = "What calls it is for: a target may have a breaker for reads "
                                     "and one for writes."},
    [BREAKER_KEY_GROUP] = {"group", KEY_TEXT, .most = 63,
                           .help = "A name that breakers of shards have in common."},
    [BREAKER_KEY_OPEN_WHEN] = {"open_when", KEY_MAP, .help = "What opens it."},
    [BREAKER_KEY_RECOVERY] = {"recovery", KEY_MAP, .help = "How it closes again."},
    [BREAKER_KEY_EXPRESSION] = {"expression", KEY_TEXT, .most = 64 * 1024,
                                .help = "PromQL that opens it while it has a result (of a scalar: "
                                        "other than 0), as an alert's. It may read 200,000 samples "
                                        "and take 50 ms: a rule may record what takes more."},
    [BREAKER_KEY_INTERVAL] = {"interval", KEY_DURATION, 0, 100 * USEC_PER_MSEC, 3600 * USEC_PER_SEC,
                              .fallback = "5s", .help = "How often the expression is evaluated."},
    [BREAKER_KEY_PUBLISH] = {"publish", KEY_MAP,
                             .help = "Where applications and other monitors find it in Redis while "
                                     "it is not closed."},
    [BREAKER_KEY_HOOKS] = {"hooks", KEY_MAP,
                           .help = "Commands that are run when it opens and when it closes."},
};

static const struct key open_when_keys[OPEN_WHEN_KEY_COUNT] = {
    [OPEN_WHEN_POOL_UTILISATION] = {"pool_utilisation", KEY_RATIO, .fallback = "0.85",
                                    .help = "Used share of the fullest pool (of a database and a "
                                            "user) of a pgbouncer target, or of the connections of "
                                            "a postgres target; 0: never by this."},
    [OPEN_WHEN_WAITING_CLIENTS] = {"waiting_clients", KEY_UNSIGNED, .most = COUNT_MOST,
                                   .fallback = "5",
                                   .help = "Clients that wait for one pool of a pgbouncer target; "
                                           "0: never by this."},
    [OPEN_WHEN_MINIMUM_WAIT] = {"minimum_wait", KEY_DURATION, KEY_MAY_BE_ZERO, USEC_PER_SEC,
                                3600 * USEC_PER_SEC, .fallback = "0s",
                                .help = "They count when the first of them has waited so long; "
                                        "PgBouncer tells whole seconds. 0s: at once."},
    [OPEN_WHEN_ROUNDS] = {"rounds", KEY_UNSIGNED, .least = 1, .most = TIMES_MOST, .fallback = "1",
                          .help = "Rounds in a row that must show the pool like this."},
    [OPEN_WHEN_SHED_FRACTION] = {"shed_fraction", KEY_RATIO, .fallback = "0",
                                 .help = "Share of the calls that are told no while it is still "
                                         "closed and the pool is under pressure; 0: none."},
    [OPEN_WHEN_SHED_UTILISATION] = {"shed_utilisation", KEY_RATIO,
                                    .help = "Used share of the fullest pool from which on they are "
                                            "told no, up to what opens it; 0: only in rounds that "
                                            "would open it and are not enough yet. Default: "
                                            "'close_utilisation' of 'recovery'."},
    [OPEN_WHEN_FAILURE_RATE] = {"failure_rate", KEY_RATIO, .fallback = "0.5",
                                .help = "Share of the calls that applications reported within the "
                                        "window that failed; 0: never by this."},
    [OPEN_WHEN_SLOW_RATE] = {"slow_rate", KEY_RATIO, .fallback = "0",
                             .help = "Share of them that took too long; 0: never by this."},
    [OPEN_WHEN_SLOW_CALL] = {"slow_call", KEY_DURATION, 0, USEC_PER_MSEC, 3600 * USEC_PER_SEC,
                             .fallback = "100ms", .help = "A call that takes longer is slow."},
    [OPEN_WHEN_WINDOW] = {"window", KEY_DURATION, 0, USEC_PER_SEC, 3600 * USEC_PER_SEC,
                          .fallback = "1m", .help = "How far back calls count for the rates."},
    [OPEN_WHEN_MINIMUM_CALLS] = {"minimum_calls", KEY_UNSIGNED, .least = 1, .most = COUNT_MOST,
                                 .fallback = "10",
                                 .help = "With fewer calls in the window the rates say nothing."},
    [OPEN_WHEN_CONSECUTIVE_FAILURES] = {"consecutive_failures", KEY_UNSIGNED, .most = COUNT_MOST,
                                        .fallback = "5",
                                        .help = "Calls in a row that failed; 0: never by this."},
};

static const struct key recovery_keys[RECOVERY_KEY_COUNT] = {
    [RECOVERY_TIMEOUT] = {"timeout", KEY_DURATION, 0, 100 * USEC_PER_MSEC, 3600 * USEC_PER_SEC,
                          .fallback = "30s",
                          .help = "How long it stays open at first, a fifth more or less; then it "
                                  "is half open. Each time it opens again the time doubles."},
    [RECOVERY_MAX_TIMEOUT] = {"max_timeout", KEY_DURATION, 0, 100 * USEC_PER_MSEC,
                              24 * 3600 * USEC_PER_SEC, .fallback = "5m",
                              .help = "How long it stays open at most."},
    [RECOVERY_SUCCESSES] = {"successes", KEY_UNSIGNED, .least = 1, .most = TIMES_MOST,
                            .fallback = "3",
                            .help = "So many good signs in a row close it while it is half open: "
                                    "calls that succeed, rounds that find the pool well, "
                                    "evaluations without a result."},
    [RECOVERY_FRACTION] = {"fraction", KEY_RATIO, .fallback = "0.5",
                           .help = "Share of the calls that may pass while it is half open; 0: "
                                   "none, and only what is sampled closes it."},
    [RECOVERY_CLOSE_UTILISATION] = {"close_utilisation", KEY_RATIO, .fallback = "0.7",
                                    .help = "A pool is well when it is used less than this and "
                                            "nobody waits."},
};

static const struct key publish_keys[PUBLISH_KEY_COUNT] = {
    [PUBLISH_TARGET] = {"target", KEY_TEXT, .most = 63,
                        .help = "A redis target, over a connection of its own. Required."},
    [PUBLISH_KEY_PREFIX] = {"key_prefix", KEY_TEXT, KEY_MAY_BE_EMPTY, .most = PREFIX_MOST,
                            .fallback = "dbvitals:breaker:",
                            .help = "What stands before the breaker's name in the key."},
    [PUBLISH_TTL] = {"ttl", KEY_DURATION, 0, 2 * USEC_PER_SEC, 3600 * USEC_PER_SEC,
                     .fallback = "30s",
                     .help = "How long the key outlives the daemon; whole seconds."},
    [PUBLISH_CHANNEL] = {"channel", KEY_TEXT, .most = PREFIX_MOST,
                         .help = "A channel of the server where each change of its own state is "
                                 "told as well, to those who listen at that moment."},
};

static const struct key hook_keys[HOOKS_KEY_COUNT] = {
    [HOOKS_OPEN] = {"open", KEY_LIST,
                    .help = "Commands, each a list of words that begins with the absolute path of "
                            "a program; at most 8, run one after another when it opens."},
    [HOOKS_CLOSE] = {"close", KEY_LIST, .help = "The same for when it closes."},
    [HOOKS_TIMEOUT] = {"timeout", KEY_DURATION, 0, 100 * USEC_PER_MSEC, 600 * USEC_PER_SEC,
                       .fallback = "10s", .help = "How long one command may take."},
};

const struct key_section key_section_breaker = {"breakers[]", breaker_keys, BREAKER_KEY_COUNT};
const struct key_section key_section_open_when = {"breakers[].open_when", open_when_keys,
                                                  OPEN_WHEN_KEY_COUNT};
const struct key_section key_section_recovery = {"breakers[].recovery", recovery_keys,
                                                 RECOVERY_KEY_COUNT};
const struct key_section key_section_publish = {"breakers[].publish", publish_keys,
                                                PUBLISH_KEY_COUNT};
const struct key_section key_section_breaker_hooks = {"breakers[].hooks", hook_keys,
                                                      HOOKS_KEY_COUNT};
