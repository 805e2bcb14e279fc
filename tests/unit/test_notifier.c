/* SPDX-License-Identifier: Apache-2.0 */

/* What the notifier is made of and asked for; the way to the servers is the system test's. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "fake_way.h"
#include "turn.h"
#include "actions/notifier.h"

static struct loop *loop;
static struct worker_pool *pool;
static struct resolver *resolver;

static int set_up(void **state) {
    assert_int_equal(loop_new(&loop), 0);
    pool = worker_pool_new(loop, NULL);
    resolver = resolver_new(loop, pool);
    return 0;
}

static int tear_down(void **state) {
    resolver = resolver_free(resolver);
    pool = worker_pool_free(pool);
    loop = loop_free(loop);
    return 0;
}

static void tell(struct notifier *notifier, uint64_t id) {
    const struct label label = {str_of("alertname"), str_of("A")};
    const struct alert_view alert = {.id = id,
                                     .state = ALERT_FIRING,
                                     .labels = &label,
                                     .n_labels = 1,
                                     .fired_ms = 1,
                                     .query = str_of("1")};
    notifier_event(notifier, &(struct alert_event){ALERT_EVENT_FIRING, 1, &alert});
}

static struct notifier *begin(const struct notify_options *options) {
    struct notifier *notifier = notifier_new(&(struct notifier_parts){
        .loop = loop, .resolver = resolver, .external_url = str_of("http://me")});
    notifier_apply(notifier, options, NULL, 0);
    return notifier;
}

static void nobody_to_tell_costs_nothing(void **state) {
    CLEANUP(notifier_freep)
    struct notifier *notifier = begin(&(struct notify_options){0});
    struct batch batch = {0};
    tell(notifier, 1);
    notifier_collect(notifier, &batch);
    assert_int_equal(notifier_queued(notifier), 0);
    assert_int_equal(batch.n_samples, 0);
    batch_deinit(&batch);
}

static void every_alertmanager_has_a_queue(void **state) {
    struct http_options alertmanagers[] = {{.url = (char[]){"http://127.0.0.1:1"}},
                                           {.url = (char[]){"http://127.0.0.1:2"}}};
    CLEANUP(notifier_freep)
    struct notifier *notifier =
        begin(&(struct notify_options){.alertmanagers = alertmanagers, .n_alertmanagers = 2});
    tell(notifier, 1);
    tell(notifier, 2);
    tell(notifier, 2); /* in the place of the one before */
    assert_int_equal(notifier_queued(notifier), 4);
    turn_for(loop, 20 * USEC_PER_MSEC); /* refused, and back in their queues */
    assert_int_equal(notifier_queued(notifier), 4);
}

static void what_waits_outlives_a_new_configuration(void **state) {
    struct http_options before[] = {{.url = (char[]){"http://127.0.0.1:1"}},
                                    {.url = (char[]){"http://127.0.0.1:2"}}};
    struct http_options after[] = {{.url = (char[]){"http://127.0.0.1:3"}},
                                   {.url = (char[]){"http://127.0.0.1:2"}}};
    CLEANUP(notifier_freep)
    struct notifier *notifier =
        begin(&(struct notify_options){.alertmanagers = before, .n_alertmanagers = 2});
    tell(notifier, 1);
    assert_int_equal(notifier_queued(notifier), 2);
    notifier_apply(notifier, &(struct notify_options){.alertmanagers = after, .n_alertmanagers = 2},
                   NULL, 0);
    assert_int_equal(notifier_queued(notifier), 1);
    notifier_apply(notifier, &(struct notify_options){0}, NULL, 0);
    assert_int_equal(notifier_queued(notifier), 0);
    tell(notifier, 2);
}

static void may_be_freed_with_requests_under_way(void **state) {
    struct http_options alertmanager = {.url = (char[]){"http://localhost:1"}};
    struct notifier *notifier =
        begin(&(struct notify_options){.alertmanagers = &alertmanager, .n_alertmanagers = 1});
    tell(notifier, 1);
    turn_until_quiet(loop);
    notifier = notifier_free(notifier);
    assert_null(notifier);
}

static struct fake_way way;

static struct outbox_way connect_way(void *userdata, const char *receiver,
                                     const struct channel_options *options) {
    return fake_way_of(&way);
}

static void receivers_are_told_as_well(void **state) {
    struct channel_options channel = {.kind = CHANNEL_EXEC};
    struct receiver_options receiver = {(char[]){"ops"}, &channel, 1};
    struct route_options route = {0};
    struct batch batch = {0};
    way = (struct fake_way){0};
    CLEANUP(notifier_freep)
    struct notifier *notifier =
        notifier_new(&(struct notifier_parts){.loop = loop, .connect = connect_way});
    notifier_apply(notifier,
                   &(struct notify_options){
                       .receivers = &receiver, .n_receivers = 1, .routes = &route, .n_routes = 1},
                   NULL, 0);
    tell(notifier, 1);
    assert_true(turn_until(loop, &way.sent, 1));
    assert_string_equal(way.said, "{}/ops:{}:1");
    assert_int_equal(notifier_queued(notifier), 1);
    notifier_collect(notifier, &batch);
    assert_true(batch.n_samples > 0);
    fake_answer(&way, CHANNEL_DELIVERED, 0);
    assert_int_equal(notifier_queued(notifier), 0);
    batch_deinit(&batch);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(nobody_to_tell_costs_nothing),
        TEST(every_alertmanager_has_a_queue),
        TEST(what_waits_outlives_a_new_configuration),
        TEST(may_be_freed_with_requests_under_way),
        TEST(receivers_are_told_as_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
