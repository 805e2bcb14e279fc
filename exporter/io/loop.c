/* SPDX-License-Identifier: Apache-2.0 */

#include "io/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include "base/mem.h"

#define TIMER_ACCURACY_USEC 1000 /* 0 would mean sd-event's default, 250 ms */

const double loop_lateness_bounds[LOOP_LATENESS_BUCKETS] = {
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1,
};

struct loop {
    sd_event *event;
    bool exits;
    int exit_code;
    int statm; /* /proc/self/statm, or -1 */
    struct loop_lateness lateness;
};

struct loop_timer {
    struct loop *loop;
    sd_event_source *source;
    uint64_t due_usec;
    void (*fired)(void *userdata);
    void *userdata;
};

struct loop_io {
    sd_event_source *source;
    void (*ready)(void *userdata, uint32_t revents);
    void *userdata;
};

struct loop_deferred {
    sd_event *event;
    sd_event_source *source; /* NULL: never armed */
    void (*run)(void *userdata);
    void *userdata;
};

struct loop_signal {
    sd_event_source *source;
    void (*caught)(void *userdata);
    void *userdata;
};

/* What can fail here is memory, a descriptor that is none, or a loop that belongs to the process
 * that forked us: nothing that a caller could do something about. */
static void must(int r, const char *what) {
    if (r < 0) {
        (void)fprintf(stderr, "dbvitals: event loop: %s: %s\n", what, strerror(-r));
        abort();
    }
}

