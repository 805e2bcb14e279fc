/* SPDX-License-Identifier: Apache-2.0 */

/* Who holds a port: the socket's inode from /proc/net/tcp and tcp6, then the process that has it
 * open. It may look at every process, so it is asked only when a port is taken. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Who listens on a TCP port of this host, as far as /proc tells us.
 * Return: 0 with "process 1234 (prometheus)" in out, or -ENOENT. */
int port_owner(uint16_t port, char *out, size_t size);
