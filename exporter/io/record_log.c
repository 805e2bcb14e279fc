/* SPDX-License-Identifier: Apache-2.0 */

#include "io/record_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/mem.h"
#include "base/pack.h"
#include "io/durable.h"

#define DEADLINE_USEC (10 * USEC_PER_SEC)
#define HEAD_BYTES    8
#define RECORD_HEAD   8
#define TRIAL_BYTES   4096 /* a block of most file systems */

/* How a worker ends that has failed: the file is the old one, or maybe not. */
enum worker_exit { EXIT_OLD = 1, EXIT_UNSURE = 2 };

static const char head[HEAD_BYTES + 1] = "dbvlog1\n";

struct entry {
    struct entry *next;
    void (*written)(void *userdata, const struct error *err);
    void *userdata;
    struct strbuf bytes; /* with its head */
};

struct record_log {
    struct loop *loop;
    struct worker_pool *pool;
    char *path;
    uint64_t deadline_usec;
    uint64_t end;               /* behind the last good record */
    uint64_t open;              /* bytes of what waits and is being written */
    struct entry *first, *last; /* what waits, and before it what is being written */
    size_t n_writing;           /* of them */
    struct strbuf writing;      /* their bytes; with the file's head when it is new */
    struct worker_job *job;     /* NULL: none */
    bool trial;                 /* the first is taken away again */
    bool freed;
    struct strbuf replacement; /* the new file, as long as it is not known to stand */
    void (*replaced)(void *userdata, const struct error *err); /* NULL: there is none */
    void *replaced_userdata;
    bool unsure; /* whether it stands */
};

/* ---- reading ---- */

