/* SPDX-License-Identifier: Apache-2.0 */

#include "io/tls_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

static struct tls_stamp stamp_of(const struct stat *info) {
    return (struct tls_stamp){
        .device = info->st_dev,
        .inode = info->st_ino,
        .size = (uint64_t)info->st_size,
        .seconds = info->st_mtim.tv_sec,
        .nanoseconds = info->st_mtim.tv_nsec,
    };
}

struct tls_stamp tls_file_stamp(const char *path) {
    struct stat info;
    return path != NULL && stat(path, &info) == 0 ? stamp_of(&info) : (struct tls_stamp){0};
}

bool tls_stamp_equal(const struct tls_stamp *a, const struct tls_stamp *b) {
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->seconds == b->seconds && a->nanoseconds == b->nanoseconds;
}

/* buffer has room for size bytes. Return: bytes read, which are fewer when the file has become
 * shorter, or negative errno. */
static ssize_t read_all(int fd, char *buffer, size_t size) {
    size_t length = 0;
    while (length < size) {
        ssize_t n = read(fd, buffer + length, size - length);
        if (n == 0) {
            break;
        }
        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        length += n > 0 ? (size_t)n : 0;
    }
    return (ssize_t)length;
}

static int read_open(int fd, const char *path, char **ret, size_t *ret_length, struct error *err) {
    struct stat info;
    if (fstat(fd, &info) < 0) {
        return error_say(err, -errno, "'%.150s' cannot be examined: %s", path, strerror(errno));
    }
    if (!S_ISREG(info.st_mode)) {
        return error_say(err, -EINVAL, "'%.150s' is not a file", path);
    }
    if (info.st_size > (off_t)TLS_FILE_MOST_BYTES) {
        return error_say(err, -EFBIG, "'%.150s' is larger than %zu bytes", path,
                         TLS_FILE_MOST_BYTES);
    }
    char *buffer = mem_alloc((size_t)info.st_size + 1);
    ssize_t length = read_all(fd, buffer, (size_t)info.st_size);
    if (length < 0) {
        mem_free_secret(buffer);
        return error_say(err, (int)length, "'%.150s' cannot be read: %s", path,
                         strerror((int)-length));
    }
    *ret = buffer;
    *ret_length = (size_t)length;
    return 0;
}

int tls_file_read(const char *path, char **ret, size_t *ret_length, struct error *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return error_say(err, -errno, "'%.150s' cannot be opened: %s", path, strerror(errno));
    }
    int r = read_open(fd, path, ret, ret_length, err);
    (void)close(fd);
    return r;
}
