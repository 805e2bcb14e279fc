/* SPDX-License-Identifier: Apache-2.0 */

/* The byte stream against listening sockets of the test itself. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "fake_server.h"
#include "base/mem.h"
#include "io/stream.h"

static struct loop *loop;
static struct worker_pool *pool;
static struct resolver *resolver;
static struct tls_contexts *tls_contexts;
static int listen_fd;
static uint16_t port;

struct seen {
    struct stream *stream;
    int securing, connected, received, ended;
    struct strbuf data;
    size_t largest;
    struct client_failure failure;
    bool free_when_connected, free_when_received, free_when_ended;
};

static int set_up(void **state) {
    static struct seen seen;
    memset(&seen, 0, sizeof(seen));
    *state = &seen;
    assert_int_equal(loop_new(&loop), 0);
    pool = worker_pool_new(loop, NULL);
    resolver = resolver_new(loop, pool);
    tls_contexts = tls_contexts_new(NULL, NULL);
    listen_fd = fake_listen(&port);
    assert_true(listen_fd >= 0);
    return 0;
}

static int tear_down(void **state) {
    struct seen *seen = *state;
    seen->stream = stream_free(seen->stream);
    strbuf_deinit(&seen->data);
    (void)close(listen_fd);
    tls_contexts = tls_contexts_free(tls_contexts);
    resolver = resolver_free(resolver);
    pool = worker_pool_free(pool);
    loop = loop_free(loop);
    return 0;
}

static void securing(void *userdata) {
    struct seen *seen = userdata;
    seen->securing++;
}

static void connected(void *userdata) {
    struct seen *seen = userdata;
    seen->connected++;
    if (seen->free_when_connected) {
        seen->stream = stream_free(seen->stream);
    }
}

static void received(void *userdata, const char *data, size_t len) {
    struct seen *seen = userdata;
    seen->received++;
    seen->largest = len > seen->largest ? len : seen->largest;
    strbuf_add(&seen->data, data, len);
    if (seen->free_when_received) {
        seen->stream = stream_free(seen->stream);
    }
}

static void ended(void *userdata, const struct client_failure *failure) {
    struct seen *seen = userdata;
    seen->ended++;
    seen->failure = *failure;
    if (seen->free_when_ended) {
        seen->stream = stream_free(seen->stream);
    }
}

static void start(struct seen *seen, const struct stream_address *address) {
    const struct stream_events events = {.securing = securing,
                                         .connected = connected,
                                         .received = received,
                                         .ended = ended,
                                         .userdata = seen};
    seen->stream = stream_new(loop, resolver, address, &events);
    stream_open(seen->stream);
    assert_int_equal(seen->connected + seen->ended, 0);
}

/* Return: the other side of a stream that is connected over TCP. */
static int start_tcp(struct seen *seen) {
    start(seen, &(struct stream_address){.host = "127.0.0.1", .port = port});
    int fd = fake_accept(loop, listen_fd);
    assert_true(fd >= 0);
    if (!seen->free_when_connected) {
        assert_true(turn_until(loop, &seen->connected, 1));
    }
    return fd;
}

static void carries_bytes_in_both_directions(void **state) {
    struct seen *seen = *state;
    int fd = start_tcp(seen);
    stream_write(seen->stream, "ask", 3);
    assert_true(fake_expect(loop, fd, "ask"));
    assert_true(fake_say(loop, fd, "answer"));
    assert_true(turn_until(loop, &seen->received, 1));
    assert_string_equal(seen->data.data, "answer");
    assert_int_equal(stream_queued(seen->stream), 0);
    (void)close(fd);
}

static void sends_what_was_written_before_it_was_connected(void **state) {
    struct seen *seen = *state;
    const struct stream_events events = {
        .connected = connected, .received = received, .ended = ended, .userdata = seen};
    const struct stream_address address = {.host = "127.0.0.1", .port = port};
    seen->stream = stream_new(loop, resolver, &address, &events);
    stream_write(seen->stream, "early ", 6);
    stream_open(seen->stream);
    stream_write(seen->stream, "bird", 4);
    assert_int_equal(stream_queued(seen->stream), 10);
    int fd = fake_accept(loop, listen_fd);
    assert_true(fake_expect(loop, fd, "early bird"));
    (void)close(fd);
}

