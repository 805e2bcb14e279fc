/* SPDX-License-Identifier: Apache-2.0 */

/* The series of one source: made, found, revived, ended and freed; their labels and their places
 * in the slabs. */
#include <stdlib.h>

#include "base/mem.h"
#include "store/private.h"

/* Heads of allocations and slots of maps, besides the structs themselves. */
#define SERIES_OVERHEAD_BYTES 72
#define CLASH_PREFIX          "exported_"

/* --- Labels --- */

static bool is_lent(const struct label *lent, size_t n_lent, struct str name) {
    for (size_t i = 0; i < n_lent; i++) {
        if (str_equal(lent[i].name, name)) {
            return true;
        }
    }
    return false;
}

/* The first of equal names counts, and empty values are no labels. */
static void lend(struct store_source *source, const char *name, size_t name_len, struct str value) {
    struct str view = {name, name_len};
    if (value.len != 0 && !is_lent(source->lent, source->n_lent, view)) {
        source->lent[source->n_lent++] = (struct label){view, value};
    }
}

/* Extra labels under these names would hide what the daemon itself says. */
static bool is_reserved(struct str name) {
    return str_is(name, "instance") || str_is(name, "job") || str_is(name, "__name__");
}

static size_t collect_lent(struct store_source *source, const struct source_labels *labels) {
    source->lent = mem_array(labels->n_extra + 4, sizeof(*source->lent));
    lend(source, "target", 6, labels->target);
    lend(source, "cluster", 7, labels->cluster);
    for (size_t i = 0; i < labels->n_extra; i++) {
        if (!is_reserved(labels->extra[i].name)) {
            lend(source, labels->extra[i].name.data, labels->extra[i].name.len,
                 labels->extra[i].value);
        }
    }
    source->n_exposed = source->n_lent;
    lend(source, "instance", 8, labels->instance);
    lend(source, "job", 3, labels->job);
    size_t bytes = 0;
    for (size_t i = 0; i < source->n_lent; i++) {
        bytes += source->lent[i].name.len + source->lent[i].value.len;
    }
    return bytes;
}

static struct str move_text(char **to, struct str text) {
    struct str moved = {*to, text.len};
    memcpy(*to, text.data, text.len);
    *to += text.len;
    return moved;
}

void source_copy_labels(struct store_source *source, const struct source_labels *labels) {
    if (labels->hidden) {
        source->hidden_name = mem_strndup(labels->target.data, labels->target.len);
        return;
    }
    char *to = source->lent_text = mem_alloc(collect_lent(source, labels));
    for (size_t i = 0; i < source->n_lent; i++) {
        source->lent[i].name = move_text(&to, source->lent[i].name);
        source->lent[i].value = move_text(&to, source->lent[i].value);
    }
    struct batch batch = {.max_label_bytes = SIZE_MAX};
    batch_add_labels(&batch, source->lent, source->n_exposed);
    source->joined_labels.len = batch.text.len;
    source->joined_labels.data = strbuf_take(&batch.text);
    batch_deinit(&batch);
}

bool source_has_labels(const struct store_source *source, const struct source_labels *labels) {
    struct store_source other = {0};
    if (labels->hidden || source->hidden_name != NULL) {
        return labels->hidden && source->hidden_name != NULL &&
               str_is(labels->target, source->hidden_name);
    }
    collect_lent(&other, labels);
    bool same = other.n_lent == source->n_lent && other.n_exposed == source->n_exposed;
    for (size_t i = 0; same && i < source->n_lent; i++) {
        same = str_equal(source->lent[i].name, other.lent[i].name) &&
               str_equal(source->lent[i].value, other.lent[i].value);
    }
    free(other.lent);
    return same;
}

/* Cuts what stands between quotes off *rest, and the character behind it. */
static struct str cut_quoted(struct str *rest) {
    size_t end = 1;
    while (end < rest->len && rest->data[end] != '"') {
        end += rest->data[end] == '\\' ? 2 : 1;
    }
    struct str text = {rest->data + 1, end - 1};
    size_t used = end + 1 < rest->len ? end + 2 : rest->len;
    rest->data += used;
    rest->len -= used;
    return text;
}

static struct str unescape(struct arena *arena, struct str text) {
    if (memchr(text.data, '\\', text.len) == NULL) {
        return text;
    }
    char *out = arena_alloc(arena, text.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '\\' && i + 1 < text.len) {
            c = text.data[++i] == 'n' ? '\n' : text.data[i];
        }
        out[len++] = c;
    }
    return (struct str){out, len};
}

