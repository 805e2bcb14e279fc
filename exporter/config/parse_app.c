/* SPDX-License-Identifier: Apache-2.0 */

/* What a target of type breakers has besides what all targets have: where the application tells of
 * its breakers, and in which form. */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/parse_notify.h"
#include "config/quote.h"

#define REDIS_PORT 6379
#define MOST_ITEMS 200
#define MOST_KEYS  1000
#define KEY_MOST   1024

#define BIT(format) (1U << (format))

/* Keys that only some forms have. */
static const struct {
    size_t index;
    unsigned formats;
} own_keys[] = {
    {TARGET_KEY_PASSWORD, BIT(APP_REDIS)},
    {TARGET_KEY_PASSWORD_FILE, BIT(APP_REDIS)},
    {TARGET_KEY_BASIC_AUTH, ~BIT(APP_REDIS)},
    {TARGET_KEY_AUTHORIZATION, ~BIT(APP_REDIS)},
    {TARGET_KEY_KEYS, BIT(APP_REDIS)},
    {TARGET_KEY_PATTERN, BIT(APP_REDIS)},
    {TARGET_KEY_BREAKERS, BIT(APP_JSON)},
    {TARGET_KEY_CACHES, BIT(APP_JSON)},
    {TARGET_KEY_STATES, BIT(APP_JSON) | BIT(APP_REDIS)},
};

static int check_keys(struct reader *reader, const struct key_value *values,
                      enum app_format format) {
    for (size_t i = 0; i < ARRAY_LEN(own_keys); i++) {
        const struct key_value *value = &values[own_keys[i].index];
        const char *name = key_section_target.keys[own_keys[i].index].name;
        if (!value->given || (own_keys[i].formats & BIT(format)) != 0) {
            continue;
        }
        bool password = own_keys[i].index == TARGET_KEY_PASSWORD ||
                        own_keys[i].index == TARGET_KEY_PASSWORD_FILE;
        return error_set(reader->err, -EINVAL, value->at,
                         "a breakers target of format %s has no '%s'%s", app_format_names[format],
                         name, password ? ": see 'basic_auth' and 'authorization'" : "");
    }
    return 0;
}

/* ---- JSON ---- */

static int read_pointer(struct reader *reader, const char *key, const struct key_value *value,
                        char **ret) {
    char quoted[QUOTE_SIZE];
    if (!value->given) {
        return 0;
    }
    if (!app_pointer_is_valid(value->text.data)) {
        return error_set(reader->err, -EINVAL, value->at,
                         "'%s' must be a JSON pointer such as /circuit_breaker/state, not %s", key,
                         quote(value->raw, quoted));
    }
    *ret = mem_strndup(value->text.data, value->text.len);
    return 0;
}

/* The name comes first in both sections, `percent` last, pointers in between. */
static int read_item(struct reader *reader, const struct key_section *section,
                     const struct yaml_node *map, size_t first_pointer, struct app_item *ret) {
    struct key_value values[APP_CACHE_KEY_COUNT];
    bool any = false;
    if (map->type != YAML_MAP) {
        return error_set(reader->err, -EINVAL, map->at, "an entry of '%s' is a map, found %s",
                         section == &key_section_app_cache ? "caches" : "breakers",
                         yaml_describe(map));
    }
    int r = reader_section(reader, section, map, values);
    if (r == 0 && !values[0].given) {
        return notify_missing(reader, map, "name");
    }
    for (size_t i = first_pointer; r == 0 && i + 1 < section->n_keys; i++) {
        any |= values[i].given;
        r = read_pointer(reader, section->keys[i].name, &values[i],
                         &ret->pointers[i - first_pointer]);
    }
    if (r == 0 && !any) {
        return error_set(reader->err, -EINVAL, map->at, "no pointer is given: '%s: /a/b'",
                         section->keys[first_pointer].name);
    }
    if (r == 0) {
        ret->name = notify_text(&values[0]);
        ret->layer = first_pointer > 1 ? notify_text(&values[APP_CACHE_KEY_LAYER]) : NULL;
        ret->percent = values[section->n_keys - 1].number != 0;
    }
    return r;
}

static bool is_same(const struct app_item *a, const struct app_item *b) {
    return strcmp(a->name, b->name) == 0 &&
           strcmp(a->layer != NULL ? a->layer : "", b->layer != NULL ? b->layer : "") == 0;
}

