/* SPDX-License-Identifier: Apache-2.0 */

/* Workers: every job is answered exactly once, whatever the child does. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/macros.h"
#include "turn.h"
#include "io/worker.h"

#define LONG (10 * USEC_PER_SEC)

struct seen {
    int calls, arrivals;
    enum worker_status status;
    int code;
    bool lingers;
    char answer[256];
    size_t len;
    struct worker_pool **free_pool; /* in done() */
    struct worker_pool *submit_to;
};

static struct loop *loop;
static struct worker_pool *pool;

static int set_up(void **state) {
    assert_int_equal(loop_new(&loop), 0);
    pool = worker_pool_new(loop, &(struct worker_options){.max_answer_bytes = 200000});
    return 0;
}

static int tear_down(void **state) {
    pool = worker_pool_free(pool);
    loop = loop_free(loop);
    return 0;
}

static void done(void *userdata, const struct worker_result *result);

static struct worker_job *submit(struct worker_pool *to, int (*work)(const void *, int),
                                 const void *input, uint64_t timeout_usec, struct seen *seen) {
    return worker_submit(to, &(struct worker_request){
                                 .work = work,
                                 .input = input,
                                 .deadline_usec = loop_clock_usec() + timeout_usec,
                                 .done = done,
                                 .userdata = seen,
                             });
}

static int succeed(const void *input, int fd) {
    return 0;
}

static void done(void *userdata, const struct worker_result *result) {
    struct seen *seen = userdata;
    seen->calls++;
    seen->status = result->status;
    seen->code = result->code;
    seen->lingers = result->lingers;
    seen->len = result->answer.len;
    size_t len = seen->len < sizeof(seen->answer) - 1 ? seen->len : sizeof(seen->answer) - 1;
    memcpy(seen->answer, result->answer.data, len);
    seen->answer[len] = '\0';
    if (seen->free_pool != NULL) {
        *seen->free_pool = worker_pool_free(*seen->free_pool);
    }
    if (seen->submit_to != NULL) {
        struct worker_pool *to = take_ptr(seen->submit_to);
        (void)submit(to, succeed, NULL, LONG, seen);
    }
}

