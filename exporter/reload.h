/* SPDX-License-Identifier: Apache-2.0 */

/* The configuration, read at the start and again when that is asked for. What is read again is read
 * by a worker, so that a slow disk delays nobody, and counts as a whole or not at all. Passwords
 * that a server refuses are read again without being asked for: they may have been rotated. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/macros.h"
#include "config/config.h"
#include "io/loop.h"
#include "rules/rules.h"
#include "sampler/sampler.h"
#include "web/web.h"
#include "web_config.h"

struct reload;

struct reload_options {
    struct loop *loop;
    const char *config_file;       /* NULL: the usual one if it is there, else guesses */
    struct web_config *web_config; /* read again first; NULL: there is none */
    /* Takes over what is read: with the rules that it names, or NULL when only passwords are new.
     */
    void (*take)(void *userdata, struct config *config, struct rule_set *rules);
    void *userdata;
};

struct reload_state {
    bool successful;    /* the last time that it was read */
    int64_t success_ms; /* when it was read with success, in Unix time */
};

struct reload *reload_new(const struct reload_options *options);
/* Whoever still waits is told that the daemon is stopping. Return: NULL. */
struct reload *reload_free(struct reload *reload);
DEFINE_CLEANUP(struct reload, reload_free);

/* Reads it at the start, which may block; config: initialised. Return: 0, or negative errno with
 * what is wrong and where. */
int reload_read_first(struct reload *reload, struct config *config, struct error *err);

/* The rules that a configuration names; the texts of their files, which it holds, are dropped.
 * Return: NULL when one is wrong, or what breakers read is. */
struct rule_set *reload_prepare_rules(struct config *config, struct error *err);

/* Reads it again; once more when that is asked for meanwhile. */
void reload_start(struct reload *reload);
/* Likewise, and tells the caller what became of it. */
void reload_ask(struct reload *reload,
                void (*done)(void *done_userdata, const struct web_reload_result *result),
                void *done_userdata);

/* Reads passwords again where a target refused ours; nothing else that changed meanwhile counts. */
void reload_look_for_secrets(struct reload *reload, const struct sampler *sampler);

struct reload_state reload_state(const struct reload *reload);
