/* SPDX-License-Identifier: Apache-2.0 */

#include "io/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/log.h"
#include "base/mem.h"

#define DEADLINE_USEC ((uint64_t)60 * USEC_PER_SEC)
#define MOST_ASIDE    1000 /* numbers that are tried for a file set aside */

struct durable_file {
    struct durable_options options;
    char *path;
    struct strbuf writing, waiting;
    bool has_waiting;
    struct worker_job *job; /* NULL: none */
    bool freed;             /* by its owner; the job's end frees the rest */
};

/* ---- what blocks ---- */

static int write_all(int fd, struct str contents) {
    while (contents.len > 0) {
        ssize_t n = write(fd, contents.data, contents.len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -errno;
        }
        contents.data += n;
        contents.len -= (size_t)n;
    }
    return 0;
}

int durable_sync_folder(const char *path) {
    char *folder = mem_strdup(path);
    char *slash = strrchr(folder, '/');
    if (slash == NULL) {
        strcpy(folder, ".");
    } else {
        slash[slash == folder ? 1 : 0] = '\0';
    }
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    if (fd < 0) {
        return -errno;
    }
    int r = fsync(fd) < 0 ? -errno : 0;
    close(fd);
    return r;
}

/* What stands there was left by a crash, or is written by a worker that is being killed: it keeps
 * the old file, nobody writes into ours. */
static int open_new(const char *temporary) {
    (void)unlink(temporary);
    return open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

static char *temporary_of(const char *path) {
    return mem_printf("%s.new", path);
}

void durable_clear(const char *path) {
    char *temporary = temporary_of(path);
    (void)unlink(temporary);
    free(temporary);
}

int durable_write_now(const char *path, struct str contents, struct error *err) {
    char *temporary = temporary_of(path);
    int r = 0;
    int fd = open_new(temporary);
    if (fd < 0) {
        r = -errno;
    } else {
        r = write_all(fd, contents);
        if (r == 0 && fsync(fd) < 0) {
            r = -errno;
        }
        if (close(fd) < 0 && r == 0) {
            r = -errno;
        }
        if (r == 0 && rename(temporary, path) < 0) {
            r = -errno;
        }
        if (r < 0) {
            unlink(temporary);
        }
    }
    r = r == 0 ? durable_sync_folder(path) : r;
    free(temporary);
    return r == 0 ? 0 : error_say(err, r, "cannot write '%s': %s", path, strerror(-r));
}

int durable_read_now(const char *path, size_t most, struct strbuf *ret, struct error *err) {
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        int r = -errno;
        return r == -ENOENT ? r : error_say(err, r, "cannot read '%s': %s", path, strerror(-r));
    }
    int r = fstat(fd, &info) < 0 ? -errno : !S_ISREG(info.st_mode) ? -EINVAL : 0;
    size_t before = ret->len;
    while (r == 0) {
        ssize_t n = read(fd, strbuf_reserve(ret, 65536), 65536);
        if (n == 0) {
            break;
        }
        if (n < 0) {
            r = errno == EINTR ? 0 : -errno;
            continue;
        }
        ret->len += (size_t)n;
        r = ret->len - before > most ? -EFBIG : 0;
    }
    close(fd);
    ret->len = r == 0 ? ret->len : before;
    return r == 0 ? 0 : error_say(err, r, "cannot read '%s': %s", path, strerror(-r));
}

int durable_set_aside(const char *path, char *ret_new_name, struct error *err) {
    for (int i = 1; i <= MOST_ASIDE; i++) {
        snprintf(ret_new_name, PATH_MAX, "%s.bad-%d", path, i);
        /* link() does not replace what is there. */
        if (link(path, ret_new_name) == 0) {
            return unlink(path) == 0
                       ? 0
                       : error_say(err, -errno, "cannot remove '%s': %s", path, strerror(errno));
        }
        if (errno != EEXIST) {
            break;
        }
    }
    return error_say(err, -errno, "cannot set '%s' aside: %s", path, strerror(errno));
}

void durable_distrust(const char *path, const char *what, const char *is, const struct error *why,
                      const char *then) {
    char name[PATH_MAX];
    struct error err = {0};
    if (durable_set_aside(path, name, &err) < 0) {
        log_error("%s '%s' %s not used: %s; %s", what, path, is, why->text, err.text);
    } else {
        log_error("%s '%s' %s not used: %s; the file is kept as '%s', and %s", what, path, is,
                  why->text, name, then);
    }
}

/* ---- by a worker ---- */

static int work(const void *input, int fd) {
    const struct durable_file *file = input;
    struct error err = {0};
    int r = durable_write_now(file->path, strbuf_view(&file->writing), &err);
    if (r < 0) {
        worker_write(fd, err.text, strlen(err.text));
    }
    return r < 0 ? 1 : 0;
}

static void start(struct durable_file *file);

static void release(struct durable_file *file) {
    strbuf_deinit(&file->writing);
    strbuf_deinit(&file->waiting);
    free(file->path);
    free(file);
}

static void done(void *userdata, const struct worker_result *result) {
    struct durable_file *file = userdata;
    struct error err = {0};
    file->job = NULL;
    if (file->freed) {
        release(file);
        return;
    }
    if (result->status == WORKER_CANCELED) {
        return;
    }
    if (result->status == WORKER_FAILED && result->answer.len > 0) {
        error_say(&err, -EIO, "%.*s", (int)result->answer.len, result->answer.data);
    } else if (result->status != WORKER_OK) {
        error_say(&err, -EIO, "cannot write '%s': %s", file->path,
                  result->status == WORKER_TIMEOUT ? "the disk does not answer"
                                                   : "no worker for it");
    }
    if (file->has_waiting) {
        start(file);
    }
    if (file->options.written != NULL) {
        file->options.written(file->options.userdata, &err);
    }
}

static void start(struct durable_file *file) {
    strbuf_deinit(&file->writing);
    file->writing = file->waiting;
    file->waiting = (struct strbuf){0};
    file->has_waiting = false;
    file->job = worker_submit(
        file->options.pool, &(struct worker_request){
                                .work = work,
                                .input = file,
                                .deadline_usec = loop_now_usec(file->options.loop) + DEADLINE_USEC,
                                .done = done,
                                .userdata = file,
                            });
}

struct durable_file *durable_file_new(const struct durable_options *options) {
    struct durable_file *file = mem_alloc(sizeof(*file));
    file->options = *options;
    file->path = mem_strdup(options->path);
    return file;
}

struct durable_file *durable_file_free(struct durable_file *file) {
    if (file == NULL) {
        return NULL;
    }
    if (file->job != NULL) {
        file->freed = true; /* what is being written is written to its end */
    } else {
        release(file);
    }
    return NULL;
}

void durable_file_write(struct durable_file *file, struct strbuf *contents) {
    strbuf_deinit(&file->waiting);
    file->waiting = *contents;
    *contents = (struct strbuf){0};
    file->has_waiting = true;
    if (file->job == NULL) {
        start(file);
    }
}

bool durable_file_busy(const struct durable_file *file) {
    return file->job != NULL || file->has_waiting;
}
