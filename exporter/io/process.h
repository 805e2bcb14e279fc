/* SPDX-License-Identifier: Apache-2.0 */

/* Programs of others: hooks and scripts, started without a shell, watched by the loop.
 *
 * A program gets its words, its input as a file on descriptor 0, an environment that holds nothing
 * but what it is given, a process group of its own and the folder /. Signals are as at a login, no
 * descriptor of ours is open. What it writes to 1 and 2 is kept up to a limit; the rest is read and
 * thrown away, so that it never waits for us. When its time is over its group gets SIGTERM, and
 * SIGKILL after the grace time. When it ends, what is left of its group is killed: who wants to
 * stay calls setsid.
 *
 * It does not die with us: a page or a fence that is under way is better ended than cut. Nor does
 * it die of what it writes then, or wait: a child of ours stands by each program, and reads when we
 * cannot any more. (That SIGPIPE is ignored would be inherited by all that it runs, and a script
 * that ends at its first error ends at a failed write all the same.) */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "io/loop.h"

#define PROCESS_MOST_RUNNING      4
#define PROCESS_MOST_WAITING      256
#define PROCESS_MOST_OUTPUT_BYTES ((size_t)64 * 1024)
#define PROCESS_MOST_INPUT_BYTES  ((size_t)4 * 1024 * 1024)
#define PROCESS_GRACE_USEC        ((uint64_t)2 * 1000 * 1000)

struct processes;
struct process;
struct process_user;

/* max_running: how many run at once, 0 for PROCESS_MOST_RUNNING; others wait for their turn. */
struct processes *processes_new(struct loop *loop, unsigned max_running);
/* Kills what runs and answers what is open with PROCESS_CANCELED; nothing may be submitted from
 * these answers. NULL is fine. Return: NULL. */
struct processes *processes_free(struct processes *processes);
DEFINE_CLEANUP(struct processes, processes_free);

enum process_end {
    PROCESS_EXITED,      /* code: its exit status */
    PROCESS_SIGNALED,    /* code: the signal */
    PROCESS_TIMEOUT,     /* it was stopped when its time was over; it may have ended well then */
    PROCESS_NOT_STARTED, /* code: errno of what failed, such as ENOENT */
    PROCESS_BUSY,        /* too many wait, or its turn did not come in time */
    PROCESS_CANCELED,
};

struct process_result {
    enum process_end end;
    int code;
    struct str output; /* of 1 and 2 together; borrowed until done() returns */
    bool cut;          /* there was more of it */
    uint64_t took_usec;
};

/* Everything is copied. */
struct process_request {
    const char *const *words;        /* NULL-terminated; the first is the path, no search */
    const char *const *environment;  /* "NAME=value", NULL-terminated */
    const struct process_user *user; /* NULL: whoever we are */
    struct str input;                /* at most PROCESS_MOST_INPUT_BYTES */
    uint64_t timeout_usec;           /* from its start; as long it waits for its turn */
    uint64_t grace_usec;             /* 0: PROCESS_GRACE_USEC */
    size_t max_output_bytes;         /* 0: PROCESS_MOST_OUTPUT_BYTES */
    /* Exactly once, never inside a function of this header but processes_free(). May submit, free
     * others, or free the processes. */
    void (*done)(void *userdata, const struct process_result *result);
    void *userdata;
};

/* Never fails: what is wrong is the answer. Return: valid until done(). */
struct process *process_submit(struct processes *processes, const struct process_request *request);

/* Forgets the request: done() is not called. A program that runs has its grace time to end. NULL is
 * fine. Return: NULL. */
struct process *process_free(struct process *process);

/* How many run or are being stopped. */
unsigned processes_running(const struct processes *processes);

/* "it ended with exit code 3", "it took longer than 10s": for logs and people. */
#define PROCESS_TEXT_BYTES 128
const char *process_describe(const struct process_result *result, char out[PROCESS_TEXT_BYTES]);
