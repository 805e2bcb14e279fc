/* SPDX-License-Identifier: Apache-2.0 */

/* What a promotion says of its end, and how often it is sent, with servers that the test plays.
 * Every test ends by waiting over several reconnects, and by counting what all connections that
 * ever were have been asked. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/duration.h"
#include "failover/promotion.h"
#include "fake_client.h"
#include "turn.h"

#define PACE     ((uint64_t)15 * USEC_PER_MSEC)
#define DEADLINE ((uint64_t)60 * USEC_PER_MSEC)

static struct loop *loop;
static struct fake_clients fakes;
static struct promotion *promotion;
static int sent, ends;
static enum promotion_end last_end;
static char last_text[512];
static bool frees_when_told;
static struct fake_client *spare; /* somebody else's; NULL: none */
static int spares_wanted;
static const char *objection; /* of its owner */

/* Counts what is submitted, also to clients that are gone since. */
static const struct client_ops *fake_ops;
static void counting_submit(struct client *client, const struct client_request *request) {
    sent += request->text == NULL || strstr(request->text, "set_config") == NULL;
    fake_ops->submit(client, request);
    assert_false(request->constant); /* it would be prepared, and might be run again */
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

static void ended(void *userdata, enum promotion_end end, struct str text) {
    ends++;
    last_end = end;
    snprintf(last_text, sizeof(last_text), "%.*s", (int)text.len, text.data);
    if (frees_when_told) {
        promotion = promotion_free(promotion);
    }
}

static struct client *give(void *userdata, struct client_hello *ret_hello) {
    struct fake_client *given = spare;
    spares_wanted++;
    spare = NULL;
    *ret_hello = (struct client_hello){.version = 150000};
    return given != NULL ? &given->client : NULL;
}

static const char *object(void *userdata) {
    return objection;
}

static void begin(enum contact_kind kind) {
    promotion = promotion_new(&(struct promotion_options){
        .contact = {.kind = kind, .loop = loop, .pace_usec = PACE, .make_client = make},
        .deadline_usec = DEADLINE,
        .spare = give,
        .objection = object,
        .ended = ended,
    });
}

static int set_up(void **state) {
    assert_int_equal(loop_new(&loop), 0);
    fakes = (struct fake_clients){.loop = loop};
    sent = ends = 0;
    last_text[0] = '\0';
    frees_when_told = false;
    spare = NULL;
    spares_wanted = 0;
    objection = NULL;
    begin(CONTACT_POSTGRES);
    return 0;
}

static int tear_down(void **state) {
    promotion = promotion_free(promotion);
    assert_int_equal(fakes.n_alive, 0);
    loop = loop_free(loop);
    return 0;
}

static struct fake_client *newest(void) {
    return fakes.list[fakes.n_made - 1];
}

static void become_ready(struct fake_client *fake, int version, bool pooler) {
    const struct client_hello hello = {.version = version, .pooler = pooler};
    fake->client.state = CLIENT_READY;
    fake->client.events.ready(fake->client.events.userdata, &hello);
}

static struct fake_request *start_on_a_ready_one(void) {
    become_ready(newest(), 150000, false);
    promotion_start(promotion);
    assert_int_equal(sent, 1);
    assert_true(promotion_was_sent(promotion));
    return fake_next(newest());
}

/* Whatever comes later, that is all: new connections are answered as good ones. */
static void check_end(int end_sent, enum promotion_end end, const char *text) {
    assert_true(turn_until(loop, &ends, 1));
    for (int i = 0; i < 4; i++) {
        if (promotion != NULL) {
            promotion_start(promotion);
        }
        turn_for(loop, PACE);
        for (size_t k = 0; k < fakes.n_made; k++) {
            if (fakes.list[k] != NULL && fakes.list[k]->client.state == CLIENT_CONNECTING) {
                become_ready(fakes.list[k], 150000, false);
            }
        }
    }
    assert_int_equal(ends, 1);
    assert_int_equal(sent, end_sent);
    assert_int_equal(last_end, end);
    if (strstr(last_text, text) == NULL) {
        fail_msg("'%s' is not in '%s'", text, last_text);
    }
}

static void answer_cell(struct fake_request *request, const char *value) {
    static struct str columns[1], cells[1];
    static struct table table;
    columns[0] = str_of("pg_promote");
    cells[0] = str_of(value);
    table = (struct table){.columns = columns, .cells = cells, .n_columns = 1, .n_rows = 1};
    fake_answer_table(request, &table);
}

static void answer_error(struct fake_request *request, const char *sqlstate, bool connection) {
    struct client_failure failure = fake_failure(CLIENT_ALIVE, REASON_QUERY, connection, "no");
    snprintf(failure.sqlstate, sizeof(failure.sqlstate), "%s", sqlstate);
    fake_fail(request, &failure);
}

static void asks_nothing_before_it_is_started(void **state) {
    become_ready(newest(), 150000, false);
    assert_true(promotion_is_ready(promotion));
    turn_for(loop, 2 * DEADLINE);
    assert_int_equal(sent, 0);
    assert_int_equal(ends, 0);
    assert_int_equal(fakes.n_made, 1);
    assert_false(promotion_was_sent(promotion));
}

static void true_is_success_and_is_not_told_inside_of_start(void **state) {
    struct fake_request *request = start_on_a_ready_one();
    assert_string_equal(request->text, "SELECT pg_catalog.pg_promote(false)");
    promotion_start(promotion);
    assert_int_equal(ends, 0);
    assert_null(promotion_take_contact(promotion));
    answer_cell(request, "t");
    check_end(1, PROMOTION_SUCCEEDED, "true");
    struct contact *contact = promotion_take_contact(promotion);
    assert_ptr_equal(contact_client(contact), &fakes.list[0]->client);
    assert_null(promotion_take_contact(promotion));
    contact_free(contact);
}

static void false_is_a_failure(void **state) {
    answer_cell(start_on_a_ready_one(), "f");
    check_end(1, PROMOTION_FAILED, "false");
    assert_null(promotion_take_contact(promotion));
    assert_int_equal(fakes.n_alive, 0);
}

static void another_answer_is_unknown(void **state) {
    answer_cell(start_on_a_ready_one(), "");
    check_end(1, PROMOTION_UNKNOWN, "no truth value");
}

static void errors_raised_before_the_work_are_failures(void **state) {
    static const char *const states[] = {"42501", "55000", "42883", "22023", "58P01", "XX000"};
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        answer_error(start_on_a_ready_one(), states[i], false);
        check_end(1, PROMOTION_FAILED, "pg_promote() failed: no");
        tear_down(NULL);
        set_up(NULL);
    }
}

