/* SPDX-License-Identifier: Apache-2.0 */

#include "failover/hook_options.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/hook_file.h"
#include "io/process_user.h"

const char *const hook_event_names[] = {
    [HOOK_PRE] = "pre",   [HOOK_FENCE] = "fence",   [HOOK_PROMOTE] = "promote",
    [HOOK_POST] = "post", [HOOK_FAILED] = "failed", [HOOK_POOL] = "pool",
    [HOOK_EVENTS] = NULL,
};

void hook_options_deinit(struct hook_options *options) {
    for (size_t i = 0; i < HOOK_EVENTS; i++) {
        hook_commands_deinit(&options->commands[i]);
    }
    free(options->user);
    *options = (struct hook_options){0};
}

void hook_options_copy(const struct hook_options *from, struct hook_options *ret) {
    struct hook_options copy = *from;
    for (size_t i = 0; i < HOOK_EVENTS; i++) {
        hook_commands_copy(&from->commands[i], &copy.commands[i]);
    }
    copy.user = from->user != NULL ? mem_strdup(from->user) : NULL;
    *ret = copy;
}

static bool same_text(const char *a, const char *b) {
    return a != NULL && b != NULL ? strcmp(a, b) == 0 : a == b;
}

bool hook_options_equal(const struct hook_options *a, const struct hook_options *b) {
    bool same = a->timeout_usec == b->timeout_usec &&
                a->fence_timeout_usec == b->fence_timeout_usec && same_text(a->user, b->user);
    for (size_t i = 0; same && i < HOOK_EVENTS; i++) {
        same = hook_commands_equal(&a->commands[i], &b->commands[i]);
    }
    return same;
}

uint64_t hook_options_timeout_usec(const struct hook_options *options, enum hook_event_kind kind) {
    return kind == HOOK_FENCE ? options->fence_timeout_usec : options->timeout_usec;
}

static int check_commands(const struct hook_options *options, enum hook_event_kind kind,
                          struct error *err) {
    const struct hook_commands *commands = &options->commands[kind];
    for (size_t i = 0; i < commands->count; i++) {
        struct error inner = {0};
        int r = hook_file_check(commands->list[i].words[0], &inner);
        if (r < 0) {
            return error_say(err, r, "hook '%s': %s", hook_event_names[kind], inner.text);
        }
    }
    return 0;
}

int hooks_check(const struct hook_options *options, struct error *err) {
    struct process_user user;
    for (size_t i = 0; i < HOOK_EVENTS; i++) {
        int r = check_commands(options, (enum hook_event_kind)i, err);
        if (r < 0) {
            return r;
        }
    }
    return options->user != NULL ? process_user_find(options->user, &user, err) : 0;
}
