/* SPDX-License-Identifier: Apache-2.0 */

/* The collectors map of a target. */
#include "config/private.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/quote.h"

#define MOST_KEYS (COLLECTOR_KEY_COUNT + COLLECTOR_MOST_OPTIONS)

/* A collector with its place in collector_list. */
struct found {
    const struct collector *collector;
    size_t index;
};

static bool find_collector(enum target_kind kind, struct str name, struct found *ret) {
    for (size_t i = 0; i < TARGET_MOST_COLLECTORS && collector_list[i] != NULL; i++) {
        if (collector_list[i]->kind == kind && str_is(name, collector_list[i]->name)) {
            *ret = (struct found){collector_list[i], i};
            return true;
        }
    }
    return false;
}

static int unknown_collector(struct reader *reader, enum target_kind kind,
                             const struct yaml_node *key) {
    const char *names[TARGET_MOST_COLLECTORS];
    const char *type = target_kind_names[kind];
    char quoted[QUOTE_SIZE], suggestion[96];
    struct found elsewhere;
    size_t count = 0;
    quote(key->scalar, quoted);
    for (int other = 0; other < KIND_COUNT; other++) {
        if (find_collector((enum target_kind)other, key->scalar, &elsewhere)) {
            return error_set(reader->err, -EINVAL, key->at,
                             "unknown collector %s of type %s (type %s has one)", quoted, type,
                             target_kind_names[other]);
        }
    }
    for (size_t i = 0; i < TARGET_MOST_COLLECTORS && collector_list[i] != NULL; i++) {
        if (collector_list[i]->kind == kind) {
            names[count++] = collector_list[i]->name;
        }
    }
    const char *meant = str_suggest(key->scalar, names, count, sizeof(names[0]));
    return error_set(reader->err, -EINVAL, key->at, "unknown collector %s of type %s%s", quoted,
                     type, reader_suggestion(meant, suggestion));
}

static enum key_type option_key_type(enum option_type type) {
    static const enum key_type types[] = {
        [OPTION_BOOL] = KEY_BOOL,
        [OPTION_UNSIGNED] = KEY_UNSIGNED,
        [OPTION_DURATION] = KEY_DURATION,
        [OPTION_TEXT] = KEY_TEXT,
    };
    return types[type];
}

/* The rows of this collector: those of all collectors, then one per option. */
static struct key_section collector_section(const struct collector *collector,
                                            struct key rows[MOST_KEYS]) {
    struct key_section section = {key_section_collector.path, rows, COLLECTOR_KEY_COUNT};
    memcpy(rows, key_section_collector.keys, sizeof(rows[0]) * COLLECTOR_KEY_COUNT);
    const struct option *option = collector->options;
    for (; option != NULL && option->name != NULL && section.n_keys < MOST_KEYS; option++) {
        rows[section.n_keys++] = (struct key){
            .name = option->name,
            .type = option_key_type(option->type),
            .flags = option->type == OPTION_TEXT ? KEY_MAY_BE_EMPTY : 0,
            .least = option->least,
            .most = option->type == OPTION_TEXT ? 0 : option->most,
            .help = option->help,
        };
    }
    return section;
}

static void set_option(struct option_value *option, const struct key_value *value,
                       enum key_type type) {
    option->number = value->number;
    if (type == KEY_TEXT) {
        free((void *)(uintptr_t)option->text); /* ours: see target_options.h */
        option->text = mem_strndup(value->text.data, value->text.len);
    }
}

static int check_vital(struct reader *reader, const struct collector *collector,
                       const struct key_value *values, const struct collector_settings *settings) {
    if ((collector->flags & COLLECTOR_VITAL) == 0) {
        return 0;
    }
    if (!settings->enabled) {
        return error_set(reader->err, -EINVAL, values[COLLECTOR_KEY_ENABLED].at,
                         "collector '%s' tells whether the server is up and cannot be disabled",
                         collector->name);
    }
    if (settings->interval_usec != 0) {
        return error_set(reader->err, -EINVAL, values[COLLECTOR_KEY_INTERVAL].at,
                         "collector '%s' tells whether the server is up and runs in every round",
                         collector->name);
    }
    return 0;
}

/* `<name>: true` or `<name>: {...}` into settings, which hold the defaults. */
static int read_settings(struct reader *reader, const struct found *found,
                         const struct yaml_node *node, struct collector_settings *settings) {
    struct key rows[MOST_KEYS];
    struct key_value values[MOST_KEYS] = {0};
    struct key_section section = collector_section(found->collector, rows);
    struct key named = {found->collector->name, KEY_MAP};
    int r;
    if (node->type == YAML_SCALAR && !yaml_is_null(node)) {
        named.type = KEY_BOOL;
        r = reader_value(reader, &named, node, &values[COLLECTOR_KEY_ENABLED]);
    } else {
        struct key_value map;
        r = reader_value(reader, &named, node, &map);
        if (r == 0 && map.node != NULL) {
            r = reader_section(reader, &section, map.node, values);
        }
    }
    if (r < 0) {
        return r;
    }
    if (values[COLLECTOR_KEY_ENABLED].given) {
        settings->enabled = values[COLLECTOR_KEY_ENABLED].number != 0;
    }
    if (values[COLLECTOR_KEY_INTERVAL].given) {
        settings->interval_usec = values[COLLECTOR_KEY_INTERVAL].number;
    }
    if (values[COLLECTOR_KEY_TIMEOUT].given) {
        settings->timeout_usec = values[COLLECTOR_KEY_TIMEOUT].number;
    }
    for (size_t i = COLLECTOR_KEY_COUNT; i < section.n_keys; i++) {
        if (values[i].given) {
            set_option(&settings->options[i - COLLECTOR_KEY_COUNT], &values[i], rows[i].type);
        }
    }
    return check_vital(reader, found->collector, values, settings);
}

int config_read_collectors(struct reader *reader, const struct yaml_node *map,
                           struct target_options *target) {
    for (size_t i = 0; map != NULL && i < map->n_pairs; i++) {
        const struct yaml_pair *pair = &map->pairs[i];
        struct found found;
        int r = find_collector(target->kind, pair->key->scalar, &found)
                    ? read_settings(reader, &found, pair->value, &target->collectors[found.index])
                    : unknown_collector(reader, target->kind, pair->key);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}
