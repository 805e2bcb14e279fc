/* SPDX-License-Identifier: Apache-2.0 */

/* A probe with clients that the test itself plays. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/duration.h"
#include "failover/probe.h"
#include "fake_client.h"
#include "turn.h"

#define INTERVAL ((uint64_t)20 * USEC_PER_MSEC)

static struct loop *loop;
static struct fake_clients fakes;
static struct probe *probe;
static int answers, failures, stops, learnt;
static bool saw_manager;
static char last_run[48];
static enum client_end last_end;
static bool last_kept_open;

static struct client *make(void *userdata, const struct client_events *events) {
    return fake_client_new(&fakes, events);
}

static void answered(void *userdata, const struct member_answer *answer,
                     const struct member_identity *identity, uint64_t took_usec) {
    answers++;
    snprintf(last_run, sizeof(last_run), "%s", identity->run_id);
}

static void failed(void *userdata, const struct probe_failure *failure) {
    failures++;
    last_end = failure->failure->end;
    last_kept_open = failure->kept_open;
}

static void learned(void *userdata, const struct member_facts *facts) {
    learnt++;
    saw_manager = facts->manager != NULL;
}

static void stopping(void *userdata) {
    stops++;
}

static int set_up(void **state) {
    assert_int_equal(loop_new(&loop), 0);
    fakes = (struct fake_clients){.loop = loop};
    answers = failures = stops = learnt = 0;
    last_run[0] = '\0';
    probe = probe_new(
        &(struct probe_options){
            .kind = PROBE_REDIS,
            .loop = loop,
            .interval_usec = INTERVAL,
            .renew_usec = 3 * INTERVAL,
            .make_client = make,
        },
        &(struct probe_events){
            .answered = answered, .failed = failed, .learned = learned, .stopping = stopping});
    return 0;
}

static int tear_down(void **state) {
    probe = probe_free(probe);
    assert_int_equal(fakes.n_alive, 0);
    loop = loop_free(loop);
    return 0;
}

static void tick(void) {
    turn_for(loop, INTERVAL);
    probe_tick(probe);
}

static void answer_all(struct fake_client *fake) {
    static const struct tree server = {.type = TREE_TEXT, .text = {"run_id:a\r\n", 10}};
    static const struct tree counted[] = {{.type = TREE_TEXT, .text = {"__sentinel__:hello", 18}},
                                          {.type = TREE_INTEGER}};
    static const struct tree channels = {.type = TREE_LIST, .items = counted, .n_items = 2};
    const struct tree info = {.type = TREE_TEXT,
                              .text = str_of("role:master\r\nmaster_replid:id\r\n")};
    struct fake_request *request;
    while ((request = fake_next(fake)) != NULL) {
        const struct tree *tree = strcmp(request->text, "INFO server") == 0  ? &server
                                  : strncmp(request->text, "PUBSUB", 6) == 0 ? &channels
                                                                             : &info;
        fake_answer(request, tree);
    }
}

/* A connection that answers. */
static struct fake_client *connected(void) {
    probe_tick(probe);
    struct fake_client *fake = fakes.list[fakes.n_made - 1];
    fake_ready(fake);
    answer_all(fake);
    assert_int_equal(answers, 1);
    return fake;
}

static void asks_once_an_interval_on_one_connection(void **state) {
    struct fake_client *fake = connected();
    tick();
    answer_all(fake);
    assert_int_equal(answers, 2);
    assert_int_equal(failures, 0);
    assert_int_equal(fakes.n_made, 1);
    assert_int_equal(fake->n_requests, 4); /* what does not change is asked once */
    assert_int_equal(learnt, 1);
    assert_false(saw_manager);
}

static void silence_fails_once_an_interval(void **state) {
    struct fake_client *fake = connected();
    tick(); /* asks */
    tick();
    assert_int_equal(failures, 1);
    assert_int_equal(last_end, CLIENT_SILENT);
    turn_until_quiet(loop);
    tick();
    assert_int_equal(failures, 2);
    assert_int_equal(fakes.n_alive, 2);
    for (int i = 0; i < 20; i++) {
        tick();
        turn_until_quiet(loop);
    }
    assert_int_equal(failures, 22);
    assert_int_equal(fakes.n_alive, 2); /* a hung server does not collect connections */
    assert_int_equal(fake->client.state, CLIENT_DRAINING);
}

static void one_that_drains_is_asked_at_once(void **state) {
    struct fake_client *fake = connected();
    tick();
    tick();
    turn_until_quiet(loop);
    fake_drained(fake);
    answer_all(fake);
    assert_int_equal(answers, 2);
}

