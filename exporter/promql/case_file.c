/* SPDX-License-Identifier: Apache-2.0 */

/* Reading files of cases: lines, commands, and what follows a command up to an empty line. */
#include "promql/case_file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "promql/parser.h"
#include "promql/printer.h"
#include "promql/private_case.h"

struct case_reader {
    const char *name;
    struct str rest; /* what was not read yet */
    unsigned line;   /* of now */
    struct str now;  /* trimmed; empty for comments */
    bool at_end;
    const struct case_options *options;
    struct case_counts *counts;
    struct arena arena; /* of one command */
    struct test_store tests;
    struct error *err;
};

static int fail(struct case_reader *reader, const char *format, ...) PRINTF_LIKE(2, 3);

static int fail(struct case_reader *reader, const char *format, ...) {
    char text[sizeof(reader->err->text)];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return error_set(reader->err, -EINVAL, (struct position){reader->name, reader->line, 1}, "%s",
                     text);
}

/* ---- lines and words ---- */

static void next_line(struct case_reader *reader) {
    if (reader->rest.len == 0) {
        reader->at_end = true;
        reader->now = str_of("");
        return;
    }
    reader->now = str_trim(str_cut(&reader->rest, '\n'));
    reader->line++;
    if (reader->now.len > 0 && reader->now.data[0] == '#') {
        reader->now = str_of("");
    }
}

/* The word before the first blank; *rest goes on behind it. */
static struct str cut_word(struct str *rest) {
    struct str word = {rest->data, 0};
    while (word.len < rest->len && rest->data[word.len] != ' ' && rest->data[word.len] != '\t') {
        word.len++;
    }
    rest->data += word.len;
    rest->len -= word.len;
    *rest = str_trim(*rest);
    return word;
}

static bool cut_if(struct str *rest, const char *word) {
    struct str after = *rest;
    if (!str_is(cut_word(&after), word)) {
        return false;
    }
    *rest = after;
    return true;
}

static bool cut_duration(struct str *rest, int64_t *ret_ms) {
    return promql_duration_ms(cut_word(rest), ret_ms);
}

/* ---- load ---- */

/* The series of a line with its values. Return: 0 or negative, with the place. */
static int parse_series_line(struct case_reader *reader, struct case_series *ret) {
    struct str line = reader->now;
    size_t end = case_series_end(line);
    struct str series = {line.data, end};
    struct str values = str_trim((struct str){line.data + end, line.len - end});
    struct error err = {0};
    if (case_parse_series(series, &reader->arena, &ret->labels, &ret->n_labels, &err) < 0 ||
        case_parse_values(values, &reader->arena, &ret->values, &ret->n_values, &err) < 0) {
        return fail(reader, "%s", err.text);
    }
    return 0;
}

/* A series of a load command; of two with the same labels the later one counts. */
struct loaded_series {
    struct case_series series;
    char *text; /* who it is */
};

struct load {
    struct loaded_series *series;
    size_t n, capacity;
};

static struct loaded_series *find_loaded(const struct load *load, const char *text) {
    for (size_t i = 0; i < load->n; i++) {
        if (strcmp(load->series[i].text, text) == 0) {
            return &load->series[i];
        }
    }
    return NULL;
}

static int parse_loaded(struct case_reader *reader, struct load *load) {
    struct loaded_series loaded = {0};
    struct strbuf text = {0};
    int r = parse_series_line(reader, &loaded.series);
    if (r < 0) {
        return r;
    }
    print_series(loaded.series.labels, loaded.series.n_labels, &text);
    loaded.text = strbuf_take(&text);
    struct loaded_series *same = find_loaded(load, loaded.text);
    if (same != NULL) {
        free(same->text);
        *same = loaded;
        return 0;
    }
    load->series = mem_grow(load->series, load->n, &load->capacity, sizeof(*load->series));
    load->series[load->n++] = loaded;
    return 0;
}

static void append_loaded(struct case_reader *reader, const struct case_series *series,
                          int64_t step_ms) {
    for (size_t i = 0; i < series->n_values; i++) {
        if (!series->values[i].missing) {
            test_store_append(&reader->tests, series->labels, series->n_labels,
                              (int64_t)i * step_ms, series->values[i].value);
        }
    }
}