static void reads_at_most_64_kib_a_turn(void **state) {
    struct seen *seen = *state;
    int fd = start_tcp(seen);
    size_t len = 300000;
    char *much = mem_alloc(len);
    assert_true(fake_send(loop, fd, much, len));
    uint64_t deadline = loop_clock_usec() + 10 * USEC_PER_SEC;
    while (seen->data.len < len && loop_clock_usec() < deadline) {
        (void)loop_run_once(loop, USEC_PER_MSEC);
    }
    assert_int_equal(seen->data.len, len);
    assert_true(seen->largest <= 65536);
    free(much);
    (void)close(fd);
}

static void queues_what_the_socket_does_not_take(void **state) {
    struct seen *seen = *state;
    int fd = start_tcp(seen);
    size_t len = (size_t)8 * 1024 * 1024;
    char *much = mem_alloc(len);
    for (size_t i = 0; i < len; i++) {
        much[i] = (char)(i * 31 % 251);
    }
    stream_write(seen->stream, much, len);
    assert_true(stream_queued(seen->stream) > 0);
    stream_write(seen->stream, "end", 3);
    struct strbuf got = {0};
    uint64_t deadline = loop_clock_usec() + 20 * USEC_PER_SEC;
    while (got.len < len + 3 && loop_clock_usec() < deadline) {
        ssize_t n = recv(fd, strbuf_reserve(&got, 65536), 65536, 0);
        got.len += n > 0 ? (size_t)n : 0;
        (void)loop_run_once(loop, 0);
    }
    assert_int_equal(got.len, len + 3);
    assert_memory_equal(got.data, much, len);
    assert_memory_equal(got.data + len, "end", 3);
    assert_int_equal(stream_queued(seen->stream), 0);
    strbuf_deinit(&got);
    free(much);
    (void)close(fd);
}

static void says_refused_where_nobody_listens(void **state) {
    struct seen *seen = *state;
    (void)close(listen_fd);
    start(seen, &(struct stream_address){.host = "127.0.0.1", .port = port});
    assert_true(turn_until(loop, &seen->ended, 1));
    assert_int_equal(seen->connected, 0);
    assert_int_equal(seen->failure.end, CLIENT_GONE);
    assert_int_equal(seen->failure.reason, REASON_REFUSED);
    assert_true(seen->failure.connection);
    assert_non_null(strstr(seen->failure.error.text, "127.0.0.1:"));
    listen_fd = fake_listen(&port);
}

static void says_refused_for_a_missing_socket_file(void **state) {
    struct seen *seen = *state;
    start(seen, &(struct stream_address){.socket_path = "/nonexistent/redis.sock"});
    assert_true(turn_until(loop, &seen->ended, 1));
    assert_int_equal(seen->failure.end, CLIENT_GONE);
    assert_int_equal(seen->failure.reason, REASON_REFUSED);
    assert_non_null(strstr(seen->failure.error.text, "/nonexistent/redis.sock"));
}

static void says_ours_for_a_socket_path_that_is_too_long(void **state) {
    struct seen *seen = *state;
    char path[200];
    memset(path, 'x', sizeof(path) - 1);
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    start(seen, &(struct stream_address){.socket_path = path});
    assert_true(turn_until(loop, &seen->ended, 1));
    assert_int_equal(seen->failure.end, CLIENT_OURS);
}

static void says_dns_for_a_name_that_does_not_resolve(void **state) {
    struct seen *seen = *state;
    start(seen, &(struct stream_address){.host = "no..such.name.invalid", .port = port});
    assert_true(turn_until(loop, &seen->ended, 1));
    assert_int_equal(seen->failure.end, CLIENT_OURS);
    assert_int_equal(seen->failure.reason, REASON_DNS);
    assert_true(seen->failure.connection);
}

