/* SPDX-License-Identifier: Apache-2.0 */

/* Small files, whole and under a limit. May block on a disk; waits at most five seconds for the
 * writer of a pipe. */
#pragma once

#include <stddef.h>

#include "base/error.h"

/* Reads a regular file or a pipe of at most most bytes; one that is larger is not read at all. *ret
 * ends in a zero byte that does not count. Return: 0, or negative errno with a sentence without its
 * subject ("does not exist"). */
int read_file(const char *path, size_t most, char **ret, size_t *ret_length, struct error *err);
