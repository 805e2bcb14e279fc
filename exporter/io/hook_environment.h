/* SPDX-License-Identifier: Apache-2.0 */

/* The environment that commands of operators get: what programs need to run at all, of ours only
 * what tells where and who we are, and what is set here. */
#pragma once

#include <stddef.h>

#include "base/str.h"

#define HOOK_MOST_VARIABLES 32

struct hook_environment {
    char *texts[HOOK_MOST_VARIABLES + 1]; /* "NAME=value", NULL-terminated, owned */
    size_t count;
};

/* A fixed PATH, LANG, and of ours HOME, USER, LOGNAME and TZ. */
void hook_environment_init(struct hook_environment *environment);
void hook_environment_deinit(struct hook_environment *environment);

/* In the place of an earlier one of this name. A value ends at its first zero byte; what is too
 * much is left out. */
void hook_environment_set(struct hook_environment *environment, const char *name, struct str value);

/* For struct process_request. */
const char *const *hook_environment_texts(const struct hook_environment *environment);
