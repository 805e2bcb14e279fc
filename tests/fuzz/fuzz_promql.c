/* SPDX-License-Identifier: Apache-2.0 */

/* Expressions: refused with a place, or printed as text that parses to the same, and evaluated over
 * a few odd series, at one time and over a range, without a crash. */

#include <math.h>

#include "fuzz.h"
#include "promql/case_file.h"
#include "promql/eval.h"
#include "promql/parser.h"
#include "promql/printer.h"
#include "store/history.h"

#define MINUTE_MS    60000
#define N_SAMPLES    10
#define MOST_SAMPLES 20000 /* of an evaluation */

static const char *const series[] = {
    "m_total{a=\"1\", b=\"x\"}", "m_total{a=\"2\", b=\"y\"}", "g{a=\"1\"}",
    "g{a=\"2\", c=\"é\"}",       "h_bucket{le=\"1\"}",        "h_bucket{le=\"2\"}",
    "h_bucket{le=\"+Inf\"}",     "h_bucket{le=\"many\"}",
};

/* Counters with resets, values that are no numbers, holes. */
static double sample(size_t which, int at) {
    static const double odd[] = {1, -0.0, INFINITY, 1e308, -INFINITY, 5e-324, 7, 0.5};
    return which == 3 && at % 3 == 0   ? (double)NAN
           : which == 2 && at % 4 == 3 ? eval_missing()
           : which == 3                ? odd[at % 8]
                                       : (double)((at * (int)(which + 1)) % 17);
}

static const struct store *test_data(void) {
    static struct test_store tests;
    if (tests.store != NULL) {
        return tests.store;
    }
    test_store_init(&tests);
    for (size_t i = 0; i < ARRAY_LEN(series); i++) {
        struct arena arena = {0};
        struct label *labels;
        size_t n;
        must(case_parse_series(str_of(series[i]), &arena, &labels, &n, NULL) == 0);
        for (int at = 0; at < N_SAMPLES; at++) {
            test_store_append(&tests, labels, n, (int64_t)(at - 2) * MINUTE_MS, sample(i, at));
        }
        arena_deinit(&arena);
    }
    return tests.store;
}

static void try_eval(const struct parsed *parsed, int64_t step_ms, bool delayed_names) {
    struct arena arena = {0};
    struct eval_result result;
    struct error err = {0};
    struct eval_options options = {
        .start_ms = step_ms == 0 ? 5 * MINUTE_MS : -MINUTE_MS,
        .end_ms = 6 * MINUTE_MS,
        .step_ms = step_ms,
        .max_samples = MOST_SAMPLES,
        .delayed_names = delayed_names,
    };
    int r = promql_eval(parsed, test_data(), &options, &arena, &result, &err);
    must(r == 0 || err.text[0] != '\0');
    for (size_t i = 0; r == 0 && i < result.n_rows; i++) {
        must(result.type != VALUE_MATRIX || result.rows[i].n_samples > 0);
    }
    eval_result_deinit(&result);
    arena_deinit(&arena);
}

static void print_both(const struct parsed *parsed, struct strbuf *line, struct strbuf *pretty) {
    expr_print(parsed->root, line);
    expr_print_pretty(parsed->root, pretty);
}

/* What was printed, on one line and on many, means the same. */
static void check_printed(const struct parse_options *options, struct str text,
                          const struct strbuf *line) {
    struct arena arena = {0};
    struct parsed parsed = {0};
    struct strbuf again = {0};
    if (text.len < QUERY_MOST_BYTES) {
        must(promql_parse(text, options, &arena, &parsed, NULL) == 0);
        expr_print(parsed.root, &again);
        must(str_equal(strbuf_view(&again), strbuf_view(line)));
    }
    strbuf_deinit(&again);
    parsed_deinit(&parsed);
    arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct parse_options options = {.experimental = true};
    struct arena arena = {0};
    struct parsed parsed = {0};
    struct error err = {0};
    struct strbuf line = {0}, pretty = {0};
    if (promql_parse(fuzz_input(data, size), &options, &arena, &parsed, &err) < 0) {
        must(err.text[0] != '\0' && err.at.line >= 1 && err.at.column >= 1);
    } else {
        print_both(&parsed, &line, &pretty);
        check_printed(&options, strbuf_view(&line), &line);
        check_printed(&options, strbuf_view(&pretty), &line);
        try_eval(&parsed, 0, false);
        try_eval(&parsed, 0, true);
        try_eval(&parsed, 45000, false);
        try_eval(&parsed, 45000, true);
    }
    strbuf_deinit(&line);
    strbuf_deinit(&pretty);
    parsed_deinit(&parsed);
    arena_deinit(&arena);
    return 0;
}
