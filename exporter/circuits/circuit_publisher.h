/* SPDX-License-Identifier: Apache-2.0 */

/* Breakers in one Redis: published for applications, and read for what other monitors say.
 *
 * Each breaker has a key. Only the monitor whose own word keeps calls back writes it, and it alone
 * takes it away: the value names its owner. The key ends with its time to live, so that a dead
 * monitor holds nobody back. What another one wrote is honoured until its time to live is over, and
 * never written again.
 *
 * Once a second, and at each change, every key is read and the next step follows from what was
 * found:
 *
 *     key is           own word keeps back               own word lets pass
 *     absent           SET ... EX ttl NX                 -
 *     ours             SET ... EX ttl, if it changed     DEL
 *                      or half of the ttl is over
 *     another's        honoured                          honoured
 *     nothing we know  SET ... EX ttl                    -
 *
 * Where there is a channel, who has written or taken away the key tells its listeners, once for
 * each state.
 */
#pragma once

#include <stdbool.h>

#include "circuits/circuits.h"
#include "io/loop.h"
#include "io/redis_client.h"
#include "io/resolve.h"

struct circuit_publisher;

struct circuit_publisher_options {
    struct loop *loop;
    struct resolver *resolver;
    struct tls_contexts *tls_contexts;
    const char *target;                /* its name; breakers that publish there are its own */
    const struct redis_options *redis; /* copied */
    struct circuits *circuits;         /* borrowed */
    const char *owner;                 /* who we are: host and port; copied */
};

struct circuit_publisher *circuit_publisher_new(const struct circuit_publisher_options *options);

/* What stands in Redis ends with its time to live. NULL is fine. Return: NULL. */
struct circuit_publisher *circuit_publisher_free(struct circuit_publisher *publisher);

/* The breakers were configured anew, or the address; equal options keep the connection. */
void circuit_publisher_configure(struct circuit_publisher *publisher,
                                 const struct redis_options *redis);

const char *circuit_publisher_target(const struct circuit_publisher *publisher);

/* A breaker that publishes here has changed. */
void circuit_publisher_changed(struct circuit_publisher *publisher);