uint64_t loop_clock_usec(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t loop_cpu_usec(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t loop_mapped_bytes(const struct loop *loop) {
    char text[64] = "";
    ssize_t n = loop->statm >= 0 ? pread(loop->statm, text, sizeof(text) - 1, 0) : -1;
    return n > 0 ? strtoull(text, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

uint64_t loop_now_usec(const struct loop *loop) {
    uint64_t now;
    return sd_event_now(loop->event, CLOCK_BOOTTIME, &now) >= 0 ? now : loop_clock_usec();
}

int64_t loop_now_ms(const struct loop *loop) {
    (void)loop;
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int on_nothing(sd_event_source *source, uint64_t usec, void *userdata) {
    return 0;
}

/* All timers share one descriptor, which the first of them opens: when there is none left, that is
 * to be known now. */
static int open_timers(sd_event *event) {
    sd_event_source *source = NULL;
    int r = sd_event_add_time(event, &source, CLOCK_BOOTTIME, UINT64_MAX, TIMER_ACCURACY_USEC,
                              on_nothing, NULL);
    sd_event_source_disable_unref(source);
    return r;
}

int loop_new(struct loop **ret) {
    sd_event *event = NULL;
    int r = sd_event_new(&event);
    if (r >= 0) {
        r = open_timers(event);
    }
    if (r < 0) {
        sd_event_unref(event);
        return r;
    }
    struct loop *loop = mem_alloc(sizeof(*loop));
    loop->event = event;
    loop->statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    *ret = loop;
    return 0;
}

struct loop *loop_free(struct loop *loop) {
    if (loop != NULL) {
        sd_event_unref(loop->event);
        if (loop->statm >= 0) {
            (void)close(loop->statm);
        }
        free(loop);
    }
    return NULL;
}

/* Without sd_event_exit(), after which nothing may be armed: who is taken down later, with work
 * under way, cancels it by arming a call. */
int loop_run(struct loop *loop) {
    while (!loop->exits) {
        int r = sd_event_run(loop->event, UINT64_MAX);
        if (r < 0) {
            return r;
        }
    }
    return loop->exit_code;
}

void loop_exit(struct loop *loop, int code) {
    loop->exits = true;
    loop->exit_code = code;
}

int loop_run_once(struct loop *loop, uint64_t timeout_usec) {
    return sd_event_run(loop->event, timeout_usec);
}

void loop_enable_watchdog(struct loop *loop) {
    (void)sd_event_set_watchdog(loop->event, true);
}

const struct loop_lateness *loop_lateness(const struct loop *loop) {
    return &loop->lateness;
}

void loop_lateness_reset_max(struct loop *loop) {
    loop->lateness.max_seconds = 0;
}

static void count_lateness(struct loop_lateness *lateness, double seconds) {
    for (size_t i = 0; i < LOOP_LATENESS_BUCKETS; i++) {
        if (seconds <= loop_lateness_bounds[i]) {
            lateness->cumulative[i]++;
        }
    }
    lateness->count++;
    lateness->sum_seconds += seconds;
    if (seconds > lateness->max_seconds) {
        lateness->max_seconds = seconds;
    }
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
    struct loop_timer *timer = userdata;
    uint64_t now = loop_clock_usec();
    uint64_t late_usec = now > timer->due_usec ? now - timer->due_usec : 0;
    count_lateness(&timer->loop->lateness, (double)late_usec / 1e6);
    timer->fired(timer->userdata);
    return 0;
}

struct loop_timer *loop_timer_new(struct loop *loop, void (*fired)(void *userdata),
                                  void *userdata) {
    struct loop_timer *timer = mem_alloc(sizeof(*timer));
    *timer = (struct loop_timer){.loop = loop, .fired = fired, .userdata = userdata};
    must(sd_event_add_time(loop->event, &timer->source, CLOCK_BOOTTIME, UINT64_MAX,
                           TIMER_ACCURACY_USEC, on_timer, timer),
         "adding a timer");
    must(sd_event_source_set_enabled(timer->source, SD_EVENT_OFF), "stopping a timer");
    return timer;
}

void loop_timer_set(struct loop_timer *timer, uint64_t at_usec) {
    uint64_t now = loop_now_usec(timer->loop);
    /* A time that has passed already is the caller's wish, not the loop's lateness. */
    timer->due_usec = at_usec > now ? at_usec : now;
    must(sd_event_source_set_time(timer->source, at_usec), "setting a timer");
    must(sd_event_source_set_enabled(timer->source, SD_EVENT_ONESHOT), "arming a timer");
}

void loop_timer_stop(struct loop_timer *timer) {
    must(sd_event_source_set_enabled(timer->source, SD_EVENT_OFF), "stopping a timer");
}

bool loop_timer_is_set(const struct loop_timer *timer) {
    return sd_event_source_get_enabled(timer->source, NULL) > 0;
}

struct loop_timer *loop_timer_free(struct loop_timer *timer) {
    if (timer != NULL) {
        sd_event_source_disable_unref(timer->source);
        free(timer);
    }
    return NULL;
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
    struct loop_io *io = userdata;
    io->ready(io->userdata, revents);
    return 0;
}

struct loop_io *loop_io_new(struct loop *loop, int fd, uint32_t events,
                            void (*ready)(void *userdata, uint32_t revents), void *userdata) {
    struct loop_io *io = mem_alloc(sizeof(*io));
    *io = (struct loop_io){.ready = ready, .userdata = userdata};
    must(sd_event_add_io(loop->event, &io->source, fd, events, on_io, io), "watching a descriptor");
    if (events == 0) {
        loop_io_set_events(io, 0);
    }
    return io;
}

void loop_io_set_events(struct loop_io *io, uint32_t events) {
    /* epoll reports errors and hang-ups unasked, again and again: nothing means switched off. */
    if (events == 0) {
        must(sd_event_source_set_enabled(io->source, SD_EVENT_OFF), "switching a descriptor off");
        return;
    }
    must(sd_event_source_set_io_events(io->source, events), "changing a descriptor's events");
    must(sd_event_source_set_enabled(io->source, SD_EVENT_ON), "switching a descriptor on");
}

struct loop_io *loop_io_free(struct loop_io *io) {
    if (io != NULL) {
        sd_event_source_disable_unref(io->source);
        free(io);
    }
    return NULL;
}

static int on_deferred(sd_event_source *source, void *userdata) {
    struct loop_deferred *deferred = userdata;
    deferred->run(deferred->userdata);
    return 0;
}

struct loop_deferred *loop_deferred_new(struct loop *loop, void (*run)(void *userdata),
                                        void *userdata) {
    struct loop_deferred *deferred = mem_alloc(sizeof(*deferred));
    *deferred = (struct loop_deferred){.event = loop->event, .run = run, .userdata = userdata};
    return deferred;
}

/* A source of sd-event is pending from its making on and keeps that place in the queue even while
 * it is switched off: armed again and again it would always come first, and nobody else would have
 * a turn. A new one queues up behind those that wait. */
void loop_deferred_arm(struct loop_deferred *deferred) {
    if (deferred->source != NULL && sd_event_source_get_enabled(deferred->source, NULL) > 0) {
        return;
    }
    sd_event_source_disable_unref(deferred->source);
    deferred->source = NULL;
    must(sd_event_add_defer(deferred->event, &deferred->source, on_deferred, deferred),
         "arming a deferred call");
}

struct loop_deferred *loop_deferred_free(struct loop_deferred *deferred) {
    if (deferred != NULL) {
        sd_event_source_disable_unref(deferred->source);
        free(deferred);
    }
    return NULL;
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
    struct loop_signal *caught = userdata;
    caught->caught(caught->userdata);
    return 0;
}

struct loop_signal *loop_signal_new(struct loop *loop, int signal_number,
                                    void (*caught)(void *userdata), void *userdata) {
    struct loop_signal *watched = mem_alloc(sizeof(*watched));
    *watched = (struct loop_signal){.caught = caught, .userdata = userdata};
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, signal_number);
    must(sigprocmask(SIG_BLOCK, &set, NULL) < 0 ? -errno : 0, "blocking a signal");
    must(sd_event_add_signal(loop->event, &watched->source, signal_number, on_signal, watched),
         "watching a signal");
    return watched;
}

struct loop_signal *loop_signal_free(struct loop_signal *watched) {
    if (watched != NULL) {
        sd_event_source_disable_unref(watched->source);
        free(watched);
    }
    return NULL;
}
