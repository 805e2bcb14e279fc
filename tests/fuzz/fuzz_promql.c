/* SPDX-License-Identifier: Apache-2.0 */

/* Expressions: refused with a place, or printed as text that parses to the same, and evaluated over
 * a few odd series, at one time and over a range, without a crash. One step of a range gives what
 * an instant gives, and the printed text what the original gives. */

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "fuzz.h"
#include "promql/case_file.h"
#include "promql/eval.h"
#include "promql/label_space.h"
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

/* ---- the same in two ways ---- */

struct outcome {
    int r;
    enum value_type type;
    char **rows; /* sorted */
    size_t n_rows;
};

static char *show_row(const struct eval_result *result, const struct eval_row *row) {
    struct strbuf text = {0};
    for (size_t i = 0; i < row->labels->n_pairs; i++) {
        strbuf_add_str(&text, label_space_text(result->space, row->labels->pairs[i].name));
        strbuf_add_char(&text, '=');
        strbuf_add_str(&text, label_space_text(result->space, row->labels->pairs[i].value));
        strbuf_add_char(&text, ' ');
    }
    strbuf_printf(&text, "%a", isnan(row->values[0]) ? (double)NAN : row->values[0]);
    return strbuf_take(&text);
}

static int compare_rows(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* At one time; as a range when step_ms is not 0. */
static struct outcome outcome_of(const struct parsed *parsed, int64_t step_ms) {
    struct arena arena = {0};
    struct eval_result result;
    struct error err = {0};
    struct outcome outcome = {0};
    struct eval_options options = {
        .start_ms = 5 * MINUTE_MS,
        .end_ms = 5 * MINUTE_MS,
        .step_ms = step_ms,
        .max_samples = MOST_SAMPLES,
    };
    outcome.r = promql_eval(parsed, test_data(), &options, &arena, &result, &err);
    outcome.type = result.type;
    bool rows = outcome.r == 0 && (result.type == VALUE_VECTOR || result.type == VALUE_SCALAR);
    outcome.rows = mem_array(result.n_rows + 1, sizeof(*outcome.rows));
    for (size_t i = 0; rows && i < result.n_rows; i++) {
        if (!eval_is_missing(result.rows[i].values[0])) {
            outcome.rows[outcome.n_rows++] = show_row(&result, &result.rows[i]);
        }
    }
    qsort(outcome.rows, outcome.n_rows, sizeof(*outcome.rows), compare_rows);
    eval_result_deinit(&result);
    arena_deinit(&arena);
    return outcome;
}

static void outcome_deinit(struct outcome *outcome) {
    for (size_t i = 0; i < outcome->n_rows; i++) {
        free(outcome->rows[i]);
    }
    free(outcome->rows);
}

static void check_same(const struct outcome *a, const struct outcome *b) {
    if (a->r == EVAL_E_TOO_MANY || b->r == EVAL_E_TOO_MANY) {
        return; /* how often a series is read may differ */
    }
    must(a->r == b->r && a->n_rows == b->n_rows);
    for (size_t i = 0; i < a->n_rows; i++) {
        must(strcmp(a->rows[i], b->rows[i]) == 0);
    }
}

static void check_ways(const struct parsed *parsed, const struct parse_options *options,
                       struct str printed) {
    struct arena arena = {0};
    struct parsed again = {0};
    struct outcome instant = outcome_of(parsed, 0);
    if (parsed->root->type == VALUE_VECTOR || parsed->root->type == VALUE_SCALAR) {
        struct outcome range = outcome_of(parsed, MINUTE_MS);
        check_same(&instant, &range);
        outcome_deinit(&range);
    }
    if (printed.len < QUERY_MOST_BYTES &&
        promql_parse(printed, options, &arena, &again, NULL) == 0) {
        struct outcome other = outcome_of(&again, 0);
        check_same(&instant, &other);
        outcome_deinit(&other);
    }
    outcome_deinit(&instant);
    parsed_deinit(&again);
    arena_deinit(&arena);
}

/* ---- printing ---- */

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
        check_ways(&parsed, &options, strbuf_view(&line));
    }
    strbuf_deinit(&line);
    strbuf_deinit(&pretty);
    parsed_deinit(&parsed);
    arena_deinit(&arena);
    return 0;
}