static void says_gone_when_closed_before_the_first_byte(void **state) {
    struct seen *seen = *state;
    int fd = start_tcp(seen);
    (void)close(fd);
    assert_true(turn_until(loop, &seen->ended, 1));
    assert_int_equal(seen->failure.end, CLIENT_GONE);
    assert_int_equal(seen->failure.reason, REASON_CLOSED);
    assert_non_null(strstr(seen->failure.error.text, "before its first byte"));
}

static void says_closed_after_bytes_have_come(void **state) {
    struct seen *seen = *state;
    int fd = start_tcp(seen);
    assert_true(fake_say(loop, fd, "bye"));
    (void)close(fd);
    assert_true(turn_until(loop, &seen->ended, 1));
    assert_string_equal(seen->data.data, "bye");
    assert_int_equal(seen->failure.reason, REASON_CLOSED);
    assert_null(strstr(seen->failure.error.text, "before its first byte"));
}

static void says_closed_after_a_reset(void **state) {
    struct seen *seen = *state;
    int fd = start_tcp(seen);
    fake_reset(fd);
    assert_true(turn_until(loop, &seen->ended, 1));
    assert_int_equal(seen->failure.end, CLIENT_GONE);
    assert_int_equal(seen->failure.reason, REASON_CLOSED);
}

static void reads_the_last_word_although_writing_has_failed(void **state) {
    struct seen *seen = *state;
    char path[] = "/tmp/stream-XXXXXX";
    assert_non_null(mkdtemp(path));
    char *socket_path = mem_printf("%s/s", path);
    int unix_fd = fake_listen_at(socket_path, 8);
    start(seen, &(struct stream_address){.socket_path = socket_path});
    int fd = fake_accept(loop, unix_fd);
    assert_true(turn_until(loop, &seen->connected, 1));
    assert_int_equal(send(fd, "-ERR max number of clients\r\n", 28, 0), 28);
    (void)close(fd);
    stream_write(seen->stream, "PING\r\n", 6); /* EPIPE */
    assert_int_equal(seen->ended, 0);
    assert_true(turn_until(loop, &seen->ended, 1));
    assert_string_equal(seen->data.data, "-ERR max number of clients\r\n");
    assert_int_equal(seen->failure.end, CLIENT_GONE);
    assert_int_equal(seen->failure.reason, REASON_CLOSED);
    stream_write(seen->stream, "more", 4); /* into the void */
    (void)close(unix_fd);
    (void)unlink(socket_path);
    (void)rmdir(path);
    free(socket_path);
}

static void waits_for_room_in_the_backlog_of_a_unix_socket(void **state) {
    struct seen *seen = *state;
    char path[] = "/tmp/stream-XXXXXX";
    assert_non_null(mkdtemp(path));
    char *socket_path = mem_printf("%s/s", path);
    int unix_fd = fake_listen_at(socket_path, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
    int others[8];
    size_t n_others = 0;
    for (;;) {
        assert_true(n_others < 8);
        int fd = others[n_others++] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
            assert_int_equal(errno, EAGAIN);
            break;
        }
    }
    start(seen, &(struct stream_address){.socket_path = socket_path});
    turn_for(loop, 20 * USEC_PER_MSEC);
    assert_int_equal(seen->connected + seen->ended, 0);
    while (n_others > 0) {
        (void)close(others[--n_others]);
    }
    for (int i = 0; i < 8 && seen->connected == 0; i++) {
        int fd = fake_accept(loop, unix_fd);
        turn_until_quiet(loop);
        (void)close(fd);
    }
    assert_true(turn_until(loop, &seen->connected, 1));
    (void)close(unix_fd);
    (void)unlink(socket_path);
    (void)rmdir(path);
    free(socket_path);
}

/* "localhost" is ::1 and 127.0.0.1, or only one of them; we listen on one. */
static void tries_every_address_of_a_name(void **state) {
    struct seen *seen = *state;
    start(seen, &(struct stream_address){.host = "localhost", .port = port});
    int fd = fake_accept(loop, listen_fd);
    assert_true(turn_until(loop, &seen->connected, 1));
    assert_int_equal(seen->ended, 0);
    (void)close(fd);
}

