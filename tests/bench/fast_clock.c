/* SPDX-License-Identifier: Apache-2.0 */

/* Preloaded into a daemon: its clocks run $FAST_CLOCK times as fast as real ones from its start on,
 * and its timers fire accordingly. An hour of rounds is then there after a few minutes, with all
 * that belongs to it: intervals of collectors, slots of rules, retention. Clocks of CPU time are
 * the real ones. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define NSEC_PER_SEC INT64_C(1000000000)
#define MOST_CLOCKS  16
#define MOST_FILES   1024

/* Where each clock was at the start. */
static int64_t begin_nsec[MOST_CLOCKS];
/* The clocks of timer descriptors. */
static clockid_t file_clocks[MOST_FILES];
static int64_t factor = 1;

static bool is_fast(clockid_t clock) {
    return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME ||
           clock == CLOCK_REALTIME_COARSE || clock == CLOCK_MONOTONIC_COARSE;
}

static int64_t nsec_of(const struct timespec *time) {
    return time->tv_sec * NSEC_PER_SEC + time->tv_nsec;
}

static struct timespec time_of(int64_t nsec) {
    return (struct timespec){nsec / NSEC_PER_SEC, nsec % NSEC_PER_SEC};
}

__attribute__((constructor)) static void begin(void) {
    const char *text = getenv("FAST_CLOCK");
    factor = text != NULL && atoi(text) > 0 ? atoi(text) : 1;
    for (clockid_t clock = 0; clock < MOST_CLOCKS; clock++) {
        struct timespec now;
        if (is_fast(clock) && syscall(SYS_clock_gettime, clock, &now) == 0) {
            begin_nsec[clock] = nsec_of(&now);
        }
    }
}

int clock_gettime(clockid_t clock, struct timespec *ret) {
    long r = syscall(SYS_clock_gettime, clock, ret);
    if (r == 0 && is_fast(clock)) {
        *ret = time_of(begin_nsec[clock] + (nsec_of(ret) - begin_nsec[clock]) * factor);
    }
    return (int)r;
}

int timerfd_create(clockid_t clock, int flags) {
    int fd = (int)syscall(SYS_timerfd_create, clock, flags);
    if (fd >= 0 && fd < MOST_FILES) {
        file_clocks[fd] = clock;
    }
    return fd;
}

/* Of what may stand in an itimerspec the event loop uses absolute single times only. */
int timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old) {
    struct itimerspec real = *new;
    int64_t at = nsec_of(&new->it_value);
    if ((flags & TFD_TIMER_ABSTIME) != 0 && fd >= 0 && fd < MOST_FILES) {
        int64_t from = begin_nsec[file_clocks[fd]];
        if (at > from && at / NSEC_PER_SEC < INT64_MAX / NSEC_PER_SEC / 2) {
            real.it_value = time_of(from + (at - from) / factor);
        }
    }
    return (int)syscall(SYS_timerfd_settime, fd, flags, &real, old);
}
