/* SPDX-License-Identifier: Apache-2.0 */

/* Names to addresses without ever blocking the loop: getaddrinfo() runs in a forked worker.
 *
 * Questions of one turn of the loop go to one worker; equal names are asked once; answers are kept
 * for 30 s (failures for 5 s); literal addresses never leave the process. A name that had an answer
 * keeps it while its name server is silent; only "no such name" takes it away. */
#pragma once

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/error.h"
#include "io/loop.h"
#include "io/worker.h"

#define RESOLVE_MOST_ADDRESSES 8
#define RESOLVE_WORKERS        5 /* at most; max_running of the pool */

struct resolve_address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } addr; /* port as asked for */
    socklen_t len;
    char text[INET6_ADDRSTRLEN]; /* numeric, without port: libpq's hostaddr */
};

struct resolve_answer {
    struct resolve_address addresses[RESOLVE_MOST_ADDRESSES];
    size_t n_addresses; /* in the order of getaddrinfo(); at least 1 */
};

struct resolver;
struct resolve_request;

/* The pool must be the resolver's own and outlive it. */
struct resolver *resolver_new(struct loop *loop, struct worker_pool *pool);
struct resolver *resolver_free(struct resolver *resolver); /* answers -ECANCELED to what waits */
DEFINE_CLEANUP(struct resolver, resolver_free);

struct resolver_options {
    uint64_t good_for_usec; /* how long an answer is fresh; 0: 30 s */
    uint64_t bad_for_usec;  /* until a failed or stale name is asked again; 0: 5 s */
    /* May be NULL. host: the first name whose old answer is used because nothing can be learned
     * about it; NULL when there is none any more. Must not call the resolver. */
    void (*silence)(void *userdata, const char *host);
    void *userdata;
};

void resolver_configure(struct resolver *resolver, const struct resolver_options *options);

/* Asks for a host's addresses. done() gets an answer or an error (-EHOSTUNREACH: no such name,
 * -EAGAIN: the name server did not answer, -ETIMEDOUT: deadline, -EBUSY), exactly once, never
 * before this returns. Return: the request, valid until done(). */
struct resolve_request *resolver_lookup(
    struct resolver *resolver, const char *host, uint16_t port, uint64_t deadline_usec,
    void (*done)(void *userdata, const struct resolve_answer *answer, const struct error *err),
    void *userdata);

/* Forgets the request: done() is not called. NULL is fine. Return: NULL. */
struct resolve_request *resolve_request_free(struct resolve_request *request);

/* Numeric "10.0.0.1", "::1", "fe80::1%eth0". Return: false for a name. */
bool resolve_literal(const char *host, uint16_t port, struct resolve_address *ret);
