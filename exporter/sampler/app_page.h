/* SPDX-License-Identifier: Apache-2.0 */

/* What an application says of its breakers and caches, in whatever form, as the two tables that the
 * collectors of such targets read. Pure; what an application says may be hostile.
 *
 * Breakers have the columns app, name, state (a word of app_state_names, or the application's own
 * when that means nothing to us), failure_rate (0 to 1), failed_calls, last_failure (seconds since
 * 1970) and ejected_hosts; caches have app, name, layer, hits, misses, entries, evictions and
 * hit_ratio. What the application does not say is NULL. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "base/table.h"
#include "io/client.h"
#include "sampler/app_options.h"

struct app_page {
    const struct table *breakers, *caches;
};

/* `app` is the target's name; without service names caches have no hits and misses. All goes to the
 * arena. Return: 0, -EPROTO when the answer has another form than the options say, -E2BIG above the
 * limits. */
int app_page_read(const struct app_options *options, struct str app, bool service_names,
                  const struct client_reply *reply, struct arena *arena,
                  const struct app_page **ret, struct error *err);
