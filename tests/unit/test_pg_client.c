/* SPDX-License-Identifier: Apache-2.0 */

/* Against a real PostgreSQL and a real PgBouncer of a sandbox, and against sockets of our own where
 * a server must misbehave. */

#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <libpq-fe.h>

#include "base/mem.h"
#include "tests/support/pg_harness.h"

static const char *direct(void) {
    return sandbox_value("SANDBOX_PRIMARY_DSN");
}

static const char *pooled(void) {
    return sandbox_value("SANDBOX_PGBOUNCER_DSN_MONITOR");
}

static void run_admin(const char *statement) {
    free(admin(statement));
}

static void assert_failed(const struct answer *answer, enum client_reason reason,
                          const char *sqlstate) {
    assert_true(answer->done && answer->failed);
    if (answer->failure.reason != reason) {
        fail_msg("%s: %s", client_reason_names[answer->failure.reason], answer->failure.error.text);
    }
    assert_string_equal(answer->failure.sqlstate, sqlstate);
}

/* --- connecting ------------------------------------------------------------------------------ */

static void connects_directly_and_sets_guards(void **state) {
    struct harness h;
    harness_connect(&h, direct(), false);
    assert_true(h.hello.version >= 100000);
    assert_false(h.hello.pooler);
    assert_true(h.hello.connect_usec > 0);
    assert_string_equal(value_of(harness_ask(&h, "SHOW default_transaction_read_only", true)),
                        "on");
    assert_string_equal(value_of(harness_ask(&h, "SHOW statement_timeout", true)), "1s");
    assert_string_equal(value_of(harness_ask(&h, "SHOW lock_timeout", true)), "300ms");
    assert_string_equal(value_of(harness_ask(&h, "SHOW application_name", true)), "dbvitals");
    harness_end(&h);
}

static void connects_over_a_unix_socket(void **state) {
    struct harness h;
    CLEANUP(mem_freep)
    char *dsn = mem_printf("host=%s port=%s user=postgres dbname=postgres",
                           sandbox_value("SANDBOX_RUN"), sandbox_value("SANDBOX_PRIMARY_PORT"));
    harness_connect(&h, dsn, false);
    assert_null(value_of(harness_ask(&h, "SELECT inet_server_addr()", true)));
    harness_end(&h);
}

static void resolves_names_and_tries_all_hosts(void **state) {
    struct harness h;
    struct pg_options options = {0};
    assert_int_equal(pg_options_parse(direct(), &options, NULL), 0);
    free(options.dsn);
    options.dsn = mem_printf("host=127.0.0.1,localhost port=1,%s user=monitor dbname=postgres",
                             sandbox_value("SANDBOX_PRIMARY_PORT"));
    harness_begin_options(&h, &options, false);
    pg_options_deinit(&options);
    client_open(h.client);
    harness_wait(&h, &h.is_ready);
    assert_string_equal(value_of(harness_ask(&h, "SELECT 1", true)), "1");
    harness_end(&h);
}

static void connects_to_a_database_with_an_odd_name(void **state) {
    struct harness h;
    run_admin("CREATE DATABASE \"\"\"\"");
    CLEANUP(mem_freep)
    char *dsn = mem_printf("host=%s port=%s user=postgres dbname='\"'",
                           sandbox_value("SANDBOX_RUN"), sandbox_value("SANDBOX_PRIMARY_PORT"));
    harness_connect(&h, dsn, false);
    assert_string_equal(value_of(harness_ask(&h, "SELECT current_database()", true)), "\"");
    harness_end(&h);
    run_admin("DROP DATABASE \"\"\"\" WITH (FORCE)");
}

