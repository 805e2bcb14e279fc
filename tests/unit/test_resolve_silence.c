/* SPDX-License-Identifier: Apache-2.0 */

/* Name resolution when the name server is silent.
 *
 * The C library asks at port 53 of the addresses in /etc/resolv.conf. So the test mounts files of
 * its own there, which nobody else sees, and is that name server, at an address in 127.0.0.0/8.
 * Both take root; without it the tests are skipped. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "turn.h"
#include "io/resolve.h"

#define HEADER_BYTES 12
#define SOON         (950 * USEC_PER_MSEC) /* before a batch is given up */

enum manner { ANSWERS, SILENT, DENIES };

static struct loop *loop;
static struct worker_pool *pool;
static struct resolver *resolver;
static struct loop_io *io;
static int server = -1;
static enum manner manner;
static int questions, fell_silent, spoke_again;
static char silent_host[64];

struct seen {
    int calls;
    char address[INET6_ADDRSTRLEN]; /* "" when there is none */
    int code;
};

/* Names that begin with "dead" get no answer, whatever the manner is. */
static void on_question(void *userdata, uint32_t revents) {
    unsigned char packet[512] = {0};
    struct sockaddr_in from;
    socklen_t from_len = sizeof(from);
    ssize_t n = recvfrom(server, packet, 256, MSG_DONTWAIT, (struct sockaddr *)&from, &from_len);
    questions += n > 0;
    if (n < HEADER_BYTES + 6 || manner == SILENT ||
        memcmp(&packet[HEADER_BYTES + 1], "dead", 4) == 0) {
        return;
    }
    size_t end = HEADER_BYTES;
    while (end < (size_t)n && packet[end] != 0) {
        end += packet[end] + 1U;
    }
    end += 5;
    bool address = manner == ANSWERS && packet[end - 3] == 1; /* type A */
    static const unsigned char record[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7};
    const unsigned char head[] = {0x81, manner == DENIES ? 0x83 : 0x80, 0, 1, 0, address, 0, 0, 0,
                                  0};
    memcpy(&packet[2], head, sizeof(head));
    memcpy(&packet[end], record, sizeof(record));
    (void)sendto(server, packet, end + (address ? sizeof(record) : 0), 0, (struct sockaddr *)&from,
                 from_len);
}

/* Return: whether path shows the text from now on, to this process. */
static bool cover(const char *path, const char *text) {
    char name[] = "/tmp/test_resolve_XXXXXX";
    int fd = mkstemp(name);
    if (fd < 0) {
        return false;
    }
    (void)fchmod(fd, 0644);
    bool good = write(fd, text, strlen(text)) == (ssize_t)strlen(text) &&
                mount(name, path, NULL, MS_BIND, NULL) == 0;
    (void)close(fd);
    (void)unlink(name);
    return good;
}

static int be_name_server(void **state) {
    char text[128], address[INET_ADDRSTRLEN];
    unsigned id = (unsigned)getpid();
    (void)snprintf(address, sizeof(address), "127.53.%u.%u", id / 254 % 256, id % 254 + 1);
    (void)snprintf(text, sizeof(text), "nameserver %s\nsearch .\noptions timeout:1\n", address);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(53)};
    (void)inet_pton(AF_INET, address, &at.sin_addr);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int bytes = 4 << 20; /* for all questions at once */
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
    if (bind(fd, (const struct sockaddr *)&at, sizeof(at)) == 0 && unshare(CLONE_NEWNS) == 0 &&
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 && cover("/etc/resolv.conf", text) &&
        cover("/etc/nsswitch.conf", "hosts: files dns\n")) {
        server = fd;
    } else {
        (void)close(fd);
    }
    return 0;
}

static int close_server(void **state) {
    if (server >= 0) {
        (void)close(server);
    }
    return 0;
}

static void on_silence(void *userdata, const char *host) {
    fell_silent += host != NULL;
    spoke_again += host == NULL;
    if (host != NULL) {
        (void)snprintf(silent_host, sizeof(silent_host), "%s", host);
    }
}

static int set_up(void **state) {
    assert_int_equal(loop_new(&loop), 0);
    pool = worker_pool_new(loop, &(struct worker_options){.max_running = RESOLVE_WORKERS});
    resolver = resolver_new(loop, pool);
    /* What is known is old at once. */
    resolver_configure(resolver, &(struct resolver_options){.good_for_usec = 1,
                                                            .bad_for_usec = 100 * USEC_PER_MSEC,
                                                            .silence = on_silence});
    manner = ANSWERS;
    questions = fell_silent = spoke_again = 0;
    if (server >= 0) {
        io = loop_io_new(loop, server, EPOLLIN, on_question, NULL);
    }
    return 0;
}

static int tear_down(void **state) {
    resolver = resolver_free(resolver);
    pool = worker_pool_free(pool);
    io = loop_io_free(io);
    loop = loop_free(loop);
    return 0;
}

static void done(void *userdata, const struct resolve_answer *answer, const struct error *err) {
    struct seen *seen = userdata;
    seen->calls++;
    seen->code = err != NULL ? err->code : 0;
    (void)snprintf(seen->address, sizeof(seen->address), "%s",
                   answer != NULL ? answer->addresses[0].text : "");
}

static struct resolve_request *look_up(const char *host, struct seen *seen) {
    return resolver_lookup(resolver, host, 1, loop_clock_usec() + 10 * USEC_PER_SEC, done, seen);
}

