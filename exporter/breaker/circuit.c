/* SPDX-License-Identifier: Apache-2.0 */

#include "breaker/circuit.h"

#include <math.h>

#include "base/duration.h"

#define PARTS             ((uint64_t)1000000) /* of a fraction, so that shares are exact */
#define SHARE_RETRY       USEC_PER_SEC
#define FORCED_OPEN_RETRY (30 * USEC_PER_SEC)

const char *const circuit_reason_names[] = {
    [CIRCUIT_NO_REASON] = "",
    [CIRCUIT_FAILURES] = "consecutive_failures",
    [CIRCUIT_FAILURE_RATE] = "failure_rate",
    [CIRCUIT_SLOW_RATE] = "slow_rate",
    [CIRCUIT_UTILISATION] = "pool_utilisation",
    [CIRCUIT_WAITING] = "waiting_clients",
    [CIRCUIT_EXPRESSION] = "expression",
};

const struct circuit_policy circuit_policy_default = {
    .consecutive_failures = 5,
    .failure_rate = 0.5,
    .slow_call_usec = 100 * USEC_PER_MSEC,
    .window_usec = 60 * USEC_PER_SEC,
    .minimum_calls = 10,
    .utilisation = 0.85,
    .waiting = 5,
    .rounds = 1,
    .shed_utilisation = 0.70,
    .close_utilisation = 0.70,
    .successes = 3,
    .fraction = 0.5,
    .timeout_usec = 30 * USEC_PER_SEC,
    .max_timeout_usec = 300 * USEC_PER_SEC,
};

static struct breaker_options breaker_options_of(const struct circuit_policy *policy) {
    return (struct breaker_options){
        .consecutive_failures = policy->consecutive_failures,
        .successes = policy->successes,
        .timeout_usec = policy->timeout_usec,
        .max_timeout_usec = policy->max_timeout_usec,
    };
}

void circuit_init(struct circuit *circuit, const struct circuit_policy *policy, uint64_t now_usec) {
    const struct breaker_options options = breaker_options_of(policy);
    *circuit = (struct circuit){.policy = *policy};
    breaker_init(&circuit->breaker, &options, now_usec);
    call_window_init(&circuit->window, policy->window_usec);
}

void circuit_configure(struct circuit *circuit, const struct circuit_policy *policy) {
    const struct breaker_options options = breaker_options_of(policy);
    if (policy->window_usec != circuit->policy.window_usec) {
        call_window_init(&circuit->window, policy->window_usec);
    }
    circuit->policy = *policy;
    if (!(policy->shed_fraction > 0)) {
        circuit->shed_reason = CIRCUIT_NO_REASON;
    }
    breaker_configure(&circuit->breaker, &options);
}

/* What a change of state leaves behind. Return: changed. */
static bool note_change(struct circuit *circuit, bool changed, enum circuit_reason reason) {
    if (!changed) {
        return false;
    }
    circuit->asked = 0;
    circuit->rounds_under_pressure = 0;
    circuit->shed_reason = CIRCUIT_NO_REASON;
    if (circuit->breaker.state == BREAKER_OPEN) {
        circuit->reason = reason;
    } else if (circuit->breaker.state != BREAKER_HALF_OPEN) {
        circuit->reason = CIRCUIT_NO_REASON;
        call_window_clear(&circuit->window); /* else old failures open it at once */
    }
    return true;
}

static bool trip(struct circuit *circuit, uint64_t now_usec, enum circuit_reason reason,
                 double random_unit) {
    return note_change(circuit, breaker_trip(&circuit->breaker, now_usec, random_unit), reason);
}

bool circuit_reopen(struct circuit *circuit, uint64_t now_usec, enum circuit_reason reason,
                    double random_unit) {
    return trip(circuit, now_usec, reason, random_unit);
}

/* What counts while half open. */
static bool prove(struct circuit *circuit, uint64_t now_usec, bool good, enum circuit_reason reason,
                  double random_unit) {
    bool changed = good ? breaker_success(&circuit->breaker, now_usec)
                        : breaker_failure(&circuit->breaker, now_usec, random_unit);
    return note_change(circuit, changed, reason);
}

