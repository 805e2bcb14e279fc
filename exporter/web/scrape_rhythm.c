/* SPDX-License-Identifier: Apache-2.0 */

#include "web/scrape_rhythm.h"

#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/macros.h"

#define FORGOTTEN_USEC (600 * USEC_PER_SEC)

static uint64_t newest(const struct rhythm_scraper *scraper) {
    return scraper->count > 0 ? scraper->times[(scraper->count - 1) % RHYTHM_KEPT_SCRAPES] : 0;
}

/* Return: NULL when all places are held by scrapers that still come: with hundreds of them each
 * would only push another one out before it could be judged. */
static struct rhythm_scraper *find(struct scrape_rhythm *rhythm, uint64_t key, uint64_t now_usec) {
    struct rhythm_scraper *oldest = &rhythm->scrapers[0];
    for (size_t i = 0; i < RHYTHM_MOST_SCRAPERS; i++) {
        struct rhythm_scraper *one = &rhythm->scrapers[i];
        if (one->key == key) {
            return one;
        }
        if (newest(one) < newest(oldest)) {
            oldest = one;
        }
    }
    if (oldest->count > 0 && now_usec < newest(oldest) + FORGOTTEN_USEC) {
        return NULL;
    }
    *oldest = (struct rhythm_scraper){.key = key};
    return oldest;
}

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t median_distance(const struct rhythm_scraper *scraper) {
    uint64_t distances[RHYTHM_KEPT_SCRAPES];
    uint64_t n = scraper->count < RHYTHM_KEPT_SCRAPES ? scraper->count : RHYTHM_KEPT_SCRAPES;
    for (uint64_t i = 1; i < n; i++) {
        uint64_t later = scraper->count - i;
        distances[i - 1] = scraper->times[later % RHYTHM_KEPT_SCRAPES] -
                           scraper->times[(later - 1) % RHYTHM_KEPT_SCRAPES];
    }
    qsort(distances, n - 1, sizeof(distances[0]), compare);
    uint64_t median = distances[(n - 1) / 2];
    /* Two scrapers behind one address, or a person who reloads a page, have no rhythm. */
    bool even = median - distances[1] <= median / 5 && distances[n - 3] - median <= median / 5;
    return even ? median : 0;
}

uint64_t scrape_rhythm_note(struct scrape_rhythm *rhythm, uint64_t key, uint64_t now_usec) {
    struct rhythm_scraper *scraper = find(rhythm, key, now_usec);
    if (scraper == NULL) {
        return 0;
    }
    scraper->times[scraper->count++ % RHYTHM_KEPT_SCRAPES] = now_usec;
    return scraper->count >= RHYTHM_LEAST_SCRAPES ? median_distance(scraper) : 0;
}

bool scrape_rhythm_fits(uint64_t distance_usec, uint64_t interval_usec) {
    if (interval_usec == 0) {
        return true;
    }
    uint64_t nearest = (distance_usec + interval_usec / 2) / interval_usec;
    if (nearest == 0) {
        return false;
    }
    uint64_t even = nearest * interval_usec;
    uint64_t off = distance_usec > even ? distance_usec - even : even - distance_usec;
    return off <= interval_usec / 10;
}

uint64_t scrape_rhythm_advise(uint64_t distance_usec, uint64_t interval_usec) {
    static const unsigned seconds[] = {60, 30, 20, 15, 10, 5, 3, 2, 1};
    for (size_t i = 0; i < ARRAY_LEN(seconds); i++) {
        uint64_t candidate = seconds[i] * USEC_PER_SEC;
        if (candidate <= interval_usec && scrape_rhythm_fits(distance_usec, candidate)) {
            return candidate;
        }
    }
    return 0;
}
