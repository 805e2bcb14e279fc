/* SPDX-License-Identifier: Apache-2.0 */

/* What a forked worker does between fork() and its end: gives up what it inherited, takes limits on
 * itself, works. Only io/worker.c runs one; what else is forked ends like one. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "io/worker.h"

/* With all signals blocked, in the child. pipe_fd is the only descriptor that is kept, besides
 * stderr and the request's shared_fd; parent is who forked us: if it is gone already, so are we. */
_Noreturn void worker_child_run(const struct worker_request *request, int pipe_fd, pid_t parent,
                                uint64_t max_memory_bytes);

/* Ends a forked child without the handlers of exit(), but with the counters of coverage. */
_Noreturn void worker_child_exit(int code);

/* Before all others, when memory is short. */
void worker_child_die_first(void);

/* Default actions, nothing blocked. */
void worker_child_reset_signals(void);

/* Closes this descriptor and all above it. */
void worker_child_close_from(int first);
