/* SPDX-License-Identifier: Apache-2.0 */

/* What is asked of Sentinels, how often, and what is told of it. Two Sentinels that the test plays:
 * clients 0 and 1; the members are at 10.0.0.1 and 10.0.0.2, the first is the primary. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/duration.h"
#include "failover/sentinel_failover.h"
#include "fake_client.h"
#include "turn.h"

#define PACE ((uint64_t)15 * USEC_PER_MSEC)
#define ASK  ((uint64_t)80 * USEC_PER_MSEC)

static struct loop *loop;
static struct fake_clients fakes;
static struct sentinel_failover *failover;
static int sent, askeds, nameds;
static enum promotion_end last_end;
static size_t last_member;
static char last_text[640];
static bool frees_when_told;

static const struct client_ops *fake_ops;
static void counting_submit(struct client *client, const struct client_request *request) {
    sent += str_is(request->words[1], "FAILOVER");
    fake_ops->submit(client, request);
}

static struct client *make(void *userdata, const struct client_events *events) {
    static struct client_ops counting;
    struct client *client = fake_client_new(&fakes, events);
    fake_ops = client->ops;
    counting = *client->ops;
    counting.submit = counting_submit;
    client->ops = &counting;
    return client;
}

static size_t find_member(void *userdata, struct str host, uint16_t port) {
    return port != 6379               ? SENTINEL_NO_MEMBER
           : str_is(host, "10.0.0.1") ? 0
           : str_is(host, "10.0.0.2") ? 1
                                      : SENTINEL_NO_MEMBER;
}

static void keep(struct str text) {
    snprintf(last_text, sizeof(last_text), "%.*s", (int)text.len, text.data);
    if (frees_when_told) {
        failover = sentinel_failover_free(failover);
    }
}

static void asked(void *userdata, enum promotion_end end, struct str text) {
    askeds++;
    last_end = end;
    keep(text);
}

static void named(void *userdata, size_t member, struct str text) {
    nameds++;
    last_member = member;
    keep(text);
}

static int set_up(void **state) {
    const struct sentinel_target targets[] = {{.name = "s1"}, {.name = "s2"}};
    assert_int_equal(loop_new(&loop), 0);
    fakes = (struct fake_clients){.loop = loop};
    sent = askeds = nameds = 0;
    last_text[0] = '\0';
    frees_when_told = false;
    failover = sentinel_failover_new(&(struct sentinel_options){
        .contact = {.loop = loop, .pace_usec = PACE, .make_client = make},
        .sentinels = targets,
        .n_sentinels = 2,
        .old = 0,
        .find_member = find_member,
        .ask_usec = ASK,
        .follow_usec = 4 * ASK,
        .pace_usec = PACE,
        .answer_usec = PACE,
        .asked = asked,
        .named = named,
    });
    assert_int_equal(fakes.n_made, 2);
    return 0;
}

static int tear_down(void **state) {
    failover = sentinel_failover_free(failover);
    assert_int_equal(fakes.n_alive, 0);
    loop = loop_free(loop);
    return 0;
}

/* ---- answers ---- */

static const struct tree ok = {.type = TREE_TEXT, .text = {"OK", 2}};

static struct fake_request *next_is(size_t index, const char *command) {
    struct fake_request *request = fake_next(fakes.list[index]);
    assert_non_null(request);
    assert_string_equal(request->text, command);
    return request;
}

static void answer_masters(size_t index, const char *host) {
    const struct tree other[] = {{.type = TREE_TEXT, .text = str_of("name")},
                                 {.type = TREE_TEXT, .text = str_of("queue")},
                                 {.type = TREE_TEXT, .text = str_of("ip")},
                                 {.type = TREE_TEXT, .text = str_of("10.0.0.9")},
                                 {.type = TREE_TEXT, .text = str_of("port")},
                                 {.type = TREE_TEXT, .text = str_of("6379")}};
    const struct tree ours[] = {
        {.type = TREE_TEXT, .text = str_of("name")}, {.type = TREE_TEXT, .text = str_of("cache")},
        {.type = TREE_TEXT, .text = str_of("ip")},   {.type = TREE_TEXT, .text = str_of(host)},
        {.type = TREE_TEXT, .text = str_of("port")}, {.type = TREE_TEXT, .text = str_of("6379")}};
    const struct tree all[] = {{.type = TREE_LIST, .items = other, .n_items = 6},
                               {.type = TREE_LIST, .items = ours, .n_items = 6}};
    fake_answer(next_is(index, "SENTINEL MASTERS"),
                &(struct tree){.type = TREE_LIST, .items = all, .n_items = 2});
}

