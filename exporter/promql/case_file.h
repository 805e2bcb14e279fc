/* SPDX-License-Identifier: Apache-2.0 */

/* Files of test cases in the form of Prometheus' promqltest (.test): series are loaded, expressions
 * evaluated, results compared.
 *
 * Every instant case is also run as a range query around its time, whose middle step must agree,
 * and with its time written into the selectors (@), from other times; all of that is one case. */
#pragma once

#include <stddef.h>

#include "base/error.h"
#include "base/str.h"

struct case_counts {
    size_t passed, failed;
};

struct case_options {
    bool classic_names; /* drop metric names at once, not at the end */
    /* One sentence per case that failed; line is that of its command. */
    void (*failed)(void *userdata, const char *file, unsigned line, const char *why);
    void *userdata;
};

/* Runs all cases of a file and adds to *counts. name is for messages.
 * Return: 0, or -EINVAL with *err when the file itself is broken: what stood before its place has
 * been run. */
int case_file_run(const char *name, struct str text, const struct case_options *options,
                  struct case_counts *counts, struct error *err);

/* ---- for other readers of the same notation (unit tests of rules) ---- */

struct arena;
struct label;

/* A series, as in name{label="value"} or {}, sorted by nothing. Return: 0 or -EINVAL. */
int case_parse_series(struct str text, struct arena *arena, struct label **ret_labels,
                      size_t *ret_count, struct error *err);

/* Where the series of a line ends and its values begin. */
size_t case_series_end(struct str line);

struct case_value {
    bool missing;
    double value; /* may be the stale marker */
};

/* "1 2 _ 3+1x5 stale": one element per step, in the arena. At most 100000. Return: 0 or -EINVAL. */
int case_parse_values(struct str text, struct arena *arena, struct case_value **ret_values,
                      size_t *ret_count, struct error *err);

/* Almost equal, as the runner of Prometheus understands it. */
bool case_values_equal(double a, double b);

/* Appends to a store made for tests: each series has a source of its own, so that any times do. */
struct store;
struct test_series;
struct test_store {
    struct store *store;
    struct test_series *series;
    size_t n_series, capacity;
};
void test_store_init(struct test_store *tests);
void test_store_deinit(struct test_store *tests);
void test_store_append(struct test_store *tests, const struct label *labels, size_t n_labels,
                       int64_t t_ms, double value);
