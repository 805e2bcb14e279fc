/* SPDX-License-Identifier: Apache-2.0 */

/* Files of certificates and keys: small, local, named by the configuration. They are looked at when
 * a connection is made and read when they have changed, in the daemon itself: a few KiB from the
 * page cache are nothing beside the handshake that follows, and a file that could wait (a pipe, a
 * device) is refused before it is read. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define TLS_FILE_MOST_BYTES ((size_t)1024 * 1024)

/* Tells whether a file is still the one that was read. All zeros: there is none. */
struct tls_stamp {
    uint64_t device, inode, size;
    int64_t seconds, nanoseconds; /* of the last change */
};

/* path may be NULL. */
struct tls_stamp tls_file_stamp(const char *path);
bool tls_stamp_equal(const struct tls_stamp *a, const struct tls_stamp *b);

/* Reads all of it; *ret ends in a zero byte, and holds a secret if the file does. Return: 0 or
 * negative errno with a sentence that names the file. */
int tls_file_read(const char *path, char **ret, size_t *ret_length, struct error *err);
