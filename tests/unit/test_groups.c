/* SPDX-License-Identifier: Apache-2.0 */

/* When groups are told, and what: group_wait, group_interval, repeat_interval, ends, restarts. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "groups_world.h"

#define SECOND ((int64_t)1000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define WAIT   (30 * SECOND)

static char *by_cluster[] = {(char[]){"cluster"}};
static struct receiver_options receivers[] = {{.name = (char[]){"ops"}},
                                              {.name = (char[]){"pager"}}};

static struct route_options route(size_t receiver) {
    return (struct route_options){
        .receiver = receiver,
        .group_by = by_cluster,
        .n_group_by = 1,
        .group_wait_usec = (uint64_t)WAIT * 1000,
        .group_interval_usec = (uint64_t)(5 * MINUTE) * 1000,
        .repeat_interval_usec = (uint64_t)(4 * HOUR) * 1000,
    };
}

static struct notify_options options_of(struct route_options *routes, size_t n) {
    return (struct notify_options){
        .receivers = receivers, .n_receivers = 2, .routes = routes, .n_routes = n};
}

/* One route to ops, by mail with ends and by a command without. */
static void begin(struct world *world) {
    struct route_options routes[] = {route(0)};
    struct notify_options options = options_of(routes, 1);
    *world = (struct world){
        .channels = {{"ops/email", "ops", 0, true}, {"ops/exec", "ops", 0, false}},
        .n_channels = 2,
        .time = {1000, T0},
    };
    world_new_groups(world);
    world_apply(world, &options);
}

static void restart(struct world *world, int64_t away_ms) {
    struct route_options routes[] = {route(0)};
    struct notify_options options = options_of(routes, 1);
    struct strbuf bytes = {0};
    world_save(world, &bytes);
    world->time.wall_ms += away_ms;
    world->time.now_ms = 77; /* another clock */
    assert_true(world_load(world, strbuf_view(&bytes), &options));
    strbuf_deinit(&bytes);
}

#define assert_waits(world, channel, text) assert_string_equal(world_waits(world, channel), text)

static void deliver_all(struct world *world) {
    world_deliver(world, "ops/email", TOLD_ACCEPTED);
    world_deliver(world, "ops/exec", TOLD_ACCEPTED);
}

static void keep_alive(struct world *world, unsigned id, int64_t fired_ms, int64_t for_ms) {
    for (int64_t passed = 0; passed < for_ms; passed += MINUTE) {
        world_until(world, MINUTE);
        world_again(world, id, fired_ms);
    }
}

static void waits_for_the_first_notification(void **state) {
    struct world world;
    begin(&world);
    world_fire(&world, 0);
    world_until(&world, WAIT / 2);
    world_fire(&world, 1);
    world_fire(&world, 3); /* of another group */
    world_until(&world, WAIT / 2 - 1);
    assert_int_equal(world.puts, 0);
    world_until(&world, 1);
    assert_waits(&world, "ops/email", "+0 +1");
    assert_waits(&world, "ops/exec", "+0 +1");
    const struct notification *told = world.waiting[0].notification;
    assert_true(str_is(told->receiver, "ops"));
    assert_true(str_is(told->group_key, "{}/ops:{cluster=\"c0\"}"));
    assert_int_equal(told->n_group_labels, 1);
    assert_true(str_is(told->alerts[0].labels[2].value, "t0"));
    assert_true(str_is(told->alerts[0].annotations[0].name, "description")); /* sorted */
    assert_int_equal(told->alerts[0].ends_ms, 0);
    assert_int_equal(told->made_ms, T0 + WAIT);
    world_deinit(&world);
}

static void an_old_alert_does_not_wait(void **state) {
    struct world world;
    begin(&world);
    world_again(&world, 0, T0 - WAIT);
    world_until(&world, 0);
    assert_waits(&world, "ops/email", "+0");
    world_deinit(&world);
}

static void tells_more_at_the_interval(void **state) {
    struct world world;
    begin(&world);
    world_fire(&world, 0);
    world_until(&world, WAIT);
    deliver_all(&world);
    world_fire(&world, 1);
    world_until(&world, 4 * MINUTE);
    world_again(&world, 0, T0);
    world_again(&world, 1, T0 + WAIT);
    world_until(&world, MINUTE - 1);
    assert_int_equal(world.n_waiting, 0);
    world_until(&world, 1);
    assert_waits(&world, "ops/email", "+0 +1");
    world_deinit(&world);
}