static void errors_that_may_come_behind_the_work_are_unknown(void **state) {
    static const char *const states[] = {"57014", "57P01", "57P02", "40001", "25P04",
                                         "08006", "53200", "58030", ""};
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        answer_error(start_on_a_ready_one(), states[i], false);
        check_end(1, PROMOTION_UNKNOWN, "unknown");
        tear_down(NULL);
        set_up(NULL);
    }
}

static void a_connection_that_ends_after_it_was_sent_is_unknown(void **state) {
    (void)start_on_a_ready_one();
    fake_end(newest(), CLIENT_GONE, REASON_CLOSED);
    check_end(1, PROMOTION_UNKNOWN, "closed");
    assert_int_equal(fakes.n_made, 1); /* it is not even made anew */
}

static void a_last_word_after_it_was_sent_is_unknown(void **state) {
    answer_error(start_on_a_ready_one(), "42501", true);
    check_end(1, PROMOTION_UNKNOWN, "unknown");
}

static void silence_after_it_was_sent_is_unknown(void **state) {
    (void)start_on_a_ready_one();
    check_end(1, PROMOTION_UNKNOWN, "no answer came within 60ms");
    assert_int_equal(fakes.n_alive, 0);
}

static void no_connection_is_a_failure_with_its_reason(void **state) {
    promotion_start(promotion);
    fake_end(newest(), CLIENT_GONE, REASON_REFUSED);
    check_end(0, PROMOTION_FAILED,
              "nothing was sent, there was no connection within 60ms: refused");
    assert_false(promotion_was_sent(promotion));
}

static void one_that_is_never_made_is_a_failure(void **state) {
    promotion_start(promotion);
    check_end(0, PROMOTION_FAILED, "nothing was sent");
}

static void a_connection_in_time_is_used(void **state) {
    promotion_start(promotion);
    fake_end(newest(), CLIENT_GONE, REASON_REFUSED);
    for (int i = 0; i < 1000 && fakes.n_made == 1; i++) {
        (void)loop_run_once(loop, PACE);
    }
    become_ready(newest(), 120000, false);
    assert_int_equal(sent, 1);
    answer_cell(fake_next(newest()), "t");
    check_end(1, PROMOTION_SUCCEEDED, "true");
}

