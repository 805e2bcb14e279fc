/* SPDX-License-Identifier: Apache-2.0 */

/* Where members are: from an instance text to host, port and addresses, and whether that is here.
 */
#pragma once

#include "failover/cluster.h"
#include "io/resolve.h"

/* "host:port", "[v6]:port", "/folder:port"; a path without port is a socket. */
void place_read(const char *instance, struct cluster_addresses *ret);

/* Loopback, a socket, or an address of one of our interfaces. */
bool place_is_local(const struct cluster_addresses *place);

/* Whether its host is a name whose addresses must be asked for. */
bool place_is_name(const struct cluster_addresses *place);

/* Takes over what a name resolves to. */
void place_take(struct cluster_addresses *place, const struct resolve_answer *answer);