static void is_freed_inside_each_callback(void **state) {
    struct seen *seen = *state;
    seen->free_when_connected = true;
    int fd = start_tcp(seen);
    assert_true(turn_until(loop, &seen->connected, 1));
    assert_null(seen->stream);
    (void)close(fd);

    *seen = (struct seen){.free_when_received = true};
    fd = start_tcp(seen);
    assert_true(fake_say(loop, fd, "x"));
    assert_true(turn_until(loop, &seen->received, 1));
    assert_null(seen->stream);
    strbuf_deinit(&seen->data);
    (void)close(fd);

    *seen = (struct seen){.free_when_ended = true};
    fd = start_tcp(seen);
    (void)close(fd);
    assert_true(turn_until(loop, &seen->ended, 1));
    assert_null(seen->stream);
}

static void is_freed_while_it_resolves_or_connects(void **state) {
    struct seen *seen = *state;
    start(seen, &(struct stream_address){.host = "localhost", .port = port});
    (void)loop_run_once(loop, 0);
    seen->stream = stream_free(seen->stream);
    start(seen, &(struct stream_address){.host = "127.0.0.1", .port = port});
    seen->stream = stream_free(seen->stream);
    turn_for(loop, 5 * USEC_PER_MSEC);
    assert_int_equal(seen->connected + seen->ended, 0);
}

/* ---- TLS; what a server with certificates says is for the system tests ---- */

static void start_tls(struct seen *seen, const char *ca_file) {
    /* Not const only because the option owns its text elsewhere. */
    const struct tls_options tls = {.enabled = true,
                                    .ca_file = (char *)(uintptr_t)ca_file,
                                    .insecure_skip_verify = ca_file == NULL};
    start(seen, &(struct stream_address){
                    .host = "127.0.0.1", .port = port, .tls = &tls, .tls_contexts = tls_contexts});
}

static void begins_with_a_tls_handshake(void **state) {
    struct seen *seen = *state;
    start_tls(seen, NULL);
    stream_write(seen->stream, "secret", 6);
    int fd = fake_accept(loop, listen_fd);
    assert_true(turn_until(loop, &seen->securing, 1));
    char hello[4096];
    ssize_t n = -1;
    for (uint64_t end = loop_clock_usec() + 10 * USEC_PER_SEC; n <= 0 && loop_clock_usec() < end;) {
        (void)loop_run_once(loop, USEC_PER_MSEC);
        n = recv(fd, hello, sizeof(hello), 0);
    }
    assert_true(n > 100);
    assert_int_equal(hello[0], 22); /* a handshake record, of TLS 1.x */
    assert_int_equal(hello[1], 3);
    assert_null(memmem(hello, (size_t)n, "secret", 6));
    assert_int_equal(seen->connected + seen->ended, 0);
    assert_int_equal(stream_queued(seen->stream), 6);
    (void)close(fd);
}

static void says_tls_when_the_answer_is_not_tls(void **state) {
    struct seen *seen = *state;
    start_tls(seen, NULL);
    int fd = fake_accept(loop, listen_fd);
    assert_true(fake_say(loop, fd, "-ERR unknown command\r\n"));
    assert_true(turn_until(loop, &seen->ended, 1));
    assert_int_equal(seen->connected, 0);
    assert_int_equal(seen->failure.end, CLIENT_ALIVE);
    assert_int_equal(seen->failure.reason, REASON_TLS);
    assert_true(seen->failure.connection);
    assert_non_null(strstr(seen->failure.error.text, "TLS with 127.0.0.1:"));
    assert_non_null(strstr(seen->failure.error.text, "is not TLS"));
    (void)close(fd);
}