/* Looks up and waits. */
static struct seen ask(const char *host) {
    struct seen seen = {0};
    (void)look_up(host, &seen);
    assert_true(turn_until(loop, &seen.calls, 1));
    return seen;
}

static void need_server(void) {
    if (server < 0) {
        skip();
    }
}

static void answers_a_name_while_others_of_its_batch_hang(void **state) {
    need_server();
    struct seen dead = {0}, good = {0};
    struct resolve_request *request = look_up("dead.test", &dead);
    (void)look_up("good.test", &good);
    uint64_t begin = loop_clock_usec();
    assert_true(turn_until(loop, &good.calls, 1));
    assert_string_equal(good.address, "192.0.2.7");
    assert_true(loop_clock_usec() - begin < SOON);
    assert_int_equal(dead.calls, 0);
    resolve_request_free(request);
}

static void asks_for_a_new_name_while_a_batch_hangs(void **state) {
    need_server();
    struct seen dead = {0};
    struct resolve_request *request = look_up("dead.test", &dead);
    assert_true(turn_until(loop, &questions, 1));
    uint64_t begin = loop_clock_usec();
    assert_string_equal(ask("good.test").address, "192.0.2.7");
    assert_true(loop_clock_usec() - begin < SOON);
    assert_int_equal(dead.calls, 0);
    resolve_request_free(request);
}

static void asks_for_good_names_beside_hundreds_that_hang(void **state) {
    need_server();
    static struct seen dead[300];
    struct seen good[10] = {{0}};
    char host[32];
    memset(dead, 0, sizeof(dead));
    for (int i = 0; i < 300; i++) {
        (void)snprintf(host, sizeof(host), "dead-%d.test", i);
        (void)look_up(host, &dead[i]);
        if (i % 30 == 29) {
            (void)snprintf(host, sizeof(host), "good-%d.test", i);
            (void)look_up(host, &good[i / 30]);
        }
    }
    uint64_t begin = loop_clock_usec();
    for (int i = 0; i < 10; i++) {
        assert_true(turn_until(loop, &good[i].calls, 1));
        assert_string_equal(good[i].address, "192.0.2.7");
    }
    /* One batch after the other would take 4 s. */
    assert_true(loop_clock_usec() - begin < 3900 * USEC_PER_MSEC);
}

static void keeps_the_last_address_while_the_name_server_is_silent(void **state) {
    need_server();
    assert_string_equal(ask("orders.test").address, "192.0.2.7");
    manner = SILENT;
    uint64_t begin = loop_clock_usec();
    assert_string_equal(ask("orders.test").address, "192.0.2.7");
    assert_true(loop_clock_usec() - begin < 2 * USEC_PER_SEC);
    assert_int_equal(fell_silent, 1);
    assert_string_equal(silent_host, "orders.test");
    int asked = questions;
    assert_true(turn_until(loop, &questions, asked + 1)); /* by the resolver itself */
    struct seen again = {0};
    (void)look_up("orders.test", &again);
    turn_until_quiet(loop); /* nobody waits for a name server twice */
    assert_int_equal(again.calls, 1);
    assert_string_equal(again.address, "192.0.2.7");
    assert_int_equal(fell_silent, 1);
}

static void notices_by_itself_that_the_name_server_answers_again(void **state) {
    need_server();
    assert_string_equal(ask("orders.test").address, "192.0.2.7");
    assert_string_equal(ask("users.test").address, "192.0.2.7");
    manner = SILENT;
    assert_string_equal(ask("orders.test").address, "192.0.2.7");
    assert_string_equal(ask("users.test").address, "192.0.2.7");
    assert_int_equal(fell_silent, 1);
    assert_int_equal(spoke_again, 0);
    manner = ANSWERS;
    assert_true(turn_until(loop, &spoke_again, 1));
    assert_int_equal(fell_silent, 1);
    assert_int_equal(spoke_again, 1);
}

static void believes_a_name_server_that_says_the_name_is_gone(void **state) {
    need_server();
    assert_string_equal(ask("orders.test").address, "192.0.2.7");
    manner = DENIES;
    struct seen gone = ask("orders.test");
    assert_string_equal(gone.address, "");
    assert_int_equal(gone.code, -EHOSTUNREACH);
    assert_int_equal(fell_silent, 0);
}

static void gives_a_name_that_was_never_known_no_address(void **state) {
    need_server();
    manner = SILENT;
    struct seen seen = ask("orders.test");
    assert_string_equal(seen.address, "");
    assert_true(seen.code == -EAGAIN || seen.code == -ETIMEDOUT);
    assert_int_equal(fell_silent, 0);
}

static void is_freed_while_names_are_stale(void **state) {
    need_server();
    assert_string_equal(ask("orders.test").address, "192.0.2.7");
    manner = SILENT;
    assert_string_equal(ask("orders.test").address, "192.0.2.7");
    resolver = resolver_free(resolver);
    turn_until_quiet(loop);
    assert_int_equal(spoke_again, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(answers_a_name_while_others_of_its_batch_hang),
        TEST(asks_for_a_new_name_while_a_batch_hangs),
        TEST(asks_for_good_names_beside_hundreds_that_hang),
        TEST(keeps_the_last_address_while_the_name_server_is_silent),
        TEST(notices_by_itself_that_the_name_server_answers_again),
        TEST(believes_a_name_server_that_says_the_name_is_gone),
        TEST(gives_a_name_that_was_never_known_no_address),
        TEST(is_freed_while_names_are_stale),
    };
    return cmocka_run_group_tests(tests, be_name_server, close_server);
}
