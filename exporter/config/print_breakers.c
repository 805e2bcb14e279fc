/* SPDX-License-Identifier: Apache-2.0 */

/* The list `breakers:` as YAML. */
#include "config/print_yaml.h"

static void add_text(struct strbuf *out, const char *key, const char *text) {
    if (text != NULL) {
        strbuf_printf(out, "%s: ", key);
        yaml_print_text(out, str_of(text));
        strbuf_add_char(out, '\n');
    }
}

static void add_open_when(struct strbuf *out, const struct circuit_policy *policy) {
    strbuf_printf(out, "    open_when: {pool_utilisation: %.6g, waiting_clients: %u, ",
                  policy->utilisation, policy->waiting);
    yaml_print_duration(out, "minimum_wait", policy->minimum_wait_usec);
    strbuf_printf(out,
                  ", rounds: %u, shed_fraction: %.6g, shed_utilisation: %.6g, failure_rate: %.6g, "
                  "slow_rate: %.6g, ",
                  policy->rounds, policy->shed_fraction, policy->shed_utilisation,
                  policy->failure_rate, policy->slow_rate);
    yaml_print_duration(out, "slow_call", policy->slow_call_usec);
    yaml_print_duration(out, ", window", policy->window_usec);
    strbuf_printf(out, ", minimum_calls: %u, consecutive_failures: %u}\n", policy->minimum_calls,
                  policy->consecutive_failures);
}

static void add_breaker(struct strbuf *out, const struct circuit_options *options) {
    const struct circuit_policy *policy = &options->policy;
    add_text(out, "  - name", options->name);
    add_text(out, "    target", options->target);
    add_text(out, "    circuit", circuit_kind_names[options->kind]);
    add_text(out, "    group", options->group);
    add_open_when(out, policy);
    yaml_print_duration(out, "    recovery: {timeout", policy->timeout_usec);
    yaml_print_duration(out, ", max_timeout", policy->max_timeout_usec);
    strbuf_printf(out, ", successes: %u, fraction: %.6g, close_utilisation: %.6g}\n",
                  policy->successes, policy->fraction, policy->close_utilisation);
    add_text(out, "    expression", options->expression);
    yaml_print_duration(out, "    interval", options->interval_usec);
    strbuf_add_char(out, '\n');
    if (options->publish.target != NULL) {
        strbuf_add_text(out, "    publish: {target: ");
        yaml_print_text(out, str_of(options->publish.target));
        strbuf_add_text(out, ", key_prefix: ");
        yaml_print_text(out, str_of(options->publish.key_prefix));
        yaml_print_duration(out, ", ttl", options->publish.ttl_usec);
        if (options->publish.channel != NULL) {
            strbuf_add_text(out, ", channel: ");
            yaml_print_text(out, str_of(options->publish.channel));
        }
        strbuf_add_text(out, "}\n");
    }
    yaml_print_commands(out, "    hooks: {open", &options->open_hooks);
    yaml_print_commands(out, ", close", &options->close_hooks);
    yaml_print_duration(out, ", timeout", options->hook_timeout_usec);
    strbuf_add_text(out, "}\n");
}

void print_breakers(struct strbuf *out, const struct circuit_options *breakers, size_t count) {
    for (size_t i = 0; i < count; i++) {
        strbuf_add_text(out, i == 0 ? "breakers:\n" : "");
        add_breaker(out, &breakers[i]);
    }
}
