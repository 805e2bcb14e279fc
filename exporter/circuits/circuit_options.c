/* SPDX-License-Identifier: Apache-2.0 */

#include "circuits/circuit_options.h"

#include <stdlib.h>

#include "base/mem.h"

const char *const circuit_kind_names[] = {"all", "read", "write", NULL};

static void commands_deinit(struct circuit_commands *commands) {
    for (size_t i = 0; i < commands->count; i++) {
        char **words = commands->list[i].words;
        for (size_t k = 0; words != NULL && words[k] != NULL; k++) {
            free(words[k]);
        }
        free(words);
    }
    free(commands->list);
}

void circuit_options_deinit(struct circuit_options *options) {
    free(options->name);
    free(options->target);
    free(options->cluster);
    free(options->group);
    free(options->expression);
    free(options->publish.target);
    free(options->publish.key_prefix);
    commands_deinit(&options->open_hooks);
    commands_deinit(&options->close_hooks);
    *options = (struct circuit_options){0};
}

static char *copy_text(const char *text) {
    return text != NULL ? mem_strdup(text) : NULL;
}

static void copy_commands(const struct circuit_commands *from, struct circuit_commands *ret) {
    ret->count = from->count;
    ret->list = mem_array(from->count + 1, sizeof(*ret->list));
    for (size_t i = 0; i < from->count; i++) {
        size_t n = 0;
        while (from->list[i].words[n] != NULL) {
            n++;
        }
        ret->list[i].words = mem_array(n + 1, sizeof(char *));
        for (size_t k = 0; k < n; k++) {
            ret->list[i].words[k] = mem_strdup(from->list[i].words[k]);
        }
    }
}

void circuit_options_copy(const struct circuit_options *from, struct circuit_options *ret) {
    *ret = *from;
    ret->name = copy_text(from->name);
    ret->target = copy_text(from->target);
    ret->cluster = copy_text(from->cluster);
    ret->group = copy_text(from->group);
    ret->expression = copy_text(from->expression);
    ret->publish.target = copy_text(from->publish.target);
    ret->publish.key_prefix = copy_text(from->publish.key_prefix);
    copy_commands(&from->open_hooks, &ret->open_hooks);
    copy_commands(&from->close_hooks, &ret->close_hooks);
}
