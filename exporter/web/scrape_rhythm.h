/* SPDX-License-Identifier: Apache-2.0 */

/* How often each scraper comes, to tell whether that fits how often targets are sampled: a value
 * that is sampled every 10 s and scraped every 15 s makes rate() saw. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RHYTHM_MOST_SCRAPERS 16
#define RHYTHM_LEAST_SCRAPES 5
#define RHYTHM_KEPT_SCRAPES  8

struct rhythm_scraper {
    uint64_t key;
    uint64_t times[RHYTHM_KEPT_SCRAPES]; /* a ring: scrape n is at n % RHYTHM_KEPT_SCRAPES */
    uint64_t count;
};

/* A zeroed one is empty. When it is full, a new scraper takes the place of one that has not come
 * for ten minutes, or is not watched. */
struct scrape_rhythm {
    struct rhythm_scraper scrapers[RHYTHM_MOST_SCRAPERS];
};

/* Notes a scrape; key is who scrapes what, not 0.
 * Return: the median distance of its last scrapes; 0 before there were five, when they come without
 * a rhythm, or when there is no place left. */
uint64_t scrape_rhythm_note(struct scrape_rhythm *rhythm, uint64_t key, uint64_t now_usec);

/* Whether scrapes at this distance are evenly many intervals apart (within 10 % of one). */
bool scrape_rhythm_fits(uint64_t distance_usec, uint64_t interval_usec);

/* The longest round interval, not above the given one, that fits the distance; 0: none. */
uint64_t scrape_rhythm_advise(uint64_t distance_usec, uint64_t interval_usec);
