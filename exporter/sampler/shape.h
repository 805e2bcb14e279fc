/* SPDX-License-Identifier: Apache-2.0 */

/* Makes the answer that a collector's table expects out of what a server replied: rows, one row of
 * pairs, records, or the tree as it came. Pure; replies may be hostile. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "collectors/collector.h"
#include "io/client.h"

/* One reply feeds many collectors (INFO): what was parsed of it is kept for the next one. */
struct shape_cache {
    const struct table *pairs;
    const struct app_page *app;    /* sampler/app_page.h */
    const struct error *app_error; /* why there is none */
};

/* Tables and copies go to the arena. Return: 0, or -EPROTO when the reply has another form, -E2BIG
 * above the limits of a reply. */
int shape_answer(const struct query *query, const struct client_reply *reply,
                 struct shape_cache *cache, struct arena *arena, struct answer *ret,
                 struct error *err);
