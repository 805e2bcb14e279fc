/* SPDX-License-Identifier: Apache-2.0 */

/* For tests against real servers: a sandbox, one client on a loop of its own, and what it said. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "io/client.h"
#include "io/loop.h"
#include "io/pg_client.h"
#include "io/pgbouncer_client.h"
#include "io/resolve.h"
#include "io/worker.h"

/* Uses the sandbox in the folder DBVITALS_SANDBOX, or starts one with these servers for the life of
 * this process. Ends the process with 77 when a server program is missing. */
void sandbox_begin(const char *only);
/* A value of the sandbox's file `env`. */
const char *sandbox_value(const char *name);
void sandbox_end(void);
/* Did this process start it? Only then may its servers be stopped. */
bool sandbox_is_own(void);
/* Runs the sandbox program, as in sandbox_run("stop primary immediate"). */
void sandbox_run(const char *words);

/* Runs a statement as the superuser of the primary (or with another connection string) and returns
 * its first value, or "" without one; free() it. A statement that fails fails the test. */
char *admin(const char *statement);
char *admin_at(const char *dsn, const char *statement);

struct answer {
    bool done;
    bool failed;
    struct client_failure failure;
    const struct table *table;
    struct harness *harness;
    bool frees_client; /* from inside its done() */
    const char *then;  /* asked from inside its done(): the last of the answers then */
};

struct harness {
    struct loop *loop;
    struct worker_pool *pool;
    struct resolver *resolver;
    struct client *client;
    struct arena arena;
    bool is_ready, is_drained, is_ended;
    struct client_hello hello;
    struct client_failure failure; /* of the end */
    struct answer answers[64];
    size_t n_answers;
};

/* A client that is not opened yet; its options are parsed from dsn. */
void harness_begin(struct harness *h, const char *dsn, bool pgbouncer);
void harness_begin_options(struct harness *h, const struct pg_options *options, bool pgbouncer);
void harness_end(struct harness *h);

/* The same, opened, and waited for until it is ready. */
void harness_connect(struct harness *h, const char *dsn, bool pgbouncer);

/* Opens it and waits for its end. Return: why it ended. */
const struct client_failure *harness_connect_fails(struct harness *h, const char *dsn,
                                                   bool pgbouncer);

/* Submits without flushing. */
struct answer *harness_submit(struct harness *h, const char *text, bool constant);
struct answer *harness_submit_limited(struct harness *h, const char *text,
                                      struct table_limits limits);

/* Submits, flushes, waits for the answer. */
struct answer *harness_ask(struct harness *h, const char *text, bool constant);

/* Turns the loop until *flag is set; fails the test after some seconds. */
void harness_wait(struct harness *h, const bool *flag);

/* Turns the loop while it has something to do. */
void harness_settle(struct harness *h);

/* First cell of an answer that must not have failed. Borrowed. */
const char *value_of(const struct answer *answer);
