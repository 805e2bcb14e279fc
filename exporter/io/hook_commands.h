/* SPDX-License-Identifier: Apache-2.0 */

/* Commands as the configuration lists them: programs with their arguments, run one after another.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define HOOK_MOST_COMMANDS      8 /* of one event */
#define HOOK_MOST_COMMAND_WORDS 64

struct hook_command {
    char **words; /* NULL-terminated, owned; the first is an absolute path */
};

struct hook_commands {
    struct hook_command *list;
    size_t count;
};

void hook_commands_deinit(struct hook_commands *commands);

/* A copy of its own. */
void hook_commands_copy(const struct hook_commands *from, struct hook_commands *ret);

bool hook_commands_equal(const struct hook_commands *a, const struct hook_commands *b);
