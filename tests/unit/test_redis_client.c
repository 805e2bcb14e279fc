/* SPDX-License-Identifier: Apache-2.0 */

/* The Redis client against a server that is the test itself: pieces, garbage, silence, sudden ends.
 * Real servers are in test_redis_server.c. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "fake_server.h"
#include "base/macros.h"
#include "io/redis_client.h"

#define SETNAME  "*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$8\r\ndbvitals\r\n"
#define PING     "*1\r\n$4\r\nPING\r\n"
#define GREETING SETNAME PING
#define INFO     "*1\r\n$4\r\nINFO\r\n"

static struct loop *loop;
static struct worker_pool *pool;
static struct resolver *resolver;
static struct client *client;
static int listen_fd, server;
static struct redis_options options = {.host = NULL};

static struct {
    int ready, drained, ended;
    struct client_hello hello;
    struct client_failure failure;
    bool free_when_ready, free_when_drained, free_when_ended;
} events;

struct request {
    int calls;
    bool good;
    struct arena arena;
    const struct tree *tree;
    struct client_failure failure;
    bool free_client;         /* in done() */
    struct request *resubmit; /* in done() */
};

static void submit(struct request *request, const char *command);

static void on_ready(void *userdata, const struct client_hello *hello) {
    events.ready++;
    events.hello = *hello;
    assert_int_equal(client->state, CLIENT_READY);
    if (events.free_when_ready) {
        client = client_free(client);
    }
}

static void on_drained(void *userdata) {
    events.drained++;
    assert_int_equal(client->state, CLIENT_READY);
    if (events.free_when_drained) {
        client = client_free(client);
    }
}

static void on_ended(void *userdata, const struct client_failure *failure) {
    events.ended++;
    events.failure = *failure;
    assert_int_equal(client->state, CLIENT_ENDED);
    assert_true(failure->connection);
    if (events.free_when_ended) {
        client = client_free(client);
    }
}

static void on_done(void *userdata, const struct client_reply *reply,
                    const struct client_failure *failure) {
    struct request *request = userdata;
    request->calls++;
    assert_true((reply == NULL) != (failure == NULL));
    request->good = reply != NULL;
    if (reply != NULL) {
        assert_non_null(reply->tree);
        assert_null(reply->table);
        assert_int_not_equal(reply->tree->type, TREE_ERROR);
        request->tree = reply->tree;
    } else {
        assert_true(error_is_set(&failure->error));
        request->failure = *failure;
    }
    if (request->free_client) {
        client = client_free(client);
    }
    if (request->resubmit != NULL) {
        submit(take_ptr(request->resubmit), "INFO");
    }
}

static void submit_limited(struct request *request, const char *command, size_t max_bytes) {
    const struct str word = str_of(command);
    client_submit(client, &(struct client_request){
                              .words = &word,
                              .n_words = 1,
                              .limits = {.max_bytes = max_bytes},
                              .arena = &request->arena,
                              .done = on_done,
                              .userdata = request,
                          });
}

static void submit(struct request *request, const char *command) {
    submit_limited(request, command, 0);
}

static int set_up(void **state) {
    memset(&events, 0, sizeof(events));
    server = -1;
    assert_int_equal(loop_new(&loop), 0);
    pool = worker_pool_new(loop, NULL);
    resolver = resolver_new(loop, pool);
    redis_options_deinit(&options);
    uint16_t port = 0;
    listen_fd = fake_listen(&port);
    assert_true(listen_fd >= 0);
    char url[64];
    (void)snprintf(url, sizeof(url), "redis://127.0.0.1:%u", (unsigned)port);
    return redis_options_parse(url, 1, &options, NULL);
}

static int tear_down(void **state) {
    client = client_free(client);
    if (server >= 0) {
        (void)close(server);
    }
    (void)close(listen_fd);
    redis_options_deinit(&options);
    resolver = resolver_free(resolver);
    pool = worker_pool_free(pool);
    loop = loop_free(loop);
    return 0;
}

static void say(const char *text) {
    assert_true(fake_say(loop, server, text));
}

static void expect(const char *text) {
    assert_true(fake_expect(loop, server, text));
}

static void open_client(void) {
    const struct client_events told = {.ready = on_ready, .drained = on_drained, .ended = on_ended};
    client = redis_client_new(loop, resolver, NULL, &options, &told);
    assert_int_equal(client->state, CLIENT_IDLE);
    int before = events.ready + events.ended;
    client_open(client);
    assert_int_equal(client->state, CLIENT_CONNECTING);
    assert_int_equal(events.ready + events.ended, before);
}

