/* SPDX-License-Identifier: Apache-2.0 */

/* A circuit breaker: the state machine around something that may fail (a server that is sampled, a
 * pool, a notification channel). Pure: time and randomness are arguments, no call allocates.
 *
 *   closed     calls pass; failures are judged
 *   open       calls are refused until the timeout has elapsed
 *   half_open  some calls pass to find out; successes close it, a failure opens it again
 *   forced_open, forced_closed, disabled: an operator's word, until it is lifted
 *
 * The transitions are a const table (breaker_transitions) with a row for every state and event;
 * docs/breakers.md shows it as a diagram that a test prints and compares. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/backoff.h"

enum breaker_state {
    BREAKER_CLOSED,
    BREAKER_OPEN,
    BREAKER_HALF_OPEN,
    BREAKER_FORCED_OPEN,
    BREAKER_FORCED_CLOSED,
    BREAKER_DISABLED,
    BREAKER_STATE_COUNT
};
extern const char *const breaker_state_names[]; /* "closed", "open", "half_open", ... */

enum breaker_event {
    BREAKER_TRIPPED, /* an opening condition is met */
    BREAKER_ELAPSED, /* the open timeout is over */
    BREAKER_PROVEN,  /* enough successes */
    BREAKER_REFUTED, /* a failure while finding out */
    BREAKER_FORCE_OPEN,
    BREAKER_FORCE_CLOSED,
    BREAKER_DISABLE,
    BREAKER_LIFT, /* the operator's word ends */
    BREAKER_EVENT_COUNT
};
extern const char *const breaker_event_names[];

enum breaker_action {
    BREAKER_KEEP,  /* nothing: from equals to */
    BREAKER_ARM,   /* start the open timeout, longer each time it opens again */
    BREAKER_PROBE, /* start counting successes */
    BREAKER_RESET, /* forget failures and back-off */
};

struct breaker_transition {
    enum breaker_state from;
    enum breaker_event event;
    enum breaker_state to;
    enum breaker_action action;
};

/* All BREAKER_STATE_COUNT * BREAKER_EVENT_COUNT rows, ordered by state, then event. */
extern const struct breaker_transition breaker_transitions[];

struct breaker_options {
    unsigned consecutive_failures; /* opens after so many in a row; 0: never by this */
    unsigned successes;            /* closes after so many in a row while half open; 0: 1 */
    uint64_t timeout_usec;         /* how long it stays open at first */
    uint64_t max_timeout_usec;     /* the longest after repeated opening */
    /* A breaker around our own sampling: while open one probe per call of breaker_allow() may pass,
     * and one success closes it, so that a returning server is seen at once. */
    bool probe_while_open;
};

enum breaker_answer {
    BREAKER_REJECT, /* no call now */
    BREAKER_PASS,   /* go ahead */
    BREAKER_TRY,    /* the cheapest call that proves life, nothing more */
};

struct breaker {
    struct breaker_options options;
    enum breaker_state state;
    unsigned failures_in_a_row;
    unsigned successes_in_a_row;
    struct backoff backoff;
    uint64_t changed_usec;      /* when it came into this state */
    uint64_t next_attempt_usec; /* while open */
    uint64_t open_usec;         /* time spent open before the present state */
    uint64_t transitions[BREAKER_STATE_COUNT][BREAKER_STATE_COUNT]; /* from, to */
    uint64_t successes_total, failures_total, rejected_total;
};

void breaker_init(struct breaker *breaker, const struct breaker_options *options,
                  uint64_t now_usec);

/* Other options from now on; the state stays, and an open one's timeout ends when it would have. */
void breaker_configure(struct breaker *breaker, const struct breaker_options *options);

/* May a call be made now? Moves from open to half_open when the timeout is over. */
enum breaker_answer breaker_allow(struct breaker *breaker, uint64_t now_usec);

/* The outcome of a call. random_unit: evenly from [0, 1), for the jitter of the timeout.
 * Return: true when the state changed. */
bool breaker_success(struct breaker *breaker, uint64_t now_usec);
bool breaker_failure(struct breaker *breaker, uint64_t now_usec, double random_unit);

/* Opens it, whatever was counted: for conditions that the caller judges. */
bool breaker_trip(struct breaker *breaker, uint64_t now_usec, double random_unit);

/* The timeout of an open one may be over although nobody asks. Return: true at the change. */
bool breaker_tick(struct breaker *breaker, uint64_t now_usec);

/* An operator's event: FORCE_OPEN, FORCE_CLOSED, DISABLE, LIFT. Return: true at a change. */
bool breaker_order(struct breaker *breaker, enum breaker_event event, uint64_t now_usec);

/* What `circuit_breaker_state` shows: 0 closed, 1 open, 2 half open; forced_open 1, the other
 * orders 0. */
int breaker_metric_state(const struct breaker *breaker);

/* Seconds spent open until now. */
double breaker_open_seconds(const struct breaker *breaker, uint64_t now_usec);
