/* SPDX-License-Identifier: Apache-2.0 */

/* The kernel of the machine as a server: the text of a request is the question,
 *   "/proc/stat"            a file: its text, as a tree of type TREE_TEXT, read in the loop, which
 *                           files of /proc do not hold;
 *   "/proc/pressure/" "*"   files of a folder: a table (io/host_read.h), below /sys by a worker,
 *                           because drivers answer there;
 *   "statvfs"               file systems, a table (io/host_mounts.h), by a worker
 * (io/host_probe.h); "uname", "time"         one row of what the system calls of that name say.
 * What the kernel does not have is refused as unsupported. There is nothing to connect to, so such
 * a client is ready at once and never ends by itself. */
#pragma once

#include "io/client.h"
#include "io/host_options.h"
#include "io/host_probe.h"

/* timeout_usec is that of a round: who hangs is given up a good while before it. */
struct client *host_client_new(struct loop *loop, struct host_probe *probe,
                               const struct host_options *options, uint64_t timeout_usec,
                               const struct client_events *events);
