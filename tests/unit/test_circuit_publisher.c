/* SPDX-License-Identifier: Apache-2.0 */

/* Breakers in Redis, against a server that is the test itself: each row of the publisher's table,
 * and a server that is silent, refuses or goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "circuits/circuit_publisher.h"
#include "fake_server.h"

#define GREETING "*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$8\r\ndbvitals\r\n*1\r\n$4\r\nPING\r\n"
#define LOOK     "*2\r\n$3\r\nGET\r\n$3\r\nk:b\r\n*2\r\n$4\r\nPTTL\r\n$3\r\nk:b\r\n"
#define DEL      "*2\r\n$3\r\nDEL\r\n$3\r\nk:b\r\n"

static struct loop *loop;
static struct worker_pool *pool;
static struct resolver *resolver;
static struct redis_options redis;
static struct circuits *circuits;
static struct circuit_publisher *publisher;
static struct kept_circuit *kept;
static int listen_fd, server;

static void changed(void *userdata, struct kept_circuit *one, enum breaker_state from) {
    circuit_publisher_changed(publisher);
}

static int set_up_with(const char *channel) {
    struct circuit_options options = {
        .name = (char *)(uintptr_t) "b",
        .policy = circuit_policy_default,
        .publish = {.target = (char *)(uintptr_t) "kv",
                    .key_prefix = (char *)(uintptr_t) "k:",
                    .channel = (char *)(uintptr_t)channel,
                    .ttl_usec = 4 * USEC_PER_SEC},
    };
    char url[64];
    uint16_t port = 0;
    server = -1;
    assert_int_equal(loop_new(&loop), 0);
    pool = worker_pool_new(loop, NULL);
    resolver = resolver_new(loop, pool);
    listen_fd = fake_listen(&port);
    (void)snprintf(url, sizeof(url), "redis://127.0.0.1:%u", (unsigned)port);
    assert_int_equal(redis_options_parse(url, 1, &redis, NULL), 0);
    circuits = circuits_new(&(struct circuits_events){.changed = changed});
    circuits_configure(circuits, &options, 1, loop_now_usec(loop), loop_now_ms(loop));
    kept = circuits_at(circuits, 0);
    publisher = circuit_publisher_new(&(struct circuit_publisher_options){
        .loop = loop,
        .resolver = resolver,
        .target = "kv",
        .redis = &redis,
        .circuits = circuits,
        .owner = "me:1",
    });
    return 0;
}

static int set_up(void **state) {
    return set_up_with(NULL);
}

static int set_up_channel(void **state) {
    return set_up_with("ch");
}

static int tear_down(void **state) {
    publisher = circuit_publisher_free(publisher);
    circuits = circuits_free(circuits);
    if (server >= 0) {
        (void)close(server);
    }
    (void)close(listen_fd);
    redis_options_deinit(&redis);
    resolver = resolver_free(resolver);
    pool = worker_pool_free(pool);
    loop = loop_free(loop);
    return 0;
}

static void greet(void) {
    server = fake_accept(loop, listen_fd);
    /* On a slow machine one may have been given up before we came to it. */
    for (int i = 0; i < 5 && server >= 0 && !fake_expect(loop, server, GREETING); i++) {
        (void)close(server);
        server = fake_accept(loop, listen_fd);
    }
    assert_true(server >= 0);
    assert_true(fake_say(loop, server, "+OK\r\n+PONG\r\n"));
}

static struct circuit_time now(void) {
    return (struct circuit_time){loop_now_usec(loop), loop_now_ms(loop)};
}

/* A question, and what it finds: "" for nothing. */
static void look(const char *value, const char *ttl) {
    char text[512];
    assert_true(fake_expect(loop, server, LOOK));
    if (value[0] == '\0') {
        (void)snprintf(text, sizeof(text), "$-1\r\n:%s\r\n", ttl);
    } else {
        (void)snprintf(text, sizeof(text), "$%zu\r\n%s\r\n:%s\r\n", strlen(value), value, ttl);
    }
    assert_true(fake_say(loop, server, text));
}

