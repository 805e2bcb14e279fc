/* SPDX-License-Identifier: Apache-2.0 */

/* WAITING -> RUNNING -> (STOPPING -> KILLED) -> gone. Whether its end is decided, whether it was
 * told, and whether there still is a child are independent: after SIGKILL the answer is given at
 * once, and the slot stays taken until the child is reaped. Only the deferred call tells, one a
 * turn, and touches nothing of ours afterwards. */
#include "io/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/mem.h"
#include "io/descriptors.h"
#include "io/process_child.h"
#include "io/process_user.h"

#define READ_BYTES         ((size_t)16 * 1024)
#define READS_PER_TURN     8
#define READS_AT_THE_END   128                  /* a pipe holds 64 KiB, at most 1 MiB */
#define REAP_INTERVAL_USEC (10 * USEC_PER_MSEC) /* without a pidfd */
#define LAST_TERM_MSEC     200                  /* for all who are stopped because of our end */
#define LAST_KILL_MSEC     100

enum stage { WAITING, RUNNING, STOPPING, KILLED };

struct process {
    struct processes *processes;
    struct process *previous, *next;
    char **words, **environment;
    struct process_user *user; /* NULL: ours */
    struct strbuf input, output;
    uint64_t timeout_usec, grace_usec, started_usec, took_usec;
    size_t max_output_bytes;
    enum stage stage;
    bool decided, told, cut;
    enum process_end end;
    int code;
    pid_t pid;        /* 0: no child, or it is reaped */
    pid_t reader_pid; /* who reads the output when we are gone; 0: nobody */
    int pid_fd, output_fd, report_fd;
    struct loop_io *pid_io, *output_io;
    struct loop_timer *timer, *reap_timer;
    void (*done)(void *userdata, const struct process_result *result);
    void *userdata;
};

struct processes {
    struct loop *loop;
    struct process *first, *last; /* in the order of submission */
    unsigned max_running, n_running;
    struct loop_deferred *deferred;
};

/* ---- the list ---- */

static void unlink_process(struct process *process) {
    struct processes *all = process->processes;
    *(process->previous != NULL ? &process->previous->next : &all->first) = process->next;
    *(process->next != NULL ? &process->next->previous : &all->last) = process->previous;
}

static void append_process(struct processes *all, struct process *process) {
    process->previous = all->last;
    *(all->last != NULL ? &all->last->next : &all->first) = process;
    all->last = process;
}

static void close_fd(int *fd, struct loop_io **io) {
    *io = loop_io_free(*io);
    if (*fd >= 0) {
        (void)close(*fd);
        *fd = -1;
    }
}

static void close_report(struct process *process) {
    if (process->report_fd >= 0) {
        (void)close(process->report_fd);
        process->report_fd = -1;
    }
}

static char **copy_texts(const char *const *texts) {
    size_t count = 0;
    while (texts[count] != NULL) {
        count++;
    }
    char **copy = mem_array(count + 1, sizeof(*copy));
    for (size_t i = 0; i < count; i++) {
        copy[i] = mem_strdup(texts[i]);
    }
    return copy;
}

static void free_texts(char **texts) {
    for (size_t i = 0; texts[i] != NULL; i++) {
        mem_free_secret(texts[i]);
    }
    free(texts);
}

/* It is at the end of a read at most, so it is gone at once. */
static void end_reader(struct process *process) {
    if (process->reader_pid > 0) {
        (void)kill(process->reader_pid, SIGKILL);
        while (waitpid(process->reader_pid, NULL, 0) < 0 && errno == EINTR) {}
        process->reader_pid = 0;
    }
}

static void forget(struct process *process) {
    unlink_process(process);
    end_reader(process);
    close_fd(&process->pid_fd, &process->pid_io);
    close_fd(&process->output_fd, &process->output_io);
    close_report(process);
    (void)loop_timer_free(process->timer);
    (void)loop_timer_free(process->reap_timer);
    free_texts(process->words);
    free_texts(process->environment);
    free(process->user);
    strbuf_deinit(&process->input);
    strbuf_deinit(&process->output);
    free(process);
}

static void decide(struct process *process, enum process_end end, int code) {
    if (process->decided) {
        return;
    }
    process->decided = true;
    process->end = end;
    process->code = code;
    if (process->stage != WAITING) {
        process->took_usec = loop_clock_usec() - process->started_usec;
    }
    loop_deferred_arm(process->processes->deferred);
}

/* ---- output ---- */

