/* SPDX-License-Identifier: Apache-2.0 */

/* The store: every series of every source with its newest sample, and the rules by which rounds
 * change it.
 *
 * Model. A *source* is a target (or the daemon itself) with the labels it lends to its series. A
 * *feed* is one collector's voice in a source: each commit replaces what the feed said before, and
 * series that it no longer mentions become stale. Nothing is visible until store_publish() raises
 * the source's generation, so a page always shows whole rounds.
 *
 * Families are shared by all sources and are never freed; their number is capped. Sources, feeds
 * and series belong to the store; pointers to sources and feeds stay valid until their
 * free function is called. Time is always an argument. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "store/batch.h"
#include "store/series.h"

struct store;
struct store_feed;

struct store_options {
    size_t max_families;          /* 0: 20000 */
    size_t max_series_per_source; /* 0: 50000; stale ones count and make room, oldest first */
    int64_t retention_ms;         /* how long a stale series is kept; 0: 1 h */
};

/* Series of one name in all sources, live and stale, in no order. */
struct posting {
    struct series **series;
    size_t n, capacity;
};

/* How long the past of a metric is kept: as that of most, or of those that store_keep_longer()
 * names. */
enum past { PAST_USUAL, PAST_LONG, N_PASTS };

struct family {
    const char *name; /* owned by the store unless constant */
    const char *help;
    enum metric_type type;
    bool constant;
    enum past past;
    size_t order;    /* place in name order; renumbered when a family is added */
    uint64_t hash;   /* of the name */
    size_t n_live;   /* live series, in all sources */
    size_t head_len; /* of its HELP and TYPE lines on pages */
    struct posting postings[N_METRIC_SUFFIXES];
};

struct store *store_new(const struct store_options *options);
struct store *store_free(struct store *store);
DEFINE_CLEANUP(struct store, store_free);

/* What a source lends to its series. All views are copied. The series of a hidden one (what rules
 * record, ALERTS) are found by store_select() and stand on no page; it lends nothing, and target is
 * only its name. Their names and those of their labels may be any UTF-8. */
struct source_labels {
    struct str target;   /* never empty */
    struct str cluster;  /* may be empty */
    struct str instance; /* stored, never exposed */
    struct str job;      /* stored, never exposed */
    const struct label *extra;
    size_t n_extra;
    bool hidden;
};

/* Adds a source at its place in name order of targets. One that ended with the same labels and has
 * not expired goes on where it was. Return: owned by the store. */
struct store_source *store_source_new(struct store *store, const struct source_labels *labels);

/* Ends a source: its series get the stale marker at t_ms, leave every page, and expire later. The
 * pointer and those of its feeds are invalid afterwards. */
void store_source_free(struct store *store, struct store_source *source, int64_t t_ms);

/* A new feed of a source; name (copied) is for people who debug. */
struct store_feed *store_feed_new(struct store_source *source, const char *name);

/* What this feed says is taken above max_series_per_source, too: for the few series that tell how
 * the source is. */
void store_feed_set_vital(struct store_feed *feed);

struct store_commit_result {
    size_t appended;     /* samples taken over */
    size_t duplicates;   /* same label set twice in this round: the first one counts */
    size_t out_of_order; /* not newer than what is there */
    size_t over_limit;   /* new series above max_series_per_source or max_families */
};

/* Of two metrics with the same name the first one's help and type stay.
 *
 * Replaces what the feed said: appends the batch's samples at t_ms, and the stale marker to what
 * the batch no longer mentions (at its newest sample's time + 1 ms when t_ms is not newer: what has
 * ended must leave the pages). A series belongs to the feed that mentioned it first until that feed
 * lets go of it; from another feed it counts as a duplicate. */
struct store_commit_result store_feed_commit(struct store_feed *feed, const struct batch *batch,
                                             int64_t t_ms);

/* Appends the feed's last values again at t_ms: for a collector that was not due. */
void store_feed_repeat(struct store_feed *feed, int64_t t_ms);

/* Ends all series of the feed with the stale marker at t_ms. */
void store_feed_end(struct store_feed *feed, int64_t t_ms);

/* Ends the feed itself; its series become stale. */
void store_feed_free(struct store_feed *feed, int64_t t_ms);

/* How many series the feed mentioned at its last commit and still holds live. */
size_t store_feed_series(const struct store_feed *feed);

/* Makes what was committed visible: raises the generations of the source and of the whole, unless
 * every page would stay as it is. The commits of a round and this call belong into one turn of the
 * loop, because a page that is rendered between them already shows their values. */
void store_publish(struct store_source *source);

/* Frees stale series whose past has expired. */
void store_expire(struct store *store, int64_t now_ms);

struct store_numbers {
    size_t sources, families;
    size_t series, stale_series; /* live ones; those that wait for the end of the retention */
    size_t bytes;                /* estimate: series, labels, feeds; without rendered pages */
    uint64_t samples_appended, samples_out_of_order, samples_duplicate, samples_over_limit;
};
struct store_numbers store_numbers(const struct store *store);
size_t store_source_series(const struct store_source *source); /* live ones */
size_t store_most_series(const struct store *store);           /* of one source */

/* Whether a source of this target that is not hidden has live series of a metric, suffixes of
 * histograms and summaries included. */
bool store_has_metric(const struct store *store, const char *target, struct str metric);

/* All families in name order, store_numbers().families of them; valid until one is added. */
const struct family *store_family_at(struct store *store, size_t index);

/* The pool that the label sets of all series belong to. */
const struct label_pool *store_label_pool(const struct store *store);

/* The newest sample of a live series by the family's name, suffix-less, and own labels as exposed
 * ("" for none). For tests, checks and the status page; a hash look-up. Return: NULL if none. */
const struct series *store_find(const struct store_source *source, const char *name,
                                const char *own_labels);
