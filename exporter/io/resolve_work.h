/* SPDX-License-Identifier: Apache-2.0 */

/* The part of name resolution that may block: runs in a worker, and the records by which it
 * answers. Only io/resolve.c calls it. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "io/resolve.h"

#define RESOLVE_WORK_NAMES 64

struct resolve_work {
    char *hosts[RESOLVE_WORK_NAMES];
    size_t n_hosts;
};

/* One name's answer. Its size is below PIPE_BUF: a write is whole or not at all, whoever else
 * writes at the same time. */
struct resolve_record {
    uint32_t index; /* of the host */
    int32_t gai_error;
    uint32_t n_addresses;
    struct sockaddr_in6 addresses[RESOLVE_MOST_ADDRESSES]; /* or sockaddr_in, by family */
};

/* For struct worker_request: asks for all hosts at the same time and writes each record when it is
 * there. */
int resolve_work_run(const void *work, int fd);

/* Checks a record and takes its addresses, with port 0. Return: how many; *ret is written only when
 * there is one. */
size_t resolve_record_read(const struct resolve_record *record, struct resolve_answer *ret);
