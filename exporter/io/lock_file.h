/* SPDX-License-Identifier: Apache-2.0 */

/* A file that at most one process holds at a time. The kernel lets go of it when the process ends,
 * however it ends; processes that it forks do not hold it. */
#pragma once

#include <sys/types.h>

/* Makes the file if need be, and never removes it. *ret_holder, when it is held already: by whom,
 * or 0 if that cannot be said. Return: a descriptor, which holds it until the process ends or
 * closes any descriptor of the file; -EBUSY when it is held; or negative errno. */
int lock_file_take(const char *path, pid_t *ret_holder);
