/* SPDX-License-Identifier: Apache-2.0 */

/* The keys of breakers and caches in pages of applications. */
#include "config/keys.h"

#define NAME_MOST    256
#define POINTER_MOST 255

static const struct key breaker_keys[APP_BREAKER_KEY_COUNT] = {
    [APP_BREAKER_KEY_NAME] = {"name", KEY_TEXT, .most = NAME_MOST,
                              .help = "The label 'name' of what is said of the breaker. Required."},
    [APP_BREAKER_KEY_STATE] = {"state", KEY_TEXT, .most = POINTER_MOST,
                               .help = "JSON pointer (RFC 6901: /circuit_breaker/state) to its "
                                       "state, a word or a number that 'states' knows."},
    [APP_BREAKER_KEY_FAILURES] = {"failures", KEY_TEXT, .most = POINTER_MOST,
                                  .help = "Pointer to the number of failed calls that it counts."},
    [APP_BREAKER_KEY_FAILURE_RATE] = {"failure_rate", KEY_TEXT, .most = POINTER_MOST,
                                      .help = "Pointer to the share of failed calls: from 0 to 1, "
                                              "or \"50%\"; below 0 means not known."},
    [APP_BREAKER_KEY_LAST_FAILURE] = {"last_failure", KEY_TEXT, .most = POINTER_MOST,
                                      .help = "Pointer to the time of the last failure, in seconds "
                                              "or milliseconds since 1970."},
    [APP_BREAKER_KEY_PERCENT] = {"percent", KEY_BOOL, .fallback = "false",
                                 .help = "Whether 'failure_rate' is in percent (50) rather than a "
                                         "share (0.5)."},
};

static const struct key cache_keys[APP_CACHE_KEY_COUNT] = {
    [APP_CACHE_KEY_NAME] = {"name", KEY_TEXT, .most = NAME_MOST,
                            .help = "The label 'name' of what is said of the cache. Required."},
    [APP_CACHE_KEY_LAYER] = {"layer", KEY_TEXT, .most = NAME_MOST,
                             .help = "The label 'layer', for a cache that has several."},
    [APP_CACHE_KEY_HITS] = {"hits", KEY_TEXT, .most = POINTER_MOST,
                            .help = "JSON pointer to the number of look-ups that found something."},
    [APP_CACHE_KEY_MISSES] = {"misses", KEY_TEXT, .most = POINTER_MOST,
                              .help = "Pointer to the number of those that found nothing."},
    [APP_CACHE_KEY_SIZE] = {"size", KEY_TEXT, .most = POINTER_MOST,
                            .help = "Pointer to the number of entries."},
    [APP_CACHE_KEY_EVICTIONS] = {"evictions", KEY_TEXT, .most = POINTER_MOST,
                                 .help = "Pointer to the number of entries thrown out."},
    [APP_CACHE_KEY_HIT_RATE] = {"hit_rate", KEY_TEXT, .most = POINTER_MOST,
                                .help = "Pointer to the share of look-ups that found something: "
                                        "from 0 to 1, or \"93%\"."},
    [APP_CACHE_KEY_PERCENT] = {"percent", KEY_BOOL, .fallback = "false",
                               .help = "Whether 'hit_rate' is in percent."},
};

const struct key_section key_section_app_breaker = {"targets[].breakers[]", breaker_keys,
                                                    APP_BREAKER_KEY_COUNT};
const struct key_section key_section_app_cache = {"targets[].caches[]", cache_keys,
                                                  APP_CACHE_KEY_COUNT};
