/* SPDX-License-Identifier: Apache-2.0 */

/* Preloaded into a daemon: it is killed, as by kill -9, at one of its writes to failover.journal.
 * The file $JOURNAL_SHIM_FILE holds three int64 that the daemon and its workers share: how many
 * writes were begun, at which one to kill (1 is the first), and when: before it, when half of it is
 * written, or when it is on the disk and nobody was told. A worker writes, so its parent is who
 * dies. */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

enum moment { MOMENT_BEFORE, MOMENT_TORN, MOMENT_AFTER };

struct shared {
    volatile int64_t begun, at, moment;
};

/* NULL: nothing is to be done in this process. */
static struct shared *open_shared(void) {
    const char *path = getenv("JOURNAL_SHIM_FILE");
    int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) {
        return NULL;
    }
    void *mapped = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return mapped != MAP_FAILED ? mapped : NULL;
}

static struct shared *shared_of(int fd) {
    static const char name[] = "/failover.journal";
    const size_t length = sizeof(name) - 1;
    char link[64] = "/proc/self/fd/", target[PATH_MAX], digits[16];
    size_t n = 0;
    for (unsigned left = (unsigned)fd; n == 0 || left > 0; left /= 10) {
        digits[n++] = (char)('0' + left % 10);
    }
    for (size_t at = strlen(link); n > 0; at++) {
        link[at] = digits[--n];
    }
    ssize_t got = readlink(link, target, sizeof(target));
    return got >= (ssize_t)length && memcmp(target + got - length, name, length) == 0
               ? open_shared()
               : NULL;
}

/* The worker ends with its parent, of which it asked the kernel. */
_Noreturn static void end_both(void) {
    kill(getppid(), SIGKILL);
    _exit(1);
}

/* Compiled with the daemon's options, so its name in the library is the one that the daemon calls.
 */
ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset) {
    struct shared *shared = shared_of(fd);
    if (shared != NULL && ++shared->begun == shared->at && shared->moment != MOMENT_AFTER) {
        if (shared->moment == MOMENT_TORN) {
            (void)syscall(SYS_pwrite64, fd, bytes, size / 2, offset);
        }
        end_both();
    }
    return syscall(SYS_pwrite64, fd, bytes, size, offset);
}

int fsync(int fd) {
    int r = (int)syscall(SYS_fsync, fd);
    struct shared *shared = shared_of(fd);
    if (shared != NULL && shared->begun == shared->at && shared->moment == MOMENT_AFTER) {
        end_both();
    }
    return r;
}