static void one_that_was_lost_before_is_made_anew(void **state) {
    become_ready(newest(), 150000, false);
    fake_end(newest(), CLIENT_GONE, REASON_CLOSED);
    assert_false(promotion_is_ready(promotion));
    for (int i = 0; i < 1000 && fakes.n_made == 1; i++) {
        (void)loop_run_once(loop, PACE);
    }
    answer_cell(start_on_a_ready_one(), "t");
    check_end(1, PROMOTION_SUCCEEDED, "true");
}

static void versions_without_it_are_refused_unsent(void **state) {
    become_ready(newest(), 110022, false);
    assert_false(promotion_is_ready(promotion));
    promotion_start(promotion);
    assert_int_equal(ends, 0);
    check_end(0, PROMOTION_FAILED, "hook");
}

static void what_is_objected_to_in_the_end_is_not_sent(void **state) {
    promotion_start(promotion);
    objection = "the primary is back";
    become_ready(newest(), 150000, false);
    check_end(0, PROMOTION_FAILED, "the primary is back");
    assert_false(promotion_was_sent(promotion));
}

static void a_pooler_is_refused_unsent(void **state) {
    promotion_start(promotion);
    become_ready(newest(), 150000, true);
    check_end(0, PROMOTION_FAILED, "pooler");
}

static void may_be_freed_when_it_is_told(void **state) {
    frees_when_told = true;
    (void)start_on_a_ready_one();
    fake_end(newest(), CLIENT_GONE, REASON_CLOSED);
    check_end(1, PROMOTION_UNKNOWN, "closed");
    assert_null(promotion);
}

static void one_that_is_freed_tells_nothing(void **state) {
    (void)start_on_a_ready_one();
    promotion = promotion_free(promotion);
    turn_for(loop, DEADLINE);
    assert_int_equal(ends, 0);
}

/* ---- when nobody is let in ---- */

static struct fake_client *kept_by_somebody(void) {
    const struct client_events theirs = {0};
    spare = (struct fake_client *)(void *)make(NULL, &theirs);
    spare->client.state = CLIENT_READY;
    return spare;
}

static void one_that_is_kept_serves_where_ours_is_refused(void **state) {
    struct fake_client *kept = kept_by_somebody();
    fake_end(fakes.list[0], CLIENT_ALIVE, REASON_CONNECTIONS);
    assert_int_equal(spares_wanted, 0); /* nothing is to be sent yet */
    promotion_start(promotion);
    assert_int_equal(sent, 1);
    struct fake_request *settings = fake_next(kept);
    assert_non_null(strstr(settings->text, "set_config('statement_timeout', '120'"));
    answer_cell(settings, "120");
    answer_cell(fake_next(kept), "t");
    check_end(1, PROMOTION_SUCCEEDED,
              "pg_promote() returned true; over the connection of the probe, for no other was "
              "made: connections");
    struct contact *contact = promotion_take_contact(promotion);
    assert_ptr_equal(contact_client(contact), &kept->client);
    contact_free(contact);
}

static void nobody_elses_is_wanted_where_ours_is_there(void **state) {
    become_ready(newest(), 150000, false);
    (void)kept_by_somebody();
    promotion_start(promotion);
    answer_cell(fake_next(fakes.list[0]), "t");
    check_end(1, PROMOTION_SUCCEEDED, "returned true");
    assert_int_equal(spares_wanted, 0);
    client_free(&spare->client);
}

static void one_that_is_busy_is_waited_for(void **state) {
    fake_end(fakes.list[0], CLIENT_ALIVE, REASON_CONNECTIONS);
    promotion_start(promotion);
    assert_int_equal(spares_wanted, 1);
    struct fake_client *kept = kept_by_somebody();
    assert_true(turn_until(loop, &sent, 1));
    answer_cell(fake_next(kept), "");
    answer_cell(fake_next(kept), "t");
    check_end(1, PROMOTION_SUCCEEDED, "of the probe");
}

static void one_that_is_kept_serves_where_ours_hangs(void **state) {
    promotion = promotion_free(promotion);
    promotion = promotion_new(&(struct promotion_options){
        .contact = {.kind = CONTACT_POSTGRES, .loop = loop, .make_client = make},
        .spare = give,
        .ended = ended,
    });
    struct fake_client *kept = kept_by_somebody();
    uint64_t begun = loop_clock_usec();
    promotion_start(promotion);
    assert_int_equal(sent, 0); /* ours may come yet */
    assert_true(turn_until(loop, &sent, 1));
    assert_true(loop_clock_usec() - begun >= (uint64_t)240 * USEC_PER_MSEC);
    assert_int_equal(fakes.n_alive, 1);
    answer_cell(fake_next(kept), "");
    answer_cell(fake_next(kept), "t");
    check_end(1, PROMOTION_SUCCEEDED, "no connection was made yet");
}

