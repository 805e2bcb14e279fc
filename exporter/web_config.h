/* SPDX-License-Identifier: Apache-2.0 */

/* The web configuration file (--web.config.file) of the running daemon: read at the start, and
 * again every few seconds by a worker, because certificates are renewed without anybody telling us.
 * What cannot be used, half-written or a key that does not belong to the certificate yet, changes
 * nothing and is said once. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/macros.h"
#include "io/loop.h"
#include "web/web.h"

struct web_config;

/* Reads the file, which may block. Return: 0 or negative errno with what is wrong and where. */
int web_config_new(struct loop *loop, const char *path, struct web_config **ret, struct error *err);
/* A reload that is open is not answered any more. Return: NULL. */
struct web_config *web_config_free(struct web_config *config);
DEFINE_CLEANUP(struct web_config, web_config_free);

/* As read at the start; until web_config_watch(). */
const struct web_security_options *web_config_options(const struct web_config *config);

/* Looks after the file from now on; web is borrowed until the end. */
void web_config_watch(struct web_config *config, struct web *web);

/* Reads it now. done() is called once, not before this returns, with a sentence about what is
 * wrong, or NULL; one at a time. */
void web_config_reload(struct web_config *config, void (*done)(void *userdata, const char *why),
                       void *userdata);

/* Whether what was last looked at is what is in use. */
bool web_config_is_good(const struct web_config *config);

/* When the certificate ends, in Unix time; 0 without TLS. */
int64_t web_config_expires(const struct web_config *config);
