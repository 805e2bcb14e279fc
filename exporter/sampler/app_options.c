/* SPDX-License-Identifier: Apache-2.0 */

#include "sampler/app_options.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

const char *const app_format_names[] = {
    [APP_RESILIENCE4J] = "resilience4j",
    [APP_ENVOY] = "envoy",
    [APP_PROMETHEUS] = "prometheus",
    [APP_JSON] = "json",
    [APP_REDIS] = "redis",
    [APP_FORMAT_COUNT] = NULL,
};

const char *const app_breaker_field_names[] = {
    [APP_BREAKER_STATE] = "state",
    [APP_BREAKER_FAILURES] = "failures",
    [APP_BREAKER_FAILURE_RATE] = "failure_rate",
    [APP_BREAKER_LAST_FAILURE] = "last_failure",
    [APP_BREAKER_FIELDS] = NULL,
};

static char *copy_text(const char *text) {
    return text != NULL ? mem_strdup(text) : NULL;
}

static bool same_text(const char *a, const char *b) {
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void free_items(struct app_item *items, size_t count) {
    for (size_t i = 0; i < count; i++) {
        free(items[i].name);
        free(items[i].layer);
        for (size_t field = 0; field < APP_MOST_FIELDS; field++) {
            free(items[i].pointers[field]);
        }
    }
    free(items);
}

void app_options_deinit(struct app_options *options) {
    http_options_deinit(&options->http);
    free_items(options->breakers, options->n_breakers);
    free_items(options->caches, options->n_caches);
    for (size_t i = 0; i < options->n_words; i++) {
        free(options->words[i].word);
    }
    free(options->words);
    for (size_t i = 0; i < options->n_keys; i++) {
        free(options->keys[i]);
    }
    free(options->keys);
    free(options->pattern);
    *options = (struct app_options){0};
}

static struct app_item *copy_items(const struct app_item *from, size_t count) {
    struct app_item *items = mem_array(count, sizeof(*items));
    for (size_t i = 0; i < count; i++) {
        items[i] = (struct app_item){copy_text(from[i].name), copy_text(from[i].layer),
                                     .percent = from[i].percent};
        for (size_t field = 0; field < APP_MOST_FIELDS; field++) {
            items[i].pointers[field] = copy_text(from[i].pointers[field]);
        }
    }
    return items;
}

void app_options_copy(const struct app_options *from, struct app_options *ret) {
    struct app_options copy = *from;
    http_options_copy(&from->http, &copy.http);
    copy.breakers = copy_items(from->breakers, from->n_breakers);
    copy.caches = copy_items(from->caches, from->n_caches);
    copy.words = mem_array(from->n_words, sizeof(*copy.words));
    for (size_t i = 0; i < from->n_words; i++) {
        copy.words[i] = (struct app_word){copy_text(from->words[i].word), from->words[i].state};
    }
    copy.keys = mem_array(from->n_keys, sizeof(*copy.keys));
    for (size_t i = 0; i < from->n_keys; i++) {
        copy.keys[i] = copy_text(from->keys[i]);
    }
    copy.pattern = copy_text(from->pattern);
    *ret = copy;
}

static bool same_items(const struct app_item *a, size_t n_a, const struct app_item *b, size_t n_b) {
    bool same = n_a == n_b;
    for (size_t i = 0; same && i < n_a; i++) {
        same = same_text(a[i].name, b[i].name) && same_text(a[i].layer, b[i].layer) &&
               a[i].percent == b[i].percent;
        for (size_t field = 0; same && field < APP_MOST_FIELDS; field++) {
            same = same_text(a[i].pointers[field], b[i].pointers[field]);
        }
    }
    return same;
}

bool app_options_equal(const struct app_options *a, const struct app_options *b) {
    bool same = a->format == b->format && http_options_equal(&a->http, &b->http) &&
                same_items(a->breakers, a->n_breakers, b->breakers, b->n_breakers) &&
                same_items(a->caches, a->n_caches, b->caches, b->n_caches) &&
                a->n_words == b->n_words && a->n_keys == b->n_keys &&
                same_text(a->pattern, b->pattern);
    for (size_t i = 0; same && i < a->n_words; i++) {
        same =
            same_text(a->words[i].word, b->words[i].word) && a->words[i].state == b->words[i].state;
    }
    for (size_t i = 0; same && i < a->n_keys; i++) {
        same = same_text(a->keys[i], b->keys[i]);
    }
    return same;
}

bool app_pointer_is_valid(const char *pointer) {
    bool valid = pointer[0] == '/';
    for (const char *c = pointer; valid && *c != '\0'; c++) {
        valid = *c != '~' || c[1] == '0' || c[1] == '1';
    }
    return valid;
}
