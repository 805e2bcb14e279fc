/* SPDX-License-Identifier: Apache-2.0 */

/* Rendering: a source's own page, its block of the joined page, and the walk that puts the blocks
 * together family by family. Most families say the same as in the block before: they are copied
 * from there, without a look at their series. */
#include <stdlib.h>

#include "base/mem.h"
#include "base/number.h"
#include "store/private.h"

_Static_assert(SERIES_TEXT_SIZE >= NUMBER_TEXT_SIZE, "a number's text fits into a series");

/* Memory of a finished page that is not used, in relation to what is. */
#define SLACK_FRACTION 8

#define GROUPS_AHEAD 8

static char *put(char *to, const char *data, size_t len) {
    memcpy(to, data, len);
    return to + len;
}

/* One line; lent are labels behind the own ones. The room is taken once for the whole line. */
static void add_series(struct strbuf *out, const struct series *series, struct str name,
                       struct str own, struct str lent) {
    const char *suffix = metric_suffix_names[series->suffix];
    const size_t suffix_len = strlen(suffix);
    struct series_hot *hot = series->hot;
    if (hot->text_len == 0) {
        hot->text_len = (uint8_t)number_format(hot->value, hot->text);
    }
    char *const start =
        strbuf_reserve(out, name.len + suffix_len + own.len + lent.len + SERIES_TEXT_SIZE + 8);
    char *to = put(put(start, name.data, name.len), suffix, suffix_len);
    if (own.len + lent.len > 0) {
        *to++ = '{';
        to = put(to, own.data, own.len);
        if (own.len > 0 && lent.len > 0) {
            *to++ = ',';
        }
        to = put(to, lent.data, lent.len);
        *to++ = '}';
    }
    *to++ = ' ';
    to = put(to, hot->text, hot->text_len);
    *to++ = '\n';
    out->len += (size_t)(to - start);
}

static void add_own(struct strbuf *out, const struct source_family *group) {
    const struct str name = str_of(group->family->name);
    family_add_head(group->family, out);
    for (const struct series *series = group->first; series != NULL; series = series->next) {
        add_series(out, series, name, (struct str){series->own_text, series->own_text_len},
                   (struct str){"", 0});
    }
}

static void add_joined(struct strbuf *out, const struct source_family *group, struct str lent) {
    const struct str name = str_of(group->family->name);
    for (const struct series *series = group->first; series != NULL; series = series->next) {
        struct str own = {series->own_text, series->own_text_len};
        if (series->joined_text != NULL) {
            own = str_of(series->joined_text);
        }
        add_series(out, series, name, own, lent);
    }
}

/* Pages live for a while: what growing left over is given back. */
static struct buffer *finish(struct strbuf *text) {
    strbuf_reserve(text, 0);
    text->data[text->len] = '\0';
    if (text->capacity - text->len > text->len / SLACK_FRACTION) {
        text->capacity = text->len + 1;
        text->data = mem_resize(text->data, text->capacity, 1);
    }
    return buffer_new(text);
}

/* The next page is about as long as the last one. */
static void reserve_as(struct strbuf *text, const struct buffer *previous) {
    if (previous != NULL) {
        strbuf_reserve(text, previous->len + previous->len / 16);
    }
}

/* Copies the family from the block before, unless there is none or something has changed since. */
static bool add_unchanged(struct strbuf *out, const struct source_family *group,
                          const struct slice *slice, const struct buffer *before,
                          uint64_t generation) {
    if (before == NULL || group->changed >= generation) {
        return false;
    }
    strbuf_add(out, before->data + slice->offset, slice->len);
    return true;
}

/* Groups lie anywhere, and were last looked at a round ago. */
static void fetch_ahead(struct source_family *const *groups, size_t at, size_t n_groups) {
    if (at + GROUPS_AHEAD < n_groups) {
        __builtin_prefetch(groups[at + GROUPS_AHEAD]);
    }
}

static struct slice slice_since(const struct strbuf *text, size_t offset) {
    return (struct slice){(uint32_t)offset, (uint32_t)(text->len - offset)};
}

