/* SPDX-License-Identifier: Apache-2.0 */

/* The event loop: order, exactness, and freeing anything anywhere. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "turn.h"

struct world {
    struct loop *loop;
    int calls;
    struct loop_timer *timer, *victim;
    struct loop_io *io;
    struct loop_deferred *deferred;
    struct loop_signal *signal;
    uint32_t revents;
};

static int set_up(void **state) {
    static struct world world;
    memset(&world, 0, sizeof(world));
    *state = &world;
    return loop_new(&world.loop);
}

static int tear_down(void **state) {
    struct world *world = *state;
    world->timer = loop_timer_free(world->timer);
    world->victim = loop_timer_free(world->victim);
    world->io = loop_io_free(world->io);
    world->deferred = loop_deferred_free(world->deferred);
    world->signal = loop_signal_free(world->signal);
    world->loop = loop_free(world->loop);
    return 0;
}

static void count(void *userdata) {
    ((struct world *)userdata)->calls++;
}

static void fires_a_timer_once_and_not_early(void **state) {
    struct world *world = *state;
    world->timer = loop_timer_new(world->loop, count, world);
    assert_false(loop_timer_is_set(world->timer));
    uint64_t due = loop_clock_usec() + 5 * USEC_PER_MSEC;
    loop_timer_set(world->timer, due);
    assert_true(loop_timer_is_set(world->timer));
    assert_true(turn_until(world->loop, &world->calls, 1));
    assert_true(loop_clock_usec() >= due);
    assert_true(loop_now_usec(world->loop) >= due);
    assert_false(loop_timer_is_set(world->timer));
    turn_for(world->loop, 5 * USEC_PER_MSEC);
    assert_int_equal(world->calls, 1);
}

static void fires_at_once_for_a_time_that_has_passed(void **state) {
    struct world *world = *state;
    world->timer = loop_timer_new(world->loop, count, world);
    loop_timer_set(world->timer, 1);
    assert_int_equal(world->calls, 0);
    assert_true(turn_until(world->loop, &world->calls, 1));
    /* That was a wish, not the loop's lateness. */
    assert_true(loop_lateness(world->loop)->max_seconds < 1);
}

static void never_fires_a_stopped_timer(void **state) {
    struct world *world = *state;
    world->timer = loop_timer_new(world->loop, count, world);
    loop_timer_set(world->timer, 1);
    loop_timer_stop(world->timer);
    turn_for(world->loop, 2 * USEC_PER_MSEC);
    assert_int_equal(world->calls, 0);
}

static void rearm(void *userdata) {
    struct world *world = userdata;
    if (++world->calls < 3) {
        loop_timer_set(world->timer, loop_now_usec(world->loop));
    }
}

static void rearms_a_timer_in_its_callback(void **state) {
    struct world *world = *state;
    world->timer = loop_timer_new(world->loop, rearm, world);
    loop_timer_set(world->timer, 0);
    assert_true(turn_until(world->loop, &world->calls, 3));
    turn_for(world->loop, 2 * USEC_PER_MSEC);
    assert_int_equal(world->calls, 3);
}

static void free_both(void *userdata) {
    struct world *world = userdata;
    world->calls++;
    world->timer = loop_timer_free(world->timer);
    world->victim = loop_timer_free(world->victim);
}

static void frees_itself_and_a_due_neighbour(void **state) {
    struct world *world = *state;
    world->timer = loop_timer_new(world->loop, free_both, world);
    world->victim = loop_timer_new(world->loop, free_both, world);
    loop_timer_set(world->timer, 1);
    loop_timer_set(world->victim, 1);
    assert_true(turn_until(world->loop, &world->calls, 1));
    turn_for(world->loop, 2 * USEC_PER_MSEC);
    assert_int_equal(world->calls, 1);
}

static void ready(void *userdata, uint32_t revents) {
    struct world *world = userdata;
    world->calls++;
    world->revents = revents;
}

