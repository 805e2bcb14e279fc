/* SPDX-License-Identifier: Apache-2.0 */

/* The open connections of one server: what each is doing since when, which has taken too long, and
 * which must make room for a new one. Pure: time is an argument, nothing is closed here.
 *
 * A connection is idle until a request line has come, then reading until the request is whole, then
 * answering, then idle again. The list is ordered by the beginning of the phase, oldest first. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A connection has at least this long to say something, and to take its answer, before it must make
 * room for others. */
#define CONNECTION_GRACE_USEC        ((uint64_t)1000 * 1000)
#define CONNECTION_ANSWER_GRACE_USEC ((uint64_t)5 * 1000 * 1000)

enum connection_phase {
    CONNECTION_IDLE,
    CONNECTION_READING,
    CONNECTION_ANSWERING,
};

/* Part of what the server keeps of a connection. */
struct connection {
    struct connection *next, *previous;
    enum connection_phase phase;
    uint64_t since_usec; /* when the phase began */
    bool closing;        /* it was cut: it still counts until it has gone */
};

struct connection_list {
    struct connection *first, *last;
    uint64_t silence_usec; /* what a silent client is granted; the other limits follow from it */
    unsigned count;        /* with those that are closing */
    unsigned closing;
};

void connection_list_add(struct connection_list *list, struct connection *connection,
                         uint64_t now_usec);
void connection_list_remove(struct connection_list *list, struct connection *connection);

void connection_enter(struct connection_list *list, struct connection *connection,
                      enum connection_phase phase, uint64_t now_usec);

/* Marks it as closing. */
void connection_close(struct connection_list *list, struct connection *connection);

/* Whether its phase has taken longer than any honest client needs, however much it drips. */
bool connection_is_late(const struct connection_list *list, const struct connection *connection,
                        uint64_t now_usec);

/* The connection that makes room for a new one: the longest idle, else the one that has been
 * sending its request for longest, else the one that has been taking its answer for longest. NULL:
 * all are within their grace. */
struct connection *connection_dispensable(const struct connection_list *list, uint64_t now_usec);
