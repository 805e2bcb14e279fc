/* SPDX-License-Identifier: Apache-2.0 */

#include "breaker/breaker_metrics.h"

#include "base/duration.h"

enum {
    STATE,
    NUMBER,
    CHANGES,
    OPEN_SECONDS,
    FORCED,
    SHEDDING,
    CALLS,
    FAILURE_RATE,
    LAST_CHANGE,
    NEXT_ATTEMPT,
};

static const struct column rows[] = {
    [STATE] = {NULL, GAUGE, "dbvitals_breaker_state",
               "1 for the state that the circuit breaker is in.", .group = 1},
    [NUMBER] = {NULL, GAUGE, "circuit_breaker_state",
                "State of the circuit breaker: 0 closed, 1 open, 2 half open.", .group = 2},
    [CHANGES] = {NULL, COUNTER, "dbvitals_breaker_transitions_total",
                 "Changes of the circuit breaker's state.", .group = 3},
    [OPEN_SECONDS] = {NULL, COUNTER, "dbvitals_breaker_open_seconds_total",
                      "Time that the circuit breaker was open.", .group = 2},
    [FORCED] = {NULL, GAUGE, "dbvitals_breaker_forced",
                "Whether an operator's word holds a breaker that is kept for applications, "
                "whatever it sees.",
                .group = 2},
    [SHEDDING] = {NULL, GAUGE, "dbvitals_breaker_shedding",
                  "Whether a closed breaker tells a share of the calls not to try, because of the "
                  "pressure on its pool.",
                  .group = 2},
    [CALLS] = {NULL, COUNTER, "dbvitals_breaker_calls_total",
               "Calls that applications reported, each once: success, failure, slow (a success "
               "that took too long); rejected are those that were told not to try.",
               .group = 4},
    [FAILURE_RATE] = {NULL, GAUGE, "dbvitals_breaker_failure_rate",
                      "Share of the reported calls in the breaker's window that failed; absent "
                      "without calls.",
                      .group = 2},
    [LAST_CHANGE] = {NULL, GAUGE, "dbvitals_breaker_last_transition_timestamp_seconds",
                     "When the breaker came into its state.", .group = 2},
    [NEXT_ATTEMPT] = {NULL, GAUGE, "dbvitals_breaker_next_attempt_timestamp_seconds",
                      "When an open breaker will be half open; absent in other states.",
                      .group = 2},
    {NULL, LABEL, "breaker", .group = 1},
    {NULL, LABEL, "circuit", .group = 1},
    {NULL, LABEL, "state", .group = 1},
    {NULL, LABEL, "breaker", .group = 2},
    {NULL, LABEL, "breaker", .group = 3},
    {NULL, LABEL, "from", .group = 3},
    {NULL, LABEL, "to", .group = 3},
    {NULL, LABEL, "breaker", .group = 4},
    {NULL, LABEL, "outcome", .group = 4},
    {0},
};

const struct collector breaker_metrics_table = {
    .name = "breaker",
    .help = "Circuit breakers: the one around sampling, and those kept for applications.",
    .also = rows,
};

static void add(struct batch *batch, int row, struct batch_labels labels, double value) {
    batch_add(batch, column_metric(&rows[row]), labels, value);
}

static struct batch_labels labels_of(struct batch *batch, const char *name, const char *name2,
                                     const char *value2, const char *name3, const char *value3) {
    const struct label labels[] = {
        {str_of("breaker"), str_of(name)},
        {str_of(name2), str_of(value2)},
        {str_of(name3), str_of(value3)},
    };
    return batch_add_labels(batch, labels, name3 != NULL ? 3 : name2 != NULL ? 2 : 1);
}

/* What needs no operator is counted from 0, so that increase() sees the first of it. */
static bool comes_by_itself(int from, int to) {
    return from != to && from <= BREAKER_HALF_OPEN && to <= BREAKER_HALF_OPEN &&
           !(from == BREAKER_CLOSED && to == BREAKER_HALF_OPEN);
}

void breaker_metrics_add(const char *name, const char *kind, const struct breaker *breaker,
                         uint64_t now_usec, struct batch *batch) {
    static const enum breaker_state shown[] = {BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN};
    struct batch_labels labels = labels_of(batch, name, NULL, NULL, NULL, NULL);
    for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
        add(batch, STATE,
            labels_of(batch, name, "circuit", kind, "state", breaker_state_names[shown[i]]),
            breaker_metric_state(breaker) == (int)shown[i] ? 1 : 0);
    }
    add(batch, NUMBER, labels, breaker_metric_state(breaker));
    add(batch, OPEN_SECONDS, labels, breaker_open_seconds(breaker, now_usec));
    for (int from = 0; from < BREAKER_STATE_COUNT; from++) {
        for (int to = 0; to < BREAKER_STATE_COUNT; to++) {
            if (breaker->transitions[from][to] != 0 || comes_by_itself(from, to)) {
                add(batch, CHANGES,
                    labels_of(batch, name, "from", breaker_state_names[from], "to",
                              breaker_state_names[to]),
                    (double)breaker->transitions[from][to]);
            }
        }
    }
}

/* A time of the clock that never steps, on the wall. */
static double wall_seconds(uint64_t at_usec, uint64_t now_usec, int64_t now_ms) {
    return (double)now_ms / 1000 + ((double)at_usec - (double)now_usec) / (double)USEC_PER_SEC;
}

void circuit_metrics_add(const char *name, const char *kind, const struct circuit *circuit,
                         uint64_t now_usec, int64_t now_ms, struct batch *batch) {
    static const char *const outcomes[] = {
        [CIRCUIT_SUCCESS] = "success", [CIRCUIT_FAILURE] = "failure", [CIRCUIT_SLOW] = "slow"};
    const struct breaker *breaker = &circuit->breaker;
    struct batch_labels labels = labels_of(batch, name, NULL, NULL, NULL, NULL);
    struct call_window window = circuit->window; /* looking moves it on */
    struct call_counts counts = call_window_counts(&window, now_usec);
    breaker_metrics_add(name, kind, breaker, now_usec, batch);
    add(batch, FORCED, labels, breaker->state >= BREAKER_FORCED_OPEN ? 1 : 0);
    add(batch, SHEDDING, labels, circuit_is_shedding(circuit) ? 1 : 0);
    for (size_t i = 0; i < ARRAY_LEN(outcomes); i++) {
        add(batch, CALLS, labels_of(batch, name, "outcome", outcomes[i], NULL, NULL),
            (double)circuit->calls_total[i]);
    }
    add(batch, CALLS, labels_of(batch, name, "outcome", "rejected", NULL, NULL),
        (double)breaker->rejected_total);
    if (counts.calls > 0) {
        add(batch, FAILURE_RATE, labels, (double)counts.failures / (double)counts.calls);
    }
    add(batch, LAST_CHANGE, labels, wall_seconds(breaker->changed_usec, now_usec, now_ms));
    if (breaker->state == BREAKER_OPEN) {
        add(batch, NEXT_ATTEMPT, labels,
            wall_seconds(breaker->next_attempt_usec, now_usec, now_ms));
    }
}
