/* SPDX-License-Identifier: Apache-2.0 */

/* A real web and clients that misbehave: too much, too slow, too many, broken, gone. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "tests/support/web_fixture.h"

static struct web_client connect_to(struct web_fixture *f) {
    struct web_client client;
    if (f->web == NULL) {
        web_fixture_start(f);
    }
    web_client_open(&client, f->loop, web_address(f->web));
    return client;
}

/* Sends raw bytes, waits until the server closes. Return: the status of the first answer. */
static int send_raw(struct web_fixture *f, const char *data, size_t len) {
    struct web_client client = connect_to(f);
    web_client_send(&client, data, len);
    assert_true(web_client_wait_close(&client));
    web_reply_deinit(&f->reply);
    web_client_reply(&client, &f->reply);
    web_client_close(&client);
    return f->reply.status;
}

static void assert_still_serves(struct web_fixture *f) {
    assert_int_equal(web_fixture_get(f, "/healthz", NULL), 200);
}

/* Turns the loop until all that was open is gone, so that leaks and stale pointers show. */
static void wait_for_connections(struct web_fixture *f, struct web_client *client,
                                 unsigned wanted) {
    uint64_t end = loop_clock_usec() + 10ULL * 1000 * 1000;
    while (web_numbers(f->web).connections != wanted && loop_clock_usec() < end) {
        if (client != NULL) {
            web_client_turn(client);
        } else {
            loop_run_once(f->loop, 10000);
        }
    }
    assert_int_equal(web_numbers(f->web).connections, wanted);
}

/* More than is rendered in one turn of the loop, and far more than a socket takes at once. */
static void add_fleet(struct web_fixture *f) {
    for (unsigned i = 0; i < 30; i++) {
        char name[32];
        snprintf(name, sizeof(name), "fleet-%u", i);
        web_fixture_source(f, name, "a-cluster-with-a-long-name", 5000);
    }
}

static void a_broken_request_line_is_refused(void **state) {
    struct web_fixture *f = *state;
    static const char *const cases[] = {
        "nonsense\r\n\r\n",
        "GET\r\n\r\n",
        "GET  HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET /healthz HTTP/9.9\r\nHost: a\r\n\r\n",
        "\x16\x03\x01\x02\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nno colon here\r\nConnection: close\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_not_equal(send_raw(f, cases[i], strlen(cases[i])), 200);
    }
    assert_still_serves(f);
}

static void a_broken_escape_is_a_sentence(void **state) {
    struct web_fixture *f = *state;
    assert_int_equal(web_fixture_get(f, "/metrics?target=%zz", NULL), 400);
    assert_string_equal(web_fixture_body(f),
                        "{\"error\":\"'%' must be followed by two hex digits\"}\n");
    assert_int_equal(web_fixture_get(f, "http://other/metrics", NULL), 400);
}

static void paths_lead_nowhere_else(void **state) {
    struct web_fixture *f = *state;
    static const char *const paths[] = {"/../../etc/passwd",  "/metrics/../healthz",
                                        "/%2e%2e/etc/passwd", "//healthz",
                                        "/healthz%00",        "/./healthz"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        assert_int_equal(web_fixture_get(f, paths[i], NULL), 404);
    }
}

static void a_huge_url_or_header_is_refused(void **state) {
    struct web_fixture *f = *state;
    static const char *const beginnings[] = {"GET /", "GET / HTTP/1.1\r\nHost: a\r\nX-Long: "};
    static const int statuses[] = {414, 431};
    for (size_t i = 0; i < 2; i++) {
        struct strbuf request = {0};
        strbuf_add_text(&request, beginnings[i]);
        memset(strbuf_reserve(&request, 100000), 'a', 100000);
        request.len += 100000;
        strbuf_add_text(&request, i == 0 ? " HTTP/1.1\r\n\r\n" : "\r\n\r\n");
        int status = send_raw(f, request.data, request.len);
        /* The answer may be lost, because the rest of the request was not read. */
        assert_true(status == statuses[i] || status == 0);
        strbuf_deinit(&request);
    }
    assert_still_serves(f);
}

static void many_headers_are_refused_or_served_but_never_more_than_fit(void **state) {
    struct web_fixture *f = *state;
    struct strbuf headers = {0};
    for (int i = 0; i < 100; i++) {
        strbuf_printf(&headers, "X-%d: 1\r\n", i);
    }
    assert_int_equal(web_fixture_get(f, "/healthz", headers.data), 200);
    strbuf_deinit(&headers);
}

