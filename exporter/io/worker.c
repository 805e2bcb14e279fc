/* SPDX-License-Identifier: Apache-2.0 */

/* The parent's side of forked workers.
 *
 * A job is queued, then runs, then is *ended* (its status is decided), then answered. Being ended
 * and having no child left are independent: after a kill the answer is given at once, and the job
 * stays in the list, and its slot taken, until the child is reaped, so that children that cannot
 * die (stuck in the kernel) never become more than max_running.
 * The pool lives while `depth` callbacks of it are on the stack, also when it was freed in one. */
#include "io/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/worker_child.h"

#define READ_BYTES          ((size_t)16 * 1024)
#define READS_PER_TURN      4
#define REAP_INTERVAL_USEC  5000 /* without a pidfd: how often a child is asked whether it ended */
#define LAST_REAP_WAIT_MSEC 100  /* for all who were killed because their pool is freed */

struct worker_job {
    struct worker_pool *pool;
    struct worker_job *previous, *next;
    struct worker_request request;
    bool started, ended, answered;
    bool answering; /* its done() or gone() is on the stack */
    enum worker_status status;
    int code;
    pid_t pid; /* 0: no child, or it is reaped */
    int pid_fd, pipe_fd;
    struct loop_io *pid_io, *pipe_io;
    struct loop_timer *timer;
    uint64_t heard_usec; /* when it wrote last; 0: not yet */
    struct strbuf answer;
};

struct worker_pool {
    struct loop *loop;
    struct worker_options options;
    struct worker_job *first, *last; /* in the order of submission */
    unsigned n_running, n_queued;
    struct loop_deferred *deferred;
    unsigned depth;
    bool freed;
};

static void unlink_job(struct worker_job *job) {
    struct worker_pool *pool = job->pool;
    *(job->previous != NULL ? &job->previous->next : &pool->first) = job->next;
    *(job->next != NULL ? &job->next->previous : &pool->last) = job->previous;
}

static void append_job(struct worker_pool *pool, struct worker_job *job) {
    job->previous = pool->last;
    *(pool->last != NULL ? &pool->last->next : &pool->first) = job;
    pool->last = job;
}

static void close_pipe(struct worker_job *job) {
    job->pipe_io = loop_io_free(job->pipe_io);
    if (job->pipe_fd >= 0) {
        (void)close(job->pipe_fd);
        job->pipe_fd = -1;
    }
}

static void close_pid(struct worker_job *job) {
    job->pid_io = loop_io_free(job->pid_io);
    if (job->pid_fd >= 0) {
        (void)close(job->pid_fd);
        job->pid_fd = -1;
    }
}

static void free_job(struct worker_job *job) {
    unlink_job(job);
    close_pipe(job);
    close_pid(job);
    loop_timer_free(job->timer);
    strbuf_deinit_secret(&job->answer); /* may be a password file */
    free(job);
}

/* The child leads a process group of its own. Until it is reaped, its number cannot be another's.
 */
static void kill_child(const struct worker_job *job) {
    if (job->pid > 0) {
        (void)kill(-job->pid, SIGKILL);
        (void)kill(job->pid, SIGKILL);
    }
}

/* Return: whether the child is gone now; its exit status or minus its signal in job->code. */
static bool reap(struct worker_job *job) {
    siginfo_t info = {0};
    int r;
    do {
        r = waitid(P_PID, (id_t)job->pid, &info, WEXITED | WNOHANG | WNOWAIT);
    } while (r < 0 && errno == EINTR);
    if (r == 0 && info.si_pid == 0) {
        return false;
    }
    int code = 255; /* somebody else has reaped it: nobody knows */
    if (r == 0) {
        code = info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
        kill_child(job); /* what it left behind, while the number is still its own */
        (void)waitid(P_PID, (id_t)job->pid, &info, WEXITED | WNOHANG);
    }
    if (!job->ended) {
        job->code = code;
    }
    job->pid = 0;
    job->pool->n_running--;
    close_pid(job);
    return true;
}

/* When the child counts as late. */
static uint64_t due_usec(const struct worker_job *job) {
    uint64_t silent = job->heard_usec + job->request.patience_usec;
    bool sooner = job->request.patience_usec != 0 && job->heard_usec != 0 &&
                  silent < job->request.deadline_usec;
    return sooner ? silent : job->request.deadline_usec;
}

static void reap_later(struct worker_job *job) {
    uint64_t at = loop_now_usec(job->pool->loop) + REAP_INTERVAL_USEC;
    if (!job->ended && due_usec(job) < at) {
        at = due_usec(job);
    }
    loop_timer_set(job->timer, at);
}

static bool may_linger(const struct worker_job *job) {
    bool left_alone = job->status == WORKER_TIMEOUT || job->status == WORKER_CANCELED;
    return job->request.linger && left_alone && !job->pool->freed;
}

static void end_job(struct worker_job *job, enum worker_status status) {
    job->ended = true;
    job->status = status;
    loop_timer_stop(job->timer);
    if (!job->started) {
        job->pool->n_queued--;
        return;
    }
    if (!may_linger(job)) {
        kill_child(job);
    }
    close_pipe(job);
    if (job->pid > 0 && job->pid_fd < 0) {
        reap_later(job);
    }
}

