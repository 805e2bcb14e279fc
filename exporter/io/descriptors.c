/* SPDX-License-Identifier: Apache-2.0 */

#include "io/descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

/* More than 500 targets and all HTTP connections need; unlimited tables cost memory. */
#define LIMIT_WANTED 65536
#define KEPT_BACK    32

void descriptors_raise_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= LIMIT_WANTED) {
        return;
    }
    limit.rlim_cur = limit.rlim_max < LIMIT_WANTED ? limit.rlim_max : LIMIT_WANTED;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* The kernel gives the lowest number that is free: one near the limit means that few are left. */
static int lowest_free(void) {
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        (void)close(fd);
    }
    return fd;
}

bool descriptors_are_scarce(struct error *err) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) {
        return false;
    }
    rlim_t kept_back = limit.rlim_cur / 4 < KEPT_BACK ? limit.rlim_cur / 4 : KEPT_BACK;
    int fd = lowest_free();
    if (fd >= 0 && (rlim_t)fd < limit.rlim_cur - kept_back) {
        return false;
    }
    error_say(err, -EMFILE,
              "no file descriptors are left for it: the limit is %llu (LimitNOFILE=, ulimit -n)",
              (unsigned long long)limit.rlim_cur);
    return true;
}
