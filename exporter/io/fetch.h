/* SPDX-License-Identifier: Apache-2.0 */

/* HTTP requests to others. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

struct fetch_options {
    const char *url;         /* http or https */
    const char *form;        /* sent by POST; NULL: GET */
    const char *method;      /* NULL: as form says */
    const char *json;        /* sent as application/json, by PUT or what method says; NULL: none */
    const char *socket_path; /* of a unix socket to ask in place of the URL's host; NULL: none */
    uint64_t timeout_usec;
    size_t most_bytes; /* of the answer, decompressed */
};

struct fetch_reply {
    unsigned status;
    struct strbuf body;
};
void fetch_reply_deinit(struct fetch_reply *reply);

/* Asks and waits for the answer: for commands, never in the daemon's loop. Redirections are not
 * followed, certificates are verified, proxies are those of the environment.
 * Return: 0 whatever the status, or negative errno with a sentence: that of the system where a
 * connection could not be made. */
int fetch_url(const struct fetch_options *options, struct fetch_reply *ret, struct error *err);

/* Adds "name=value" of a form or a query, encoded, behind "&" when something precedes. */
void fetch_add_parameter(struct strbuf *form, const char *name, struct str value);