/* ---- asking ---- */

static uint64_t parts_rounded_up(uint64_t asked, uint64_t parts) {
    return (asked * parts + PARTS - 1) / PARTS;
}

/* Evenly spread, the first one passes: of any n in a row within one of n times the fraction. */
static bool passes_as_one_of(struct circuit *circuit, double fraction) {
    uint64_t parts = (uint64_t)llround(fraction * (double)PARTS);
    uint64_t asked = circuit->asked++;
    if (circuit->asked == PARTS) {
        circuit->asked = 0; /* a whole number of shares has passed */
    }
    return parts_rounded_up(asked + 1, parts) > parts_rounded_up(asked, parts);
}

static bool allow_fraction(struct circuit *circuit, double fraction) {
    bool passes = passes_as_one_of(circuit, fraction);
    circuit->breaker.rejected_total += !passes;
    return passes;
}

bool circuit_allow_share(struct circuit *circuit) {
    return allow_fraction(circuit, circuit->policy.fraction);
}

bool circuit_allow(struct circuit *circuit, uint64_t now_usec) {
    (void)circuit_tick(circuit, now_usec);
    enum breaker_answer answer = breaker_allow(&circuit->breaker, now_usec);
    if (answer == BREAKER_PASS && circuit_is_shedding(circuit)) {
        return allow_fraction(circuit, 1 - circuit->policy.shed_fraction);
    }
    return answer == BREAKER_TRY ? circuit_allow_share(circuit) : answer == BREAKER_PASS;
}

uint64_t circuit_retry_after(const struct circuit *circuit, uint64_t now_usec) {
    switch (circuit->breaker.state) {
    case BREAKER_OPEN:
        return circuit->breaker.next_attempt_usec > now_usec
                   ? circuit->breaker.next_attempt_usec - now_usec
                   : 0;
    case BREAKER_HALF_OPEN:
        return SHARE_RETRY;
    case BREAKER_CLOSED:
        return circuit_is_shedding(circuit) ? SHARE_RETRY : 0;
    case BREAKER_FORCED_OPEN:
        return FORCED_OPEN_RETRY;
    default:
        return 0;
    }
}

/* ---- events ---- */

bool circuit_tick(struct circuit *circuit, uint64_t now_usec) {
    return note_change(circuit, breaker_tick(&circuit->breaker, now_usec), CIRCUIT_NO_REASON);
}

static enum circuit_reason judge_rates(const struct circuit_policy *policy,
                                       const struct call_counts *counts) {
    if (counts->calls == 0 || counts->calls < policy->minimum_calls) {
        return CIRCUIT_NO_REASON;
    }
    double calls = (double)counts->calls;
    if (policy->failure_rate > 0 && (double)counts->failures / calls >= policy->failure_rate) {
        return CIRCUIT_FAILURE_RATE;
    }
    if (policy->slow_rate > 0 && (double)counts->slow / calls >= policy->slow_rate) {
        return CIRCUIT_SLOW_RATE;
    }
    return CIRCUIT_NO_REASON;
}

bool circuit_call(struct circuit *circuit, uint64_t now_usec, bool failed, uint64_t duration_usec,
                  double random_unit) {
    const struct circuit_policy *policy = &circuit->policy;
    bool slow = policy->slow_call_usec > 0 && duration_usec > policy->slow_call_usec;
    circuit->calls_total[failed ? CIRCUIT_FAILURE : slow ? CIRCUIT_SLOW : CIRCUIT_SUCCESS]++;
    call_window_add(&circuit->window, now_usec, failed, slow);
    if (circuit->breaker.state == BREAKER_HALF_OPEN) {
        bool good = !failed && !(slow && policy->slow_rate > 0);
        return prove(circuit, now_usec, good, failed ? CIRCUIT_FAILURES : CIRCUIT_SLOW_RATE,
                     random_unit);
    }
    if (prove(circuit, now_usec, !failed, CIRCUIT_FAILURES, random_unit)) {
        return true;
    }
    if (circuit->breaker.state != BREAKER_CLOSED) {
        return false;
    }
    struct call_counts counts = call_window_counts(&circuit->window, now_usec);
    enum circuit_reason reason = judge_rates(policy, &counts);
    return reason != CIRCUIT_NO_REASON && trip(circuit, now_usec, reason, random_unit);
}

