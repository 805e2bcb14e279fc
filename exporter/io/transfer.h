/* SPDX-License-Identifier: Apache-2.0 */

/* HTTP and HTTPS requests, over libcurl on the loop.
 *
 * Each request is answered exactly once: with whatever status the server sent, or with why there is
 * none. done() never runs inside a function of this header except transfers_free(), and may submit,
 * free other requests, or free the transfers. Names are looked up by io/resolve; proxies of the
 * environment are not used, redirects are not followed (they are answers), nothing is
 * decompressed. Connections are kept for the next request to the same server. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "io/client.h"
#include "io/loop.h"
#include "io/resolve.h"
#include "io/tls_options.h"

/* Of the body, unless the request says otherwise, and of all headers together. */
#define TRANSFER_MOST_BYTES        ((size_t)64 * 1024)
#define TRANSFER_MOST_HEADER_BYTES ((size_t)64 * 1024)

struct transfers;
struct transfer;

/* Return: NULL when libcurl cannot be set up. */
struct transfers *transfers_new(struct loop *loop, struct resolver *resolver);

/* Answers what is open with REASON_CANCELED first; nothing may be submitted from these answers.
 * NULL is fine. Return: NULL. */
struct transfers *transfers_free(struct transfers *transfers);
DEFINE_CLEANUP(struct transfers, transfers_free);

struct transfer_answer {
    int status;                /* 200, 404 ... */
    struct str body;           /* borrowed until done() returns */
    uint64_t retry_after_usec; /* what the server asked for, at most a day; 0: nothing */
};

struct transfer_header {
    const char *name, *value;
};

/* Everything is copied. */
struct transfer_request {
    const char *url;    /* http:// or https:// */
    const char *method; /* NULL: POST with a body, GET without */
    const struct transfer_header *headers;
    size_t n_headers;
    struct str body;             /* data NULL: none */
    const char *user, *password; /* basic authentication; NULL: none */
    /* Authorization: SCHEME CREDENTIALS; NULL: none. */
    const char *scheme, *credentials;
    const struct tls_options *tls; /* for https; NULL: the system's authorities */
    uint64_t deadline_usec;        /* loop time, for all of it */
    size_t max_answer_bytes;       /* 0: TRANSFER_MOST_BYTES; a longer one is REASON_TOO_LARGE */
    bool cut_answer;               /* a longer one is an answer all the same, without its rest */
    /* Exactly one of both is not NULL. The text of a failure holds no secret, nor the URL. */
    void (*done)(void *userdata, const struct transfer_answer *answer,
                 const struct client_failure *failure);
    void *userdata;
};

/* Never fails: what is wrong with a request is its answer. Return: valid until done(). */
struct transfer *transfer_submit(struct transfers *transfers,
                                 const struct transfer_request *request);

/* Forgets the request: done() is not called. NULL is fine. Return: NULL. */
struct transfer *transfer_free(struct transfer *transfer);