/* Return: whether there may be more at once. */
static bool read_some(struct process *process) {
    char bytes[READ_BYTES];
    ssize_t n = read(process->output_fd, bytes, sizeof(bytes));
    if (n <= 0) {
        if (n == 0) {
            close_fd(&process->output_fd, &process->output_io);
        }
        return n < 0 && errno == EINTR;
    }
    size_t room = process->max_output_bytes - process->output.len;
    process->cut = process->cut || (size_t)n > room;
    strbuf_add(&process->output, bytes, (size_t)n < room ? (size_t)n : room);
    return true;
}

static void on_output(void *userdata, uint32_t revents) {
    struct process *process = userdata;
    for (int i = 0; i < READS_PER_TURN && read_some(process); i++) {}
}

/* ---- its end ---- */

/* The child leads its group. Until it is reaped, its number cannot be another's. */
static void signal_group(const struct process *process, int number) {
    if (process->pid > 0) {
        (void)kill(-process->pid, number);
    }
}

static void start_waiting(struct processes *all);

/* Return: false while it still runs. */
static bool reap(struct process *process) {
    siginfo_t info = {0};
    int r;
    do {
        r = waitid(P_PID, (id_t)process->pid, &info, WEXITED | WNOHANG | WNOWAIT);
    } while (r < 0 && errno == EINTR);
    if (r == 0 && info.si_pid == 0) {
        return false;
    }
    /* What it wrote is in the pipe, whoever else may hold the other end. */
    for (int i = 0; i < READS_AT_THE_END && process->output_fd >= 0 && read_some(process); i++) {}
    int os_errno = 0;
    bool not_started = read(process->report_fd, &os_errno, sizeof(os_errno)) == sizeof(os_errno);
    if (r == 0) {
        signal_group(process, SIGKILL);
        (void)waitid(P_PID, (id_t)process->pid, &info, WEXITED | WNOHANG);
    }
    process->pid = 0;
    end_reader(process);
    process->processes->n_running--;
    loop_timer_stop(process->timer);
    close_fd(&process->pid_fd, &process->pid_io);
    close_fd(&process->output_fd, &process->output_io);
    close_report(process);
    if (process->stage != RUNNING) {
        decide(process, PROCESS_TIMEOUT, 0);
    } else if (not_started) {
        decide(process, PROCESS_NOT_STARTED, os_errno);
    } else if (r < 0) { /* somebody else has reaped it: nobody knows */
        decide(process, PROCESS_EXITED, 255);
    } else {
        decide(process, info.si_code == CLD_EXITED ? PROCESS_EXITED : PROCESS_SIGNALED,
               info.si_status);
    }
    return true;
}

static void try_reap(struct process *process) {
    struct processes *all = process->processes;
    if (!reap(process)) {
        return;
    }
    if (process->told) {
        forget(process);
    }
    start_waiting(all);
}

static void on_exit_of_child(void *userdata, uint32_t revents) {
    try_reap(userdata);
}

static void ask_whether_it_ended(void *userdata) {
    struct process *process = userdata;
    loop_timer_set(process->reap_timer,
                   loop_now_usec(process->processes->loop) + REAP_INTERVAL_USEC);
    try_reap(process);
}

static void stop(struct process *process) {
    process->stage = STOPPING;
    signal_group(process, SIGTERM);
    loop_timer_set(process->timer, loop_clock_usec() + process->grace_usec);
}

static void on_timer(void *userdata) {
    struct process *process = userdata;
    if (process->stage == WAITING) {
        decide(process, PROCESS_BUSY, 0);
    } else if (process->stage == RUNNING) {
        stop(process);
    } else {
        process->stage = KILLED;
        signal_group(process, SIGKILL);
        decide(process, PROCESS_TIMEOUT, 0);
    }
}

/* ---- its start ---- */

/* Return: a file with the input, its position at the beginning, or negative errno. */
static int input_file(struct str input) {
    int fd = memfd_create("input", MFD_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    while (input.len > 0) {
        ssize_t n = write(fd, input.data, input.len);
        if (n < 0 && errno != EINTR) {
            int r = -errno;
            (void)close(fd);
            return r;
        }
        if (n > 0) {
            input.data += n;
            input.len -= (size_t)n;
        }
    }
    (void)lseek(fd, 0, SEEK_SET);
    return fd;
}

static void close_all(int *fds, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (fds[i] >= 0) {
            (void)close(fds[i]);
        }
    }
}

/* Return: the child's number, or negative errno. */
static pid_t fork_child(const struct process *process, const int fds[3]) {
    sigset_t every, before;
    (void)sigfillset(&every);
    (void)sigprocmask(SIG_SETMASK, &every, &before);
    pid_t pid = fork();
    int os_errno = errno;
    if (pid == 0) {
        process_child_run(&(struct process_child){.words = process->words,
                                                  .environment = process->environment,
                                                  .user = process->user,
                                                  .input = fds[0],
                                                  .output = fds[1],
                                                  .report = fds[2]});
    }
    if (pid > 0) {
        (void)setpgid(pid, pid); /* whoever comes first */
    }
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return pid < 0 ? -os_errno : pid;
}

