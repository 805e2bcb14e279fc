/* SPDX-License-Identifier: Apache-2.0 */

/* fork() and not vfork(): a path on a file system that hangs would hold the parent as well. Only
 * what is safe after fork() in a program with threads is called here. */
#include "io/process_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "io/process_user.h"
#include "io/worker_child.h"

#define REPORT_FD       3
#define OUTPUT_FD       4
#define EXIT_NO_PROGRAM 127
#define USUAL_FILES     1024 /* above it select() breaks, and closing all of them takes long */

static void limit_files(void) {
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur > USUAL_FILES) {
        files.rlim_cur = USUAL_FILES;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
}

/* What protects the daemon when memory runs out is not meant for it. */
static void take_usual_oom_score(void) {
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        (void)!write(fd, "0", 1);
        (void)close(fd);
    }
}

/* Return: 0 or errno; the report stands at REPORT_FD then. */
static int place(const struct process_child *child) {
    int from[3] = {fcntl(child->input, F_DUPFD, REPORT_FD + 1),
                   fcntl(child->output, F_DUPFD, REPORT_FD + 1),
                   fcntl(child->report, F_DUPFD, REPORT_FD + 1)};
    if (from[0] < 0 || from[1] < 0 || from[2] < 0 || dup2(from[0], STDIN_FILENO) < 0 ||
        dup2(from[1], STDOUT_FILENO) < 0 || dup2(from[1], STDERR_FILENO) < 0 ||
        dup3(from[2], REPORT_FD, O_CLOEXEC) < 0) {
        return errno;
    }
    worker_child_close_from(REPORT_FD + 1);
    return 0;
}

/* Return: errno; never when the program runs. */
static int run(const struct process_child *child) {
    take_usual_oom_score();
    limit_files();
    (void)!chdir("/");
    int os_errno = child->user != NULL ? process_user_become(child->user) : 0;
    if (os_errno != 0) {
        return os_errno;
    }
    worker_child_reset_signals();
    (void)execve(child->words[0], child->words, child->environment);
    return errno;
}

_Noreturn void process_child_run(const struct process_child *child) {
    (void)setpgid(0, 0);
    int os_errno = place(child), report = child->report;
    if (os_errno == 0) {
        report = REPORT_FD;
        os_errno = run(child);
    }
    (void)!write(report, &os_errno, sizeof(os_errno));
    worker_child_exit(EXIT_NO_PROGRAM);
}

/* ---- standing by ---- */

/* Return: false when it cannot be read; nothing else of ours stays open. */
static bool keep_two(int output, int report) {
    int from[2] = {fcntl(output, F_DUPFD, OUTPUT_FD + 1), fcntl(report, F_DUPFD, OUTPUT_FD + 1)};
    if (from[0] < 0 || from[1] < 0 || dup2(from[0], OUTPUT_FD) < 0 ||
        dup2(from[1], REPORT_FD) < 0) {
        return false;
    }
    worker_child_close_from(OUTPUT_FD + 1);
    for (int fd = 0; fd < REPORT_FD; fd++) {
        (void)close(fd);
    }
    return true;
}

static bool wait_for(int fd, short events) {
    struct pollfd wanted = {.fd = fd, .events = events};
    int r;
    do {
        r = poll(&wanted, 1, -1);
    } while (r < 0 && errno == EINTR);
    return r > 0;
}

_Noreturn void process_child_stand_by(int output, int report) {
    char bytes[4096];
    (void)setpgid(0, 0);
    worker_child_die_first();
    /* Where there are no readers an error is reported, which needs no asking for. */
    bool more = keep_two(output, report) && wait_for(REPORT_FD, 0);
    while (more && wait_for(OUTPUT_FD, POLLIN)) {
        ssize_t n = read(OUTPUT_FD, bytes, sizeof(bytes));
        more = n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
    }
    worker_child_exit(0);
}
