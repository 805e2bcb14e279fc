/* SPDX-License-Identifier: Apache-2.0 */

/* Which path is answered by what: one table, and the errors for everything outside of it. */
#pragma once

#include "web/request.h"

struct web;

enum route_method {
    ROUTE_GET = 1, /* and HEAD */
    ROUTE_POST = 2,
};

enum route_flag {
    ROUTE_LIFECYCLE = 1, /* 403 without --web.enable-lifecycle */
    ROUTE_TELEMETRY = 2, /* its path is --web.telemetry-path */
    ROUTE_BELOW = 4,     /* all paths that begin with this one and are longer */
};

struct route {
    const char *path; /* behind the route prefix */
    unsigned methods;
    void (*handle)(struct web *web, const struct web_request *request, struct web_answer *ret);
    unsigned flags;
};

/* All routes; ends with a route without path. */
extern const struct route routes[];

/* How long a body may be that is sent to "/path?...", as sent. */
size_t routes_most_body_bytes(const struct web *web, struct str target);

/* Takes the prefix off the path, finds the route and asks it, or answers 302, 403, 404 or 405. */
void routes_answer(struct web *web, struct web_request *request, struct web_answer *ret);
