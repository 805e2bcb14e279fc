/* SPDX-License-Identifier: Apache-2.0 */

/* A child process that writes log files, because a disk may stall and the loop must not: the log
 * writes its lines into a pipe, and what does not fit into the pipe is dropped and counted.
 *
 * The child ends when the pipe does, after it has written everything; signals that end the daemon
 * do not end it. When it dies itself, the lines wait in the pipe for the next one. */
#pragma once

#include "base/error.h"
#include "base/log_file.h"

struct log_writer_options {
    struct log_file_options all;    /* path NULL: lines stay on stderr */
    struct log_file_options errors; /* path NULL: none; else errors go there as well */
};

struct log_writer;

/* Opens the files, starts the child and leads the log there. Paths are borrowed.
 * Return: 0, or negative errno with a sentence. */
int log_writer_new(const struct log_writer_options *options, struct log_writer **ret,
                   struct error *err);

/* The log goes to stderr again; waits a moment for the child to write what is left. */
struct log_writer *log_writer_free(struct log_writer *writer);
DEFINE_CLEANUP(struct log_writer, log_writer_free);

/* The child opens its files anew: somebody has renamed them. */
void log_writer_reopen(struct log_writer *writer);

/* Now and then: starts another child when there is none any more. */
void log_writer_check(struct log_writer *writer);

/* Lines that the child could not write since start: a full disk. */
uint64_t log_writer_lost_lines(const struct log_writer *writer);
