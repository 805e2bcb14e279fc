/* SPDX-License-Identifier: Apache-2.0 */

#include "io/lock_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Record locks are those of a process: a worker that outlives a killed daemon for a moment does not
 * keep the next one from starting, as it would with flock(). */
int lock_file_take(const char *path, pid_t *ret_holder) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    *ret_holder = 0;
    if (fd < 0) {
        return -errno;
    }
    if (fcntl(fd, F_SETLK, &lock) == 0) {
        return fd;
    }
    int r = errno == EACCES || errno == EAGAIN ? -EBUSY : -errno;
    if (r == -EBUSY && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK) {
        *ret_holder = lock.l_pid > 0 ? lock.l_pid : 0;
    }
    close(fd);
    return r;
}
