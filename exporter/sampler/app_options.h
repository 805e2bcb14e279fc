/* SPDX-License-Identifier: Apache-2.0 */

/* How an application tells of its breakers and caches: plain values. Where it is stands in the
 * target's http options, or in its redis options when it keeps them in a Redis. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "collectors/app_state.h"
#include "io/http_options.h"

enum app_format {
    APP_RESILIENCE4J, /* /actuator/circuitbreakers of Spring Boot */
    APP_ENVOY,        /* /stats?format=prometheus of Envoy's admin interface */
    APP_PROMETHEUS,   /* the application's own metrics, in Prometheus' text format */
    APP_JSON,         /* any JSON, by pointers */
    APP_REDIS,        /* keys of a Redis */
    APP_FORMAT_COUNT
};
extern const char *const app_format_names[]; /* "resilience4j", ...; NULL-terminated */

#define APP_MOST_BREAKERS 1000
#define APP_MOST_CACHES   1000
#define APP_MOST_WORDS    64 /* of `states` */

/* Where what is said of a breaker or a cache stands in a JSON page. */
enum app_breaker_field {
    APP_BREAKER_STATE,
    APP_BREAKER_FAILURES,
    APP_BREAKER_FAILURE_RATE,
    APP_BREAKER_LAST_FAILURE,
    APP_BREAKER_FIELDS
};
/* As they are called in a hash in Redis as well. */
extern const char *const app_breaker_field_names[];

enum app_cache_field {
    APP_CACHE_HITS,
    APP_CACHE_MISSES,
    APP_CACHE_SIZE,
    APP_CACHE_EVICTIONS,
    APP_CACHE_HIT_RATE,
    APP_CACHE_FIELDS
};

#define APP_MOST_FIELDS 5

struct app_item {
    char *name;
    char *layer;                     /* of a cache, or NULL */
    char *pointers[APP_MOST_FIELDS]; /* RFC 6901, or NULL; by the fields above */
    bool percent;                    /* rates are in percent */
};

struct app_word {
    char *word;
    enum app_state state;
};

struct app_options {
    enum app_format format;
    struct http_options http;
    struct app_item *breakers, *caches; /* of APP_JSON */
    size_t n_breakers, n_caches;
    struct app_word *words; /* of APP_JSON and APP_REDIS: before those that we know */
    size_t n_words;
    char **keys; /* of APP_REDIS */
    size_t n_keys;
    char *pattern;
};

void app_options_deinit(struct app_options *options);
void app_options_copy(const struct app_options *from, struct app_options *ret);
bool app_options_equal(const struct app_options *a, const struct app_options *b);

/* Whether a text is a JSON pointer to something within a page. */
bool app_pointer_is_valid(const char *pointer);
