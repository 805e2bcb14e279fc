/* SPDX-License-Identifier: Apache-2.0 */

#include "breaker/breaker.h"

#define TIMEOUT_JITTER 0.2

const char *const breaker_state_names[] = {
    "closed", "open", "half_open", "forced_open", "forced_closed", "disabled", NULL,
};

const char *const breaker_event_names[] = {
    "tripped",      "elapsed", "proven", "refuted", "force_open",
    "force_closed", "disable", "lift",   NULL,
};

const struct breaker_transition breaker_transitions[] = {
    {BREAKER_CLOSED, BREAKER_TRIPPED, BREAKER_OPEN, BREAKER_ARM},
    {BREAKER_CLOSED, BREAKER_ELAPSED, BREAKER_CLOSED, BREAKER_KEEP},
    {BREAKER_CLOSED, BREAKER_PROVEN, BREAKER_CLOSED, BREAKER_KEEP},
    {BREAKER_CLOSED, BREAKER_REFUTED, BREAKER_CLOSED, BREAKER_KEEP},
    {BREAKER_CLOSED, BREAKER_FORCE_OPEN, BREAKER_FORCED_OPEN, BREAKER_RESET},
    {BREAKER_CLOSED, BREAKER_FORCE_CLOSED, BREAKER_FORCED_CLOSED, BREAKER_RESET},
    {BREAKER_CLOSED, BREAKER_DISABLE, BREAKER_DISABLED, BREAKER_RESET},
    {BREAKER_CLOSED, BREAKER_LIFT, BREAKER_CLOSED, BREAKER_KEEP},

    {BREAKER_OPEN, BREAKER_TRIPPED, BREAKER_OPEN, BREAKER_KEEP},
    {BREAKER_OPEN, BREAKER_ELAPSED, BREAKER_HALF_OPEN, BREAKER_PROBE},
    {BREAKER_OPEN, BREAKER_PROVEN, BREAKER_CLOSED, BREAKER_RESET},
    {BREAKER_OPEN, BREAKER_REFUTED, BREAKER_OPEN, BREAKER_KEEP},
    {BREAKER_OPEN, BREAKER_FORCE_OPEN, BREAKER_FORCED_OPEN, BREAKER_RESET},
    {BREAKER_OPEN, BREAKER_FORCE_CLOSED, BREAKER_FORCED_CLOSED, BREAKER_RESET},
    {BREAKER_OPEN, BREAKER_DISABLE, BREAKER_DISABLED, BREAKER_RESET},
    {BREAKER_OPEN, BREAKER_LIFT, BREAKER_OPEN, BREAKER_KEEP},

    {BREAKER_HALF_OPEN, BREAKER_TRIPPED, BREAKER_OPEN, BREAKER_ARM},
    {BREAKER_HALF_OPEN, BREAKER_ELAPSED, BREAKER_HALF_OPEN, BREAKER_KEEP},
    {BREAKER_HALF_OPEN, BREAKER_PROVEN, BREAKER_CLOSED, BREAKER_RESET},
    {BREAKER_HALF_OPEN, BREAKER_REFUTED, BREAKER_OPEN, BREAKER_ARM},
    {BREAKER_HALF_OPEN, BREAKER_FORCE_OPEN, BREAKER_FORCED_OPEN, BREAKER_RESET},
    {BREAKER_HALF_OPEN, BREAKER_FORCE_CLOSED, BREAKER_FORCED_CLOSED, BREAKER_RESET},
    {BREAKER_HALF_OPEN, BREAKER_DISABLE, BREAKER_DISABLED, BREAKER_RESET},
    {BREAKER_HALF_OPEN, BREAKER_LIFT, BREAKER_HALF_OPEN, BREAKER_KEEP},

    {BREAKER_FORCED_OPEN, BREAKER_TRIPPED, BREAKER_FORCED_OPEN, BREAKER_KEEP},
    {BREAKER_FORCED_OPEN, BREAKER_ELAPSED, BREAKER_FORCED_OPEN, BREAKER_KEEP},
    {BREAKER_FORCED_OPEN, BREAKER_PROVEN, BREAKER_FORCED_OPEN, BREAKER_KEEP},
    {BREAKER_FORCED_OPEN, BREAKER_REFUTED, BREAKER_FORCED_OPEN, BREAKER_KEEP},
    {BREAKER_FORCED_OPEN, BREAKER_FORCE_OPEN, BREAKER_FORCED_OPEN, BREAKER_KEEP},
    {BREAKER_FORCED_OPEN, BREAKER_FORCE_CLOSED, BREAKER_FORCED_CLOSED, BREAKER_RESET},
    {BREAKER_FORCED_OPEN, BREAKER_DISABLE, BREAKER_DISABLED, BREAKER_RESET},
    {BREAKER_FORCED_OPEN, BREAKER_LIFT, BREAKER_CLOSED, BREAKER_RESET},

    {BREAKER_FORCED_CLOSED, BREAKER_TRIPPED, BREAKER_FORCED_CLOSED, BREAKER_KEEP},
    {BREAKER_FORCED_CLOSED, BREAKER_ELAPSED, BREAKER_FORCED_CLOSED, BREAKER_KEEP},
    {BREAKER_FORCED_CLOSED, BREAKER_PROVEN, BREAKER_FORCED_CLOSED, BREAKER_KEEP},
    {BREAKER_FORCED_CLOSED, BREAKER_REFUTED, BREAKER_FORCED_CLOSED, BREAKER_KEEP},
    {BREAKER_FORCED_CLOSED, BREAKER_FORCE_OPEN, BREAKER_FORCED_OPEN, BREAKER_RESET},
    {BREAKER_FORCED_CLOSED, BREAKER_FORCE_CLOSED, BREAKER_FORCED_CLOSED, BREAKER_KEEP},
    {BREAKER_FORCED_CLOSED, BREAKER_DISABLE, BREAKER_DISABLED, BREAKER_RESET},
    {BREAKER_FORCED_CLOSED, BREAKER_LIFT, BREAKER_CLOSED, BREAKER_RESET},

    {BREAKER_DISABLED, BREAKER_TRIPPED, BREAKER_DISABLED, BREAKER_KEEP},
    {BREAKER_DISABLED, BREAKER_ELAPSED, BREAKER_DISABLED, BREAKER_KEEP},
    {BREAKER_DISABLED, BREAKER_PROVEN, BREAKER_DISABLED, BREAKER_KEEP},
    {BREAKER_DISABLED, BREAKER_REFUTED, BREAKER_DISABLED, BREAKER_KEEP},
    {BREAKER_DISABLED, BREAKER_FORCE_OPEN, BREAKER_FORCED_OPEN, BREAKER_RESET},
    {BREAKER_DISABLED, BREAKER_FORCE_CLOSED, BREAKER_FORCED_CLOSED, BREAKER_RESET},
    {BREAKER_DISABLED, BREAKER_DISABLE, BREAKER_DISABLED, BREAKER_KEEP},
    {BREAKER_DISABLED, BREAKER_LIFT, BREAKER_CLOSED, BREAKER_RESET},
};

