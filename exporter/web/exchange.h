/* SPDX-License-Identifier: Apache-2.0 */

/* What the parts of the HTTP server share: the server, its clients, and the exchange of a request
 * for an answer (exchange.c). Nobody else includes this. */
#pragma once

#include <microhttpd.h>

#include "web/connections.h"
#include "web/server.h"

struct client {
    struct connection connection;
    struct server *server;
    struct MHD_Connection *mhd;
    struct exchange *exchange; /* NULL while idle */
    int fd;
    uint64_t peer;
    struct web_caller caller;
    struct tls_server *tls; /* of its session; NULL: none */
    struct client *next;    /* of those that are gone */
};

struct server {
    struct server_options options;
    struct listener listener;
    struct MHD_Daemon *daemon;
    struct loop_io *listen_io, *daemon_io;
    struct loop_timer *daemon_timer, *sweep_timer;
    struct loop_deferred *again;
    struct connection_list connections;
    struct client *gone; /* whose sessions the library may still end */
    struct server_numbers numbers;
    size_t held_bytes;   /* of the bodies of open requests */
    uint64_t timer_usec; /* when daemon_timer fires */
    int spare_fd;        /* given up to refuse a connection when descriptors have run out */
    bool said_refused, said_stranger;
};

/* The library's callbacks; userdata is not used. */
void *exchange_begin(void *userdata, const char *target, struct MHD_Connection *mhd);
void exchange_end(void *userdata, struct MHD_Connection *mhd, void **context,
                  enum MHD_RequestTerminationCode code);
enum MHD_Result exchange_handle(void *userdata, struct MHD_Connection *mhd, const char *path,
                                const char *method, const char *version, const char *data,
                                size_t *len, void **context);

/* Whether its answer comes later, and whether it has been waited for longer than its maker asked.
 */
bool exchange_waits(const struct exchange *exchange);
bool exchange_is_overdue(const struct exchange *exchange, uint64_t now_usec);
/* Then it ends with an error, and whoever works for it is told. */
void exchange_give_up(struct exchange *exchange);
/* The library refuses to stop while an exchange waits; whoever works for it is not told. */
void exchange_resume(struct exchange *exchange);
