/* SPDX-License-Identifier: Apache-2.0 */

#include "circuits/circuits.h"

#include <stdlib.h>

#include "base/duration.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/random.h"

#define ORDERED "operator"

struct circuits {
    struct circuits_events events;
    struct kept_circuit **list;
    size_t n;
    struct hash_map by_name;
};

struct circuits *circuits_new(const struct circuits_events *events) {
    struct circuits *circuits = mem_alloc(sizeof(*circuits));
    circuits->events = *events;
    return circuits;
}

static void kept_free(struct kept_circuit *kept) {
    circuit_options_deinit(&kept->options);
    free(kept);
}

struct circuits *circuits_free(struct circuits *circuits) {
    if (circuits != NULL) {
        for (size_t i = 0; i < circuits->n; i++) {
            kept_free(circuits->list[i]);
        }
        free(circuits->list);
        hash_map_deinit(&circuits->by_name);
        free(circuits);
    }
    return NULL;
}

/* ---- which there are ---- */

static uint64_t hash_of(struct str name) {
    return hash_bytes(name.data, name.len);
}

static bool has_name(const void *entry, const void *key) {
    return str_is(*(const struct str *)key, ((const struct kept_circuit *)entry)->options.name);
}

struct kept_circuit *circuits_find(const struct circuits *circuits, struct str name) {
    return hash_map_get(&circuits->by_name, hash_of(name), has_name, &name);
}

size_t circuits_count(const struct circuits *circuits) {
    return circuits->n;
}

struct kept_circuit *circuits_at(const struct circuits *circuits, size_t index) {
    return circuits->list[index];
}

/* What was found under another key, or is no longer looked for, is no word of anybody. */
static bool same_place(const struct circuit_options *a, const struct circuit_options *b) {
    return a->publish.target != NULL && b->publish.target != NULL &&
           strcmp(a->publish.target, b->publish.target) == 0 &&
           strcmp(a->publish.key_prefix, b->publish.key_prefix) == 0;
}

/* What was known of one pool says nothing of another. */
static bool same_target(const struct circuit_options *a, const struct circuit_options *b) {
    return a->target != NULL && b->target != NULL && strcmp(a->target, b->target) == 0;
}

static struct kept_circuit *take_over(struct circuits *circuits,
                                      const struct circuit_options *options,
                                      struct circuit_time now) {
    struct kept_circuit *kept = circuits_find(circuits, str_of(options->name));
    if (kept == NULL) {
        kept = mem_alloc(sizeof(*kept));
        kept->changed_ms = now.ms;
        circuit_init(&kept->circuit, &options->policy, now.usec);
    } else {
        circuit_configure(&kept->circuit, &options->policy);
        if (!same_place(&kept->options, options)) {
            kept->foreign = (struct circuit_foreign){0};
        }
        if (!same_target(&kept->options, options)) {
            circuit_pressure_unknown(&kept->circuit);
        }
        circuit_options_deinit(&kept->options);
    }
    circuit_options_copy(options, &kept->options);
    kept->configured = true;
    return kept;
}

void circuits_configure(struct circuits *circuits, const struct circuit_options *list, size_t count,
                        uint64_t now_usec, int64_t now_ms) {
    struct kept_circuit **kept = mem_array(count + 1, sizeof(struct kept_circuit *));
    for (size_t i = 0; i < circuits->n; i++) {
        circuits->list[i]->configured = false;
    }
    for (size_t i = 0; i < count; i++) {
        kept[i] = take_over(circuits, &list[i], (struct circuit_time){now_usec, now_ms});
    }
    hash_map_deinit(&circuits->by_name);
    circuits->by_name = (struct hash_map){0};
    for (size_t i = 0; i < circuits->n; i++) {
        if (!circuits->list[i]->configured) {
            kept_free(circuits->list[i]);
        }
    }
    free(circuits->list);
    circuits->list = kept;
    circuits->n = count;
    for (size_t i = 0; i < count; i++) {
        hash_map_add(&circuits->by_name, hash_of(str_of(kept[i]->options.name)), kept[i]);
    }
}

/* ---- what is in force ---- */

bool circuits_set_foreign(struct kept_circuit *kept, const struct circuit_foreign *foreign) {
    struct circuit_foreign none = {0};
    const struct circuit_foreign *now = foreign != NULL ? foreign : &none;
    bool same = now->state == kept->foreign.state && strcmp(now->owner, kept->foreign.owner) == 0;
    int64_t since_ms = kept->foreign.since_ms;
    kept->foreign = *now;
    if (same) {
        kept->foreign.since_ms = since_ms;
    }
    return !same;
}

/* The foreign word counts where it is stricter than the own. */
static bool foreign_counts(const struct kept_circuit *kept, uint64_t now_usec) {
    enum breaker_state own = kept->circuit.breaker.state, other = kept->foreign.state;
    if (other == BREAKER_CLOSED || now_usec >= kept->foreign.until_usec) {
        return false;
    }
    return own == BREAKER_CLOSED || (own == BREAKER_HALF_OPEN && other == BREAKER_OPEN);
}

