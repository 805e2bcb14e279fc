/* SPDX-License-Identifier: Apache-2.0 */

/* What applications say of their breakers: any bytes, taken for each form, give tables of the
 * promised columns within the limits, from which the collectors make samples, or an error with a
 * text. */

#include <errno.h>

#include "collectors/collector.h"
#include "fuzz.h"
#include "sampler/app_page.h"

#define TEXT(text) ((char *)(uintptr_t)(text))

static struct app_item breakers[] = {
    {.name = TEXT("a"), .pointers = {TEXT("/a"), TEXT("/b/0"), TEXT("/b/1/c"), TEXT("/d~1e")}},
    {.name = TEXT("b"), .pointers = {TEXT("/0"), TEXT("/"), TEXT("/1/2"), TEXT("/~0")}},
};
static struct app_item caches[] = {
    {.name = TEXT("c"),
     .layer = TEXT("L1"),
     .pointers = {TEXT("/a"), TEXT("/b"), TEXT("/c"), TEXT("/b/0"), TEXT("/hit_rate")}},
};
static struct app_word words[] = {{TEXT("up"), APP_CLOSED}, {TEXT("3"), APP_OPEN}};

static void decode(const struct collector *collector, const struct table *table,
                   struct arena *arena) {
    struct facts facts = {0};
    const struct sample_context context = {.arena = arena, .facts = &facts, .known = &facts};
    const struct answer answer = {.table = table};
    struct batch batch = {.max_samples = 10000};
    struct error err = {0};
    must(collector_decode(collector, &context, &answer, &batch, &err) == 0);
    for (size_t i = 0; i < batch.n_samples; i++) {
        must(str_is_utf8(batch_labels_text(&batch, batch.samples[i].labels)));
    }
    batch_deinit(&batch);
}

static void try_form(enum app_format format, const struct tree *tree) {
    const struct app_options options = {
        .format = format,
        .breakers = breakers,
        .n_breakers = ARRAY_LEN(breakers),
        .caches = caches,
        .n_caches = ARRAY_LEN(caches),
        .words = words,
        .n_words = ARRAY_LEN(words),
    };
    const struct client_reply reply = {.tree = tree};
    const struct app_page *page = NULL;
    struct arena arena = {0};
    struct error err = {0};
    int r = app_page_read(&options, str_of("app"), true, &reply, &arena, &page, &err);
    if (r < 0) {
        must((r == -EPROTO || r == -E2BIG) && err.text[0] != '\0' && page == NULL);
    } else {
        must(page->breakers->n_columns == 7 && page->breakers->n_rows <= APP_MOST_BREAKERS);
        must(page->caches->n_columns == 8 && page->caches->n_rows <= APP_MOST_CACHES);
        decode(collector_find(KIND_BREAKERS, "state"), page->breakers, &arena);
        decode(collector_find(KIND_BREAKERS, "caches"), page->caches, &arena);
    }
    arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct tree text = {.type = TREE_TEXT, .text = {(const char *)data, size}};
    for (int format = 0; format < APP_FORMAT_COUNT; format++) {
        try_form((enum app_format)format, &text);
    }
    /* In a Redis: as a text, and as the fields of a hash. */
    struct str rest = text.text;
    struct tree fields[APP_BREAKER_FIELDS];
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        struct str field = str_cut(&rest, '\n');
        fields[i] = (struct tree){.type = field.len > 0 ? TREE_TEXT : TREE_NIL, .text = field};
    }
    const struct tree items[] = {
        {.type = TREE_TEXT, .text = str_of("text")},
        text,
        {.type = TREE_TEXT, .text = rest},
        {.type = TREE_LIST, .items = fields, .n_items = ARRAY_LEN(fields)},
    };
    const struct tree list = {.type = TREE_LIST, .items = items, .n_items = ARRAY_LEN(items)};
    try_form(APP_REDIS, &list);
    return 0;
}