static void answer_address(size_t index, const char *host) {
    const struct tree items[] = {{.type = TREE_TEXT, .text = str_of(host)},
                                 {.type = TREE_TEXT, .text = str_of("6379")}};
    fake_answer(next_is(index, "SENTINEL GET-MASTER-ADDR-BY-NAME cache"),
                &(struct tree){.type = TREE_LIST, .items = items, .n_items = 2});
}

static void answer_error(struct fake_request *request, const char *text) {
    struct client_failure failure = fake_failure(CLIENT_ALIVE, REASON_QUERY, false, text);
    snprintf(failure.sqlstate, sizeof(failure.sqlstate), "%.5s", text);
    fake_fail(request, &failure);
}

static void check_asked(int end_sent, enum promotion_end end, const char *text) {
    assert_true(turn_until(loop, &askeds, 1));
    turn_for(loop, 2 * PACE);
    assert_int_equal(askeds, 1);
    assert_int_equal(sent, end_sent);
    assert_int_equal(last_end, end);
    assert_string_equal(last_text, text);
}

static void accepted_by(size_t index) {
    fake_ready(fakes.list[index]);
    answer_masters(index, "10.0.0.1");
    assert_int_equal(sent, 1);
    fake_answer(next_is(index, "SENTINEL FAILOVER cache"), &ok);
    assert_int_equal(askeds, 0); /* not inside of it */
    check_asked(1, PROMOTION_SUCCEEDED,
                index == 0 ? "SENTINEL FAILOVER cache: OK, says 's1'"
                           : "SENTINEL FAILOVER cache: OK, says 's2'");
}

static void wait_question(size_t index) {
    for (int i = 0; i < 1000 && fake_next(fakes.list[index]) == NULL; i++) {
        (void)loop_run_once(loop, PACE);
    }
}

/* ---- asking ---- */

static void the_first_that_is_reached_is_asked_once(void **state) {
    accepted_by(1);
    fake_ready(fakes.list[0]);
    turn_for(loop, 2 * ASK);
    assert_null(fake_next(fakes.list[0]));
    assert_int_equal(sent, 1);
    assert_int_equal(nameds, 0);
}