static enum circuit_reason judge_pressure(const struct circuit_policy *policy,
                                          const struct circuit_pressure *pressure) {
    bool waited = pressure->longest_wait_usec >= policy->minimum_wait_usec;
    if (policy->waiting > 0 && pressure->waiting >= policy->waiting && waited) {
        return CIRCUIT_WAITING;
    }
    if (policy->utilisation > 0 && pressure->utilisation >= policy->utilisation) {
        return CIRCUIT_UTILISATION;
    }
    return CIRCUIT_NO_REASON;
}

void circuit_pressure_unknown(struct circuit *circuit) {
    circuit->shed_reason = CIRCUIT_NO_REASON;
}

/* What a sample that opens nothing leaves behind. opening: what it would open for, in the end. */
static void judge_shedding(struct circuit *circuit, const struct circuit_pressure *pressure,
                           enum circuit_reason opening) {
    const struct circuit_policy *policy = &circuit->policy;
    bool high = policy->shed_utilisation > 0 && pressure->utilisation >= policy->shed_utilisation;
    enum circuit_reason reason = opening != CIRCUIT_NO_REASON ? opening
                                 : high                       ? CIRCUIT_UTILISATION
                                                              : CIRCUIT_NO_REASON;
    if (!(policy->shed_fraction > 0) || circuit->breaker.state != BREAKER_CLOSED) {
        reason = CIRCUIT_NO_REASON;
    }
    if (reason != CIRCUIT_NO_REASON && !circuit_is_shedding(circuit)) {
        circuit->asked = 0;
    }
    circuit->shed_reason = reason;
}

bool circuit_pressure(struct circuit *circuit, uint64_t now_usec,
                      const struct circuit_pressure *pressure, double random_unit) {
    const struct circuit_policy *policy = &circuit->policy;
    (void)circuit_tick(circuit, now_usec);
    if (circuit->breaker.state == BREAKER_HALF_OPEN) {
        bool good = pressure->waiting == 0 && pressure->utilisation < policy->close_utilisation;
        bool unknown = pressure->waiting == 0 && isnan(pressure->utilisation);
        enum circuit_reason reason = pressure->waiting > 0 ? CIRCUIT_WAITING : CIRCUIT_UTILISATION;
        return !unknown && prove(circuit, now_usec, good, reason, random_unit);
    }
    enum circuit_reason reason = judge_pressure(policy, pressure);
    if (circuit->breaker.state != BREAKER_CLOSED || reason == CIRCUIT_NO_REASON) {
        circuit->rounds_under_pressure = 0;
        judge_shedding(circuit, pressure, CIRCUIT_NO_REASON);
        return false;
    }
    circuit->rounds_under_pressure++;
    if (circuit->rounds_under_pressure >= policy->rounds) {
        return trip(circuit, now_usec, reason, random_unit);
    }
    judge_shedding(circuit, pressure, reason);
    return false;
}

bool circuit_signal(struct circuit *circuit, uint64_t now_usec, bool holds, double random_unit) {
    (void)circuit_tick(circuit, now_usec);
    if (circuit->breaker.state == BREAKER_HALF_OPEN) {
        return prove(circuit, now_usec, !holds, CIRCUIT_EXPRESSION, random_unit);
    }
    return circuit->breaker.state == BREAKER_CLOSED && holds &&
           trip(circuit, now_usec, CIRCUIT_EXPRESSION, random_unit);
}

bool circuit_order(struct circuit *circuit, enum breaker_event event, uint64_t now_usec) {
    return note_change(circuit, breaker_order(&circuit->breaker, event, now_usec),
                       CIRCUIT_NO_REASON);
}