/* Return: its number, or 0: without it a program may die of what it writes when we are gone. */
static pid_t fork_reader(int output, int report) {
    sigset_t every, before;
    (void)sigfillset(&every);
    (void)sigprocmask(SIG_SETMASK, &every, &before);
    pid_t pid = fork();
    if (pid == 0) {
        process_child_stand_by(output, report);
    }
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return pid > 0 ? pid : 0;
}

static void watch_child(struct process *process) {
    struct loop *loop = process->processes->loop;
    process->output_io = loop_io_new(loop, process->output_fd, EPOLLIN, on_output, process);
    process->pid_fd = (int)syscall(SYS_pidfd_open, process->pid, 0);
    if (process->pid_fd >= 0) {
        process->pid_io = loop_io_new(loop, process->pid_fd, EPOLLIN, on_exit_of_child, process);
    } else {
        process->reap_timer = loop_timer_new(loop, ask_whether_it_ended, process);
        loop_timer_set(process->reap_timer, loop_clock_usec() + REAP_INTERVAL_USEC);
    }
    loop_timer_set(process->timer, process->started_usec + process->timeout_usec);
}

/* Return: 0 or negative errno. */
static int start(struct process *process) {
    int input = -1, output[2] = {-1, -1}, report[2] = {-1, -1};
    pid_t pid = -EMFILE;
    if (descriptors_are_scarce(NULL)) {
        return -EMFILE;
    }
    input = input_file(strbuf_view(&process->input));
    if (input < 0) {
        return input;
    }
    if (pipe2(output, O_CLOEXEC) < 0 || pipe2(report, O_CLOEXEC) < 0 ||
        fcntl(output[0], F_SETFL, O_NONBLOCK) < 0 || fcntl(report[0], F_SETFL, O_NONBLOCK) < 0) {
        pid = -errno;
    } else { /* the reader first: we may be killed before the next call */
        process->reader_pid = fork_reader(output[0], report[1]);
        pid = fork_child(process, (const int[]){input, output[1], report[1]});
    }
    close_all((int[]){input, output[1], report[1]}, 3);
    if (pid < 0) {
        end_reader(process);
        close_all((int[]){output[0], report[0]}, 2);
        return pid;
    }
    process->pid = pid;
    process->output_fd = output[0];
    process->report_fd = report[0];
    process->stage = RUNNING;
    process->started_usec = loop_clock_usec();
    process->processes->n_running++;
    watch_child(process);
    return 0;
}

/* Calls nobody back. */
static void start_waiting(struct processes *all) {
    for (struct process *p = all->first; p != NULL && all->n_running < all->max_running;
         p = p->next) {
        if (p->stage == WAITING && !p->decided) {
            int r = start(p);
            if (r < 0) {
                decide(p, PROCESS_NOT_STARTED, -r);
            }
        }
    }
}

/* ---- answers ---- */

static void tell(struct process *process) {
    struct strbuf output = process->output;
    process->output = (struct strbuf){0};
    process->max_output_bytes = 0;
    const struct process_result result = {
        .end = process->end,
        .code = process->code,
        .output = strbuf_view(&output),
        .cut = process->cut,
        .took_usec = process->took_usec,
    };
    void (*done)(void *, const struct process_result *) = process->done;
    void *userdata = process->userdata;
    process->told = true;
    if (process->pid == 0) {
        forget(process);
    }
    done(userdata, &result);
    strbuf_deinit(&output);
}

static void tell_one(void *userdata) {
    struct processes *all = userdata;
    struct process *owed = NULL;
    size_t count = 0;
    for (struct process *p = all->first; p != NULL; p = p->next) {
        if (p->decided && !p->told) {
            owed = owed != NULL ? owed : p;
            count++;
        }
    }
    if (count > 1) {
        loop_deferred_arm(all->deferred);
    }
    if (owed != NULL) {
        tell(owed);
    }
}

static size_t count_waiting(const struct processes *all) {
    size_t count = 0;
    for (const struct process *p = all->first; p != NULL; p = p->next) {
        count += p->stage == WAITING && !p->decided ? 1 : 0;
    }
    return count;
}

