/* SPDX-License-Identifier: Apache-2.0 */

#include "io/worker_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define PIPE_FD      3
#define MOST_CLOSED  65536 /* where close_range() is missing: descriptors that are closed singly */
#define EXIT_NO_PIPE 254

void worker_child_reset_signals(void) {
    for (int number = 1; number < NSIG; number++) {
        (void)signal(number, SIG_DFL);
    }
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

void worker_child_close_from(int first) {
    if (close_range((unsigned)first, ~0U, 0) == 0) {
        return;
    }
    long most = sysconf(_SC_OPEN_MAX);
    for (int fd = first; fd < MOST_CLOSED && fd < most; fd++) {
        (void)close(fd);
    }
}

/* Leaves /dev/null as 0 and 1, stderr, the pipe as 3, and what is shared as 4. */
static int keep_only(int pipe_fd, int shared_fd) {
    int moved = fcntl(pipe_fd, F_DUPFD, WORKER_SHARED_FD + 1);
    int shared = shared_fd > 0 ? fcntl(shared_fd, F_DUPFD, WORKER_SHARED_FD + 1) : 0;
    if (moved < 0 || shared < 0) {
        return -errno;
    }
    int null_fd = open("/dev/null", O_RDWR);
    (void)dup2(null_fd, STDIN_FILENO);
    (void)dup2(null_fd, STDOUT_FILENO);
    if (fcntl(STDERR_FILENO, F_GETFD) < 0) {
        (void)dup2(null_fd, STDERR_FILENO);
    }
    if (dup2(moved, PIPE_FD) < 0 || (shared > 0 && dup2(shared, WORKER_SHARED_FD) < 0)) {
        return -errno;
    }
    worker_child_close_from(shared > 0 ? WORKER_SHARED_FD + 1 : PIPE_FD + 1);
    return 0;
}

#if defined(__SANITIZE_ADDRESS__)
#define ADDRESS_SPACE_IS_OURS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ADDRESS_SPACE_IS_OURS 0
#else
#define ADDRESS_SPACE_IS_OURS 1
#endif
#else
#define ADDRESS_SPACE_IS_OURS 1
#endif

static void limit_memory(uint64_t more_bytes) {
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL) {
        return;
    }
    int n = fscanf(file, "%lu", &pages);
    (void)fclose(file);
    struct rlimit now;
    /* The sanitizer's shadow and its allocator live in the same address space. */
    if (n != 1 || !ADDRESS_SPACE_IS_OURS || getrlimit(RLIMIT_AS, &now) < 0) {
        return;
    }
    rlim_t most = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + more_bytes;
    if (most < now.rlim_max) {
        (void)setrlimit(RLIMIT_AS, &(struct rlimit){.rlim_cur = most, .rlim_max = most});
    }
}

void worker_child_die_first(void) {
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        (void)!write(fd, "1000", 4);
        (void)close(fd);
    }
}

_Noreturn void worker_child_exit(int code) {
#ifdef DBVITALS_COVERAGE
    extern void __gcov_dump(void);
    __gcov_dump();
#endif
    _exit(code);
}

_Noreturn void worker_child_run(const struct worker_request *request, int pipe_fd, pid_t parent,
                                uint64_t max_memory_bytes) {
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    worker_child_reset_signals();
    if (getppid() != parent || keep_only(pipe_fd, request->shared_fd) < 0) {
        _exit(EXIT_NO_PIPE);
    }
    (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0});
    limit_memory(max_memory_bytes);
    worker_child_die_first();
    worker_child_exit(request->work(request->input, PIPE_FD) & 0xff);
}

int worker_write(int fd, const void *data, size_t len) {
    const char *rest = data;
    while (len > 0) {
        ssize_t n = write(fd, rest, len);
        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        if (n > 0) {
            rest += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

int worker_write_secret(int fd, const struct error *err, struct strbuf *bytes) {
    char text[512];
    int status = 0;
    if (error_is_set(err)) {
        error_format(err, text, sizeof(text));
        (void)worker_write(fd, text, strlen(text));
        status = 1;
    } else if (worker_write(fd, bytes->data, bytes->len) < 0) {
        status = 2;
    }
    strbuf_deinit_secret(bytes);
    return status;
}
