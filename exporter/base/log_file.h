/* SPDX-License-Identifier: Apache-2.0 */

/* A log file that is renamed when it is large enough or its day is over: PATH becomes PATH.1, that
 * PATH.2, and so on up to the number of files that are kept. Days are those of UTC, as the times in
 * the lines. What is no regular file (/dev/full, a pipe) is only written to.
 *
 * Everything here may wait for a disk: not for the loop's thread. Nothing is ever synced. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct log_file_options {
    const char *path;   /* borrowed */
    uint64_t max_bytes; /* 0: never renamed by us, whatever its size and day */
    unsigned keep;      /* renamed files; 0: none, the file begins anew */
};

struct log_file {
    struct log_file_options options;
    int fd; /* -1: not open */
    bool regular;
    uint64_t size;
    int64_t day;     /* of what is in it, since 1970 */
    int64_t retry_s; /* after a rename that failed: not before */
};

/* Opens for appending, made with mode 0640 if need be. A file from another day is renamed with the
 * next line. Return: 0 or negative errno. */
int log_file_open(struct log_file *file, const struct log_file_options *options, int64_t now_s);
void log_file_close(struct log_file *file);

/* Opens PATH anew because somebody has renamed the file. When that fails, the old one goes on.
 * Return: 0 or negative errno. */
int log_file_reopen(struct log_file *file, int64_t now_s);

/* Whether the file must be renamed before so many more bytes are written to it. Pure. */
bool log_file_is_due(const struct log_file *file, uint64_t more, int64_t now_s);

/* Writes whole lines, each with its newline. A line is written whole or not at all. A file that is
 * not open is tried again now and then.
 * Return: how many were lost because the disk is full or broken. */
uint64_t log_file_write(struct log_file *file, struct str lines, int64_t now_s);
