/* SPDX-License-Identifier: Apache-2.0 */

/* The caches that an application keeps itself, a row each; a cache of two layers has two rows. */
#include "collectors/collector.h"

/* The same text as breakers_state.c: one page has both. */
static const struct query queries[] = {{0, 0, "the page", SHAPE_ROWS, "caches"}, {0}};

static const struct column columns[] = {
    {"app", LABEL, "app"},
    {"entries", GAUGE, "dbvitals_app_cache_entries", "Entries in a cache of an application."},
    {"evictions", COUNTER, "dbvitals_app_cache_evictions_total",
     "Entries that a cache of an application has thrown out."},
    {"hit_ratio", GAUGE, "dbvitals_app_cache_hit_ratio",
     "Share of look-ups in a cache of an application that found something, from 0 to 1, as the "
     "application says."},
    {"hits", COUNTER, "cache_hits_total", "Look-ups of keys that were found."},
    {"layer", LABEL, "layer"},
    {"misses", COUNTER, "cache_misses_total", "Look-ups of keys that were not found."},
    {"name", LABEL, "name"},
    {0},
};

const struct collector collector_breakers_caches = {
    .name = "caches",
    .help = "The caches that an application keeps itself.",
    .kind = KIND_BREAKERS,
    .queries = queries,
    .columns = columns,
};
