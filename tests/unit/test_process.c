/* SPDX-License-Identifier: Apache-2.0 */

/* Programs of others: real small ones, and what they may do wrong. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/process.h"
#include "turn.h"

#define SHORT (150 * USEC_PER_MSEC)

struct seen {
    int calls;
    enum process_end end;
    int code;
    bool cut;
    uint64_t took_usec;
    struct strbuf output;
    struct processes **free_all; /* in done() */
};

static struct loop *loop;
static struct processes *processes;

static int set_up(void **state) {
    *state = mem_alloc(sizeof(struct seen));
    assert_int_equal(loop_new(&loop), 0);
    processes = processes_new(loop, 2);
    return 0;
}

static int tear_down(void **state) {
    struct seen *seen = *state;
    processes = processes_free(processes);
    loop = loop_free(loop);
    strbuf_deinit(&seen->output);
    free(seen);
    return 0;
}

static void done(void *userdata, const struct process_result *result) {
    struct seen *seen = userdata;
    seen->calls++;
    seen->end = result->end;
    seen->code = result->code;
    seen->cut = result->cut;
    seen->took_usec = result->took_usec;
    strbuf_clear(&seen->output);
    strbuf_add_str(&seen->output, result->output);
    if (seen->free_all != NULL) {
        *seen->free_all = processes_free(*seen->free_all);
    }
}

static const char *const environment[] = {"PATH=/usr/bin:/bin", "WHO=me", NULL};

static struct process *submit(struct seen *seen, const char *const *words,
                              struct process_request request) {
    request.words = words;
    request.environment = environment;
    request.timeout_usec = request.timeout_usec != 0 ? request.timeout_usec : 10 * USEC_PER_SEC;
    request.done = done;
    request.userdata = seen;
    int calls = seen->calls;
    struct process *process = process_submit(processes, &request);
    assert_int_equal(seen->calls, calls);
    return process;
}

static struct process *shell(struct seen *seen, const char *script,
                             struct process_request request) {
    return submit(seen, (const char *const[]){"/bin/sh", "-c", script, NULL}, request);
}

static void run_shell(struct seen *seen, const char *script) {
    shell(seen, script, (struct process_request){0});
    assert_true(turn_until(loop, &seen->calls, 1));
}

static void gives_input_and_brings_output(void **state) {
    struct seen *seen = *state;
    submit(seen, (const char *const[]){"/bin/cat", NULL},
           (struct process_request){.input = str_of("{\"a\": 1}\n")});
    assert_true(turn_until(loop, &seen->calls, 1));
    assert_int_equal(seen->end, PROCESS_EXITED);
    assert_int_equal(seen->code, 0);
    assert_string_equal(seen->output.data, "{\"a\": 1}\n");
    assert_false(seen->cut);
}

static void an_input_that_nobody_reads_hurts_nobody(void **state) {
    struct seen *seen = *state;
    size_t len = (size_t)2 << 20;
    char *input = mem_alloc(len);
    submit(seen, (const char *const[]){"/bin/true", NULL},
           (struct process_request){.input = {input, len}});
    free(input);
    assert_true(turn_until(loop, &seen->calls, 1));
    assert_int_equal(seen->end, PROCESS_EXITED);
    assert_int_equal(seen->code, 0);
}

static void no_shell_looks_at_the_words(void **state) {
    struct seen *seen = *state;
    submit(seen, (const char *const[]){"/usr/bin/printf", "%s|", "$(id) ;", "a\nb", NULL},
           (struct process_request){0});
    assert_true(turn_until(loop, &seen->calls, 1));
    assert_string_equal(seen->output.data, "$(id) ;|a\nb|");
}

static void its_environment_is_what_it_is_given(void **state) {
    struct seen *seen = *state;
    assert_int_equal(setenv("DBVITALS_TEST_SECRET", "x", 1), 0);
    submit(seen, (const char *const[]){"/usr/bin/env", NULL}, (struct process_request){0});
    assert_true(turn_until(loop, &seen->calls, 1));
    assert_string_equal(seen->output.data, "PATH=/usr/bin:/bin\nWHO=me\n");
}

