/* SPDX-License-Identifier: Apache-2.0 */

#include "io/log_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "io/worker_child.h"

/* A burst of lines waits here while the disk is slow; the system may allow less. */
#define PIPE_BYTES (1024 * 1024)
/* Read at once; no line is longer. */
#define CHUNK_BYTES 65536

#define LAST_WAIT_MSEC 1000
#define LAST_LOOK_MSEC 2

enum { ALL, ERRORS, OUTPUTS };

/* One pipe and the file that it ends in. */
struct output {
    struct log_file_options options; /* path NULL: not used */
    int reader, writer;              /* the daemon holds both ends: see log_writer_check() */
};

struct log_writer {
    struct output outputs[OUTPUTS];
    pid_t child;
    uint64_t *lost; /* shared with the child */
};

/* ---- the child ---- */

struct sink {
    struct log_file file;
    int reader; /* -1: at its end */
    char text[CHUNK_BYTES];
    size_t len; /* of what waits for the rest of its line */
};

/* The child has no loop, and decides by this only when a file is renamed. */
static int64_t clock_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec;
}

/* Return: how many lines were lost. */
static uint64_t sink_write(struct sink *sink, size_t len) {
    struct str lines = {sink->text, len};
    uint64_t lost = log_file_write(&sink->file, lines, clock_seconds());
    sink->len -= len;
    memmove(sink->text, sink->text + len, sink->len);
    return lost;
}

static uint64_t sink_read(struct sink *sink) {
    ssize_t n = read(sink->reader, sink->text + sink->len, sizeof(sink->text) - sink->len);
    if (n < 0) {
        return 0; /* a signal, or nothing there after all */
    }
    if (n == 0) {
        sink->reader = -1;
        return 0;
    }
    sink->len += (size_t)n;
    const char *last = memrchr(sink->text, '\n', sink->len);
    size_t whole = last != NULL ? (size_t)(last - sink->text) + 1 : 0;
    return whole > 0 || sink->len == sizeof(sink->text)
               ? sink_write(sink, whole ? whole : sink->len)
               : 0;
}

static void reopen_files(struct sink *sinks) {
    for (size_t i = 0; i < OUTPUTS; i++) {
        if (sinks[i].reader >= 0) {
            (void)log_file_reopen(&sinks[i].file, clock_seconds());
        }
    }
}

/* A request to open files anew goes before lines that were written after it. */
static void serve(struct sink *sinks, int signal_fd, uint64_t *lost) {
    struct signalfd_siginfo ignored;
    while (sinks[ALL].reader >= 0 || sinks[ERRORS].reader >= 0) {
        struct pollfd fds[OUTPUTS + 1];
        for (size_t i = 0; i < OUTPUTS; i++) {
            fds[i] = (struct pollfd){.fd = sinks[i].reader, .events = POLLIN};
        }
        fds[OUTPUTS] = (struct pollfd){.fd = signal_fd, .events = POLLIN};
        int n = poll(fds, ARRAY_LEN(fds), -1);
        if (n > 0 && fds[OUTPUTS].revents != 0 && read(signal_fd, &ignored, sizeof(ignored)) > 0) {
            reopen_files(sinks);
        }
        for (size_t i = 0; n > 0 && i < OUTPUTS; i++) {
            if (fds[i].revents != 0) {
                __atomic_add_fetch(lost, sink_read(&sinks[i]), __ATOMIC_RELAXED);
            }
        }
    }
}

/* Keeps nothing of the daemon open but what the child reads; its connections must end with it. */
static void close_others(struct output *outputs) {
    int kept[OUTPUTS], null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (size_t i = 0; i < OUTPUTS; i++) {
        kept[i] = outputs[i].reader < 0 ? -1 : fcntl(outputs[i].reader, F_DUPFD, 3 + OUTPUTS);
    }
    for (int fd = 0; fd < 3; fd++) {
        (void)dup2(null_fd, fd);
    }
    for (int i = 0; i < OUTPUTS; i++) {
        outputs[i].reader = kept[i] < 0 ? -1 : dup2(kept[i], 3 + i);
        if (kept[i] < 0) {
            (void)close(3 + i);
        }
    }
    (void)close_range(3 + OUTPUTS, ~0U, 0);
}