static void connects_to_the_database_of_the_options_whatever_it_is_called(void **state) {
    static const char name[] = "host=evil '\"\\ dbname=x \xc3\xbc";
    struct harness h;
    struct pg_options options = {0};
    run_admin("CREATE DATABASE \"host=evil '\"\"\\ dbname=x \xc3\xbc\"");
    assert_int_equal(pg_options_parse(direct(), &options, NULL), 0);
    options.database = mem_strdup(name);
    options.statement_timeout_usec = 7000000;
    harness_begin_options(&h, &options, false);
    pg_options_deinit(&options);
    client_open(h.client);
    harness_wait(&h, &h.is_ready);
    assert_string_equal(value_of(harness_ask(&h, "SELECT current_database()", true)), name);
    assert_string_equal(value_of(harness_ask(&h, "SHOW statement_timeout", true)), "7s");
    assert_string_equal(value_of(harness_ask(&h, "SHOW lock_timeout", true)), "300ms");
    harness_end(&h);
    run_admin("DROP DATABASE \"host=evil '\"\"\\ dbname=x \xc3\xbc\" WITH (FORCE)");
}

static void wrong_password_is_alive(void **state) {
    struct harness h;
    CLEANUP(mem_freep)
    char *dsn = mem_printf("host=127.0.0.1 port=%s user=monitor dbname=postgres password=wr0ng",
                           sandbox_value("SANDBOX_PRIMARY_PORT"));
    const struct client_failure *failure = harness_connect_fails(&h, dsn, false);
    assert_int_equal(failure->end, CLIENT_ALIVE);
    assert_int_equal(failure->reason, REASON_AUTH);
    assert_string_equal(failure->sqlstate, "28P01");
    assert_string_equal(failure->source, "auth_failed");
    assert_null(strstr(failure->error.text, "wr0ng"));
    harness_end(&h);
}

static void missing_password_is_alive(void **state) {
    struct harness h;
    CLEANUP(mem_freep)
    char *dsn = mem_printf("host=127.0.0.1 port=%s user=monitor dbname=postgres passfile=/nowhere",
                           sandbox_value("SANDBOX_PRIMARY_PORT"));
    const struct client_failure *failure = harness_connect_fails(&h, dsn, false);
    assert_int_equal(failure->end, CLIENT_ALIVE);
    assert_int_equal(failure->reason, REASON_AUTH);
    harness_end(&h);
}

static void missing_database_is_alive(void **state) {
    struct harness h;
    CLEANUP(mem_freep)
    char *dsn = mem_printf("host=%s port=%s user=postgres dbname=nowhere",
                           sandbox_value("SANDBOX_RUN"), sandbox_value("SANDBOX_PRIMARY_PORT"));
    const struct client_failure *failure = harness_connect_fails(&h, dsn, false);
    assert_int_equal(failure->end, CLIENT_ALIVE);
    assert_int_equal(failure->reason, REASON_UNSUPPORTED);
    assert_string_equal(failure->sqlstate, "3D000");
    harness_end(&h);
}

/* A listening socket on a free port. */
static int listen_somewhere(char port[8]) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    snprintf(port, 8, "%u", ntohs(address.sin_port));
    return fd;
}

static void refused_and_missing_sockets_are_gone(void **state) {
    char port[8];
    close(listen_somewhere(port));
    const char *const hosts[] = {"127.0.0.1", "/nowhere"};
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        struct harness h;
        CLEANUP(mem_freep)
        char *dsn = mem_printf("host=%s port=%s user=x", hosts[i], port);
        const struct client_failure *failure = harness_connect_fails(&h, dsn, false);
        assert_int_equal(failure->end, CLIENT_GONE);
        assert_int_equal(failure->reason, REASON_REFUSED);
        harness_end(&h);
    }
}

static void unknown_host_is_our_trouble(void **state) {
    struct harness h;
    const struct client_failure *failure =
        harness_connect_fails(&h, "host=no-such-host.invalid user=x", false);
    assert_int_equal(failure->end, CLIENT_OURS);
    assert_int_equal(failure->reason, REASON_DNS);
    harness_end(&h);
}

static void undefined_service_is_our_trouble(void **state) {
    struct harness h;
    const struct client_failure *failure = harness_connect_fails(&h, "service=nowhere", false);
    assert_int_equal(failure->end, CLIENT_OURS);
    assert_int_equal(failure->reason, REASON_LOCAL);
    assert_non_null(strstr(failure->error.text, "nowhere"));
    harness_end(&h);
}

