/* SPDX-License-Identifier: Apache-2.0 */

/* Requests over libcurl against listening sockets of the test itself. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "fake_server.h"
#include "base/mem.h"
#include "io/transfer.h"

static struct loop *loop;
static struct worker_pool *pool;
static struct resolver *resolver;
static struct transfers *transfers;
static int listen_fd;
static uint16_t port;

struct seen {
    int answers, failures, told;
    int status;
    struct strbuf body;
    struct client_failure failure;
    bool free_all;
    char url[128];
};

static int set_up(void **state) {
    static struct seen seen;
    memset(&seen, 0, sizeof(seen));
    *state = &seen;
    assert_int_equal(loop_new(&loop), 0);
    pool = worker_pool_new(loop, NULL);
    resolver = resolver_new(loop, pool);
    transfers = transfers_new(loop, resolver);
    assert_non_null(transfers);
    listen_fd = fake_listen(&port);
    assert_true(listen_fd >= 0);
    (void)snprintf(seen.url, sizeof(seen.url), "http://127.0.0.1:%u/in?a=b", port);
    return 0;
}

static int tear_down(void **state) {
    struct seen *seen = *state;
    transfers = transfers_free(transfers);
    strbuf_deinit(&seen->body);
    (void)close(listen_fd);
    resolver = resolver_free(resolver);
    pool = worker_pool_free(pool);
    loop = loop_free(loop);
    return 0;
}

static void done(void *userdata, const struct transfer_answer *answer,
                 const struct client_failure *failure) {
    struct seen *seen = userdata;
    assert_true((answer == NULL) != (failure == NULL));
    seen->told++;
    if (answer != NULL) {
        seen->answers++;
        seen->status = answer->status;
        strbuf_clear(&seen->body);
        strbuf_add_str(&seen->body, answer->body);
    } else {
        seen->failures++;
        seen->failure = *failure;
    }
    if (seen->free_all) {
        transfers = transfers_free(transfers);
    }
}

static struct transfer *submit(struct seen *seen, struct transfer_request request) {
    request.url = request.url != NULL ? request.url : seen->url;
    request.done = done;
    request.userdata = seen;
    if (request.deadline_usec == 0) {
        request.deadline_usec = loop_clock_usec() + 10 * USEC_PER_SEC;
    }
    int told = seen->told;
    struct transfer *transfer = transfer_submit(transfers, &request);
    assert_int_equal(seen->told, told);
    return transfer;
}

/* Submits, accepts and takes the head of a request. Return: the other side. */
static int take_request(struct seen *seen, struct transfer_request request, const char *expected) {
    submit(seen, request);
    int fd = fake_accept(loop, listen_fd);
    assert_true(fd >= 0);
    assert_true(fake_expect(loop, fd, expected));
    return fd;
}

static void brings_the_answer(void **state) {
    struct seen *seen = *state;
    int fd = take_request(seen, (struct transfer_request){0}, "GET /in?a=b HTTP/1.1\r\n");
    assert_true(fake_say(loop, fd, "HTTP/1.1 404 No\r\nContent-Length: 5\r\n\r\nhello"));
    assert_true(turn_until(loop, &seen->told, 1));
    assert_int_equal(seen->status, 404);
    assert_string_equal(seen->body.data, "hello");
    (void)close(fd);
}

