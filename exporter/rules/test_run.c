/* SPDX-License-Identifier: Apache-2.0 */

/* Running the tests of a file, and telling what differs as promtool does. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "promql/printer.h"
#include "rules/rules.h"
#include "rules/test_file.h"

struct test_run {
    const struct rule_test_file *file;
    const struct rule_test *test;
    struct test_store tests;
    struct rules *rules;
    size_t *order;   /* of the groups */
    size_t *n_given; /* of each input: values that are in the store */
    struct strbuf *out;
    size_t failures;
};

static uint64_t no_clock(void) {
    return 1; /* durations are nobody's business here */
}

/* Counts a difference and begins its description. Return: where the rest goes. */
static struct strbuf *begin_failure(struct test_run *run) {
    run->failures++;
    if (run->test->name.len > 0) {
        strbuf_printf(run->out, "    name: %.*s,\n", (int)run->test->name.len,
                      run->test->name.data);
    }
    strbuf_add_text(run->out, "    ");
    return run->out;
}

static void say_rule(struct test_run *run, const struct rule_view *view, int64_t after_ms) {
    struct strbuf *out = begin_failure(run);
    strbuf_printf(out, "rule: %.*s, time: ", (int)view->rule->name.len, view->rule->name.data);
    print_duration(after_ms, out);
    strbuf_printf(out, ", err: %s\n", view->error);
}

/* ---- comparing ---- */

static bool same_labels(const struct test_labels *a, const struct label *labels, size_t n) {
    bool same = a->n == n;
    for (size_t i = 0; same && i < n; i++) {
        same = str_equal(a->labels[i].name, labels[i].name) &&
               str_equal(a->labels[i].value, labels[i].value);
    }
    return same;
}

static bool same_values(const struct rule_test_file *file, double a, double b) {
    if (a == b || (isnan(a) && isnan(b))) {
        return true;
    }
    return file->fuzzy && (nextafter(a, b) == b);
}

static void add_labels(struct strbuf *out, const struct label *labels, size_t n) {
    if (n == 0) {
        strbuf_add_text(out, "{}");
    } else {
        print_series(labels, n, out);
    }
}

/* ---- alerts ---- */

/* The firing alerts of a name, in the arena. */
static size_t firing_alerts(const struct test_run *run, struct str name, struct arena *arena,
                            struct alert_view **ret) {
    size_t n = 0;
    for (int counting = 1; counting >= 0; counting--) {
        *ret = counting ? NULL : arena_array(arena, n + 1, sizeof(**ret));
        n = 0;
        for (size_t g = 0; g < rules_groups(run->rules); g++) {
            const struct rule_group *group = rules_group(run->rules, g).group;
            for (size_t k = 0; k < group->n_rules; k++) {
                bool named =
                    group->rules[k].kind == RULE_ALERT && str_equal(group->rules[k].name, name);
                size_t n_alerts = named ? rules_rule(run->rules, g, k).n_alerts : 0;
                for (size_t i = 0; i < n_alerts; i++) {
                    struct alert_view alert = rules_alert(run->rules, g, k, i);
                    if (alert.state == ALERT_FIRING) {
                        if (!counting) {
                            (*ret)[n] = alert;
                        }
                        n++;
                    }
                }
            }
        }
    }
    return n;
}

static bool is_expected(const struct expected_alert *expected, const struct alert_view *alert) {
    return same_labels(&expected->labels, alert->labels, alert->n_labels) &&
           same_labels(&expected->annotations, alert->annotations, alert->n_annotations);
}

static bool all_expected(const struct alert_test *test, const struct alert_view *alerts, size_t n,
                         struct arena *arena) {
    bool *used = arena_array(arena, n + 1, sizeof(*used));
    bool good = n == test->n_expected;
    for (size_t i = 0; good && i < test->n_expected; i++) {
        size_t k = 0;
        while (k < n && (used[k] || !is_expected(&test->expected[i], &alerts[k]))) {
            k++;
        }
        good = k < n;
        used[k] = true;
    }
    return good;
}

static void add_alert(struct strbuf *out, size_t i, const struct test_labels *labels,
                      const struct test_labels *annotations) {
    strbuf_printf(out, "%s\n            %zu:\n              Labels:", i > 0 ? "," : "[", i);
    add_labels(out, labels->labels, labels->n);
    strbuf_add_text(out, "\n              Annotations:");
    add_labels(out, annotations->labels, annotations->n);
}

static void end_alerts(struct strbuf *out, size_t n) {
    strbuf_add_text(out, n > 0 ? "\n            ]" : "[]");
}

