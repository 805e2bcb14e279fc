/* SPDX-License-Identifier: Apache-2.0 */

/* The whole: families, sources and their order, generations, expiry and numbers. */
#include "store/store.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/random.h"
#include "store/private.h"

#define DEFAULT_MAX_FAMILIES 20000
#define DEFAULT_MAX_SERIES   50000
#define DEFAULT_RETENTION_MS ((int64_t)3600 * 1000)
/* Head of the allocation, slot of the map, place in the list. */
#define FAMILY_OVERHEAD_BYTES 56

struct store *store_new(const struct store_options *options) {
    struct store *store = mem_alloc(sizeof(*store));
    store->options = *options;
    if (store->options.max_families == 0) {
        store->options.max_families = DEFAULT_MAX_FAMILIES;
    }
    if (store->options.max_series_per_source == 0) {
        store->options.max_series_per_source = DEFAULT_MAX_SERIES;
    }
    if (store->options.retention_ms == 0) {
        store->options.retention_ms = DEFAULT_RETENTION_MS;
    }
    store->pool = label_pool_new();
    store->boot_id = random_u64();
    store->numbers.bytes = sizeof(*store);
    return store;
}

static void end_feeds(struct store_source *source, int64_t t_ms) {
    while (source->feeds != NULL) {
        store_feed_free(source->feeds, t_ms);
    }
}

static void drop_pages(struct store_source *source) {
    cached_page_clear(&source->page);
    source->joined = joined_block_unref(source->joined);
}

static void destroy_source(struct store_source *source) {
    end_feeds(source, INT64_MAX);
    while (source->stale_first != NULL) {
        source_free_series(source->stale_first);
    }
    drop_pages(source);
    history_forget_log(source);
    source->store->numbers.bytes -= sizeof(*source) + source->joined_labels.len;
    hash_map_deinit(&source->series);
    hash_map_deinit(&source->families);
    free(source->sorted);
    free(source->slabs);
    free(source->lent);
    free(source->hidden_name);
    free(source->lent_text);
    mem_freep(&source->joined_labels.data);
    free(source);
}

static void free_family(struct family *family) {
    if (!family->constant) {
        mem_freep(&family->name);
        mem_freep(&family->help);
    }
    for (size_t i = 0; i < N_METRIC_SUFFIXES; i++) {
        free(family->postings[i].series);
    }
    free(family);
}

struct store *store_free(struct store *store) {
    if (store == NULL) {
        return NULL;
    }
    struct store_source *source;
    for (size_t i = 0; (source = store_nth_source(store, i)) != NULL; i++) {
        destroy_source(source);
    }
    for (size_t i = 0; i < store->n_families; i++) {
        free_family(store->families[i]);
    }
    cached_page_clear(&store->joined);
    hash_map_deinit(&store->families_by_name);
    free(store->families);
    past_free_names(&store->history);
    history_deinit(&store->history);
    free(store->sources);
    free(store->hidden);
    free(store->ended);
    free(store->scratch);
    arena_deinit(&store->arena);
    label_pool_free(store->pool);
    free(store);
    return NULL;
}

/* --- Families --- */

static bool family_has_name(const void *entry, const void *name) {
    return str_is(*(const struct str *)name, ((const struct family *)entry)->name);
}

struct family *store_find_family(const struct store *store, struct str name) {
    return hash_map_get(&store->families_by_name, hash_bytes(name.data, name.len), family_has_name,
                        &name);
}

/* A line feed and a backslash are escaped in HELP. */
static size_t escaped_length(const char *text) {
    size_t length = 0;
    for (const char *c = text; *c != '\0'; c++) {
        length += *c == '\n' || *c == '\\' ? 2 : 1;
    }
    return length;
}

static void add_escaped(struct strbuf *out, const char *text) {
    for (;;) {
        const size_t plain = strcspn(text, "\n\\");
        strbuf_add(out, text, plain);
        text += plain;
        if (*text == '\0') {
            return;
        }
        strbuf_add(out, *text++ == '\n' ? "\\n" : "\\\\", 2);
    }
}

static size_t head_length(const struct family *family) {
    const size_t name = strlen(family->name);
    const size_t help =
        family->help[0] != '\0' ? strlen("# HELP  \n") + name + escaped_length(family->help) : 0;
    return help + strlen("# TYPE  \n") + name + strlen(metric_type_names[family->type]);
}