/* What a proxy without a server behind it does. */
static void closed_before_the_first_byte_is_gone(void **state) {
    struct harness h;
    char port[8];
    int listener = listen_somewhere(port);
    CLEANUP(mem_freep)
    char *dsn = mem_printf("host=127.0.0.1 port=%s user=x", port);
    harness_begin(&h, dsn, false);
    client_open(h.client);
    while (!h.is_ended) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        assert_true(loop_run_once(h.loop, 50000) >= 0);
        if (fd >= 0) {
            close(fd); /* libpq may come again without TLS */
        }
    }
    assert_int_equal(h.failure.end, CLIENT_GONE);
    assert_int_equal(h.failure.reason, REASON_CLOSED);
    close(listener);
    harness_end(&h);
}

static void closed_after_the_first_byte_is_alive(void **state) {
    struct harness h;
    char port[8], byte;
    int listener = listen_somewhere(port);
    CLEANUP(mem_freep)
    char *dsn = mem_printf("host=127.0.0.1 port=%s user=x sslmode=disable", port);
    harness_begin(&h, dsn, false);
    client_open(h.client);
    harness_settle(&h);
    int fd = accept4(listener, NULL, NULL, 0);
    assert_int_equal(read(fd, &byte, 1), 1);
    assert_int_equal(write(fd, "R", 1), 1);
    harness_settle(&h);
    close(fd);
    harness_wait(&h, &h.is_ended);
    assert_int_equal(h.failure.end, CLIENT_ALIVE);
    close(listener);
    harness_end(&h);
}

static void silent_server_leaves_it_connecting(void **state) {
    struct harness h;
    char port[8];
    int listener = listen_somewhere(port);
    CLEANUP(mem_freep)
    char *dsn = mem_printf("host=127.0.0.1 port=%s user=x", port);
    harness_begin(&h, dsn, false);
    client_open(h.client);
    harness_settle(&h);
    client_abandon(h.client, "no answer within 3s");
    harness_settle(&h);
    assert_false(h.is_ready || h.is_ended || h.is_drained);
    assert_int_equal(h.client->state, CLIENT_CONNECTING);
    const struct answer *early = harness_submit(&h, "SELECT 1", true);
    harness_wait(&h, &early->done);
    assert_failed(early, REASON_CANCELED, "");
    close(listener);
    harness_end(&h);
}

/* --- requests -------------------------------------------------------------------------------- */

static void error_spoils_only_its_own_query(void **state) {
    struct harness h;
    harness_connect(&h, direct(), false);
    const struct answer *first = harness_submit(&h, "SELECT 'one'", true);
    const struct answer *column = harness_submit(&h, "SELECT nonsense FROM pg_class", true);
    const struct answer *divided = harness_submit(&h, "SELECT 1 / 0", false);
    const struct answer *write = harness_submit(&h, "CREATE TABLE never (i int)", false);
    const struct answer *last = harness_submit(&h, "SELECT 'two', NULL", true);
    client_flush(h.client);
    harness_wait(&h, &last->done);
    assert_string_equal(value_of(first), "one");
    assert_failed(column, REASON_UNSUPPORTED, "42703");
    assert_failed(divided, REASON_QUERY, "22012");
    assert_string_equal(divided->failure.error.text, "division by zero (22012)");
    assert_failed(write, REASON_QUERY, "25006");
    assert_int_equal(write->failure.end, CLIENT_ALIVE);
    assert_false(write->failure.connection);
    assert_string_equal(value_of(last), "two");
    assert_null(table_cell(last->table, 0, 1).data);
    assert_true(str_is(last->table->columns[1], "?column?"));
    harness_end(&h);
}

static void prepares_a_constant_text_once(void **state) {
    static const char text[] = "SELECT count(*) FROM pg_stat_activity";
    struct harness h;
    harness_connect(&h, direct(), false);
    for (int i = 0; i < 3; i++) {
        const struct answer *one = harness_submit(&h, text, true);
        const struct answer *two = harness_submit(&h, text, true);
        client_flush(h.client);
        harness_wait(&h, &two->done);
        value_of(one);
        value_of(two);
    }
    const struct answer *answer =
        harness_ask(&h, "SELECT generic_plans + custom_plans FROM pg_prepared_statements", false);
    assert_int_equal(answer->table->n_rows, 1);
    assert_string_equal(value_of(answer), "6");
    harness_end(&h);
}