static void check_alerts(struct test_run *run, const struct alert_test *test) {
    struct arena arena = {0};
    struct alert_view *alerts;
    size_t n = firing_alerts(run, test->alert, &arena, &alerts);
    if (!all_expected(test, alerts, n, &arena)) {
        struct strbuf *out = begin_failure(run);
        strbuf_printf(out, "alertname: %.*s, time: ", (int)test->alert.len, test->alert.data);
        print_duration(test->after_ms, out);
        strbuf_add_text(out, ",\n        exp:");
        for (size_t i = 0; i < test->n_expected; i++) {
            add_alert(run->out, i, &test->expected[i].labels, &test->expected[i].annotations);
        }
        end_alerts(run->out, test->n_expected);
        strbuf_add_text(run->out, ",\n        got:");
        for (size_t i = 0; i < n; i++) {
            struct test_labels labels = {(struct label *)(uintptr_t)alerts[i].labels,
                                         alerts[i].n_labels};
            struct test_labels annotations = {(struct label *)(uintptr_t)alerts[i].annotations,
                                              alerts[i].n_annotations};
            add_alert(run->out, i, &labels, &annotations);
        }
        end_alerts(run->out, n);
        strbuf_add_text(run->out, "\n");
    }
    arena_deinit(&arena);
}

/* ---- expressions ---- */

static bool samples_agree(const struct test_run *run, const struct expr_test *test,
                          const struct rule_sample *samples, size_t n, struct arena *arena) {
    bool *used = arena_array(arena, n + 1, sizeof(*used));
    bool good = n == test->n_expected;
    for (size_t i = 0; good && i < test->n_expected; i++) {
        const struct expected_sample *expected = &test->expected[i];
        size_t k = 0;
        while (k < n && (used[k] ||
                         !same_labels(&expected->labels, samples[k].labels, samples[k].n_labels) ||
                         !same_values(run->file, expected->value, samples[k].value))) {
            k++;
        }
        good = k < n;
        used[k] = true;
    }
    return good;
}

static void add_sample(struct strbuf *out, size_t i, const struct label *labels, size_t n,
                       double value) {
    strbuf_add_text(out, i > 0 ? ", " : "");
    add_labels(out, labels, n);
    strbuf_add_char(out, ' ');
    print_number(value, out);
}

static void say_expr(struct test_run *run, const struct expr_test *test) {
    struct strbuf *out = begin_failure(run);
    strbuf_add_text(out, "expr: ");
    print_quoted(test->expr, out);
    strbuf_add_text(out, ", time: ");
    print_duration(test->after_ms, out);
    strbuf_add_char(out, ',');
}

static void compare_samples(struct test_run *run, const struct expr_test *test,
                            const struct eval_result *result, struct arena *arena) {
    struct rule_sample *samples;
    size_t n = rules_samples_of(result, arena, &samples);
    if (samples_agree(run, test, samples, n, arena)) {
        return;
    }
    say_expr(run, test);
    strbuf_add_text(run->out, "\n        exp: ");
    for (size_t i = 0; i < test->n_expected; i++) {
        const struct expected_sample *expected = &test->expected[i];
        add_sample(run->out, i, expected->labels.labels, expected->labels.n, expected->value);
    }
    strbuf_add_text(run->out, test->n_expected > 0 ? "\n        got: " : "nil\n        got: ");
    for (size_t i = 0; i < n; i++) {
        add_sample(run->out, i, samples[i].labels, samples[i].n_labels, samples[i].value);
    }
    strbuf_add_text(run->out, n > 0 ? "\n" : "nil\n");
}

static void check_expr(struct test_run *run, const struct expr_test *test) {
    struct arena arena = {0};
    struct parsed parsed;
    struct eval_result result;
    struct error err = {0};
    struct eval_options options = {
        .start_ms = run->test->start_ms + test->after_ms,
        .subquery_step_ms = run->file->interval_ms,
    };
    if (promql_parse(test->expr, NULL, &arena, &parsed, &err) < 0) {
        say_expr(run, test);
        strbuf_printf(run->out, " err: %u:%u: parse error: %s\n", err.at.line, err.at.column,
                      err.text);
        arena_deinit(&arena);
        return;
    }
    if (promql_eval(&parsed, run->tests.store, &options, &arena, &result, &err) != 0) {
        say_expr(run, test);
        strbuf_printf(run->out, " err: %s\n", result.message != NULL ? result.message : err.text);
    } else if (result.type != VALUE_VECTOR && result.type != VALUE_SCALAR) {
        say_expr(run, test);
        strbuf_add_text(run->out, " err: rule result is not a vector or scalar\n");
    } else {
        compare_samples(run, test, &result, &arena);
    }
    eval_result_deinit(&result);
    parsed_deinit(&parsed);
    arena_deinit(&arena);
}

/* ---- one test ---- */

/* Samples become visible as time passes. */
static void append_until(struct test_run *run, int64_t t_ms) {
    const struct rule_test *test = run->test;
    for (size_t i = 0; i < test->n_inputs; i++) {
        const struct test_input *input = &test->inputs[i];
        for (size_t k = run->n_given[i]; k < input->n_values; k = run->n_given[i]) {
            int64_t at_ms = test->start_ms + (int64_t)k * test->interval_ms;
            if (at_ms > t_ms) {
                break;
            }
            if (!input->values[k].missing) {
                test_store_append(&run->tests, input->series.labels, input->series.n, at_ms,
                                  input->values[k].value);
            }
            run->n_given[i]++;
        }
    }
}

