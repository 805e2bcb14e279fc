/* SPDX-License-Identifier: Apache-2.0 */

/* Which routes take an alert, and which group of a route it belongs to. Pure: no clock, no IO.
 *
 * Routes are a flat list. They are tried in order; the first whose matchers all hold takes the
 * alert, and those after it only when it says `continue`. A route is known by its matchers and its
 * receiver, not by its place, so that its groups stay what they are when others come and go. */
#pragma once

#include "actions/notify_options.h"
#include "base/arena.h"
#include "store/batch.h"

struct router_route {
    struct str identity; /* {severity="critical"}/pager, and #2 ... for one of equal ones */
    struct matcher *matchers;
    size_t n_matchers;
    size_t receiver; /* as in the options */
    struct str *group_by;
    size_t n_group_by;
    bool group_by_all;
    int64_t group_wait_ms, group_interval_ms, repeat_interval_ms;
    bool go_on;
};

struct router {
    struct arena arena;
    struct router_route *routes;
    size_t n_routes;
};

/* Copies all it needs. */
struct router *router_new(const struct notify_options *options);
struct router *router_free(struct router *router);
DEFINE_CLEANUP(struct router, router_free);

/* A matcher whose regex hits a limit does not hold.
 * Return: how many routes take an alert with these labels; ret has room for n_routes indexes. */
size_t router_match(const struct router *router, const struct label *labels, size_t n_labels,
                    size_t *ret);

/* Return: the index of the route, or n_routes. */
size_t router_find(const struct router *router, struct str identity);

/* The labels that make the group: those of group_by that the alert has, sorted as its own are. ret
 * has room for n_labels; the texts stay those of the alert. Return: how many. */
size_t router_group_labels(const struct router_route *route, const struct label *labels,
                           size_t n_labels, struct label *ret);

/* Adds the group's key, the same after a restart: {severity="critical"}/pager:{cluster="a"} */
void router_group_key(const struct router_route *route, const struct label *group_labels,
                      size_t n_group_labels, struct strbuf *out);