static void recovers_from_a_changed_result_type(void **state) {
    static const char text[] = "SELECT * FROM changing";
    struct harness h;
    run_admin("DROP TABLE IF EXISTS changing");
    run_admin("CREATE TABLE changing AS SELECT 1 AS a");
    run_admin("GRANT SELECT ON changing TO monitor");
    harness_connect(&h, direct(), false);
    assert_int_equal(harness_ask(&h, text, true)->table->n_columns, 1);
    run_admin("ALTER TABLE changing ADD b int");
    const struct answer *changed = harness_submit(&h, text, true);
    const struct answer *other = harness_submit(&h, "SELECT 'other'", true);
    client_flush(h.client);
    harness_wait(&h, &changed->done);
    value_of(changed);
    assert_int_equal(changed->table->n_columns, 2);
    assert_string_equal(value_of(other), "other");
    assert_string_equal(value_of(harness_ask(&h, text, true)), "1");
    harness_end(&h);
    run_admin("DROP TABLE changing");
}

static void recovers_from_a_lost_prepared_statement(void **state) {
    static const char text[] = "SELECT 'kept'";
    struct harness h;
    harness_connect(&h, direct(), false);
    value_of(harness_ask(&h, text, true));
    assert_false(harness_ask(&h, "DEALLOCATE ALL", false)->failed);
    assert_string_equal(value_of(harness_ask(&h, text, true)), "kept");
    assert_string_equal(
        value_of(harness_ask(&h, "SELECT count(*) FROM pg_prepared_statements", false)), "1");
    harness_end(&h);
}

static void does_not_remember_a_failed_prepare(void **state) {
    static const char text[] = "SELECT a FROM appears_later";
    struct harness h;
    run_admin("DROP TABLE IF EXISTS appears_later");
    harness_connect(&h, direct(), false);
    const struct answer *one = harness_submit(&h, text, true);
    const struct answer *two = harness_submit(&h, text, true);
    client_flush(h.client);
    harness_wait(&h, &two->done);
    assert_failed(one, REASON_UNSUPPORTED, "42P01");
    assert_failed(two, REASON_UNSUPPORTED, "42P01");
    run_admin("CREATE TABLE appears_later AS SELECT 7 AS a");
    run_admin("GRANT SELECT ON appears_later TO monitor");
    assert_string_equal(value_of(harness_ask(&h, text, true)), "7");
    harness_end(&h);
    run_admin("DROP TABLE appears_later");
}

/* How long the server lets a query run. */
static void connect_guarded(struct harness *h, uint64_t guard_timeout_usec) {
    struct pg_options options = {0};
    assert_int_equal(pg_options_parse(direct(), &options, NULL), 0);
    options.guard_timeout_usec = guard_timeout_usec;
    harness_begin_options(h, &options, false);
    pg_options_deinit(&options);
    client_open(h->client);
    harness_wait(h, &h->is_ready);
}

static void guards_end_slow_and_waiting_queries_alone(void **state) {
    struct harness h;
    run_admin("CREATE TABLE IF NOT EXISTS locked (i int)");
    run_admin("GRANT SELECT ON locked TO monitor");
    PGconn *holder = PQconnectdb(sandbox_value("SANDBOX_PRIMARY_DSN_SUPER"));
    PQclear(PQexec(holder, "BEGIN"));
    PQclear(PQexec(holder, "LOCK TABLE locked IN ACCESS EXCLUSIVE MODE"));
    connect_guarded(&h, 600000);
    const struct answer *slow = harness_submit(&h, "SELECT pg_sleep(5)", true);
    const struct answer *waits = harness_submit(&h, "SELECT i FROM locked", true);
    const struct answer *fine = harness_submit(&h, "SELECT 'fine'", true);
    client_flush(h.client);
    harness_wait(&h, &fine->done);
    assert_failed(slow, REASON_TIMEOUT, "57014");
    assert_failed(waits, REASON_LOCK, "55P03");
    assert_string_equal(value_of(fine), "fine");
    PQfinish(holder);
    harness_end(&h);
    run_admin("DROP TABLE locked");
}

