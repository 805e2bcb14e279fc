/* SPDX-License-Identifier: Apache-2.0 */

#include "circuits/circuit_options.h"

#include <stdlib.h>

#include "base/mem.h"

const char *const circuit_kind_names[] = {"all", "read", "write", NULL};

void circuit_options_deinit(struct circuit_options *options) {
    free(options->name);
    free(options->target);
    free(options->cluster);
    free(options->group);
    free(options->expression);
    free(options->publish.target);
    free(options->publish.key_prefix);
    free(options->publish.channel);
    hook_commands_deinit(&options->open_hooks);
    hook_commands_deinit(&options->close_hooks);
    *options = (struct circuit_options){0};
}

static char *copy_text(const char *text) {
    return text != NULL ? mem_strdup(text) : NULL;
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
    ret->publish.channel = copy_text(from->publish.channel);
    hook_commands_copy(&from->open_hooks, &ret->open_hooks);
    hook_commands_copy(&from->close_hooks, &ret->close_hooks);
}