static void errors_of_its_own_are_failures(void **state) {
    static const struct {
        const char *says, *text;
    } cases[] = {
        {"NOGOODSLAVE No suitable replica to promote",
         "SENTINEL FAILOVER cache: 's1' says: NOGOODSLAVE No suitable replica to promote (it knows "
         "no replica that may be promoted)"},
        {"INPROG Failover already in progress",
         "SENTINEL FAILOVER cache: 's1' says: INPROG Failover already in progress (it is at a "
         "failover already)"},
        {"ERR No such master with that name",
         "SENTINEL FAILOVER cache: 's1' says: ERR No such master with that name"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        fake_ready(fakes.list[0]);
        answer_masters(0, "10.0.0.1");
        answer_error(next_is(0, "SENTINEL FAILOVER cache"), cases[i].says);
        check_asked(1, PROMOTION_FAILED, cases[i].text);
        tear_down(NULL);
        set_up(NULL);
    }
}

static void one_that_does_not_know_our_primary_is_not_asked(void **state) {
    fake_ready(fakes.list[0]);
    answer_masters(0, "10.0.0.2");
    check_asked(0, PROMOTION_FAILED,
                "nothing was asked: 's1' does not look after our primary, but after queue at "
                "10.0.0.9:6379, cache at 10.0.0.2:6379");
}

static void nobody_reached_is_a_failure(void **state) {
    fake_end(fakes.list[0], CLIENT_GONE, REASON_REFUSED);
    fake_end(fakes.list[1], CLIENT_GONE, REASON_REFUSED);
    check_asked(0, PROMOTION_FAILED,
                "nothing was asked: no Sentinel has answered within 80ms: refused");
}

static void one_that_is_lost_before_it_was_asked_is_replaced(void **state) {
    fake_ready(fakes.list[0]);
    (void)next_is(0, "SENTINEL MASTERS");
    fake_end(fakes.list[0], CLIENT_GONE, REASON_CLOSED);
    accepted_by(1);
}

static void one_that_is_silent_before_it_was_asked_is_replaced(void **state) {
    fake_ready(fakes.list[0]);
    (void)next_is(0, "SENTINEL MASTERS");
    fake_ready(fakes.list[1]);
    wait_question(1);
    answer_masters(1, "10.0.0.1");
    fake_answer(next_is(1, "SENTINEL FAILOVER cache"), &ok);
    check_asked(1, PROMOTION_SUCCEEDED, "SENTINEL FAILOVER cache: OK, says 's2'");
}

static void one_that_is_lost_after_it_was_asked_is_unknown(void **state) {
    fake_ready(fakes.list[1]);
    fake_ready(fakes.list[0]);
    answer_masters(1, "10.0.0.1");
    fake_end(fakes.list[1], CLIENT_GONE, REASON_CLOSED);
    check_asked(1, PROMOTION_UNKNOWN,
                "SENTINEL FAILOVER cache was sent to 's2', its end is unknown: closed");
    assert_null(fake_next(fakes.list[0])); /* and no other one is */
}

static void silence_after_it_was_asked_is_unknown(void **state) {
    fake_ready(fakes.list[0]);
    answer_masters(0, "10.0.0.1");
    fake_ready(fakes.list[1]);
    check_asked(1, PROMOTION_UNKNOWN,
                "SENTINEL FAILOVER cache was sent to 's1', and no answer came within 80ms");
    assert_null(fake_next(fakes.list[1])); /* and no other one is asked */
}

/* ---- following ---- */

static void asks_until_it_names_another_member(void **state) {
    accepted_by(0);
    sentinel_failover_follow(failover);
    answer_address(0, "10.0.0.1");
    wait_question(0);
    answer_address(0, "10.0.0.1");
    assert_int_equal(nameds, 0);
    wait_question(0);
    frees_when_told = true;
    answer_address(0, "10.0.0.2");
    assert_int_equal(nameds, 1);
    assert_int_equal(last_member, 1);
    assert_non_null(strstr(last_text, "'s1' names 10.0.0.2:6379 after 0."));
    assert_int_equal(sent, 1);
}

static void another_one_is_asked_when_it_is_lost(void **state) {
    accepted_by(0);
    sentinel_failover_follow(failover);
    fake_end(fakes.list[0], CLIENT_GONE, REASON_CLOSED);
    fake_ready(fakes.list[1]);
    answer_address(1, "10.0.0.2");
    assert_int_equal(last_member, 1);
    assert_non_null(strstr(last_text, "'s2' names 10.0.0.2:6379"));
}

static void one_that_is_no_member_is_told_as_such(void **state) {
    accepted_by(0);
    sentinel_failover_follow(failover);
    answer_address(0, "10.0.0.7");
    assert_int_equal(nameds, 1);
    assert_int_equal(last_member, SENTINEL_NO_MEMBER);
    assert_non_null(strstr(last_text, "names 10.0.0.7:6379, which is no member,"));
}

static void one_that_goes_on_naming_the_old_one_is_given_up(void **state) {
    accepted_by(0);
    sentinel_failover_follow(failover);
    for (int i = 0; i < 1000 && nameds == 0; i++) {
        if (fake_next(fakes.list[0]) != NULL) {
            answer_address(0, "10.0.0.1");
        }
        (void)loop_run_once(loop, PACE);
    }
    assert_int_equal(nameds, 1);
    assert_int_equal(last_member, SENTINEL_NO_MEMBER);
    assert_string_equal(last_text, "no other member was named by the Sentinel within 320ms: 's1' "
                                   "still names 10.0.0.1:6379");
    assert_int_equal(sent, 1);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(the_first_that_is_reached_is_asked_once),
        CASE(errors_of_its_own_are_failures),
        CASE(one_that_does_not_know_our_primary_is_not_asked),
        CASE(nobody_reached_is_a_failure),
        CASE(one_that_is_lost_before_it_was_asked_is_replaced),
        CASE(one_that_is_silent_before_it_was_asked_is_replaced),
        CASE(one_that_is_lost_after_it_was_asked_is_unknown),
        CASE(silence_after_it_was_asked_is_unknown),
        CASE(asks_until_it_names_another_member),
        CASE(another_one_is_asked_when_it_is_lost),
        CASE(one_that_is_no_member_is_told_as_such),
        CASE(one_that_goes_on_naming_the_old_one_is_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
