/* SPDX-License-Identifier: Apache-2.0 */

/* All breakers that are kept for applications: found by name, fed with what is known, asked, held
 * by operators, and what another monitor says of them.
 *
 * A breaker has a word of its own (its state machine, or an operator's order) and maybe a foreign
 * one, which another monitor published in Redis. An operator's order counts alone; otherwise the
 * stricter of both does. Only the own word is counted, saved, published and told to hooks.
 *
 * Time is an argument, and nothing here talks to anybody. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "circuits/circuit_options.h"
#include "store/batch.h"

/* What is in force at a moment. */
struct circuit_status {
    enum breaker_state state;
    bool shedding;      /* closed, and some of the calls are told no */
    const char *reason; /* "" while closed, unless it sheds; valid until the breaker changes */
    const char *owner;  /* the monitor whose word it is; NULL: our own */
    int64_t since_ms;
    uint64_t retry_after_usec; /* when asking again makes sense; 0: now */
};

#define CIRCUIT_MOST_OWNER_BYTES  288
#define CIRCUIT_MOST_REASON_BYTES 64

/* The word of another monitor. */
struct circuit_foreign {
    enum breaker_state state; /* CLOSED: there is none; else OPEN or HALF_OPEN */
    char owner[CIRCUIT_MOST_OWNER_BYTES];
    char reason[CIRCUIT_MOST_REASON_BYTES];
    int64_t since_ms;
    uint64_t until_usec; /* it ends then, unless it is said again */
};

struct kept_circuit {
    struct circuit_options options;
    struct circuit circuit;
    struct circuit_foreign foreign;
    int64_t changed_ms; /* when the own state changed last */
    bool configured;    /* of circuits.c: it stands in the present configuration */
};

struct circuits;

struct circuits_events {
    /* The own state has changed. */
    void (*changed)(void *userdata, struct kept_circuit *kept, enum breaker_state from);
    void *userdata;
};

struct circuits *circuits_new(const struct circuits_events *events);
struct circuits *circuits_free(struct circuits *circuits);
DEFINE_CLEANUP(struct circuits, circuits_free);

/* Makes the breakers be these, by name; the options are copied. One that stays keeps its state and
 * its counters, whatever else of it changed. */
void circuits_configure(struct circuits *circuits, const struct circuit_options *list, size_t count,
                        uint64_t now_usec, int64_t now_ms);

/* In the order of the configuration; pointers are valid until the next circuits_configure(). */
size_t circuits_count(const struct circuits *circuits);
struct kept_circuit *circuits_at(const struct circuits *circuits, size_t index);
struct kept_circuit *circuits_find(const struct circuits *circuits, struct str name);

/* What time is it for all that follows. */
struct circuit_time {
    uint64_t usec;
    int64_t ms; /* the wall clock at the same moment */
};

/* May a call pass now? Counts: while half open or shedding some may, evenly spread. */
bool circuits_allow(struct circuits *circuits, struct kept_circuit *kept, struct circuit_time now);

/* What is in force; changes nothing. */
struct circuit_status circuits_status(const struct kept_circuit *kept, struct circuit_time now);

/* What became of a call, how a pool is, whether the expression holds. */
void circuits_call(struct circuits *circuits, struct kept_circuit *kept, struct circuit_time now,
                   bool failed, uint64_t duration_usec);
void circuits_pressure(struct circuits *circuits, struct kept_circuit *kept,
                       struct circuit_time now, const struct circuit_pressure *pressure);
void circuits_pressure_unknown(struct kept_circuit *kept);
void circuits_signal(struct circuits *circuits, struct kept_circuit *kept, struct circuit_time now,
                     bool holds);

/* FORCE_OPEN, FORCE_CLOSED, DISABLE, LIFT. */
void circuits_order(struct circuits *circuits, struct kept_circuit *kept, struct circuit_time now,
                    enum breaker_event event);

/* Timeouts that are over. Return: when to call again at the latest; UINT64_MAX: nothing waits. */
uint64_t circuits_tick(struct circuits *circuits, struct circuit_time now);

/* Another monitor's word, which replaces what it said before; NULL: there is none any more.
 * Return: whether what is in force may have changed. */
bool circuits_set_foreign(struct kept_circuit *kept, const struct circuit_foreign *foreign);

/* Whether calls are kept back by the own word: open, half open, forced open. */
static inline bool circuit_sheds(enum breaker_state state) {
    return state == BREAKER_OPEN || state == BREAKER_HALF_OPEN || state == BREAKER_FORCED_OPEN;
}

static inline bool circuit_is_forced(enum breaker_state state) {
    return state == BREAKER_FORCED_OPEN || state == BREAKER_FORCED_CLOSED ||
           state == BREAKER_DISABLED;
}

/* "force_open", "force_closed", "disable", "lift". Return: false when it is none of these. */
bool circuits_order_of(struct str word, enum breaker_event *ret);

/* ---- over a restart (circuits_state.c) ---- */

/* The states of all that are not closed, as bytes. */
void circuits_save(const struct circuits *circuits, struct strbuf *out);

/* Takes states over: orders stand again, what was open or half open is open again with its first
 * timeout. Names that are not configured are left out. No event tells of it. Return: 0, or -EINVAL
 * with a sentence and nothing has changed. */
int circuits_load(struct circuits *circuits, struct str state, struct circuit_time now,
                  struct error *err);