static void repeats_after_the_repeat_interval(void **state) {
    struct world world;
    begin(&world);
    world_fire(&world, 0);
    world_until(&world, WAIT);
    uint64_t first = world.waiting[0].notification->id;
    deliver_all(&world);
    keep_alive(&world, 0, T0, 4 * HOUR - MINUTE);
    assert_int_equal(world.n_waiting, 0);
    keep_alive(&world, 0, T0, 6 * MINUTE);
    assert_waits(&world, "ops/email", "+0");
    assert_true(world.waiting[0].notification->id != first);
    world_deinit(&world);
}

static void tells_ends_to_those_who_want_them(void **state) {
    struct world world;
    begin(&world);
    world_fire(&world, 0);
    world_fire(&world, 1);
    world_until(&world, WAIT);
    deliver_all(&world);
    world_end(&world, 1);
    world_until(&world, 2 * MINUTE);
    world_again(&world, 0, T0);
    world_until(&world, 3 * MINUTE);
    assert_waits(&world, "ops/email", "+0 -1");
    assert_waits(&world, "ops/exec", "");
    assert_int_equal(world.waiting[0].notification->alerts[1].ends_ms, T0 + WAIT);
    deliver_all(&world);
    assert_int_equal(groups_stats(world.groups).alerts, 1);
    world_end(&world, 0);
    world_until(&world, 5 * MINUTE);
    assert_waits(&world, "ops/email", "-0");
    deliver_all(&world);
    assert_int_equal(groups_stats(world.groups).alerts, 0);
    world_until(&world, 5 * MINUTE);
    assert_int_equal(groups_stats(world.groups).groups, 0);
    assert_int_equal(groups_next_ms(world.groups), INT64_MAX);
    world_deinit(&world);
}

static void what_ended_in_time_is_never_told(void **state) {
    struct world world;
    begin(&world);
    world_fire(&world, 0);
    world_end(&world, 0);
    world_until(&world, 10 * MINUTE);
    assert_int_equal(world.puts, 0);
    assert_int_equal(groups_stats(world.groups).groups, 0);
    world_fire(&world, 0); /* told, but never attempted */
    world_until(&world, WAIT);
    world_end(&world, 0);
    world_until(&world, 5 * MINUTE);
    assert_int_equal(world.cancels, 2);
    assert_int_equal(world.n_waiting, 0);
    assert_int_equal(groups_stats(world.groups).alerts, 0);
    world_deinit(&world);
}

static void the_newer_one_takes_the_place(void **state) {
    struct world world;
    begin(&world);
    world_fire(&world, 0);
    world_until(&world, WAIT);
    world_fire(&world, 1);
    world_until(&world, 2 * MINUTE);
    world_again(&world, 0, T0);
    world_again(&world, 1, T0 + WAIT);
    world_until(&world, 3 * MINUTE);
    assert_waits(&world, "ops/email", "+0 +1");
    assert_int_equal(world.puts, 4);
    deliver_all(&world);
    assert_int_equal(world.n_waiting, 0);
    world_deinit(&world);
}

static void whoever_is_not_told_again_ends(void **state) {
    struct world world;
    begin(&world);
    world_fire(&world, 0);
    world_until(&world, WAIT);
    deliver_all(&world);
    world_until(&world, 5 * MINUTE);
    assert_waits(&world, "ops/email", "-0");
    assert_int_equal(world.waiting[0].notification->alerts[0].ends_ms, T0 + 4 * MINUTE);
    world_deinit(&world);
}

static void an_end_that_nobody_takes_is_given_up(void **state) {
    struct world world;
    begin(&world);
    world_fire(&world, 0);
    world_until(&world, WAIT);
    deliver_all(&world);
    world_end(&world, 0);
    world_until(&world, 23 * HOUR);
    assert_waits(&world, "ops/email", "-0");
    assert_int_equal(groups_stats(world.groups).alerts, 1);
    world_until(&world, 2 * HOUR);
    assert_int_equal(groups_stats(world.groups).alerts, 0);
    world_deinit(&world);
}

static void a_restart_tells_nothing_twice(void **state) {
    struct world world;
    begin(&world);
    world_fire(&world, 0);
    world_until(&world, WAIT);
    deliver_all(&world);
    restart(&world, MINUTE);
    world_again(&world, 0, T0);
    keep_alive(&world, 0, T0, 20 * MINUTE);
    assert_int_equal(world.n_waiting, 0);
    restart(&world, 5 * HOUR); /* repeated once the rules have spoken, not before */
    world_until(&world, MINUTE);
    assert_int_equal(world.n_waiting, 0);
    world_again(&world, 0, T0);
    keep_alive(&world, 0, T0, 5 * MINUTE);
    assert_waits(&world, "ops/email", "+0");
    world_deinit(&world);
}

