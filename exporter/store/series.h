/* SPDX-License-Identifier: Apache-2.0 */

/* One time series: who it is (cold, made once) and its newest sample (hot, changed each round).
 *
 * A series belongs to one source (target) and one family. It is live while its newest sample is a
 * number, and stale after the marker; a stale one leaves every exposition and is freed when its
 * past has expired. The hot parts of a source lie side by side in slabs, 64 bytes each and as many
 * again for the writer of its past while history is kept, so that a round touches few pages (a
 * forked worker's copy-on-write counts each of them). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "store/labels.h"
#include "store/metric.h"

struct store_source;
struct store_feed;
struct source_family;
struct family;

#define SERIES_TEXT_SIZE 32

/* All that a round writes of a series whose place among the others did not change. */
struct series_hot {
    int64_t t_ms;                /* of the newest sample; INT64_MIN before the first */
    double value;                /* its value; the stale marker when stale */
    uint64_t seen_round;         /* the source's commit that mentioned it last: finds duplicates */
    uint8_t text_len;            /* 0: not made since the value changed; pages make it */
    char text[SERIES_TEXT_SIZE]; /* value as exposed */
    char reserved[7];
};
_Static_assert(sizeof(struct series_hot) == 64, "the newest sample fills one cache line");

struct series {
    struct family *family;       /* borrowed from the store */
    struct store_source *source; /* borrowed */
    struct series_hot *hot;      /* its place in the source's slab */
    struct store_feed *feed;     /* that mentions it; NULL when stale */
    struct label_set *labels;    /* merged: __name__, own, target's, instance, job; owned */
    char *joined_text; /* own labels on the joined page where names clash; NULL: own_text */
    struct source_family *group; /* its family within the source */
    struct series *prev, *next;  /* live: within the group; stale: oldest first, of the source */
    uint64_t hash;               /* of the family, suffix and own labels within the source */
    enum metric_suffix suffix;
    uint32_t position; /* in the feed's last commit */
    uint32_t place;    /* number of its hot part within the source */
    uint32_t posting;  /* place among all series of its name */
    uint32_t own_text_len;
    char own_text[]; /* own labels as exposed: a="b",c="d"; unusual names are quoted, too */
};

/* The bit pattern that Prometheus uses for "this series has ended" (a NaN with payload 2). Compare
 * bits, never values. */
#define SERIES_STALE_BITS UINT64_C(0x7ff0000000000002)

static inline double series_stale_marker(void) {
    const uint64_t bits = SERIES_STALE_BITS;
    double marker;
    memcpy(&marker, &bits, sizeof(marker));
    return marker;
}

static inline bool series_is_stale_value(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits == SERIES_STALE_BITS;
}

static inline bool series_is_live(const struct series *series) {
    return series->hot->t_ms != INT64_MIN && !series_is_stale_value(series->hot->value);
}

enum series_append_result {
    SERIES_E_OUT_OF_ORDER = 1, /* not newer than the newest sample: dropped, the caller counts it */
};

/* Appends a sample; times of a series strictly increase. The marker on a series that is stale or
 * has no sample changes nothing. Return: 0 or SERIES_E_OUT_OF_ORDER. */
int series_append(struct series *series, int64_t t_ms, double value);
