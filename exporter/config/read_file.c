/* SPDX-License-Identifier: Apache-2.0 */

/* Small files, whole and under a limit. */
#include "config/read_file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define FIRST_BYTES ((size_t)16 * 1024)

#define PIPE_WAIT_MS 5000

static int too_large(size_t most, struct error *err) {
    return error_say(err, -EFBIG, "is larger than %zu bytes", most);
}

static int check_kind(int fd, size_t most, struct error *err) {
    struct stat info;
    if (fstat(fd, &info) < 0) {
        return error_say(err, -errno, "cannot be examined: %s", strerror(errno));
    }
    if (S_ISDIR(info.st_mode)) {
        return error_say(err, -EISDIR, "is a directory");
    }
    if (!S_ISREG(info.st_mode) && !S_ISFIFO(info.st_mode)) {
        return error_say(err, -EINVAL, "is neither a file nor a pipe");
    }
    if (S_ISREG(info.st_mode) && info.st_size > (off_t)most) {
        return too_large(most, err);
    }
    return 0;
}

/* Like read(), but waits for data: the descriptor does not block, so that a pipe without a writer
 * cannot hold us for ever. */
static ssize_t read_some(int fd, char *out, size_t size) {
    for (;;) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        int ready = poll(&poll_fd, 1, PIPE_WAIT_MS);
        if (ready == 0) {
            return -ETIMEDOUT;
        }
        ssize_t n = ready > 0 ? read(fd, out, size) : -1;
        if (n >= 0) {
            return n;
        }
        if (errno != EINTR && errno != EAGAIN) {
            return -errno;
        }
    }
}

/* What is read so far. Secrets may stand in it, so nothing of it is left behind in memory. */
struct contents {
    char *data;
    size_t length, capacity;
};

static void contents_wipe(struct contents *contents) {
    if (contents->data != NULL) {
        explicit_bzero(contents->data, contents->capacity);
        free(contents->data);
    }
    *contents = (struct contents){0};
}

/* Room for one byte more than is allowed, which shows that there is more. */
static void contents_grow(struct contents *contents, size_t most) {
    size_t larger = contents->capacity == 0 ? FIRST_BYTES : 2 * contents->capacity;
    struct contents grown = {
        .length = contents->length,
        .capacity = larger < most + 1 ? larger : most + 1,
    };
    grown.data = mem_alloc(grown.capacity);
    if (contents->length > 0) {
        memcpy(grown.data, contents->data, contents->length);
    }
    contents_wipe(contents);
    *contents = grown;
}

static int read_all(int fd, size_t most, struct contents *contents, struct error *err) {
    while (contents->length <= most) {
        if (contents->length == contents->capacity) {
            contents_grow(contents, most);
        }
        ssize_t n =
            read_some(fd, contents->data + contents->length, contents->capacity - contents->length);
        if (n == -ETIMEDOUT) {
            return error_say(err, (int)n, "is a pipe that nobody writes to");
        }
        if (n < 0) {
            return error_say(err, (int)n, "cannot be read: %s", strerror((int)-n));
        }
        if (n == 0) {
            return 0;
        }
        contents->length += (size_t)n;
    }
    return too_large(most, err);
}

static int say_open_failed(int error, struct error *err) {
    if (error == ENOENT) {
        return error_say(err, -error, "does not exist");
    }
    if (error == EACCES) {
        return error_say(err, -error, "may not be read by user id %u", (unsigned)geteuid());
    }
    return error_say(err, -error, "cannot be opened: %s", strerror(error));
}

int read_file(const char *path, size_t most, char **ret, size_t *ret_length, struct error *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return say_open_failed(errno, err);
    }
    struct contents contents = {0};
    int r = check_kind(fd, most, err);
    r = r < 0 ? r : read_all(fd, most, &contents, err);
    close(fd);
    if (r == 0) {
        *ret = mem_strndup(contents.data != NULL ? contents.data : "", contents.length);
        *ret_length = contents.length;
    }
    contents_wipe(&contents);
    return r;
}