static void assert_no_children(void) {
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static int echo(const void *input, int fd) {
    return worker_write(fd, input, strlen(input)) < 0;
}

static void answers_with_what_the_child_wrote(void **state) {
    struct seen seen = {0};
    (void)submit(pool, echo, "hello", LONG, &seen);
    assert_int_equal(seen.calls, 0);
    assert_true(turn_until(loop, &seen.calls, 1));
    assert_int_equal(seen.status, WORKER_OK);
    assert_string_equal(seen.answer, "hello");
    turn_until_quiet(loop);
    assert_int_equal(seen.calls, 1);
    assert_no_children();
}

static void note_arrival(void *userdata, struct str answer) {
    struct seen *seen = userdata;
    assert_int_equal(seen->calls, 0);
    seen->len = answer.len;
    seen->arrivals++;
}

/* Writes a word, and the next one when the parent has seen the first. */
static int write_twice(const void *input, int fd) {
    const volatile int *go_on = input;
    (void)worker_write(fd, "first", 5);
    for (int i = 0; i < 10000 && *go_on == 0; i++) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    (void)worker_write(fd, " second", 7);
    return 0;
}

static void shows_what_has_arrived_before_the_end(void **state) {
    struct seen seen = {0};
    int *go_on =
        mmap(NULL, sizeof(*go_on), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(go_on, MAP_FAILED);
    (void)worker_submit(pool, &(struct worker_request){
                                  .work = write_twice,
                                  .input = go_on,
                                  .deadline_usec = loop_clock_usec() + LONG,
                                  .done = done,
                                  .arrived = note_arrival,
                                  .userdata = &seen,
                              });
    assert_true(turn_until(loop, &seen.arrivals, 1));
    assert_int_equal(seen.len, 5);
    *go_on = 1;
    assert_true(turn_until(loop, &seen.calls, 1));
    assert_string_equal(seen.answer, "first second");
    (void)munmap(go_on, sizeof(*go_on));
}

static int write_to_shared(const void *input, int fd) {
    return worker_write(WORKER_SHARED_FD, input, strlen(input)) < 0;
}

static void shares_the_descriptor_that_it_was_given(void **state) {
    struct seen seen = {0}, alone = {0};
    char text[8] = {0};
    int fd = memfd_create("shared", MFD_CLOEXEC);
    (void)worker_submit(pool, &(struct worker_request){
                                  .work = write_to_shared,
                                  .input = "shared",
                                  .shared_fd = fd,
                                  .deadline_usec = loop_clock_usec() + LONG,
                                  .done = done,
                                  .userdata = &seen,
                              });
    (void)submit(pool, write_to_shared, "no", LONG, &alone);
    assert_true(turn_until(loop, &seen.calls, 1));
    assert_true(turn_until(loop, &alone.calls, 1));
    assert_int_equal(seen.status, WORKER_OK);
    assert_int_equal(seen.len, 0);
    assert_int_equal(alone.code, 1);
    assert_int_equal(pread(fd, text, sizeof(text) - 1, 0), 6);
    assert_string_equal(text, "shared");
    (void)close(fd);
}

static int write_150000(const void *input, int fd) {
    char block[1000];
    memset(block, 'x', sizeof(block));
    for (int i = 0; i < 150; i++) {
        (void)worker_write(fd, block, sizeof(block));
    }
    return 0;
}

static void reads_more_than_a_pipe_holds(void **state) {
    struct seen seen = {0};
    (void)submit(pool, write_150000, NULL, LONG, &seen);
    assert_true(turn_until(loop, &seen.calls, 1));
    assert_int_equal(seen.status, WORKER_OK);
    assert_int_equal(seen.len, 150000);
}

static int write_for_ever(const void *input, int fd) {
    while (worker_write(fd, "garbage garbage ", 16) == 0) {}
    return 0;
}

static void kills_who_writes_too_much(void **state) {
    struct seen seen = {0};
    (void)submit(pool, write_for_ever, NULL, LONG, &seen);
    assert_true(turn_until(loop, &seen.calls, 1));
    assert_int_equal(seen.status, WORKER_TOO_LONG);
    assert_int_equal(seen.len, 0);
}

static int exit_3(const void *input, int fd) {
    (void)worker_write(fd, "why", 3);
    return 3;
}

static int crash(const void *input, int fd) {
    return raise(SIGKILL);
}

static void reports_exit_status_and_signal(void **state) {
    struct seen failed = {0}, killed = {0};
    (void)submit(pool, exit_3, NULL, LONG, &failed);
    (void)submit(pool, crash, NULL, LONG, &killed);
    assert_true(turn_until(loop, &failed.calls, 1));
    assert_true(turn_until(loop, &killed.calls, 1));
    assert_int_equal(failed.status, WORKER_FAILED);
    assert_int_equal(failed.code, 3);
    assert_string_equal(failed.answer, "why");
    assert_int_equal(killed.status, WORKER_FAILED);
    assert_int_equal(killed.code, -SIGKILL);
}

static int hang(const void *input, int fd) {
    (void)worker_write(fd, "part", 4);
    while (pause() < 0) {}
    return 0;
}

static void kills_at_the_deadline_and_shows_the_part(void **state) {
    struct seen seen = {0};
    (void)submit(pool, hang, NULL, 100 * USEC_PER_MSEC, &seen);
    assert_true(turn_until(loop, &seen.calls, 1));
    assert_int_equal(seen.status, WORKER_TIMEOUT);
    assert_string_equal(seen.answer, "part");
    struct seen next = {0};
    (void)submit(pool, echo, "again", LONG, &next);
    assert_true(turn_until(loop, &next.calls, 1));
    assert_string_equal(next.answer, "again");
    pool = worker_pool_free(pool);
    assert_no_children();
}

/* Leaves a grandchild that holds the pipe. */
static int leave_grandchild(const void *input, int fd) {
    if (fork() == 0) {
        return hang(NULL, fd);
    }
    return 0;
}

static int hang_with_grandchild(const void *input, int fd) {
    (void)leave_grandchild(NULL, fd);
    return hang(NULL, fd);
}

static void does_not_wait_for_a_grandchild(void **state) {
    struct seen seen = {0};
    (void)submit(pool, leave_grandchild, NULL, LONG, &seen);
    assert_true(turn_until(loop, &seen.calls, 1));
    assert_int_equal(seen.status, WORKER_OK);
}

static int write_pid_of_grandchild(const void *input, int fd) {
    pid_t pid = fork();
    if (pid == 0) {
        return hang(NULL, fd);
    }
    (void)worker_write(fd, &pid, sizeof(pid));
    return hang(NULL, -1);
}

static bool is_alive(pid_t pid) {
    char path[64], text[256] = {0};
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    (void)!fread(text, 1, sizeof(text) - 1, file);
    (void)fclose(file);
    const char *state = strrchr(text, ')');
    return state != NULL && state[2] != 'Z' && state[2] != 'X';
}

static void kills_the_grandchild_too(void **state) {
    struct seen seen = {0};
    (void)submit(pool, write_pid_of_grandchild, NULL, 100 * USEC_PER_MSEC, &seen);
    assert_true(turn_until(loop, &seen.calls, 1));
    assert_int_equal(seen.status, WORKER_TIMEOUT);
    pid_t pid;
    memcpy(&pid, seen.answer, sizeof(pid));
    uint64_t deadline = loop_clock_usec() + LONG;
    while (is_alive(pid) && loop_clock_usec() < deadline) {
        (void)loop_run_once(loop, USEC_PER_MSEC);
    }
    assert_false(is_alive(pid));
}

static void ends_a_child_and_grandchild_that_hang(void **state) {
    struct seen seen = {0};
    (void)submit(pool, hang_with_grandchild, NULL, 50 * USEC_PER_MSEC, &seen);
    assert_true(turn_until(loop, &seen.calls, 1));
    assert_int_equal(seen.status, WORKER_TIMEOUT);
}

static int close_pipe_then_fail(const void *input, int fd) {
    (void)close(fd);
    struct timespec nap = {.tv_nsec = 20 * 1000 * 1000};
    (void)nanosleep(&nap, NULL);
    return 4;
}

static void waits_for_the_end_of_a_child_that_closed_its_pipe(void **state) {
    struct seen seen = {0};
    (void)submit(pool, close_pipe_then_fail, NULL, LONG, &seen);
    assert_true(turn_until(loop, &seen.calls, 1));
    assert_int_equal(seen.status, WORKER_FAILED);
    assert_int_equal(seen.code, 4);
}

/* Writes what of the parent's surroundings is left. */
static int describe_itself(const void *input, int fd) {
    int n_open = 0;
    for (int i = 0; i < 1024; i++) {
        n_open += fcntl(i, F_GETFD) >= 0;
    }
    struct rlimit core = {1, 1};
    (void)getrlimit(RLIMIT_CORE, &core);
    sigset_t mask;
    (void)sigprocmask(SIG_SETMASK, NULL, &mask);
    struct sigaction action;
    (void)sigaction(SIGUSR1, NULL, &action);
    char adjustment[16] = {0}, null_text[4];
    int file = open("/proc/self/oom_score_adj", O_RDONLY);
    (void)!read(file, adjustment, sizeof(adjustment) - 1);
    char text[128];
    int len = snprintf(text, sizeof(text), "%d %d %d %d %d %d", n_open, (int)core.rlim_cur,
                       sigismember(&mask, SIGUSR2), action.sa_handler == SIG_DFL, atoi(adjustment),
                       (int)read(STDIN_FILENO, null_text, sizeof(null_text)));
    return worker_write(fd, text, (size_t)len) < 0;
}

static void gives_the_child_nothing_but_its_pipe(void **state) {
    sigset_t set, before;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGUSR2);
    (void)sigprocmask(SIG_BLOCK, &set, &before);
    (void)signal(SIGUSR1, SIG_IGN);
    int not_for_the_child[2];
    assert_int_equal(pipe(not_for_the_child), 0);
    struct seen seen = {0};
    (void)submit(pool, describe_itself, NULL, LONG, &seen);
    assert_true(turn_until(loop, &seen.calls, 1));
    /* 0, 1, 2 and the pipe; no core; nothing blocked; default handlers; first to go; no input. */
    assert_string_equal(seen.answer, "4 0 0 1 1000 0");
    (void)close(not_for_the_child[0]);
    (void)close(not_for_the_child[1]);
    (void)signal(SIGUSR1, SIG_DFL);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
}

/* The sanitizer needs more address space than any limit leaves: there the limit is not set. */
#if defined(__SANITIZE_ADDRESS__)
#define HAS_MEMORY_LIMIT 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_MEMORY_LIMIT 0
#endif
#endif
#ifndef HAS_MEMORY_LIMIT
#define HAS_MEMORY_LIMIT 1
#endif

static int map_much(const void *input, int fd) {
    void *memory = mmap(NULL, (size_t)512 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? 9 : 0;
}

static void limits_the_childs_memory(void **state) {
    struct seen seen = {0};
    (void)submit(pool, map_much, NULL, LONG, &seen);
    assert_true(turn_until(loop, &seen.calls, 1));
    assert_int_equal(seen.code, HAS_MEMORY_LIMIT ? 9 : 0);
}

static void runs_only_as_many_as_allowed_and_the_rest_in_order(void **state) {
    struct worker_pool *one =
        worker_pool_new(loop, &(struct worker_options){.max_running = 1, .max_queued = 2});
    struct seen first = {0}, second = {0}, third = {0}, fourth = {0};
    (void)submit(one, hang, NULL, 100 * USEC_PER_MSEC, &first);
    (void)submit(one, echo, "second", LONG, &second);
    (void)submit(one, echo, "third", LONG, &third);
    (void)submit(one, echo, "fourth", LONG, &fourth);
    assert_int_equal(fourth.calls, 0);
    assert_true(turn_until(loop, &fourth.calls, 1));
    assert_int_equal(fourth.status, WORKER_BUSY);
    assert_int_equal(first.calls, 0);
    assert_true(turn_until(loop, &second.calls, 1));
    assert_int_equal(first.status, WORKER_TIMEOUT);
    assert_string_equal(second.answer, "second");
    assert_int_equal(third.calls, 0);
    assert_true(turn_until(loop, &third.calls, 1));
    assert_string_equal(third.answer, "third");
    worker_pool_free(one);
}

static void counts_the_time_of_a_child_from_its_beginning(void **state) {
    struct worker_pool *one = worker_pool_new(loop, &(struct worker_options){.max_running = 1});
    struct seen first = {0}, second = {0}, third = {0};
    struct worker_request request = {
        .work = hang, .run_usec = 100 * USEC_PER_MSEC, .done = done, .userdata = &first};
    (void)worker_submit(one, &request);
    request.userdata = &second;
    (void)worker_submit(one, &request);
    request.userdata = &third;
    request.work = echo;
    request.input = "third";
    (void)worker_submit(one, &request);
    uint64_t began = loop_clock_usec();
    assert_true(turn_until(loop, &third.calls, 1));
    assert_int_equal(first.status, WORKER_TIMEOUT);
    assert_int_equal(second.status, WORKER_TIMEOUT);
    assert_int_equal(third.status, WORKER_OK);
    assert_true(loop_clock_usec() - began >= 190 * USEC_PER_MSEC);
    worker_pool_free(one);
}

static void gives_up_waiting_in_the_queue(void **state) {
    struct worker_pool *one = worker_pool_new(
        loop, &(struct worker_options){.max_running = 1, .queue_wait_usec = 20 * USEC_PER_MSEC});
    struct seen first = {0}, second = {0}, third = {0};
    (void)submit(one, hang, NULL, LONG, &first);
    (void)submit(one, echo, "late", LONG, &second);
    (void)submit(one, echo, "later", 5 * USEC_PER_MSEC, &third);
    assert_true(turn_until(loop, &third.calls, 1));
    assert_int_equal(second.calls, 0);
    assert_true(turn_until(loop, &second.calls, 1));
    assert_int_equal(second.status, WORKER_BUSY);
    assert_int_equal(third.status, WORKER_BUSY);
    assert_int_equal(first.calls, 0);
    worker_pool_free(one);
    assert_int_equal(first.calls, 1);
    assert_int_equal(first.status, WORKER_CANCELED);
}

static void cancels_what_runs_and_what_waits(void **state) {
    struct worker_pool *one = worker_pool_new(loop, &(struct worker_options){.max_running = 1});
    struct seen running = {0}, waiting = {0};
    struct worker_job *a = submit(one, hang, NULL, LONG, &running);
    struct worker_job *b = submit(one, echo, "never", LONG, &waiting);
    worker_cancel(b);
    worker_cancel(a);
    worker_cancel(a);
    assert_int_equal(running.calls + waiting.calls, 0);
    assert_true(turn_until(loop, &running.calls, 1));
    assert_true(turn_until(loop, &waiting.calls, 1));
    assert_int_equal(running.status, WORKER_CANCELED);
    assert_int_equal(waiting.status, WORKER_CANCELED);
    struct seen next = {0};
    (void)submit(one, echo, "next", LONG, &next);
    assert_true(turn_until(loop, &next.calls, 1));
    assert_string_equal(next.answer, "next");
    assert_int_equal(running.calls, 1);
    worker_pool_free(one);
}

static void frees_the_pool_inside_an_answer(void **state) {
    struct seen first = {.free_pool = &pool}, second = {0}, third = {0};
    (void)submit(pool, echo, "first", LONG, &first);
    (void)submit(pool, hang, NULL, LONG, &second);
    (void)submit(pool, echo, "third", LONG, &third);
    assert_true(turn_until(loop, &first.calls, 1));
    assert_string_equal(first.answer, "first");
    assert_null(pool);
    assert_int_equal(second.calls, 1);
    assert_int_equal(second.status, WORKER_CANCELED);
    assert_int_equal(third.calls, 1);
    turn_until_quiet(loop);
    assert_no_children();
}

static void frees_the_pool_inside_the_answer_to_a_timeout(void **state) {
    struct seen first = {.free_pool = &pool}, second = {0};
    (void)submit(pool, hang, NULL, 10 * USEC_PER_MSEC, &first);
    (void)submit(pool, hang, NULL, LONG, &second);
    assert_true(turn_until(loop, &first.calls, 1));
    assert_int_equal(first.status, WORKER_TIMEOUT);
    assert_int_equal(second.status, WORKER_CANCELED);
    turn_until_quiet(loop);
    assert_no_children();
}

static void submits_inside_an_answer(void **state) {
    struct seen seen = {.submit_to = pool};
    (void)submit(pool, exit_3, NULL, LONG, &seen);
    assert_true(turn_until(loop, &seen.calls, 2));
    assert_int_equal(seen.status, WORKER_OK);
}

static void works_where_sigchld_is_ignored(void **state) {
    (void)signal(SIGCHLD, SIG_IGN);
    struct worker_pool *own = worker_pool_new(loop, NULL);
    struct seen seen = {0};
    (void)submit(own, exit_3, NULL, LONG, &seen);
    assert_true(turn_until(loop, &seen.calls, 1));
    assert_int_equal(seen.code, 3);
    worker_pool_free(own);
}

static void answers_busy_when_no_process_can_be_made(void **state) {
    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    int lowest = dup(0); /* no descriptor at or above this one may be opened */
    (void)close(lowest);
    none.rlim_cur = (rlim_t)lowest;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    struct seen seen = {0};
    (void)submit(pool, echo, "hello", LONG, &seen);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(seen.calls, 0);
    assert_true(turn_until(loop, &seen.calls, 1));
    assert_int_equal(seen.status, WORKER_BUSY);
}

/* From here on as on a kernel before 5.3; it cannot be taken back, so this is for a child. */
static bool take_pidfd_away(void) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_open, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = ARRAY_LEN(filter), .filter = filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 &&
           syscall(SYS_pidfd_open, getpid(), 0) < 0;
}

/* Return: 0, or the number of what went wrong. */
static int work_without_pidfd(void) {
    struct seen good = {0}, bad = {0}, late = {0}, slow = {0}, open = {0};
    if (loop_new(&loop) < 0 || !take_pidfd_away()) {
        return 1;
    }
    pool = worker_pool_new(loop, NULL);
    (void)submit(pool, echo, "hello", LONG, &good);
    (void)submit(pool, exit_3, NULL, LONG, &bad);
    (void)submit(pool, hang_with_grandchild, NULL, 50 * USEC_PER_MSEC, &late);
    (void)submit(pool, close_pipe_then_fail, NULL, LONG, &slow);
    if (!turn_until(loop, &good.calls, 1) || strcmp(good.answer, "hello") != 0) {
        return 2;
    }
    if (!turn_until(loop, &bad.calls, 1) || bad.status != WORKER_FAILED || bad.code != 3) {
        return 3;
    }
    if (!turn_until(loop, &late.calls, 1) || late.status != WORKER_TIMEOUT) {
        return 4;
    }
    if (!turn_until(loop, &slow.calls, 1) || slow.status != WORKER_FAILED || slow.code != 4) {
        return 5;
    }
    (void)submit(pool, hang, NULL, LONG, &open);
    pool = worker_pool_free(pool);
    return open.status == WORKER_CANCELED && waitpid(-1, NULL, WNOHANG) < 0 ? 0 : 6;
}

static void works_without_pidfds(void **state) {
    pid_t pid = fork();
    if (pid == 0) {
        _exit(work_without_pidfd());
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* What a child may see from outside: shared with it. */
static volatile int *go_on;

static int share(void **state) {
    go_on = mmap(NULL, sizeof(*go_on), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return go_on == MAP_FAILED ? -1 : set_up(state);
}

static int unshare_all(void **state) {
    int r = tear_down(state);
    assert_no_children();
    return munmap((void *)(uintptr_t)go_on, sizeof(*go_on)) < 0 ? -1 : r;
}

/* Like a system call that hangs: nothing but our word ends it, or SIGKILL. */
static int hang_until_told(const void *input, int fd) {
    (void)worker_write(fd, "begun", 5);
    while (*go_on == 0) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    (void)worker_write(fd, "more", 4);
    return 0;
}

struct lingering {
    struct seen seen; /* first */
    int gone;
};

static void linger_gone(void *userdata) {
    ((struct lingering *)userdata)->gone++;
}

static struct worker_job *submit_lingering(uint64_t patience_usec, struct lingering *lingering) {
    return worker_submit(pool, &(struct worker_request){
                                   .work = hang_until_told,
                                   .deadline_usec = loop_clock_usec() + LONG,
                                   .patience_usec = patience_usec,
                                   .linger = true,
                                   .done = done,
                                   .gone = linger_gone,
                                   .userdata = lingering,
                               });
}

static void leaves_a_late_child_that_may_linger_until_it_ends(void **state) {
    struct lingering late = {0};
    struct seen other = {0};
    worker_pool_free(pool);
    pool = worker_pool_new(loop, &(struct worker_options){.max_running = 1});
    (void)submit_lingering(50 * USEC_PER_MSEC, &late);
    assert_true(turn_until(loop, &late.seen.calls, 1));
    assert_int_equal(late.seen.status, WORKER_TIMEOUT);
    assert_string_equal(late.seen.answer, "begun");
    assert_true(late.seen.lingers);
    /* It still has its slot. */
    (void)submit(pool, echo, "hello", LONG, &other);
    turn_until_quiet(loop);
    assert_int_equal(late.gone, 0);
    assert_int_equal(other.calls, 0);
    *go_on = 1;
    assert_true(turn_until(loop, &late.gone, 1));
    assert_true(turn_until(loop, &other.calls, 1));
    assert_int_equal(other.status, WORKER_OK);
    assert_false(other.lingers);
    assert_int_equal(late.seen.calls, 1);
    assert_int_equal(late.gone, 1);
}

static void leaves_a_cancelled_child_that_may_linger(void **state) {
    struct lingering late = {0};
    struct worker_job *job = submit_lingering(0, &late);
    worker_cancel(job);
    assert_true(turn_until(loop, &late.seen.calls, 1));
    assert_int_equal(late.seen.status, WORKER_CANCELED);
    turn_until_quiet(loop);
    assert_int_equal(late.gone, 0);
    *go_on = 1;
    assert_true(turn_until(loop, &late.gone, 1));
}

static void kills_who_lingers_when_the_pool_ends(void **state) {
    struct lingering late = {0};
    (void)submit_lingering(50 * USEC_PER_MSEC, &late);
    assert_true(turn_until(loop, &late.seen.calls, 1));
    pool = worker_pool_free(pool);
    assert_no_children();
    assert_int_equal(late.gone, 0);
}

static int write_slowly(const void *input, int fd) {
    for (int i = 0; i < 5; i++) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 100 * 1000000}, NULL);
        (void)worker_write(fd, "x", 1);
    }
    return 0;
}

static void has_patience_with_who_writes_on(void **state) {
    struct seen seen = {0};
    (void)worker_submit(pool, &(struct worker_request){
                                  .work = write_slowly,
                                  .deadline_usec = loop_clock_usec() + LONG,
                                  .patience_usec = 400 * USEC_PER_MSEC,
                                  .done = done,
                                  .userdata = &seen,
                              });
    assert_true(turn_until(loop, &seen.calls, 1));
    assert_int_equal(seen.status, WORKER_OK);
    assert_string_equal(seen.answer, "xxxxx");
}

#define TEST(name)   cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define SHARED(name) cmocka_unit_test_setup_teardown(name, share, unshare_all)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(answers_with_what_the_child_wrote),
        TEST(shows_what_has_arrived_before_the_end),
        TEST(shares_the_descriptor_that_it_was_given),
        TEST(reads_more_than_a_pipe_holds),
        TEST(kills_who_writes_too_much),
        TEST(reports_exit_status_and_signal),
        TEST(kills_at_the_deadline_and_shows_the_part),
        TEST(does_not_wait_for_a_grandchild),
        TEST(kills_the_grandchild_too),
        TEST(ends_a_child_and_grandchild_that_hang),
        TEST(waits_for_the_end_of_a_child_that_closed_its_pipe),
        TEST(gives_the_child_nothing_but_its_pipe),
        TEST(limits_the_childs_memory),
        TEST(runs_only_as_many_as_allowed_and_the_rest_in_order),
        TEST(counts_the_time_of_a_child_from_its_beginning),
        TEST(gives_up_waiting_in_the_queue),
        TEST(cancels_what_runs_and_what_waits),
        TEST(frees_the_pool_inside_an_answer),
        TEST(frees_the_pool_inside_the_answer_to_a_timeout),
        TEST(submits_inside_an_answer),
        TEST(works_where_sigchld_is_ignored),
        TEST(answers_busy_when_no_process_can_be_made),
        SHARED(leaves_a_late_child_that_may_linger_until_it_ends),
        SHARED(leaves_a_cancelled_child_that_may_linger),
        SHARED(kills_who_lingers_when_the_pool_ends),
        TEST(has_patience_with_who_writes_on),
        cmocka_unit_test(works_without_pidfds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
