/* SPDX-License-Identifier: Apache-2.0 */

/* Keys of a Redis as a client: what is asked, and what becomes of the answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "page_client.h"
#include "base/mem.h"
#include "io/redis_keys.h"

#define HELLO_SENT "*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$8\r\ndbvitals\r\n*1\r\n$4\r\nPING\r\n"
#define TYPE_A     "*2\r\n$4\r\nTYPE\r\n$1\r\na\r\n"
#define TYPE_B     "*2\r\n$4\r\nTYPE\r\n$1\r\nb\r\n"
#define HMGET_A    "*4\r\n$5\r\nHMGET\r\n$1\r\na\r\n$5\r\nstate\r\n$8\r\nfailures\r\n"
#define TEXT_B     "*4\r\n$8\r\nGETRANGE\r\n$1\r\nb\r\n$1\r\n0\r\n$4\r\n4095\r\n"
#define SCAN(length, cursor)                                                                       \
    "*6\r\n$4\r\nSCAN\r\n$" length "\r\n" cursor                                                   \
    "\r\n$5\r\nMATCH\r\n$1\r\n*\r\n$5\r\nCOUNT\r\n$3\r\n500\r\n"

static int fd;

static void open_with(const struct redis_keys_options *given) {
    static const char *const fields[] = {"state", "failures"};
    struct redis_keys_options options = *given;
    struct redis_options redis = {.host = mem_strdup("127.0.0.1"), .port = port};
    options.fields = fields;
    options.n_fields = ARRAY_LEN(fields);
    client = redis_keys_new(loop, resolver, NULL, &redis, &options, &events);
    redis_options_deinit(&redis);
    client_open(client);
    fd = fake_accept(loop, listen_fd);
    assert_true(fake_expect(loop, fd, HELLO_SENT));
    assert_true(fake_say(loop, fd, "+OK\r\n+PONG\r\n"));
    assert_true(turn_until(loop, &n_ready, 1));
    assert_int_equal(client->state, CLIENT_READY);
}

static void open_listed(void) {
    char a[] = "a", b[] = "b";
    char *keys[] = {b, a, b};
    open_with(&(struct redis_keys_options){.keys = keys, .n_keys = ARRAY_LEN(keys)});
}

static void open_pattern(void) {
    open_with(&(struct redis_keys_options){.pattern = "*"});
}

static int set_up(void **state) {
    set_up_loop();
    return 0;
}

static int tear_down(void **state) {
    client = client_free(client);
    (void)close(fd);
    tear_down_loop();
    return 0;
}

/* The whole of it: what is expected, and what is said to that. */
static void talk(const char *expected, const char *answer) {
    assert_true(fake_expect(loop, fd, expected));
    assert_true(fake_say(loop, fd, answer));
}

static void listed_keys_take_two_round_trips(void **state) {
    struct seen seen = {0};
    open_listed();
    submit(&seen);
    talk(TYPE_A TYPE_B, "+hash\r\n+string\r\n");
    talk(HMGET_A TEXT_B, "*2\r\n$4\r\nopen\r\n$-1\r\n$2\r\n{}\r\n");
    assert_true(turn_until(loop, &seen.calls, 1));
    const struct tree *tree = seen.reply.tree;
    assert_int_equal(tree->n_items, 4);
    assert_true(str_is(tree->items[0].text, "a"));
    assert_true(str_is(tree->items[1].items[0].text, "open"));
    assert_int_equal(tree->items[1].items[1].type, TREE_NIL);
    assert_true(str_is(tree->items[2].text, "b"));
    assert_true(str_is(tree->items[3].text, "{}"));
}

static void what_is_not_there_or_something_else_is_left_out(void **state) {
    struct seen seen = {0};
    open_listed();
    submit(&seen);
    talk(TYPE_A TYPE_B, "+none\r\n+stream\r\n");
    assert_true(turn_until(loop, &seen.calls, 1));
    assert_int_equal(seen.reply.tree->n_items, 0);
    seen = (struct seen){0};
    submit(&seen);
    talk(TYPE_A TYPE_B, "+hash\r\n+none\r\n");
    talk(HMGET_A, "-WRONGTYPE Operation against a key\r\n"); /* since a moment ago */
    assert_true(turn_until(loop, &seen.calls, 1));
    assert_int_equal(seen.reply.tree->n_items, 0);
}

