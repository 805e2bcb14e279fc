/* SPDX-License-Identifier: Apache-2.0 */

/* Makes a connection's parameters ready for PQconnectStartParams(): host names become hostaddr, so
 * that libpq never resolves one itself; one with several addresses becomes several hosts. The name
 * stays in `host`, which certificates, the password file and messages go by. */
#pragma once

#include "io/loop.h"
#include "io/pg_params.h"
#include "io/resolve.h"

struct pg_hosts;

/* done() gets the parameters (borrowed) or an error (-EINVAL: the DSN's service; else: no name
 * could be resolved), once, from the loop. Freeing inside done() is legal. */
struct pg_hosts *pg_hosts_new(struct loop *loop, struct resolver *resolver,
                              const struct pg_options *options,
                              void (*done)(void *userdata, const struct pg_params *params,
                                           const struct error *err),
                              void *userdata);

/* NULL is fine. Return: NULL. */
struct pg_hosts *pg_hosts_free(struct pg_hosts *hosts);