static void open_and_accept(void) {
    open_client();
    server = fake_accept(loop, listen_fd);
    assert_true(server >= 0);
}

static void open_and_greet(void) {
    int before = events.ready;
    open_and_accept();
    expect(GREETING);
    say("+OK\r\n+PONG\r\n");
    assert_true(turn_until(loop, &events.ready, before + 1));
}

static void hang_up(void) {
    (void)close(server);
    server = -1;
}

static void discard(struct request *request) {
    arena_deinit(&request->arena);
}

/* ---- opening ---- */

static void opens_with_a_name_and_a_ping(void **state) {
    open_and_greet();
    assert_int_equal(events.ready, 1);
    assert_int_equal(events.hello.version, 0);
    assert_false(events.hello.pooler);
    assert_true(events.hello.connect_usec < 10 * USEC_PER_SEC);
}

static void opens_without_a_name_at_a_sentinel(void **state) {
    options.sentinel = true;
    open_and_accept();
    expect(PING);
    say("+PONG\r\n");
    assert_true(turn_until(loop, &events.ready, 1));
}

static void sends_the_password_first(void **state) {
    options.password = strdup("pa ss");
    open_and_accept();
    expect("*2\r\n$4\r\nAUTH\r\n$5\r\npa ss\r\n" GREETING);
    say("+OK\r\n-ERR unknown command 'CLIENT'\r\n+PONG\r\n");
    assert_true(turn_until(loop, &events.ready, 1));
}

static void sends_user_and_password(void **state) {
    options.user = strdup("monitor");
    options.password = strdup("p");
    open_and_accept();
    expect("*3\r\n$4\r\nAUTH\r\n$7\r\nmonitor\r\n$1\r\np\r\n" GREETING);
    say("+OK\r\n+OK\r\n+PONG\r\n");
    assert_true(turn_until(loop, &events.ready, 1));
}

static void sends_an_empty_password_for_a_user_without_one(void **state) {
    options.user = strdup("nopass");
    open_and_accept();
    expect("*3\r\n$4\r\nAUTH\r\n$6\r\nnopass\r\n$0\r\n\r\n" GREETING);
}

static void ends_with(const char *answer, enum client_reason reason) {
    open_and_accept();
    say(answer);
    assert_true(turn_until(loop, &events.ended, 1));
    assert_int_equal(events.ready, 0);
    assert_int_equal(events.failure.end, CLIENT_ALIVE);
    assert_int_equal(events.failure.reason, reason);
    turn_until_quiet(loop);
    assert_int_equal(events.ended, 1);
}

static void ends_when_the_password_is_wrong(void **state) {
    options.password = strdup("hunter2");
    ends_with("-WRONGPASS invalid username-password pair\r\n-NOAUTH x\r\n-NOAUTH x\r\n",
              REASON_AUTH);
}

static void ends_when_auth_is_unknown_and_hides_the_password(void **state) {
    options.password = strdup("hunter2");
    ends_with("-ERR unknown command `AUTH`, with args beginning with: `hunter2`, \r\n",
              REASON_AUTH);
    assert_null(strstr(events.failure.error.text, "hunter2"));
}

static void ends_when_no_password_is_expected(void **state) {
    options.password = strdup("hunter2");
    ends_with("-ERR AUTH <password> called without any password configured\r\n", REASON_AUTH);
}

static void ends_when_a_password_is_wanted(void **state) {
    ends_with("-NOAUTH Authentication required.\r\n-NOAUTH Authentication required.\r\n",
              REASON_AUTH);
}

static void ends_when_the_server_is_full(void **state) {
    ends_with("-ERR max number of clients reached\r\n", REASON_CONNECTIONS);
}

static void ends_in_protected_mode(void **state) {
    ends_with("-DENIED Redis is running in protected mode\r\n", REASON_AUTH);
}

static void ends_when_it_is_not_redis(void **state) {
    ends_with("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", REASON_PROTOCOL);
}

