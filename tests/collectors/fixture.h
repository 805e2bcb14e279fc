/* SPDX-License-Identifier: Apache-2.0 */

/* A case of a collector as a text file: what a server replied, and what must become of it.
 *
 *   # anything about the server
 *   version 150020
 *   role primary               (replica; unknown)
 *   server 127.0.0.1:5432
 *   now 1795254644000          (milliseconds)
 *   databases 16               (known from the round before)
 *   many-databases yes         (asked of several, one after another)
 *   option limit 5
 *   >>> rows                   the reply as COPY's text format with a line of names: tabs, \N for
 *   datname\tcount             NULL, \t \n \\ \xNN for what cannot stand there itself
 *   >>> info                   ... or the text of INFO
 *   >>> file                   ... or the text of a file of /proc
 *   >>> tree                   ... or nested: a line per item, two spaces deeper inside a list;
 *   *                          '*' a list, '"text' a text, ':1' a number, '!ERR text' an error,
 *     "name                    '~' nothing
 *   >>> follow-up SENTINEL SENTINELS cache
 *   *                          the tree of a command that expand() must ask for
 *   >>> expect
 *   # TYPE pg_up gauge         samples family by family, facts, and what was skipped
 */
#pragma once

#include "base/arena.h"
#include "collectors/collector.h"
#include "io/client.h"

#define FIXTURE_OPTIONS    8
#define FIXTURE_FOLLOW_UPS 64

struct fixture {
    struct arena arena;
    char *text; /* of the file */
    struct sample_context context;
    struct option_value options[FIXTURE_OPTIONS];
    struct facts known, facts;
    struct client_reply reply;
    struct str commands[FIXTURE_FOLLOW_UPS];
    struct tree follow_ups[FIXTURE_FOLLOW_UPS];
    size_t n_follow_ups;
    struct str head; /* all before the expectation */
    struct str expect;
};

/* Return: 0, or -EINVAL with what is wrong and where. */
int fixture_load(struct fixture *fixture, const char *path, const struct collector *collector,
                 struct error *err);

void fixture_deinit(struct fixture *fixture);
