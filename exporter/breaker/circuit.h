/* SPDX-License-Identifier: Apache-2.0 */

/* A breaker that is kept for applications: it judges what they report of their calls, the pressure
 * on a pool, and whatever an expression says, and tells them whether a call may pass now.
 *
 * The states and what moves between them are the machine's (breaker/breaker.h); here is when its
 * events happen. Pure: time and randomness are arguments, nothing allocates. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "breaker/breaker.h"
#include "breaker/call_window.h"

/* Why it opened. */
enum circuit_reason {
    CIRCUIT_NO_REASON,
    CIRCUIT_FAILURES,     /* so many in a row */
    CIRCUIT_FAILURE_RATE, /* too large a share of the calls in the window failed */
    CIRCUIT_SLOW_RATE,    /* ... took too long */
    CIRCUIT_UTILISATION,  /* the pool is used too far */
    CIRCUIT_WAITING,      /* too many wait for the pool */
    CIRCUIT_EXPRESSION,   /* a PromQL expression holds */
    CIRCUIT_REASON_COUNT
};
/* "", "consecutive_failures", "failure_rate" ... as the keys of the configuration. */
extern const char *const circuit_reason_names[];

/* When it opens; 0 switches a condition off. */
struct circuit_policy {
    unsigned consecutive_failures;
    double failure_rate, slow_rate; /* of the calls in the window, 0 to 1 */
    uint64_t slow_call_usec;
    uint64_t window_usec;
    unsigned minimum_calls;     /* rates of fewer calls say nothing */
    double utilisation;         /* of a pool, 0 to 1 */
    unsigned waiting;           /* clients that wait for it */
    uint64_t minimum_wait_usec; /* who waits less does not count; 0: whoever waits */
    unsigned rounds;            /* so many samples with pressure in a row; 0: 1 */
    double shed_fraction;       /* of calls that are told no while closed and shedding; 0: none */
    double shed_utilisation;    /* of a pool, from where on it sheds; 0: never by this */
    double close_utilisation;   /* a sample below it, without waiting clients, is a success */
    unsigned successes;         /* in a row while half open; 0: 1 */
    double fraction;            /* of calls that pass while half open; 0: none but samples decide */
    uint64_t timeout_usec, max_timeout_usec;
};

/* 0.85, 5 clients, 5 failures in a row, half of at least 10 calls in 60 s; 30 s to 5 min, 3
 * successes, half of the calls; nothing is shed. */
extern const struct circuit_policy circuit_policy_default;

struct circuit_pressure {
    double utilisation; /* NAN: unknown */
    unsigned waiting;
    uint64_t longest_wait_usec;
};

/* What became of calls; each counts once. */
enum circuit_outcome {
    CIRCUIT_SUCCESS,
    CIRCUIT_FAILURE,
    CIRCUIT_SLOW, /* it succeeded, and took too long */
    CIRCUIT_OUTCOME_COUNT
};

struct circuit {
    struct circuit_policy policy;
    struct breaker breaker;
    struct call_window window;
    enum circuit_reason reason; /* of the last opening */
    /* While closed: why some of the calls are told no. The newest sample of the pool says so. */
    enum circuit_reason shed_reason;
    unsigned rounds_under_pressure;
    uint64_t asked;                              /* while half open or shedding */
    uint64_t calls_total[CIRCUIT_OUTCOME_COUNT]; /* that were reported */
};

void circuit_init(struct circuit *circuit, const struct circuit_policy *policy, uint64_t now_usec);

/* Another policy from now on: state, counters and what is in the window stay, unless the window has
 * another length. */
void circuit_configure(struct circuit *circuit, const struct circuit_policy *policy);

/* Opens it for a reason that was found before a restart. */
bool circuit_reopen(struct circuit *circuit, uint64_t now_usec, enum circuit_reason reason,
                    double random_unit);

/* May a call pass? While half open exactly the policy's fraction may, evenly spread; while closed
 * and shedding, what its shed_fraction leaves. */
bool circuit_allow(struct circuit *circuit, uint64_t now_usec);

/* The same as if it were half open, whatever it is: for the word of another monitor. */
bool circuit_allow_share(struct circuit *circuit);

/* When asking again makes sense: microseconds from now; 0 when a call may pass at once. */
uint64_t circuit_retry_after(const struct circuit *circuit, uint64_t now_usec);

/* What became of a call. random_unit: evenly from [0, 1). Return: true when the state changed. */
bool circuit_call(struct circuit *circuit, uint64_t now_usec, bool failed, uint64_t duration_usec,
                  double random_unit);

/* A sample of the pool. A round without a sample is no call of this: what is not known opens
 * nothing and closes nothing. One that stays closed sheds until the next sample when the pool is
 * used shed_utilisation or more, or what would open it has not lasted for its rounds yet. */
bool circuit_pressure(struct circuit *circuit, uint64_t now_usec,
                      const struct circuit_pressure *pressure, double random_unit);

/* The pool cannot be seen: what was known of it sheds nothing any more. */
void circuit_pressure_unknown(struct circuit *circuit);

static inline bool circuit_is_shedding(const struct circuit *circuit) {
    return circuit->shed_reason != CIRCUIT_NO_REASON;
}

/* The value of an expression: whether it holds. */
bool circuit_signal(struct circuit *circuit, uint64_t now_usec, bool holds, double random_unit);

/* The timeout of an open one is over: it becomes half open although nobody asks. */
bool circuit_tick(struct circuit *circuit, uint64_t now_usec);

/* An operator's word, as breaker_order(). */
bool circuit_order(struct circuit *circuit, enum breaker_event event, uint64_t now_usec);