static void sends_body_headers_and_credentials(void **state) {
    struct seen *seen = *state;
    const struct transfer_header headers[] = {{"Content-Type", "application/json"},
                                              {"X-Empty", ""}};
    char expected[512];
    (void)snprintf(expected, sizeof(expected),
                   "POST /in?a=b HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n"
                   "Authorization: Basic bWU6cHc=\r\nUser-Agent: dbvitals\r\nAccept: */*\r\n"
                   "Content-Type: application/json\r\nX-Empty:\r\nContent-Length: 2\r\n\r\n[]",
                   port);
    int fd = take_request(seen,
                          (struct transfer_request){.headers = headers,
                                                    .n_headers = 2,
                                                    .body = str_of("[]"),
                                                    .user = "me",
                                                    .password = "pw"},
                          expected);
    assert_true(fake_say(loop, fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    assert_true(turn_until(loop, &seen->answers, 1));
    (void)close(fd);
}

static void uses_a_connection_again(void **state) {
    struct seen *seen = *state;
    int fd = take_request(seen, (struct transfer_request){0}, "GET ");
    assert_true(fake_say(loop, fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    assert_true(turn_until(loop, &seen->answers, 1));
    char rest[1024];
    while (recv(fd, rest, sizeof(rest), 0) > 0) {}
    submit(seen, (struct transfer_request){.method = "PUT"});
    assert_true(fake_expect(loop, fd, "PUT "));
    assert_true(fake_say(loop, fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    assert_true(turn_until(loop, &seen->answers, 2));
    (void)close(fd);
}

static void looks_names_up_elsewhere(void **state) {
    struct seen *seen = *state;
    char url[64];
    (void)snprintf(url, sizeof(url), "http://localhost:%u/", port);
    int fd = take_request(seen, (struct transfer_request){.url = url}, "GET / HTTP/1.1\r\n");
    assert_true(fake_say(loop, fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    assert_true(turn_until(loop, &seen->answers, 1));
    (void)close(fd);
}

static void a_redirect_is_an_answer(void **state) {
    struct seen *seen = *state;
    int fd = take_request(seen, (struct transfer_request){0}, "GET ");
    assert_true(
        fake_say(loop, fd,
                 "HTTP/1.1 302 Away\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n"));
    assert_true(turn_until(loop, &seen->answers, 1));
    assert_int_equal(seen->status, 302);
    (void)close(fd);
}

static void gives_up_on_an_answer_without_end(void **state) {
    struct seen *seen = *state;
    int fd = take_request(seen, (struct transfer_request){0}, "GET ");
    assert_true(fake_say(loop, fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"));
    char *much = mem_alloc(1000000);
    (void)fake_send(loop, fd, much, 1000000); /* fails when the other side hangs up */
    free(much);
    assert_true(turn_until(loop, &seen->failures, 1));
    assert_int_equal(seen->failure.reason, REASON_TOO_LARGE);
    (void)close(fd);
}

static void gives_up_on_headers_without_end(void **state) {
    struct seen *seen = *state;
    int fd = take_request(seen, (struct transfer_request){0}, "GET ");
    assert_true(fake_say(loop, fd, "HTTP/1.1 200 OK\r\n"));
    const char *line = "X-Much: 0123456789012345678901234567890123456789\r\n";
    for (int i = 0; i < 10000 && seen->told == 0; i++) {
        (void)fake_say(loop, fd, line);
    }
    assert_true(turn_until(loop, &seen->failures, 1));
    assert_int_equal(seen->failure.reason, REASON_TOO_LARGE);
    (void)close(fd);
}

static void waits_no_longer_than_the_deadline(void **state) {
    struct seen *seen = *state;
    int fd = take_request(
        seen, (struct transfer_request){.deadline_usec = loop_clock_usec() + 100 * USEC_PER_MSEC},
        "GET ");
    assert_true(turn_until(loop, &seen->failures, 1));
    assert_int_equal(seen->failure.end, CLIENT_SILENT);
    assert_int_equal(seen->failure.reason, REASON_TIMEOUT);
    (void)close(fd);
}

static void tells_refused_from_closed(void **state) {
    struct seen *seen = *state;
    int fd = take_request(seen, (struct transfer_request){0}, "GET ");
    (void)close(fd);
    assert_true(turn_until(loop, &seen->failures, 1));
    assert_int_equal(seen->failure.reason, REASON_CLOSED);
    (void)close(listen_fd);
    listen_fd = -1;
    submit(seen, (struct transfer_request){0});
    assert_true(turn_until(loop, &seen->failures, 2));
    assert_int_equal(seen->failure.end, CLIENT_GONE);
    assert_int_equal(seen->failure.reason, REASON_REFUSED);
}

static void speaks_of_what_is_no_http(void **state) {
    struct seen *seen = *state;
    int fd = take_request(seen, (struct transfer_request){0}, "GET ");
    assert_true(fake_say(loop, fd, "-ERR unknown command 'GET'\r\n"));
    assert_true(turn_until(loop, &seen->failures, 1));
    assert_int_equal(seen->failure.reason, REASON_PROTOCOL);
    (void)close(fd);
}

static void refuses_bad_requests_in_their_answers(void **state) {
    struct seen *seen = *state;
    static const char *const urls[] = {"", "no url", "file:///etc/passwd", "ftp://127.0.0.1/",
                                       "http://127.0.0.1:99999/"};
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        submit(seen, (struct transfer_request){.url = urls[i]});
    }
    const struct transfer_header split = {"X-A", "b\r\nX-C: d"};
    submit(seen, (struct transfer_request){.headers = &split, .n_headers = 1});
    submit(seen, (struct transfer_request){.scheme = "Bearer", .credentials = "a\nb"});
    assert_true(turn_until(loop, &seen->failures, (int)ARRAY_LEN(urls) + 2));
    assert_int_equal(seen->failure.reason, REASON_LOCAL);
    char a[] = "::1", b[] = "[::1]", c[] = "a:b";
    char *names[] = {a, b, c};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const struct tls_options tls = {.enabled = true, .server_name = names[i]};
        submit(seen, (struct transfer_request){.url = "https://127.0.0.1:1", .tls = &tls});
        assert_true(turn_until(loop, &seen->failures, (int)(ARRAY_LEN(urls) + 3 + i)));
        assert_int_equal(seen->failure.reason, REASON_LOCAL);
    }
    assert_int_equal(seen->answers, 0);
}

static void a_forgotten_request_is_not_answered(void **state) {
    struct seen *seen = *state;
    struct transfer *transfer = submit(seen, (struct transfer_request){0});
    int fd = fake_accept(loop, listen_fd);
    transfer_free(transfer);
    transfer_free(submit(seen, (struct transfer_request){.url = "http://localhost:1/"}));
    turn_for(loop, 50 * USEC_PER_MSEC);
    assert_int_equal(seen->told, 0);
    (void)close(fd);
}

static void freeing_answers_what_is_open(void **state) {
    struct seen *seen = *state;
    submit(seen, (struct transfer_request){0});
    submit(seen, (struct transfer_request){.url = "http://localhost:1/"});
    transfers = transfers_free(transfers);
    assert_int_equal(seen->failures, 2);
    assert_int_equal(seen->failure.reason, REASON_CANCELED);
}

static void may_be_freed_in_an_answer(void **state) {
    struct seen *seen = *state;
    submit(seen, (struct transfer_request){.url = ""});
    seen->free_all = true;
    assert_true(turn_until(loop, &seen->told, 1));
    assert_null(transfers);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(brings_the_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sends_body_headers_and_credentials, set_up, tear_down),
        cmocka_unit_test_setup_teardown(uses_a_connection_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(looks_names_up_elsewhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_redirect_is_an_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(gives_up_on_an_answer_without_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(gives_up_on_headers_without_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(waits_no_longer_than_the_deadline, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tells_refused_from_closed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(speaks_of_what_is_no_http, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_bad_requests_in_their_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_forgotten_request_is_not_answered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(freeing_answers_what_is_open, set_up, tear_down),
        cmocka_unit_test_setup_teardown(may_be_freed_in_an_answer, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("transfer", tests, NULL, NULL);
}
