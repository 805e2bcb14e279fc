/* SPDX-License-Identifier: Apache-2.0 */

/* Pages of JSON: Spring Boot's actuator, and anything else by pointers. */
#include <errno.h>
#include <math.h>

#include "base/json_reader.h"
#include "base/number.h"
#include "sampler/app_book.h"

/* A thousand breakers of the actuator have twelve thousand values and a quarter of a MiB. What is
 * taken apart holds the loop: MOST_BYTES for 15 ms or so. */
#define MOST_BYTES  ((size_t)512 * 1024)
#define MOST_VALUES 50000
#define MOST_DEPTH  64

#define KEY_MOST 256

static int read_page(struct str page, struct arena *arena, const struct json_value **ret,
                     struct error *err) {
    if (page.len > MOST_BYTES) {
        return error_say(err, -E2BIG, "the JSON is longer than %zu KiB", MOST_BYTES / 1024);
    }
    int r = json_read_within(page, MOST_VALUES, MOST_DEPTH, arena, ret, err);
    return r == -EINVAL ? -EPROTO : r;
}

/* A value as the text that a person would write for it; no text when it is none. */
static struct str text_of(const struct json_value *value, struct arena *arena) {
    char text[NUMBER_TEXT_SIZE];
    if (value == NULL) {
        return (struct str){0};
    }
    switch (value->kind) {
    case JSON_IS_TEXT:
        return value->text;
    case JSON_IS_BOOL:
        return str_of(value->truth ? "true" : "false");
    case JSON_IS_NUMBER:
        return arena_dup(arena, (struct str){text, number_format(value->number, text)});
    default:
        return (struct str){0};
    }
}

static double number_of(const struct json_value *value, struct arena *arena) {
    double number;
    return str_to_double(str_trim(text_of(value, arena)), &number) ? number : (double)NAN;
}

/* ---- Spring Boot ---- */

int app_read_resilience4j(struct str page, struct app_book *book, struct error *err) {
    const struct json_value *root;
    int r = read_page(page, book->arena, &root, err);
    if (r < 0) {
        return r;
    }
    const struct json_value *all = json_member(root, "circuitBreakers");
    if (all == NULL || all->kind != JSON_IS_OBJECT) {
        return error_say(err, -EPROTO, "the page has no object 'circuitBreakers'");
    }
    for (size_t i = 0; i < all->n_items; i++) {
        const struct json_value *from = &all->items[i];
        struct app_breaker *breaker;
        r = app_book_breaker(book, from->key, &breaker, err);
        if (r < 0) {
            return r;
        }
        app_book_state(NULL, text_of(json_member(from, "state"), book->arena), breaker);
        breaker->failure_rate =
            app_share(text_of(json_member(from, "failureRate"), book->arena), true);
        breaker->failed_calls = number_of(json_member(from, "failedCalls"), book->arena);
    }
    return 0;
}

/* ---- pointers ---- */

/* The next part of a pointer, without its escapes. Return: false at the end, or when it is longer
 * than any key that we would look for. */
static bool next_part(const char **pointer, char part[KEY_MOST]) {
    size_t len = 0;
    const char *c = *pointer;
    if (*c != '/') {
        return false;
    }
    for (c++; *c != '\0' && *c != '/' && len + 1 < KEY_MOST; c++) {
        if (*c == '~' && (c[1] == '0' || c[1] == '1')) {
            c++;
            part[len++] = *c == '0' ? '~' : '/';
        } else {
            part[len++] = *c;
        }
    }
    part[len] = '\0';
    *pointer = c;
    return true;
}

static const struct json_value *item_at(const struct json_value *list, const char *part) {
    uint64_t index;
    bool zero_first = part[0] == '0' && part[1] != '\0';
    if (zero_first || !str_to_uint64(str_of(part), &index) || index >= list->n_items) {
        return NULL;
    }
    return &list->items[index];
}

/* RFC 6901. */
static const struct json_value *follow(const struct json_value *value, const char *pointer) {
    char part[KEY_MOST];
    while (value != NULL && next_part(&pointer, part)) {
        value = value->kind == JSON_IS_LIST ? item_at(value, part) : json_member(value, part);
    }
    return value;
}

struct page {
    const struct json_value *root;
    struct arena *arena;
    size_t found, missing; /* what pointers led to */
};

static struct str look(struct page *page, const char *pointer) {
    if (pointer == NULL) {
        return (struct str){0};
    }
    struct str text = text_of(follow(page->root, pointer), page->arena);
    *(text.data != NULL ? &page->found : &page->missing) += 1;
    return text;
}

static double look_number(struct page *page, const char *pointer) {
    double number;
    return str_to_double(str_trim(look(page, pointer)), &number) ? number : (double)NAN;
}

