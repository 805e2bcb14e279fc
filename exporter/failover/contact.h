/* SPDX-License-Identifier: Apache-2.0 */

/* One connection to a server that a failover acts on: opened at once, kept, and made anew at a
 * bounded pace when it is refused, lost, or not made within a few seconds. It asks nothing by
 * itself; its owner submits requests while contact_client() has a client.
 *
 * A request whose connection ends is answered with a failure, as by any client, before lost() is
 * told. No callback runs inside a function of this header except that contact_renew(),
 * contact_close() and contact_free() answer what is open. All three are legal in every callback. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "io/client.h"
#include "io/pg_options.h"
#include "io/redis_client.h"

enum contact_kind { CONTACT_POSTGRES, CONTACT_REDIS, CONTACT_PGBOUNCER };

struct contact_options {
    enum contact_kind kind;
    struct loop *loop;
    struct resolver *resolver;
    struct tls_contexts *tls_contexts; /* borrowed; NULL without TLS to a Redis */
    const struct pg_options *pg;       /* copied; of PostgreSQL and PgBouncer */
    const struct redis_options *redis; /* copied */
    uint64_t pace_usec;                /* at most one attempt in that time; 0: 1 s */
    uint64_t statement_usec;           /* the server's statement_timeout; 0: 60 s */
    /* For tests: makes the client instead of the kind's own. */
    struct client *(*make_client)(void *userdata, const struct client_events *events);
    void *make_userdata;
};

struct contact_events {
    void (*ready)(void *userdata);
    void (*lost)(void *userdata); /* or not made; it goes on trying. May be NULL */
    void *userdata;
};

struct contact;

struct contact *contact_new(const struct contact_options *options,
                            const struct contact_events *events);
struct contact *contact_free(struct contact *contact);
DEFINE_CLEANUP(struct contact, contact_free);

/* Another owner takes it over. Nothing may be open. */
void contact_set_events(struct contact *contact, const struct contact_events *events);

/* NULL unless requests can be submitted now. */
struct client *contact_client(const struct contact *contact);

/* What the server said of itself when it was reached last. */
const struct client_hello *contact_hello(const struct contact *contact);

/* Why there is no connection, in words. */
const char *contact_trouble(const struct contact *contact);

/* Whether there is none because it failed, or because it has been being made for so long. */
bool contact_is_stuck(const struct contact *contact, uint64_t usec);

/* Takes another owner's connection in place of what is being made: to the same server, ready, and
 * with nothing open on it. It is ours from now on. There must be none that is ready. */
void contact_adopt(struct contact *contact, struct client *client,
                   const struct client_hello *hello);

/* Closes the connection and makes another one when it is time. */
void contact_renew(struct contact *contact, const char *why);

/* Closes it for good. */
void contact_close(struct contact *contact);
