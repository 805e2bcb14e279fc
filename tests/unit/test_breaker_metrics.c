/* SPDX-License-Identifier: Apache-2.0 */

/* What breakers show. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/duration.h"
#include "breaker/breaker_metrics.h"

#define T0    ((uint64_t)1000 * USEC_PER_SEC)
#define T0_MS ((int64_t)1700000000000)

/* NAN: no such sample. */
static double value_of(const struct batch *batch, const char *name, const char *labels) {
    double value = (double)NAN;
    for (size_t i = 0; i < batch->n_samples; i++) {
        const struct batch_sample *sample = &batch->samples[i];
        if (strcmp(sample->metric.name, name) == 0 &&
            str_is(batch_labels_text(batch, sample->labels), labels)) {
            assert_true(isnan(value));
            value = sample->value;
        }
    }
    return value;
}

static void expect(const struct batch *batch, const char *name, const char *labels, double value) {
    double found = value_of(batch, name, labels);
    if (found != value) {
        fail_msg("%s{%s}: %g", name, labels, found);
    }
}

static void a_new_one_is_closed_and_has_no_calls(void **state) {
    struct circuit circuit;
    struct batch batch = {0};
    circuit_init(&circuit, &circuit_policy_default, T0);
    circuit_metrics_add("b", "read", &circuit, T0 + 5 * USEC_PER_SEC, T0_MS, &batch);
    expect(&batch, "dbvitals_breaker_state", "breaker=\"b\",circuit=\"read\",state=\"closed\"", 1);
    expect(&batch, "dbvitals_breaker_state", "breaker=\"b\",circuit=\"read\",state=\"open\"", 0);
    expect(&batch, "circuit_breaker_state", "breaker=\"b\"", 0);
    expect(&batch, "dbvitals_breaker_calls_total", "breaker=\"b\",outcome=\"success\"", 0);
    expect(&batch, "dbvitals_breaker_last_transition_timestamp_seconds", "breaker=\"b\"",
           1700000000 - 5);
    expect(&batch, "dbvitals_breaker_transitions_total",
           "breaker=\"b\",from=\"closed\",to=\"open\"", 0);
    expect(&batch, "dbvitals_breaker_transitions_total",
           "breaker=\"b\",from=\"open\",to=\"half_open\"", 0);
    assert_true(isnan(value_of(&batch, "dbvitals_breaker_transitions_total",
                               "breaker=\"b\",from=\"closed\",to=\"half_open\"")));
    assert_true(isnan(value_of(&batch, "dbvitals_breaker_failure_rate", "breaker=\"b\"")));
    assert_true(isnan(
        value_of(&batch, "dbvitals_breaker_next_attempt_timestamp_seconds", "breaker=\"b\"")));
    batch_deinit(&batch);
}

static void an_open_one_tells_when_it_is_asked_again_and_what_calls_came_to(void **state) {
    struct circuit circuit;
    struct batch batch = {0};
    circuit_init(&circuit, &circuit_policy_default, T0);
    circuit_call(&circuit, T0, false, 0, 0.5);
    circuit_call(&circuit, T0, false, USEC_PER_SEC, 0.5);
    for (int i = 0; i < 5; i++) {
        circuit_call(&circuit, T0, true, USEC_PER_SEC, 0.5);
    }
    assert_false(circuit_allow(&circuit, T0));
    circuit_metrics_add("b", "all", &circuit, T0 + 10 * USEC_PER_SEC, T0_MS, &batch);
    expect(&batch, "circuit_breaker_state", "breaker=\"b\"", 1);
    expect(&batch, "dbvitals_breaker_calls_total", "breaker=\"b\",outcome=\"success\"", 1);
    expect(&batch, "dbvitals_breaker_calls_total", "breaker=\"b\",outcome=\"slow\"", 1);
    expect(&batch, "dbvitals_breaker_calls_total", "breaker=\"b\",outcome=\"failure\"", 5);
    expect(&batch, "dbvitals_breaker_calls_total", "breaker=\"b\",outcome=\"rejected\"", 1);
    expect(&batch, "dbvitals_breaker_failure_rate", "breaker=\"b\"", 5.0 / 7);
    expect(&batch, "dbvitals_breaker_open_seconds_total", "breaker=\"b\"", 10);
    expect(&batch, "dbvitals_breaker_next_attempt_timestamp_seconds", "breaker=\"b\"",
           1700000000 + 20);
    expect(&batch, "dbvitals_breaker_transitions_total",
           "breaker=\"b\",from=\"closed\",to=\"open\"", 1);
    expect(&batch, "dbvitals_breaker_forced", "breaker=\"b\"", 0);
    expect(&batch, "dbvitals_breaker_shedding", "breaker=\"b\"", 0);
    batch_clear(&batch);
    circuit_order(&circuit, BREAKER_FORCE_CLOSED, T0 + 11 * USEC_PER_SEC);
    circuit_metrics_add("b", "all", &circuit, T0 + 12 * USEC_PER_SEC, T0_MS, &batch);
    expect(&batch, "circuit_breaker_state", "breaker=\"b\"", 0);
    expect(&batch, "dbvitals_breaker_forced", "breaker=\"b\"", 1);
    expect(&batch, "dbvitals_breaker_open_seconds_total", "breaker=\"b\"", 11);
    batch_deinit(&batch);
}

static void one_that_sheds_shows_it_and_stays_closed(void **state) {
    struct circuit_policy policy = circuit_policy_default;
    struct circuit circuit;
    struct batch batch = {0};
    policy.shed_fraction = 0.5;
    circuit_init(&circuit, &policy, T0);
    circuit_pressure(&circuit, T0, &(struct circuit_pressure){.utilisation = 0.8}, 0.5);
    (void)circuit_allow(&circuit, T0);
    (void)circuit_allow(&circuit, T0);
    circuit_metrics_add("b", "all", &circuit, T0, T0_MS, &batch);
    expect(&batch, "dbvitals_breaker_shedding", "breaker=\"b\"", 1);
    expect(&batch, "circuit_breaker_state", "breaker=\"b\"", 0);
    expect(&batch, "dbvitals_breaker_calls_total", "breaker=\"b\",outcome=\"rejected\"", 1);
    batch_deinit(&batch);
}

static void one_around_sampling_shows_no_calls(void **state) {
    struct breaker breaker;
    struct batch batch = {0};
    breaker_init(&breaker, &(struct breaker_options){.timeout_usec = 1}, T0);
    breaker_metrics_add("sampling", "all", &breaker, T0, &batch);
    assert_int_equal(batch.n_samples, 10); /* three states, a number, seconds, five changes */
    batch_deinit(&batch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_one_is_closed_and_has_no_calls),
        cmocka_unit_test(an_open_one_tells_when_it_is_asked_again_and_what_calls_came_to),
        cmocka_unit_test(one_that_sheds_shows_it_and_stays_closed),
        cmocka_unit_test(one_around_sampling_shows_no_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