static void a_lost_connection_fails_and_is_made_anew(void **state) {
    struct fake_client *fake = connected();
    fake_end(fake, CLIENT_GONE, REASON_CLOSED);
    assert_int_equal(failures, 1);
    assert_int_equal(fakes.n_made, 2);
    fake_end(fakes.list[1], CLIENT_GONE, REASON_REFUSED);
    assert_int_equal(failures, 2);
    assert_false(last_kept_open);
    assert_int_equal(fakes.n_made, 2); /* not before the next tick */
    tick();
    assert_int_equal(fakes.n_made, 3);
}

static void one_that_answers_and_hangs_up_is_made_anew_once_an_interval(void **state) {
    struct fake_client *fake = connected();
    fake_end(fake, CLIENT_GONE, REASON_CLOSED);
    assert_int_equal(fakes.n_made, 2);
    fake_ready(fakes.list[1]);
    answer_all(fakes.list[1]);
    fake_end(fakes.list[1], CLIENT_GONE, REASON_CLOSED);
    assert_int_equal(fakes.n_made, 2);
    tick();
    assert_int_equal(fakes.n_made, 3);
}

static void refused_beside_a_silent_one_says_so(void **state) {
    connected();
    tick();
    tick(); /* silent: a second connection */
    turn_until_quiet(loop);
    fake_end(fakes.list[1], CLIENT_GONE, REASON_REFUSED);
    assert_int_equal(last_end, CLIENT_GONE);
    assert_true(last_kept_open);
}

static void renews_with_the_new_one_first(void **state) {
    struct fake_client *old = connected();
    for (int i = 0; i < 4 && fakes.n_made == 1; i++) {
        tick();
        answer_all(old);
    }
    assert_int_equal(fakes.n_made, 2);
    assert_int_equal(fakes.n_alive, 2);
    fake_ready(fakes.list[1]);
    assert_null(fakes.list[0]);
    answer_all(fakes.list[1]);
    tick();
    answer_all(fakes.list[1]);
    assert_int_equal(failures, 0);
}

static struct fake_client *renewing(void) {
    struct fake_client *old = connected();
    for (int i = 0; i < 4 && fakes.n_made == 1; i++) {
        tick();
        answer_all(old);
    }
    assert_int_equal(fakes.n_made, 2);
    return fakes.list[1];
}

static void a_renewal_that_is_turned_away_is_a_stop(void **state) {
    fake_end(renewing(), CLIENT_ALIVE, REASON_STARTING);
    assert_int_equal(stops, 1);
    assert_int_equal(fakes.n_alive, 0); /* it waits for us to go */
}

static void a_renewal_that_fails_otherwise_changes_nothing(void **state) {
    fake_end(renewing(), CLIENT_ALIVE, REASON_CONNECTIONS);
    assert_int_equal(stops, 0);
    assert_int_equal(failures, 0);
    tick();
    answer_all(fakes.list[0]);
    assert_int_equal(failures, 0);
}

static void an_error_of_the_server_is_an_answer(void **state) {
    struct fake_client *fake = connected();
    tick();
    struct client_failure failure =
        fake_failure(CLIENT_ALIVE, REASON_PERMISSION, false, "not allowed");
    fake_fail(fake_next(fake), &failure);
    assert_int_equal(failures, 1);
    assert_int_equal(last_end, CLIENT_ALIVE);
}

static void what_it_was_asked_first_and_had_no_time_for_is_asked_again(void **state) {
    probe_tick(probe);
    struct fake_client *fake = fakes.list[0];
    fake_ready(fake);
    tick();
    turn_until_quiet(loop);
    assert_int_equal(failures, 1);
    fake_drained(fake);
    answer_all(fake);
    assert_int_equal(answers, 1);
    assert_string_equal(last_run, "a");
    assert_int_equal(learnt, 1);
    tick();
    answer_all(fake);
    assert_int_equal(fake->n_requests, 7); /* 3, 3 and 1 */
}

/* Each would be a line in the server's log twice a second. */
static void what_it_refuses_to_say_is_not_asked_again(void **state) {
    probe_tick(probe);
    struct fake_client *fake = fakes.list[0];
    struct client_failure failure =
        fake_failure(CLIENT_ALIVE, REASON_PERMISSION, false, "not allowed");
    fake_ready(fake);
    fake_fail(fake_next(fake), &failure);
    answer_all(fake);
    tick();
    answer_all(fake);
    assert_int_equal(answers, 2);
    assert_string_equal(last_run, "");
    assert_int_equal(fake->n_requests, 4);
}

