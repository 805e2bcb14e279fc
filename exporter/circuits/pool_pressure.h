/* SPDX-License-Identifier: Apache-2.0 */

/* How full the pools of a PgBouncer target are: each pair of database and user is a pool of its
 * own, and the worst one speaks for all. */
#pragma once

#include "breaker/circuit.h"
#include "store/store.h"

struct pool_state {
    double used;     /* server connections that belong to a client */
    double size;     /* that it may have; 0 or less: not known */
    double waiting;  /* clients in its queue */
    double wait_sec; /* of the first of them */
};

#define POOL_PRESSURE_MOST_POOLS 5000

/* The pools of a source as its newest round has them; the console's own is left out. *ret is the
 * caller's. Return: how many. */
size_t pool_pressure_read(const struct store *store, const struct store_source *source,
                          struct pool_state **ret);

/* The highest utilisation; and of the pools whose first client has waited for minimum_wait_usec, or
 * of all when there is none, the longest queue. */
struct circuit_pressure pool_pressure_of(const struct pool_state *pools, size_t count,
                                         uint64_t minimum_wait_usec);