static void says_tls_for_an_alert(void **state) {
    struct seen *seen = *state;
    start_tls(seen, NULL);
    int fd = fake_accept(loop, listen_fd);
    /* A fatal alert, 40: handshake failure. */
    assert_true(fake_send(loop, fd, "\x15\x03\x03\x00\x02\x02\x28", 7));
    assert_true(turn_until(loop, &seen->ended, 1));
    assert_int_equal(seen->failure.reason, REASON_TLS);
    assert_non_null(strstr(seen->failure.error.text, "refused: handshake failure"));
    assert_non_null(strstr(seen->failure.error.text, "'cert_file'"));
    (void)close(fd);
}

static void says_closed_when_the_handshake_is_cut_short(void **state) {
    struct seen *seen = *state;
    start_tls(seen, NULL);
    (void)close(fake_accept(loop, listen_fd));
    assert_true(turn_until(loop, &seen->ended, 1));
    assert_int_equal(seen->failure.end, CLIENT_GONE);
    assert_int_equal(seen->failure.reason, REASON_CLOSED);
    assert_non_null(strstr(seen->failure.error.text, "in the handshake"));
}

static void says_ours_for_certificates_that_cannot_be_read(void **state) {
    static const char *const files[] = {"/nonexistent/ca.pem", "/", "/dev/null", "/proc/self/maps"};
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        struct seen *seen = *state;
        start_tls(seen, files[i]);
        int fd = fake_accept(loop, listen_fd);
        assert_true(turn_until(loop, &seen->ended, 1));
        assert_int_equal(seen->failure.end, CLIENT_OURS);
        assert_int_equal(seen->failure.reason, REASON_TLS);
        assert_non_null(strstr(seen->failure.error.text, files[i]));
        assert_int_equal(tls_contexts_count(tls_contexts), 0);
        seen->stream = stream_free(seen->stream);
        seen->ended = 0;
        (void)close(fd);
    }
}

static void shares_and_forgets_what_certificates_cost(void **state) {
    struct seen *seen = *state;
    start_tls(seen, NULL);
    int fd = fake_accept(loop, listen_fd);
    assert_true(turn_until(loop, &seen->securing, 1));
    struct stream *first = take_ptr(seen->stream);
    start_tls(seen, NULL);
    int other_fd = fake_accept(loop, listen_fd);
    assert_true(turn_until(loop, &seen->securing, 2));
    assert_int_equal(tls_contexts_count(tls_contexts), 1);
    first = stream_free(first);
    tls_contexts_trim(tls_contexts);
    assert_int_equal(tls_contexts_count(tls_contexts), 1);
    seen->stream = stream_free(seen->stream);
    assert_int_equal(tls_contexts_count(tls_contexts), 1); /* the next attempt wants it */
    tls_contexts_trim(tls_contexts);
    assert_int_equal(tls_contexts_count(tls_contexts), 0);
    assert_null(first);
    (void)close(fd);
    (void)close(other_fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(carries_bytes_in_both_directions),
        TEST(sends_what_was_written_before_it_was_connected),
        TEST(reads_at_most_64_kib_a_turn),
        TEST(queues_what_the_socket_does_not_take),
        TEST(says_refused_where_nobody_listens),
        TEST(says_refused_for_a_missing_socket_file),
        TEST(says_ours_for_a_socket_path_that_is_too_long),
        TEST(says_dns_for_a_name_that_does_not_resolve),
        TEST(says_gone_when_closed_before_the_first_byte),
        TEST(says_closed_after_bytes_have_come),
        TEST(says_closed_after_a_reset),
        TEST(reads_the_last_word_although_writing_has_failed),
        TEST(waits_for_room_in_the_backlog_of_a_unix_socket),
        TEST(tries_every_address_of_a_name),
        TEST(is_freed_inside_each_callback),
        TEST(is_freed_while_it_resolves_or_connects),
        TEST(begins_with_a_tls_handshake),
        TEST(says_tls_when_the_answer_is_not_tls),
        TEST(says_tls_for_an_alert),
        TEST(says_closed_when_the_handshake_is_cut_short),
        TEST(says_ours_for_certificates_that_cannot_be_read),
        TEST(shares_and_forgets_what_certificates_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