static void a_refusal_is_a_failure(void **state) {
    struct seen seen = {0};
    open_listed();
    submit(&seen);
    talk(TYPE_A TYPE_B, "+hash\r\n-NOPERM this user has no permissions\r\n");
    assert_true(turn_until(loop, &seen.calls, 1));
    assert_int_equal(seen.failure.reason, REASON_PERMISSION);
    assert_int_equal(n_ended, 0);
}

static void a_pattern_is_looked_for_in_pieces(void **state) {
    struct seen seen = {0};
    open_pattern();
    submit(&seen);
    talk(SCAN("1", "0"), "*2\r\n$2\r\n17\r\n*1\r\n$1\r\nb\r\n");
    talk(SCAN("2", "17"), "*2\r\n$1\r\n0\r\n*2\r\n$1\r\nb\r\n$1\r\na\r\n");
    talk(TYPE_A TYPE_B, "+hash\r\n+string\r\n");
    talk(HMGET_A TEXT_B, "*2\r\n$4\r\nopen\r\n$1\r\n4\r\n$0\r\n\r\n");
    assert_true(turn_until(loop, &seen.calls, 1));
    assert_int_equal(seen.reply.tree->n_items, 4);
}

static void a_scan_without_end_is_ended(void **state) {
    struct seen seen = {0};
    open_pattern();
    submit(&seen);
    talk(SCAN("1", "0"), "*2\r\n$1\r\n7\r\n*0\r\n");
    for (int i = 1; i < 200; i++) {
        talk(SCAN("1", "7"), "*2\r\n$1\r\n7\r\n*0\r\n");
    }
    assert_true(turn_until(loop, &seen.calls, 1));
    assert_int_equal(seen.failure.reason, REASON_TOO_LARGE);
}

static void odd_answers_are_errors(void **state) {
    static const char *const answers[] = {"+OK\r\n", "*0\r\n", "*2\r\n:0\r\n*0\r\n",
                                          "*2\r\n$1\r\n0\r\n$1\r\nx\r\n"};
    open_pattern();
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        struct seen seen = {0};
        submit(&seen);
        talk(SCAN("1", "0"), answers[i]);
        assert_true(turn_until(loop, &seen.calls, 1));
        assert_int_equal(seen.failure.reason, REASON_PROTOCOL);
    }
}

static void silence_is_given_up_and_drained(void **state) {
    struct seen seen = {0}, again = {0};
    open_listed();
    submit(&seen);
    talk(TYPE_A TYPE_B, "+hash\r\n");
    client_abandon(client, "no answer within 1s");
    assert_int_equal(seen.calls, 0);
    assert_true(turn_until(loop, &seen.calls, 1));
    assert_int_equal(seen.failure.end, CLIENT_SILENT);
    assert_int_equal(client->state, CLIENT_DRAINING);
    assert_true(fake_say(loop, fd, "+string\r\n"));
    assert_true(turn_until(loop, &n_drained, 1));
    submit(&again);
    talk(TYPE_A TYPE_B, "+none\r\n+none\r\n");
    assert_true(turn_until(loop, &again.calls, 1));
    assert_int_equal(seen.calls, 1);
}

static void an_end_answers_once(void **state) {
    struct seen seen = {0};
    open_listed();
    submit(&seen);
    assert_true(fake_expect(loop, fd, TYPE_A TYPE_B));
    fake_reset(fd);
    fd = -1;
    assert_true(turn_until(loop, &n_ended, 1));
    assert_int_equal(seen.calls, 1);
    assert_true(seen.failure.connection);
    assert_int_equal(client->state, CLIENT_ENDED);
}

static void may_be_freed_in_an_answer_and_before_it(void **state) {
    struct seen seen = {.frees = true}, waits = {0};
    open_listed();
    submit(&seen);
    submit(&waits);
    talk(TYPE_A TYPE_B TYPE_A TYPE_B, "+none\r\n+none\r\n");
    assert_true(turn_until(loop, &seen.calls, 1));
    assert_null(client);
    assert_int_equal(waits.calls, 1);
    assert_int_equal(waits.failure.reason, REASON_CANCELED);
    turn_until_quiet(loop);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(listed_keys_take_two_round_trips),
        TEST(what_is_not_there_or_something_else_is_left_out),
        TEST(a_refusal_is_a_failure),
        TEST(a_pattern_is_looked_for_in_pieces),
        TEST(a_scan_without_end_is_ended),
        TEST(odd_answers_are_errors),
        TEST(silence_is_given_up_and_drained),
        TEST(an_end_answers_once),
        TEST(may_be_freed_in_an_answer_and_before_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