static void an_answer_that_is_lost_there_is_unknown_as_well(void **state) {
    struct fake_client *kept = kept_by_somebody();
    fake_end(fakes.list[0], CLIENT_ALIVE, REASON_CONNECTIONS);
    promotion_start(promotion);
    assert_int_equal(sent, 1);
    fake_end(kept, CLIENT_GONE, REASON_CLOSED);
    (void)kept_by_somebody(); /* and no other one is taken for another try */
    check_end(1, PROMOTION_UNKNOWN, "its end is unknown: closed; over the connection of the probe");
    assert_int_equal(spares_wanted, 1);
    client_free(&spare->client);
}

static void none_at_all_is_a_failure(void **state) {
    promotion_start(promotion);
    fake_end(newest(), CLIENT_ALIVE, REASON_CONNECTIONS);
    check_end(0, PROMOTION_FAILED, "nothing was sent, there was no connection within 60ms");
    assert_true(spares_wanted > 1);
}

static void begin_redis(void) {
    promotion = promotion_free(promotion);
    begin(CONTACT_REDIS);
}

static void redis_is_promoted_over_one_that_is_kept(void **state) {
    begin_redis();
    fake_end(newest(), CLIENT_ALIVE, REASON_CONNECTIONS);
    struct fake_client *kept = kept_by_somebody();
    promotion_start(promotion);
    assert_int_equal(sent, 1);
    assert_string_equal(fake_next(kept)->text, "REPLICAOF NO ONE");
    fake_answer(fake_next(kept), &(struct tree){.type = TREE_TEXT, .text = str_of("OK")});
    check_end(1, PROMOTION_SUCCEEDED, "OK; over the connection of the probe");
}

static void redis_is_promoted_with_ok(void **state) {
    static const struct tree ok = {.type = TREE_TEXT, .text = {"OK", 2}};
    begin_redis();
    struct fake_request *request = start_on_a_ready_one();
    assert_string_equal(request->text, "REPLICAOF NO ONE");
    fake_answer(request, &ok);
    check_end(1, PROMOTION_SUCCEEDED, "OK");
}

static void any_error_of_redis_is_a_failure(void **state) {
    begin_redis();
    answer_error(start_on_a_ready_one(), "NOPER", false);
    check_end(1, PROMOTION_FAILED, "REPLICAOF NO ONE failed: no");
}

static void a_redis_that_hangs_up_is_unknown(void **state) {
    begin_redis();
    (void)start_on_a_ready_one();
    fake_end(newest(), CLIENT_GONE, REASON_CLOSED);
    check_end(1, PROMOTION_UNKNOWN, "closed");
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(asks_nothing_before_it_is_started),
        CASE(true_is_success_and_is_not_told_inside_of_start),
        CASE(false_is_a_failure),
        CASE(another_answer_is_unknown),
        CASE(errors_raised_before_the_work_are_failures),
        CASE(errors_that_may_come_behind_the_work_are_unknown),
        CASE(a_connection_that_ends_after_it_was_sent_is_unknown),
        CASE(a_last_word_after_it_was_sent_is_unknown),
        CASE(silence_after_it_was_sent_is_unknown),
        CASE(no_connection_is_a_failure_with_its_reason),
        CASE(one_that_is_never_made_is_a_failure),
        CASE(a_connection_in_time_is_used),
        CASE(one_that_was_lost_before_is_made_anew),
        CASE(versions_without_it_are_refused_unsent),
        CASE(what_is_objected_to_in_the_end_is_not_sent),
        CASE(a_pooler_is_refused_unsent),
        CASE(may_be_freed_when_it_is_told),
        CASE(one_that_is_freed_tells_nothing),
        CASE(one_that_is_kept_serves_where_ours_is_refused),
        CASE(nobody_elses_is_wanted_where_ours_is_there),
        CASE(one_that_is_busy_is_waited_for),
        CASE(one_that_is_kept_serves_where_ours_hangs),
        CASE(an_answer_that_is_lost_there_is_unknown_as_well),
        CASE(none_at_all_is_a_failure),
        CASE(redis_is_promoted_over_one_that_is_kept),
        CASE(redis_is_promoted_with_ok),
        CASE(any_error_of_redis_is_a_failure),
        CASE(a_redis_that_hangs_up_is_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