static void reports_what_a_descriptor_is_ready_for(void **state) {
    struct world *world = *state;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    world->io = loop_io_new(world->loop, ends[0], EPOLLIN, ready, world);
    turn_until_quiet(world->loop);
    assert_int_equal(world->calls, 0);
    loop_io_set_events(world->io, EPOLLOUT);
    assert_true(turn_until(world->loop, &world->calls, 1));
    assert_int_equal(world->revents, EPOLLOUT);
    world->io = loop_io_free(world->io);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void keeps_hang_ups_to_itself_without_events(void **state) {
    struct world *world = *state;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    world->io = loop_io_new(world->loop, ends[0], 0, ready, world);
    (void)close(ends[1]);
    turn_for(world->loop, 2 * USEC_PER_MSEC);
    assert_int_equal(world->calls, 0);
    loop_io_set_events(world->io, EPOLLIN);
    assert_true(turn_until(world->loop, &world->calls, 1));
    assert_true((world->revents & EPOLLHUP) != 0);
    world->io = loop_io_free(world->io);
    (void)close(ends[0]);
}

static void free_deferred(void *userdata) {
    struct world *world = userdata;
    world->calls++;
    world->deferred = loop_deferred_free(world->deferred);
}

static void defers_once_and_only_to_the_next_turn(void **state) {
    struct world *world = *state;
    world->deferred = loop_deferred_new(world->loop, free_deferred, world);
    turn_until_quiet(world->loop);
    assert_int_equal(world->calls, 0);
    loop_deferred_arm(world->deferred);
    loop_deferred_arm(world->deferred);
    assert_int_equal(world->calls, 0);
    turn_until_quiet(world->loop);
    assert_int_equal(world->calls, 1);
    assert_null(world->deferred);
}

static void cancels_a_deferred_call_that_is_freed(void **state) {
    struct world *world = *state;
    world->deferred = loop_deferred_new(world->loop, count, world);
    loop_deferred_arm(world->deferred);
    world->deferred = loop_deferred_free(world->deferred);
    turn_until_quiet(world->loop);
    assert_int_equal(world->calls, 0);
}

static void defer_again(void *userdata) {
    struct world *world = userdata;
    loop_deferred_arm(world->deferred);
}

static void goes_round_while_a_call_defers_itself_again(void **state) {
    struct world *world = *state;
    int pipe_fds[2];
    assert_int_equal(pipe(pipe_fds), 0);
    assert_int_equal(write(pipe_fds[1], "x", 1), 1);
    world->deferred = loop_deferred_new(world->loop, defer_again, world);
    loop_deferred_arm(world->deferred);
    turn_for(world->loop, 1 * USEC_PER_MSEC);
    world->io = loop_io_new(world->loop, pipe_fds[0], EPOLLIN, ready, world);
    world->timer = loop_timer_new(world->loop, count, world);
    loop_timer_set(world->timer, loop_clock_usec());
    turn_for(world->loop, 20 * USEC_PER_MSEC);
    assert_false(loop_timer_is_set(world->timer));
    assert_int_equal(world->revents, EPOLLIN);
    world->io = loop_io_free(world->io);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

static void catches_a_signal_as_an_event(void **state) {
    struct world *world = *state;
    world->signal = loop_signal_new(world->loop, SIGUSR2, count, world);
    assert_int_equal(raise(SIGUSR2), 0);
    assert_int_equal(world->calls, 0);
    assert_true(turn_until(world->loop, &world->calls, 1));
}

static void stall(void *userdata) {
    struct world *world = userdata;
    uint64_t until = loop_clock_usec() + 30 * USEC_PER_MSEC;
    while (loop_clock_usec() < until) {}
    world->calls++;
}

static void counts_how_late_a_stalled_loop_is(void **state) {
    struct world *world = *state;
    world->timer = loop_timer_new(world->loop, stall, world);
    world->victim = loop_timer_new(world->loop, count, world);
    uint64_t now = loop_clock_usec();
    loop_timer_set(world->timer, now + 1 * USEC_PER_MSEC);
    loop_timer_set(world->victim, now + 5 * USEC_PER_MSEC);
    assert_true(turn_until(world->loop, &world->calls, 2));
    const struct loop_lateness *lateness = loop_lateness(world->loop);
    assert_true(lateness->count == 2);
    assert_true(lateness->max_seconds >= 0.02);
    assert_true(lateness->sum_seconds >= lateness->max_seconds);
    assert_true(lateness->cumulative[3] <= 1); /* at most one within 10 ms */
    for (size_t i = 1; i < LOOP_LATENESS_BUCKETS; i++) {
        assert_true(lateness->cumulative[i] >= lateness->cumulative[i - 1]);
        assert_true(loop_lateness_bounds[i] > loop_lateness_bounds[i - 1]);
    }
    loop_lateness_reset_max(world->loop);
    assert_true(lateness->max_seconds == 0);
}

static void leave(void *userdata) {
    loop_exit(((struct world *)userdata)->loop, 7);
}

static void runs_until_it_is_told_to_exit(void **state) {
    struct world *world = *state;
    world->deferred = loop_deferred_new(world->loop, leave, world);
    loop_deferred_arm(world->deferred);
    loop_enable_watchdog(world->loop);
    assert_int_equal(loop_run(world->loop), 7);
}

static void lets_calls_be_armed_after_its_end(void **state) {
    struct world *world = *state;
    world->deferred = loop_deferred_new(world->loop, leave, world);
    loop_deferred_arm(world->deferred);
    assert_int_equal(loop_run(world->loop), 7);
    loop_deferred_arm(world->deferred);
    world->victim = loop_timer_new(world->loop, leave, world);
    loop_timer_set(world->victim, 0);
    assert_int_equal(loop_run(world->loop), 7);
}

static void returns_nothing_when_nothing_happens(void **state) {
    struct world *world = *state;
    assert_int_equal(loop_run_once(world->loop, 1000), 0);
}

static void frees_nothing_for_null(void **state) {
    assert_null(loop_free(NULL));
    assert_null(loop_timer_free(NULL));
    assert_null(loop_io_free(NULL));
    assert_null(loop_deferred_free(NULL));
    assert_null(loop_signal_free(NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(fires_a_timer_once_and_not_early),
        TEST(fires_at_once_for_a_time_that_has_passed),
        TEST(never_fires_a_stopped_timer),
        TEST(rearms_a_timer_in_its_callback),
        TEST(frees_itself_and_a_due_neighbour),
        TEST(reports_what_a_descriptor_is_ready_for),
        TEST(keeps_hang_ups_to_itself_without_events),
        TEST(defers_once_and_only_to_the_next_turn),
        TEST(cancels_a_deferred_call_that_is_freed),
        TEST(goes_round_while_a_call_defers_itself_again),
        TEST(catches_a_signal_as_an_event),
        TEST(counts_how_late_a_stalled_loop_is),
        TEST(runs_until_it_is_told_to_exit),
        TEST(lets_calls_be_armed_after_its_end),
        TEST(returns_nothing_when_nothing_happens),
        cmocka_unit_test(frees_nothing_for_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