static bool is_open(enum breaker_state state) {
    return state == BREAKER_OPEN || state == BREAKER_FORCED_OPEN;
}

static bool apply(struct breaker *breaker, enum breaker_event event, uint64_t now_usec,
                  double random_unit) {
    const struct breaker_transition *row =
        &breaker_transitions[(size_t)breaker->state * BREAKER_EVENT_COUNT + event];
    switch (row->action) {
    case BREAKER_KEEP:
        break;
    case BREAKER_ARM:
        breaker->next_attempt_usec = now_usec + backoff_next(&breaker->backoff, random_unit);
        breaker->successes_in_a_row = 0;
        break;
    case BREAKER_PROBE:
        breaker->successes_in_a_row = 0;
        break;
    case BREAKER_RESET:
        breaker->failures_in_a_row = 0;
        breaker->successes_in_a_row = 0;
        backoff_reset(&breaker->backoff);
        break;
    }
    if (row->to == row->from) {
        return false;
    }
    if (is_open(row->from)) {
        breaker->open_usec += now_usec - breaker->changed_usec;
    }
    breaker->transitions[row->from][row->to]++;
    breaker->state = row->to;
    breaker->changed_usec = now_usec;
    return true;
}

void breaker_init(struct breaker *breaker, const struct breaker_options *options,
                  uint64_t now_usec) {
    *breaker = (struct breaker){.changed_usec = now_usec, .backoff.jitter = TIMEOUT_JITTER};
    breaker_configure(breaker, options);
}

