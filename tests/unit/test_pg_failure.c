/* SPDX-License-Identifier: Apache-2.0 */

/* Every complaint of PostgreSQL and libpq that has a meaning of its own. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "io/pg_failure.h"

static void knows_what_sqlstates_mean(void **state) {
    static const struct {
        const char *sqlstate;
        enum client_reason reason;
    } cases[] = {
        {"28P01", REASON_AUTH},        {"28000", REASON_AUTH},
        {"53300", REASON_CONNECTIONS}, {"57P03", REASON_STARTING},
        {"57P01", REASON_SHUTDOWN},    {"57P02", REASON_SHUTDOWN},
        {"55P03", REASON_LOCK},        {"57014", REASON_TIMEOUT},
        {"40001", REASON_CONFLICT},    {"40P01", REASON_CONFLICT},
        {"42501", REASON_PERMISSION},  {"42883", REASON_UNSUPPORTED},
        {"42703", REASON_UNSUPPORTED}, {"42P01", REASON_UNSUPPORTED},
        {"42704", REASON_UNSUPPORTED}, {"3D000", REASON_UNSUPPORTED},
        {"08P01", REASON_PROTOCOL},    {"42601", REASON_QUERY},
        {"22012", REASON_QUERY},       {"", REASON_QUERY},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(pg_reason_of_sqlstate(cases[i].sqlstate), cases[i].reason);
    }
}

#define AT "connection to server at \"db\" (10.0.0.1), port 5432 failed: "

static void knows_how_connecting_failed(void **state) {
    static const struct {
        const char *message;
        bool answered;
        enum client_end end;
        enum client_reason reason;
    } cases[] = {
        {AT "Connection refused\n\tIs the server running on that host?\n", false, CLIENT_GONE,
         REASON_REFUSED},
        {"connection to server on socket \"/x/.s.PGSQL.1\" failed: No such file or directory\n",
         false, CLIENT_GONE, REASON_REFUSED},
        {AT "No route to host\n", false, CLIENT_SILENT, REASON_UNREACHABLE},
        {AT "Connection timed out\n", false, CLIENT_SILENT, REASON_UNREACHABLE},
        {AT "Network is unreachable\n", false, CLIENT_OURS, REASON_LOCAL},
        {AT "could not create socket: Too many open files\n", false, CLIENT_OURS, REASON_LOCAL},
        {AT "\x8fZI\xc0Md\n", true, CLIENT_ALIVE, REASON_PROTOCOL},
        {AT "could not send startup packet: Transport endpoint is not connected\n", false,
         CLIENT_SILENT, REASON_TIMEOUT},
        {AT "server closed the connection unexpectedly\n\tThis probably means\n", false,
         CLIENT_GONE, REASON_CLOSED},
        {AT "server closed the connection unexpectedly\n", true, CLIENT_ALIVE, REASON_CLOSED},
        {AT "could not receive data from server: Connection reset by peer\n", false, CLIENT_GONE,
         REASON_CLOSED},
        {AT "FATAL:  28P01: password authentication failed for user \"m\"\n"
            "LOCATION:  auth_failed, auth.c:334\n",
         true, CLIENT_ALIVE, REASON_AUTH},
        {AT "FATAL:  53300: sorry, too many clients already\n", true, CLIENT_ALIVE,
         REASON_CONNECTIONS},
        {AT "致命错误:  57P03: 数据库系统启动中\n", true, CLIENT_ALIVE, REASON_STARTING},
        {AT "FATAL:  3D000: database \"x\" does not exist\n", true, CLIENT_ALIVE,
         REASON_UNSUPPORTED},
        {AT "FATAL:  08P01: no more connections allowed (max_client_conn)\n", true, CLIENT_ALIVE,
         REASON_CONNECTIONS},
        {AT "fe_sendauth: no password supplied\n", true, CLIENT_ALIVE, REASON_AUTH},
        {AT "server does not support SSL, but SSL was required\n", true, CLIENT_ALIVE, REASON_TLS},
        {AT "SSL error: certificate verify failed\n", true, CLIENT_ALIVE, REASON_TLS},
        {AT "root certificate file \"/nonexist\" does not exist\n", true, CLIENT_OURS, REASON_TLS},
        {AT "could not read certificate file \"/x\": Permission denied\n", true, CLIENT_OURS,
         REASON_TLS},
        {"invalid sslmode value: \"x\"\n", false, CLIENT_OURS, REASON_TLS},
        {"definition of service \"x\" not found\n", false, CLIENT_OURS, REASON_LOCAL},
        {AT "session is read-only\n", true, CLIENT_ALIVE, REASON_UNSUPPORTED},
        {AT "server is not in hot standby mode\n", true, CLIENT_ALIVE, REASON_UNSUPPORTED},
        /* Of a list of hosts, one that is down matters more than one that does not fit. */
        {AT "Connection refused\n\tIs it running?\n" AT "session is read-only\n", true,
         CLIENT_ALIVE, REASON_REFUSED},
        {AT "session is read-only\n" AT "Connection refused\n\tIs it running?\n", true,
         CLIENT_ALIVE, REASON_REFUSED},
        {AT "expected authentication request from server, but received H\n", true, CLIENT_ALIVE,
         REASON_PROTOCOL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct client_failure failure;
        pg_failure_from_connect(cases[i].message, cases[i].answered, &failure);
        if (failure.end != cases[i].end || failure.reason != cases[i].reason) {
            fail_msg("%s: %s %s", cases[i].message, client_end_names[failure.end],
                     client_reason_names[failure.reason]);
        }
        assert_true(failure.connection);
        assert_int_not_equal(failure.error.code, 0);
        assert_null(strchr(failure.error.text, '\n'));
    }
}

