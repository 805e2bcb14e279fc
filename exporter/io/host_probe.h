/* SPDX-License-Identifier: Apache-2.0 */

/* What of a host may take long or never answer, asked in workers: how full file systems are, and
 * files below /sys (drivers answer there). One for all host targets, and for longer than their
 * clients, because what hangs stays.
 *
 * A file system that does not answer for `patience` hangs: it is shown so, its worker is left alone
 * (it could not be killed in the kernel), and another one goes on with the rest. Until that worker
 * ends, which is when the file system answers, nobody asks it again: each has one such process at
 * most. With HOST_MOST_HANGING of them no file system is asked any more until one answers. */
#pragma once

#include <stdint.h>
#include <sys/statvfs.h>

#include "base/str.h"
#include "io/client.h"
#include "io/host_options.h"
#include "io/loop.h"

#define HOST_MOST_HANGING 8

/* The question about file systems. */
#define HOST_STATVFS "statvfs"

struct host_probe;
struct host_ask;

/* A seam for tests, called in the worker. */
struct host_probe_ops {
    int (*statvfs)(const char *path, struct statvfs *ret);
};

/* ops: NULL for the system's own. */
struct host_probe *host_probe_new(struct loop *loop, const struct host_probe_ops *ops);
/* Answers what is open before it returns. */
struct host_probe *host_probe_free(struct host_probe *probe);
DEFINE_CLEANUP(struct host_probe, host_probe_free);

struct host_probe_request {
    const char *text;                   /* HOST_STATVFS or a tree (io/host_read.h); constant */
    const struct host_options *options; /* copied */
    uint64_t patience_usec;
    uint64_t deadline_usec; /* what has been said by then is the answer */
    /* words is NULL with a failure; borrowed until done() returns. */
    void (*done)(void *userdata, const struct str *words, const struct client_failure *failure);
    void *userdata;
};

/* Never calls done() before it returns. Return: the ask, valid until done(); NULL when so many file
 * systems hang that none is asked. */
struct host_ask *host_probe_ask(struct host_probe *probe, const struct host_probe_request *request);

/* done() will not be called. */
void host_ask_cancel(struct host_ask *ask);

/* How many file systems hang. */
size_t host_probe_hanging(const struct host_probe *probe);