static void inherits_no_descriptors_signals_or_folder(void **state) {
    struct seen *seen = *state;
    int open_fd = open("/dev/null", O_RDONLY); /* not O_CLOEXEC */
    sigset_t usr1;
    (void)sigemptyset(&usr1);
    (void)sigaddset(&usr1, SIGUSR1);
    (void)sigprocmask(SIG_BLOCK, &usr1, NULL);
    (void)signal(SIGUSR2, SIG_IGN);
    (void)signal(SIGPIPE, SIG_IGN);
    /* Not in a shell, which blocks signals and opens pipes itself. 3 is the folder that is read. */
    static const struct {
        const char *words[5], *output;
    } cases[] = {
        {{"/bin/pwd"}, "/\n"},
        {{"/bin/ls", "/proc/self/fd"}, "0\n1\n2\n3\n"},
        {{"/bin/grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"},
         "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        submit(seen, cases[i].words, (struct process_request){0});
        assert_true(turn_until(loop, &seen->calls, (int)i + 1));
        assert_string_equal(seen->output.data, cases[i].output);
    }
    (void)sigprocmask(SIG_UNBLOCK, &usr1, NULL);
    (void)signal(SIGUSR2, SIG_DFL);
    (void)signal(SIGPIPE, SIG_DFL);
    (void)close(open_fd);
}

static void leads_a_group_of_its_own(void **state) {
    struct seen *seen = *state;
    run_shell(seen, "set -- $(cat /proc/$$/stat); test \"$1\" = \"$5\"");
    assert_int_equal(seen->end, PROCESS_EXITED);
    assert_int_equal(seen->code, 0);
}

static void tells_exit_codes_and_signals(void **state) {
    struct seen *seen = *state;
    char text[PROCESS_TEXT_BYTES];
    run_shell(seen, "echo out; echo err >&2; exit 75");
    assert_int_equal(seen->end, PROCESS_EXITED);
    assert_int_equal(seen->code, 75);
    assert_string_equal(seen->output.data, "out\nerr\n");
    shell(seen, "kill -9 $$", (struct process_request){0});
    assert_true(turn_until(loop, &seen->calls, 2));
    assert_int_equal(seen->end, PROCESS_SIGNALED);
    assert_int_equal(seen->code, SIGKILL);
    const struct process_result result = {.end = PROCESS_EXITED, .code = 3};
    assert_string_equal(process_describe(&result, text), "it ended with exit code 3");
}

static void tells_why_it_cannot_be_started(void **state) {
    struct seen *seen = *state;
    char path[] = "/tmp/dbvitals-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "no program\n", 11), 11);
    (void)close(fd);
    const struct {
        const char *path;
        mode_t mode;
        int os_errno;
    } cases[] = {
        {"/nonexistent/program", 0600, ENOENT},
        {path, 0600, EACCES},
        {path, 0700, ENOEXEC},
        {"/", 0600, EACCES},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(chmod(path, cases[i].mode), 0);
        submit(seen, (const char *const[]){cases[i].path, NULL}, (struct process_request){0});
        assert_true(turn_until(loop, &seen->calls, (int)i + 1));
        assert_int_equal(seen->end, PROCESS_NOT_STARTED);
        assert_int_equal(seen->code, cases[i].os_errno);
    }
    (void)unlink(path);
}

static void asks_before_it_kills(void **state) {
    struct seen *seen = *state;
    shell(seen, "trap 'echo bye; exit 0' TERM; echo on; while :; do sleep 0.01; done",
          (struct process_request){.timeout_usec = SHORT});
    assert_true(turn_until(loop, &seen->calls, 1));
    assert_int_equal(seen->end, PROCESS_TIMEOUT);
    assert_non_null(strstr(seen->output.data, "bye\n")); /* the shell may tell of its sleep */
    assert_true(seen->took_usec >= SHORT && seen->took_usec < 2 * USEC_PER_SEC);
}

static void kills_who_does_not_listen(void **state) {
    struct seen *seen = *state;
    shell(seen, "trap '' TERM; while :; do sleep 0.01; done",
          (struct process_request){.timeout_usec = SHORT, .grace_usec = SHORT});
    assert_true(turn_until(loop, &seen->calls, 1));
    assert_int_equal(seen->end, PROCESS_TIMEOUT);
    assert_true(seen->took_usec >= 2 * SHORT);
    int waits = 0;
    while (processes_running(processes) > 0 && waits++ < 1000) {
        (void)loop_run_once(loop, 10 * USEC_PER_MSEC);
    }
    assert_int_equal(processes_running(processes), 0);
}

/* Return: the number that the output begins with. */
static pid_t pid_in(const struct seen *seen) {
    return (pid_t)strtol(seen->output.data, NULL, 10);
}

static void assert_gone(pid_t pid) {
    assert_true(pid > 1);
    uint64_t deadline = loop_clock_usec() + 5 * USEC_PER_SEC;
    char path[64], state_of = ' ';
    do { /* a zombie is gone as well: somebody else has to reap it */
        (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
        FILE *file = fopen(path, "re");
        if (file == NULL) {
            return;
        }
        state_of = fscanf(file, "%*d (%*[^)]) %c", &state_of) == 1 ? state_of : 'Z';
        (void)fclose(file);
        turn_for(loop, USEC_PER_MSEC);
    } while (state_of != 'Z' && loop_clock_usec() < deadline);
    assert_int_equal(state_of, 'Z');
}

static void does_not_wait_for_grandchildren(void **state) {
    struct seen *seen = *state;
    run_shell(seen, "sleep 60 & echo $!");
    assert_int_equal(seen->end, PROCESS_EXITED);
    assert_true(seen->took_usec < 5 * USEC_PER_SEC);
    assert_gone(pid_in(seen));
}

static void the_group_ends_with_a_timeout(void **state) {
    struct seen *seen = *state;
    shell(seen, "trap '' TERM; sleep 60 & echo $!; while :; do sleep 0.01; done",
          (struct process_request){.timeout_usec = SHORT, .grace_usec = SHORT});
    assert_true(turn_until(loop, &seen->calls, 1));
    assert_gone(pid_in(seen));
}

static void throws_away_what_is_too_much(void **state) {
    struct seen *seen = *state;
    submit(seen, (const char *const[]){"/usr/bin/head", "-c", "1000000000", "/dev/zero", NULL},
           (struct process_request){.max_output_bytes = 1000, .timeout_usec = 50 * USEC_PER_SEC});
    uint64_t deadline = loop_clock_usec() + 50 * USEC_PER_SEC, longest = 0;
    while (seen->calls == 0 && loop_clock_usec() < deadline) {
        uint64_t cpu = loop_cpu_usec();
        (void)loop_run_once(loop, 10 * USEC_PER_MSEC);
        cpu = loop_cpu_usec() - cpu;
        longest = cpu > longest ? cpu : longest;
    }
    assert_int_equal(seen->end, PROCESS_EXITED);
    assert_int_equal(seen->code, 0);
    assert_int_equal(seen->output.len, 1000);
    assert_true(seen->cut);
    assert_true(longest < 20 * USEC_PER_MSEC);
}

/* Nor of who has stood by. */
static void nothing_of_ours_is_left(void **state) {
    run_shell(*state, "echo done");
    turn_until_quiet(loop);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static unsigned forks_left; /* after which we die; 0: never */

static void count_fork(void) {
    if (forks_left > 0 && --forks_left == 0) {
        (void)kill(getpid(), SIGKILL);
    }
}

/* Dies after that fork, at the latest as soon as its program runs. */
static _Noreturn void own_and_die(const char *folder, unsigned after_forks) {
    static const char script[] =
        "cd $FOLDER; : >running; until [ -e gone ]; do sleep 0.01; done; set -e; "
        "echo on 1; head -c 300000 /dev/zero; echo on 2 >&2; : >ended";
    char running[128], where[128];
    snprintf(running, sizeof(running), "%s/running", folder);
    snprintf(where, sizeof(where), "FOLDER=%s", folder);
    const char *const environment_of_it[] = {"PATH=/usr/bin:/bin", where, NULL};
    struct seen seen = {0};
    struct loop *own = NULL;
    (void)loop_new(&own);
    struct processes *all = processes_new(own, 1);
    forks_left = after_forks;
    (void)pthread_atfork(NULL, count_fork, NULL);
    process_submit(all, &(struct process_request){
                            .words = (const char *const[]){"/bin/sh", "-c", script, NULL},
                            .environment = environment_of_it,
                            .timeout_usec = 60 * USEC_PER_SEC,
                            .done = done,
                            .userdata = &seen,
                        });
    while (access(running, F_OK) < 0) {
        (void)loop_run_once(own, 10 * USEC_PER_MSEC);
    }
    (void)kill(getpid(), SIGKILL);
    _exit(1);
}

/* Return: how many children of an owner that died there were; none is left. */
static int outlived(const char *folder, unsigned after_forks) {
    char path[128];
    int status = 0, n = 0;
    pid_t owner = fork();
    if (owner == 0) {
        own_and_die(folder, after_forks);
    }
    assert_int_equal(waitpid(owner, &status, 0), owner);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    snprintf(path, sizeof(path), "%s/gone", folder);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    uint64_t deadline = loop_clock_usec() + 20 * USEC_PER_SEC;
    while (loop_clock_usec() < deadline && (status = waitpid(-1, NULL, WNOHANG)) >= 0) {
        n += status > 0;
        (void)usleep(1000);
    }
    assert_int_equal(errno, ECHILD);
    return n;
}

/* Return: whether it was there. */
static bool take_away(const char *folder, const char *name) {
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return unlink(path) == 0;
}

static void it_outlives_us_whatever_it_writes_and_nothing_outlives_it(void **state) {
    /* The program and who stands by it, whenever we die; without the program there is nobody. */
    static const struct {
        unsigned after_forks;
        int n_children;
        bool runs;
    } cases[] = {{0, 2, true}, {1, 1, false}, {2, 2, true}};
    char folder[64] = "/tmp/dbvitals-process-XXXXXX";
    (void)state;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0); /* orphans become ours */
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int n = outlived(folder, cases[i].after_forks);
        assert_int_equal(n, cases[i].n_children);
        assert_true(take_away(folder, "gone"));
        assert_int_equal(take_away(folder, "running"), cases[i].runs);
        assert_int_equal(take_away(folder, "ended"), cases[i].runs);
    }
    (void)prctl(PR_SET_CHILD_SUBREAPER, 0);
    assert_int_equal(rmdir(folder), 0);
}

static void only_some_run_at_once(void **state) {
    struct seen *seen = *state;
    for (int i = 0; i < 6; i++) {
        shell(seen, "sleep 0.05", (struct process_request){0});
    }
    unsigned most = 0;
    for (int i = 0; i < 5000 && seen->calls < 6; i++) {
        (void)loop_run_once(loop, 10 * USEC_PER_MSEC);
        unsigned now = processes_running(processes);
        most = now > most ? now : most;
    }
    assert_int_equal(seen->calls, 6);
    assert_int_equal(most, 2);
}

static void waits_for_its_turn_no_longer_than_its_time(void **state) {
    struct seen slow[2] = {0}, *seen = *state;
    shell(&slow[0], "sleep 60", (struct process_request){0});
    shell(&slow[1], "sleep 60", (struct process_request){0});
    shell(seen, "true", (struct process_request){.timeout_usec = SHORT});
    assert_true(turn_until(loop, &seen->calls, 1));
    assert_int_equal(seen->end, PROCESS_BUSY);
    processes = processes_free(processes);
    assert_int_equal(slow[0].calls + slow[1].calls, 2);
    assert_int_equal(slow[1].end, PROCESS_CANCELED);
    strbuf_deinit(&slow[0].output);
    strbuf_deinit(&slow[1].output);
}

static void the_queue_is_limited(void **state) {
    struct seen *seen = *state;
    for (int i = 0; i < PROCESS_MOST_WAITING + 3; i++) {
        shell(seen, "sleep 60", (struct process_request){0});
    }
    assert_true(turn_until(loop, &seen->calls, 1));
    assert_int_equal(seen->end, PROCESS_BUSY);
    processes = processes_free(processes);
    assert_int_equal(seen->calls, PROCESS_MOST_WAITING + 3);
}

static void a_forgotten_one_is_asked_to_end(void **state) {
    struct seen *seen = *state;
    process_free(shell(seen, "sleep 60", (struct process_request){0}));
    process_free(shell(seen, "trap '' TERM; while :; do sleep 0.01; done",
                       (struct process_request){.grace_usec = SHORT}));
    struct process *waiting = shell(seen, "true", (struct process_request){0});
    process_free(waiting);
    for (int i = 0; i < 1000 && processes_running(processes) > 0; i++) {
        (void)loop_run_once(loop, 10 * USEC_PER_MSEC);
    }
    assert_int_equal(processes_running(processes), 0);
    assert_int_equal(seen->calls, 0);
}

static void may_be_freed_in_an_answer(void **state) {
    struct seen *seen = *state;
    seen->free_all = &processes;
    shell(seen, "trap '' TERM; while :; do sleep 0.01; done",
          (struct process_request){.timeout_usec = SHORT, .grace_usec = SHORT});
    assert_true(turn_until(loop, &seen->calls, 1));
    assert_null(processes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(gives_input_and_brings_output, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_input_that_nobody_reads_hurts_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_shell_looks_at_the_words, set_up, tear_down),
        cmocka_unit_test_setup_teardown(its_environment_is_what_it_is_given, set_up, tear_down),
        cmocka_unit_test_setup_teardown(inherits_no_descriptors_signals_or_folder, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(leads_a_group_of_its_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tells_exit_codes_and_signals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tells_why_it_cannot_be_started, set_up, tear_down),
        cmocka_unit_test_setup_teardown(asks_before_it_kills, set_up, tear_down),
        cmocka_unit_test_setup_teardown(kills_who_does_not_listen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(does_not_wait_for_grandchildren, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_group_ends_with_a_timeout, set_up, tear_down),
        cmocka_unit_test_setup_teardown(throws_away_what_is_too_much, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_of_ours_is_left, set_up, tear_down),
        cmocka_unit_test(it_outlives_us_whatever_it_writes_and_nothing_outlives_it),
        cmocka_unit_test_setup_teardown(only_some_run_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(waits_for_its_turn_no_longer_than_its_time, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_queue_is_limited, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_forgotten_one_is_asked_to_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(may_be_freed_in_an_answer, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
