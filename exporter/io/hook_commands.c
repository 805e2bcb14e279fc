/* SPDX-License-Identifier: Apache-2.0 */

#include "io/hook_commands.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void hook_commands_deinit(struct hook_commands *commands) {
    for (size_t i = 0; i < commands->count; i++) {
        char **words = commands->list[i].words;
        for (size_t k = 0; words != NULL && words[k] != NULL; k++) {
            free(words[k]);
        }
        free(words);
    }
    free(commands->list);
    *commands = (struct hook_commands){0};
}

static char **copy_words(char *const *words) {
    size_t n = 0;
    while (words[n] != NULL) {
        n++;
    }
    char **copy = mem_array(n + 1, sizeof(*copy));
    for (size_t i = 0; i < n; i++) {
        copy[i] = mem_strdup(words[i]);
    }
    return copy;
}

void hook_commands_copy(const struct hook_commands *from, struct hook_commands *ret) {
    struct hook_commands copy = {
        .list = mem_array(from->count + 1, sizeof(*copy.list)),
        .count = from->count,
    };
    for (size_t i = 0; i < from->count; i++) {
        copy.list[i].words = copy_words(from->list[i].words);
    }
    *ret = copy;
}

static bool same_words(char *const *a, char *const *b) {
    size_t i = 0;
    while (a[i] != NULL && b[i] != NULL && strcmp(a[i], b[i]) == 0) {
        i++;
    }
    return a[i] == NULL && b[i] == NULL;
}

bool hook_commands_equal(const struct hook_commands *a, const struct hook_commands *b) {
    if (a->count != b->count) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (!same_words(a->list[i].words, b->list[i].words)) {
            return false;
        }
    }
    return true;
}