static void is_ready_although_ping_fails(void **state) {
    static const char *const answers[] = {
        "+OK\r\n-LOADING Redis is loading the dataset in memory\r\n",
        "+OK\r\n-MASTERDOWN Link with MASTER is down\r\n",
        "-BUSY script\r\n-BUSY Redis is busy running a script\r\n",
        "-NOPERM this user\r\n-NOPERM this user has no permissions to run the 'ping' command\r\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        open_and_accept();
        say(answers[i]);
        assert_true(turn_until(loop, &events.ready, (int)i + 1));
        client = client_free(client);
        hang_up();
    }
    assert_int_equal(events.ended, 0);
}

static void tells_that_nobody_listens(void **state) {
    (void)close(listen_fd);
    open_client();
    assert_true(turn_until(loop, &events.ended, 1));
    assert_int_equal(events.failure.end, CLIENT_GONE);
    assert_int_equal(events.failure.reason, REASON_REFUSED);
    uint16_t port;
    listen_fd = fake_listen(&port);
}

static void tells_that_it_was_closed_before_the_first_byte(void **state) {
    open_and_accept();
    hang_up();
    assert_true(turn_until(loop, &events.ended, 1));
    assert_int_equal(events.failure.end, CLIENT_GONE);
    assert_int_equal(events.failure.reason, REASON_CLOSED);
}

static void becomes_ready_late_after_it_was_abandoned(void **state) {
    open_and_accept();
    client_abandon(client, "no answer");
    turn_for(loop, 5 * USEC_PER_MSEC);
    assert_int_equal(events.ready + events.drained + events.ended, 0);
    assert_int_equal(client->state, CLIENT_CONNECTING);
    say("+OK\r\n+PONG\r\n");
    assert_true(turn_until(loop, &events.ready, 1));
}

/* ---- requests ---- */

static void answers_requests_in_their_order(void **state) {
    struct request a = {0}, b = {0}, c = {0};
    open_and_greet();
    submit(&a, "INFO");
    submit(&b, "INFO");
    turn_until_quiet(loop);
    char byte;
    assert_int_equal(recv(server, &byte, 1, 0), -1); /* nothing is sent before the flush */
    client_flush(client);
    submit(&c, "INFO");
    client_flush(client);
    expect(INFO INFO INFO);
    say("$5\r\nfirst\r\n:42\r\n");
    assert_true(turn_until(loop, &b.calls, 1));
    assert_true(a.good && str_is(a.tree->text, "first"));
    assert_true(b.good && b.tree->integer == 42 && str_is(b.tree->text, "42"));
    assert_int_equal(c.calls, 0);
    say("*-1\r\n");
    assert_true(turn_until(loop, &c.calls, 1));
    assert_int_equal(c.tree->type, TREE_NIL);
    discard(&a);
    discard(&b);
    discard(&c);
}

static void sends_words_as_they_are(void **state) {
    struct request request = {0};
    const struct str words[] = {{"CONFIG", 6}, {"a\0b\r\n", 5}, {"", 0}};
    open_and_greet();
    client_submit(client, &(struct client_request){.words = words,
                                                   .n_words = 3,
                                                   .arena = &request.arena,
                                                   .done = on_done,
                                                   .userdata = &request});
    client_flush(client);
    expect("*3\r\n$6\r\nCONFIG\r\n$5\r\na");
    char rest[64];
    turn_for(loop, 2 * USEC_PER_MSEC);
    ssize_t n = recv(server, rest, sizeof(rest), 0);
    assert_int_equal(n, 12);
    assert_memory_equal(rest, "\0b\r\n\r\n$0\r\n\r\n", 12);
    client = client_free(client);
    assert_int_equal(request.calls, 1);
}

static const char nested[] =
    "*4\r\n$4\r\nname\r\n*2\r\n:1\r\n*1\r\n+deep\r\n$-1\r\n-ERR inside\r\n";

static void check_nested(const struct request *request) {
    const struct tree *tree = request->tree;
    assert_true(request->good);
    assert_int_equal(tree->type, TREE_LIST);
    assert_int_equal(tree->n_items, 4);
    assert_true(str_is(tree->items[0].text, "name"));
    assert_int_equal(tree->items[1].n_items, 2);
    assert_true(tree->items[1].items[0].integer == 1);
    assert_true(str_is(tree->items[1].items[1].items[0].text, "deep"));
    assert_int_equal(tree->items[2].type, TREE_NIL);
    assert_int_equal(tree->items[3].type, TREE_ERROR);
}

