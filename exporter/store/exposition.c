/* SPDX-License-Identifier: Apache-2.0 */

/* Pages: which of them are still right, their ETags and compressed forms, and when they go. */
#include "store/exposition.h"

#include <inttypes.h>
#include <stdio.h>
#include "store/gzip.h"
#include "store/private.h"

/* --- Pages --- */

void cached_page_clear(struct cached_page *page) {
    page->plain = buffer_unref(page->plain);
    page->gzip = buffer_unref(page->gzip);
}

static void cached_page_set(struct cached_page *page, struct buffer *body, uint64_t generation) {
    cached_page_clear(page);
    page->plain = body;
    page->generation = generation;
}

static void format_etag(const struct store *store, uint64_t generation, bool gzip,
                        char ret_etag[48]) {
    snprintf(ret_etag, 48, "\"%016" PRIx64 "-%" PRIu64 "%s\"", store->boot_id, generation,
             gzip ? "-gz" : "");
}

void exposition_etag(const struct store *store, const struct store_source *source, bool gzip,
                     char ret_etag[48]) {
    format_etag(store, source != NULL ? source->generation : store->generation, gzip, ret_etag);
}

static void answer(const struct store *store, struct cached_page *page, bool gzip,
                   uint64_t now_usec, struct exposition_page *ret) {
    page->read_usec = now_usec;
    if (gzip && page->gzip == NULL && page->plain->len >= EXPOSITION_GZIP_LEAST_BYTES) {
        page->gzip = gzip_whole(page->plain);
    }
    ret->gzip = gzip && page->gzip != NULL;
    ret->body = buffer_ref(ret->gzip ? page->gzip : page->plain);
    format_etag(store, page->generation, gzip, ret->etag);
}

void exposition_source(struct store_source *source, bool gzip, uint64_t now_usec,
                       struct exposition_page *ret) {
    struct cached_page *page = &source->page;
    if (page->plain == NULL || page->generation != source->generation) {
        cached_page_set(page, page_render(source), source->generation);
    }
    answer(source->store, page, gzip, now_usec, ret);
}

bool exposition_prepare(struct store *store, uint64_t now_usec, size_t most_series) {
    size_t written = 0;
    if (store->joined.plain != NULL && store->joined.generation == store->generation) {
        return true;
    }
    for (size_t i = 0; i < store->n_sources; i++) {
        struct store_source *source = store->sources[i];
        if (joined_block_is_current(source)) {
            continue;
        }
        if (written > 0 && written + source->n_live > most_series) {
            return false;
        }
        joined_block_get(source, now_usec);
        written += source->n_live;
    }
    return true;
}

size_t exposition_joined_size(struct store *store, uint64_t now_usec) {
    size_t size = store->head_bytes;
    if (store->joined.plain != NULL && store->joined.generation == store->generation) {
        return store->joined.plain->len;
    }
    for (size_t i = 0; i < store->n_sources; i++) {
        size += joined_block_get(store->sources[i], now_usec)->body->len;
    }
    return size;
}

static struct buffer *join(struct store *store, size_t size, uint64_t now_usec) {
    struct page_walk walk;
    struct strbuf text = {0};
    struct str piece;
    strbuf_reserve(&text, size);
    page_walk_init(&walk, store, now_usec);
    while (page_walk_next(&walk, &piece)) {
        strbuf_add_str(&text, piece);
    }
    page_walk_deinit(&walk);
    return buffer_new(&text);
}

void exposition_joined(struct store *store, bool gzip, uint64_t now_usec,
                       struct exposition_page *ret) {
    struct cached_page *page = &store->joined;
    if (page->generation != store->generation) {
        cached_page_clear(page); /* before there is another one */
    }
    if (page->plain == NULL && !(gzip && page->gzip != NULL)) {
        size_t size = exposition_joined_size(store, now_usec);
        page->plain = join(store, size, now_usec);
        page->generation = store->generation;
    }
    answer(store, page, gzip, now_usec, ret);
    /* Its parts are kept, and make it again in a moment. Who asks for the compressed one does so
     * always; and twice a large fleet's page is too much. */
    if (ret->gzip) {
        page->plain = buffer_unref(page->plain);
    } else if (page->plain->len > EXPOSITION_WHOLE_MOST_BYTES) {
        cached_page_clear(page);
    }
}

/* --- Memory --- */

static bool is_idle(uint64_t read_usec, uint64_t now_usec, uint64_t idle_usec) {
    return now_usec >= read_usec && now_usec - read_usec >= idle_usec;
}

void exposition_drop_idle(struct store *store, uint64_t now_usec, uint64_t idle_usec) {
    for (size_t i = 0; i < store->n_sources; i++) {
        struct store_source *source = store->sources[i];
        if (is_idle(source->page.read_usec, now_usec, idle_usec)) {
            cached_page_clear(&source->page);
        }
        if (is_idle(source->joined_read_usec, now_usec, idle_usec)) {
            source->joined = joined_block_unref(source->joined);
        }
    }
    if (is_idle(store->joined.read_usec, now_usec, idle_usec)) {
        cached_page_clear(&store->joined);
    }
}

static size_t buffer_bytes(const struct buffer *buffer) {
    return buffer != NULL ? sizeof(*buffer) + buffer->len + 1 : 0;
}

static size_t cached_page_bytes(const struct cached_page *page) {
    return buffer_bytes(page->plain) + buffer_bytes(page->gzip);
}

static size_t joined_block_bytes(const struct store_source *source) {
    const struct joined_block *block = source->joined;
    return block == NULL ? 0
                         : sizeof(*block) + buffer_bytes(block->body) +
                               (source->families.n_entries + 1) * sizeof(*block->parts);
}

size_t exposition_bytes(const struct store *store) {
    size_t bytes = cached_page_bytes(&store->joined);
    for (size_t i = 0; i < store->n_sources; i++) {
        bytes += cached_page_bytes(&store->sources[i]->page);
        bytes += joined_block_bytes(store->sources[i]);
    }
    return bytes;
}
