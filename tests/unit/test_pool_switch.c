/* SPDX-License-Identifier: Apache-2.0 */

/* A console that the test plays. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/duration.h"
#include "failover/pool_switch.h"
#include "fake_client.h"
#include "turn.h"

#define PACE     ((uint64_t)15 * USEC_PER_MSEC)
#define DEADLINE ((uint64_t)150 * USEC_PER_MSEC)

static struct loop *loop;
static struct fake_clients fakes;
static struct pool_switch *pool;
static int ends;
static bool last_succeeded;
static char last_text[1024];

static struct client *make(void *userdata, const struct client_events *events) {
    return fake_client_new(&fakes, events);
}

static void ended(void *userdata, bool succeeded, struct str text) {
    ends++;
    last_succeeded = succeeded;
    snprintf(last_text, sizeof(last_text), "%.*s", (int)text.len, text.data);
    pool = pool_switch_free(pool); /* legal in here */
}

static int set_up(void **state) {
    assert_int_equal(loop_new(&loop), 0);
    fakes = (struct fake_clients){.loop = loop};
    ends = 0;
    last_text[0] = '\0';
    return 0;
}

static int tear_down(void **state) {
    pool = pool_switch_free(pool);
    assert_int_equal(fakes.n_alive, 0);
    loop = loop_free(loop);
    return 0;
}

static void begin(enum pool_switch_kind kind) {
    static const char *const databases[] = {"shop", "my \"db\""};
    pool = pool_switch_new(&(struct pool_switch_options){
        .contact = {.loop = loop, .pace_usec = PACE, .make_client = make},
        .kind = kind,
        .databases = databases,
        .n_databases = ARRAY_LEN(databases),
        .deadline_usec = DEADLINE,
        .ended = ended,
    });
    fake_ready(fakes.list[0]);
}

static struct fake_request *next(const char *command) {
    struct fake_request *request = fake_next(fakes.list[fakes.n_made - 1]);
    assert_non_null(request);
    assert_string_equal(request->text, command);
    return request;
}

static void expect(const char *command) {
    static const struct table nothing;
    fake_answer_table(next(command), &nothing);
}

static void expect_error(const char *command, const char *text) {
    const struct client_failure failure = fake_failure(CLIENT_ALIVE, REASON_PROTOCOL, false, text);
    fake_fail(next(command), &failure);
}

static void expect_show(void) {
    static const struct str columns[] = {{"name", 4}, {"host", 4}, {"port", 4}};
    static const struct str cells[] = {{"pgbouncer", 9}, {NULL, 0},  {"6432", 4},
                                       {"shop", 4},      {"new", 3}, {"5432", 4},
                                       {"other", 5},     {"old", 3}, {"5432", 4}};
    static const struct table table = {columns, cells, 3, 3};
    fake_answer_table(next("SHOW DATABASES"), &table);
}

/* What a database that is moved is told, in quotes already doubled. */
static void expect_each(const char *name) {
    static const char *const verbs[] = {"DISABLE", "KILL", "RESUME", "ENABLE"};
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        char text[64];
        snprintf(text, sizeof(text), "%s \"%s\"", verbs[i], name);
        expect(text);
    }
}

static void check(bool succeeded, const char *text) {
    assert_true(turn_until(loop, &ends, 1));
    turn_for(loop, 2 * PACE);
    assert_int_equal(ends, 1);
    assert_string_equal(last_text, text);
    assert_int_equal(last_succeeded, succeeded);
}

static void moves_each_database_behind_a_reload(void **state) {
    begin(POOL_SWITCH_MOVE);
    expect("RELOAD");
    expect_each("shop");
    expect_each("my \"\"db\"\"");
    expect_show();
    assert_int_equal(ends, 0); /* not inside of an answer */
    check(true, "switched; 'shop' leads to new:5432");
}

static void one_that_is_not_paused_counts_as_resumed(void **state) {
    begin(POOL_SWITCH_RESUME);
    expect_error("RESUME \"shop\"", "database shop is not paused (08P01)");
    expect("RESUME \"my \"\"db\"\"\"");
    check(true, "resumed");
}