static uint32_t number_at(const char *data) {
    const unsigned char *bytes = (const unsigned char *)data;
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

/* Return: bytes of good records, or -EBADMSG with the place of the damage in *err. */
static int64_t read_records(struct str text, void (*record)(void *userdata, struct str bytes),
                            void *userdata, struct error *err) {
    size_t at = HEAD_BYTES;
    if (text.len < HEAD_BYTES) {
        return memcmp(text.data, head, text.len) == 0
                   ? 0
                   : error_say(err, -EBADMSG, "it does not begin as a log does");
    }
    if (memcmp(text.data, head, HEAD_BYTES) != 0) {
        return error_say(err, -EBADMSG, "it does not begin as a log of this version does");
    }
    while (text.len - at >= RECORD_HEAD) {
        size_t length = number_at(text.data + at);
        if (length > RECORD_LOG_MOST_RECORD) {
            return error_say(err, -EBADMSG, "the record at byte %zu is too long to be one", at);
        }
        if (length > text.len - at - RECORD_HEAD) {
            break; /* torn */
        }
        const char *bytes = text.data + at + RECORD_HEAD;
        if (crc32c(bytes, length) != number_at(text.data + at + 4)) {
            return error_say(err, -EBADMSG, "the record at byte %zu is not as it was written", at);
        }
        record(userdata, (struct str){bytes, length});
        at += RECORD_HEAD + length;
    }
    return (int64_t)at;
}

/* ---- writing, in a worker ---- */

static int write_at(int fd, struct str bytes, uint64_t offset) {
    while (bytes.len > 0) {
        ssize_t n = pwrite(fd, bytes.data, bytes.len, (off_t)offset);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -errno;
        }
        bytes.data += n;
        bytes.len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

static bool is_at(const char *path, const struct stat *info) {
    struct stat there;
    return stat(path, &there) == 0 && there.st_dev == info->st_dev && there.st_ino == info->st_ino;
}

/* A writer that was given up on and hangs in the kernel may still write, or put another file into
 * the place of this one: until it is gone.
 * Return: descriptor, closed by the caller, or negative errno. */
static int open_locked(const struct record_log *log, int flags, struct stat *ret_info) {
    int r = 0, fd = open(log->path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return -errno;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
        r = -EWOULDBLOCK;
    } else if (fstat(fd, ret_info) < 0) {
        r = -errno;
    } else if (!is_at(log->path, ret_info)) {
        r = -EWOULDBLOCK;
    } else if (!S_ISREG(ret_info->st_mode)) {
        r = -ESTALE;
    }
    if (r < 0) {
        close(fd);
    }
    return r < 0 ? r : fd;
}

static int write_records(const struct record_log *log) {
    struct stat info;
    int fd = open_locked(log, O_WRONLY | O_CREAT, &info);
    if (fd < 0) {
        return fd;
    }
    /* A file that has become shorter is not ours to go on with. */
    int r = (uint64_t)info.st_size < log->end ? -ESTALE : 0;
    if (r == 0 && (uint64_t)info.st_size > log->end && ftruncate(fd, (off_t)log->end) < 0) {
        r = -errno;
    }
    if (r == 0) {
        r = write_at(fd, strbuf_view(&log->writing), log->end);
    }
    if (r == 0 && fsync(fd) < 0) {
        r = -errno;
    }
    if (r == 0 && log->trial && ftruncate(fd, (off_t)log->end) < 0) {
        r = -errno;
    }
    if (close(fd) < 0 && r == 0) {
        r = -errno;
    }
    return r == 0 && log->end == 0 ? durable_sync_folder(log->path) : r;
}

static int tell(int fd, int r, int status) {
    const char *why = r == -ESTALE        ? "somebody else has changed it"
                      : r == -EWOULDBLOCK ? "an earlier write hangs"
                                          : strerror(-r);
    worker_write(fd, why, strlen(why));
    return status;
}

static int work(const void *input, int fd) {
    int r = write_records(input);
    return r < 0 ? tell(fd, r, EXIT_OLD) : 0;
}

/* Holds the lock of the old file until it ends, so that nobody goes on with that meanwhile. */
static int work_replace(const void *input, int fd) {
    const struct record_log *log = input;
    struct str contents = strbuf_view(&log->replacement);
    struct stat info;
    struct error err = {0};
    int old = open_locked(log, O_RDONLY, &info);
    if (old < 0) {
        return tell(fd, old, EXIT_OLD);
    }
    bool ours = (uint64_t)info.st_size >= log->end ||
                (log->unsure && (uint64_t)info.st_size == contents.len);
    int r = ours ? durable_write_now(log->path, contents, &err) : -ESTALE;
    return r == 0 ? 0 : tell(fd, r, is_at(log->path, &info) ? EXIT_OLD : EXIT_UNSURE);
}

/* ---- the queue ---- */

static void free_entry(struct entry *entry) {
    strbuf_deinit(&entry->bytes);
    free(entry);
}

static struct entry *take_first(struct record_log *log) {
    struct entry *entry = log->first;
    log->first = entry->next;
    log->last = log->first != NULL ? log->last : NULL;
    return entry;
}

static void release(struct record_log *log) {
    while (log->first != NULL) {
        free_entry(take_first(log));
    }
    strbuf_deinit(&log->writing);
    strbuf_deinit(&log->replacement);
    free(log->path);
    free(log);
}

static void start(struct record_log *log);

/* Answers those that were written together. May free the log: it is not touched after the last. */
static void answer(struct record_log *log, const struct error *err) {
    struct entry *done = NULL, **end = &done;
    while (log->n_writing > 0) {
        log->n_writing--;
        log->open -= log->first->bytes.len;
        *end = take_first(log);
        end = &(*end)->next;
    }
    *end = NULL;
    if (log->first != NULL && log->job == NULL) {
        start(log);
    }
    while (done != NULL) {
        struct entry *entry = done;
        done = entry->next;
        entry->written(entry->userdata, err);
        free_entry(entry);
    }
}

static void say(const struct record_log *log, const struct worker_result *result,
                struct error *err) {
    bool failed = result->status == WORKER_FAILED;
    if (failed && result->answer.len > 0) {
        error_say(err, -EIO, "cannot write '%s': %.*s", log->path, (int)result->answer.len,
                  result->answer.data);
    } else if (result->status != WORKER_OK) {
        error_say(err, -EIO, "cannot write '%s': %s", log->path,
                  failed                             ? "whoever writes it was killed"
                  : result->status == WORKER_TIMEOUT ? "the disk does not answer"
                                                     : "no worker for it");
    }
}

/* Return: whether there is anybody to tell, in these words; if not, the log may be gone. */
static bool job_ended(struct record_log *log, const struct worker_result *result,
                      struct error *err) {
    log->job = NULL;
    if (log->freed) {
        release(log);
        return false;
    }
    if (result->status == WORKER_CANCELED) {
        return false;
    }
    say(log, result, err);
    return true;
}

static void done(void *userdata, const struct worker_result *result) {
    struct record_log *log = userdata;
    struct error err = {0};
    if (!job_ended(log, result, &err)) {
        return;
    }
    if (result->status == WORKER_OK) {
        log->end += log->trial ? 0 : log->writing.len;
    }
    strbuf_clear(&log->writing);
    log->trial = false;
    answer(log, &err);
}

/* Whether the worker has left the old file for certain. */
static bool left_old(const struct worker_result *result) {
    return result->status == WORKER_BUSY ||
           (result->status == WORKER_FAILED && result->code == EXIT_OLD);
}

/* Nothing of what waits was written, and nothing may be. */
static void refuse_all(struct record_log *log, struct error *err) {
    err->code = -EIO;
    log->trial = false;
    for (const struct entry *entry = log->first; entry != NULL; entry = entry->next) {
        log->n_writing++;
    }
    answer(log, err);
}

static void replace_done(void *userdata, const struct worker_result *result) {
    struct record_log *log = userdata;
    void (*replaced)(void *, const struct error *) = log->replaced;
    void *its_userdata = log->replaced_userdata;
    struct error err = {0};
    if (!job_ended(log, result, &err)) {
        return;
    }
    if (result->status != WORKER_OK && (log->unsure || !left_old(result))) {
        log->unsure = true;
        err.code = -EINPROGRESS;
        replaced(its_userdata, &err);
        refuse_all(log, &err);
        return;
    }
    log->end = result->status == WORKER_OK ? log->replacement.len : log->end;
    log->unsure = false;
    log->replaced = NULL;
    strbuf_deinit(&log->replacement);
    if (log->first != NULL) {
        start(log);
    }
    replaced(its_userdata, &err);
}

static void submit(struct record_log *log, int (*run)(const void *input, int fd),
                   void (*ended)(void *userdata, const struct worker_result *result)) {
    log->job =
        worker_submit(log->pool, &(struct worker_request){
                                     .work = run,
                                     .input = log,
                                     .deadline_usec = loop_now_usec(log->loop) + log->deadline_usec,
                                     .done = ended,
                                     .userdata = log,
                                 });
}

static void start(struct record_log *log) {
    if (log->replaced != NULL) {
        submit(log, work_replace, replace_done);
        return;
    }
    if (log->end == 0) {
        strbuf_add(&log->writing, head, HEAD_BYTES);
    }
    for (struct entry *entry = log->first; entry != NULL; entry = entry->next) {
        strbuf_add_str(&log->writing, strbuf_view(&entry->bytes));
        log->n_writing++;
        if (log->trial) {
            break; /* what has come behind it stays */
        }
    }
    submit(log, work, done);
}

static void pack_u32(struct strbuf *out, uint32_t value) {
    for (int i = 0; i < 4; i++) {
        strbuf_add_char(out, (char)(value >> (8 * i)));
    }
}

static void add_record(struct strbuf *out, struct str bytes) {
    pack_u32(out, (uint32_t)bytes.len);
    pack_u32(out, crc32c(bytes.data, bytes.len));
    strbuf_add_str(out, bytes);
}

int record_log_append(struct record_log *log, struct str bytes,
                      void (*written)(void *userdata, const struct error *err), void *userdata) {
    uint64_t whole = RECORD_HEAD + bytes.len;
    if (bytes.len > RECORD_LOG_MOST_RECORD ||
        log->end + log->open + whole > RECORD_LOG_MOST_BYTES) {
        return -EFBIG;
    }
    struct entry *entry = mem_alloc(sizeof(*entry));
    entry->written = written;
    entry->userdata = userdata;
    add_record(&entry->bytes, bytes);
    log->open += whole;
    if (log->last != NULL) {
        log->last->next = entry;
    } else {
        log->first = entry;
    }
    log->last = entry;
    if (log->job == NULL) {
        start(log);
    }
    return 0;
}

int record_log_try(struct record_log *log, void (*tried)(void *userdata, const struct error *err),
                   void *userdata) {
    if (log->first != NULL || log->job != NULL) {
        return -EBUSY;
    }
    if (!log->unsure && log->end + RECORD_LOG_MOST_RECORD > RECORD_LOG_MOST_BYTES) {
        return -EFBIG;
    }
    struct entry *entry = mem_alloc(sizeof(*entry));
    entry->written = tried;
    entry->userdata = userdata;
    /* Longer by its own word than it is: torn, should it stay. */
    pack_u32(&entry->bytes, RECORD_LOG_MOST_RECORD);
    for (size_t i = 4; i < TRIAL_BYTES; i++) {
        strbuf_add_char(&entry->bytes, 0);
    }
    log->open += entry->bytes.len;
    log->first = log->last = entry;
    log->trial = true;
    start(log);
    return 0;
}

void record_log_add(struct strbuf *contents, struct str bytes) {
    if (contents->len == 0) {
        strbuf_add(contents, head, HEAD_BYTES);
    }
    add_record(contents, bytes);
}

int record_log_replace(struct record_log *log, struct strbuf *contents,
                       void (*replaced)(void *userdata, const struct error *err), void *userdata) {
    if (record_log_busy(log)) {
        return -EBUSY;
    }
    log->replacement = *contents;
    log->replaced = replaced;
    log->replaced_userdata = userdata;
    *contents = (struct strbuf){0};
    start(log);
    return 0;
}

uint64_t record_log_bytes(const struct record_log *log) {
    return log->end;
}

bool record_log_busy(const struct record_log *log) {
    return log->first != NULL || log->replaced != NULL;
}

/* ---- life ---- */

int record_log_open(const struct record_log_options *options,
                    void (*record)(void *userdata, struct str bytes), void *userdata,
                    struct record_log **ret, struct error *err) {
    struct strbuf text = {0};
    struct error inner = {0};
    int64_t end = 0;
    durable_clear(options->path);
    int r = durable_read_now(options->path, RECORD_LOG_MOST_BYTES, &text, err);
    if (r == 0) {
        end = read_records(strbuf_view(&text), record, userdata, &inner);
    }
    strbuf_deinit(&text);
    if (r < 0 && r != -ENOENT) {
        return r;
    }
    if (end < 0) {
        return error_say(err, (int)end, "'%s' is damaged: %s", options->path, inner.text);
    }
    struct record_log *log = mem_alloc(sizeof(*log));
    *log = (struct record_log){
        .loop = options->loop,
        .pool = options->pool,
        .path = mem_strdup(options->path),
        .deadline_usec = options->deadline_usec != 0 ? options->deadline_usec : DEADLINE_USEC,
        .end = (uint64_t)end,
    };
    *ret = log;
    return 0;
}

struct record_log *record_log_free(struct record_log *log) {
    if (log == NULL) {
        return NULL;
    }
    if (log->job != NULL) {
        log->freed = true; /* what is being written is written to its end */
    } else {
        release(log);
    }
    return NULL;
}
