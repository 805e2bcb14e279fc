/* SPDX-License-Identifier: Apache-2.0 */

#include "web/connections.h"

/* Units of silence. Idle time and a request line that comes in drips look the same from here, so
 * that idle has the time of both. */
#define IDLE_SILENCES      2
#define ANSWERING_SILENCES 4

static void append(struct connection_list *list, struct connection *connection) {
    connection->next = NULL;
    connection->previous = list->last;
    *(list->last != NULL ? &list->last->next : &list->first) = connection;
    list->last = connection;
}

static void take_out(struct connection_list *list, struct connection *connection) {
    *(connection->previous != NULL ? &connection->previous->next : &list->first) = connection->next;
    *(connection->next != NULL ? &connection->next->previous : &list->last) = connection->previous;
    connection->next = connection->previous = NULL;
}

void connection_list_add(struct connection_list *list, struct connection *connection,
                         uint64_t now_usec) {
    connection->phase = CONNECTION_IDLE;
    connection->since_usec = now_usec;
    append(list, connection);
    list->count++;
}

void connection_list_remove(struct connection_list *list, struct connection *connection) {
    take_out(list, connection);
    list->count--;
    list->closing -= connection->closing;
}

void connection_enter(struct connection_list *list, struct connection *connection,
                      enum connection_phase phase, uint64_t now_usec) {
    connection->phase = phase;
    connection->since_usec = now_usec;
    if (list->last != connection) {
        take_out(list, connection);
        append(list, connection);
    }
}

void connection_close(struct connection_list *list, struct connection *connection) {
    list->closing += !connection->closing;
    connection->closing = true;
}

static uint64_t limit_usec(const struct connection_list *list, enum connection_phase phase) {
    switch (phase) {
    case CONNECTION_IDLE:
        return IDLE_SILENCES * list->silence_usec;
    case CONNECTION_READING:
        return list->silence_usec;
    case CONNECTION_ANSWERING:
        return ANSWERING_SILENCES * list->silence_usec;
    }
    return list->silence_usec;
}

bool connection_is_late(const struct connection_list *list, const struct connection *connection,
                        uint64_t now_usec) {
    return now_usec > connection->since_usec + limit_usec(list, connection->phase);
}

struct connection *connection_dispensable(const struct connection_list *list, uint64_t now_usec) {
    struct connection *reading = NULL, *answering = NULL;
    for (struct connection *one = list->first; one != NULL; one = one->next) {
        uint64_t age_usec = now_usec > one->since_usec ? now_usec - one->since_usec : 0;
        if (age_usec < CONNECTION_GRACE_USEC) {
            break; /* all that follow are younger */
        }
        if (one->closing) {
            continue;
        }
        if (one->phase == CONNECTION_IDLE) {
            return one;
        }
        if (one->phase == CONNECTION_READING && reading == NULL) {
            reading = one;
        }
        if (one->phase == CONNECTION_ANSWERING && answering == NULL &&
            age_usec >= CONNECTION_ANSWER_GRACE_USEC) {
            answering = one;
        }
    }
    return reading != NULL ? reading : answering;
}
