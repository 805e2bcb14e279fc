/* SPDX-License-Identifier: Apache-2.0 */

#include "sampler/app_page.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <strings.h>

#include "base/mem.h"
#include "base/number.h"
#include "sampler/app_book.h"

/* Seconds since 1970 have ten digits, milliseconds thirteen. */
#define MILLISECONDS_FROM 1e11

/* ---- the book ---- */

static bool breaker_is(const void *entry, const void *key) {
    return str_equal(((const struct app_breaker *)entry)->name, *(const struct str *)key);
}

int app_book_breaker(struct app_book *book, struct str name, struct app_breaker **ret,
                     struct error *err) {
    uint64_t hash = hash_bytes(name.data, name.len);
    struct app_breaker *breaker = hash_map_get(&book->breakers_by_name, hash, breaker_is, &name);
    if (breaker == NULL) {
        if (book->n_breakers == APP_MOST_BREAKERS) {
            return error_say(err, -E2BIG, "it tells of more than %d breakers", APP_MOST_BREAKERS);
        }
        breaker = arena_alloc(book->arena, sizeof(*breaker));
        *breaker = (struct app_breaker){
            .name = name,
            .failure_rate = (double)NAN,
            .failed_calls = (double)NAN,
            .last_failure = (double)NAN,
            .ejected_hosts = (double)NAN,
        };
        book->breakers[book->n_breakers++] = breaker;
        hash_map_add(&book->breakers_by_name, hash, breaker);
    }
    *ret = breaker;
    return 0;
}

static bool cache_is(const void *entry, const void *key) {
    const struct app_cache *a = entry, *b = key;
    return str_equal(a->name, b->name) && str_equal(a->layer, b->layer);
}

int app_book_cache(struct app_book *book, struct str name, struct str layer, struct app_cache **ret,
                   struct error *err) {
    const struct app_cache key = {.name = name, .layer = layer};
    uint64_t hash =
        hash_combine(hash_bytes(name.data, name.len), hash_bytes(layer.data, layer.len));
    struct app_cache *cache = hash_map_get(&book->caches_by_name, hash, cache_is, &key);
    if (cache == NULL) {
        if (book->n_caches == APP_MOST_CACHES) {
            return error_say(err, -E2BIG, "it tells of more than %d caches", APP_MOST_CACHES);
        }
        cache = arena_alloc(book->arena, sizeof(*cache));
        *cache = (struct app_cache){
            .name = name,
            .layer = layer,
            .hits = (double)NAN,
            .misses = (double)NAN,
            .entries = (double)NAN,
            .evictions = (double)NAN,
            .hit_ratio = (double)NAN,
        };
        book->caches[book->n_caches++] = cache;
        hash_map_add(&book->caches_by_name, hash, cache);
    }
    *ret = cache;
    return 0;
}

/* "HALF_OPEN", "half-open" and "HalfOpen" are one word. */
static bool is_word(struct str text, const char *word) {
    size_t i = 0;
    for (const char *w = word; *w != '\0'; w++) {
        if (*w == '_') {
            i += i < text.len && strchr("_- ", text.data[i]) != NULL ? 1 : 0;
        } else if (i == text.len || (text.data[i] | 0x20) != *w) {
            return false;
        } else {
            i++;
        }
    }
    return i == text.len;
}

static bool is_given_word(struct str text, const char *word) {
    return text.len == strlen(word) && strncasecmp(text.data, word, text.len) == 0;
}

