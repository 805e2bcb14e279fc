/* SPDX-License-Identifier: Apache-2.0 */

#include "circuits/pool_pressure.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>

#include "base/duration.h"
#include "base/hash.h"
#include "base/mem.h"
#include "store/history.h"

#define CONSOLE "pgbouncer" /* its own database */

/* ---- reading ---- */

/* A label's name as a number of the store's texts, and the name that it has where a label of the
 * target moved it aside. */
struct label_name {
    uint32_t plain, moved;
    bool has_plain, has_moved;
};

struct named_pool {
    struct str database, user;
    struct pool_state *state;
};

/* What SHOW DATABASES says of all pools of a database. */
struct named_size {
    struct str name;
    double size;
};

struct reading {
    const struct store *store;
    const struct store_source *source;
    struct label_name database, user, name;
    struct named_size *sizes;
    size_t n_sizes;
    struct named_pool *pools;
    struct pool_state *states;
    size_t n;
    struct hash_map sizes_by_name, by_name;
};

static struct label_name name_of(const struct store *store, const char *plain, const char *moved) {
    const struct label_pool *texts = store_label_pool(store);
    struct label_name name = {0};
    name.has_plain = label_pool_find(texts, str_of(plain), &name.plain);
    name.has_moved = label_pool_find(texts, str_of(moved), &name.moved);
    return name;
}

/* The pooler's own label. */
static struct str own_label(const struct reading *reading, const struct series *series,
                            const struct label_name *name) {
    const struct label_pool *texts = store_label_pool(reading->store);
    struct str value = str_of("");
    for (size_t i = 0; i < series->labels->n_pairs; i++) {
        const struct label_pair *pair = &series->labels->pairs[i];
        if (name->has_moved && pair->name == name->moved) {
            return label_pool_text(texts, pair->value);
        }
        if (name->has_plain && pair->name == name->plain) {
            value = label_pool_text(texts, pair->value);
        }
    }
    return value;
}

static struct named_pool pool_of(const struct reading *reading, const struct series *series) {
    return (struct named_pool){
        .database = own_label(reading, series, &reading->database),
        .user = own_label(reading, series, &reading->user),
    };
}

/* The live series of a metric of the source. *ret is the caller's. Return: how many. */
static size_t select_series(const struct reading *reading, const char *metric,
                            struct series ***ret) {
    const struct matcher name = {
        .type = MATCH_EQUAL, .name = str_of("__name__"), .value = str_of(metric)};
    struct selection selection = {0};
    size_t n = 0;
    if (store_select(reading->store, &name, 1, &selection) < 0) {
        selection.n_series = 0;
    }
    for (size_t i = 0; i < selection.n_series; i++) {
        if (selection.series[i]->source == reading->source && series_is_live(selection.series[i])) {
            selection.series[n++] = selection.series[i];
        }
    }
    *ret = selection.series;
    return n < POOL_PRESSURE_MOST_POOLS ? n : POOL_PRESSURE_MOST_POOLS;
}

static uint64_t hash_of(struct str text) {
    return hash_bytes(text.data, text.len);
}

static bool has_size(const void *entry, const void *key) {
    return str_equal(((const struct named_size *)entry)->name, *(const struct str *)key);
}

static void read_sizes(struct reading *reading) {
    struct series **series;
    size_t n = select_series(reading, "pgbouncer_databases_pool_size", &series);
    reading->sizes = mem_array(n + 1, sizeof(*reading->sizes));
    for (size_t i = 0; i < n; i++) {
        struct named_size *size = &reading->sizes[i];
        *size = (struct named_size){own_label(reading, series[i], &reading->name),
                                    series[i]->hot->value};
        hash_map_add(&reading->sizes_by_name, hash_of(size->name), size);
    }
    free(series);
}

static uint64_t hash_of_pool(const struct named_pool *pool) {
    return hash_combine(hash_of(pool->database), hash_of(pool->user));
}