/* Cuts one name="value" off *rest; the value stays as it stands there. */
static struct label cut_label(struct arena *arena, struct str *rest) {
    struct label label;
    label.name = rest->data[0] == '"' ? unescape(arena, cut_quoted(rest)) : str_cut(rest, '=');
    label.value = cut_quoted(rest);
    return label;
}

/* A name that neither the source nor the series itself uses, as Prometheus makes it. */
static struct str resolve_clash(struct arena *arena, const struct label *own, size_t n_own,
                                const struct label *lent, size_t n_lent, struct str name) {
    const size_t prefix = sizeof(CLASH_PREFIX) - 1;
    do {
        char *longer = arena_alloc(arena, prefix + name.len + 1);
        memcpy(longer, CLASH_PREFIX, prefix);
        memcpy(longer + prefix, name.data, name.len);
        name = (struct str){longer, prefix + name.len};
    } while (is_lent(lent, n_lent, name) || is_lent(own, n_own, name));
    return name;
}

/* Return: whether a label had to be renamed. */
static bool resolve_clashes(struct arena *arena, struct label *own, size_t n_own,
                            const struct label *lent, size_t n_lent) {
    bool renamed = false;
    for (size_t i = 0; i < n_own; i++) {
        if (is_lent(lent, n_lent, own[i].name)) {
            own[i].name = resolve_clash(arena, own, n_own, lent, n_lent, own[i].name);
            renamed = true;
        }
    }
    return renamed;
}

/* Own labels as they stand on the joined page; values are still escaped. */
static char *join_text(const struct label *own, size_t n_own) {
    struct strbuf text = {0};
    for (size_t i = 0; i < n_own; i++) {
        strbuf_add_text(&text, i > 0 ? "," : "");
        batch_write_name(&text, own[i].name);
        strbuf_add(&text, "=\"", 2);
        strbuf_add_str(&text, own[i].value);
        strbuf_add_char(&text, '"');
    }
    return strbuf_take(&text);
}

/* Sets labels and joined_text. */
static void make_labels(struct store_source *source, struct series *series) {
    struct arena *arena = &source->store->arena;
    struct label own[BATCH_MAX_LABELS];
    struct str rest = {series->own_text, series->own_text_len};
    size_t n_own = 0;
    while (rest.len > 0 && n_own < BATCH_MAX_LABELS) {
        own[n_own++] = cut_label(arena, &rest);
    }
    if (resolve_clashes(arena, own, n_own, source->lent, source->n_exposed)) {
        series->joined_text = join_text(own, n_own);
    }
    resolve_clashes(arena, own, n_own, source->lent, source->n_lent);

    struct strbuf name = {0};
    strbuf_add_text(&name, series->family->name);
    strbuf_add_text(&name, metric_suffix_names[series->suffix]);
    struct label *all = arena_array(arena, 1 + source->n_lent + n_own, sizeof(*all));
    size_t n = 0;
    all[n++] = (struct label){str_of("__name__"), strbuf_view(&name)};
    for (size_t i = 0; i < source->n_lent; i++) {
        all[n++] = source->lent[i];
    }
    for (size_t i = 0; i < n_own; i++) {
        all[n++] = (struct label){own[i].name, unescape(arena, own[i].value)};
    }
    series->labels = label_set_new(source->store->pool, all, n);
    strbuf_deinit(&name);
    arena_reset(arena);
}

/* --- Places in slabs --- */

static size_t place_size(const struct store_source *source) {
    return source->store->history.retention_ms > 0 ? sizeof(struct hot_place)
                                                   : sizeof(struct series_hot);
}

static struct series_hot *place_at(const struct store_source *source, uint32_t place) {
    char *places = source->slabs[place / SLAB_PLACES].places;
    return (struct series_hot *)(void *)(places + place % SLAB_PLACES * place_size(source));
}

/* The writers among the bytes of a slab belong to the history. */
static void fill_slab(struct store_source *source, struct hot_slab *slab) {
    const size_t size = place_size(source);
    slab->places = mem_aligned(sizeof(struct series_hot), SLAB_PLACES * size);
    source->store->history.writer_bytes += SLAB_PLACES * (size - sizeof(struct series_hot));
}