static void reads_a_nested_reply_byte_by_byte(void **state) {
    struct request request = {0}, next = {0};
    open_and_greet();
    submit(&request, "INFO");
    submit(&next, "INFO");
    client_flush(client);
    for (size_t i = 0; i < sizeof(nested) - 1; i++) {
        assert_int_equal(request.calls, 0);
        assert_true(fake_send(loop, server, nested + i, 1));
        turn_until_quiet(loop);
    }
    assert_true(turn_until(loop, &request.calls, 1));
    check_nested(&request);
    say("*0\r\n");
    assert_true(turn_until(loop, &next.calls, 1));
    assert_int_equal(next.tree->type, TREE_LIST);
    assert_int_equal(next.tree->n_items, 0);
    discard(&request);
    discard(&next);
}

static void fails_only_the_request_that_the_server_refuses(void **state) {
    struct request bad = {0}, good = {0};
    open_and_greet();
    submit(&bad, "CONFIG");
    submit(&good, "INFO");
    client_flush(client);
    say("-NOPERM no permissions to run 'config'\r\n+fine\r\n");
    assert_true(turn_until(loop, &good.calls, 1));
    assert_false(bad.good);
    assert_int_equal(bad.failure.reason, REASON_PERMISSION);
    assert_int_equal(bad.failure.end, CLIENT_ALIVE);
    assert_false(bad.failure.connection);
    assert_string_equal(bad.failure.sqlstate, "NOPER");
    assert_true(good.good);
    assert_int_equal(events.ended, 0);
    discard(&good);
}

static void loses_the_connection(const char *answer, enum client_end end,
                                 enum client_reason reason) {
    struct request first = {0}, second = {0};
    open_and_greet();
    submit_limited(&first, "INFO", 100000);
    submit(&second, "INFO");
    client_flush(client);
    expect(INFO INFO);
    say(answer);
    if (reason == REASON_CLOSED) {
        hang_up();
    }
    assert_true(turn_until(loop, &events.ended, 1));
    assert_int_equal(events.failure.end, end);
    assert_int_equal(events.failure.reason, reason);
    assert_int_equal(first.calls, 1);
    assert_int_equal(second.calls, 1);
    assert_false(first.good || second.good);
    assert_int_equal(second.failure.reason, reason);
    assert_true(second.failure.connection);
    struct request late = {0};
    submit(&late, "INFO");
    client_flush(client);
    assert_int_equal(late.calls, 0);
    turn_until_quiet(loop);
    assert_int_equal(late.calls, 1);
    assert_int_equal(first.calls + second.calls + events.ended, 3);
}

static void ends_at_garbage(void **state) {
    loses_the_connection("*2\r\n$3\r\nabc\r\n\x01\x02\r\n", CLIENT_ALIVE, REASON_PROTOCOL);
}

static void ends_at_a_close_in_the_middle(void **state) {
    loses_the_connection("$5\r\nhe", CLIENT_GONE, REASON_CLOSED);
}

static void refuses_resp3(void **state) {
    loses_the_connection("%1\r\n+a\r\n:1\r\n", CLIENT_ALIVE, REASON_PROTOCOL);
}

static void refuses_an_endless_list(void **state) {
    loses_the_connection("*2147483647\r\n", CLIENT_ALIVE, REASON_TOO_LARGE);
}

static void refuses_a_list_beyond_every_integer(void **state) {
    loses_the_connection("*9223372036854775807\r\n", CLIENT_ALIVE, REASON_PROTOCOL);
}

static void refuses_lists_in_lists_for_ever(void **state) {
    loses_the_connection("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
                         CLIENT_ALIVE, REASON_PROTOCOL);
}

static void refuses_more_bytes_than_allowed(void **state) {
    static char text[300000];
    memset(text, 'x', sizeof(text) - 1);
    memcpy(text, "$250000\r\n", 9);
    struct request request = {0};
    open_and_greet();
    submit_limited(&request, "INFO", 100000);
    client_flush(client);
    (void)fake_say(loop, server, text); /* may be cut off */
    assert_true(turn_until(loop, &events.ended, 1));
    assert_int_equal(events.failure.reason, REASON_TOO_LARGE);
    assert_int_equal(request.failure.reason, REASON_TOO_LARGE);
}

static void refuses_many_small_values(void **state) {
    struct request request = {0};
    open_and_greet();
    submit_limited(&request, "INFO", 20000);
    client_flush(client);
    say("*6000\r\n");
    for (int i = 0; i < 6000 && events.ended == 0; i++) {
        (void)fake_say(loop, server, ":1\r\n");
    }
    assert_true(turn_until(loop, &events.ended, 1));
    assert_int_equal(events.failure.reason, REASON_TOO_LARGE);
}