static bool same_pool(const void *entry, const void *key) {
    const struct named_pool *a = entry, *b = key;
    return str_equal(a->database, b->database) && str_equal(a->user, b->user);
}

static void read_used(struct reading *reading) {
    struct series **series;
    size_t n = select_series(reading, "pgbouncer_pools_server_active_connections", &series);
    reading->pools = mem_array(n + 1, sizeof(*reading->pools));
    reading->states = mem_array(n + 1, sizeof(*reading->states));
    for (size_t i = 0; i < n; i++) {
        struct named_pool *pool = &reading->pools[reading->n];
        struct pool_state *state = &reading->states[reading->n];
        *pool = pool_of(reading, series[i]);
        if (!str_is(pool->database, CONSOLE)) {
            const struct named_size *size = hash_map_get(
                &reading->sizes_by_name, hash_of(pool->database), has_size, &pool->database);
            pool->state = state;
            state->used = series[i]->hot->value;
            state->size = size != NULL ? size->size : 0;
            hash_map_add(&reading->by_name, hash_of_pool(pool), pool);
            reading->n++;
        }
    }
    free(series);
}

/* Another figure of the same pools; offset: where it goes in a struct pool_state. */
static void read_more(const struct reading *reading, const char *metric, size_t offset) {
    struct series **series;
    size_t n = select_series(reading, metric, &series);
    for (size_t i = 0; i < n; i++) {
        const struct named_pool key = pool_of(reading, series[i]);
        const struct named_pool *pool =
            hash_map_get(&reading->by_name, hash_of_pool(&key), same_pool, &key);
        if (pool != NULL) {
            *(double *)(void *)((char *)pool->state + offset) = series[i]->hot->value;
        }
    }
    free(series);
}

size_t pool_pressure_read(const struct store *store, const struct store_source *source,
                          struct pool_state **ret) {
    struct reading reading = {
        .store = store,
        .source = source,
        .database = name_of(store, "database", "exported_database"),
        .user = name_of(store, "user", "exported_user"),
        .name = name_of(store, "name", "exported_name"),
    };
    read_sizes(&reading);
    read_used(&reading);
    read_more(&reading, "pgbouncer_pools_client_waiting_connections",
              offsetof(struct pool_state, waiting));
    read_more(&reading, "pgbouncer_pools_client_maxwait_seconds",
              offsetof(struct pool_state, wait_sec));
    hash_map_deinit(&reading.sizes_by_name);
    hash_map_deinit(&reading.by_name);
    free(reading.sizes);
    free(reading.pools);
    *ret = reading.states;
    return reading.n;
}

/* ---- judging ---- */

static double utilisation_of(const struct pool_state *pool) {
    return pool->size >= 1 ? pool->used / pool->size : (double)NAN;
}

static unsigned waiting_of(const struct pool_state *pool) {
    return pool->waiting > 0 ? (unsigned)fmin(pool->waiting, (double)UINT_MAX) : 0;
}

static uint64_t wait_of(const struct pool_state *pool) {
    return pool->wait_sec > 0 ? (uint64_t)(fmin(pool->wait_sec, 1e9) * (double)USEC_PER_SEC) : 0;
}

struct circuit_pressure pool_pressure_of(const struct pool_state *pools, size_t count,
                                         uint64_t minimum_wait_usec) {
    /* Without pools nobody uses any. */
    struct circuit_pressure worst = {.utilisation = count > 0 ? (double)NAN : 0};
    bool long_enough = false; /* the queue that stands in worst */
    for (size_t i = 0; i < count; i++) {
        worst.utilisation = fmax(worst.utilisation, utilisation_of(&pools[i]));
        bool counts = wait_of(&pools[i]) >= minimum_wait_usec;
        bool longer = waiting_of(&pools[i]) > worst.waiting;
        if ((counts && !long_enough && waiting_of(&pools[i]) > 0) ||
            (counts == long_enough && longer)) {
            worst.waiting = waiting_of(&pools[i]);
            worst.longest_wait_usec = wait_of(&pools[i]);
            long_enough = counts;
        }
    }
    return worst;
}
