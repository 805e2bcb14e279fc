/* SPDX-License-Identifier: Apache-2.0 */

/* The commands of operators around a failover, as the configuration lists them: plain values. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "io/hook_commands.h"

enum hook_event_kind {
    HOOK_PRE,     /* before anything is done; a failure stops the plan */
    HOOK_FENCE,   /* make sure that the old primary takes no writes */
    HOOK_PROMOTE, /* in the place of the built-in promotion */
    HOOK_POST,    /* the new primary takes writes: re-point who has to follow */
    HOOK_FAILED,  /* a step has failed */
    HOOK_POOL,    /* a PgBouncer is dead, its PostgreSQL is not */
    HOOK_EVENTS
};
extern const char *const hook_event_names[]; /* "pre", ...; NULL-terminated */

struct hook_options {
    struct hook_commands commands[HOOK_EVENTS];
    uint64_t timeout_usec, fence_timeout_usec; /* of one command with all its attempts */
    char *user;                                /* owned; NULL: whoever we are */
};

void hook_options_deinit(struct hook_options *options);

/* A copy of its own. */
void hook_options_copy(const struct hook_options *from, struct hook_options *ret);

bool hook_options_equal(const struct hook_options *a, const struct hook_options *b);

/* How long one command of this event may take. */
uint64_t hook_options_timeout_usec(const struct hook_options *options, enum hook_event_kind kind);

/* Whether all of them could be run now: the files are there and in nobody else's hands, the user is
 * known, and we may become it. Blocks shortly, like hook_file_check().
 * Return: 0, or negative errno with *err, which names the event and what is wrong. */
int hooks_check(const struct hook_options *options, struct error *err);