static void counts_the_bytes_of_each_reply_alone(void **state) {
    static struct request requests[20];
    memset(requests, 0, sizeof(requests));
    char text[60100];
    open_and_greet();
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        submit_limited(&requests[i], "INFO", 70000);
    }
    client_flush(client);
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        memset(text, 'x', sizeof(text));
        memcpy(text, "$60000\r\n", 8);
        memcpy(text + 60008, "\r\n", 3);
        say(text);
    }
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        assert_true(turn_until(loop, &requests[i].calls, 1));
        assert_true(requests[i].good);
        assert_int_equal(requests[i].tree->text.len, 60000);
        discard(&requests[i]);
    }
}

static void ends_at_an_answer_that_nobody_asked_for(void **state) {
    open_and_greet();
    say("+surprise\r\n");
    assert_true(turn_until(loop, &events.ended, 1));
    assert_int_equal(events.failure.reason, REASON_PROTOCOL);
}

static void takes_an_unasked_error_as_the_reason_of_the_end(void **state) {
    open_and_greet();
    say("-ERR max number of clients reached\r\n");
    assert_true(turn_until(loop, &events.ended, 1));
    assert_int_equal(events.failure.reason, REASON_CONNECTIONS);
}

static void tells_a_close_while_idle(void **state) {
    open_and_greet();
    hang_up();
    assert_true(turn_until(loop, &events.ended, 1));
    assert_int_equal(events.failure.end, CLIENT_GONE);
    assert_int_equal(events.failure.reason, REASON_CLOSED);
}

static void answers_what_comes_before_it_is_ready(void **state) {
    struct request request = {0};
    open_client();
    submit(&request, "INFO");
    client_flush(client);
    assert_int_equal(request.calls, 0);
    turn_until_quiet(loop);
    assert_int_equal(request.calls, 1);
    assert_int_equal(request.failure.end, CLIENT_OURS);
}

static void refuses_a_command_without_words(void **state) {
    struct request request = {0};
    open_and_greet();
    client_submit(client, &(struct client_request){
                              .arena = &request.arena, .done = on_done, .userdata = &request});
    assert_int_equal(request.calls, 0);
    turn_until_quiet(loop);
    assert_int_equal(request.failure.end, CLIENT_OURS);
    assert_int_equal(events.ended, 0);
}

static void submits_inside_an_answer(void **state) {
    struct request second = {0}, first = {.resubmit = &second};
    open_and_greet();
    submit(&first, "INFO");
    client_flush(client);
    expect(INFO);
    say("+a\r\n");
    assert_true(turn_until(loop, &first.calls, 1));
    client_flush(client);
    expect(INFO);
    say("+b\r\n");
    assert_true(turn_until(loop, &second.calls, 1));
    assert_true(str_is(second.tree->text, "b"));
    discard(&first);
    discard(&second);
}

/* ---- silence ---- */

static void answers_silent_when_abandoned_and_drains(void **state) {
    struct request a = {0}, b = {0}, c = {0};
    open_and_greet();
    submit(&a, "INFO");
    submit(&b, "INFO");
    client_flush(client);
    client_abandon(client, "no answer within 3s");
    assert_int_equal(a.calls + b.calls, 0);
    assert_int_equal(client->state, CLIENT_DRAINING);
    turn_until_quiet(loop);
    assert_int_equal(a.calls, 1);
    assert_int_equal(b.calls, 1);
    assert_int_equal(a.failure.end, CLIENT_SILENT);
    assert_int_equal(a.failure.reason, REASON_TIMEOUT);
    assert_false(a.failure.connection);
    assert_non_null(strstr(a.failure.error.text, "no answer within 3s"));
    say("+late a\r\n*2\r\n+late");
    turn_until_quiet(loop);
    assert_int_equal(events.drained, 0);
    submit(&c, "INFO"); /* not now */
    turn_until_quiet(loop);
    assert_int_equal(c.failure.end, CLIENT_OURS);
    say(" b\r\n:1\r\n");
    assert_true(turn_until(loop, &events.drained, 1));
    assert_int_equal(client->state, CLIENT_READY);
    assert_int_equal(a.calls + b.calls, 2);
    struct request again = {0};
    submit(&again, "INFO");
    client_flush(client);
    expect(INFO INFO INFO);
    say("+fresh\r\n");
    assert_true(turn_until(loop, &again.calls, 1));
    assert_true(str_is(again.tree->text, "fresh"));
    discard(&again);
}

