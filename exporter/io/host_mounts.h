/* SPDX-License-Identifier: Apache-2.0 */

/* The mounted file systems: which there are, which are shown, and how full they are.
 *
 * Asking a file system how full it is may never return (an NFS server that is gone), so it happens
 * in a worker that says whom it asks before it asks: what it wrote last tells where it hangs. Its
 * words are fields that end in a zero byte:
 *   "?", device, mount point, type, "major:minor", "1" if read-only; then "=", size, free,
 * available, files, free files; or "!" and why not. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/statvfs.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "base/table.h"

/* What the label device_error says about one that hangs. */
#define HOST_MOUNT_HANGS "mountpoint timeout"

#define HOST_MOST_MOUNTS 2000

struct host_mount {
    struct str device, point, type; /* without escapes, in the arena */
    struct str number;              /* "8:1"; borrowed from the text */
    bool read_only;
};

/* Takes one line off the text of mountinfo. Return: false when the line is none. */
bool host_mount_parse(struct str *text, struct arena *arena, struct host_mount *ret);

/* Whether a file system is shown: virtual ones and what containers mount are not. */
bool host_mount_is_shown(const struct host_mount *mount);

struct host_mounts_question {
    struct str mountinfo;
    size_t skip; /* so many of the shown ones have been asked already */
    int (*statvfs)(const char *path, struct statvfs *ret);
    /* The path of a mount point, to be freed; and whether it is known to hang. */
    char *(*path)(const void *userdata, const char *mount_point);
    bool (*hangs)(const void *userdata, const char *path);
    const void *userdata;
};

/* Asks them all and writes to fd as it goes. Return: 0 or negative errno. */
int host_mounts_ask(const struct host_mounts_question *question, int fd);

/* What a worker had said when it was late: how many file systems it had begun with, and the mount
 * point that it hangs in (no text: none). */
size_t host_mounts_begun(struct str words, struct str *ret_hangs_in);

/* The table of such words: columns device, mountpoint, fstype, readonly, device_error (1 or 0),
 * error (its text), size, free, avail, files, files_free, major, minor. The last one, when nothing
 * came of it, hangs. */
int host_mounts_table(struct str words, struct arena *arena, const struct table **ret,
                      struct error *err);
