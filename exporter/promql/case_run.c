/* SPDX-License-Identifier: Apache-2.0 */

/* Running one case: evaluation in several forms, and comparing. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/regex.h"
#include "promql/label_space.h"
#include "promql/parser.h"
#include "promql/printer.h"
#include "promql/private_case.h"

#define MINUTE_MS ((int64_t)60 * 1000)

/* Functions that may give another value at another time although all selectors have theirs. */
static const char *const time_functions[] = {
    "days_in_month(", "day_of_month(",   "day_of_week(", "day_of_year(", "hour(", "minute(",
    "month(",         "predict_linear(", "time(",        "timestamp(",   "year(", "start(",
    "end(",           "range(",          "step(",
};

struct case_run {
    const struct eval_case *test;
    const struct test_store *tests;
    struct arena *arena;
    bool classic_names;
    const char *form; /* what is being tried, for messages */
};

static const char *say(struct case_run *run, const char *format, ...) PRINTF_LIKE(2, 3);

static const char *say(struct case_run *run, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    size_t size = len < 0 ? 0 : (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1;
    struct strbuf whole = {0};
    strbuf_printf(&whole, "%s%.*s", run->form, (int)size, text);
    const char *result = arena_dup(run->arena, strbuf_view(&whole)).data;
    strbuf_deinit(&whole);
    return result;
}

/* ---- texts ---- */

static bool text_matches(const struct expected_text *expected, const char *text) {
    CLEANUP(regex_freep)
    struct regex *regex = NULL;
    switch (expected->match) {
    case TEXT_ANY:
        return true;
    case TEXT_IS:
        return str_is(expected->text, text);
    case TEXT_REGEX:
        return regex_new(expected->text, REGEX_SEARCH, &regex, NULL) == 0 &&
               regex_match(regex, str_of(text)) == REGEX_YES;
    }
    return false;
}

static const char *check_annotations(struct case_run *run, const char *kind,
                                     const struct expected_annotations *expected,
                                     const struct annotation_list *found) {
    if (expected->none && found->n > 0) {
        return say(run, "unexpected %s: %s", kind, found->texts[0]);
    }
    for (size_t i = 0; i < expected->n; i++) {
        bool met = false;
        for (size_t k = 0; k < found->n; k++) {
            met |= text_matches(&expected->list[i], found->texts[k]);
        }
        if (!met) {
            return say(run, "expected %s is missing: %.*s", kind, (int)expected->list[i].text.len,
                       expected->list[i].text.data);
        }
    }
    for (size_t k = 0; expected->n > 0 && k < found->n; k++) {
        bool known = false;
        for (size_t i = 0; i < expected->n; i++) {
            known |= text_matches(&expected->list[i], found->texts[k]);
        }
        if (!known) {
            return say(run, "unexpected %s: %s", kind, found->texts[k]);
        }
    }
    return NULL;
}

/* ---- values ---- */

static size_t labels_of(const struct eval_result *result, size_t row, struct label *ret) {
    const struct label_set *set = result->rows[row].labels;
    size_t n = 0;
    for (; n < set->n_pairs && n < BATCH_MAX_LABELS; n++) {
        ret[n].name = label_space_text(result->space, set->pairs[n].name);
        ret[n].value = label_space_text(result->space, set->pairs[n].value);
    }
    return n;
}

static const struct label *find_label(const struct label *labels, size_t n, struct str name) {
    for (size_t i = 0; i < n; i++) {
        if (str_equal(labels[i].name, name)) {
            return &labels[i];
        }
    }
    return NULL;
}

static bool same_labels(const struct case_series *expected, const struct label *labels, size_t n) {
    size_t given = 0;
    for (size_t i = 0; i < expected->n_labels; i++) {
        const struct label *wanted = &expected->labels[i];
        if (wanted->value.len == 0) {
            continue;
        }
        const struct label *found = find_label(labels, n, wanted->name);
        if (found == NULL || !str_equal(found->value, wanted->value)) {
            return false;
        }
        given++;
    }
    return given == n;
}

static const char *labels_text(struct case_run *run, const struct label *labels, size_t n) {
    struct strbuf text = {0};
    print_series(labels, n, &text);
    const char *result = arena_dup(run->arena, strbuf_view(&text)).data;
    strbuf_deinit(&text);
    return result;
}

/* The row with the labels of an expected series, or SIZE_MAX. */
static size_t find_row(const struct eval_result *result, const struct case_series *expected) {
    struct label labels[BATCH_MAX_LABELS];
    for (size_t i = 0; i < result->n_rows; i++) {
        if (same_labels(expected, labels, labels_of(result, i, labels))) {
            return i;
        }
    }
    return SIZE_MAX;
}

static const char *compare_value(struct case_run *run, const struct case_series *expected,
                                 const struct case_value *wanted, double value, int64_t t_ms) {
    bool there = !eval_is_missing(value);
    if (there != wanted->missing && (!there || case_values_equal(wanted->value, value))) {
        return NULL;
    }
    char wanted_text[40] = "nothing", found_text[40] = "nothing";
    if (!wanted->missing) {
        snprintf(wanted_text, sizeof(wanted_text), "%.17g", wanted->value);
    }
    if (there) {
        snprintf(found_text, sizeof(found_text), "%.17g", value);
    }
    return say(run, "%s at %lld ms: expected %s, got %s",
               labels_text(run, expected->labels, expected->n_labels), (long long)t_ms, wanted_text,
               found_text);
}

/* The value of a row at a time; of a matrix among its samples. */
static double value_at(const struct eval_result *result, size_t row, size_t step, int64_t t_ms) {
    const struct eval_row *values = &result->rows[row];
    if (result->type != VALUE_MATRIX) {
        return values->values[step];
    }
    for (size_t i = 0; i < values->n_samples; i++) {
        if (values->t_ms[i] == t_ms) {
            return values->values[i];
        }
    }
    return eval_missing();
}

static const char *compare_series(struct case_run *run, const struct eval_result *result,
                                  const struct case_series *expected, size_t row, size_t n_steps,
                                  int64_t start_ms, int64_t step_ms) {
    static const struct case_value nothing = {.missing = true};
    const char *why = NULL;
    for (size_t step = 0; why == NULL && step < n_steps; step++) {
        int64_t t_ms = start_ms + (int64_t)step * step_ms;
        const struct case_value *wanted =
            step < expected->n_values ? &expected->values[step] : &nothing;
        why = compare_value(run, expected, wanted, value_at(result, row, step, t_ms), t_ms);
    }
    return why;
}

static bool expects_any(const struct case_series *expected) {
    for (size_t i = 0; i < expected->n_values; i++) {
        if (!expected->values[i].missing) {
            return true;
        }
    }
    return false;
}

static const char *compare_vector(struct case_run *run, const struct eval_result *result) {
    const struct eval_case *test = run->test;
    size_t n_steps = test->range ? result->n_steps : 1, expected = 0;
    int64_t start_ms = test->start_ms, step_ms = test->step_ms;
    if (test->is_matrix) {
        n_steps = 0;
        start_ms = test->matrix_start_ms;
        step_ms = test->matrix_step_ms;
        for (size_t i = 0; i < test->n_series; i++) {
            n_steps = test->series[i].n_values > n_steps ? test->series[i].n_values : n_steps;
        }
    }
    for (size_t i = 0; i < test->n_series; i++) {
        const struct case_series *series = &test->series[i];
        size_t row = find_row(result, series);
        if (!expects_any(series)) {
            continue;
        }
        expected++;
        if (row == SIZE_MAX) {
            return say(run, "expected series is missing: %s",
                       labels_text(run, series->labels, series->n_labels));
        }
        if (test->ordered && row != i) {
            return say(run, "%s is at place %zu, expected %zu",
                       labels_text(run, series->labels, series->n_labels), row + 1, i + 1);
        }
        const char *why = compare_series(run, result, series, row, n_steps, start_ms, step_ms);
        if (why != NULL) {
            return why;
        }
    }
    return expected == result->n_rows
               ? NULL
               : say(run, "%zu series, expected %zu", result->n_rows, expected);
}

static const char *compare_result(struct case_run *run, const struct eval_result *result) {
    const struct eval_case *test = run->test;
    if (test->is_string) {
        return result->type == VALUE_STRING && str_equal(result->string, test->string)
                   ? NULL
                   : say(run, "the result is not the expected string");
    }
    if (test->is_scalar != (result->type == VALUE_SCALAR)) {
        bool range_of_scalar = test->range && result->type == VALUE_SCALAR;
        if (!range_of_scalar) {
            return say(run, "the result is a %s", value_type_names[result->type]);
        }
    }
    if (test->is_scalar) {
        double value = result->rows[0].values[0];
        return case_values_equal(test->scalar, value)
                   ? NULL
                   : say(run, "expected %.17g, got %.17g", test->scalar, value);
    }
    return compare_vector(run, result);
}

/* ---- evaluation ---- */

static int evaluate(struct case_run *run, const struct parsed *parsed, int64_t start_ms,
                    int64_t end_ms, int64_t step_ms, struct eval_result *ret, struct error *err) {
    struct eval_options options = {
        .start_ms = start_ms,
        .end_ms = end_ms,
        .step_ms = step_ms,
        .delayed_names = !run->classic_names,
    };
    return promql_eval(parsed, run->tests->store, &options, run->arena, ret, err);
}

static const char *check_failure(struct case_run *run, const struct eval_result *result, int r,
                                 const struct error *err) {
    const char *text = result->message != NULL ? result->message : err->text;
    if (r == 0) {
        return say(run, "expected to fail");
    }
    return text_matches(&run->test->failure, text) ? NULL : say(run, "fails otherwise: %s", text);
}

static const char *run_as_written(struct case_run *run, const struct parsed *parsed) {
    const struct eval_case *test = run->test;
    struct eval_result result;
    struct error err = {0};
    int r = evaluate(run, parsed, test->start_ms, test->end_ms, test->step_ms, &result, &err);
    const char *why;
    if (test->fails) {
        why = check_failure(run, &result, r, &err);
    } else if (r != 0) {
        why = say(run, "fails: %s", result.message != NULL ? result.message : err.text);
    } else {
        why = check_annotations(run, "warning", &test->warnings, &result.warnings);
        why = why != NULL ? why : check_annotations(run, "info", &test->infos, &result.infos);
        why = why != NULL ? why : compare_result(run, &result);
    }
    eval_result_deinit(&result);
    return why;
}

static bool names_function(struct str expr, const char *function) {
    size_t len = strlen(function);
    for (size_t i = 0; i + len <= expr.len; i++) {
        char before = i > 0 ? expr.data[i - 1] : ' ';
        bool word = (before >= 'a' && before <= 'z') || before == '_';
        if (!word && memcmp(expr.data + i, function, len) == 0) {
            return true;
        }
    }
    return false;
}

/* The middle step of a range query must be what the instant query gave. */
static const char *run_as_range(struct case_run *run, const struct parsed *parsed) {
    const struct eval_case *test = run->test;
    struct eval_result result;
    struct error err = {0};
    run->form = "as a range query: ";
    int r = evaluate(run, parsed, test->start_ms - MINUTE_MS, test->start_ms + MINUTE_MS, MINUTE_MS,
                     &result, &err);
    const char *why = NULL;
    if (r != 0) {
        why = say(run, "fails: %s", err.text);
    } else {
        size_t kept = 0;
        for (size_t i = 0; i < result.n_rows; i++) {
            double *values = result.rows[i].values;
            values[0] = values[1];
            if (!eval_is_missing(values[0])) {
                result.rows[kept++] = result.rows[i];
            }
        }
        result.n_rows = kept;
        why = compare_result(run, &result);
    }
    eval_result_deinit(&result);
    return why;
}

/* Every selector and subquery that has no time gets one, except inside of one that has. */
static void fix_time(struct expr *expr, int64_t t_ms) {
    switch (expr->kind) {
    case EXPR_SELECTOR:
        if (expr->selector.shift.at == AT_EVALUATION) {
            expr->selector.shift.at = AT_TIME;
            expr->selector.shift.at_ms = t_ms;
        }
        break;
    case EXPR_SUBQUERY:
        if (expr->subquery.shift.at == AT_EVALUATION) {
            expr->subquery.shift.at = AT_TIME;
            expr->subquery.shift.at_ms = t_ms;
        }
        break;
    case EXPR_CALL:
        for (size_t i = 0; i < expr->call.n_args; i++) {
            fix_time(expr->call.args[i], t_ms);
        }
        break;
    case EXPR_AGGREGATE:
        if (expr->aggregate.parameter != NULL) {
            fix_time(expr->aggregate.parameter, t_ms);
        }
        fix_time(expr->aggregate.inner, t_ms);
        break;
    case EXPR_BINARY:
        fix_time(expr->binary.left, t_ms);
        fix_time(expr->binary.right, t_ms);
        break;
    case EXPR_UNARY:
    case EXPR_PAREN:
        fix_time(expr->inner, t_ms);
        break;
    default:
        break;
    }
}

static const char *run_at_other_times(struct case_run *run, const struct parsed *parsed) {
    int64_t t_ms = run->test->start_ms;
    int64_t times[] = {-10 * t_ms, 0, t_ms / 5, t_ms, 10 * t_ms};
    const char *why = NULL;
    run->form = "with @ from another time: ";
    if (t_ms == 0) {
        times[0] = -1000;
        times[4] = 1000;
    }
    fix_time(parsed->root, t_ms);
    for (size_t i = 0; why == NULL && i < ARRAY_LEN(times); i++) {
        struct eval_result result;
        struct error err = {0};
        int r = evaluate(run, parsed, times[i], times[i], 0, &result, &err);
        why = r != 0 ? say(run, "fails: %s", err.text) : compare_result(run, &result);
        eval_result_deinit(&result);
    }
    return why;
}

const char *case_run(const struct eval_case *test, const struct test_store *tests,
                     bool classic_names, struct arena *arena) {
    struct case_run run = {test, tests, arena, classic_names, ""};
    struct parsed parsed;
    struct error err = {0};
    if (promql_parse(test->expr, &(struct parse_options){.experimental = true}, arena, &parsed,
                     &err) < 0) {
        return test->fails && text_matches(&test->failure, err.text)
                   ? NULL
                   : say(&run, "%u:%u: %s", err.at.line, err.at.column, err.text);
    }
    bool by_time = false, by_range = false;
    for (size_t i = 0; i < ARRAY_LEN(time_functions); i++) {
        bool named = names_function(test->expr, time_functions[i]);
        by_time |= named;
        by_range |= named && i + 4 >= ARRAY_LEN(time_functions);
    }
    const char *why = run_as_written(&run, &parsed);
    bool more = why == NULL && !test->range && !test->fails;
    if (more && !test->ordered && !test->is_string && !test->is_matrix && !by_range) {
        why = run_as_range(&run, &parsed);
    }
    if (more && why == NULL && !by_time) {
        why = run_at_other_times(&run, &parsed);
    }
    parsed_deinit(&parsed);
    return why;
}
