/* SPDX-License-Identifier: Apache-2.0 */

/* Unit tests of rules, in the form of `promtool test rules`: series are made up, the rules run over
 * them, alerts and results of expressions are compared with what the file expects.
 *
 * As there, all groups are evaluated in steps of the file's evaluation_interval, whatever interval
 * they have themselves, and nothing is ever too old. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "promql/case_file.h"
#include "store/batch.h"

struct test_labels {
    struct label *labels; /* sorted by name; only annotations may be empty */
    size_t n;
};

struct test_input {
    struct test_labels series;
    struct case_value *values; /* one per interval of the test */
    size_t n_values;
};

struct expected_alert {
    struct test_labels labels, annotations;
};

struct alert_test {
    int64_t after_ms; /* the start */
    struct str alert;
    struct expected_alert *expected;
    size_t n_expected;
};

struct expected_sample {
    struct test_labels labels;
    double value;
};

struct expr_test {
    int64_t after_ms;
    struct str expr;
    struct expected_sample *expected;
    size_t n_expected;
};

struct rule_test {
    struct str name; /* may be empty */
    int64_t interval_ms, start_ms;
    struct test_labels external_labels;
    struct str external_url;
    struct test_input *inputs;
    size_t n_inputs;
    struct alert_test *alerts;
    size_t n_alerts;
    struct expr_test *exprs;
    size_t n_exprs;
};

struct rule_test_file {
    struct arena arena;     /* of everything */
    struct str *rule_files; /* patterns, relative to the file */
    size_t n_rule_files;
    struct str *order; /* of the groups that are named; the others come first, as they stand */
    size_t n_order;
    int64_t interval_ms;
    bool fuzzy; /* values may differ in their last bit */
    struct rule_test *tests;
    size_t n_tests;
};

/* Return: 0, or -EINVAL with *err and its place; name is borrowed by *err. ret must be given back
 * after either. */
int rule_test_parse(const char *name, struct str text, struct rule_test_file *ret,
                    struct error *err);
void rule_test_deinit(struct rule_test_file *file);

/* Runs all tests with the rules of these files (parallel, as for rule_set_new()) and adds to out
 * what differs. Return: how many differences there were. */
size_t rule_test_run(const struct rule_test_file *file, const struct str *names,
                     const struct str *texts, size_t n_files, struct strbuf *out);