/* Each cut leaves another half of the reply for after the request and its arena are gone. */
static void throws_away_a_reply_from_any_point_on(void **state) {
    open_and_greet();
    for (size_t cut = 0; cut < sizeof(nested) - 1; cut++) {
        struct request *given_up = calloc(1, sizeof(*given_up));
        struct request next = {0};
        submit(given_up, "INFO");
        client_flush(client);
        assert_true(fake_send(loop, server, nested, cut));
        turn_until_quiet(loop);
        client_abandon(client, "too late");
        turn_until_quiet(loop);
        assert_int_equal(given_up->calls, 1);
        discard(given_up);
        free(given_up);
        assert_true(fake_send(loop, server, nested + cut, sizeof(nested) - 1 - cut));
        assert_true(turn_until(loop, &events.drained, (int)cut + 1));
        submit(&next, "INFO");
        client_flush(client);
        assert_true(fake_send(loop, server, nested, sizeof(nested) - 1));
        assert_true(turn_until(loop, &next.calls, 1));
        check_nested(&next);
        discard(&next);
    }
    assert_int_equal(events.ended, 0);
}

static void never_sends_what_was_abandoned_before_the_flush(void **state) {
    struct request sent = {0}, unsent = {0}, next = {0};
    open_and_greet();
    submit(&sent, "INFO");
    client_flush(client);
    submit(&unsent, "UNSENT");
    client_abandon(client, "too late");
    turn_until_quiet(loop);
    assert_int_equal(sent.calls + unsent.calls, 2);
    say("+late\r\n");
    assert_true(turn_until(loop, &events.drained, 1));
    submit(&next, "INFO");
    client_flush(client);
    expect(INFO INFO);
    say("+fresh\r\n");
    assert_true(turn_until(loop, &next.calls, 1));
    assert_true(str_is(next.tree->text, "fresh"));
    discard(&next);
}

static void drains_at_once_when_nothing_is_open(void **state) {
    open_and_greet();
    client_abandon(client, "too late");
    assert_int_equal(events.drained, 0);
    assert_true(turn_until(loop, &events.drained, 1));
}

static void ends_while_it_drains(void **state) {
    struct request request = {0};
    open_and_greet();
    submit(&request, "INFO");
    client_flush(client);
    client_abandon(client, "too late");
    hang_up();
    assert_true(turn_until(loop, &events.ended, 1));
    assert_int_equal(request.calls, 1);
    assert_int_equal(request.failure.end, CLIENT_SILENT);
    assert_int_equal(events.drained, 0);
}

/* ---- freeing ---- */

static void answers_what_is_open_when_it_is_freed(void **state) {
    struct request sent = {0}, unsent = {0}, given_up = {0};
    open_and_greet();
    submit(&sent, "INFO");
    client_flush(client);
    submit(&unsent, "INFO");
    client = client_free(client);
    assert_int_equal(sent.calls + unsent.calls, 2);
    assert_int_equal(sent.failure.end, CLIENT_OURS);
    assert_int_equal(unsent.failure.reason, REASON_CANCELED);
    hang_up();
    open_and_greet();
    submit(&given_up, "INFO");
    client_flush(client);
    client_abandon(client, "too late");
    client = client_free(client);
    assert_int_equal(given_up.calls, 1);
    turn_until_quiet(loop);
    assert_int_equal(given_up.calls, 1);
    assert_int_equal(events.ended + events.drained, 0);
}

static void is_freed_inside_an_answer(void **state) {
    struct request first = {.free_client = true}, second = {0}, third = {0};
    open_and_greet();
    submit(&first, "INFO");
    submit(&second, "INFO");
    submit(&third, "INFO");
    client_flush(client);
    say("+a\r\n+b\r\n+c\r\n");
    assert_true(turn_until(loop, &first.calls, 1));
    assert_true(first.good);
    assert_null(client);
    turn_until_quiet(loop);
    assert_int_equal(second.calls, 1);
    assert_int_equal(third.calls, 1);
    assert_int_equal(third.failure.end, CLIENT_OURS);
    discard(&first);
}

