/* SPDX-License-Identifier: Apache-2.0 */

/* A listener for HAProxy's agent-check: a client connects, sends one line, gets one line, and the
 * connection ends. What the lines mean is the owner's business.
 *
 * Everything is bounded: bytes of a line, time of a connection, number of connections (the oldest
 * makes room for a new one). A line without an end is taken as it is when the client has sent
 * nothing more for a moment, because a newline in agent-send is easily forgotten. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "io/loop.h"
#include "web/listen.h"

#define AGENT_MOST_CONNECTIONS 256
#define AGENT_MOST_LINE        256 /* bytes */
#define AGENT_LIFE_USEC        ((uint64_t)2 * 1000 * 1000)
#define AGENT_PATIENCE_USEC    ((uint64_t)200 * 1000) /* for the rest of a line */

struct agent_options {
    struct loop *loop;
    /* Adds the answer to a line, newline included. Nothing: the connection ends without a word.
     * peer is a hash of the client's address, without its port. */
    void (*answer)(void *userdata, struct str line, uint64_t peer, struct strbuf *out);
    void *userdata;
};

struct agent_numbers {
    uint64_t answered, silent; /* silent: also connections that sent no line */
    unsigned connections;
};

struct agent;

/* Takes the listener over. */
struct agent *agent_new(const struct agent_options *options, struct listener *listener);
struct agent *agent_free(struct agent *agent);
DEFINE_CLEANUP(struct agent, agent_free);

/* As bound: after port 0. */
const char *agent_address(const struct agent *agent);
struct agent_numbers agent_numbers(const struct agent *agent);