static int read_breaker(const struct app_options *options, const struct app_item *item,
                        struct page *page, struct app_book *book, struct error *err) {
    struct app_breaker *breaker;
    int r = app_book_breaker(book, str_of(item->name), &breaker, err);
    if (r == 0) {
        app_book_state(options, look(page, item->pointers[APP_BREAKER_STATE]), breaker);
        breaker->failed_calls = look_number(page, item->pointers[APP_BREAKER_FAILURES]);
        breaker->failure_rate =
            app_share(look(page, item->pointers[APP_BREAKER_FAILURE_RATE]), item->percent);
        breaker->last_failure = app_time(look(page, item->pointers[APP_BREAKER_LAST_FAILURE]));
    }
    return r;
}

static int read_cache(const struct app_item *item, struct page *page, struct app_book *book,
                      struct error *err) {
    struct app_cache *cache;
    int r = app_book_cache(book, str_of(item->name), str_of(item->layer), &cache, err);
    if (r == 0) {
        cache->hits = look_number(page, item->pointers[APP_CACHE_HITS]);
        cache->misses = look_number(page, item->pointers[APP_CACHE_MISSES]);
        cache->entries = look_number(page, item->pointers[APP_CACHE_SIZE]);
        cache->evictions = look_number(page, item->pointers[APP_CACHE_EVICTIONS]);
        cache->hit_ratio = app_share(look(page, item->pointers[APP_CACHE_HIT_RATE]), item->percent);
    }
    return r;
}

int app_read_json(const struct app_options *options, struct str page, struct app_book *book,
                  struct error *err) {
    struct page read = {.arena = book->arena};
    int r = read_page(page, book->arena, &read.root, err);
    for (size_t i = 0; r == 0 && i < options->n_breakers; i++) {
        r = read_breaker(options, &options->breakers[i], &read, book, err);
    }
    for (size_t i = 0; r == 0 && i < options->n_caches; i++) {
        r = read_cache(&options->caches[i], &read, book, err);
    }
    if (r == 0 && read.found == 0 && read.missing > 0) {
        return error_say(err, -EPROTO, "none of the %zu pointers leads to a value of the page",
                         read.missing);
    }
    return r;
}

/* ---- Redis ---- */

static void read_hash(const struct app_options *options, const struct tree *values,
                      struct app_breaker *breaker) {
    struct str texts[APP_BREAKER_FIELDS] = {{0}};
    double number;
    for (size_t i = 0; i < values->n_items && i < APP_BREAKER_FIELDS; i++) {
        texts[i] = values->items[i].type == TREE_TEXT ? values->items[i].text : texts[i];
    }
    app_book_state(options, texts[APP_BREAKER_STATE], breaker);
    breaker->failure_rate = app_share(texts[APP_BREAKER_FAILURE_RATE], false);
    breaker->last_failure = app_time(texts[APP_BREAKER_LAST_FAILURE]);
    if (str_to_double(str_trim(texts[APP_BREAKER_FAILURES]), &number)) {
        breaker->failed_calls = number;
    }
}

/* A JSON object with the fields of a hash, or the state alone. */
static void read_text(const struct app_options *options, struct str text, struct arena *arena,
                      struct app_breaker *breaker) {
    const struct json_value *root = NULL;
    struct error ignored = {0};
    (void)read_page(text, arena, &root, &ignored);
    if (root == NULL || root->kind != JSON_IS_OBJECT) {
        app_book_state(options, root != NULL ? text_of(root, arena) : str_trim(text), breaker);
        return;
    }
    struct tree items[APP_BREAKER_FIELDS] = {{0}};
    for (size_t i = 0; i < APP_BREAKER_FIELDS; i++) {
        struct str value = text_of(json_member(root, app_breaker_field_names[i]), arena);
        items[i] = (struct tree){.type = value.data != NULL ? TREE_TEXT : TREE_NIL, .text = value};
    }
    read_hash(options, &(struct tree){.items = items, .n_items = APP_BREAKER_FIELDS}, breaker);
}

int app_read_redis(const struct app_options *options, const struct tree *tree,
                   struct app_book *book, struct error *err) {
    for (size_t i = 0; i + 1 < tree->n_items; i += 2) {
        const struct tree *value = &tree->items[i + 1];
        struct app_breaker *breaker;
        int r = app_book_breaker(book, tree->items[i].text, &breaker, err);
        if (r < 0) {
            return r;
        }
        if (value->type == TREE_LIST) {
            read_hash(options, value, breaker);
        } else if (value->type == TREE_TEXT) {
            read_text(options, value->text, book->arena, breaker);
        }
    }
    return 0;
}
