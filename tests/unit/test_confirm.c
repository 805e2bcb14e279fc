/* SPDX-License-Identifier: Apache-2.0 */

/* Waiting for a server that the test plays to take writes. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/duration.h"
#include "failover/confirm.h"
#include "fake_client.h"
#include "turn.h"

#define PACE     ((uint64_t)15 * USEC_PER_MSEC)
#define DEADLINE ((uint64_t)500 * USEC_PER_MSEC)

static struct loop *loop;
static struct fake_clients fakes;
static struct confirm *confirm;
static int ends;
static struct confirm_result last;
static char last_text[512];

static struct client *make(void *userdata, const struct client_events *events) {
    return fake_client_new(&fakes, events);
}

static void ended(void *userdata, const struct confirm_result *result) {
    ends++;
    last = *result;
    snprintf(last_text, sizeof(last_text), "%.*s", (int)result->text.len, result->text.data);
    confirm = confirm_free(confirm); /* legal in here */
}

static void begin(enum contact_kind kind) {
    confirm = confirm_new(&(struct confirm_options){
        .contact = {.kind = kind, .loop = loop, .pace_usec = PACE, .make_client = make},
        .deadline_usec = DEADLINE,
        .ended = ended,
    });
    assert_int_equal(ends, 0);
}

static int set_up(void **state) {
    assert_int_equal(loop_new(&loop), 0);
    fakes = (struct fake_clients){.loop = loop};
    ends = 0;
    last_text[0] = '\0';
    begin(CONTACT_POSTGRES);
    return 0;
}

static int tear_down(void **state) {
    confirm = confirm_free(confirm);
    assert_int_equal(fakes.n_alive, 0);
    loop = loop_free(loop);
    return 0;
}

/* The next question, waited for. */
static struct fake_request *asked(void) {
    struct fake_request *request = NULL;
    for (int i = 0; i < 1000 && request == NULL; i++) {
        (void)loop_run_once(loop, USEC_PER_MSEC);
        struct fake_client *newest = fakes.list[fakes.n_made - 1];
        if (newest != NULL && newest->client.state == CLIENT_CONNECTING) {
            fake_ready(newest);
        }
        request = newest != NULL ? fake_next(newest) : NULL;
    }
    assert_non_null(request);
    return request;
}

/* recovering, timeline, written, read_only, needed, in_step */
static void answer_row(const char *const values[6]) {
    static const char *const names[] = {"recovering", "timeline", "written",
                                        "read_only",  "needed",   "in_step"};
    static struct str columns[6], cells[6];
    static struct table table;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        columns[i] = str_of(names[i]);
        cells[i] = str_of(values[i]);
    }
    table = (struct table){.columns = columns, .cells = cells, .n_columns = 6, .n_rows = 1};
    fake_answer_table(asked(), &table);
}

static const char *const recovering[] = {"t", NULL, NULL, "off", "0", "0"};
static const char *const read_only[] = {"f", "0000000A", "50331648", "on", "0", "0"};
static const char *const writable[] = {"f", "0000000A", "50331648", "off", "0", "0"};
static const char *const waiting[] = {"f", "0000000A", "50331648", "off", "2", "1"};

static void asks_until_recovery_is_over(void **state) {
    for (int i = 0; i < 5; i++) {
        answer_row(recovering);
        assert_int_equal(ends, 0);
    }
    answer_row(writable);
    assert_int_equal(ends, 1);
    assert_true(last.confirmed);
    assert_false(last.commits_wait);
    assert_int_equal(last.timeline, 10);
    assert_int_equal(last.position, 50331648);
    assert_string_equal(last_text, "it takes writes on timeline 10 from 0/3000000");
}

static void asks_every_5_ms_at_first_and_every_50_in_the_end(void **state) {
    uint64_t before = 0, first = 0, gap = 0;
    for (int i = 0; i < 26; i++) {
        answer_row(recovering);
        (void)asked();
        uint64_t now = loop_clock_usec();
        gap = now - before;
        first = i == 1 ? gap : first;
        before = now;
    }
    assert_true(first >= 4 * USEC_PER_MSEC);
    assert_true(gap >= 40 * USEC_PER_MSEC);
}

static void a_read_only_server_takes_no_writes(void **state) {
    answer_row(read_only);
    answer_row(read_only);
    assert_true(turn_until(loop, &ends, 1));
    assert_false(last.confirmed);
    assert_string_equal(last_text, "it takes no writes after 500ms: default_transaction_read_only "
                                   "is on");
}

static void commits_that_wait_are_told(void **state) {
    answer_row(waiting);
    assert_true(last.confirmed);
    assert_true(last.commits_wait);
    assert_non_null(strstr(last_text, "commits wait for a standby"));
}

static void goes_on_over_a_new_connection(void **state) {
    answer_row(recovering);
    (void)asked();
    fake_end(fakes.list[0], CLIENT_GONE, REASON_CLOSED);
    answer_row(writable);
    assert_int_equal(fakes.n_made, 2);
    assert_int_equal(ends, 1);
    assert_true(last.confirmed);
}

static void goes_on_after_an_error(void **state) {
    const struct client_failure failure =
        fake_failure(CLIENT_ALIVE, REASON_CONFLICT, false, "conflict");
    fake_fail(asked(), &failure);
    answer_row(writable);
    assert_true(last.confirmed);
}

static void fails_without_a_connection_and_says_why(void **state) {
    fake_end(fakes.list[0], CLIENT_GONE, REASON_REFUSED);
    assert_true(turn_until(loop, &ends, 1));
    assert_false(last.confirmed);
    assert_non_null(strstr(last_text, "refused"));
}

static void fails_when_nothing_is_answered(void **state) {
    (void)asked();
    assert_true(turn_until(loop, &ends, 1));
    assert_false(last.confirmed);
    assert_non_null(strstr(last_text, "does not answer"));
}

static void redis_is_confirmed_by_its_role(void **state) {
    static const struct tree slave_items[] = {{.type = TREE_TEXT, .text = {"slave", 5}},
                                              {.type = TREE_TEXT, .text = {"a", 1}}};
    static const struct tree master_items[] = {{.type = TREE_TEXT, .text = {"master", 6}},
                                               {.type = TREE_INTEGER, .integer = 42}};
    static const struct tree slave = {.type = TREE_LIST, .items = slave_items, .n_items = 2};
    static const struct tree master = {.type = TREE_LIST, .items = master_items, .n_items = 2};
    confirm = confirm_free(confirm);
    begin(CONTACT_REDIS);
    struct fake_request *request = asked();
    assert_string_equal(request->text, "ROLE");
    fake_answer(request, &slave);
    assert_int_equal(ends, 0);
    fake_answer(asked(), &master);
    assert_int_equal(ends, 1);
    assert_true(last.confirmed);
    assert_int_equal(last.position, 42);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(asks_until_recovery_is_over),
        CASE(asks_every_5_ms_at_first_and_every_50_in_the_end),
        CASE(a_read_only_server_takes_no_writes),
        CASE(commits_that_wait_are_told),
        CASE(goes_on_over_a_new_connection),
        CASE(goes_on_after_an_error),
        CASE(fails_without_a_connection_and_says_why),
        CASE(fails_when_nothing_is_answered),
        CASE(redis_is_confirmed_by_its_role),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
