/* SPDX-License-Identifier: Apache-2.0 */

/* Breakers and caches of an application while its page is read. Names are found by hash, since a
 * page may tell of one breaker in many places. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/hash.h"
#include "sampler/app_options.h"
#include "sampler/app_page.h"

/* Numbers are NaN while nothing is known. */
struct app_breaker {
    struct str name;
    struct str state; /* no text: not known */
    double failure_rate, failed_calls, last_failure, ejected_hosts;
};

struct app_cache {
    struct str name, layer;
    double hits, misses, entries, evictions, hit_ratio;
};

/* Texts are borrowed from the page, or lie in the arena. */
struct app_book {
    struct arena *arena; /* borrowed */
    struct hash_map breakers_by_name, caches_by_name;
    struct app_breaker *breakers[APP_MOST_BREAKERS];
    struct app_cache *caches[APP_MOST_CACHES];
    size_t n_breakers, n_caches;
};

/* One breaker or cache, made if need be. Return: 0, or -E2BIG when there are too many. */
int app_book_breaker(struct app_book *book, struct str name, struct app_breaker **ret,
                     struct error *err);
int app_book_cache(struct app_book *book, struct str name, struct str layer, struct app_cache **ret,
                   struct error *err);

/* Sets a breaker's state by a word or a number, in any case: those of the options first, then the
 * usual ones. What means nothing stays as it is. */
void app_book_state(const struct app_options *options, struct str word,
                    struct app_breaker *breaker);

/* "50.0%" or a number as a share; NaN when it is below 0 (not enough calls to tell), or none. */
double app_share(struct str text, bool percent);

/* A time as seconds since 1970; milliseconds are told from seconds by their size. */
double app_time(struct str text);

/* The readers of the forms; each fills a book. */
int app_read_resilience4j(struct str page, struct app_book *book, struct error *err);
int app_read_json(const struct app_options *options, struct str page, struct app_book *book,
                  struct error *err);
int app_read_text(enum app_format format, struct str page, struct app_book *book,
                  struct error *err);
int app_read_redis(const struct app_options *options, const struct tree *tree,
                   struct app_book *book, struct error *err);