static void keeps_to_limits_of_rows_and_bytes(void **state) {
    struct harness h;
    harness_connect(&h, direct(), false);
    const struct answer *rows = harness_submit_limited(
        &h, "SELECT g FROM generate_series(1, 5000) g", (struct table_limits){.max_rows = 10});
    const struct answer *bytes = harness_submit_limited(&h, "SELECT repeat('x', 2000)",
                                                        (struct table_limits){.max_bytes = 1000});
    const struct answer *whole =
        harness_submit(&h, "SELECT g FROM generate_series(1, 15000) g", true);
    client_flush(h.client);
    harness_wait(&h, &whole->done);
    assert_failed(rows, REASON_TOO_LARGE, "");
    assert_failed(bytes, REASON_TOO_LARGE, "");
    assert_false(rows->failure.connection);
    value_of(whole);
    assert_int_equal(whole->table->n_rows, 15000);
    assert_true(str_is(table_cell(whole->table, 14999, 0), "15000"));
    harness_end(&h);
}

static void ends_a_reply_that_goes_far_beyond_its_limit(void **state) {
    struct harness h;
    /* On a machine that is busy the server's own guard would be sooner. */
    connect_guarded(&h, 60000000);
    const struct answer *answer =
        harness_submit_limited(&h, "SELECT repeat('x', 100000) FROM generate_series(1, 100000)",
                               (struct table_limits){.max_rows = 1});
    client_flush(h.client);
    harness_wait(&h, &answer->done);
    assert_failed(answer, REASON_TOO_LARGE, "");
    assert_false(h.is_ended);
    harness_wait(&h, &h.is_ended);
    assert_int_equal(h.failure.reason, REASON_TOO_LARGE);
    assert_int_equal(h.failure.end, CLIENT_OURS);
    harness_end(&h);
}

static void ends_a_single_row_that_is_far_too_large(void **state) {
    struct harness h;
    harness_connect(&h, direct(), false);
    const struct answer *answer = harness_submit_limited(&h, "SELECT repeat('x', 8 * 1024 * 1024)",
                                                         (struct table_limits){.max_bytes = 1000});
    client_flush(h.client);
    harness_wait(&h, &h.is_ended);
    assert_failed(answer, REASON_TOO_LARGE, "");
    harness_end(&h);
}

static void refuses_copy(void **state) {
    struct harness h;
    harness_connect(&h, direct(), false);
    const struct answer *answer = harness_submit(&h, "COPY (SELECT 1) TO STDOUT", false);
    client_flush(h.client);
    harness_wait(&h, &h.is_ended);
    assert_true(answer->failed);
    assert_int_equal(answer->failure.reason, REASON_UNSUPPORTED);
    harness_end(&h);
}

static void bytes_that_are_no_utf8_need_another_connection(void **state) {
    static const char text[] = "SELECT convert_from('\\x61ff', 'SQL_ASCII')";
    struct harness h;
    run_admin("CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' "
              "LC_CTYPE 'C'");
    CLEANUP(mem_freep)
    char *dsn = mem_printf("host=%s port=%s user=postgres dbname=ascii",
                           sandbox_value("SANDBOX_RUN"), sandbox_value("SANDBOX_PRIMARY_PORT"));
    harness_connect(&h, dsn, false);
    const struct answer *bad = harness_submit(&h, text, true);
    const struct answer *good = harness_submit(&h, "SELECT 'good'", true);
    client_flush(h.client);
    harness_wait(&h, &h.is_ended);
    assert_failed(bad, REASON_QUERY, "22021");
    assert_string_equal(value_of(good), "good");
    assert_string_equal(h.failure.sqlstate, "22021");
    harness_end(&h);

    struct pg_options options = {0};
    assert_int_equal(pg_options_parse(dsn, &options, NULL), 0);
    options.sql_ascii = true;
    harness_begin_options(&h, &options, false);
    pg_options_deinit(&options);
    client_open(h.client);
    harness_wait(&h, &h.is_ready);
    assert_string_equal(value_of(harness_ask(&h, text, true)), "a\xef\xbf\xbd");
    harness_end(&h);
    run_admin("DROP DATABASE ascii WITH (FORCE)");
}

