/* SPDX-License-Identifier: Apache-2.0 */

#include "tests/support/pg_harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <libpq-fe.h>

#include "base/mem.h"

#define PATIENCE_USEC ((uint64_t)30 * 1000 * 1000)

static char *started_folder; /* of a sandbox that this process started */

/* Puts the sandbox's values into our environment, as a shell reads them. */
static void read_values(const char *folder) {
    CLEANUP(mem_freep)
    char *command = mem_printf("set -a; . '%s/env'; env -0", folder);
    FILE *pipe = popen(command, "r");
    char *line = NULL;
    size_t size = 0;
    while (pipe != NULL && getdelim(&line, &size, '\0', pipe) > 0) {
        char *equals = strchr(line, '=');
        if (equals != NULL && strncmp(line, "SANDBOX_", 8) == 0) {
            *equals = '\0';
            setenv(line, equals + 1, 1);
        }
    }
    free(line);
    if (pipe == NULL || pclose(pipe) != 0) {
        fprintf(stderr, "the sandbox in %s has no readable settings\n", folder);
        exit(1);
    }
}

static int run(const char *command) {
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

void sandbox_begin(const char *only) {
    const char *folder = getenv("DBVITALS_SANDBOX");
    if (folder == NULL) {
        const char *script = getenv("DBVITALS_SANDBOX_SCRIPT");
        started_folder = mem_strdup("/tmp/dbvitals-test.XXXXXX");
        if (script == NULL || mkdtemp(started_folder) == NULL || rmdir(started_folder) != 0) {
            puts("1..0 # SKIP DBVITALS_SANDBOX_SCRIPT does not name the sandbox program");
            exit(77);
        }
        CLEANUP(mem_freep)
        char *command = mem_printf("'%s' up --dir '%s' --only %s --while-pid %d --life 600 >&2",
                                   script, started_folder, only, (int)getpid());
        int code = run(command);
        if (code == 77) {
            puts("1..0 # SKIP a server program is not installed");
        }
        if (code != 0) {
            exit(code);
        }
        folder = started_folder;
    }
    read_values(folder);
}

const char *sandbox_value(const char *name) {
    const char *value = getenv(name);
    if (value == NULL) {
        fail_msg("the sandbox has no %s", name);
    }
    return value;
}

void sandbox_end(void) {
    if (started_folder != NULL) {
        CLEANUP(mem_freep)
        char *command = mem_printf("'%s' down --dir '%s' >&2", getenv("DBVITALS_SANDBOX_SCRIPT"),
                                   started_folder);
        (void)run(command);
        free(started_folder);
        started_folder = NULL;
    }
}

bool sandbox_is_own(void) {
    return started_folder != NULL;
}

void sandbox_run(const char *words) {
    CLEANUP(mem_freep)
    char *command = mem_printf("'%s' %s --dir '%s' >&2", getenv("DBVITALS_SANDBOX_SCRIPT"), words,
                               started_folder);
    assert_int_equal(run(command), 0);
}

char *admin_at(const char *dsn, const char *statement) {
    PGconn *conn = PQconnectdb(dsn);
    PGresult *result = PQexec(conn, statement);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
        fail_msg("%s: %s", statement, PQerrorMessage(conn));
    }
    char *value = mem_strdup(PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    PQfinish(conn);
    return value;
}

char *admin(const char *statement) {
    return admin_at(sandbox_value("SANDBOX_PRIMARY_DSN_SUPER"), statement);
}

static void on_ready(void *userdata, const struct client_hello *hello) {
    struct harness *h = userdata;
    assert_false(h->is_ready);
    h->is_ready = true;
    h->hello = *hello;
}

static void on_drained(void *userdata) {
    struct harness *h = userdata;
    h->is_drained = true;
}

static void on_ended(void *userdata, const struct client_failure *failure) {
    struct harness *h = userdata;
    assert_false(h->is_ended);
    h->is_ended = true;
    h->failure = *failure;
}

static void on_done(void *userdata, const struct client_reply *reply,
                    const struct client_failure *failure) {
    struct answer *answer = userdata;
    assert_false(answer->done);
    assert_true((reply == NULL) != (failure == NULL));
    answer->done = true;
    if (reply != NULL) {
        answer->table = reply->table;
    } else {
        answer->failed = true;
        answer->failure = *failure;
        assert_int_not_equal(failure->error.code, 0);
        assert_string_not_equal(failure->error.text, "");
    }
    if (answer->then != NULL) {
        (void)harness_submit(answer->harness, answer->then, true);
        client_flush(answer->harness->client);
    }
    if (answer->frees_client) {
        answer->harness->client = client_free(answer->harness->client);
    }
}

void harness_begin_options(struct harness *h, const struct pg_options *options, bool pgbouncer) {
    *h = (struct harness){0};
    assert_int_equal(loop_new(&h->loop), 0);
    h->pool = worker_pool_new(h->loop, &(struct worker_options){0});
    h->resolver = resolver_new(h->loop, h->pool);
    const struct client_events events = {
        .ready = on_ready, .drained = on_drained, .ended = on_ended, .userdata = h};
    h->client =
        (pgbouncer ? pgbouncer_client_new : pg_client_new)(h->loop, h->resolver, options, &events);
}

void harness_begin(struct harness *h, const char *dsn, bool pgbouncer) {
    struct pg_options options = {0};
    struct error err = {0};
    if (pg_options_parse(dsn, &options, &err) < 0) {
        fail_msg("%s", err.text);
    }
    options.guard_timeout_usec = 3000000;
    harness_begin_options(h, &options, pgbouncer);
    pg_options_deinit(&options);
}

void harness_end(struct harness *h) {
    client_free(h->client);
    for (size_t i = 0; i < h->n_answers; i++) {
        assert_true(h->answers[i].done);
    }
    resolver_free(h->resolver);
    worker_pool_free(h->pool);
    loop_free(h->loop);
    arena_deinit(&h->arena);
}

void harness_wait(struct harness *h, const bool *flag) {
    uint64_t deadline = loop_clock_usec() + PATIENCE_USEC;
    while (!*flag) {
        if (loop_clock_usec() > deadline) {
            fail_msg("nothing came within %d s", (int)(PATIENCE_USEC / 1000000));
        }
        assert_true(loop_run_once(h->loop, 100000) >= 0);
    }
}

void harness_settle(struct harness *h) {
    while (loop_run_once(h->loop, 50000) > 0) {}
}

void harness_connect(struct harness *h, const char *dsn, bool pgbouncer) {
    harness_begin(h, dsn, pgbouncer);
    client_open(h->client);
    assert_false(h->is_ready || h->is_ended);
    while (!h->is_ready) {
        assert_true(loop_run_once(h->loop, PATIENCE_USEC) > 0);
        if (h->is_ended) {
            fail_msg("connecting: %s", h->failure.error.text);
        }
    }
}

const struct client_failure *harness_connect_fails(struct harness *h, const char *dsn,
                                                   bool pgbouncer) {
    harness_begin(h, dsn, pgbouncer);
    client_open(h->client);
    assert_false(h->is_ended);
    harness_wait(h, &h->is_ended);
    assert_false(h->is_ready);
    assert_true(h->failure.connection);
    return &h->failure;
}

static struct answer *submit(struct harness *h, const char *text, bool constant,
                             struct table_limits limits) {
    assert_true(h->n_answers < ARRAY_LEN(h->answers));
    struct answer *answer = &h->answers[h->n_answers++];
    answer->harness = h;
    const struct client_request request = {.text = text,
                                           .constant = constant,
                                           .limits = limits,
                                           .arena = &h->arena,
                                           .done = on_done,
                                           .userdata = answer};
    client_submit(h->client, &request);
    assert_false(answer->done);
    return answer;
}

struct answer *harness_submit(struct harness *h, const char *text, bool constant) {
    return submit(h, text, constant, (struct table_limits){0});
}

struct answer *harness_submit_limited(struct harness *h, const char *text,
                                      struct table_limits limits) {
    return submit(h, text, false, limits);
}

struct answer *harness_ask(struct harness *h, const char *text, bool constant) {
    struct answer *answer = harness_submit(h, text, constant);
    client_flush(h->client);
    assert_false(answer->done);
    harness_wait(h, &answer->done);
    return answer;
}

const char *value_of(const struct answer *answer) {
    assert_true(answer->done);
    if (answer->failed) {
        fail_msg("the query failed: %s", answer->failure.error.text);
    }
    assert_true(answer->table->n_rows > 0 && answer->table->n_columns > 0);
    return table_cell(answer->table, 0, 0).data;
}
