/* SPDX-License-Identifier: Apache-2.0 */

/* Preloaded into a daemon: its wall clock is ahead by as many seconds as stand in the file
 * $CLOCK_SHIM_FILE (an int64), which may change at any time. The other clocks are the real ones. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *open_file(void) {
    static const int64_t none = 0;
    const char *path = getenv("CLOCK_SHIM_FILE");
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) {
        return &none;
    }
    void *mapped = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    return mapped != MAP_FAILED ? mapped : &none;
}

int clock_gettime(clockid_t clock, struct timespec *ret) {
    static const volatile int64_t *ahead_seconds;
    long r = syscall(SYS_clock_gettime, clock, ret);
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) {
        if (ahead_seconds == NULL) {
            ahead_seconds = open_file();
        }
        ret->tv_sec += (time_t)*ahead_seconds;
    }
    return (int)r;
}