/* A JSON object of ours with this in it. */
static void expect_word(const char *part) {
    char value[256] = "";
    uint64_t deadline = loop_clock_usec() + 10 * USEC_PER_SEC;
    for (size_t n = 0; n < sizeof(value) - 1 && loop_clock_usec() < deadline;) {
        if (recv(server, value + n, 1, 0) == 1) {
            if (value[n++] == '}') {
                break;
            }
        } else {
            (void)loop_run_once(loop, USEC_PER_MSEC);
        }
    }
    if (strstr(value, part) == NULL || strstr(value, "\"owner\":\"me:1\"") == NULL) {
        fail_msg("%s", value);
    }
}

/* "SET k:b {...} EX 4", with NX or without, and its answer. */
static void expect_set(bool only_new, const char *part, const char *answer) {
    char head[64];
    (void)snprintf(head, sizeof(head), "*%d\r\n$3\r\nSET\r\n$3\r\nk:b\r\n$", only_new ? 6 : 5);
    assert_true(fake_expect(loop, server, head));
    expect_word(part);
    assert_true(fake_expect(loop, server,
                            only_new ? "\r\n$2\r\nEX\r\n$1\r\n4\r\n$2\r\nNX\r\n"
                                     : "\r\n$2\r\nEX\r\n$1\r\n4\r\n"));
    assert_true(fake_say(loop, server, answer));
}

/* "PUBLISH ch {...}" */
static void expect_announcement(const char *part, const char *answer) {
    assert_true(fake_expect(loop, server, "*3\r\n$7\r\nPUBLISH\r\n$2\r\nch\r\n$"));
    expect_word(part);
    assert_true(fake_expect(loop, server, "\r\n"));
    assert_true(fake_say(loop, server, answer));
}

static void force(enum breaker_event event) {
    circuits_order(circuits, kept, now(), event);
}

#define OURS   "{\"state\":\"open\",\"owner\":\"me:1\"}"
#define THEIRS "{\"state\":\"open\",\"owner\":\"you:1\",\"reason\":\"waiting_clients\"}"

static void a_closed_one_is_only_looked_at(void **state) {
    greet();
    look("", "-2");
    look("", "-2"); /* a second later: nothing was written between */
    assert_int_equal(circuits_status(kept, now()).state, BREAKER_CLOSED);
}

static void an_open_one_is_claimed_renewed_and_taken_away(void **state) {
    greet();
    look("", "-2");
    turn_for(loop, 20 * USEC_PER_MSEC);
    force(BREAKER_FORCE_OPEN);
    uint64_t begin = loop_clock_usec();
    look("", "-2"); /* at once, not with the next second */
    assert_true(loop_clock_usec() - begin < 500 * USEC_PER_MSEC);
    expect_set(true, "\"state\":\"open\"", "+OK\r\n");
    look(OURS, "3000");
    look(OURS, "2000");
    expect_set(false, "\"state\":\"open\"", "+OK\r\n"); /* half of its time is over */
    assert_true(loop_clock_usec() - begin < 4 * USEC_PER_SEC);
    turn_for(loop, 20 * USEC_PER_MSEC);
    force(BREAKER_LIFT);
    look(OURS, "3900");
    assert_true(fake_expect(loop, server, DEL));
    assert_true(fake_say(loop, server, ":1\r\n"));
    look("", "-2");
}

static void what_another_wrote_is_honoured_and_never_written(void **state) {
    greet();
    look(THEIRS, "1500");
    turn_for(loop, 20 * USEC_PER_MSEC);
    struct circuit_status status = circuits_status(kept, now());
    assert_int_equal(status.state, BREAKER_OPEN);
    assert_string_equal(status.owner, "you:1");
    assert_true(status.retry_after_usec > 0 && status.retry_after_usec <= 1500 * USEC_PER_MSEC);
    force(BREAKER_FORCE_OPEN);
    look(THEIRS, "1400"); /* ours as well now, and still theirs to write */
    look(THEIRS, "400");
    force(BREAKER_LIFT);
    look(THEIRS, "300");
    turn_for(loop, 20 * USEC_PER_MSEC);
    assert_int_equal(circuits_status(kept, now()).state, BREAKER_OPEN);
    /* Its time is over before anybody looks again. */
    turn_for(loop, 350 * USEC_PER_MSEC);
    assert_int_equal(circuits_status(kept, now()).state, BREAKER_CLOSED);
}

static void garbage_is_no_word_and_is_written_over_when_need_be(void **state) {
    greet();
    look("garbage", "-1");
    turn_for(loop, 20 * USEC_PER_MSEC);
    assert_int_equal(circuits_status(kept, now()).state, BREAKER_CLOSED);
    force(BREAKER_FORCE_OPEN);
    look("garbage", "-1");
    expect_set(false, "\"state\":\"open\"", "+OK\r\n");
    look(OURS, "3000");
}