static void take_place(struct store_source *source, struct series *series) {
    size_t at = source->free_slab;
    while (at < source->n_slabs && source->slabs[at].used == UINT16_MAX) {
        at++;
    }
    source->free_slab = at;
    if (at == source->n_slabs) {
        source->slabs =
            mem_grow(source->slabs, at, &source->slabs_capacity, sizeof(*source->slabs));
        source->slabs[source->n_slabs++] = (struct hot_slab){0};
    }
    struct hot_slab *slab = &source->slabs[at];
    if (slab->places == NULL) {
        fill_slab(source, slab);
        source->store->numbers.bytes += SLAB_PLACES * sizeof(struct series_hot);
    }
    unsigned place = (unsigned)__builtin_ctz(~(unsigned)slab->used);
    slab->used |= (uint16_t)(1U << place);
    series->place = (uint32_t)(at * SLAB_PLACES + place);
    series->hot = place_at(source, series->place);
    *series->hot = (struct series_hot){.t_ms = INT64_MIN};
}

/* The writer has been emptied before. */
static void release_place(struct store_source *source, const struct series *series) {
    size_t at = series->place / SLAB_PLACES;
    struct hot_slab *slab = &source->slabs[at];
    slab->used &= (uint16_t) ~(1U << series->place % SLAB_PLACES);
    if (slab->used == 0) {
        free(slab->places);
        slab->places = NULL;
        source->store->numbers.bytes -= SLAB_PLACES * sizeof(struct series_hot);
        source->store->history.writer_bytes -=
            SLAB_PLACES * (place_size(source) - sizeof(struct series_hot));
    }
    if (at < source->free_slab) {
        source->free_slab = at;
    }
}

void source_change_writers(struct store_source *source) {
    struct hot_slab *slabs = mem_array(source->n_slabs, sizeof(*slabs));
    struct series *series;
    for (size_t i = 0; i < source->n_slabs; i++) {
        slabs[i] = source->slabs[i];
        if (slabs[i].places != NULL) {
            fill_slab(source, &source->slabs[i]);
        }
    }
    for (size_t cursor = 0; (series = hash_map_next(&source->series, &cursor)) != NULL;) {
        struct series_hot *to = place_at(source, series->place);
        *to = *series->hot;
        series->hot = to;
    }
    for (size_t i = 0; i < source->n_slabs; i++) {
        free(slabs[i].places);
    }
    free(slabs);
}

/* --- Lists --- */

static void list_append(struct series **first, struct series **last, struct series *series) {
    series->prev = *last;
    series->next = NULL;
    *(*last != NULL ? &(*last)->next : first) = series;
    *last = series;
}

static void list_remove(struct series **first, struct series **last, struct series *series) {
    *(series->prev != NULL ? &series->prev->next : first) = series->next;
    *(series->next != NULL ? &series->next->prev : last) = series->prev;
    series->prev = series->next = NULL;
}

static void enter_stale(struct store_source *source, struct series *series) {
    list_append(&source->stale_first, &source->stale_last, series);
    source->n_stale++;
    source->store->numbers.stale_series++;
}

static void leave_stale(struct store_source *source, struct series *series) {
    list_remove(&source->stale_first, &source->stale_last, series);
    source->n_stale--;
    source->store->numbers.stale_series--;
}

void source_revive_series(struct series *series) {
    struct store_source *source = series->source;
    struct store *store = source->store;
    leave_stale(source, series);
    list_append(&series->group->first, &series->group->last, series);
    source->n_live++;
    series_text_changes(series);
    store->numbers.series++;
    if (source->hidden_name == NULL && series->family->n_live++ == 0) {
        store->head_bytes += series->family->head_len;
    }
}

void source_end_series(struct series *series, int64_t t_ms) {
    struct store_source *source = series->source;
    struct store *store = source->store;
    const double marker = series_stale_marker();
    if (series_append(series, t_ms, marker) == SERIES_E_OUT_OF_ORDER &&
        series->hot->t_ms != INT64_MAX) {
        series_append(series, series->hot->t_ms + 1, marker);
    }
    list_remove(&series->group->first, &series->group->last, series);
    series->feed = NULL;
    source->n_live--;
    series_text_changes(series);
    store->numbers.series--;
    if (source->hidden_name == NULL && --series->family->n_live == 0) {
        store->head_bytes -= series->family->head_len;
    }
    enter_stale(source, series);
}

/* --- Families of the source --- */