static void what_was_open_while_we_were_late_is_forgotten(void **state) {
    struct fake_client *fake = connected();
    tick();
    probe_forget(probe);
    turn_until_quiet(loop);
    assert_int_equal(failures, 0);
    fake_drained(fake);
    answer_all(fake);
    assert_int_equal(answers, 2);
}

static void a_pooler_is_no_member(void **state) {
    probe_tick(probe);
    struct fake_client *fake = fakes.list[0];
    struct client_hello hello = {.pooler = true};
    fake->client.state = CLIENT_READY;
    fake->client.events.ready(fake->client.events.userdata, &hello);
    assert_true(probe_is_pooled(probe));
    assert_int_equal(last_end, CLIENT_OURS);
    assert_int_equal(fakes.n_alive, 0);
}

/* ---- giving it away ---- */

static struct client *give(const char *system, uint16_t port) {
    struct client_hello hello = {0};
    const struct probe_wanted wanted = {.system = system, .address = "", .port = port};
    struct client *client = probe_give(probe, &wanted, &hello);
    assert_true(client == NULL || hello.connect_usec == 1000); /* what it said of itself */
    return client;
}

static void one_that_serves_is_given_away_once(void **state) {
    struct fake_client *fake = connected();
    struct client *given = give("id", 0);
    assert_ptr_equal(given, &fake->client);
    assert_null(give("id", 0));
    tick(); /* it goes on with another one */
    assert_int_equal(fakes.n_made, 2);
    fake_ready(fakes.list[1]);
    answer_all(fakes.list[1]);
    assert_int_equal(answers, 2);
    assert_int_equal(failures, 0);
    assert_true(fake_is_alive(&fakes, fake));
    client_free(given);
}

static void another_server_is_not_given_away(void **state) {
    connected();
    assert_null(give("another", 0));
    assert_null(give("", 0));
    assert_null(give("id", 6379));
}

static void nothing_is_given_away_before_its_answers(void **state) {
    probe_tick(probe);
    assert_null(give("id", 0));
    fake_ready(fakes.list[0]);
    assert_null(give("id", 0)); /* it is being asked */
    fake_answer(fake_next(fakes.list[0]), &(struct tree){.type = TREE_TEXT});
    fake_answer(fake_next(fakes.list[0]), &(struct tree){.type = TREE_TEXT,
                                                         .text = str_of("role:slave\r\n"
                                                                        "master_replid:id\r\n")});
    assert_int_equal(answers, 1);
    assert_null(give("id", 0)); /* what changes seldom has not come */
    answer_all(fakes.list[0]);
    client_free(give("id", 0));
    assert_int_equal(fakes.n_alive, 0);
}

static void what_was_given_up_must_be_drained_first(void **state) {
    struct fake_client *fake = connected();
    tick();
    assert_null(give("id", 0));
    tick(); /* its time is over */
    turn_until_quiet(loop);
    assert_null(give("id", 0));
    fake_drained(fake); /* and it is asked anew at once */
    assert_null(give("id", 0));
    answer_all(fake);
    struct client *given = give("id", 0);
    assert_ptr_equal(given, &fake->client);
    client_free(given);
}

static void one_that_answered_long_ago_is_not_given_away(void **state) {
    connected();
    turn_for(loop, 3 * INTERVAL);
    assert_null(give("id", 0));
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(asks_once_an_interval_on_one_connection),
        CASE(silence_fails_once_an_interval),
        CASE(one_that_drains_is_asked_at_once),
        CASE(a_lost_connection_fails_and_is_made_anew),
        CASE(one_that_answers_and_hangs_up_is_made_anew_once_an_interval),
        CASE(refused_beside_a_silent_one_says_so),
        CASE(renews_with_the_new_one_first),
        CASE(a_renewal_that_is_turned_away_is_a_stop),
        CASE(a_renewal_that_fails_otherwise_changes_nothing),
        CASE(an_error_of_the_server_is_an_answer),
        CASE(what_it_was_asked_first_and_had_no_time_for_is_asked_again),
        CASE(what_it_refuses_to_say_is_not_asked_again),
        CASE(what_was_open_while_we_were_late_is_forgotten),
        CASE(a_pooler_is_no_member),
        CASE(one_that_serves_is_given_away_once),
        CASE(another_server_is_not_given_away),
        CASE(nothing_is_given_away_before_its_answers),
        CASE(what_was_given_up_must_be_drained_first),
        CASE(one_that_answered_long_ago_is_not_given_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