_Noreturn static void run_child(struct log_writer *writer) {
    static struct sink sinks[OUTPUTS]; /* too large for a stack */
    sigset_t reopen;                   /* blocked like all others, and only looked at */
    (void)prctl(PR_SET_NAME, "dbvitals-log");
    close_others(writer->outputs);
    (void)sigemptyset(&reopen);
    (void)sigaddset(&reopen, SIGUSR2);
    int signal_fd = signalfd(-1, &reopen, SFD_CLOEXEC | SFD_NONBLOCK);
    for (size_t i = 0; i < OUTPUTS; i++) {
        const struct output *output = &writer->outputs[i];
        sinks[i].reader = output->reader;
        sinks[i].file = (struct log_file){.options = output->options, .fd = -1};
    }
    reopen_files(sinks);
    serve(sinks, signal_fd, writer->lost);
    worker_child_exit(0);
}

/* ---- the daemon ---- */

/* All signals stay blocked in the child. */
static void start_child(struct log_writer *writer) {
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, &before);
    pid_t child = fork();
    if (child == 0) {
        run_child(writer);
    }
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    writer->child = child > 0 ? child : 0;
}

static int open_output(struct output *output, struct error *err) {
    struct log_file probe;
    int ends[2];
    if (output->options.path == NULL) {
        return 0;
    }
    int r = log_file_open(&probe, &output->options, clock_seconds());
    if (r < 0) {
        return error_say(err, r, "log file '%s' cannot be written: %s", output->options.path,
                         strerrordesc_np(-r));
    }
    log_file_close(&probe);
    if (pipe2(ends, O_CLOEXEC) < 0) {
        return error_say(err, -errno, "no pipe for the log: %s", strerrordesc_np(errno));
    }
    (void)fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES);
    (void)fcntl(ends[1], F_SETFL, O_NONBLOCK);
    output->reader = ends[0];
    output->writer = ends[1];
    return 0;
}

static void close_output(struct output *output) {
    if (output->reader >= 0) {
        close(output->reader);
        close(output->writer);
    }
}

int log_writer_new(const struct log_writer_options *options, struct log_writer **ret,
                   struct error *err) {
    CLEANUP(log_writer_freep)
    struct log_writer *writer = mem_alloc(sizeof(*writer));
    writer->outputs[ALL] = (struct output){options->all, -1, -1};
    writer->outputs[ERRORS] = (struct output){options->errors, -1, -1};
    int r = open_output(&writer->outputs[ALL], err);
    if (r < 0 || (r = open_output(&writer->outputs[ERRORS], err)) < 0) {
        return r;
    }
    void *shared = mmap(NULL, sizeof(*writer->lost), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        return error_say(err, -errno, "no memory for the log's writer");
    }
    writer->lost = shared;
    start_child(writer);
    log_set_output(writer->outputs[ALL].writer, writer->outputs[ERRORS].writer);
    *ret = take_ptr(writer);
    return 0;
}

/* Return: whether there is no child (any more). */
static bool reap(struct log_writer *writer) {
    pid_t r = writer->child == 0 ? 0 : waitpid(writer->child, NULL, WNOHANG);
    if (r == writer->child || (r < 0 && errno == ECHILD)) {
        writer->child = 0;
    }
    return writer->child == 0;
}

struct log_writer *log_writer_free(struct log_writer *writer) {
    if (writer == NULL) {
        return NULL;
    }
    log_set_output(-1, -1);
    for (size_t i = 0; i < OUTPUTS; i++) {
        close_output(&writer->outputs[i]);
    }
    /* A service manager kills what is left of the daemon when the daemon is gone. */
    for (int waited = 0; !reap(writer) && waited < LAST_WAIT_MSEC; waited += LAST_LOOK_MSEC) {
        (void)nanosleep(&(struct timespec){.tv_nsec = LAST_LOOK_MSEC * 1000000L}, NULL);
    }
    if (writer->lost != NULL) {
        (void)munmap(writer->lost, sizeof(*writer->lost));
    }
    free(writer);
    return NULL;
}

void log_writer_reopen(struct log_writer *writer) {
    if (!reap(writer)) {
        (void)kill(writer->child, SIGUSR2);
    }
}

void log_writer_check(struct log_writer *writer) {
    if (reap(writer)) {
        start_child(writer);
    }
}

uint64_t log_writer_lost_lines(const struct log_writer *writer) {
    return __atomic_load_n(writer->lost, __ATOMIC_RELAXED);
}
