/* SPDX-License-Identifier: Apache-2.0 */

/* What the files of the store share and nobody else sees.
 *
 * A series is either live, then it stands in the list of its family within the source (the order
 * on pages) and in the list of its feed; or stale, then it stands in the source's stale list,
 * oldest first, until it is mentioned again, expires, or has to make room. */
#pragma once

#include "base/arena.h"
#include "base/buffer.h"
#include "base/hash.h"
#include "store/chunk.h"
#include "store/exposition.h"
#include "store/store.h"
#include "store/time_log.h"

/* A body with its compressed form, which is made on demand. */
struct cached_page {
    struct buffer *plain, *gzip; /* NULL: not made */
    uint64_t generation;         /* that they show */
    uint64_t read_usec;          /* when it was read last */
};

/* Where a family begins in a joined block; the last part has no family and begins at the end. */
struct joined_part {
    struct family *family;
    size_t offset;
};

/* A source's part of the joined page. */
struct joined_block {
    size_t refs;
    struct buffer *body;
    struct joined_part *parts; /* in name order of families */
};

/* Where a family stands in a rendered block. */
struct slice {
    uint32_t offset, len;
};

/* A family within a source. */
struct source_family {
    struct family *family;
    struct series *first, *last; /* live ones */
    size_t n_series;             /* live and stale */
    uint64_t changed;            /* the store's generation when its text last changed */
    struct slice own, joined;    /* in the source's last blocks, if it stands there */
};

/* The second half of a series' hot bytes, which is there while history is kept. A step of 0 in
 * chunk: nothing was written yet. Blocks have numbers; 0 is none. */
struct series_writer {
    struct chunk_writer chunk;
    uint32_t first_block, last_block;
};

struct hot_place {
    struct series_hot hot;
    struct series_writer writer;
};
_Static_assert(sizeof(struct hot_place) == 128, "what a round writes fills two cache lines");

static inline struct series_writer *series_writer(const struct series *series) {
    return &container_of(series->hot, struct hot_place, hot)->writer;
}

/* Few, because many sources are small: a group of rules has a handful of series. */
#define SLAB_PLACES 16
struct hot_slab {
    char *places;  /* SLAB_PLACES; NULL while none is used */
    uint16_t used; /* a bit each */
};

struct store_feed {
    struct store_source *source;
    struct store_feed *prev, *next;
    char *name;
    struct series **series; /* in the order of the last commit; all live */
    size_t n_series, capacity;
    bool vital; /* its series are taken above the limit, too */
};

/* Sealed blocks, linked from the oldest; numbers, 0 is none. */
struct block_queue {
    uint32_t oldest, newest;
};

/* Blocks and their limits; see history.c. */
struct history {
    int64_t retention_ms; /* 0: none is kept, and series have no writers */
    int64_t long_ms;      /* of PAST_LONG, if that is more */
    char **long_names;    /* metrics of it; owned */
    size_t n_long_names;
    size_t most_bytes;
    struct history_slab *slabs;
    size_t n_slabs, slabs_capacity;
    struct history_region *regions; /* of the slabs that share memory */
    size_t n_regions, regions_capacity;
    size_t free_slab; /* none before it has a free block */
    struct block_queue queues[N_PASTS];
    size_t n_slabs_used, n_blocks, log_bytes, writer_bytes;
    uint64_t samples, evicted_blocks;
};

struct store_source {
    struct store *store;
    char *hidden_name;  /* of a hidden one, instead of all below; owned */
    struct label *lent; /* target, cluster, extra, instance, job; none is empty or there twice */
    size_t n_lent;
    size_t n_exposed;         /* the first ones, up to extra: they stand on the joined page */
    char *lent_text;          /* what their views point into */
    struct str joined_labels; /* the exposed ones as text; owned */

    struct hash_map series;        /* live and stale, by series->hash */
    struct hash_map families;      /* struct source_family, by family->hash */
    struct source_family **sorted; /* the same in name order, unless sorted_stale */
    size_t sorted_capacity;
    bool sorted_stale;
    struct series *stale_first, *stale_last;
    size_t n_live, n_stale;

    struct store_feed *feeds;
    struct hot_slab *slabs;
    size_t n_slabs, slabs_capacity;
    size_t free_slab; /* none before it has a free place */

    struct time_log log; /* of its series' past */
    bool has_long;       /* one of its families has PAST_LONG */
    uint32_t usual_tick; /* where PAST_USUAL began when it expired last */
    uint64_t round;      /* counts commits */
    uint64_t generation; /* of what is visible */
    bool changed;        /* since then */

    struct cached_page page;
    struct joined_block *joined; /* NULL: not made */
    uint64_t joined_generation, joined_read_usec;
};