static void a_restart_loses_no_end(void **state) {
    struct world world;
    begin(&world);
    world_fire(&world, 0);
    world_fire(&world, 1);
    world_until(&world, WAIT);
    deliver_all(&world);
    restart(&world, MINUTE);
    world_again(&world, 0, T0);
    world_end(&world, 1);
    keep_alive(&world, 0, T0, 5 * MINUTE);
    assert_waits(&world, "ops/email", "+0 -1");
    world_deinit(&world);
}

static void what_never_comes_back_ends_after_a_while(void **state) {
    struct world world;
    begin(&world);
    world_fire(&world, 0);
    world_until(&world, WAIT);
    deliver_all(&world);
    restart(&world, HOUR);
    world_until(&world, 5 * MINUTE - SECOND);
    assert_int_equal(world.n_waiting, 0);
    world_until(&world, 5 * MINUTE);
    assert_waits(&world, "ops/email", "-0");
    world_deinit(&world);
}

static void who_was_not_told_is_not_kept(void **state) {
    struct world world;
    begin(&world);
    world_fire(&world, 0);
    restart(&world, MINUTE);
    assert_int_equal(groups_stats(world.groups).groups, 0);
    world_again(&world, 0, T0);
    world_until(&world, 0);
    assert_waits(&world, "ops/email", "+0");
    restart(&world, MINUTE); /* may have been attempted: its end is needed */
    world_end(&world, 0);
    world_until(&world, 5 * MINUTE);
    assert_waits(&world, "ops/email", "-0");
    assert_waits(&world, "ops/exec", "");
    world_deinit(&world);
}

static void another_route_changes_nothing(void **state) {
    struct world world;
    begin(&world);
    world_fire(&world, 0);
    world_until(&world, WAIT);
    deliver_all(&world);
    struct route_options routes[] = {route(1), route(0)};
    routes[0].go_on = true;
    struct notify_options options = options_of(routes, 2);
    world.channels[2] = (struct groups_channel){"pager/pagerduty", "pager", 1, true};
    world.n_channels = 3;
    world_apply(&world, &options);
    world_again(&world, 0, T0);
    world_until(&world, 0);
    assert_waits(&world, "pager/pagerduty", "+0");
    keep_alive(&world, 0, T0, 10 * MINUTE);
    assert_int_equal(world.n_waiting, 1);
    world_deinit(&world);
}

static void a_new_channel_is_told_at_the_next_flush(void **state) {
    struct world world;
    begin(&world);
    world_fire(&world, 0);
    world_until(&world, WAIT);
    deliver_all(&world);
    struct route_options routes[] = {route(0)};
    struct notify_options options = options_of(routes, 1);
    world.channels[1] = (struct groups_channel){"ops/slack", "ops", 0, true}; /* not exec */
    world_apply(&world, &options);
    keep_alive(&world, 0, T0, 5 * MINUTE);
    assert_waits(&world, "ops/slack", "+0");
    assert_int_equal(world.n_waiting, 1);
    world_deinit(&world);
}

static void a_route_that_goes_ends_its_groups(void **state) {
    struct world world;
    begin(&world);
    world_fire(&world, 0);
    world_until(&world, WAIT);
    deliver_all(&world);
    struct route_options routes[] = {route(1)};
    struct notify_options options = options_of(routes, 1);
    world_apply(&world, &options);
    keep_alive(&world, 0, T0, 10 * MINUTE);
    assert_waits(&world, "ops/email", "-0");
    deliver_all(&world);
    world_deinit(&world);
}

static void counts_what_no_route_takes(void **state) {
    struct world world;
    begin(&world);
    struct matcher nobody = {MATCH_EQUAL, {"team", 4}, {"x", 1}, NULL};
    struct route_options routes[] = {route(0)};
    routes[0].matchers = &nobody;
    routes[0].n_matchers = 1;
    struct notify_options options = options_of(routes, 1);
    world_apply(&world, &options);
    world_fire(&world, 0);
    world_again(&world, 0, T0);
    assert_int_equal(groups_stats(world.groups).unrouted, 1);
    assert_int_equal(groups_stats(world.groups).groups, 0);
    world_deinit(&world);
}

