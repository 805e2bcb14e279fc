/* SPDX-License-Identifier: Apache-2.0 */

/* The one event loop, over sd-event: timers, descriptors, signals, deferred calls.
 *
 * Everything runs on one thread, and nothing may hold the loop for more than a few milliseconds.
 * Freeing any source inside any callback, its own included, is legal. Only this file reads clocks:
 * loop_now_usec() for deadlines and state machines, loop_now_ms() for what is stored or shown. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

struct loop;
struct loop_timer;
struct loop_io;
struct loop_signal;

/* Return: 0 or negative errno. */
int loop_new(struct loop **ret);
struct loop *loop_free(struct loop *loop); /* all sources must have been freed before */
DEFINE_CLEANUP(struct loop, loop_free);

/* Runs until loop_exit(), which is called in a callback. Return: its code, or negative errno. What
 * is armed after that is not run. */
int loop_run(struct loop *loop);
void loop_exit(struct loop *loop, int code);

/* Waits for at most timeout_usec and handles what is ready: for tests.
 * Return: > 0 when something was handled, 0 on time-out, negative errno. */
int loop_run_once(struct loop *loop, uint64_t timeout_usec);

/* CLOCK_BOOTTIME in microseconds, as of this turn of the loop. */
uint64_t loop_now_usec(const struct loop *loop);
/* Wall clock in milliseconds since 1970, read now. */
int64_t loop_now_ms(const struct loop *loop);
/* CLOCK_BOOTTIME read now: to measure what happens within a turn. */
uint64_t loop_clock_usec(void);
/* Processor time of this thread: to tell work from waiting. */
uint64_t loop_cpu_usec(void);
/* The address space of the process: to see what a library takes. Cheap, for its file stays open.
 * Return: 0 when it is not known. */
uint64_t loop_mapped_bytes(const struct loop *loop);

/* A one-shot timer, unarmed at first; its callback may arm it again. */
struct loop_timer *loop_timer_new(struct loop *loop, void (*fired)(void *userdata), void *userdata);
void loop_timer_set(struct loop_timer *timer, uint64_t at_usec); /* absolute, loop_now_usec() */
void loop_timer_stop(struct loop_timer *timer);
bool loop_timer_is_set(const struct loop_timer *timer);
struct loop_timer *loop_timer_free(struct loop_timer *timer);
DEFINE_CLEANUP(struct loop_timer, loop_timer_free);

/* Watches a descriptor (not owned; free this before it is closed): events and revents are EPOLLIN,
 * EPOLLOUT, EPOLLHUP... No events: not even hang-ups and errors are reported. */
struct loop_io *loop_io_new(struct loop *loop, int fd, uint32_t events,
                            void (*ready)(void *userdata, uint32_t revents), void *userdata);
void loop_io_set_events(struct loop_io *io, uint32_t events);
struct loop_io *loop_io_free(struct loop_io *io);
DEFINE_CLEANUP(struct loop_io, loop_io_free);

/* Calls back once from the next turn of the loop, however it is woken. Freeing cancels it. What
 * waits already has its turn first, also when the callback arms it anew each time. */
struct loop_deferred;
struct loop_deferred *loop_deferred_new(struct loop *loop, void (*run)(void *userdata),
                                        void *userdata); /* unarmed */
void loop_deferred_arm(struct loop_deferred *deferred);
struct loop_deferred *loop_deferred_free(struct loop_deferred *deferred);
DEFINE_CLEANUP(struct loop_deferred, loop_deferred_free);

/* Signals are blocked for the process and arrive as events. */
struct loop_signal *loop_signal_new(struct loop *loop, int signal_number,
                                    void (*caught)(void *userdata), void *userdata);
struct loop_signal *loop_signal_free(struct loop_signal *signal);

/* How late timers fired: the loop's own health. Buckets are cumulative, bounds in seconds. */
#define LOOP_LATENESS_BUCKETS 10
extern const double loop_lateness_bounds[LOOP_LATENESS_BUCKETS]; /* 1, 2, 5 ... ms to 1 s */
struct loop_lateness {
    double cumulative[LOOP_LATENESS_BUCKETS];
    double count, sum_seconds, max_seconds; /* max since the last loop_lateness_reset_max() */
};
const struct loop_lateness *loop_lateness(const struct loop *loop);
void loop_lateness_reset_max(struct loop *loop);

/* sd_event watchdog: keeps systemd's WatchdogSec= content as long as the loop turns. */
void loop_enable_watchdog(struct loop *loop);