struct process *process_submit(struct processes *all, const struct process_request *request) {
    struct process *process = mem_alloc(sizeof(*process));
    size_t max_output = request->max_output_bytes;
    *process = (struct process){
        .processes = all,
        .words = copy_texts(request->words),
        .environment = copy_texts(request->environment),
        .user = request->user != NULL ? mem_dup(request->user, sizeof(*request->user)) : NULL,
        .timeout_usec = request->timeout_usec,
        .grace_usec = request->grace_usec != 0 ? request->grace_usec : PROCESS_GRACE_USEC,
        .max_output_bytes = max_output != 0 ? max_output : PROCESS_MOST_OUTPUT_BYTES,
        .pid_fd = -1,
        .output_fd = -1,
        .report_fd = -1,
        .timer = loop_timer_new(all->loop, on_timer, process),
        .done = request->done,
        .userdata = request->userdata,
    };
    bool full = count_waiting(all) >= PROCESS_MOST_WAITING;
    append_process(all, process);
    if (request->input.len > PROCESS_MOST_INPUT_BYTES) {
        decide(process, PROCESS_NOT_STARTED, E2BIG);
    } else if (full) {
        decide(process, PROCESS_BUSY, 0);
    } else {
        strbuf_add_str(&process->input, request->input);
        loop_timer_set(process->timer, loop_clock_usec() + process->timeout_usec);
        start_waiting(all);
    }
    return process;
}

struct process *process_free(struct process *process) {
    if (process == NULL) {
        return NULL;
    }
    process->told = true;
    if (process->pid == 0) {
        forget(process);
    } else if (process->stage == RUNNING) {
        stop(process);
    }
    return NULL;
}

/* ---- all of them ---- */

struct processes *processes_new(struct loop *loop, unsigned max_running) {
    struct processes *all = mem_alloc(sizeof(*all));
    *all = (struct processes){
        .loop = loop,
        .max_running = max_running != 0 ? max_running : PROCESS_MOST_RUNNING,
        .deferred = loop_deferred_new(loop, tell_one, all),
    };
    /* With SIGCHLD ignored the kernel reaps, and numbers of children may become those of others
     * while we still mean to signal them. */
    struct sigaction action;
    if (sigaction(SIGCHLD, NULL, &action) == 0 && action.sa_handler == SIG_IGN) {
        (void)signal(SIGCHLD, SIG_DFL);
    }
    return all;
}

/* Signals all and waits for them together. */
static void end_all(struct processes *all, int number, int wait_msec) {
    for (struct process *p = all->first; p != NULL; p = p->next) {
        signal_group(p, number);
    }
    for (struct process *p = all->first; p != NULL; p = p->next) {
        for (; p->pid > 0 && !reap(p) && wait_msec > 0; wait_msec--) {
            struct pollfd exited = {.fd = p->pid_fd, .events = POLLIN};
            (void)poll(&exited, 1, 1);
        }
    }
}

struct processes *processes_free(struct processes *all) {
    if (all == NULL) {
        return NULL;
    }
    for (struct process *p = all->first; p != NULL; p = p->next) {
        decide(p, PROCESS_CANCELED, 0);
        loop_timer_stop(p->timer);
    }
    all->deferred = loop_deferred_free(all->deferred);
    end_all(all, SIGTERM, LAST_TERM_MSEC);
    end_all(all, SIGKILL, LAST_KILL_MSEC);
    struct process *process;
    while ((process = all->first) != NULL) {
        process->pid = 0; /* who cannot die is left to init */
        if (process->told) {
            forget(process);
        } else {
            tell(process);
        }
    }
    free(all);
    return NULL;
}

unsigned processes_running(const struct processes *processes) {
    return processes->n_running;
}

const char *process_describe(const struct process_result *result, char out[PROCESS_TEXT_BYTES]) {
    char took[32];
    int n = 0;
    switch (result->end) {
    case PROCESS_EXITED:
        n = snprintf(out, PROCESS_TEXT_BYTES, "it ended with exit code %d", result->code);
        break;
    case PROCESS_SIGNALED:
        n = snprintf(out, PROCESS_TEXT_BYTES, "signal %d ended it", result->code);
        break;
    case PROCESS_TIMEOUT:
        n = snprintf(out, PROCESS_TEXT_BYTES, "it was stopped after %s",
                     duration_format(result->took_usec / USEC_PER_MSEC * USEC_PER_MSEC, took));
        break;
    case PROCESS_NOT_STARTED:
        n = snprintf(out, PROCESS_TEXT_BYTES, "it cannot be started: %s", strerror(result->code));
        break;
    case PROCESS_BUSY:
        n = snprintf(out, PROCESS_TEXT_BYTES, "its turn did not come: too many others run");
        break;
    case PROCESS_CANCELED:
        n = snprintf(out, PROCESS_TEXT_BYTES, "we stopped waiting");
        break;
    }
    (void)n;
    return out;
}