static void a_body_above_the_limit_is_413(void **state) {
    struct web_fixture *f = *state;
    f->options.enable_lifecycle = true;
    char *body = mem_alloc(70001);
    memset(body, 'a', 70000);
    assert_int_equal(web_fixture_ask(f, "POST /-/log-level", NULL, body), 413);
    assert_string_equal(web_fixture_body(f), "{\"error\":\"a body has at most 65536 bytes\"}\n");
    struct strbuf request = {0};
    strbuf_printf(&request,
                  "POST /-/log-level HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n11170\r\n%s\r\n0\r\n\r\n",
                  body);
    assert_int_equal(send_raw(f, request.data, request.len), 413);
    strbuf_deinit(&request);
    free(body);
}

static void a_body_that_is_announced_far_too_long_is_not_waited_for(void **state) {
    struct web_fixture *f = *state;
    struct web_client client = connect_to(f);
    web_client_send_text(&client, "POST /-/reload HTTP/1.1\r\nHost: a\r\n"
                                  "Content-Length: 99999999999\r\n\r\n");
    assert_true(web_client_wait_text(&client, "HTTP/1.1 413", 1));
    web_client_close(&client);
    wait_for_connections(f, NULL, 0);
}

static void an_endless_body_is_cut(void **state) {
    struct web_fixture *f = *state;
    struct web_client client = connect_to(f);
    char piece[16 + 16384];
    int head = sprintf(piece, "4000\r\n");
    memset(piece + head, 'a', 16384);
    memcpy(piece + head + 16384, "\r\n", 2);
    web_client_send_text(&client, "POST /-/reload HTTP/1.1\r\nHost: a\r\n"
                                  "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 1000 && !client.closed; i++) {
        web_client_send(&client, piece, (size_t)head + 16384 + 2);
        web_client_turn(&client);
    }
    assert_true(client.closed);
    web_client_close(&client);
}

static void request_ids_cannot_inject_headers(void **state) {
    struct web_fixture *f = *state;
    static const char *const requests[] = {
        "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
        "X-Request-ID: a\r\n X-Evil: 1\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
        "X-Request-ID: a\nX-Evil: 1\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
        "X-Request-ID: a\rX-Evil: 1\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
        "X-Request-ID: a%0d%0aX-Evil:1\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        send_raw(f, requests[i], strlen(requests[i]));
        assert_null(web_reply_header(&f->reply, "X-Evil"));
    }
}

static void pipelined_requests_are_answered_in_order(void **state) {
    struct web_fixture *f = *state;
    struct web_client client = connect_to(f);
    web_client_send_text(&client, "GET /healthz HTTP/1.1\r\nHost: a\r\nX-Request-ID: one\r\n\r\n"
                                  "GET /sd HTTP/1.1\r\nHost: a\r\nX-Request-ID: two\r\n\r\n"
                                  "GET /none HTTP/1.1\r\nHost: a\r\nX-Request-ID: three\r\n\r\n");
    assert_true(web_client_wait_text(&client, "HTTP/1.1 ", 3));
    const char *one = strstr(client.received.data, "X-Request-ID: one");
    const char *two = strstr(client.received.data, "X-Request-ID: two");
    const char *three = strstr(client.received.data, "X-Request-ID: three");
    assert_true(one != NULL && two != NULL && three != NULL && one < two && two < three);
    assert_false(client.closed);
    web_client_close(&client);
}

static void a_silent_client_is_closed(void **state) {
    struct web_fixture *f = *state;
    f->options.idle_seconds = 1;
    struct web_client client = connect_to(f);
    assert_true(web_client_wait_close(&client));
    web_client_close(&client);
    client = connect_to(f);
    web_client_send_text(&client, "GET /metrics HTTP/1.1\r\nHost:");
    assert_true(web_client_wait_close(&client));
    web_client_close(&client);
    wait_for_connections(f, NULL, 0);
}

