/* SPDX-License-Identifier: Apache-2.0 */

/* Lists of commands, and the map `hooks:` of a failover cluster. */
#include <errno.h>

#include "base/mem.h"
#include "config/private.h"

#define WORD_MOST 4096

int config_read_map(struct reader *reader, const struct key_section *section,
                    const struct yaml_node *map, struct position at, struct key_value *values) {
    const struct yaml_node nothing = {.type = YAML_MAP, .at = at};
    return reader_section(reader, section, map != NULL ? map : &nothing, values);
}

static int read_command(struct reader *reader, const char *key, const struct yaml_node *node,
                        struct hook_command *ret) {
    static const struct key word = {"command", KEY_TEXT, KEY_MAY_BE_EMPTY, .most = WORD_MOST};
    size_t words = 0;
    if (node->type != YAML_LIST) {
        return error_set(reader->err, -EINVAL, node->at,
                         "a command of '%s' is a list of words, found %s: '%s: [[/path, word]]'",
                         key, yaml_describe(node), key);
    }
    int r = config_read_texts(reader, &word, node, HOOK_MOST_COMMAND_WORDS, &ret->words, &words);
    if (r == 0 && (words == 0 || ret->words[0][0] != '/')) {
        return error_set(reader->err, -EINVAL, node->at,
                         "a command of '%s' must begin with the absolute path of a program", key);
    }
    return r;
}

int config_read_commands(struct reader *reader, const char *key, const struct yaml_node *list,
                         struct hook_commands *ret) {
    if (list == NULL) {
        return 0;
    }
    if (list->n_items > HOOK_MOST_COMMANDS) {
        return error_set(reader->err, -E2BIG, list->at, "%zu commands are more than %d",
                         list->n_items, HOOK_MOST_COMMANDS);
    }
    ret->list = mem_array(list->n_items + 1, sizeof(*ret->list));
    for (size_t i = 0; i < list->n_items; i++) {
        int r = read_command(reader, key, list->items[i], &ret->list[ret->count++]);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

int config_read_hooks(struct reader *reader, const struct yaml_node *map, struct position at,
                      struct hook_options *ret) {
    struct key_value values[FAILOVER_HOOKS_KEY_COUNT];
    const struct key_value *promote = &values[FAILOVER_HOOKS_PROMOTE];
    const struct key_value *user = &values[FAILOVER_HOOKS_USER];
    int r = config_read_map(reader, &key_section_failover_hooks, map, at, values);
    if (r < 0) {
        return r;
    }
    if (promote->node != NULL && promote->node->n_items > 1) {
        return error_set(reader->err, -EINVAL, promote->at,
                         "'promote' is one command, found %zu: '[[/path, word]]'",
                         promote->node->n_items);
    }
    ret->timeout_usec = values[FAILOVER_HOOKS_TIMEOUT].number;
    ret->fence_timeout_usec = values[FAILOVER_HOOKS_FENCE_TIMEOUT].number;
    ret->user = user->given ? mem_strndup(user->text.data, user->text.len) : NULL;
    for (size_t i = 0; r == 0 && i < HOOK_EVENTS; i++) {
        r = config_read_commands(reader, hook_event_names[i], values[i].node, &ret->commands[i]);
    }
    return r;
}
