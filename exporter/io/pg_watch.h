/* SPDX-License-Identifier: Apache-2.0 */

/* What reading one server's messages may cost, because libpq itself sets no bounds.
 *
 * It takes memory for all of a message when its head has come (up to 1 GiB) and then reads without
 * a pause until all of it is there; it keeps every parameter that a server reports in one list and
 * walks through it for each; it hashes a password as often as the server says. A message that is
 * too large shows as a jump of the process's address space before the first byte of it is read,
 * the others as processor time, or in what waits in the socket. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "io/loop.h"

/* Before and after a piece of work with libpq. A zeroed one may not be ended. */
struct pg_watch {
    const struct loop *loop; /* borrowed */
    uint64_t mapped_bytes;   /* at the beginning; 0: not known */
    uint64_t seen_bytes;     /* at the last end */
    uint64_t cpu_usec;
    bool slow; /* a call took long by the clock; whether it worked or was kept waiting is open */
};

void pg_watch_begin(struct pg_watch *watch, const struct loop *loop);

/* Notes how long a single call took. */
void pg_watch_call(struct pg_watch *watch, uint64_t usec);

/* Return: NULL, or a sentence that says why this server costs too much. */
const char *pg_watch_end(struct pg_watch *watch);

/* Begins again where it was ended just now. */
void pg_watch_go_on(struct pg_watch *watch);

/* The number of hashes that the beginning of what waits in a socket asks for, when that is a step
 * of a SCRAM log-in that says so; else 0. Under TLS there is nothing to see. */
uint64_t pg_watch_scram_iterations(int fd);