struct circuit_status circuits_status(const struct kept_circuit *kept, struct circuit_time now) {
    const struct circuit_foreign *foreign = &kept->foreign;
    if (foreign_counts(kept, now.usec)) {
        return (struct circuit_status){
            .state = foreign->state,
            .reason = foreign->reason,
            .owner = foreign->owner,
            .since_ms = foreign->since_ms,
            .retry_after_usec =
                foreign->state == BREAKER_OPEN ? foreign->until_usec - now.usec : USEC_PER_SEC,
        };
    }
    enum breaker_state state = kept->circuit.breaker.state;
    bool shedding = circuit_is_shedding(&kept->circuit);
    enum circuit_reason reason = shedding ? kept->circuit.shed_reason : kept->circuit.reason;
    return (struct circuit_status){
        .state = state,
        .shedding = shedding,
        .reason = circuit_is_forced(state) ? ORDERED : circuit_reason_names[reason],
        .since_ms = kept->changed_ms,
        .retry_after_usec = circuit_retry_after(&kept->circuit, now.usec),
    };
}

/* ---- events ---- */

static void note(struct circuits *circuits, struct kept_circuit *kept, struct circuit_time now,
                 enum breaker_state from) {
    if (kept->circuit.breaker.state != from) {
        kept->changed_ms = now.ms;
        circuits->events.changed(circuits->events.userdata, kept, from);
    }
}

bool circuits_allow(struct circuits *circuits, struct kept_circuit *kept, struct circuit_time now) {
    enum breaker_state from = kept->circuit.breaker.state;
    bool passes;
    if (foreign_counts(kept, now.usec)) {
        if (circuit_tick(&kept->circuit, now.usec)) {
            note(circuits, kept, now, from);
        }
        if (kept->foreign.state == BREAKER_OPEN) {
            kept->circuit.breaker.rejected_total++;
            return false;
        }
        return circuit_allow_share(&kept->circuit);
    }
    passes = circuit_allow(&kept->circuit, now.usec);
    note(circuits, kept, now, from);
    return passes;
}

void circuits_call(struct circuits *circuits, struct kept_circuit *kept, struct circuit_time now,
                   bool failed, uint64_t duration_usec) {
    enum breaker_state from = kept->circuit.breaker.state;
    (void)circuit_call(&kept->circuit, now.usec, failed, duration_usec, random_unit());
    note(circuits, kept, now, from);
}

/* The clock may be behind: what an event finds open may be half open by now, two changes at once.
 */
static enum breaker_state tick_first(struct circuits *circuits, struct kept_circuit *kept,
                                     struct circuit_time now) {
    enum breaker_state from = kept->circuit.breaker.state;
    (void)circuit_tick(&kept->circuit, now.usec);
    note(circuits, kept, now, from);
    return kept->circuit.breaker.state;
}

void circuits_pressure(struct circuits *circuits, struct kept_circuit *kept,
                       struct circuit_time now, const struct circuit_pressure *pressure) {
    enum breaker_state from = tick_first(circuits, kept, now);
    (void)circuit_pressure(&kept->circuit, now.usec, pressure, random_unit());
    note(circuits, kept, now, from);
}

void circuits_pressure_unknown(struct kept_circuit *kept) {
    circuit_pressure_unknown(&kept->circuit);
}

void circuits_signal(struct circuits *circuits, struct kept_circuit *kept, struct circuit_time now,
                     bool holds) {
    enum breaker_state from = tick_first(circuits, kept, now);
    (void)circuit_signal(&kept->circuit, now.usec, holds, random_unit());
    note(circuits, kept, now, from);
}

void circuits_order(struct circuits *circuits, struct kept_circuit *kept, struct circuit_time now,
                    enum breaker_event event) {
    enum breaker_state from = kept->circuit.breaker.state;
    (void)circuit_order(&kept->circuit, event, now.usec);
    note(circuits, kept, now, from);
}

uint64_t circuits_tick(struct circuits *circuits, struct circuit_time now) {
    uint64_t next = UINT64_MAX;
    for (size_t i = 0; i < circuits->n; i++) {
        const struct breaker *breaker = &circuits->list[i]->circuit.breaker;
        if (tick_first(circuits, circuits->list[i], now) == BREAKER_OPEN &&
            breaker->next_attempt_usec < next) {
            next = breaker->next_attempt_usec;
        }
    }
    return next;
}

bool circuits_order_of(struct str word, enum breaker_event *ret) {
    for (int event = BREAKER_FORCE_OPEN; event <= BREAKER_LIFT; event++) {
        if (str_is(word, breaker_event_names[event])) {
            *ret = (enum breaker_event)event;
            return true;
        }
    }
    return false;
}