/* --- behind a pooler ------------------------------------------------------------------------- */

static void pooler_gets_no_session_settings(void **state) {
    struct harness h;
    harness_connect(&h, pooled(), false);
    assert_true(h.hello.pooler);
    const struct answer *inside =
        harness_submit(&h, "SELECT current_setting('statement_timeout')", true);
    const struct answer *write = harness_submit(&h, "CREATE TABLE never (i int)", true);
    const struct answer *wrong = harness_submit(&h, "SELECT nonsense", true);
    const struct answer *last = harness_submit(&h, "SELECT 'last'", true);
    client_flush(h.client);
    harness_wait(&h, &last->done);
    assert_string_equal(value_of(inside), "1s");
    assert_failed(write, REASON_QUERY, "25006");
    assert_failed(wrong, REASON_UNSUPPORTED, "42703");
    assert_string_equal(value_of(last), "last");
    harness_settle(&h);
    /* The pool has one server connection: this is the one that we have just used. */
    static const struct {
        const char *statement, *value;
    } cases[] = {
        {"SHOW statement_timeout", "0"},
        {"SHOW lock_timeout", "0"},
        {"SHOW default_transaction_read_only", "off"},
        {"SELECT count(*) FROM pg_prepared_statements", "0"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(mem_freep)
        char *value = admin_at(pooled(), cases[i].statement);
        assert_string_equal(value, cases[i].value);
    }
    harness_end(&h);
}

static void pooler_has_its_server_connection_back_after_an_error(void **state) {
    struct harness h;
    harness_connect(&h, pooled(), false);
    for (int i = 0; i < 3; i++) {
        assert_failed(harness_ask(&h, "SELECT 1 / 0", true), REASON_QUERY, "22012");
        harness_settle(&h);
        CLEANUP(mem_freep)
        char *value = admin_at(pooled(), "SELECT 'free'");
        assert_string_equal(value, "free");
    }
    harness_end(&h);
}

/* --- ends ------------------------------------------------------------------------------------ */

static char *backend_of(struct harness *h) {
    return mem_strdup(value_of(harness_ask(h, "SELECT pg_backend_pid()", true)));
}

/* Return: what ends its backend, for an administrator; the caller's. */
static char *end_of_backend(struct harness *h) {
    CLEANUP(mem_freep)
    char *pid = backend_of(h);
    return mem_printf("SELECT pg_terminate_backend(%s)", pid);
}

static void terminated_while_idle(void **state) {
    struct harness h;
    harness_connect(&h, direct(), false);
    CLEANUP(mem_freep)
    char *kill = end_of_backend(&h);
    run_admin(kill);
    harness_wait(&h, &h.is_ended);
    assert_int_equal(h.failure.end, CLIENT_GONE);
    assert_int_equal(h.failure.reason, REASON_SHUTDOWN);
    assert_string_equal(h.failure.sqlstate, "57P01");
    assert_string_equal(h.failure.source, "ProcessInterrupts");
    harness_end(&h);
}

/* A worker that was forked a moment ago has copies of all sockets: what libpq closes is not gone
 * then, and events of it must lead nowhere. */
static void terminated_while_another_process_has_the_socket(void **state) {
    struct harness h;
    harness_connect(&h, direct(), false);
    CLEANUP(mem_freep)
    char *kill_backend = end_of_backend(&h);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)pause();
        _exit(0);
    }
    run_admin(kill_backend);
    harness_wait(&h, &h.is_ended);
    h.client = client_free(h.client); /* and its memory is another's */
    int turns = 0;
    for (int i = 0; i < 5; i++) {
        turns += loop_run_once(h.loop, 10000);
    }
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(turns, 0);
    harness_end(&h);
}

static void terminated_while_busy(void **state) {
    struct harness h;
    harness_connect(&h, direct(), false);
    CLEANUP(mem_freep)
    char *kill = end_of_backend(&h);
    const struct answer *running = harness_submit(&h, "SELECT pg_sleep(5)", true);
    const struct answer *waiting = harness_submit(&h, "SELECT 1", true);
    client_flush(h.client);
    harness_settle(&h);
    run_admin(kill);
    harness_wait(&h, &h.is_ended);
    assert_failed(running, REASON_SHUTDOWN, "57P01");
    assert_failed(waiting, REASON_SHUTDOWN, "57P01");
    assert_true(running->failure.connection && waiting->failure.connection);
    assert_string_equal(h.failure.sqlstate, "57P01");
    harness_end(&h);
}

