/* SPDX-License-Identifier: Apache-2.0 */

/* States of alerts as a restart finds them: taken or refused as a whole, evaluated on, and saved so
 * that they can be read again. The input is what follows the checksum, and once more all of it. */

#include "base/pack.h"
#include "fuzz.h"
#include "promql/case_file.h"
#include "rules/rules.h"

#define MAGIC  "dbvitals alerts 1\n"
#define NOW_MS INT64_C(1700000000000)

static const char file[] =
    "groups:\n"
    "- name: g\n"
    "  interval: 10s\n"
    "  rules:\n"
    "  - {alert: A, expr: vector(1), labels: {severity: page}}\n"
    "  - {alert: A, expr: absent(m), for: 1m, keep_firing_for: 1m}\n"
    "  - {alert: A, expr: m, annotations: {s: '{{ $value }}'}}\n"
    "- name: h\n"
    "  rules:\n"
    "  - {alert: B, expr: 'max_over_time(m[1m] offset 1m)', keep_firing_for: 1h}\n";

static uint64_t now_usec(void) {
    return 1000000;
}

static void told(void *userdata, const struct alert_event *event) {
    must(event->alert->n_labels <= 2 * (size_t)RULES_MOST_LABELS);
}

static struct rules *make_rules(struct store *store) {
    const struct str name = str_of("r.yml"), text = str_of(file);
    const struct rule_options options = {.interval_ms = 60000};
    struct error_list errors = {0};
    struct rules *rules =
        rules_new(&(struct rules_options){.store = store, .now_usec = now_usec, .event = told});
    struct rule_set *set = rule_set_new(&name, &text, 1, &options, &errors);
    must(set != NULL);
    error_list_deinit(&errors);
    rules_set(rules, set, NOW_MS);
    return rules;
}

static void run_on(struct rules *rules) {
    rules_start(rules, NOW_MS);
    for (int64_t t_ms = NOW_MS; t_ms <= NOW_MS + 120000; t_ms += 20000) {
        for (int i = 0; i < 20 && rules_run(rules, t_ms) <= t_ms; i++) {}
    }
}

static void try_state(struct str state) {
    struct test_store tests;
    struct strbuf saved = {0}, again = {0};
    struct error err = {0};
    test_store_init(&tests);
    struct rules *rules = make_rules(tests.store);
    if (rules_load(rules, state, NOW_MS, &err) < 0) {
        must(err.text[0] != '\0');
        must(rules_rule(rules, 0, 0).n_alerts == 0 && rules_rule(rules, 1, 0).n_alerts == 0);
    } else {
        rules_save(rules, NOW_MS, &saved);
        struct rules *copy = make_rules(tests.store);
        must(rules_load(copy, strbuf_view(&saved), NOW_MS, &err) == 0);
        rules_save(copy, NOW_MS, &again);
        must(str_equal(strbuf_view(&saved), strbuf_view(&again)));
        rules_free(copy);
        run_on(rules);
    }
    rules_free(rules);
    test_store_deinit(&tests);
    strbuf_deinit(&saved);
    strbuf_deinit(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct str input = fuzz_input(data, size);
    struct strbuf state = {0};
    strbuf_add_text(&state, MAGIC);
    pack_u64(&state, crc32c(input.data, input.len));
    strbuf_add_str(&state, input);
    try_state(strbuf_view(&state));
    try_state(input);
    strbuf_deinit(&state);
    return 0;
}
