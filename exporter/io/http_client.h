/* SPDX-License-Identifier: Apache-2.0 */

/* A page of a HTTP server as a client: each request fetches it, whatever its text says, and its
 * body is the answer, a tree of type TREE_TEXT. A status that says that there is no such page is a
 * failure; 503 is none when the body looks like JSON, because that is how health pages say that
 * something is wrong. Connections are kept by io/transfer and made when a request needs one, so
 * such a client is ready at once and never ends by itself. */
#pragma once

#include "io/client.h"
#include "io/http_options.h"
#include "io/transfer.h"

/* Of a body, unless the request says otherwise. */
#define HTTP_MOST_BYTES ((size_t)4 * 1024 * 1024)

/* options are copied; transfers is borrowed. timeout_usec is that of a round: the owner gives up
 * first. */
struct client *http_client_new(struct loop *loop, struct transfers *transfers,
                               const struct http_options *options, uint64_t timeout_usec,
                               const struct client_events *events);