static void hung_backend_drains_when_it_comes_back(void **state) {
    static const char text[] = "SELECT 'late' FROM generate_series(1, 3000)";
    struct harness h;
    harness_connect(&h, direct(), false);
    value_of(harness_ask(&h, text, true));
    CLEANUP(mem_freep)
    char *pid = backend_of(&h);
    assert_int_equal(kill(atoi(pid), SIGSTOP), 0);
    const struct answer *known = harness_submit(&h, text, true);
    const struct answer *fresh = harness_submit(&h, "SELECT 'never prepared before'", true);
    client_flush(h.client);
    harness_settle(&h);
    const struct answer *unsent = harness_submit(&h, text, true);
    client_abandon(h.client, "no answer within 3s");
    assert_false(known->done);
    harness_wait(&h, &unsent->done);
    assert_failed(known, REASON_TIMEOUT, "");
    assert_failed(fresh, REASON_TIMEOUT, "");
    assert_int_equal(known->failure.end, CLIENT_SILENT);
    assert_string_equal(known->failure.error.text, "no answer within 3s");
    assert_int_equal(h.client->state, CLIENT_DRAINING);
    harness_settle(&h);
    assert_false(h.is_drained);
    assert_int_equal(kill(atoi(pid), SIGCONT), 0);
    harness_wait(&h, &h.is_drained);
    assert_int_equal(h.client->state, CLIENT_READY);
    assert_int_equal(harness_ask(&h, text, true)->table->n_rows, 3000);
    assert_string_equal(
        value_of(harness_ask(&h, "SELECT count(*) FROM pg_prepared_statements", false)), "3");
    harness_end(&h);
}

static void abandoning_nothing_drains_at_once(void **state) {
    struct harness h;
    harness_connect(&h, direct(), false);
    client_abandon(h.client, "no answer within 3s");
    assert_false(h.is_drained);
    harness_wait(&h, &h.is_drained);
    assert_string_equal(value_of(harness_ask(&h, "SELECT 1", true)), "1");
    harness_end(&h);
}

/* A failure of preparing, of running, and a success. */
static void an_answer_may_ask_for_more(const char *dsn) {
    static const char *const texts[] = {"SELECT nonsense FROM pg_class",
                                        "SELECT 1 / (1 - n) FROM "
                                        "pg_catalog.generate_series(1, 1) AS n",
                                        "SELECT 'fine'"};
    struct harness h;
    harness_connect(&h, dsn, false);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct answer *first = harness_submit(&h, texts[i], true);
        struct answer *next = &h.answers[h.n_answers];
        first->then = "SELECT 'next'";
        client_flush(h.client);
        harness_wait(&h, &first->done);
        assert_int_equal(first->failed, i < 2);
        harness_wait(&h, &next->done);
        assert_string_equal(value_of(next), "next");
        assert_string_equal(value_of(harness_ask(&h, "SELECT 'last'", true)), "last");
    }
    assert_false(h.is_ended);
    harness_end(&h);
}

static void a_direct_answer_may_ask_for_more(void **state) {
    an_answer_may_ask_for_more(direct());
}

static void an_answer_of_a_pooler_may_ask_for_more(void **state) {
    an_answer_may_ask_for_more(pooled());
}

static void may_be_freed_by_an_answer(void **state) {
    struct harness h;
    harness_connect(&h, direct(), false);
    struct answer *first = harness_submit(&h, "SELECT 1", true);
    struct answer *second = harness_submit(&h, "SELECT 2", true);
    first->frees_client = true;
    second->frees_client = true; /* while it is being freed already */
    client_flush(h.client);
    harness_wait(&h, &first->done);
    assert_failed(second, REASON_CANCELED, "");
    assert_int_equal(second->failure.end, CLIENT_OURS);
    harness_end(&h);
}