static void release(struct worker_pool *pool) {
    if (--pool->depth == 0 && pool->freed) {
        free(pool);
    }
}

/* The last thing that a callback does with the job. The caller holds the pool. */
static void answer(struct worker_job *job) {
    struct worker_pool *pool = job->pool;
    const struct worker_result result = {
        .status = job->status,
        .code = job->code,
        .lingers = job->pid > 0 && !pool->freed,
        .answer = strbuf_view(&job->answer),
    };
    job->answered = true;
    job->answering = true;
    job->request.done(job->request.userdata, &result);
    job->answering = false;
    /* The pool's end leaves a job that is being answered to us. */
    if (job->pid == 0 || pool->freed) {
        free_job(job);
    }
}

/* Return: errno, 0 on success. The parent's end does not block; the child's does. */
static int make_pipe(int ends[2]) {
    if (pipe2(ends, O_CLOEXEC) < 0) {
        return errno;
    }
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    return 0;
}

/* Return: whether what arrives may go on: false when the end is decided. */
static bool read_some(struct worker_job *job) {
    char *room = strbuf_reserve(&job->answer, READ_BYTES);
    ssize_t n = read(job->pipe_fd, room, READ_BYTES);
    if (n < 0) {
        return false;
    }
    if (n == 0) {
        close_pipe(job);
        return false;
    }
    job->answer.len += (size_t)n;
    if (job->answer.len > job->pool->options.max_answer_bytes) {
        strbuf_clear(&job->answer);
        end_job(job, WORKER_TOO_LONG);
        return false;
    }
    return true;
}

static void start_jobs(struct worker_pool *pool);

/* Answers if the end is decided, and uses the slot that may have become free. */
static void settle(struct worker_job *job) {
    struct worker_pool *pool = job->pool;
    pool->depth++;
    if (job->ended && !job->answered) {
        answer(job);
    } else if (job->answered && job->pid == 0) {
        job->answering = true; /* the pool's end leaves it to us */
        if (job->request.gone != NULL) {
            job->request.gone(job->request.userdata);
        }
        free_job(job);
    }
    if (!pool->freed) {
        start_jobs(pool);
    }
    release(pool);
}

/* The child has ended: what it wrote is in the pipe, whoever else may hold the other end. */
static void finish(struct worker_job *job) {
    if (!job->ended) {
        while (job->pipe_fd >= 0 && read_some(job)) {}
    }
    if (!reap(job)) {
        return;
    }
    if (!job->ended) {
        end_job(job, job->code == 0 ? WORKER_OK : WORKER_FAILED);
    }
    settle(job);
}

static void on_exit_of_child(void *userdata, uint32_t revents) {
    finish(userdata);
}

static void on_pipe(void *userdata, uint32_t revents) {
    struct worker_job *job = userdata;
    size_t len = job->answer.len;
    job->heard_usec = loop_now_usec(job->pool->loop);
    for (int i = 0; i < READS_PER_TURN && read_some(job); i++) {}
    if (!job->ended && job->request.patience_usec != 0) {
        loop_timer_set(job->timer, due_usec(job));
    }
    if (!job->ended && job->answer.len > len && job->request.arrived != NULL) {
        job->request.arrived(job->request.userdata, strbuf_view(&job->answer));
    }
    if (job->ended) {
        settle(job);
    } else if (job->pipe_fd < 0 && job->pid_fd < 0) {
        reap_later(job);
    }
}

static void on_timer(void *userdata) {
    struct worker_job *job = userdata;
    if (!job->ended) {
        bool late = loop_now_usec(job->pool->loop) >= due_usec(job);
        if (!job->started) {
            end_job(job, WORKER_BUSY);
        } else if (late) {
            end_job(job, WORKER_TIMEOUT);
        }
    }
    if (job->ended && !job->answered) {
        settle(job);
    } else if (job->pid > 0 && job->pid_fd < 0) {
        reap_later(job);
        finish(job);
    }
}

static void watch_child(struct worker_job *job, int pipe_fd) {
    struct worker_pool *pool = job->pool;
    job->pipe_fd = pipe_fd;
    job->pipe_io = loop_io_new(pool->loop, pipe_fd, EPOLLIN, on_pipe, job);
    job->pid_fd = (int)syscall(SYS_pidfd_open, job->pid, 0);
    if (job->pid_fd >= 0) {
        job->pid_io = loop_io_new(pool->loop, job->pid_fd, EPOLLIN, on_exit_of_child, job);
    }
    loop_timer_set(job->timer, due_usec(job));
}

/* Return: false when no process could be made. */
static bool start_job(struct worker_job *job) {
    int ends[2];
    if (make_pipe(ends) != 0) {
        return false;
    }
    /* No handler of ours may run in the child before it has reset them. */
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, &before);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        worker_child_run(&job->request, ends[1], parent, job->pool->options.max_memory_bytes);
    }
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    (void)close(ends[1]);
    if (pid < 0) {
        (void)close(ends[0]);
        return false;
    }
    job->started = true;
    job->pid = pid;
    job->pool->n_queued--;
    job->pool->n_running++;
    if (job->request.run_usec != 0) {
        job->request.deadline_usec = loop_now_usec(job->pool->loop) + job->request.run_usec;
    }
    watch_child(job, ends[0]);
    return true;
}

