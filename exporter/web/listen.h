/* SPDX-License-Identifier: Apache-2.0 */

/* Listening sockets, opened by us rather than by the HTTP library so that what fails is said
 * precisely. */
#pragma once

#include <sys/types.h>

#include "base/error.h"

struct listener {
    int fd;          /* non-blocking, listening */
    char *text;      /* the address as bound: "127.0.0.1:9719", "[::]:9719", "unix:/path"; owned */
    char *unix_path; /* to remove at the end, or NULL; owned */
    dev_t unix_device; /* removed only while it is still our socket */
    ino_t unix_inode;
};

/* Opens "host:port", ":port" (both protocols, or IPv4 where there is no IPv6), "[v6]:port" or
 * "unix:/path" (mode 0660; a socket file that nobody listens on is replaced).
 * Return: 0 or negative errno with a sentence. */
int listener_open(const char *address, struct listener *ret, struct error *err);

/* The same for the socket that takes changes: mode 0600, for the daemon's own user and root. */
int listener_open_control(const char *path, struct listener *ret, struct error *err);

/* Closes; a zeroed one with fd -1 is fine. */
void listener_close(struct listener *listener);
