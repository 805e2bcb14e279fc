/* SPDX-License-Identifier: Apache-2.0 */

/* HTTP requests of commands, against a server in a child process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/macros.h"
#include "io/fetch.h"

static pid_t server;
static char url[64];

/* Reads one request up to the end of its head and its form, and sends back what was told. */
static void serve(int listener, const char *answer) {
    alarm(30);
    int fd = accept(listener, NULL, NULL);
    char request[4096] = "";
    size_t len = 0;
    while (strstr(request, "\r\n\r\n") == NULL ||
           (strncmp(request, "POST", 4) == 0 && strstr(request, "end=1") == NULL) ||
           (strncmp(request, "PUT", 3) == 0 && strchr(request, '}') == NULL)) {
        ssize_t n = read(fd, request + len, sizeof(request) - len - 1);
        if (n <= 0) {
            break;
        }
        len += (size_t)n;
        request[len] = '\0';
    }
    (void)!write(fd, answer, strlen(answer));
    if (strstr(answer, "ECHO") != NULL) {
        (void)!write(fd, request, len);
    }
    close(fd);
}

static void start(const char *answer) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/path", ntohs(address.sin_port));
    server = fork();
    if (server == 0) {
        serve(listener, answer);
        _exit(0);
    }
    close(listener);
}

static int tear_down(void **state) {
    if (server > 0) {
        kill(server, SIGKILL);
        waitpid(server, NULL, 0);
        server = 0;
    }
    return 0;
}

static int fetch(const char *form, struct fetch_reply *ret, struct error *err) {
    const struct fetch_options options = {
        .url = url, .form = form, .timeout_usec = 5 * USEC_PER_SEC, .most_bytes = 4096};
    return fetch_url(&options, ret, err);
}

static void gives_status_and_body(void **state) {
    struct fetch_reply reply = {0};
    struct error err = {0};
    start("HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nabc");
    assert_int_equal(fetch(NULL, &reply, &err), 0);
    assert_int_equal(reply.status, 404);
    assert_string_equal(reply.body.data, "abc");
    fetch_reply_deinit(&reply);
}

static void posts_a_form(void **state) {
    struct fetch_reply reply = {0};
    struct error err = {0};
    struct strbuf form = {0};
    start("HTTP/1.1 200 OK\r\n\r\nECHO:");
    fetch_add_parameter(&form, "query", str_of("a+b c&d=\xc3\xa4"));
    fetch_add_parameter(&form, "end", str_of("1"));
    assert_string_equal(form.data, "query=a%2Bb%20c%26d%3D%C3%A4&end=1");
    assert_int_equal(fetch(form.data, &reply, &err), 0);
    assert_non_null(strstr(reply.body.data, "POST /path HTTP/1.1"));
    assert_non_null(strstr(reply.body.data, "application/x-www-form-urlencoded"));
    assert_non_null(strstr(reply.body.data, form.data));
    fetch_reply_deinit(&reply);
    strbuf_deinit(&form);
}

static void puts_json_and_takes_other_methods(void **state) {
    struct fetch_reply reply = {0};
    struct error err = {0};
    struct fetch_options options = {
        .url = url, .json = "{\"a\":1}", .timeout_usec = 5 * USEC_PER_SEC, .most_bytes = 4096};
    start("HTTP/1.1 200 OK\r\n\r\nECHO:");
    assert_int_equal(fetch_url(&options, &reply, &err), 0);
    assert_non_null(strstr(reply.body.data, "PUT /path HTTP/1.1"));
    assert_non_null(strstr(reply.body.data, "Content-Type: application/json"));
    assert_non_null(strstr(reply.body.data, "{\"a\":1}"));
    fetch_reply_deinit(&reply);
    tear_down(state);
    options.json = NULL;
    options.method = "DELETE";
    start("HTTP/1.1 200 OK\r\n\r\nECHO:");
    assert_int_equal(fetch_url(&options, &reply, &err), 0);
    assert_non_null(strstr(reply.body.data, "DELETE /path HTTP/1.1"));
    fetch_reply_deinit(&reply);
}

/* The URL's host is a name only, and nobody's proxy is asked. */
static void asks_over_a_unix_socket(void **state) {
    struct fetch_reply reply = {0};
    struct error err = {0};
    char path[] = "/tmp/dbvitals-fetch-XXXXXX";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert_non_null(mkdtemp(path));
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", path);
    const struct fetch_options options = {.url = "http://nowhere.invalid/path",
                                          .socket_path = address.sun_path,
                                          .timeout_usec = 5 * USEC_PER_SEC,
                                          .most_bytes = 4096};
    assert_int_equal(fetch_url(&options, &reply, &err), -ENOENT);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(fetch_url(&options, &reply, &err), -ECONNREFUSED);
    assert_int_equal(listen(listener, 1), 0);
    server = fork();
    if (server == 0) {
        serve(listener, "HTTP/1.1 200 OK\r\n\r\nECHO:");
        _exit(0);
    }
    close(listener);
    setenv("http_proxy", "http://127.0.0.1:1/", 1);
    setenv("no_proxy", "", 1);
    assert_int_equal(fetch_url(&options, &reply, &err), 0);
    assert_non_null(strstr(reply.body.data, "GET /path HTTP/1.1"));
    unsetenv("http_proxy");
    setenv("no_proxy", "*", 1);
    fetch_reply_deinit(&reply);
    unlink(address.sun_path);
    rmdir(path);
}

static void does_not_follow_redirections(void **state) {
    struct fetch_reply reply = {0};
    struct error err = {0};
    start("HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(fetch(NULL, &reply, &err), 0);
    assert_int_equal(reply.status, 302);
    fetch_reply_deinit(&reply);
}

static void an_answer_has_a_limit(void **state) {
    static char answer[8192] = "HTTP/1.1 200 OK\r\n\r\n";
    struct fetch_reply reply = {0};
    struct error err = {0};
    memset(answer + strlen(answer), 'x', sizeof(answer) - strlen(answer) - 1);
    start(answer);
    assert_int_equal(fetch(NULL, &reply, &err), -EMSGSIZE);
    assert_string_equal(err.text, "the answer has more than 4096 bytes");
    assert_null(reply.body.data);
}

static void says_why_there_is_no_answer(void **state) {
    struct fetch_reply reply = {0};
    struct error err = {0};
    start("");
    assert_int_equal(fetch(NULL, &reply, &err), -EIO);
    assert_string_equal(err.text, "Empty reply from server");
    static const char *const urls[] = {"file:///etc/passwd", "http://127.0.0.1:1/", "nothing", ""};
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        err = (struct error){0};
        snprintf(url, sizeof(url), "%s", urls[i]);
        assert_int_equal(fetch(NULL, &reply, &err), i == 1 ? -ECONNREFUSED : -EIO);
        assert_true(err.text[0] != '\0');
    }
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(gives_status_and_body),        TEST(posts_a_form),
        TEST(does_not_follow_redirections), TEST(an_answer_has_a_limit),
        TEST(says_why_there_is_no_answer),  TEST(puts_json_and_takes_other_methods),
        TEST(asks_over_a_unix_socket),
    };
    /* Nobody's proxy stands between us and loopback. */
    setenv("no_proxy", "*", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
