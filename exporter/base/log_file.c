/* SPDX-License-Identifier: Apache-2.0 */

#include "base/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define SECONDS_PER_DAY 86400
#define RETRY_SECONDS   60

static int64_t day_of(int64_t seconds) {
    return seconds / SECONDS_PER_DAY;
}

/* Takes a descriptor over, with what is in the file. */
static void take_fd(struct log_file *file, int fd, int64_t now_s) {
    struct stat status = {0};
    bool known = fstat(fd, &status) == 0;
    log_file_close(file);
    file->fd = fd;
    file->regular = known && S_ISREG(status.st_mode);
    file->size = file->regular ? (uint64_t)status.st_size : 0;
    file->day = day_of(file->size > 0 ? (int64_t)status.st_mtime : now_s);
}

/* A pipe without a reader must not stop us, nor a terminal become ours. */
static int open_path(const char *path) {
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
    return fd < 0 ? -errno : fd;
}

int log_file_open(struct log_file *file, const struct log_file_options *options, int64_t now_s) {
    int fd = open_path(options->path);
    if (fd < 0) {
        return fd;
    }
    *file = (struct log_file){.options = *options, .fd = -1};
    take_fd(file, fd, now_s);
    return 0;
}

void log_file_close(struct log_file *file) {
    if (file->fd >= 0) {
        close(file->fd);
    }
    file->fd = -1;
}

int log_file_reopen(struct log_file *file, int64_t now_s) {
    int fd = open_path(file->options.path);
    if (fd < 0) {
        return fd;
    }
    take_fd(file, fd, now_s);
    return 0;
}

bool log_file_is_due(const struct log_file *file, uint64_t more, int64_t now_s) {
    const uint64_t most = file->options.max_bytes;
    if (!file->regular || most == 0 || file->size == 0 || now_s < file->retry_s) {
        return false;
    }
    return file->size + more > most || day_of(now_s) > file->day;
}

static char *numbered(const char *path, unsigned number) {
    return number == 0 ? mem_strdup(path) : mem_printf("%s.%u", path, number);
}

/* PATH.2 becomes PATH.3, PATH.1 becomes PATH.2, PATH becomes PATH.1. Gaps are no error. */
static int shift(const struct log_file_options *options) {
    int r = 0;
    if (options->keep == 0) {
        return unlink(options->path) < 0 ? -errno : 0;
    }
    for (unsigned number = options->keep; number-- > 0;) {
        char *from = numbered(options->path, number), *to = numbered(options->path, number + 1);
        r = rename(from, to) < 0 ? -errno : 0;
        free(from);
        free(to);
    }
    return r; /* of PATH itself */
}

/* When it fails, the old file goes on growing: lines are worth more than its size. */
static void rotate(struct log_file *file, int64_t now_s) {
    int r = shift(&file->options);
    if (r == 0 || r == -ENOENT) {
        r = log_file_reopen(file, now_s);
    }
    file->retry_s = r < 0 ? now_s + RETRY_SECONDS : 0;
}

static uint64_t count_lines(struct str text) {
    uint64_t lines = 0;
    for (size_t i = 0; i < text.len; i++) {
        lines += text.data[i] == '\n' ? 1 : 0;
    }
    return lines;
}

/* The length of the text up to its last newline. */
static size_t whole_lines(struct str text) {
    const char *last = text.len > 0 ? memrchr(text.data, '\n', text.len) : NULL;
    return last != NULL ? (size_t)(last - text.data) + 1 : 0;
}

static struct str first_line(struct str text) {
    const char *end = memchr(text.data, '\n', text.len);
    return (struct str){text.data, end != NULL ? (size_t)(end - text.data) + 1 : text.len};
}

/* As many lines as fit, but one at least. */
static struct str what_fits(const struct log_file *file, struct str lines) {
    struct str first = first_line(lines);
    if (!file->regular || file->options.max_bytes == 0) {
        return lines;
    }
    uint64_t room = file->options.max_bytes > file->size ? file->options.max_bytes - file->size : 0;
    size_t len = room < lines.len ? whole_lines((struct str){lines.data, (size_t)room}) : lines.len;
    return (struct str){lines.data, len > first.len ? len : first.len};
}

/* Return: how many lines were lost. */
static uint64_t write_some(struct log_file *file, struct str lines) {
    ssize_t n;
    do {
        n = write(file->fd, lines.data, lines.len);
    } while (n < 0 && errno == EINTR);
    size_t done = n > 0 ? (size_t)n : 0;
    size_t kept = whole_lines((struct str){lines.data, done});
    /* Half a line would be glued to the next one. */
    if (kept < done && file->regular && ftruncate(file->fd, (off_t)(file->size + kept)) < 0) {
        kept = done;
    }
    file->size += kept;
    return count_lines((struct str){lines.data + kept, lines.len - kept});
}

/* Others may have cut the file or removed it meanwhile. */
static void look_again(struct log_file *file, int64_t now_s) {
    struct stat status;
    if (file->fd < 0 && now_s >= file->retry_s && log_file_reopen(file, now_s) < 0) {
        file->retry_s = now_s + RETRY_SECONDS;
    }
    if (!file->regular || fstat(file->fd, &status) < 0) {
        return;
    }
    file->size = (uint64_t)status.st_size;
    if (status.st_nlink == 0) {
        (void)log_file_reopen(file, now_s);
    }
}

uint64_t log_file_write(struct log_file *file, struct str lines, int64_t now_s) {
    uint64_t lost = 0;
    look_again(file, now_s);
    while (lines.len > 0) {
        if (log_file_is_due(file, first_line(lines).len, now_s)) {
            rotate(file, now_s);
        }
        if (file->size == 0) {
            file->day = day_of(now_s);
        }
        struct str part = what_fits(file, lines);
        lost += write_some(file, part);
        lines = (struct str){lines.data + part.len, lines.len - part.len};
    }
    return lost;
}