static void keeps_code_and_source_of_a_refusal(void **state) {
    struct client_failure failure;
    pg_failure_from_connect(AT "FATAL:  28P01: password authentication failed for user \"m\"\n"
                               "LOCATION:  auth_failed, auth.c:334\n",
                            true, &failure);
    assert_string_equal(failure.sqlstate, "28P01");
    assert_string_equal(failure.source, "auth_failed");
    assert_string_equal(failure.error.text,
                        AT "password authentication failed for user \"m\" (28P01)");
}

static void one_living_address_of_several_is_alive(void **state) {
    static const char *const messages[] = {
        AT "FATAL:  28000: no entry\n" AT "Connection refused\n\tIs the server running?\n",
        AT "Connection refused\n\tIs the server running?\n" AT "FATAL:  28000: no entry\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
        struct client_failure failure;
        pg_failure_from_connect(messages[i], true, &failure);
        assert_int_equal(failure.end, CLIENT_ALIVE);
        assert_int_equal(failure.reason, REASON_AUTH);
        assert_string_equal(failure.sqlstate, "28000");
    }
}

static void last_address_counts_when_none_lives(void **state) {
    struct client_failure failure;
    pg_failure_from_connect(AT "Connection refused\n" AT "No route to host\n", false, &failure);
    assert_int_equal(failure.end, CLIENT_SILENT);
    assert_int_equal(failure.reason, REASON_UNREACHABLE);
}

static void says_something_about_an_empty_message(void **state) {
    struct client_failure failure;
    pg_failure_from_connect("", false, &failure);
    assert_int_equal(failure.end, CLIENT_OURS);
    assert_string_not_equal(failure.error.text, "");
}

static void knows_how_kept_connections_break(void **state) {
    static const struct {
        const char *message;
        enum client_end end;
        enum client_reason reason;
    } cases[] = {
        {"server closed the connection unexpectedly\n\tThis\n", CLIENT_GONE, REASON_CLOSED},
        {"SSL connection has been closed unexpectedly\n", CLIENT_GONE, REASON_CLOSED},
        {"SSL SYSCALL error: EOF detected\n", CLIENT_GONE, REASON_CLOSED},
        {"SSL SYSCALL error: Connection reset by peer\n", CLIENT_GONE, REASON_CLOSED},
        {"could not receive data from server: Connection timed out\n", CLIENT_SILENT,
         REASON_UNREACHABLE},
        {"could not send data to server: No route to host\n", CLIENT_SILENT, REASON_UNREACHABLE},
        {"lost synchronization with server: got message type \"x\"\n", CLIENT_ALIVE,
         REASON_PROTOCOL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct client_failure failure;
        pg_failure_from_broken(cases[i].message, &failure);
        if (failure.end != cases[i].end || failure.reason != cases[i].reason) {
            fail_msg("%s: %s %s", cases[i].message, client_end_names[failure.end],
                     client_reason_names[failure.reason]);
        }
    }
}

static void knows_errnos(void **state) {
    static const struct {
        int value;
        enum client_end end;
        enum client_reason reason;
    } cases[] = {
        {ECONNREFUSED, CLIENT_GONE, REASON_REFUSED},
        {ENOENT, CLIENT_GONE, REASON_REFUSED},
        {ECONNRESET, CLIENT_GONE, REASON_CLOSED},
        {EHOSTUNREACH, CLIENT_SILENT, REASON_UNREACHABLE},
        {ETIMEDOUT, CLIENT_SILENT, REASON_UNREACHABLE},
        {EMFILE, CLIENT_OURS, REASON_LOCAL},
        {ENETUNREACH, CLIENT_OURS, REASON_LOCAL},
        {EACCES, CLIENT_OURS, REASON_LOCAL},
        {EADDRNOTAVAIL, CLIENT_OURS, REASON_LOCAL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct client_failure failure = {0};
        client_failure_from_errno(&failure, cases[i].value);
        assert_int_equal(failure.end, cases[i].end);
        assert_int_equal(failure.reason, cases[i].reason);
        assert_int_equal(failure.error.code, -cases[i].value);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_what_sqlstates_mean),
        cmocka_unit_test(knows_how_connecting_failed),
        cmocka_unit_test(keeps_code_and_source_of_a_refusal),
        cmocka_unit_test(one_living_address_of_several_is_alive),
        cmocka_unit_test(last_address_counts_when_none_lives),
        cmocka_unit_test(says_something_about_an_empty_message),
        cmocka_unit_test(knows_how_kept_connections_break),
        cmocka_unit_test(knows_errnos),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