static void is_freed_inside_a_failed_answer(void **state) {
    struct request first = {.free_client = true}, second = {0};
    open_and_greet();
    submit(&first, "INFO");
    submit(&second, "INFO");
    client_flush(client);
    client_abandon(client, "too late");
    assert_true(turn_until(loop, &first.calls, 1));
    assert_null(client);
    assert_int_equal(second.calls, 1);

    struct request third = {.free_client = true}, fourth = {0};
    hang_up();
    open_and_greet();
    submit(&third, "INFO");
    submit(&fourth, "INFO");
    client_flush(client);
    hang_up();
    assert_true(turn_until(loop, &third.calls, 1));
    assert_null(client);
    assert_int_equal(fourth.calls, 1);
    assert_int_equal(events.ended, 0);

    struct request fifth = {.free_client = true}, sixth = {.free_client = true};
    open_and_greet();
    submit(&fifth, "INFO");
    submit(&sixth, "INFO");
    client_flush(client);
    struct client *mine = client;
    (void)client_free(mine); /* each answer frees it once more */
    assert_int_equal(fifth.calls + sixth.calls, 2);
}

static void is_freed_inside_each_event(void **state) {
    events.free_when_ready = true;
    open_and_accept();
    say("+OK\r\n+PONG\r\n");
    assert_true(turn_until(loop, &events.ready, 1));
    assert_null(client);
    hang_up();

    events.free_when_ready = false;
    events.free_when_drained = true;
    open_and_accept();
    say("+OK\r\n+PONG\r\n");
    assert_true(turn_until(loop, &events.ready, 2));
    client_abandon(client, "x");
    assert_true(turn_until(loop, &events.drained, 1));
    assert_null(client);
    hang_up();

    events.free_when_ended = true;
    open_and_accept();
    hang_up();
    assert_true(turn_until(loop, &events.ended, 1));
    assert_null(client);
}

static void is_freed_before_it_is_opened(void **state) {
    const struct client_events told = {.ready = on_ready, .drained = on_drained, .ended = on_ended};
    client = redis_client_new(loop, resolver, NULL, &options, &told);
    client = client_free(client);
    open_client();
    client = client_free(client);
    turn_until_quiet(loop);
    assert_int_equal(events.ready + events.ended, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(opens_with_a_name_and_a_ping),
        TEST(opens_without_a_name_at_a_sentinel),
        TEST(sends_the_password_first),
        TEST(sends_user_and_password),
        TEST(sends_an_empty_password_for_a_user_without_one),
        TEST(ends_when_the_password_is_wrong),
        TEST(ends_when_auth_is_unknown_and_hides_the_password),
        TEST(ends_when_no_password_is_expected),
        TEST(ends_when_a_password_is_wanted),
        TEST(ends_when_the_server_is_full),
        TEST(ends_in_protected_mode),
        TEST(ends_when_it_is_not_redis),
        TEST(is_ready_although_ping_fails),
        TEST(tells_that_nobody_listens),
        TEST(tells_that_it_was_closed_before_the_first_byte),
        TEST(becomes_ready_late_after_it_was_abandoned),
        TEST(answers_requests_in_their_order),
        TEST(sends_words_as_they_are),
        TEST(reads_a_nested_reply_byte_by_byte),
        TEST(fails_only_the_request_that_the_server_refuses),
        TEST(ends_at_garbage),
        TEST(ends_at_a_close_in_the_middle),
        TEST(refuses_resp3),
        TEST(refuses_an_endless_list),
        TEST(refuses_a_list_beyond_every_integer),
        TEST(refuses_lists_in_lists_for_ever),
        TEST(refuses_more_bytes_than_allowed),
        TEST(refuses_many_small_values),
        TEST(counts_the_bytes_of_each_reply_alone),
        TEST(ends_at_an_answer_that_nobody_asked_for),
        TEST(takes_an_unasked_error_as_the_reason_of_the_end),
        TEST(tells_a_close_while_idle),
        TEST(answers_what_comes_before_it_is_ready),
        TEST(refuses_a_command_without_words),
        TEST(submits_inside_an_answer),
        TEST(answers_silent_when_abandoned_and_drains),
        TEST(throws_away_a_reply_from_any_point_on),
        TEST(never_sends_what_was_abandoned_before_the_flush),
        TEST(drains_at_once_when_nothing_is_open),
        TEST(ends_while_it_drains),
        TEST(answers_what_is_open_when_it_is_freed),
        TEST(is_freed_inside_an_answer),
        TEST(is_freed_inside_a_failed_answer),
        TEST(is_freed_inside_each_event),
        TEST(is_freed_before_it_is_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