static void an_unknown_database_fails_and_the_others_go_on(void **state) {
    begin(POOL_SWITCH_MOVE);
    expect("RELOAD");
    expect_error("DISABLE \"shop\"", "no such database: shop (08P01)");
    expect_error("KILL \"shop\"", "no such database: shop (08P01)");
    expect_error("RESUME \"shop\"", "no such database: shop (08P01)");
    expect_error("ENABLE \"shop\"", "no such database: shop (08P01)");
    expect_each("my \"\"db\"\"");
    expect_show();
    check(false, "DISABLE \"shop\": no such database: shop (08P01); 'shop' leads to new:5432");
}

static void a_resume_that_fails_is_told_with_its_database(void **state) {
    begin(POOL_SWITCH_MOVE);
    expect("RELOAD");
    expect("DISABLE \"shop\"");
    expect("KILL \"shop\"");
    expect_error("RESUME \"shop\"", "some trouble");
    expect("ENABLE \"shop\"");
    expect_each("my \"\"db\"\"");
    expect_show();
    check(false, "RESUME \"shop\": some trouble; 'shop' may be killed and not resumed; 'shop' "
                 "leads to new:5432");
}

static void nothing_is_killed_without_a_reload(void **state) {
    begin(POOL_SWITCH_MOVE);
    expect_error("RELOAD", "admin access needed");
    check(false, "RELOAD: admin access needed");
}

static void a_pause_that_fails_leaves_off(void **state) {
    begin(POOL_SWITCH_PAUSE);
    expect_error("PAUSE \"shop\"", "no such database: shop");
    check(false, "PAUSE \"shop\": no such database: shop");
}

static void a_pause_that_takes_too_long_is_told(void **state) {
    begin(POOL_SWITCH_PAUSE);
    expect("PAUSE \"shop\"");
    check(false, "PAUSE \"my \"\"db\"\"\": no answer within 150ms");
}

static void release_reloads_and_kills_nothing(void **state) {
    begin(POOL_SWITCH_RELEASE);
    expect("RELOAD");
    expect("RESUME \"shop\"");
    expect("RESUME \"my \"\"db\"\"\"");
    expect_show();
    check(true, "switched and resumed; 'shop' leads to new:5432");
}

static void fail_trial(const char *text) {
    struct client_failure failure = fake_failure(CLIENT_ALIVE, REASON_QUERY, false, text);
    fake_fail(next("SET dbvitals_asks = '1'"), &failure);
}

static void a_trial_changes_nothing_and_tells_whether_we_may(void **state) {
    begin(POOL_SWITCH_TRY);
    fail_trial("SET failed");
    expect_show();
    check(true, "we may switch it; 'shop' leads to new:5432");
}

static void who_may_only_look_is_told_by_a_trial(void **state) {
    begin(POOL_SWITCH_TRY);
    fail_trial("admin access needed");
    expect_show();
    check(false, "RELOAD: admin access needed; 'shop' leads to new:5432");
}

static void a_lost_console_is_told_the_same_again(void **state) {
    begin(POOL_SWITCH_MOVE);
    expect("RELOAD");
    expect("DISABLE \"shop\"");
    (void)next("KILL \"shop\"");
    fake_end(fakes.list[0], CLIENT_GONE, REASON_CLOSED);
    for (int i = 0; i < 1000 && fakes.n_made == 1; i++) {
        (void)loop_run_once(loop, PACE);
    }
    fake_ready(fakes.list[1]);
    expect("KILL \"shop\"");
    (void)next("RESUME \"shop\"");
    fake_end(fakes.list[1], CLIENT_GONE, REASON_REFUSED);
    check(false, "RESUME \"shop\": no answer within 150ms: refused; 'shop' may "
                 "be disabled and killed");
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(moves_each_database_behind_a_reload),
        CASE(one_that_is_not_paused_counts_as_resumed),
        CASE(an_unknown_database_fails_and_the_others_go_on),
        CASE(a_resume_that_fails_is_told_with_its_database),
        CASE(nothing_is_killed_without_a_reload),
        CASE(a_pause_that_fails_leaves_off),
        CASE(a_pause_that_takes_too_long_is_told),
        CASE(release_reloads_and_kills_nothing),
        CASE(a_trial_changes_nothing_and_tells_whether_we_may),
        CASE(who_may_only_look_is_told_by_a_trial),
        CASE(a_lost_console_is_told_the_same_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
