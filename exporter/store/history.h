/* SPDX-License-Identifier: Apache-2.0 */

/* The past of series: what was appended within the retention, compressed, and how it is found and
 * read again.
 *
 * Times. All series of a source share the times of its rounds, so these are kept once, in the
 * source's time log: a sorted ring of times with an ever increasing number (tick) each. A series
 * stores for each sample its tick and its value.
 *
 * Values. The newest samples stand in the series' writer, the second half of its 128 hot bytes; in
 * a round nothing else is written. When the writer's tail is full it moves on to the series' open
 * block. Blocks have 128 bytes, come from slabs of the store and are linked oldest first; a full
 * one is never written again. A value that stays the same costs a counter, whole numbers the
 * difference of their differences, anything else the XOR with its predecessor.
 *
 * Limits. What is older than the retention goes, block by block; metrics that rules look further
 * back at have a longer one (store_keep_longer), so that not all must be kept as long. When all
 * blocks together exceed history_bytes, the oldest blocks of all series go first. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/matcher.h"
#include "store/series.h"
#include "store/store.h"

/* Samples of one series in time order; grows as needed. A zeroed one is empty. */
struct sample_buffer {
    int64_t *t_ms;
    double *values;
    size_t n, capacity;
};
void sample_buffer_deinit(struct sample_buffer *buffer);

/* Sets *out to all samples with from_ms < t_ms <= to_ms, oldest first, stale markers among them.
 * The newest one is always there; of a round that is just too old some may be. Return: how many. */
size_t series_read(const struct series *series, int64_t from_ms, int64_t to_ms,
                   struct sample_buffer *out);

/* Series that the matchers select, in no particular order; live ones and those whose past is still
 * kept. Matchers that name a metric by '=' are cheapest. */
struct selection {
    struct series **series;
    size_t n_series, capacity;
};
void selection_deinit(struct selection *selection);

/* Return: 0, or -E2BIG when a regex hit a limit. */
int store_select(const struct store *store, const struct matcher *matchers, size_t n_matchers,
                 struct selection *ret_selection);

/* Changes whenever a selection made before may be wrong: a series that could match was made or
 * freed. Series of a selection are valid while it is the same. */
uint64_t store_series_generation(const struct store *store);

/* Raises or lowers how much past is kept (0: none but the newest sample). */
void store_set_history(struct store *store, int64_t retention_ms, size_t history_bytes);

/* Keeps the past of these metrics (names of series) for so long, if that is more than all others
 * are kept; in place of what was named before. Copies the names. */
void store_keep_longer(struct store *store, const struct str *names, size_t n_names,
                       int64_t retention_ms);

struct history_numbers {
    size_t bytes;            /* blocks, writers and time logs */
    size_t blocks;           /* in use */
    uint64_t samples;        /* appended since the start */
    uint64_t evicted_blocks; /* for history_bytes, before their time */
};
struct history_numbers store_history_numbers(const struct store *store);
