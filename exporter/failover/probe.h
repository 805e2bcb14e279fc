/* SPDX-License-Identifier: Apache-2.0 */

/* A probe connection of its own to a member of a cluster, beside those that sample it: one
 * statement an interval, one row, and the interval as the deadline.
 *
 * The connection is kept, because how it ends is evidence, and renewed every half a minute, the new
 * one first: a server that lets nobody in any more must not be taken for a healthy one. At most two
 * are open. One that is silent is kept and not closed, so that a hung server does not collect our
 * connections; one that cannot be made is given up after a few seconds.
 *
 * The owner gives the pace (probe_tick()) and learns of each attempt's end exactly once, and of the
 * end of a kept connection at once: after that the server has been asked again already, unless it
 * was lost within the same interval before. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "failover/answer.h"
#include "io/client.h"

enum probe_kind { PROBE_POSTGRES, PROBE_REDIS };

struct probe_failure {
    const struct client_failure *failure; /* end says of what kind it is */
    bool kept_open;                       /* another connection to it is still open */
};

struct probe_events {
    void (*answered)(void *userdata, const struct member_answer *answer,
                     const struct member_identity *identity, uint64_t took_usec);
    void (*failed)(void *userdata, const struct probe_failure *failure);
    /* Once per connection. NULL: nobody asks. */
    void (*learned)(void *userdata, const struct member_facts *facts);
    /* New connections are turned away while the kept one answers: its operator stops it, and it
     * waits for us. Ours are closed already. */
    void (*stopping)(void *userdata);
    void *userdata;
};

struct probe_options {
    enum probe_kind kind;
    struct loop *loop;
    uint64_t interval_usec;
    uint64_t renew_usec; /* 0: 30 s */
    /* Makes a client of the member. */
    struct client *(*make_client)(void *userdata, const struct client_events *events);
    void *make_userdata;
};

struct probe;

struct probe *probe_new(const struct probe_options *options, const struct probe_events *events);
struct probe *probe_free(struct probe *probe);
DEFINE_CLEANUP(struct probe, probe_free);

/* Once an interval: an attempt that is open since the last one has failed, and the next begins. */
void probe_tick(struct probe *probe);

/* Asks now unless it is being asked. */
void probe_now(struct probe *probe);

/* We were late ourselves: what is open says nothing, and begins anew at the next tick. */
void probe_forget(struct probe *probe);

/* Whose connection is wanted: as its answers and ours say. */
struct probe_wanted {
    const char *system;  /* member_answer.system; an empty one is nobody's */
    const char *address; /* member_answer.address and port */
    uint16_t port;
};

/* Gives away its connection to this server for good, where no other is to be had: one that has
 * answered within two intervals, and on which nothing is open. The next attempt makes a new one,
 * and if there is none left for it, fails. Return: NULL when there is no such connection now. */
struct client *probe_give(struct probe *probe, const struct probe_wanted *wanted,
                          struct client_hello *ret_hello);

/* It speaks to a pooler, which is no member of anything. */
bool probe_is_pooled(const struct probe *probe);
