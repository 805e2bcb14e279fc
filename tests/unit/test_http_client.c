/* SPDX-License-Identifier: Apache-2.0 */

/* A page as a server: what a client promises holds for it too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "page_client.h"
#include "base/mem.h"
#include "io/http_client.h"

static struct transfers *transfers;

static int set_up(void **state) {
    set_up_loop();
    transfers = transfers_new(loop, resolver);
    struct http_options options = {.url = mem_printf("http://127.0.0.1:%u/health?a=b", port),
                                   .scheme = mem_strdup("Bearer"),
                                   .credentials = mem_strdup("token")};
    client = http_client_new(loop, transfers, &options, 4 * USEC_PER_SEC, &events);
    http_options_deinit(&options);
    client_open(client);
    assert_int_equal(n_ready, 0);
    assert_true(turn_until(loop, &n_ready, 1));
    return 0;
}

static int tear_down(void **state) {
    client = client_free(client);
    transfers = transfers_free(transfers);
    tear_down_loop();
    return 0;
}

/* Asks, and answers with this text. */
static void ask(struct seen *seen, const char *answer) {
    *seen = (struct seen){.frees = seen->frees};
    submit(seen);
    int fd = fake_accept(loop, listen_fd);
    assert_true(fake_expect(loop, fd, "GET /health?a=b HTTP/1.1\r\n"));
    char rest[1024];
    while (recv(fd, rest, sizeof(rest), 0) > 0) {}
    assert_true(fake_say(loop, fd, answer));
    (void)close(fd);
    assert_true(turn_until(loop, &seen->calls, 1));
}

static void a_page_is_a_text(void **state) {
    struct seen seen = {0};
    ask(&seen, "HTTP/1.0 200 OK\r\n\r\nhello");
    assert_int_equal(seen.reply.tree->type, TREE_TEXT);
    assert_true(str_is(seen.reply.tree->text, "hello"));
}

static void a_status_is_a_reason(void **state) {
    static const struct {
        const char *answer;
        enum client_reason reason;
    } cases[] = {
        {"HTTP/1.0 302 x\r\nLocation: /\r\n\r\n", REASON_UNSUPPORTED},
        {"HTTP/1.0 401 x\r\n\r\n{}", REASON_AUTH},
        {"HTTP/1.0 403 x\r\n\r\n{}", REASON_PERMISSION},
        {"HTTP/1.0 404 x\r\n\r\n{}", REASON_UNSUPPORTED},
        {"HTTP/1.0 500 x\r\n\r\n{}", REASON_QUERY},
        {"HTTP/1.0 204 x\r\n\r\n", REASON_QUERY},
        {"HTTP/1.0 503 x\r\n\r\nno healthy upstream", REASON_QUERY},
        {"+PONG\r\n", REASON_PROTOCOL},
        {"", REASON_CLOSED},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct seen seen = {0};
        ask(&seen, cases[i].answer);
        assert_null(seen.reply.tree);
        assert_int_equal(seen.failure.reason, cases[i].reason);
        assert_false(seen.failure.connection); /* the next request makes another one */
        assert_true(error_is_set(&seen.failure.error));
    }
    assert_int_equal(n_ended, 0);
}

static void a_sick_service_may_say_so_in_json(void **state) {
    struct seen seen = {0};
    ask(&seen, "HTTP/1.0 503 x\r\n\r\n \n{\"a\": 1}");
    assert_true(str_is(seen.reply.tree->text, " \n{\"a\": 1}"));
}

static void nobody_there_is_a_failure_and_no_end(void **state) {
    struct seen seen = {0};
    (void)close(listen_fd);
    submit(&seen);
    assert_true(turn_until(loop, &seen.calls, 1));
    assert_int_equal(seen.failure.reason, REASON_REFUSED);
    assert_int_equal(seen.failure.end, CLIENT_GONE);
    assert_int_equal(n_ended, 0);
}

static void silence_is_given_up_and_drained(void **state) {
    struct seen seen = {0}, again = {0};
    submit(&seen);
    int fd = fake_accept(loop, listen_fd);
    client_abandon(client, "no answer within 1s");
    assert_int_equal(seen.calls, 0);
    assert_int_equal(client->state, CLIENT_DRAINING);
    assert_true(turn_until(loop, &n_drained, 1));
    assert_int_equal(seen.calls, 1);
    assert_int_equal(seen.failure.end, CLIENT_SILENT);
    assert_string_equal(seen.failure.error.text, "no answer within 1s");
    (void)close(fd);
    ask(&again, "HTTP/1.0 200 OK\r\n\r\nx");
    assert_non_null(again.reply.tree);
}

static void may_be_freed_in_an_answer_and_before_it(void **state) {
    struct seen seen = {.frees = true};
    struct seen waits = {0};
    submit(&waits);
    int fd = fake_accept(loop, listen_fd);
    ask(&seen, "HTTP/1.0 200 OK\r\n\r\nx");
    assert_null(client);
    assert_int_equal(waits.calls, 1);
    assert_int_equal(waits.failure.reason, REASON_CANCELED);
    (void)close(fd);
    turn_until_quiet(loop);
}

static void an_instance_is_host_and_port(void **state) {
    static const char *const cases[][2] = {{"http://h:80/x?a=b", "h:80"},
                                           {"https://[::1]:9901", "[::1]:9901"},
                                           {"https://web.example/", "web.example"},
                                           {"http://h?x", "h"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http_options options = {.url = mem_strdup(cases[i][0])}, copy;
        char out[64];
        http_options_instance(&options, out, sizeof(out));
        assert_string_equal(out, cases[i][1]);
        http_options_copy(&options, &copy);
        assert_true(http_options_equal(&options, &copy));
        copy.user = mem_strdup("u");
        assert_false(http_options_equal(&options, &copy));
        http_options_deinit(&copy);
        http_options_deinit(&options);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_page_is_a_text),
        TEST(a_status_is_a_reason),
        TEST(a_sick_service_may_say_so_in_json),
        TEST(nobody_there_is_a_failure_and_no_end),
        TEST(silence_is_given_up_and_drained),
        TEST(may_be_freed_in_an_answer_and_before_it),
        cmocka_unit_test(an_instance_is_host_and_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