/* Return: false when a rule failed. */
static bool evaluate(struct test_run *run, int64_t t_ms) {
    size_t before = run->failures;
    for (size_t i = 0; i < rules_groups(run->rules); i++) {
        size_t group = run->order[i];
        rules_run_group(run->rules, group, t_ms);
        for (size_t k = 0; k < rules_group(run->rules, group).group->n_rules; k++) {
            struct rule_view view = rules_rule(run->rules, group, k);
            if (view.health == RULE_ERROR) {
                say_rule(run, &view, t_ms - run->test->start_ms);
            }
        }
    }
    return run->failures == before;
}

static size_t place_of(const struct rule_test_file *file, struct str name) {
    for (size_t i = 0; i < file->n_order; i++) {
        if (str_equal(file->order[i], name)) {
            return i + 1;
        }
    }
    return 0;
}

/* Groups that the file does not order come first; the sort is stable. */
static void order_groups(struct test_run *run) {
    size_t n = rules_groups(run->rules), at = 0;
    run->order = mem_array(n + 1, sizeof(*run->order));
    for (size_t place = 0; place <= run->file->n_order; place++) {
        for (size_t i = 0; i < n; i++) {
            if (place_of(run->file, rules_group(run->rules, i).group->name) == place) {
                run->order[at++] = i;
            }
        }
    }
}

static int64_t last_question(const struct rule_test *test) {
    int64_t last_ms = 0;
    for (size_t i = 0; i < test->n_alerts; i++) {
        last_ms = test->alerts[i].after_ms > last_ms ? test->alerts[i].after_ms : last_ms;
    }
    for (size_t i = 0; i < test->n_exprs; i++) {
        last_ms = test->exprs[i].after_ms > last_ms ? test->exprs[i].after_ms : last_ms;
    }
    return last_ms;
}

static void run_steps(struct test_run *run) {
    const struct rule_test *test = run->test;
    const int64_t step_ms = run->file->interval_ms, last_ms = last_question(test);
    for (int64_t after_ms = 0; after_ms <= last_ms; after_ms += step_ms) {
        append_until(run, test->start_ms + after_ms);
        if (!evaluate(run, test->start_ms + after_ms)) {
            return;
        }
        for (size_t i = 0; i < test->n_alerts; i++) {
            int64_t asked_ms = test->alerts[i].after_ms;
            if (asked_ms >= after_ms && asked_ms < after_ms + step_ms) {
                check_alerts(run, &test->alerts[i]);
            }
        }
    }
    for (size_t i = 0; i < test->n_exprs; i++) {
        check_expr(run, &test->exprs[i]);
    }
}

static size_t run_test(const struct rule_test_file *file, const struct rule_test *test,
                       struct rule_set *set, struct strbuf *out) {
    struct test_run run = {.file = file, .test = test, .out = out};
    test_store_init(&run.tests);
    run.rules = rules_new(&(struct rules_options){
        .store = run.tests.store,
        .now_usec = no_clock,
        .external_url = test->external_url,
    });
    rules_configure(run.rules, &(struct rules_delivery){
                                   .external_labels = test->external_labels.labels,
                                   .n_external_labels = test->external_labels.n,
                               });
    run.n_given = mem_array(test->n_inputs + 1, sizeof(*run.n_given));
    rules_set(run.rules, set, test->start_ms);
    order_groups(&run);
    run_steps(&run);
    free(run.order);
    free(run.n_given);
    rules_free(run.rules);
    test_store_deinit(&run.tests);
    return run.failures;
}

static size_t check_order(const struct rule_test_file *file, struct strbuf *out) {
    for (size_t i = 0; i < file->n_order; i++) {
        if (place_of(file, file->order[i]) != i + 1) {
            strbuf_printf(out, "    group name repeated in evaluation order: %.*s\n",
                          (int)file->order[i].len, file->order[i].data);
            return 1;
        }
    }
    return 0;
}

size_t rule_test_run(const struct rule_test_file *file, const struct str *names,
                     const struct str *texts, size_t n_files, struct strbuf *out) {
    struct rule_options options = {.interval_ms = file->interval_ms};
    size_t failures = check_order(file, out);
    if (failures > 0) {
        return failures;
    }
    for (size_t i = 0; i < file->n_tests; i++) {
        struct error_list errors = {0};
        struct rule_set *set = rule_set_new(names, texts, n_files, &options, &errors);
        for (size_t k = 0; k < errors.n; k++) {
            char line[600];
            strbuf_printf(out, "    %s\n", error_format(&errors.errors[k], line, sizeof(line)));
        }
        error_list_deinit(&errors);
        if (set == NULL) {
            return 1;
        }
        failures += run_test(file, &file->tests[i], set, out);
    }
    return failures;
}