/* Calls nobody back. */
static void start_jobs(struct worker_pool *pool) {
    for (struct worker_job *job = pool->first; job != NULL; job = job->next) {
        if (pool->n_queued == 0 || pool->n_running >= pool->options.max_running) {
            return;
        }
        if (!job->started && !job->ended && !start_job(job)) {
            end_job(job, WORKER_BUSY);
            loop_deferred_arm(pool->deferred);
        }
    }
}

static struct worker_job *find_owed(const struct worker_pool *pool) {
    for (struct worker_job *job = pool->first; job != NULL; job = job->next) {
        if (job->ended && !job->answered) {
            return job;
        }
    }
    return NULL;
}

static void on_deferred(void *userdata) {
    struct worker_pool *pool = userdata;
    pool->depth++;
    for (struct worker_job *job; !pool->freed && (job = find_owed(pool)) != NULL;) {
        answer(job);
    }
    if (!pool->freed) {
        start_jobs(pool);
    }
    release(pool);
}

struct worker_pool *worker_pool_new(struct loop *loop, const struct worker_options *options) {
    struct worker_pool *pool = mem_alloc(sizeof(*pool));
    pool->loop = loop;
    pool->options = options != NULL ? *options : (struct worker_options){0};
    struct worker_options *o = &pool->options;
    o->max_running = o->max_running != 0 ? o->max_running : 2;
    o->max_queued = o->max_queued != 0 ? o->max_queued : 64;
    o->queue_wait_usec = o->queue_wait_usec != 0 ? o->queue_wait_usec : 10 * 1000 * 1000;
    o->max_answer_bytes = o->max_answer_bytes != 0 ? o->max_answer_bytes : (size_t)1 << 20;
    o->max_memory_bytes = o->max_memory_bytes != 0 ? o->max_memory_bytes : (uint64_t)256 << 20;
    pool->deferred = loop_deferred_new(loop, on_deferred, pool);
    /* Whoever started us may have left SIGCHLD ignored: then the kernel reaps, and numbers of
     * children may become those of others while we still mean to kill them. */
    struct sigaction action;
    if (sigaction(SIGCHLD, NULL, &action) == 0 && action.sa_handler == SIG_IGN) {
        (void)signal(SIGCHLD, SIG_DFL);
    }
    return pool;
}

/* Children that cannot die are left to init; *wait_msec is what is left for all of them. */
static void reap_for_good(struct worker_job *job, int *wait_msec) {
    for (; job->pid > 0 && !reap(job) && *wait_msec > 0; --*wait_msec) {
        struct pollfd exited = {.fd = job->pid_fd, .events = POLLIN};
        (void)poll(&exited, 1, 1);
    }
}

struct worker_pool *worker_pool_free(struct worker_pool *pool) {
    if (pool == NULL || pool->freed) {
        return NULL;
    }
    pool->freed = true;
    pool->depth++;
    for (struct worker_job *job = pool->first; job != NULL; job = job->next) {
        if (!job->ended) {
            end_job(job, WORKER_CANCELED);
        }
        kill_child(job);
    }
    int wait_msec = LAST_REAP_WAIT_MSEC;
    for (struct worker_job *job = pool->first; job != NULL; job = job->next) {
        reap_for_good(job, &wait_msec);
        loop_timer_stop(job->timer);
    }
    for (struct worker_job *job; (job = find_owed(pool)) != NULL;) {
        answer(job);
    }
    for (struct worker_job *job = pool->first, *next; job != NULL; job = next) {
        next = job->next;
        if (!job->answering) {
            free_job(job);
        }
    }
    pool->deferred = loop_deferred_free(pool->deferred);
    release(pool);
    return NULL;
}

struct worker_job *worker_submit(struct worker_pool *pool, const struct worker_request *request) {
    struct worker_job *job = mem_alloc(sizeof(*job));
    *job = (struct worker_job){.pool = pool, .request = *request, .pid_fd = -1, .pipe_fd = -1};
    job->timer = loop_timer_new(pool->loop, on_timer, job);
    append_job(pool, job);
    pool->n_queued++;
    start_jobs(pool);
    if (!job->started && !job->ended && pool->n_queued > pool->options.max_queued) {
        end_job(job, WORKER_BUSY);
        loop_deferred_arm(pool->deferred);
    } else if (!job->started && !job->ended) {
        uint64_t until = loop_now_usec(pool->loop) + pool->options.queue_wait_usec;
        bool sooner = request->run_usec == 0 && request->deadline_usec < until;
        loop_timer_set(job->timer, sooner ? request->deadline_usec : until);
    }
    return job;
}

void worker_cancel(struct worker_job *job) {
    if (!job->ended) {
        end_job(job, WORKER_CANCELED);
        if (!job->pool->freed) {
            loop_deferred_arm(job->pool->deferred);
        }
    }
}