struct store {
    struct store_options options;
    struct label_pool *pool;
    struct hash_map families_by_name;
    struct family **families; /* in name order, unless families_stale */
    size_t n_families, families_capacity;
    bool families_stale;
    struct store_source **sources; /* in name order of targets */
    size_t n_sources, sources_capacity;
    struct store_source **hidden;
    size_t n_hidden, hidden_capacity;
    struct store_source **ended; /* that only wait for their series to expire */
    size_t n_ended, ended_capacity;
    struct series **scratch; /* the previous list of the feed that is being committed */
    size_t scratch_capacity;
    struct arena arena; /* what the making of one series needs */

    struct history history;
    uint64_t series_generation;

    struct store_numbers numbers; /* bytes without the label pool */
    size_t head_bytes;            /* HELP and TYPE of all families with live series */
    uint64_t generation;
    uint64_t boot_id; /* tells ETags of this process from those before a restart */
    struct cached_page joined;
};

/* The text of a series on the pages is about to change. What was rendered for a later generation of
 * the source shows it already. */
static inline void series_text_changes(const struct series *series) {
    series->source->changed = true;
    series->group->changed = series->source->store->generation;
}

/* --- store.c --- */

/* The family of that name, made if there is room. Return: NULL when there is none. */
struct family *store_family(struct store *store, const struct batch_metric *metric);

/* Its HELP and TYPE lines: made anew for each page, because hundreds of them would be held for
 * little. */
void family_add_head(const struct family *family, struct strbuf *out);

struct family *store_find_family(const struct store *store, struct str name);

/* Makes family->order right for all families. */
void store_sort_families(struct store *store);

/* Visits all sources, hidden and ended ones too. Return: NULL at the end. */
struct store_source *store_nth_source(const struct store *store, size_t index);

/* --- source.c: a source's series; none of these publishes --- */

struct series_key {
    struct str name; /* of the family */
    enum metric_suffix suffix;
    struct str own_text;
};
uint64_t series_key_hash(const struct series_key *key);
struct series *source_find(const struct store_source *source, const struct series_key *key,
                           uint64_t hash);

/* A new series in the stale list, without a sample; stale ones make room for it, that there may be
 * a living one more is the caller's business. Return: NULL above the limit of families. */
struct series *source_add_series(struct store_source *source, const struct batch_metric *metric,
                                 const struct series_key *key, uint64_t hash);

/* A stale series that just got a sample joins the pages. */
void source_revive_series(struct series *series);

/* A live series gets the marker and leaves the pages and its feed (but not the feed's list). */
void source_end_series(struct series *series, int64_t t_ms);

/* Frees a stale series. */
void source_free_series(struct series *series);

/* Gives all series writers or takes them away, after store->history.retention_ms began or ended to
 * be 0. */
void source_change_writers(struct store_source *source);

/* The families of the source in name order; some may have no live series. */
struct source_family **source_sorted_families(struct store_source *source);

void source_copy_labels(struct store_source *source, const struct source_labels *labels);
bool source_has_labels(const struct store_source *source, const struct source_labels *labels);

/* --- history.c --- */

/* Keeps a sample that is newer than the series' newest one; newest are the bits of that one. */
void history_append(struct series *series, int64_t t_ms, uint64_t newest, uint64_t bits);

/* Before a series or a source is freed. */
void history_forget(struct series *series);
void history_forget_log(struct store_source *source);

void history_expire(struct store *store, int64_t now_ms);
void history_deinit(struct history *history);

/* --- past.c --- */

enum past past_of_family(const struct store *store, const char *name);

/* How long the source remembers times, and what series it once had. */
int64_t past_of_source_ms(const struct store_source *source);
void past_free_names(struct history *history);

/* --- select.c --- */

void postings_add(struct series *series);
void postings_remove(struct series *series);

/* --- feed.c --- */

/* Frees the feed without ending its series. */
void feed_forget(struct store_feed *feed);

/* --- exposition_block.c --- */

/* The page of a source as of now. */
struct buffer *page_render(struct store_source *source);

/* The joined block of the source's generation, rendered if need be. Return: borrowed. */
bool joined_block_is_current(const struct store_source *source);
struct joined_block *joined_block_get(struct store_source *source, uint64_t now_usec);
struct joined_block *joined_block_unref(struct joined_block *block);

/* Walks over the joined page piece by piece, with references to the blocks of its beginning. */
struct page_walk_place {
    const struct family *family; /* of part; NULL at the end. Here, so that skipping is cheap */
    const struct joined_part *part;
    struct joined_block *block;
};
struct page_walk {
    struct page_walk_place *places; /* one for each source, in name order of targets */
    size_t n_places, at;
    const struct family *family, *next;
    struct strbuf head; /* of the family */
    bool head_given;
};
void page_walk_init(struct page_walk *walk, struct store *store, uint64_t now_usec);
void page_walk_deinit(struct page_walk *walk);

/* The next piece, valid until the next call. Return: false at the end. */
bool page_walk_next(struct page_walk *walk, struct str *ret);

/* --- exposition.c --- */

void cached_page_clear(struct cached_page *page);
