/* SPDX-License-Identifier: Apache-2.0 */

/* A HTTP server and how we show who we are: plain values. Secrets are wiped when they are freed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/tls_options.h"

struct http_options {
    char *url;
    char *user, *password; /* basic authentication; NULL: none */
    char *scheme;          /* of credentials: "Bearer" */
    char *credentials;     /* Authorization: SCHEME CREDENTIALS; NULL: none */
    struct http_header {
        char *name, *value;
    } * headers;
    size_t n_headers;
    struct tls_options tls;
    uint64_t timeout_usec;
};

void http_options_deinit(struct http_options *options);
void http_options_copy(const struct http_options *from, struct http_options *ret);
bool http_options_equal(const struct http_options *a, const struct http_options *b);

/* "host:port" as the URL has it. Always terminated. */
void http_options_instance(const struct http_options *options, char *out, size_t size);