static void keeps_its_limits(void **state) {
    struct world world;
    begin(&world);
    world.groups = groups_free(world.groups);
    world.groups = groups_new(&(struct groups_options){.put = world_put,
                                                       .cancel = world_cancel,
                                                       .userdata = &world,
                                                       .most_groups = 2,
                                                       .most_alerts = 3});
    struct route_options routes[] = {route(0)};
    struct notify_options options = options_of(routes, 1);
    world_apply(&world, &options);
    for (unsigned id = 0; id < 9; id++) {
        world_fire(&world, id); /* three groups of three */
    }
    assert_int_equal(groups_stats(world.groups).alerts, 3);
    assert_int_equal(groups_stats(world.groups).groups, 1);
    assert_int_equal(groups_stats(world.groups).dropped, 6);
    world_until(&world, WAIT);
    assert_waits(&world, "ops/email", "+0 +1 +2");
    world_deinit(&world);
}

static void tells_of_large_groups_the_first_ones(void **state) {
    struct world world;
    begin(&world);
    struct route_options routes[] = {route(0)};
    routes[0].n_group_by = 0;
    struct notify_options options = options_of(routes, 1);
    world_apply(&world, &options);
    for (unsigned id = 0; id < 300; id++) {
        world_fire(&world, id);
    }
    world_until(&world, WAIT);
    assert_int_equal(world.waiting[0].notification->n_alerts, NOTIFICATION_MOST_ALERTS);
    assert_int_equal(world.waiting[0].notification->left_out, 44);
    deliver_all(&world);
    for (unsigned id = 0; id < 300; id++) {
        world_end(&world, id);
    }
    world_until(&world, 5 * MINUTE);
    deliver_all(&world);
    assert_int_equal(groups_stats(world.groups).alerts, 0); /* those left out are told, too */
    world_deinit(&world);
}

static bool nothing_waits(void *userdata, const char *channel, struct str group_key) {
    return false;
}

static void hostile_states_are_refused_or_harmless(void **state) {
    struct route_options routes[] = {route(0)};
    struct notify_options options = options_of(routes, 1);
    struct strbuf bytes = {0};
    struct world world;
    begin(&world);
    world_fire(&world, 0);
    world_until(&world, WAIT);
    world_deliver(&world, "ops/email", TOLD_ACCEPTED);
    world_fire(&world, 1);
    world_end(&world, 0);
    groups_pack(world.groups, world.time, &bytes);
    for (size_t bit = 0; bit < bytes.len * 8; bit++) {
        bytes.data[bit / 8] = (char)(bytes.data[bit / 8] ^ 1 << bit % 8);
        struct unpacker in = {strbuf_view(&bytes), false};
        world_forget(&world);
        world_new_groups(&world);
        bool fine = groups_unpack(world.groups, world.time, &in);
        assert_true(fine || groups_stats(world.groups).groups == 0);
        assert_int_equal(fine, !in.bad);
        world_apply(&world, &options);
        groups_reconcile(world.groups, nothing_waits, NULL);
        world_until(&world, 6 * MINUTE);
        bytes.data[bit / 8] = (char)(bytes.data[bit / 8] ^ 1 << bit % 8);
    }
    strbuf_deinit(&bytes);
    world_deinit(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_for_the_first_notification),
        cmocka_unit_test(an_old_alert_does_not_wait),
        cmocka_unit_test(tells_more_at_the_interval),
        cmocka_unit_test(repeats_after_the_repeat_interval),
        cmocka_unit_test(tells_ends_to_those_who_want_them),
        cmocka_unit_test(what_ended_in_time_is_never_told),
        cmocka_unit_test(the_newer_one_takes_the_place),
        cmocka_unit_test(whoever_is_not_told_again_ends),
        cmocka_unit_test(an_end_that_nobody_takes_is_given_up),
        cmocka_unit_test(a_restart_tells_nothing_twice),
        cmocka_unit_test(a_restart_loses_no_end),
        cmocka_unit_test(what_never_comes_back_ends_after_a_while),
        cmocka_unit_test(who_was_not_told_is_not_kept),
        cmocka_unit_test(another_route_changes_nothing),
        cmocka_unit_test(a_new_channel_is_told_at_the_next_flush),
        cmocka_unit_test(a_route_that_goes_ends_its_groups),
        cmocka_unit_test(counts_what_no_route_takes),
        cmocka_unit_test(keeps_its_limits),
        cmocka_unit_test(tells_of_large_groups_the_first_ones),
        cmocka_unit_test(hostile_states_are_refused_or_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
