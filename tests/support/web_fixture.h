/* SPDX-License-Identifier: Apache-2.0 */

/* A web on a free port of 127.0.0.1 with a store and targets, for tests that talk HTTP to it. */
#pragma once

#include "tests/support/fake_sampler.h"
#include "tests/support/web_client.h"
#include "web/web.h"

struct web_fixture {
    struct loop *loop;
    struct store *store;
    struct sampler sampler;
    struct web_options options;
    struct web_sources sources;
    struct web *web;
    struct web_reply reply; /* of the last web_fixture_get() */
    unsigned refreshes;
    /* An open reload: what the web gave us to answer it. */
    void (*reload_done)(void *userdata, const struct web_reload_result *result);
    void *reload_userdata;
    bool reload_at_once;
};

/* cmocka's set-up and tear-down. Targets: "orders-1" (postgres, required), "cache-1" (redis). */
int web_fixture_set_up(void **state);
int web_fixture_tear_down(void **state);

/* Starts the web with f->options (made by the set-up, changed by the test). */
void web_fixture_start(struct web_fixture *f);

/* Commits and publishes a source's page: one gauge "<name>_up" and as many more samples. */
struct store_source *web_fixture_source(struct web_fixture *f, const char *target,
                                        const char *cluster, size_t samples);

/* Starts the web if need be, asks on an own connection and keeps the reply. Return: its status. */
int web_fixture_get(struct web_fixture *f, const char *target, const char *headers);
int web_fixture_ask(struct web_fixture *f, const char *request_line, const char *headers,
                    const char *body);

/* The body of the last reply. */
const char *web_fixture_body(const struct web_fixture *f);
