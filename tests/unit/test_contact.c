/* SPDX-License-Identifier: Apache-2.0 */

/* A kept connection whose servers the test plays. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/duration.h"
#include "failover/contact.h"
#include "fake_client.h"
#include "turn.h"

#define PACE ((uint64_t)30 * USEC_PER_MSEC)

static struct loop *loop;
static struct fake_clients fakes;
static struct contact *contact;
static int readies, losses;

static struct client *make(void *userdata, const struct client_events *events) {
    return fake_client_new(&fakes, events);
}

static void ready(void *userdata) {
    readies++;
}

static void lost(void *userdata) {
    losses++;
}

static void lost_and_freed(void *userdata) {
    losses++;
    contact = contact_free(contact);
}

static int set_up(void **state) {
    assert_int_equal(loop_new(&loop), 0);
    fakes = (struct fake_clients){.loop = loop};
    readies = losses = 0;
    contact = contact_new(
        &(struct contact_options){
            .kind = CONTACT_REDIS, .loop = loop, .pace_usec = PACE, .make_client = make},
        &(struct contact_events){.ready = ready, .lost = lost});
    return 0;
}

static int tear_down(void **state) {
    contact = contact_free(contact);
    assert_int_equal(fakes.n_alive, 0);
    loop = loop_free(loop);
    return 0;
}

static void opens_at_once_and_asks_nothing(void **state) {
    assert_int_equal(fakes.n_made, 1);
    assert_int_equal(fakes.list[0]->client.state, CLIENT_CONNECTING);
    assert_null(contact_client(contact));
    fake_ready(fakes.list[0]);
    assert_int_equal(readies, 1);
    assert_ptr_equal(contact_client(contact), &fakes.list[0]->client);
    turn_for(loop, 3 * PACE);
    assert_int_equal(fakes.n_made, 1);
    assert_int_equal(fakes.list[0]->n_requests, 0);
}

static void one_that_is_refused_is_made_anew_at_its_pace(void **state) {
    uint64_t begun = loop_clock_usec();
    int count = 0;
    for (; count < 4; count++) {
        fake_end(fakes.list[count], CLIENT_GONE, REASON_REFUSED);
        assert_int_equal(losses, count + 1);
        assert_string_equal(contact_trouble(contact), "refused");
        assert_int_equal(fakes.n_alive, 0);
        for (int i = 0; i < 1000 && fakes.n_alive == 0; i++) {
            (void)loop_run_once(loop, PACE);
        }
        assert_int_equal(fakes.n_made, count + 2);
    }
    assert_true(loop_clock_usec() - begun >= 4 * PACE * 9 / 10);
}

static void one_that_lasted_is_made_anew_at_once(void **state) {
    fake_ready(fakes.list[0]);
    turn_for(loop, 2 * PACE);
    fake_end(fakes.list[0], CLIENT_GONE, REASON_CLOSED);
    turn_until_quiet(loop);
    assert_int_equal(fakes.n_made, 2);
}

static void one_that_is_closed_stays_closed(void **state) {
    contact_close(contact);
    assert_int_equal(fakes.n_alive, 0);
    turn_for(loop, 3 * PACE);
    assert_int_equal(fakes.n_made, 1);
    assert_int_equal(losses, 0);
}

static void may_be_freed_when_it_is_lost(void **state) {
    contact_set_events(contact, &(struct contact_events){.ready = ready, .lost = lost_and_freed});
    fake_end(fakes.list[0], CLIENT_GONE, REASON_CLOSED);
    assert_int_equal(losses, 1);
    assert_int_equal(fakes.n_alive, 0);
}

static void another_owners_takes_the_place_of_what_is_being_made(void **state) {
    const struct client_events theirs = {0};
    struct fake_client *other = (struct fake_client *)(void *)make(NULL, &theirs);
    other->client.state = CLIENT_READY;
    assert_false(contact_is_stuck(contact, PACE));
    assert_true(contact_is_stuck(contact, 0));
    contact_adopt(contact, &other->client, &(struct client_hello){.version = 150000});
    assert_null(fakes.list[0]);
    assert_int_equal(readies, 0); /* its taker knows */
    assert_ptr_equal(contact_client(contact), &other->client);
    assert_int_equal(contact_hello(contact)->version, 150000);
    assert_false(contact_is_stuck(contact, 0));
    turn_for(loop, 2 * PACE);
    assert_int_equal(fakes.n_made, 2);
    fake_end(other, CLIENT_GONE, REASON_CLOSED); /* as any other */
    assert_int_equal(losses, 1);
    assert_true(contact_is_stuck(contact, PACE));
    turn_for(loop, PACE);
    assert_int_equal(fakes.n_made, 3);
}

static void may_be_adopted_between_two_attempts(void **state) {
    const struct client_events theirs = {0};
    fake_end(fakes.list[0], CLIENT_ALIVE, REASON_CONNECTIONS);
    struct client *other = make(NULL, &theirs);
    other->state = CLIENT_READY;
    contact_adopt(contact, other, &(struct client_hello){0});
    turn_for(loop, 2 * PACE);
    assert_int_equal(fakes.n_made, 2);
    assert_ptr_equal(contact_client(contact), other);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(opens_at_once_and_asks_nothing),
        CASE(one_that_is_refused_is_made_anew_at_its_pace),
        CASE(one_that_lasted_is_made_anew_at_once),
        CASE(one_that_is_closed_stays_closed),
        CASE(may_be_freed_when_it_is_lost),
        CASE(another_owners_takes_the_place_of_what_is_being_made),
        CASE(may_be_adopted_between_two_attempts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