static bool is_of_family(const void *entry, const void *key) {
    return ((const struct source_family *)entry)->family == key;
}

static struct source_family *get_group(struct store_source *source, struct family *family) {
    struct source_family *group =
        hash_map_get(&source->families, family->hash, is_of_family, family);
    if (group == NULL) {
        group = mem_alloc(sizeof(*group));
        group->family = family;
        source->has_long |= family->past == PAST_LONG;
        hash_map_add(&source->families, family->hash, group);
        source->sorted_stale = true;
        source->store->numbers.bytes += sizeof(*group) + SERIES_OVERHEAD_BYTES;
    }
    return group;
}

static void leave_group(struct store_source *source, struct source_family *group) {
    if (--group->n_series == 0) {
        hash_map_remove(&source->families, group->family->hash, group);
        source->sorted_stale = true;
        source->store->numbers.bytes -= sizeof(*group) + SERIES_OVERHEAD_BYTES;
        free(group);
    }
}

static int compare_groups(const void *a, const void *b) {
    const struct source_family *const *left = a, *const *right = b;
    return ((*left)->family->order > (*right)->family->order) -
           ((*left)->family->order < (*right)->family->order);
}

struct source_family **source_sorted_families(struct store_source *source) {
    store_sort_families(source->store);
    if (source->sorted_stale) {
        size_t n = source->families.n_entries, i = 0, cursor = 0;
        if (n > source->sorted_capacity) {
            source->sorted = mem_resize(source->sorted, n, sizeof(struct source_family *));
            source->sorted_capacity = n;
        }
        for (struct source_family *group;
             (group = hash_map_next(&source->families, &cursor)) != NULL;) {
            source->sorted[i++] = group;
        }
        if (n > 0) {
            qsort(source->sorted, n, sizeof(struct source_family *), compare_groups);
        }
        source->sorted_stale = false;
    }
    return source->sorted;
}

/* --- Series --- */

uint64_t series_key_hash(const struct series_key *key) {
    return hash_combine(hash_bytes(key->own_text.data, key->own_text.len),
                        hash_bytes(key->name.data, key->name.len) + (uint64_t)key->suffix);
}

static bool has_key(const void *entry, const void *wanted) {
    const struct series *series = entry;
    const struct series_key *key = wanted;
    return series->suffix == key->suffix &&
           str_equal((struct str){series->own_text, series->own_text_len}, key->own_text) &&
           str_is(key->name, series->family->name);
}

struct series *source_find(const struct store_source *source, const struct series_key *key,
                           uint64_t hash) {
    return hash_map_get(&source->series, hash, has_key, key);
}

static size_t series_bytes(const struct series *series) {
    return sizeof(*series) + series->own_text_len + 1 +
           (series->joined_text != NULL ? strlen(series->joined_text) + 1 : 0) +
           sizeof(*series->labels) + series->labels->n_pairs * sizeof(series->labels->pairs[0]) +
           SERIES_OVERHEAD_BYTES;
}

struct series *source_add_series(struct store_source *source, const struct batch_metric *metric,
                                 const struct series_key *key, uint64_t hash) {
    struct store *store = source->store;
    struct family *family = store_family(store, metric);
    if (family == NULL) {
        return NULL;
    }
    while (source->n_stale > 0 &&
           source->n_live + source->n_stale >= store->options.max_series_per_source) {
        source_free_series(source->stale_first);
    }
    struct series *series = mem_alloc(sizeof(*series) + key->own_text.len + 1);
    series->source = source;
    series->family = family;
    series->suffix = key->suffix;
    series->hash = hash;
    series->own_text_len = (uint32_t)key->own_text.len;
    memcpy(series->own_text, key->own_text.data, key->own_text.len);
    series->group = get_group(source, family);
    series->group->n_series++;
    make_labels(source, series);
    take_place(source, series);
    hash_map_add(&source->series, hash, series);
    postings_add(series);
    enter_stale(source, series);
    store->numbers.bytes += series_bytes(series);
    return series;
}

void source_free_series(struct series *series) {
    struct store_source *source = series->source;
    struct store *store = source->store;
    store->numbers.bytes -= series_bytes(series);
    leave_stale(source, series);
    hash_map_remove(&source->series, series->hash, series);
    leave_group(source, series->group);
    postings_remove(series);
    history_forget(series);
    release_place(source, series);
    label_set_free(store->pool, series->labels);
    free(series->joined_text);
    free(series);
}