static void freeing_answers_what_is_open(void **state) {
    struct harness h;
    harness_connect(&h, direct(), false);
    const struct answer *sent = harness_submit(&h, "SELECT pg_sleep(1)", true);
    client_flush(h.client);
    harness_settle(&h);
    const struct answer *unsent = harness_submit(&h, "SELECT 2", false);
    h.client = client_free(h.client);
    assert_failed(sent, REASON_CANCELED, "");
    assert_failed(unsent, REASON_CANCELED, "");
    harness_end(&h);
}

static void immediate_stop_says_goodbye_and_leaves_nobody(void **state) {
    struct harness h;
    harness_connect(&h, direct(), false);
    sandbox_run("stop primary immediate");
    harness_wait(&h, &h.is_ended);
    assert_int_equal(h.failure.end, CLIENT_GONE);
    assert_int_equal(h.failure.reason, REASON_SHUTDOWN);
    assert_string_equal(h.failure.sqlstate, "57P01");
    assert_string_equal(h.failure.source, "quickdie");
    harness_end(&h);
    const struct client_failure *failure = harness_connect_fails(&h, direct(), false);
    assert_int_equal(failure->end, CLIENT_GONE);
    assert_int_equal(failure->reason, REASON_REFUSED);
    harness_end(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connects_directly_and_sets_guards),
        cmocka_unit_test(connects_over_a_unix_socket),
        cmocka_unit_test(resolves_names_and_tries_all_hosts),
        cmocka_unit_test(connects_to_a_database_with_an_odd_name),
        cmocka_unit_test(connects_to_the_database_of_the_options_whatever_it_is_called),
        cmocka_unit_test(wrong_password_is_alive),
        cmocka_unit_test(missing_password_is_alive),
        cmocka_unit_test(missing_database_is_alive),
        cmocka_unit_test(refused_and_missing_sockets_are_gone),
        cmocka_unit_test(unknown_host_is_our_trouble),
        cmocka_unit_test(undefined_service_is_our_trouble),
        cmocka_unit_test(closed_before_the_first_byte_is_gone),
        cmocka_unit_test(closed_after_the_first_byte_is_alive),
        cmocka_unit_test(silent_server_leaves_it_connecting),
        cmocka_unit_test(error_spoils_only_its_own_query),
        cmocka_unit_test(prepares_a_constant_text_once),
        cmocka_unit_test(recovers_from_a_changed_result_type),
        cmocka_unit_test(recovers_from_a_lost_prepared_statement),
        cmocka_unit_test(does_not_remember_a_failed_prepare),
        cmocka_unit_test(guards_end_slow_and_waiting_queries_alone),
        cmocka_unit_test(keeps_to_limits_of_rows_and_bytes),
        cmocka_unit_test(ends_a_reply_that_goes_far_beyond_its_limit),
        cmocka_unit_test(ends_a_single_row_that_is_far_too_large),
        cmocka_unit_test(refuses_copy),
        cmocka_unit_test(bytes_that_are_no_utf8_need_another_connection),
        cmocka_unit_test(pooler_gets_no_session_settings),
        cmocka_unit_test(pooler_has_its_server_connection_back_after_an_error),
        cmocka_unit_test(terminated_while_idle),
        cmocka_unit_test(terminated_while_another_process_has_the_socket),
        cmocka_unit_test(terminated_while_busy),
        cmocka_unit_test(hung_backend_drains_when_it_comes_back),
        cmocka_unit_test(abandoning_nothing_drains_at_once),
        cmocka_unit_test(a_direct_answer_may_ask_for_more),
        cmocka_unit_test(an_answer_of_a_pooler_may_ask_for_more),
        cmocka_unit_test(may_be_freed_by_an_answer),
        cmocka_unit_test(freeing_answers_what_is_open),
        /* the last one stops a server: not in a sandbox that others use as well */
        cmocka_unit_test(immediate_stop_says_goodbye_and_leaves_nobody),
    };
    sandbox_begin("primary,pgbouncer");
    int failed =
        _cmocka_run_group_tests("tests", tests, ARRAY_LEN(tests) - !sandbox_is_own(), NULL, NULL);
    sandbox_end();
    return failed;
}
