/* SPDX-License-Identifier: Apache-2.0 */

/* A small file that is replaced as a whole, and never half: written beside its place, brought to
 * the disk, renamed, and the folder brought to the disk too. A disk may stall, so a worker does it;
 * while it is at work newer contents wait, and of several only the newest is written. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/str.h"
#include "io/worker.h"

struct durable_file;

struct durable_options {
    struct loop *loop;
    struct worker_pool *pool; /* borrowed; freed after the files */
    const char *path;         /* copied; its folder must exist */
    /* How a write ended; err is not set when it went well. NULL: nobody asks. */
    void (*written)(void *userdata, const struct error *err);
    void *userdata;
};

struct durable_file *durable_file_new(const struct durable_options *options);

/* What waits is dropped: write what must not be lost with durable_write_now(). */
struct durable_file *durable_file_free(struct durable_file *file);
DEFINE_CLEANUP(struct durable_file, durable_file_free);

/* Takes the contents over; *contents is empty afterwards. */
void durable_file_write(struct durable_file *file, struct strbuf *contents);

/* Whether something is being written or waits. */
bool durable_file_busy(const struct durable_file *file);

/* The same in the calling process: blocks. For workers, and for the very end.
 * Return: 0 or negative errno with *err, which names the path. */
int durable_write_now(const char *path, struct str contents, struct error *err);

/* Removes what a crash in the middle of that has left beside the file. */
void durable_clear(const char *path);

/* Adds all of a file, at most `most` bytes; blocks. Return: 0; -ENOENT without *err when there is
 * none; else negative errno with *err. */
int durable_read_now(const char *path, size_t most, struct strbuf *ret, struct error *err);

/* Renames a file that cannot be trusted to PATH.bad-N so that it is kept and not read again.
 * Return: 0 or negative errno with *err; ret_new_name has room for PATH_MAX bytes. */
int durable_set_aside(const char *path, char *ret_new_name, struct error *err);

/* The same, and says so: "WHAT 'PATH' IS not used: WHY; the file is kept as 'PATH.bad-N', and
 * THEN". is: "is" or "are"; why: of whoever read it. */
void durable_distrust(const char *path, const char *what, const char *is, const struct error *why,
                      const char *then);

/* Brings the folder's entry of a file to the disk, which is part of the file's being there; blocks.
 * Return: 0 or negative errno. */
int durable_sync_folder(const char *path);
