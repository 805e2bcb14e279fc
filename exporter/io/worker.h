/* SPDX-License-Identifier: Apache-2.0 */

/* Forked workers: what may block or take long (name resolution, reading files, password checks)
 * runs in a child that sees a copy of our memory, and answers through a pipe.
 *
 * A pool has its own quota: at most max_running children; up to max_queued jobs wait for at most
 * queue_wait_usec. The child keeps only its pipe, stderr and a descriptor that it was given, has
 * default signals, cannot dump core, is the first to go when memory runs out, never execs, and ends
 * with _exit(). At its deadline it is killed, unless it may linger. Every submitted job is answered
 * exactly once. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "io/loop.h"

struct worker_pool;
struct worker_job;

struct worker_options {
    unsigned max_running;      /* 0: 2 */
    unsigned max_queued;       /* 0: 64 */
    uint64_t queue_wait_usec;  /* 0: 10 s */
    size_t max_answer_bytes;   /* 0: 1 MiB */
    uint64_t max_memory_bytes; /* RLIMIT_AS on top of the present size; 0: 256 MiB */
};

enum worker_status {
    WORKER_OK,       /* the child ended with 0; answer is all that it wrote */
    WORKER_FAILED,   /* it ended otherwise; code is its exit status, or minus a signal */
    WORKER_TIMEOUT,  /* it was late; answer is what it had written until then */
    WORKER_TOO_LONG, /* it wrote more than max_answer_bytes and was killed */
    WORKER_BUSY,     /* the queue was full, or the wait in it was over; no process could be made */
    WORKER_CANCELED, /* the pool was freed, or worker_cancel() */
};

struct worker_result {
    enum worker_status status;
    int code;
    bool lingers;      /* the child is still there: gone() follows */
    struct str answer; /* borrowed, until done() returns */
};

/* options: NULL for the defaults. */
struct worker_pool *worker_pool_new(struct loop *loop, const struct worker_options *options);
/* Kills what still runs and answers all that is open, before it returns; no job may be submitted
 * from these answers. Legal inside done(). */
struct worker_pool *worker_pool_free(struct worker_pool *pool);
DEFINE_CLEANUP(struct worker_pool, worker_pool_free);

/* Where the child finds worker_request.shared_fd. */
#define WORKER_SHARED_FD 4

struct worker_request {
    /* Runs in the child; writes its answer to fd. Return: exit status. */
    int (*work)(const void *input, int fd);
    const void *input; /* borrowed until done() is called */
    int shared_fd;     /* stays open in the child, borrowed until done(); 0: none */
    uint64_t deadline_usec;
    /* Not 0: how long the child may take once it has begun, in place of the deadline. What waits
     * for others then loses nothing by it but the wait. */
    uint64_t run_usec;
    void (*done)(void *userdata, const struct worker_result *result);
    /* May be NULL. More of the answer is there; answer is all of it so far, borrowed until this
     * returns. Must not touch the pool or a job. Not called for what done() finds. */
    void (*arrived)(void *userdata, struct str answer);
    void *userdata;
    /* How long the child may write nothing, once it has begun to, before it counts as late; 0:
     * until the deadline. */
    uint64_t patience_usec;
    /* A child that is late or cancelled is not killed (one that hangs in the kernel could not be)
     * but left to itself: its pipe is closed, so that it ends at its next word. It keeps its slot
     * until then. */
    bool linger;
    /* NULL, or called when a child ends that was still there at done(); not after the pool's end.
     */
    void (*gone)(void *userdata);
};

/* Never calls done() before it returns. Return: the job, valid until done(). */
struct worker_job *worker_submit(struct worker_pool *pool, const struct worker_request *request);

/* Answers WORKER_CANCELED from the next turn of the loop and kills the child, unless it lingers. */
void worker_cancel(struct worker_job *job);

/* Writes all of it, for work(). Return: 0 or negative errno. */
int worker_write(int fd, const void *data, size_t len);

/* For work() that reads what may hold secrets: writes err in words where it is set, else the bytes;
 * *bytes is wiped and empty afterwards. Return: the exit status, 0 when it is the bytes. */
int worker_write_secret(int fd, const struct error *err, struct strbuf *bytes);
