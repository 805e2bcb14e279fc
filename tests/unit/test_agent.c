/* SPDX-License-Identifier: Apache-2.0 */

/* The listener of agent-checks, over real sockets: one line in, one line out, and clients that
 * misbehave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/error.h"
#include "tests/support/web_client.h"
#include "web/agent.h"

struct fixture {
    struct loop *loop;
    struct agent *agent;
    struct web_client client;
    bool silent;
    char line[AGENT_MOST_LINE + 1]; /* the last one */
    unsigned n_lines;
};

static void answer(void *userdata, struct str line, uint64_t peer, struct strbuf *out) {
    struct fixture *f = userdata;
    assert_true(line.len <= AGENT_MOST_LINE);
    assert_true(peer != 0);
    memcpy(f->line, line.data, line.len);
    f->line[line.len] = '\0';
    f->n_lines++;
    if (!f->silent) {
        strbuf_add_text(out, "up 75%\n");
    }
}

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof(*f));
    struct listener listener;
    if (loop_new(&f->loop) < 0 || listener_open("127.0.0.1:0", &listener, NULL) < 0) {
        return -1;
    }
    const struct agent_options options = {.loop = f->loop, .answer = answer, .userdata = f};
    f->agent = agent_new(&options, &listener);
    web_client_open(&f->client, f->loop, agent_address(f->agent));
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    web_client_close(&f->client);
    agent_free(f->agent);
    loop_free(f->loop);
    free(f);
    return 0;
}

/* Waits for the end of the connection. Return: what came before it. */
static const char *hear(struct fixture *f) {
    assert_true(web_client_wait_close(&f->client));
    return strbuf_view(&f->client.received).data;
}

/* A connection of ours may have ended a turn before theirs has. */
static void wait_until_gone(struct fixture *f) {
    uint64_t end = loop_clock_usec() + 10ULL * 1000 * 1000;
    while (agent_numbers(f->agent).connections > 0 && loop_clock_usec() < end) {
        loop_run_once(f->loop, 10 * 1000);
    }
    assert_int_equal(agent_numbers(f->agent).connections, 0);
}

static void a_line_is_answered_with_a_line(void **state) {
    struct fixture *f = *state;
    web_client_send_text(&f->client, "orders-2 replica lag=5s\n");
    assert_string_equal(hear(f), "up 75%\n");
    assert_string_equal(f->line, "orders-2 replica lag=5s");
    assert_int_equal(agent_numbers(f->agent).answered, 1);
    assert_int_equal(agent_numbers(f->agent).silent, 0);
}

static void a_line_may_come_in_pieces(void **state) {
    struct fixture *f = *state;
    web_client_send_text(&f->client, "orders-2 ");
    for (int i = 0; i < 3; i++) {
        web_client_turn(&f->client);
    }
    web_client_send_text(&f->client, "replica\n");
    assert_string_equal(hear(f), "up 75%\n");
    assert_string_equal(f->line, "orders-2 replica");
    assert_int_equal(f->n_lines, 1);
}

static void a_newline_may_be_forgotten(void **state) {
    struct fixture *f = *state;
    uint64_t begin = loop_clock_usec();
    web_client_send_text(&f->client, "orders-2");
    assert_string_equal(hear(f), "up 75%\n");
    assert_string_equal(f->line, "orders-2");
    assert_true(loop_clock_usec() - begin >= AGENT_PATIENCE_USEC / 2);
}

static void half_a_connection_is_enough(void **state) {
    struct fixture *f = *state;
    web_client_send_text(&f->client, "orders-2");
    shutdown(f->client.fd, SHUT_WR);
    assert_string_equal(hear(f), "up 75%\n");
    wait_until_gone(f);
}

/* The answer must arrive although more was sent than is ever read as a line. */
static void what_follows_the_line_is_thrown_away(void **state) {
    struct fixture *f = *state;
    char flood[20000];
    memset(flood, 'x', sizeof(flood));
    memcpy(flood, "orders-2\n", strlen("orders-2\n"));
    web_client_send(&f->client, flood, sizeof(flood));
    assert_string_equal(hear(f), "up 75%\n");
    assert_string_equal(f->line, "orders-2");
    assert_int_equal(f->n_lines, 1);
}

static void a_line_that_does_not_end_is_not_answered(void **state) {
    struct fixture *f = *state;
    char flood[AGENT_MOST_LINE];
    memset(flood, 'x', sizeof(flood));
    web_client_send(&f->client, flood, sizeof(flood));
    assert_string_equal(hear(f), "");
    assert_int_equal(f->n_lines, 0);
    assert_int_equal(agent_numbers(f->agent).silent, 1);
}

static void having_nothing_to_say_ends_the_connection(void **state) {
    struct fixture *f = *state;
    f->silent = true;
    web_client_send_text(&f->client, "orders-2\n");
    assert_string_equal(hear(f), "");
    assert_int_equal(f->n_lines, 1);
    assert_int_equal(agent_numbers(f->agent).silent, 1);
}

static void a_client_that_says_nothing_is_cut_in_time(void **state) {
    struct fixture *f = *state;
    uint64_t begin = loop_clock_usec();
    assert_string_equal(hear(f), "");
    assert_true(loop_clock_usec() - begin < 2 * AGENT_LIFE_USEC);
    assert_int_equal(f->n_lines, 0);
}

static void the_oldest_connection_makes_room(void **state) {
    struct fixture *f = *state;
    static struct web_client others[AGENT_MOST_CONNECTIONS];
    unsigned n_others = AGENT_MOST_CONNECTIONS;
    web_client_turn(&f->client);
    for (unsigned i = 0; i < n_others; i++) {
        web_client_open(&others[i], f->loop, agent_address(f->agent));
        web_client_turn(&others[i]);
    }
    assert_string_equal(hear(f), "");
    assert_true(agent_numbers(f->agent).connections <= AGENT_MOST_CONNECTIONS);
    web_client_send_text(&others[n_others - 1], "orders-2\n");
    assert_true(web_client_wait_close(&others[n_others - 1]));
    assert_string_equal(strbuf_view(&others[n_others - 1].received).data, "up 75%\n");
    for (unsigned i = 0; i < n_others; i++) {
        web_client_close(&others[i]);
    }
    wait_until_gone(f);
}

static void ends_with_connections_open(void **state) {
    struct fixture *f = *state;
    web_client_send_text(&f->client, "half a li");
    web_client_turn(&f->client);
    web_client_turn(&f->client);
    assert_int_equal(agent_numbers(f->agent).connections, 1);
    f->agent = agent_free(f->agent);
    assert_string_equal(hear(f), "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_line_is_answered_with_a_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_line_may_come_in_pieces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_newline_may_be_forgotten, set_up, tear_down),
        cmocka_unit_test_setup_teardown(half_a_connection_is_enough, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_follows_the_line_is_thrown_away, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_line_that_does_not_end_is_not_answered, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(having_nothing_to_say_ends_the_connection, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_client_that_says_nothing_is_cut_in_time, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_oldest_connection_makes_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ends_with_connections_open, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
