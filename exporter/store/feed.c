/* SPDX-License-Identifier: Apache-2.0 */

/* Committing what a collector said.
 *
 * Most rounds mention the same series in the same order with mostly the same values: then a commit
 * walks two arrays side by side and writes only the hot parts. At the first difference the list of
 * the feed is made anew from there; a cursor goes through the old list and finds its way back after
 * rows that came, went or moved. */
#include <stdlib.h>

#include "base/mem.h"
#include "store/private.h"

#define SERIES_AHEAD 12

struct commit {
    struct store_feed *feed;
    const struct batch *batch;
    int64_t t_ms;
    uint64_t round;
    struct store_commit_result result;
};

struct store_feed *store_feed_new(struct store_source *source, const char *name) {
    struct store_feed *feed = mem_alloc(sizeof(*feed));
    feed->source = source;
    feed->name = mem_strdup(name);
    feed->next = source->feeds;
    if (feed->next != NULL) {
        feed->next->prev = feed;
    }
    source->feeds = feed;
    source->store->numbers.bytes += sizeof(*feed);
    return feed;
}

void store_feed_set_vital(struct store_feed *feed) {
    feed->vital = true;
}

void feed_forget(struct store_feed *feed) {
    struct store_source *source = feed->source;
    *(feed->prev != NULL ? &feed->prev->next : &source->feeds) = feed->next;
    if (feed->next != NULL) {
        feed->next->prev = feed->prev;
    }
    source->store->numbers.bytes -= sizeof(*feed) + feed->capacity * sizeof(struct series *);
    free(feed->series);
    free(feed->name);
    free(feed);
}

void store_feed_end(struct store_feed *feed, int64_t t_ms) {
    for (size_t i = 0; i < feed->n_series; i++) {
        source_end_series(feed->series[i], t_ms);
    }
    feed->n_series = 0;
}

void store_feed_free(struct store_feed *feed, int64_t t_ms) {
    store_feed_end(feed, t_ms);
    feed_forget(feed);
}

size_t store_feed_series(const struct store_feed *feed) {
    return feed->n_series;
}

void store_feed_repeat(struct store_feed *feed, int64_t t_ms) {
    struct store_numbers *numbers = &feed->source->store->numbers;
    for (size_t i = 0; i < feed->n_series; i++) {
        bool late = series_append(feed->series[i], t_ms, feed->series[i]->hot->value) != 0;
        *(late ? &numbers->samples_out_of_order : &numbers->samples_appended) += 1;
    }
}

/* Constant names mostly have the same address; the others are compared. */
static bool is_of(const struct series *series, const struct batch *batch,
                  const struct batch_sample *sample) {
    const char *name = series->family->name;
    return series->own_text_len == sample->labels.len && series->suffix == sample->suffix &&
           (sample->metric.name == name || strcmp(sample->metric.name, name) == 0) &&
           memcmp(series->own_text, batch_labels_text(batch, sample->labels).data,
                  series->own_text_len) == 0;
}

static void append(struct commit *commit, struct series *series, double value) {
    struct series_hot *hot = series->hot;
    const bool was_live = series_is_live(series);
    const bool same = memcmp(&hot->value, &value, sizeof(value)) == 0;
    hot->seen_round = commit->round;
    if (series_append(series, commit->t_ms, value) != 0) {
        commit->result.out_of_order++;
        return;
    }
    commit->result.appended++;
    if (!was_live) {
        source_revive_series(series);
    } else if (!same) {
        series_text_changes(series);
    }
}

/* A round ago the series were looked at last, so they are in no cache: the cold part is fetched
 * first, because it tells where the hot one is. */
static void fetch_ahead(const struct store_feed *feed, size_t at, size_t n) {
    if (at + SERIES_AHEAD < n) {
        const char *cold = (const char *)feed->series[at + SERIES_AHEAD];
        __builtin_prefetch(cold);
        __builtin_prefetch(cold + offsetof(struct series, hash)); /* to the labels' text */
        __builtin_prefetch(feed->series[at + SERIES_AHEAD / 2]->hot, 1);
    }
}