void family_add_head(const struct family *family, struct strbuf *out) {
    const struct str name = str_of(family->name);
    strbuf_reserve(out, family->head_len + 1);
    if (family->help[0] != '\0') {
        strbuf_add_text(out, "# HELP ");
        strbuf_add_str(out, name);
        strbuf_add_char(out, ' ');
        add_escaped(out, family->help);
        strbuf_add_char(out, '\n');
    }
    strbuf_add_text(out, "# TYPE ");
    strbuf_add_str(out, name);
    strbuf_add_char(out, ' ');
    strbuf_add_text(out, metric_type_names[family->type]);
    strbuf_add_char(out, '\n');
}

static struct family *new_family(const struct batch_metric *metric, uint64_t hash) {
    struct family *family = mem_alloc(sizeof(*family));
    const char *help = metric->help != NULL ? metric->help : "";
    *family = (struct family){
        .name = metric->constant ? metric->name : mem_strdup(metric->name),
        .help = metric->constant ? help : mem_strdup(help),
        .type = metric->type,
        .constant = metric->constant,
        .hash = hash,
    };
    family->head_len = head_length(family);
    return family;
}

struct family *store_family(struct store *store, const struct batch_metric *metric) {
    struct str name = str_of(metric->name);
    struct family *family = store_find_family(store, name);
    if (family != NULL || store->n_families >= store->options.max_families) {
        return family;
    }
    family = new_family(metric, hash_bytes(name.data, name.len));
    family->past = past_of_family(store, family->name);
    hash_map_add(&store->families_by_name, family->hash, family);
    store->families = mem_grow(store->families, store->n_families, &store->families_capacity,
                               sizeof(struct family *));
    store->families[store->n_families++] = family;
    store->families_stale = true;
    store->numbers.bytes += sizeof(*family) + FAMILY_OVERHEAD_BYTES +
                            (family->constant ? 0 : strlen(family->name) + strlen(family->help));
    return family;
}

static int compare_families(const void *a, const void *b) {
    const struct family *const *left = a, *const *right = b;
    return strcmp((*left)->name, (*right)->name);
}

void store_sort_families(struct store *store) {
    if (store->families_stale) {
        qsort(store->families, store->n_families, sizeof(struct family *), compare_families);
        for (size_t i = 0; i < store->n_families; i++) {
            store->families[i]->order = i;
        }
        store->families_stale = false;
    }
}

const struct family *store_family_at(struct store *store, size_t index) {
    store_sort_families(store);
    return store->families[index];
}

/* --- Sources --- */

struct store_source *store_nth_source(const struct store *store, size_t index) {
    if (index < store->n_sources) {
        return store->sources[index];
    }
    index -= store->n_sources;
    if (index < store->n_hidden) {
        return store->hidden[index];
    }
    index -= store->n_hidden;
    return index < store->n_ended ? store->ended[index] : NULL;
}

static struct str target_of(const struct store_source *source) {
    return source->lent[0].value;
}

static void insert_in_order(struct store *store, struct store_source *source) {
    size_t at = store->n_sources;
    store->sources =
        mem_grow(store->sources, at, &store->sources_capacity, sizeof(struct store_source *));
    while (at > 0 && str_compare(target_of(store->sources[at - 1]), target_of(source)) > 0) {
        store->sources[at] = store->sources[at - 1];
        at--;
    }
    store->sources[at] = source;
    store->n_sources++;
}

static struct store_source *take_ended(struct store *store, const struct source_labels *labels) {
    for (size_t i = 0; i < store->n_ended; i++) {
        struct store_source *source = store->ended[i];
        if (source_has_labels(source, labels)) {
            store->ended[i] = store->ended[--store->n_ended];
            return source;
        }
    }
    return NULL;
}

struct store_source *store_source_new(struct store *store, const struct source_labels *labels) {
    struct store_source *source = take_ended(store, labels);
    if (source == NULL) {
        source = mem_alloc(sizeof(*source));
        source->store = store;
        source_copy_labels(source, labels);
        store->numbers.bytes += sizeof(*source) + source->joined_labels.len;
    }
    if (source->hidden_name != NULL) {
        store->hidden = mem_grow(store->hidden, store->n_hidden, &store->hidden_capacity,
                                 sizeof(struct store_source *));
        store->hidden[store->n_hidden++] = source;
        return source;
    }
    /* Numbers are never used twice, so that a page of another source with the name is not taken
     * for one of this. */
    source->generation = ++store->generation;
    insert_in_order(store, source);
    return source;
}

