/* SPDX-License-Identifier: Apache-2.0 */

/* Where the kernel of a host target tells about itself: plain values. In a container these are the
 * places where the host's file systems are mounted. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define HOST_DEFAULT_PROCFS "/proc"
#define HOST_DEFAULT_SYSFS  "/sys"
#define HOST_DEFAULT_ROOTFS "/"

/* Absolute paths without a slash at the end ("/" is "/"), owned; NULL: the default. */
struct host_options {
    char *procfs, *sysfs, *rootfs;
};

void host_options_deinit(struct host_options *options);
void host_options_copy(const struct host_options *from, struct host_options *ret);
bool host_options_equal(const struct host_options *a, const struct host_options *b);

/* The kernel's name of this host. Always terminated. */
void host_options_instance(char *out, size_t size);

/* The path of what is called "/proc/..." or "/sys/..." here, to be freed; NULL for anything else.
 */
char *host_options_path(const struct host_options *options, const char *name);

/* Where a mount point of the host is to be found, to be freed. */
char *host_options_below_root(const struct host_options *options, const char *mount_point);
