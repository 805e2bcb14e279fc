/* SPDX-License-Identifier: Apache-2.0 */

/* Answers questions about series from a file, as JSON: what a differential test asks.
 *
 *     answer SERIES [--experimental] [--delayed-names]
 *
 * SERIES has lines SERIES TIME=VALUE TIME=VALUE ... (milliseconds; the value "stale" is the
 * marker). Questions come from standard input, each ended by a NUL: "instant T EXPR", "range START
 * END STEP EXPR" (milliseconds), "print EXPR" and "pretty EXPR". Each answer is one line:
 * {"error"} or {"type", "rows", "warnings", "infos"} or {"text"}; values are texts with all digits.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "promql/case_file.h"
#include "promql/eval.h"
#include "promql/label_space.h"
#include "promql/parser.h"
#include "promql/printer.h"
#include "store/history.h"

#define MOST_QUESTION_BYTES ((size_t)256 * 1024)

struct answering {
    struct test_store tests;
    bool experimental, delayed_names;
};

/* ---- the series ---- */

static bool load_line(struct test_store *tests, struct str line) {
    struct arena arena = {0};
    struct label *labels;
    size_t n_labels, end = case_series_end(line);
    bool good =
        case_parse_series((struct str){line.data, end}, &arena, &labels, &n_labels, NULL) == 0;
    struct str rest = str_trim((struct str){line.data + end, line.len - end});
    while (good && rest.len > 0) {
        struct str value = str_cut(&rest, ' ');
        struct str time = str_cut(&value, '=');
        int64_t t_ms = strtoll(time.data, NULL, 10);
        double number = eval_missing();
        good = str_is(value, "stale") || promql_number(value, &number);
        if (good) {
            test_store_append(tests, labels, n_labels, t_ms, number);
        }
    }
    arena_deinit(&arena);
    return good;
}

static bool load(struct test_store *tests, const char *path) {
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t size = 0;
    ssize_t len;
    bool good = file != NULL;
    while (good && (len = getline(&line, &size, file)) > 0) {
        good = load_line(tests, str_trim((struct str){line, (size_t)len}));
    }
    free(line);
    if (file != NULL) {
        fclose(file);
    }
    return good;
}

/* ---- answers ---- */

static void write_value(struct json_writer *json, double value) {
    char text[40];
    snprintf(text, sizeof(text), "%.17g", value);
    json_text(json, NULL, isnan(value) ? "nan" : text);
}

static void write_samples(struct json_writer *json, const struct eval_result *result,
                          const struct eval_row *row, int64_t start_ms, int64_t step_ms) {
    size_t n = result->type == VALUE_MATRIX ? row->n_samples : result->n_steps;
    json_list_begin(json, "samples");
    for (size_t i = 0; i < n; i++) {
        if (result->type != VALUE_MATRIX && eval_is_missing(row->values[i])) {
            continue;
        }
        json_list_begin(json, NULL);
        json_int(json, NULL,
                 result->type == VALUE_MATRIX ? row->t_ms[i] : start_ms + (int64_t)i * step_ms);
        write_value(json, row->values[i]);
        json_list_end(json);
    }
    json_list_end(json);
}

static void write_texts(struct json_writer *json, const char *key,
                        const struct annotation_list *list) {
    json_list_begin(json, key);
    for (size_t i = 0; i < list->n; i++) {
        json_text(json, NULL, list->texts[i]);
    }
    json_list_end(json);
}

static void write_result(struct json_writer *json, const struct eval_result *result,
                         int64_t start_ms, int64_t step_ms) {
    json_text(json, "type", value_type_api_names[result->type]);
    json_list_begin(json, "rows");
    for (size_t i = 0; i < result->n_rows; i++) {
        const struct label_set *labels = result->rows[i].labels;
        json_object_begin(json, NULL);
        json_object_begin(json, "labels");
        for (size_t k = 0; k < labels->n_pairs; k++) {
            json_key(json, label_space_text(result->space, labels->pairs[k].name));
            json_str(json, NULL, label_space_text(result->space, labels->pairs[k].value));
        }
        json_object_end(json);
        write_samples(json, result, &result->rows[i], start_ms, step_ms);
        json_object_end(json);
    }
    json_list_end(json);
    write_texts(json, "warnings", &result->warnings);
    write_texts(json, "infos", &result->infos);
}

static void evaluate(struct answering *answering, const struct parsed *parsed,
                     const int64_t times[3], struct arena *arena, struct json_writer *json) {
    struct eval_options options = {
        .start_ms = times[0],
        .end_ms = times[1],
        .step_ms = times[2],
        .delayed_names = answering->delayed_names,
    };
    struct eval_result result;
    struct error err = {0};
    if (promql_eval(parsed, answering->tests.store, &options, arena, &result, &err) != 0) {
        json_text(json, "error", result.message != NULL ? result.message : err.text);
    } else {
        write_result(json, &result, times[0], times[2]);
    }
    eval_result_deinit(&result);
}

static void print(const struct parsed *parsed, bool pretty, struct json_writer *json) {
    struct strbuf text = {0};
    if (pretty) {
        expr_print_pretty(parsed->root, &text);
    } else {
        expr_print(parsed->root, &text);
    }
    json_str(json, "text", strbuf_view(&text));
    strbuf_deinit(&text);
}

/* Cuts words off as numbers. */
static void cut_times(struct str *rest, size_t n, int64_t *ret) {
    for (size_t i = 0; i < n; i++) {
        ret[i] = strtoll(str_cut(rest, ' ').data, NULL, 10);
    }
}

static void answer(struct answering *answering, struct str question) {
    struct strbuf out = {0};
    struct json_writer json = {.out = &out};
    struct arena arena = {0};
    struct parsed parsed = {0};
    struct parse_options options = {.experimental = answering->experimental};
    struct error err = {0};
    int64_t times[3] = {0};
    struct str kind = str_cut(&question, ' ');
    cut_times(&question, str_is(kind, "instant") ? 1 : str_is(kind, "range") ? 3 : 0, times);
    json_object_begin(&json, NULL);
    if (promql_parse(question, &options, &arena, &parsed, &err) < 0) {
        char text[512];
        json_text(&json, "error", error_format(&err, text, sizeof(text)));
        json_bool(&json, "parsed", false);
    } else if (str_is(kind, "instant") || str_is(kind, "range")) {
        evaluate(answering, &parsed, times, &arena, &json);
    } else {
        print(&parsed, str_is(kind, "pretty"), &json);
    }
    json_object_end(&json);
    printf("%.*s\n", (int)out.len, out.data);
    fflush(stdout);
    parsed_deinit(&parsed);
    arena_deinit(&arena);
    strbuf_deinit(&out);
}

int main(int argc, char **argv) {
    struct answering answering = {0};
    char *question = NULL;
    size_t size = 0;
    ssize_t len;
    for (int i = 2; i < argc; i++) {
        answering.experimental |= strcmp(argv[i], "--experimental") == 0;
        answering.delayed_names |= strcmp(argv[i], "--delayed-names") == 0;
    }
    test_store_init(&answering.tests);
    if (argc < 2 || !load(&answering.tests, argv[1])) {
        fprintf(stderr, "usage: answer SERIES [--experimental] [--delayed-names]\n");
        return 1;
    }
    while ((len = getdelim(&question, &size, '\0', stdin)) > 1 &&
           (size_t)len < MOST_QUESTION_BYTES) {
        answer(&answering, (struct str){question, (size_t)len - 1});
    }
    free(question);
    test_store_deinit(&answering.tests);
    return 0;
}