void app_book_state(const struct app_options *options, struct str word,
                    struct app_breaker *breaker) {
    static const enum app_state numbers[] = {APP_CLOSED, APP_OPEN, APP_HALF_OPEN};
    double number;
    breaker->state = word;
    if (word.data == NULL) {
        return;
    }
    for (size_t i = 0; options != NULL && i < options->n_words; i++) {
        if (is_given_word(word, options->words[i].word)) {
            breaker->state = str_of(app_state_names[options->words[i].state]);
            return;
        }
    }
    for (size_t i = 0; i < APP_STATE_COUNT; i++) {
        if (is_word(word, app_state_names[i])) {
            breaker->state = str_of(app_state_names[i]);
            return;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        if (str_to_double(word, &number) && number == (double)i) {
            breaker->state = str_of(app_state_names[numbers[i]]);
        }
    }
}

double app_share(struct str text, bool percent) {
    double value;
    text = str_trim(text);
    if (text.len > 0 && text.data[text.len - 1] == '%') {
        percent = true;
        text = str_trim((struct str){text.data, text.len - 1});
    }
    if (!str_to_double(text, &value) || !(value >= 0)) {
        return (double)NAN;
    }
    return percent ? value / 100 : value;
}

double app_time(struct str text) {
    double value;
    if (!str_to_double(str_trim(text), &value) || !(value > 0)) {
        return (double)NAN;
    }
    return value >= MILLISECONDS_FROM ? value / 1000 : value;
}

/* ---- tables ---- */

static struct str number_cell(struct arena *arena, double value) {
    char text[NUMBER_TEXT_SIZE];
    if (!isfinite(value)) {
        return (struct str){0};
    }
    size_t len = number_format(value, text);
    return arena_dup(arena, (struct str){text, len});
}

static const struct table *new_table(struct arena *arena, const struct str *columns,
                                     size_t n_columns, struct str *cells, size_t n_rows) {
    struct table *table = arena_alloc(arena, sizeof(*table));
    *table = (struct table){columns, cells, n_columns, n_rows};
    return table;
}

#define COLUMN(text)                                                                               \
    { text, sizeof(text) - 1 }

static const struct table *breakers_of(const struct app_book *book, struct str app) {
    static const struct str columns[] = {COLUMN("app"),          COLUMN("name"),
                                         COLUMN("state"),        COLUMN("failure_rate"),
                                         COLUMN("failed_calls"), COLUMN("last_failure"),
                                         COLUMN("ejected_hosts")};
    struct arena *arena = book->arena;
    struct str *cells = arena_array(arena, book->n_breakers * ARRAY_LEN(columns), sizeof(*cells));
    for (size_t i = 0; i < book->n_breakers; i++) {
        const struct app_breaker *breaker = book->breakers[i];
        struct str *row = cells + i * ARRAY_LEN(columns);
        row[0] = app;
        row[1] = breaker->name;
        row[2] = breaker->state;
        row[3] = number_cell(arena, breaker->failure_rate);
        row[4] = number_cell(arena, breaker->failed_calls);
        row[5] = number_cell(arena, breaker->last_failure);
        row[6] = number_cell(arena, breaker->ejected_hosts);
    }
    return new_table(arena, columns, ARRAY_LEN(columns), cells, book->n_breakers);
}

static const struct table *caches_of(const struct app_book *book, struct str app,
                                     bool service_names) {
    static const struct str columns[] = {COLUMN("app"),       COLUMN("name"),     COLUMN("layer"),
                                         COLUMN("entries"),   COLUMN("hits"),     COLUMN("misses"),
                                         COLUMN("evictions"), COLUMN("hit_ratio")};
    struct arena *arena = book->arena;
    struct str *cells = arena_array(arena, book->n_caches * ARRAY_LEN(columns), sizeof(*cells));
    for (size_t i = 0; i < book->n_caches; i++) {
        const struct app_cache *cache = book->caches[i];
        struct str *row = cells + i * ARRAY_LEN(columns);
        row[0] = app;
        row[1] = cache->name;
        row[2] = cache->layer;
        row[3] = number_cell(arena, cache->entries);
        row[4] = number_cell(arena, service_names ? cache->hits : (double)NAN);
        row[5] = number_cell(arena, service_names ? cache->misses : (double)NAN);
        row[6] = number_cell(arena, cache->evictions);
        row[7] = number_cell(arena, cache->hit_ratio);
    }
    return new_table(arena, columns, ARRAY_LEN(columns), cells, book->n_caches);
}

/* ---- the page ---- */

static int read_any(const struct app_options *options, const struct client_reply *reply,
                    struct app_book *book, struct error *err) {
    const struct tree *tree = reply->tree;
    if (tree != NULL && options->format == APP_REDIS && tree->type == TREE_LIST) {
        return app_read_redis(options, tree, book, err);
    }
    if (tree == NULL || options->format == APP_REDIS || tree->type != TREE_TEXT) {
        return error_say(err, -EPROTO, "the answer has an unexpected form");
    }
    switch (options->format) {
    case APP_RESILIENCE4J:
        return app_read_resilience4j(tree->text, book, err);
    case APP_JSON:
        return app_read_json(options, tree->text, book, err);
    default:
        return app_read_text(options->format, tree->text, book, err);
    }
}

int app_page_read(const struct app_options *options, struct str app, bool service_names,
                  const struct client_reply *reply, struct arena *arena,
                  const struct app_page **ret, struct error *err) {
    struct app_book *book = mem_alloc(sizeof(*book));
    book->arena = arena;
    int r = read_any(options, reply, book, err);
    if (r == 0) {
        struct app_page *page = arena_alloc(arena, sizeof(*page));
        page->breakers = breakers_of(book, app);
        page->caches = caches_of(book, app, service_names);
        *ret = page;
    }
    hash_map_deinit(&book->breakers_by_name);
    hash_map_deinit(&book->caches_by_name);
    free(book);
    return r;
}