static void remove_hidden(struct store *store, const struct store_source *source) {
    for (size_t i = 0; i < store->n_hidden; i++) {
        if (store->hidden[i] == source) {
            store->hidden[i] = store->hidden[--store->n_hidden];
            return;
        }
    }
}

static void remove_from_order(struct store *store, const struct store_source *source) {
    for (size_t i = 0; i < store->n_sources; i++) {
        if (store->sources[i] == source) {
            store->n_sources--;
            memmove(&store->sources[i], &store->sources[i + 1],
                    (store->n_sources - i) * sizeof(struct store_source *));
            return;
        }
    }
}

void store_source_free(struct store *store, struct store_source *source, int64_t t_ms) {
    end_feeds(source, t_ms);
    drop_pages(source);
    if (source->hidden_name != NULL) {
        remove_hidden(store, source);
    } else {
        remove_from_order(store, source);
        store->generation++;
    }
    if (source->n_stale == 0) {
        destroy_source(source);
        return;
    }
    store->ended = mem_grow(store->ended, store->n_ended, &store->ended_capacity,
                            sizeof(struct store_source *));
    store->ended[store->n_ended++] = source;
}

void store_publish(struct store_source *source) {
    if (source->changed && source->hidden_name == NULL) {
        source->generation = ++source->store->generation;
    }
    source->changed = false;
}

/* A series outlives its past. */
static void expire_source(struct store_source *source, int64_t now_ms) {
    const struct store *store = source->store;
    const int64_t past_ms = past_of_source_ms(source);
    const int64_t retention_ms =
        store->options.retention_ms > past_ms ? store->options.retention_ms : past_ms;
    const int64_t until_ms = now_ms < INT64_MIN + retention_ms ? INT64_MIN : now_ms - retention_ms;
    struct series *oldest;
    while ((oldest = source->stale_first) != NULL && oldest->hot->t_ms <= until_ms) {
        source_free_series(oldest);
    }
}

void store_expire(struct store *store, int64_t now_ms) {
    history_expire(store, now_ms);
    for (size_t i = 0; i < store->n_sources; i++) {
        expire_source(store->sources[i], now_ms);
    }
    for (size_t i = 0; i < store->n_hidden; i++) {
        expire_source(store->hidden[i], now_ms);
    }
    for (size_t i = 0; i < store->n_ended;) {
        struct store_source *source = store->ended[i];
        expire_source(source, now_ms);
        if (source->n_stale == 0) {
            destroy_source(source);
            store->ended[i] = store->ended[--store->n_ended];
        } else {
            i++;
        }
    }
}

/* --- Questions --- */

struct store_numbers store_numbers(const struct store *store) {
    struct store_numbers numbers = store->numbers;
    numbers.sources = store->n_sources;
    numbers.families = store->n_families;
    numbers.bytes += label_pool_bytes(store->pool);
    return numbers;
}

size_t store_most_series(const struct store *store) {
    return store->options.max_series_per_source;
}

size_t store_source_series(const struct store_source *source) {
    return source->n_live;
}

const struct label_pool *store_label_pool(const struct store *store) {
    return store->pool;
}

static bool is_group_of(const void *entry, const void *key) {
    return ((const struct source_family *)entry)->family == key;
}

static bool source_has_family(const struct store_source *source, struct str name) {
    const struct family *family = store_find_family(source->store, name);
    const struct source_family *group =
        family != NULL ? hash_map_get(&source->families, family->hash, is_group_of, family) : NULL;
    return group != NULL && group->first != NULL;
}

static bool source_has_metric(const struct store_source *source, struct str metric) {
    for (int suffix = SUFFIX_NONE; suffix <= SUFFIX_COUNT; suffix++) {
        struct str ending = str_of(metric_suffix_names[suffix]);
        struct str name = {metric.data, metric.len - ending.len};
        if (metric.len > ending.len && memcmp(name.data + name.len, ending.data, ending.len) == 0 &&
            source_has_family(source, name)) {
            return true;
        }
    }
    return false;
}

bool store_has_metric(const struct store *store, const char *target, struct str metric) {
    for (size_t i = 0; i < store->n_sources; i++) {
        const struct store_source *source = store->sources[i];
        if (str_is(target_of(source), target)) {
            return source_has_metric(source, metric);
        }
    }
    return false;
}

const struct series *store_find(const struct store_source *source, const char *name,
                                const char *own_labels) {
    struct series_key key = {str_of(name), SUFFIX_NONE, str_of(own_labels)};
    const struct series *series = source_find(source, &key, series_key_hash(&key));
    return series != NULL && series_is_live(series) ? series : NULL;
}
