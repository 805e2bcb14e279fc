/* SPDX-License-Identifier: Apache-2.0 */

/* A file of records to which is only appended: what happened, in its order, and each record on the
 * disk before its owner goes on. A disk may stall, so a worker writes and syncs; records that come
 * meanwhile wait and go out together.
 *
 * On the disk: an eight byte head with the version, then for each record its length (u32), the
 * CRC-32C of its bytes (u32), its bytes. A record that was cut off by a crash is a torn tail: it
 * was never reported as written, so it is dropped at the next opening. Anything else that does not
 * fit is damage. What a failed write left behind is overwritten by the next one.
 *
 * The whole file may be replaced by a shorter one: written beside it, brought to the disk, renamed,
 * and the folder brought to the disk. Either the old or the new one stands at any time; when a
 * disk that stalls leaves open which, nothing is written but the new one again. */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "io/worker.h"

#define RECORD_LOG_MOST_BYTES  ((size_t)16 * 1024 * 1024)
#define RECORD_LOG_MOST_RECORD ((size_t)256 * 1024)

struct record_log;

struct record_log_options {
    struct loop *loop;
    struct worker_pool *pool; /* borrowed; freed after the log */
    const char *path;         /* copied; its folder must exist */
    /* How long a write may take; what is late counts as failed. 0: 10 s. */
    uint64_t deadline_usec;
};

/* Reads what is there; blocks. record() sees each record, borrowed until it returns.
 * Return: 0 and *ret (also when there is no file yet); -EBADMSG with *err when it is damaged, after
 * all records before the damage were seen: the caller sets the file aside and begins a new one. */
int record_log_open(const struct record_log_options *options,
                    void (*record)(void *userdata, struct str bytes), void *userdata,
                    struct record_log **ret, struct error *err);

/* What waits is dropped, written() is not called. NULL is fine. Return: NULL. */
struct record_log *record_log_free(struct record_log *log);
DEFINE_CLEANUP(struct record_log, record_log_free);

/* Copies a record. written() is called once, never from inside: err is not set when the record is
 * on the disk; after a failure it is not in the log. Return: 0, or -EFBIG when the record is too
 * long or the log is full: written() is not called. */
int record_log_append(struct record_log *log, struct str bytes,
                      void (*written)(void *userdata, const struct error *err), void *userdata);

/* Whether the disk takes a record, of which nothing stays: for a log that could not be written, and
 * has nothing to write. A crash meanwhile leaves a torn tail. Return: 0; -EBUSY while something is
 * being written, which says as much, or -EFBIG when the log is nearly full: tried() is not called.
 */
int record_log_try(struct record_log *log, void (*tried)(void *userdata, const struct error *err),
                   void *userdata);

/* Adds a record to the contents of a new file. */
void record_log_add(struct strbuf *contents, struct str bytes);

/* Makes the file one of these records (record_log_add()); *contents is empty afterwards. What is
 * appended meanwhile waits and goes to the new file. replaced() is never called from inside: err is
 * not set when the new file stands; with -EINPROGRESS it is not known yet which one does: the next
 * record or trial writes it again, and replaced() is called again; with any other error the old one
 * stands. Return: 0, or -EBUSY while something is being written. */
int record_log_replace(struct record_log *log, struct strbuf *contents,
                       void (*replaced)(void *userdata, const struct error *err), void *userdata);

/* Bytes on the disk, and whether something is being written or waits. */
uint64_t record_log_bytes(const struct record_log *log);
bool record_log_busy(const struct record_log *log);
