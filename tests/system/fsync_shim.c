/* SPDX-License-Identifier: Apache-2.0 */

/* Preloaded into a daemon: while the int64 in the file $FSYNC_SHIM_FILE is 1, its disk is stalled:
 * what asks for a file to be on the disk waits; while it is more, for so many milliseconds. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *open_file(void) {
    static const int64_t none = 0;
    const char *path = getenv("FSYNC_SHIM_FILE");
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) {
        return &none;
    }
    void *mapped = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    return mapped != MAP_FAILED ? mapped : &none;
}

static void wait_for_disk(void) {
    const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
    const volatile int64_t *stalled = open_file();
    for (int64_t ms = 0; *stalled == 1 || ms < *stalled; ms += 20) {
        (void)nanosleep(&pause, NULL);
    }
}

int fsync(int fd) {
    wait_for_disk();
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd) {
    wait_for_disk();
    return (int)syscall(SYS_fdatasync, fd);
}
