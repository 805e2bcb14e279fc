/* SPDX-License-Identifier: Apache-2.0 */

/* What a part of the daemon keeps over restarts in a file of the storage folder: read at the start,
 * written after each change by a worker, and again later when the disk refuses. Whoever asked for a
 * change can wait until it is there. */
#pragma once

#include <stddef.h>

#include "base/error.h"
#include "base/macros.h"
#include "base/str.h"
#include "io/loop.h"
#include "web/web.h"

struct kept_state;

struct kept_state_options {
    struct loop *loop;
    const char *folder; /* NULL: nothing is kept */
    const char *file;   /* in it */
    const char *what;   /* several things: "breakers" */
    const char *anew;   /* what happens when the file cannot be trusted: "all begin closed" */
    size_t most_bytes;
    /* Takes what save() wrote. Return: 0, or negative errno with a sentence. */
    int (*load)(void *userdata, struct str bytes, struct error *err);
    void (*save)(void *userdata, struct strbuf *out);
    void *userdata;
};

/* All texts are borrowed, but not the folder. */
struct kept_state *kept_state_new(const struct kept_state_options *options);

/* What is not on the disk yet is written now, which may block, and those who wait hear of it.
 * Return: NULL. */
struct kept_state *kept_state_free(struct kept_state *state);
DEFINE_CLEANUP(struct kept_state, kept_state_free);

/* Once, before any change; may block. A file that cannot be trusted is set aside. */
void kept_state_load(struct kept_state *state);

/* After a change. Changes before kept_state_load() are not the operator's, and not written. */
void kept_state_changed(struct kept_state *state);

/* Likewise; done() is called once, when it is on the disk or cannot be brought there, maybe before
 * this returns. */
void kept_state_changed_for(struct kept_state *state,
                            void (*done)(void *done_userdata,
                                         const struct web_change_result *result),
                            void *done_userdata);