static int run_load(struct case_reader *reader, struct str rest) {
    int64_t step_ms;
    struct load load = {0};
    if (!cut_duration(&rest, &step_ms) || step_ms <= 0 || rest.len > 0) {
        return fail(reader, "expected: load DURATION");
    }
    int r = 0;
    for (next_line(reader); r == 0 && reader->now.len > 0;) {
        r = parse_loaded(reader, &load);
        if (r == 0) {
            next_line(reader);
        }
    }
    for (size_t i = 0; i < load.n; i++) {
        if (r == 0) {
            append_loaded(reader, &load.series[i].series, step_ms);
        }
        free(load.series[i].text);
    }
    free(load.series);
    return r;
}

/* ---- what is expected ---- */

static struct expected_text cut_text(struct str rest) {
    if (str_starts_with(rest, "msg:")) {
        return (struct expected_text){TEXT_IS, str_trim((struct str){rest.data + 4, rest.len - 4})};
    }
    if (str_starts_with(rest, "regex:")) {
        return (struct expected_text){TEXT_REGEX,
                                      str_trim((struct str){rest.data + 6, rest.len - 6})};
    }
    return (struct expected_text){TEXT_ANY, str_of("")};
}

static void add_annotation(struct expected_annotations *expected, struct expected_text text) {
    if (expected->n < CASE_MOST_EXPECTATIONS) {
        expected->list[expected->n++] = text;
    }
}

/* from D to D step D */
static bool cut_range(struct str *rest, int64_t *ret_start, int64_t *ret_end, int64_t *ret_step) {
    return cut_if(rest, "from") && cut_duration(rest, ret_start) && cut_if(rest, "to") &&
           cut_duration(rest, ret_end) && cut_if(rest, "step") && cut_duration(rest, ret_step) &&
           *ret_step > 0;
}

static int parse_expect(struct case_reader *reader, struct str rest, struct eval_case *test) {
    int64_t ignored;
    if (cut_if(&rest, "fail")) {
        test->fails = true;
        test->failure = cut_text(rest);
    } else if (cut_if(&rest, "warn")) {
        add_annotation(&test->warnings, cut_text(rest));
    } else if (cut_if(&rest, "info")) {
        add_annotation(&test->infos, cut_text(rest));
    } else if (cut_if(&rest, "no_warn")) {
        test->warnings.none = true;
    } else if (cut_if(&rest, "no_info")) {
        test->infos.none = true;
    } else if (cut_if(&rest, "ordered")) {
        test->ordered = true;
    } else if (cut_if(&rest, "string")) {
        test->is_string = true;
        if (!promql_unquote(rest, &reader->arena, &test->string)) {
            return fail(reader, "expected a quoted string");
        }
    } else if (cut_if(&rest, "range") && cut_if(&rest, "vector")) {
        test->is_matrix = true;
        if (!cut_range(&rest, &test->matrix_start_ms, &ignored, &test->matrix_step_ms)) {
            return fail(reader, "expected: range vector from DURATION to DURATION step DURATION");
        }
    } else {
        return fail(reader, "'%.*s' cannot be expected", (int)rest.len, rest.data);
    }
    return 0;
}

static int parse_expected_series(struct case_reader *reader, struct eval_case *test) {
    struct case_series series = {0};
    int r = parse_series_line(reader, &series);
    if (r == 0) {
        test->series =
            mem_grow(test->series, test->n_series, &test->capacity, sizeof(*test->series));
        test->series[test->n_series++] = series;
    }
    return r;
}

/* One line below an eval. *ret_done: nothing may follow. */
static int parse_body_line(struct case_reader *reader, struct eval_case *test, bool *ret_done) {
    struct str rest = reader->now;
    double number;
    if (cut_if(&rest, "expect")) {
        return parse_expect(reader, rest, test);
    }
    if (cut_if(&rest, "expected_fail_message")) {
        test->failure = (struct expected_text){TEXT_IS, rest};
        return 0;
    }
    if (cut_if(&rest, "expected_fail_regexp")) {
        test->failure = (struct expected_text){TEXT_REGEX, rest};
        return 0;
    }
    if (promql_number(reader->now, &number)) {
        test->is_scalar = true;
        test->scalar = number;
        *ret_done = true;
        return 0;
    }
    return parse_expected_series(reader, test);
}