/* Return: how many samples stood where they stood last time. */
static size_t commit_in_order(struct commit *commit) {
    const struct store_feed *feed = commit->feed;
    const struct batch *batch = commit->batch;
    size_t n = batch->n_samples < feed->n_series ? batch->n_samples : feed->n_series;
    for (size_t i = 0; i < n; i++) {
        fetch_ahead(feed, i, n);
        if (!is_of(feed->series[i], batch, &batch->samples[i])) {
            return i;
        }
        append(commit, feed->series[i], batch->samples[i].value);
    }
    return n;
}

/* Finds or makes the series of a sample that is not where it was expected. NULL: over a limit. */
static struct series *look_up(struct commit *commit, const struct batch_sample *sample) {
    struct store_source *source = commit->feed->source;
    struct series_key key = {
        .name = str_of(sample->metric.name),
        .suffix = sample->suffix,
        .own_text = batch_labels_text(commit->batch, sample->labels),
    };
    uint64_t hash = series_key_hash(&key);
    struct series *series = source_find(source, &key, hash);
    bool room = source->n_live < source->store->options.max_series_per_source;
    if (series == NULL && (room || commit->feed->vital)) {
        series = source_add_series(source, &sample->metric, &key, hash);
    }
    return series;
}

static void add_to_feed(struct store_feed *feed, struct series *series) {
    size_t before = feed->capacity;
    feed->series = mem_grow(feed->series, feed->n_series, &feed->capacity, sizeof(struct series *));
    feed->source->store->numbers.bytes += (feed->capacity - before) * sizeof(struct series *);
    series->feed = feed;
    series->position = (uint32_t)feed->n_series;
    feed->series[feed->n_series++] = series;
}

/* One sample against the rest of the old list, of which *cursor is expected. The old list begins at
 * position from. */
static void commit_sample(struct commit *commit, const struct batch_sample *sample,
                          struct series *const *old, size_t n_old, size_t from, size_t *cursor) {
    struct store_feed *feed = commit->feed;
    struct series *series;
    if (*cursor < n_old && is_of(old[*cursor], commit->batch, sample)) {
        series = old[(*cursor)++];
    } else if ((series = look_up(commit, sample)) == NULL) {
        commit->result.over_limit++;
        return;
    } else if (series->feed == feed && series->hot->seen_round != commit->round) {
        *cursor = series->position - from + 1;
    }
    if (series->hot->seen_round == commit->round ||
        (series->feed != NULL && series->feed != feed)) {
        commit->result.duplicates++;
        return;
    }
    append(commit, series, sample->value);
    if (series_is_live(series)) {
        add_to_feed(feed, series);
    }
}

static void commit_rest(struct commit *commit, size_t from) {
    struct store_feed *feed = commit->feed;
    struct store *store = feed->source->store;
    const size_t n_old = feed->n_series - from;
    size_t cursor = 0;
    if (n_old > store->scratch_capacity) {
        store->scratch = mem_resize(store->scratch, n_old, sizeof(struct series *));
        store->scratch_capacity = n_old;
    }
    if (n_old > 0) {
        memcpy(store->scratch, feed->series + from, n_old * sizeof(struct series *));
    }
    feed->n_series = from;
    for (size_t i = from; i < commit->batch->n_samples; i++) {
        commit_sample(commit, &commit->batch->samples[i], store->scratch, n_old, from, &cursor);
    }
    for (size_t i = 0; i < n_old; i++) {
        if (store->scratch[i]->hot->seen_round != commit->round) {
            source_end_series(store->scratch[i], commit->t_ms);
        }
    }
}

struct store_commit_result store_feed_commit(struct store_feed *feed, const struct batch *batch,
                                             int64_t t_ms) {
    struct store_numbers *numbers = &feed->source->store->numbers;
    struct commit commit = {
        .feed = feed,
        .batch = batch,
        .t_ms = t_ms,
        .round = ++feed->source->round,
    };
    size_t done = commit_in_order(&commit);
    if (done < batch->n_samples || done < feed->n_series) {
        commit_rest(&commit, done);
    }
    numbers->samples_appended += commit.result.appended;
    numbers->samples_duplicate += commit.result.duplicates;
    numbers->samples_out_of_order += commit.result.out_of_order;
    numbers->samples_over_limit += commit.result.over_limit;
    return commit.result;
}