/* Bytes that keep coming must not keep a connection for ever. */
static void drip(struct web_fixture *f, const char *beginning) {
    struct web_client client = connect_to(f);
    uint64_t end = loop_clock_usec() + 8ULL * 1000 * 1000;
    uint64_t next = 0;
    web_client_send_text(&client, beginning);
    while (!client.closed && loop_clock_usec() < end) {
        if (loop_clock_usec() > next) {
            web_client_send_text(&client, "a");
            next = loop_clock_usec() + 200 * 1000;
        }
        web_client_turn(&client);
    }
    assert_true(client.closed);
    web_client_close(&client);
}

static void a_client_that_drips_is_cut(void **state) {
    struct web_fixture *f = *state;
    f->options.idle_seconds = 1;
    drip(f, "GET /");
    drip(f, "GET / HTTP/1.1\r\nX-Slow: ");
    drip(f, "POST /-/reload HTTP/1.1\r\nContent-Length: 1000\r\n\r\n");
    assert_still_serves(f);
}

static void a_client_that_never_reads_is_cut(void **state) {
    struct web_fixture *f = *state;
    f->options.idle_seconds = 1;
    add_fleet(f);
    struct web_client client = connect_to(f);
    web_client_send_text(&client, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    uint64_t end = loop_clock_usec() + 8ULL * 1000 * 1000;
    unsigned seen = 0;
    while ((seen == 0 || web_numbers(f->web).connections > 0) && loop_clock_usec() < end) {
        loop_run_once(f->loop, 10000);
        seen |= web_numbers(f->web).connections;
    }
    assert_int_equal(web_numbers(f->web).connections, 0);
    web_client_close(&client);
}

static void the_limit_refuses_with_503_and_then_makes_room(void **state) {
    struct web_fixture *f = *state;
    f->options.max_connections = 3;
    struct web_client clients[3];
    for (size_t i = 0; i < 3; i++) {
        clients[i] = connect_to(f);
    }
    wait_for_connections(f, NULL, 3);
    assert_int_equal(web_fixture_get(f, "/healthz", NULL), 503);
    assert_string_equal(web_fixture_body(f), "{\"error\":\"too many open connections\"}");
    assert_true(web_numbers(f->web).refused >= 1);
    /* Once they have been idle for a second, the one that waited longest has to go. */
    uint64_t end = loop_clock_usec() + 8ULL * 1000 * 1000;
    while (web_fixture_get(f, "/healthz", NULL) != 200 && loop_clock_usec() < end) {
        loop_run_once(f->loop, 50000);
    }
    assert_int_equal(f->reply.status, 200);
    assert_true(web_client_wait_close(&clients[0]));
    web_client_turn(&clients[2]);
    assert_false(clients[2].closed);
    for (size_t i = 0; i < 3; i++) {
        web_client_close(&clients[i]);
    }
    wait_for_connections(f, NULL, 0);
}

/* Headers without end on all connections: a supervisor must not take that for our death. */
static void slow_clients_make_room_for_a_health_check(void **state) {
    struct web_fixture *f = *state;
    f->options.max_connections = 3;
    struct web_client clients[3];
    for (size_t i = 0; i < 3; i++) {
        clients[i] = connect_to(f);
        web_client_send_text(&clients[i], "GET /metrics HTTP/1.1\r\nHost: a\r\nX-Slow: ");
    }
    wait_for_connections(f, NULL, 3);
    uint64_t end = loop_clock_usec() + 8ULL * 1000 * 1000;
    while (web_fixture_get(f, "/healthz", NULL) != 200 && loop_clock_usec() < end) {
        loop_run_once(f->loop, 50000);
    }
    assert_int_equal(f->reply.status, 200);
    assert_true(web_client_wait_close(&clients[0]));
    web_client_turn(&clients[2]);
    assert_false(clients[2].closed);
    for (size_t i = 0; i < 3; i++) {
        web_client_close(&clients[i]);
    }
    wait_for_connections(f, NULL, 0);
}

static void without_descriptors_clients_are_refused_and_the_loop_does_not_spin(void **state) {
    struct web_fixture *f = *state;
    struct rlimit before, none;
    struct web_client client = connect_to(f);
    int lowest_free = dup(client.fd);
    close(lowest_free);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = (rlim_t)lowest_free;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    bool closed = web_client_wait_close(&client);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(closed);
    assert_non_null(strstr(strbuf_view(&client.received).data, "HTTP/1.1 503"));
    web_client_close(&client);
    assert_still_serves(f);
}

static void clients_that_hang_up_anywhere_leave_nothing(void **state) {
    struct web_fixture *f = *state;
    static const char request[] = "POST /metrics?target=orders-1 HTTP/1.1\r\nHost: a\r\n"
                                  "Content-Length: 10\r\n\r\n12345";
    for (size_t len = 0; len < sizeof(request); len += 3) {
        struct web_client client = connect_to(f);
        web_client_send(&client, request, len);
        wait_for_connections(f, &client, 1);
        web_client_turn(&client);
        web_client_close(&client);
        wait_for_connections(f, NULL, 0);
    }
}

static void clients_that_hang_up_while_they_are_answered_leave_nothing(void **state) {
    struct web_fixture *f = *state;
    add_fleet(f);
    struct web_client client = connect_to(f);
    web_client_send_text(&client, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(web_client_wait_text(&client, "HTTP/1.1 200", 1));
    web_client_close(&client);
    wait_for_connections(f, NULL, 0);
    client = connect_to(f);
    web_client_send_text(&client, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(web_client_wait_text(&client, "HTTP/1.1 200", 1));
    f->web = web_free(f->web);
    web_client_close(&client);
}

static void begin_scrape(struct web_fixture *f, struct web_client *client) {
    unsigned before = f->refreshes;
    *client = connect_to(f);
    web_client_send_text(client, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    uint64_t end = loop_clock_usec() + 8ULL * 1000 * 1000;
    while (f->refreshes == before && loop_clock_usec() < end) {
        loop_run_once(f->loop, 10000);
    }
    assert_int_equal(f->refreshes, before + 1);
}

static void scrapes_that_wait_for_a_large_page_are_all_answered_unless_they_went(void **state) {
    struct web_fixture *f = *state;
    struct web_client gone, first, second;
    add_fleet(f);
    begin_scrape(f, &gone);
    begin_scrape(f, &first);
    begin_scrape(f, &second);
    web_client_close(&gone);
    assert_still_serves(f);
    assert_true(web_client_wait_text(&first, "HTTP/1.1 200", 1));
    assert_true(web_client_wait_text(&second, "HTTP/1.1 200", 1));
    web_client_close(&first);
    web_client_close(&second);
    wait_for_connections(f, NULL, 0);
}

static void the_web_may_go_while_scrapes_wait(void **state) {
    struct web_fixture *f = *state;
    struct web_client client;
    add_fleet(f);
    begin_scrape(f, &client);
    f->web = web_free(f->web);
    assert_true(web_client_wait_close(&client));
    assert_int_equal(client.received.len, 0);
    web_client_close(&client);
}

static void begin_reload(struct web_fixture *f, struct web_client *client) {
    *client = connect_to(f);
    web_client_send_text(client, "POST /-/reload HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    uint64_t end = loop_clock_usec() + 8ULL * 1000 * 1000;
    while (f->reload_done == NULL && loop_clock_usec() < end) {
        web_client_turn(client);
    }
    assert_non_null(f->reload_done);
}

static void end_reload(struct web_fixture *f, bool ok, const char *text) {
    const struct web_reload_result result = {ok, text};
    f->reload_done(f->reload_userdata, &result);
}

static void a_reload_is_answered_when_it_has_ended(void **state) {
    struct web_fixture *f = *state;
    f->options.enable_lifecycle = true;
    struct web_client client;
    begin_reload(f, &client);
    assert_int_equal(client.received.len, 0);
    assert_still_serves(f);
    end_reload(f, false, "dbvitals.yml:3:5: unknown key \"x\"");
    assert_true(web_client_wait_text(&client, "}\n", 1));
    assert_non_null(strstr(client.received.data, "HTTP/1.1 500"));
    assert_non_null(strstr(client.received.data, "{\"error\":\"nothing was changed: "
                                                 "dbvitals.yml:3:5: unknown key \\\"x\\\"\"}"));
    /* The connection goes on. */
    f->reload_at_once = true;
    web_client_send_text(&client, "POST /-/reload HTTP/1.1\r\nHost: a\r\n"
                                  "Content-Length: 0\r\nConnection: close\r\n\r\n");
    assert_true(web_client_wait_close(&client));
    assert_non_null(strstr(client.received.data, "{\"status\":\"ok\",\"message\":\"2 targets\"}"));
    web_client_close(&client);
}

static void a_reload_may_end_after_its_client_or_the_web(void **state) {
    struct web_fixture *f = *state;
    f->options.enable_lifecycle = true;
    struct web_client client;
    begin_reload(f, &client);
    web_client_close(&client);
    loop_run_once(f->loop, 10000);
    end_reload(f, true, "fine");
    wait_for_connections(f, NULL, 0);
    f->reload_done = NULL;
    begin_reload(f, &client);
    f->web = web_free(f->web);
    end_reload(f, true, "fine");
    web_client_close(&client);
}

static void a_unix_socket_is_served(void **state) {
    struct web_fixture *f = *state;
    char folder[] = "/tmp/test_web_limits.XXXXXX", address[128];
    assert_non_null(mkdtemp(folder));
    snprintf(address, sizeof(address), "unix:%s/web.sock", folder);
    const char *const addresses[] = {address, "127.0.0.1:0"};
    f->options.listen_addresses = addresses;
    f->options.n_listen_addresses = 2;
    web_fixture_start(f);
    assert_string_equal(web_address(f->web), address);
    assert_int_equal(web_fixture_get(f, "/metrics?target=orders-1", NULL), 200);
    f->web = web_free(f->web);
    assert_int_equal(rmdir(folder), 0);
}

static void a_port_in_use_is_said_with_its_owner(void **state) {
    struct web_fixture *f = *state;
    web_fixture_start(f);
    char address[64];
    snprintf(address, sizeof(address), "%s", web_address(f->web));
    const char *const addresses[] = {"127.0.0.1:0", address};
    f->options.listen_addresses = addresses;
    f->options.n_listen_addresses = 2;
    struct web *second = NULL;
    struct error error = {0};
    assert_int_equal(web_new(&f->options, &f->sources, &second, &error), -EADDRINUSE);
    assert_null(second);
    char owner[64];
    snprintf(owner, sizeof(owner), "is used by process %d (", getpid());
    assert_non_null(strstr(error.text, owner));
    assert_non_null(strstr(error.text, address));
    assert_still_serves(f);
}

static void options_that_cannot_be_are_refused(void **state) {
    struct web_fixture *f = *state;
    static const struct web_options cases[] = {
        {.telemetry_path = "metrics"},
        {.external_url = "mon.example.org"},
        {.external_url = "ftp://mon.example.org"},
        {.external_url = "http:///x"},
        {.external_url = "http://a/\"x"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct web *web = NULL;
        struct error error = {0};
        assert_int_equal(web_new(&cases[i], &f->sources, &web, &error), -EINVAL);
        assert_true(error_is_set(&error));
    }
}

#define WITH_WEB(test)                                                                             \
    cmocka_unit_test_setup_teardown(test, web_fixture_set_up, web_fixture_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_WEB(a_broken_request_line_is_refused),
        WITH_WEB(a_broken_escape_is_a_sentence),
        WITH_WEB(paths_lead_nowhere_else),
        WITH_WEB(a_huge_url_or_header_is_refused),
        WITH_WEB(many_headers_are_refused_or_served_but_never_more_than_fit),
        WITH_WEB(a_body_above_the_limit_is_413),
        WITH_WEB(a_body_that_is_announced_far_too_long_is_not_waited_for),
        WITH_WEB(an_endless_body_is_cut),
        WITH_WEB(request_ids_cannot_inject_headers),
        WITH_WEB(pipelined_requests_are_answered_in_order),
        WITH_WEB(a_silent_client_is_closed),
        WITH_WEB(a_client_that_drips_is_cut),
        WITH_WEB(a_client_that_never_reads_is_cut),
        WITH_WEB(the_limit_refuses_with_503_and_then_makes_room),
        WITH_WEB(slow_clients_make_room_for_a_health_check),
        WITH_WEB(without_descriptors_clients_are_refused_and_the_loop_does_not_spin),
        WITH_WEB(clients_that_hang_up_anywhere_leave_nothing),
        WITH_WEB(clients_that_hang_up_while_they_are_answered_leave_nothing),
        WITH_WEB(scrapes_that_wait_for_a_large_page_are_all_answered_unless_they_went),
        WITH_WEB(the_web_may_go_while_scrapes_wait),
        WITH_WEB(a_reload_is_answered_when_it_has_ended),
        WITH_WEB(a_reload_may_end_after_its_client_or_the_web),
        WITH_WEB(a_unix_socket_is_served),
        WITH_WEB(a_port_in_use_is_said_with_its_owner),
        WITH_WEB(options_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