static void a_refused_write_is_tried_again(void **state) {
    greet();
    look("", "-2");
    turn_for(loop, 20 * USEC_PER_MSEC);
    force(BREAKER_FORCE_OPEN);
    look("", "-2");
    expect_set(true, "open", "-READONLY You can't write against a read only replica.\r\n");
    look("", "-2");
    expect_set(true, "open", "+OK\r\n");
}

#define ANNOUNCED_OPEN   "{\"name\":\"b\",\"state\":\"open\",\"reason\":\"operator\""
#define ANNOUNCED_CLOSED "{\"name\":\"b\",\"state\":\"closed\""

static void each_state_is_told_once_in_the_channel(void **state) {
    greet();
    look("", "-2");
    turn_for(loop, 20 * USEC_PER_MSEC);
    force(BREAKER_FORCE_OPEN);
    look("", "-2");
    expect_set(true, "open", "+OK\r\n");
    expect_announcement(ANNOUNCED_OPEN, ":1\r\n");
    look(OURS, "3000");
    look(OURS, "2000");
    expect_set(false, "open", "+OK\r\n"); /* written again, and nothing is new */
    turn_for(loop, 20 * USEC_PER_MSEC);
    force(BREAKER_LIFT);
    look(OURS, "3900");
    assert_true(fake_expect(loop, server, DEL));
    assert_true(fake_say(loop, server, ":1\r\n"));
    expect_announcement(ANNOUNCED_CLOSED, ":0\r\n");
    look("", "-2");
    look("", "-2");
}

static void what_goes_by_itself_is_told_and_what_is_refused_is_not_repeated(void **state) {
    greet();
    look("", "-2");
    turn_for(loop, 20 * USEC_PER_MSEC);
    force(BREAKER_FORCE_OPEN);
    look("", "-2");
    expect_set(true, "open", "+OK\r\n");
    expect_announcement(ANNOUNCED_OPEN, "-NOPERM no permissions to access a channel\r\n");
    look(OURS, "3000");
    turn_for(loop, 20 * USEC_PER_MSEC);
    force(BREAKER_LIFT);
    look("", "-2"); /* its time was over */
    expect_announcement(ANNOUNCED_CLOSED, ":0\r\n");
    look("", "-2");
}

static void another_ones_word_is_not_told(void **state) {
    greet();
    look("", "-2");
    turn_for(loop, 20 * USEC_PER_MSEC);
    force(BREAKER_FORCE_OPEN);
    look("", "-2");
    expect_set(true, "open", "$-1\r\n"); /* another one was faster */
    look(THEIRS, "1400");
    force(BREAKER_LIFT);
    look(THEIRS, "300");
    look("", "-2");
    look("", "-2");
}

static void a_server_that_goes_is_connected_to_again(void **state) {
    greet();
    look("", "-2");
    turn_for(loop, 20 * USEC_PER_MSEC);
    (void)close(server);
    force(BREAKER_FORCE_OPEN);
    greet();
    look("", "-2");
    expect_set(true, "open", "+OK\r\n");
}

static void a_silent_server_is_left(void **state) {
    greet();
    assert_true(fake_expect(loop, server, LOOK));
    (void)close(fake_accept(loop, listen_fd)); /* the next connection, 3 s and a back-off later */
}

static void freeing_while_it_waits_is_safe(void **state) {
    greet();
    assert_true(fake_expect(loop, server, LOOK));
    publisher = circuit_publisher_free(publisher);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_closed_one_is_only_looked_at, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_open_one_is_claimed_renewed_and_taken_away, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_another_wrote_is_honoured_and_never_written, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(garbage_is_no_word_and_is_written_over_when_need_be, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_refused_write_is_tried_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_state_is_told_once_in_the_channel, set_up_channel,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            what_goes_by_itself_is_told_and_what_is_refused_is_not_repeated, set_up_channel,
            tear_down),
        cmocka_unit_test_setup_teardown(another_ones_word_is_not_told, set_up_channel, tear_down),
        cmocka_unit_test_setup_teardown(a_server_that_goes_is_connected_to_again, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_silent_server_is_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(freeing_while_it_waits_is_safe, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
