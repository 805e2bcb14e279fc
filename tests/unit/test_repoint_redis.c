/* SPDX-License-Identifier: Apache-2.0 */

/* Two replicas and their new primary, all of which the test plays: clients 0 and 1, and 2. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/duration.h"
#include "failover/repoint_redis.h"
#include "fake_client.h"
#include "turn.h"

#define PACE     ((uint64_t)15 * USEC_PER_MSEC)
#define DEADLINE ((uint64_t)300 * USEC_PER_MSEC)

static struct loop *loop;
static struct fake_clients fakes;
static struct repoint_redis *repoint;
static int ends;
static size_t last_failed;
static char last_text[1024];

static const struct tree ok = {.type = TREE_TEXT, .text = {"OK", 2}};
static const struct tree old_items[] = {{.type = TREE_TEXT, .text = {"slave", 5}},
                                        {.type = TREE_TEXT, .text = {"10.0.0.1", 8}},
                                        {.type = TREE_INTEGER, .text = {"6379", 4}}};
static const struct tree new_items[] = {{.type = TREE_TEXT, .text = {"slave", 5}},
                                        {.type = TREE_TEXT, .text = {"10.0.0.2", 8}},
                                        {.type = TREE_INTEGER, .text = {"6379", 4}}};
static const struct tree master_items[] = {{.type = TREE_TEXT, .text = {"master", 6}},
                                           {.type = TREE_INTEGER, .text = {"7", 1}},
                                           {.type = TREE_LIST}};
static const struct tree follows_old = {.type = TREE_LIST, .items = old_items, .n_items = 3};
static const struct tree follows_new = {.type = TREE_LIST, .items = new_items, .n_items = 3};
static const struct tree is_master = {.type = TREE_LIST, .items = master_items, .n_items = 3};

static struct client *make(void *userdata, const struct client_events *events) {
    return fake_client_new(&fakes, events);
}

static void ended(void *userdata, size_t failed, struct str text) {
    ends++;
    last_failed = failed;
    snprintf(last_text, sizeof(last_text), "%.*s", (int)text.len, text.data);
    repoint = repoint_redis_free(repoint); /* legal in here */
}

static int set_up(void **state) {
    const struct repoint_member replicas[] = {{.name = "one"}, {.name = "two"}};
    assert_int_equal(loop_new(&loop), 0);
    fakes = (struct fake_clients){.loop = loop};
    ends = 0;
    last_text[0] = '\0';
    repoint = repoint_redis_new(&(struct repoint_options){
        .contact = {.loop = loop, .pace_usec = PACE, .make_client = make},
        .primary = {.name = "new"},
        .host = "10.0.0.2",
        .port = 6379,
        .replicas = replicas,
        .n_replicas = 2,
        .deadline_usec = DEADLINE,
        .ended = ended,
    });
    assert_int_equal(fakes.n_made, 3);
    return 0;
}

static int tear_down(void **state) {
    repoint = repoint_redis_free(repoint);
    assert_int_equal(fakes.n_alive, 0);
    loop = loop_free(loop);
    return 0;
}

static void expect(size_t index, const char *command, const struct tree *answer) {
    struct fake_request *request = fake_next(fakes.list[index]);
    assert_non_null(request);
    assert_string_equal(request->text, command);
    fake_answer(request, answer);
}

static void expect_error(size_t index, const char *command, enum client_reason reason,
                         const char *text) {
    const struct client_failure failure = fake_failure(CLIENT_ALIVE, reason, false, text);
    struct fake_request *request = fake_next(fakes.list[index]);
    assert_non_null(request);
    assert_string_equal(request->text, command);
    fake_fail(request, &failure);
}

static void go_well(size_t index) {
    fake_ready(fakes.list[index]);
    expect(index, "ROLE", &follows_old);
    expect(index, "REPLICAOF 10.0.0.2 6379", &ok);
    expect(index, "CONFIG REWRITE", &ok);
    assert_null(fakes.list[index]); /* its connection is not needed any more */
}

static void primary_goes_well(void) {
    fake_ready(fakes.list[2]);
    expect(2, "CONFIG REWRITE", &ok); /* and it is asked nothing else */
}

static void check(size_t failed, const char *text) {
    assert_true(turn_until(loop, &ends, 1));
    turn_for(loop, 2 * PACE);
    assert_int_equal(ends, 1);
    assert_int_equal(last_failed, failed);
    assert_string_equal(last_text, text);
}