static int read_items(struct reader *reader, const struct key_section *section,
                      const struct yaml_node *list, size_t first_pointer, struct app_item **ret,
                      size_t *count) {
    char quoted[QUOTE_SIZE];
    if (list == NULL) {
        return 0;
    }
    int r = notify_list(reader, list, MOST_ITEMS, "entries");
    *ret = mem_array(list->n_items, sizeof(**ret));
    for (size_t i = 0; r == 0 && i < list->n_items; i++) {
        r = read_item(reader, section, list->items[i], first_pointer, &(*ret)[(*count)++]);
        for (size_t k = 0; r == 0 && k < i; k++) {
            if (is_same(&(*ret)[k], &(*ret)[i])) {
                return error_set(reader->err, -EEXIST, list->items[i]->at, "%s is there twice",
                                 quote(str_of((*ret)[i].name), quoted));
            }
        }
    }
    return r;
}

static int read_json(struct reader *reader, const struct yaml_node *node,
                     const struct key_value *values, struct app_options *ret) {
    int r = read_items(reader, &key_section_app_breaker, values[TARGET_KEY_BREAKERS].node,
                       APP_BREAKER_KEY_STATE, &ret->breakers, &ret->n_breakers);
    if (r == 0) {
        r = read_items(reader, &key_section_app_cache, values[TARGET_KEY_CACHES].node,
                       APP_CACHE_KEY_HITS, &ret->caches, &ret->n_caches);
    }
    if (r == 0 && ret->n_breakers + ret->n_caches == 0) {
        return error_set(reader->err, -EINVAL, node->at,
                         "a breakers target of format json needs 'breakers' or 'caches'");
    }
    return r;
}

/* ---- Redis ---- */

static int read_redis(struct reader *reader, const struct yaml_node *node,
                      const struct key_value *values, struct app_options *ret) {
    static const struct key key = {"keys", KEY_TEXT, .most = KEY_MOST};
    const struct key_value *keys = &values[TARGET_KEY_KEYS];
    int r = config_read_texts(reader, &key, keys->given ? yaml_map_find(node, "keys") : NULL,
                              MOST_KEYS, &ret->keys, &ret->n_keys);
    if (values[TARGET_KEY_PATTERN].given) {
        ret->pattern = notify_text(&values[TARGET_KEY_PATTERN]);
    }
    if (r == 0 && ret->n_keys == 0 && ret->pattern == NULL) {
        return error_set(reader->err, -EINVAL, node->at,
                         "a breakers target of format redis needs 'keys' or a 'pattern'");
    }
    return r;
}

/* ---- all of it ---- */

static int read_states(struct reader *reader, const struct yaml_node *map,
                       struct app_options *ret) {
    static const struct key state = {"state", KEY_CHOICE, .choices = app_state_names};
    if (map == NULL) {
        return 0;
    }
    if (map->n_pairs > APP_MOST_WORDS) {
        return error_set(reader->err, -E2BIG, map->at, "%zu states are more than %d", map->n_pairs,
                         APP_MOST_WORDS);
    }
    ret->words = mem_array(map->n_pairs, sizeof(*ret->words));
    for (size_t i = 0; i < map->n_pairs; i++) {
        struct str word = map->pairs[i].key->scalar;
        struct key_value value;
        int r = reader_value(reader, &state, map->pairs[i].value, &value);
        if (r < 0) {
            return r;
        }
        ret->words[ret->n_words++] =
            (struct app_word){mem_strndup(word.data, word.len), (enum app_state)value.number};
    }
    return 0;
}

static int read_url(struct reader *reader, const struct key_value *url,
                    struct target_options *target) {
    struct error inner = {0};
    if (target->app.format != APP_REDIS) {
        target->app.http.url = mem_strndup(url->text.data, url->text.len);
        return notify_check_url(reader, "url", url->text, url->at, "http://", "https://");
    }
    int r = redis_options_parse(url->text.data, REDIS_PORT, &target->redis, &inner);
    return r < 0 ? error_set(reader->err, r, url->at, "'url': %s", inner.text) : 0;
}

int config_read_app(struct reader *reader, const struct yaml_node *node,
                    const struct key_value *values, struct target_options *target) {
    struct app_options *app = &target->app;
    if (!values[TARGET_KEY_FORMAT].given) {
        return error_set(reader->err, -EINVAL, node->at, "a breakers target needs a 'format'");
    }
    app->format = (enum app_format)values[TARGET_KEY_FORMAT].number;
    int r = check_keys(reader, values, app->format);
    if (r == 0) {
        r = read_url(reader, &values[TARGET_KEY_URL], target);
    }
    if (r == 0) {
        r = notify_read_auth(reader, &values[TARGET_KEY_BASIC_AUTH],
                             &values[TARGET_KEY_AUTHORIZATION], &app->http);
    }
    if (r == 0) {
        r = read_states(reader, values[TARGET_KEY_STATES].node, app);
    }
    if (r == 0 && app->format == APP_JSON) {
        r = read_json(reader, node, values, app);
    }
    if (r == 0 && app->format == APP_REDIS) {
        r = read_redis(reader, node, values, app);
    }
    return r;
}