struct buffer *page_render(struct store_source *source) {
    struct source_family **groups = source_sorted_families(source);
    const struct buffer *before = source->page.plain;
    struct strbuf text = {0};
    reserve_as(&text, before);
    for (size_t i = 0; i < source->families.n_entries; i++) {
        struct source_family *group = groups[i];
        const size_t offset = text.len;
        if (group->first == NULL) {
            continue;
        }
        if (!add_unchanged(&text, group, &group->own, before, source->page.generation)) {
            add_own(&text, group);
        }
        group->own = slice_since(&text, offset);
    }
    return finish(&text);
}

static struct joined_block *render_joined(struct store_source *source) {
    struct source_family **groups = source_sorted_families(source);
    const size_t n_groups = source->families.n_entries;
    const struct buffer *before = source->joined != NULL ? source->joined->body : NULL;
    struct joined_block *block = mem_alloc(sizeof(*block));
    struct strbuf text = {0};
    size_t n = 0;
    block->refs = 1;
    block->parts = mem_array(n_groups + 1, sizeof(*block->parts));
    reserve_as(&text, before);
    for (size_t i = 0; i < n_groups; i++) {
        struct source_family *group = groups[i];
        const size_t offset = text.len;
        fetch_ahead(groups, i, n_groups);
        if (group->first == NULL) {
            continue;
        }
        if (!add_unchanged(&text, group, &group->joined, before, source->joined_generation)) {
            add_joined(&text, group, source->joined_labels);
        }
        group->joined = slice_since(&text, offset);
        block->parts[n++] = (struct joined_part){group->family, offset};
    }
    block->parts[n].offset = text.len;
    block->body = finish(&text);
    return block;
}

struct joined_block *joined_block_unref(struct joined_block *block) {
    if (block != NULL && --block->refs == 0) {
        buffer_unref(block->body);
        free(block->parts);
        free(block);
    }
    return NULL;
}

bool joined_block_is_current(const struct store_source *source) {
    return source->joined != NULL && source->joined_generation == source->generation;
}

struct joined_block *joined_block_get(struct store_source *source, uint64_t now_usec) {
    if (!joined_block_is_current(source)) {
        struct joined_block *block = render_joined(source);
        joined_block_unref(source->joined);
        source->joined = block;
        source->joined_generation = source->generation;
    }
    source->joined_read_usec = now_usec;
    return source->joined;
}

/* --- The walk --- */

static void consider(struct page_walk *walk, const struct family *family) {
    if (family != NULL && family != walk->next &&
        (walk->next == NULL || family->order < walk->next->order)) {
        walk->next = family;
    }
}

void page_walk_init(struct page_walk *walk, struct store *store, uint64_t now_usec) {
    *walk = (struct page_walk){.n_places = store->n_sources};
    walk->places = mem_array(walk->n_places, sizeof(*walk->places));
    store_sort_families(store);
    for (size_t i = 0; i < walk->n_places; i++) {
        struct joined_block *block = joined_block_get(store->sources[i], now_usec);
        block->refs++;
        walk->places[i] = (struct page_walk_place){block->parts[0].family, block->parts, block};
        consider(walk, block->parts[0].family);
    }
    walk->at = walk->n_places;
}

void page_walk_deinit(struct page_walk *walk) {
    for (size_t i = 0; i < walk->n_places; i++) {
        joined_block_unref(walk->places[i].block);
    }
    free(walk->places);
    strbuf_deinit(&walk->head);
    *walk = (struct page_walk){0};
}

static bool next_family(struct page_walk *walk) {
    walk->family = walk->next;
    walk->next = NULL;
    walk->at = 0;
    walk->head_given = false;
    return walk->family != NULL;
}

bool page_walk_next(struct page_walk *walk, struct str *ret) {
    for (;;) {
        for (; walk->at < walk->n_places; walk->at++) {
            struct page_walk_place *place = &walk->places[walk->at];
            if (place->family != walk->family) {
                consider(walk, place->family);
                continue;
            }
            if (!walk->head_given) {
                walk->head_given = true;
                strbuf_clear(&walk->head);
                family_add_head(walk->family, &walk->head);
                *ret = strbuf_view(&walk->head);
                return true;
            }
            const struct joined_part *part = place->part++;
            place->family = place->part->family;
            consider(walk, place->family);
            walk->at++;
            *ret = (struct str){place->block->body->data + part->offset,
                                place->part->offset - part->offset};
            return true;
        }
        if (!next_family(walk)) {
            return false;
        }
    }
}
