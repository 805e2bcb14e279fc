/* SPDX-License-Identifier: Apache-2.0 */

/* Which path is answered by what: one table, and the errors for everything outside of it. */
#pragma once

#include "web/request.h"

struct web;

enum route_method {
    ROUTE_GET = 1, /* and HEAD */
    ROUTE_POST = 2,
    ROUTE_PUT = 4,
    ROUTE_DELETE = 8,
    ROUTE_OPTIONS = 16, /* what HAProxy asks with unless it is told otherwise */
};

enum route_flag {
    ROUTE_LIFECYCLE = 1, /* its changes are open to all with --web.enable-lifecycle */
    ROUTE_TELEMETRY = 2, /* its path is --web.telemetry-path */
    ROUTE_BELOW = 4,     /* all paths that begin with this one and are longer */
    ROUTE_OPEN = 8,      /* takes what any client may say of itself: reports of calls */
};

struct route {
    const char *path; /* behind the route prefix */
    unsigned methods;
    void (*handle)(struct web *web, const struct web_request *request, struct web_answer *ret);
    unsigned flags;
    /* Those of the methods that change what the daemon does. They are accepted on the control
     * socket, and elsewhere from the administrators among the users; others get 403. */
    unsigned changes;
    const char *command; /* of the program, which asks for them over the control socket */
    const char *end;     /* of ROUTE_BELOW: what the paths end with besides; NULL: anything */
};

/* What a method is in the table; 0: nothing that any route knows. */
unsigned route_method_of(struct str method);

/* All routes; ends with a route without path. */
extern const struct route routes[];

/* How long a body may be that is sent to "/path?...", as sent. */
size_t routes_most_body_bytes(const struct web *web, struct str target);

/* Takes the prefix off the path (the control socket needs none), finds the route and asks it, or
 * answers 302, 403, 404 or 405. */
void routes_answer(struct web *web, struct web_request *request, struct web_answer *ret);