void breaker_configure(struct breaker *breaker, const struct breaker_options *options) {
    breaker->options = *options;
    breaker->backoff.first_usec = options->timeout_usec;
    breaker->backoff.max_usec = options->max_timeout_usec > options->timeout_usec
                                    ? options->max_timeout_usec
                                    : options->timeout_usec;
    if (breaker->options.successes == 0) {
        breaker->options.successes = 1;
    }
}

bool breaker_tick(struct breaker *breaker, uint64_t now_usec) {
    return breaker->state == BREAKER_OPEN && now_usec >= breaker->next_attempt_usec &&
           apply(breaker, BREAKER_ELAPSED, now_usec, 0);
}

bool breaker_trip(struct breaker *breaker, uint64_t now_usec, double random_unit) {
    return apply(breaker, BREAKER_TRIPPED, now_usec, random_unit);
}

enum breaker_answer breaker_allow(struct breaker *breaker, uint64_t now_usec) {
    if (breaker->state == BREAKER_OPEN && breaker->options.probe_while_open) {
        return BREAKER_TRY;
    }
    (void)breaker_tick(breaker, now_usec);
    switch (breaker->state) {
    case BREAKER_OPEN:
    case BREAKER_FORCED_OPEN:
        breaker->rejected_total++;
        return BREAKER_REJECT;
    case BREAKER_HALF_OPEN:
        return BREAKER_TRY;
    default:
        return BREAKER_PASS;
    }
}

bool breaker_success(struct breaker *breaker, uint64_t now_usec) {
    breaker->successes_total++;
    breaker->failures_in_a_row = 0;
    breaker->successes_in_a_row++;
    bool finding_out = breaker->state == BREAKER_HALF_OPEN ||
                       (breaker->state == BREAKER_OPEN && breaker->options.probe_while_open);
    if (!finding_out || breaker->successes_in_a_row < breaker->options.successes) {
        return false;
    }
    return apply(breaker, BREAKER_PROVEN, now_usec, 0);
}

bool breaker_failure(struct breaker *breaker, uint64_t now_usec, double random_unit) {
    breaker->failures_total++;
    breaker->successes_in_a_row = 0;
    breaker->failures_in_a_row++;
    if (breaker->state == BREAKER_HALF_OPEN) {
        return apply(breaker, BREAKER_REFUTED, now_usec, random_unit);
    }
    unsigned limit = breaker->options.consecutive_failures;
    if (limit != 0 && breaker->failures_in_a_row >= limit) {
        return apply(breaker, BREAKER_TRIPPED, now_usec, random_unit);
    }
    return false;
}

bool breaker_order(struct breaker *breaker, enum breaker_event event, uint64_t now_usec) {
    if (event < BREAKER_FORCE_OPEN) {
        return false;
    }
    return apply(breaker, event, now_usec, 0);
}

int breaker_metric_state(const struct breaker *breaker) {
    switch (breaker->state) {
    case BREAKER_OPEN:
    case BREAKER_FORCED_OPEN:
        return 1;
    case BREAKER_HALF_OPEN:
        return 2;
    default:
        return 0;
    }
}

double breaker_open_seconds(const struct breaker *breaker, uint64_t now_usec) {
    uint64_t usec = breaker->open_usec;
    if (is_open(breaker->state)) {
        usec += now_usec - breaker->changed_usec;
    }
    return (double)usec / 1e6;
}