static void all_follow_the_new_one(void **state) {
    go_well(1);
    primary_goes_well();
    go_well(0);
    assert_int_equal(ends, 0); /* not inside of an answer */
    check(0, "one: follows 10.0.0.2:6379; two: follows 10.0.0.2:6379; new: configuration written");
}

static void one_that_follows_already_is_not_told_again(void **state) {
    go_well(1);
    primary_goes_well();
    fake_ready(fakes.list[0]);
    expect(0, "ROLE", &follows_new);
    expect(0, "CONFIG REWRITE", &ok);
    check(0, "one: follows 10.0.0.2:6379; two: follows 10.0.0.2:6379; new: configuration written");
}

static void a_master_is_left_alone(void **state) {
    go_well(1);
    primary_goes_well();
    fake_ready(fakes.list[0]);
    expect(0, "ROLE", &is_master);
    assert_null(fakes.list[0]);
    check(1, "one: is no replica by its own account, left alone; two: follows 10.0.0.2:6379; "
             "new: configuration written");
}

static void a_rewrite_that_fails_is_a_warning(void **state) {
    go_well(1);
    fake_ready(fakes.list[0]);
    expect(0, "ROLE", &follows_old);
    expect(0, "REPLICAOF 10.0.0.2 6379", &ok);
    expect_error(0, "CONFIG REWRITE", REASON_QUERY, "ERR no file");
    fake_ready(fakes.list[2]);
    expect_error(2, "CONFIG REWRITE", REASON_PERMISSION, "NOPERM");
    check(0, "one: follows 10.0.0.2:6379, but CONFIG REWRITE failed: ERR no file; two: follows "
             "10.0.0.2:6379; new: CONFIG REWRITE failed: NOPERM");
}

static void an_error_fails_its_member_only(void **state) {
    go_well(1);
    primary_goes_well();
    fake_ready(fakes.list[0]);
    expect(0, "ROLE", &follows_old);
    expect_error(0, "REPLICAOF 10.0.0.2 6379", REASON_PERMISSION, "NOPERM");
    check(1, "one: REPLICAOF failed: NOPERM; two: follows 10.0.0.2:6379; new: configuration "
             "written");
}

static void a_lost_connection_begins_with_the_role_again(void **state) {
    go_well(1);
    primary_goes_well();
    fake_ready(fakes.list[0]);
    expect(0, "ROLE", &follows_old);
    fake_end(fakes.list[0], CLIENT_GONE, REASON_CLOSED);
    for (int i = 0; i < 1000 && fakes.n_made == 3; i++) {
        (void)loop_run_once(loop, PACE);
    }
    fake_ready(fakes.list[3]);
    expect(3, "ROLE", &follows_new); /* it had arrived */
    expect(3, "CONFIG REWRITE", &ok);
    check(0, "one: follows 10.0.0.2:6379; two: follows 10.0.0.2:6379; new: configuration written");
}

static void one_that_loads_is_asked_again(void **state) {
    go_well(1);
    primary_goes_well();
    fake_ready(fakes.list[0]);
    expect(0, "ROLE", &follows_old);
    expect_error(0, "REPLICAOF 10.0.0.2 6379", REASON_STARTING, "LOADING");
    for (int i = 0; i < 1000 && fakes.n_made == 3; i++) {
        (void)loop_run_once(loop, PACE);
    }
    go_well(3);
    check(0, "one: follows 10.0.0.2:6379; two: follows 10.0.0.2:6379; new: configuration written");
}

static void what_is_not_done_in_time_is_told(void **state) {
    fake_ready(fakes.list[0]);
    expect(0, "ROLE", &follows_old);
    fake_end(fakes.list[1], CLIENT_GONE, REASON_REFUSED);
    fake_ready(fakes.list[2]);
    check(2, "one: not done: no answer in time; two: not done: refused; new: CONFIG REWRITE did "
             "not end: no answer in time");
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(all_follow_the_new_one),         CASE(one_that_follows_already_is_not_told_again),
        CASE(a_master_is_left_alone),         CASE(a_rewrite_that_fails_is_a_warning),
        CASE(an_error_fails_its_member_only), CASE(a_lost_connection_begins_with_the_role_again),
        CASE(one_that_loads_is_asked_again),  CASE(what_is_not_done_in_time_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