/* ---- eval ---- */

struct eval_form {
    const char *word;
    void (*apply)(struct eval_case *test);
};

static void apply_nothing(struct eval_case *test) {
}

static void apply_fail(struct eval_case *test) {
    test->fails = true;
}

static void apply_warn(struct eval_case *test) {
    add_annotation(&test->warnings, (struct expected_text){TEXT_ANY, str_of("")});
}

static void apply_info(struct eval_case *test) {
    add_annotation(&test->infos, (struct expected_text){TEXT_ANY, str_of("")});
}

static void apply_ordered(struct eval_case *test) {
    test->ordered = true;
}

/* All but the first are older spellings of an expect line. */
static const struct eval_form eval_forms[] = {
    {"eval", apply_nothing},   {"eval_fail", apply_fail},       {"eval_warn", apply_warn},
    {"eval_info", apply_info}, {"eval_ordered", apply_ordered},
};

static bool parse_eval_head(struct str rest, struct eval_case *test) {
    if (cut_if(&rest, "instant")) {
        if (cut_if(&rest, "at") && !cut_duration(&rest, &test->start_ms)) {
            return false;
        }
    } else if (cut_if(&rest, "range")) {
        test->range = true;
        if (!cut_range(&rest, &test->start_ms, &test->end_ms, &test->step_ms)) {
            return false;
        }
    } else {
        return false;
    }
    test->expr = rest;
    return rest.len > 0;
}

static int run_eval(struct case_reader *reader, const struct eval_form *form, struct str rest) {
    struct eval_case test = {.line = reader->line};
    bool done = false;
    int r = 0;
    if (!parse_eval_head(rest, &test)) {
        return fail(reader, "expected: eval instant at TIME EXPRESSION, or eval range from TIME "
                            "to TIME step DURATION EXPRESSION");
    }
    form->apply(&test);
    for (next_line(reader); r == 0 && !done && reader->now.len > 0;) {
        r = parse_body_line(reader, &test, &done);
        if (r == 0) {
            next_line(reader);
        }
    }
    if (r == 0) {
        const char *why =
            case_run(&test, &reader->tests, reader->options->classic_names, &reader->arena);
        *(why == NULL ? &reader->counts->passed : &reader->counts->failed) += 1;
        if (why != NULL) {
            reader->options->failed(reader->options->userdata, reader->name, test.line, why);
        }
    }
    free(test.series);
    return r;
}

/* ---- commands ---- */

static int run_command(struct case_reader *reader) {
    struct str rest = reader->now;
    struct str word = cut_word(&rest);
    if (str_is(word, "clear")) {
        test_store_deinit(&reader->tests);
        test_store_init(&reader->tests);
        next_line(reader);
        return 0;
    }
    if (str_is(word, "load") || str_is(word, "load_with_nhcb")) {
        return run_load(reader, rest);
    }
    for (size_t i = 0; i < ARRAY_LEN(eval_forms); i++) {
        if (str_is(word, eval_forms[i].word)) {
            return run_eval(reader, &eval_forms[i], rest);
        }
    }
    return fail(reader, "unknown command '%.*s'", (int)(word.len < 40 ? word.len : 40), word.data);
}

int case_file_run(const char *name, struct str text, const struct case_options *options,
                  struct case_counts *counts, struct error *err) {
    struct error ignored = {0};
    struct case_reader reader = {
        .name = name,
        .rest = text,
        .options = options,
        .counts = counts,
        .err = err != NULL ? err : &ignored,
    };
    int r = 0;
    test_store_init(&reader.tests);
    next_line(&reader);
    while (r == 0 && !reader.at_end) {
        if (reader.now.len == 0) {
            next_line(&reader);
            continue;
        }
        r = run_command(&reader);
        arena_reset(&reader.arena);
    }
    arena_deinit(&reader.arena);
    test_store_deinit(&reader.tests);
    return r;
}
