/* SPDX-License-Identifier: Apache-2.0 */

/* Expressions: query, query_range, format_query, query_exemplars; evaluated in a worker. */
#include "web/api.h"

#include <stdlib.h>

#include "base/duration.h"
#include "promql/eval.h"
#include "promql/printer.h"
#include "web/api_json.h"
#include "web/api_question.h"

#define MOST_LOOKBACK_MS ((int64_t)10 * 365 * 24 * 3600 * 1000)

struct evaluation {
    struct api_question question;
    struct str text; /* the expression; parsed once it is prepared */
    bool range;
    struct parsed parsed;
    struct eval_options eval;
    uint64_t limit; /* 0: none */
    bool stats;
    uint64_t asked_usec;
};

static struct evaluation *evaluation_of(struct api_question *question) {
    return container_of(question, struct evaluation, question);
}

/* ---- in the worker ---- */

struct spent {
    uint64_t queued_usec, evaluated_usec;
};

static double seconds(uint64_t usec) {
    return (double)usec / (double)USEC_PER_SEC;
}

static void write_stats(struct strbuf *out, const struct eval_result *result,
                        const struct spent *spent) {
    struct json_writer json = {.out = out, .comma = true};
    json_object_begin(&json, "stats");
    json_object_begin(&json, "timings");
    json_double(&json, "evalTotalTime", seconds(spent->evaluated_usec));
    json_double(&json, "resultSortTime", 0);
    json_double(&json, "queryPreparationTime", 0);
    json_double(&json, "innerEvalTime", seconds(spent->evaluated_usec));
    json_double(&json, "execQueueTime", seconds(spent->queued_usec));
    json_double(&json, "execTotalTime", seconds(spent->queued_usec + spent->evaluated_usec));
    json_object_end(&json);
    json_object_begin(&json, "samples");
    json_uint(&json, "totalQueryableSamples", result->n_samples);
    json_uint(&json, "peakSamples", result->n_samples);
    json_object_end(&json);
    json_object_end(&json);
}

/* "values":[[t,"v"],...] of a row: its samples, or what it has at each step. */
static void write_values(struct strbuf *out, const struct evaluation *query,
                         const struct eval_row *row, size_t n_steps) {
    bool samples = row->t_ms != NULL, comma = false;
    size_t n = samples ? row->n_samples : n_steps;
    strbuf_add_text(out, "\"values\":[");
    for (size_t i = 0; i < n; i++) {
        if (!samples && eval_is_missing(row->values[i])) {
            continue;
        }
        if (comma) {
            strbuf_add_char(out, ',');
        }
        comma = true;
        int64_t t_ms =
            samples ? row->t_ms[i] : query->eval.start_ms + (int64_t)i * query->eval.step_ms;
        api_write_sample(out, t_ms, row->values[i]);
    }
    strbuf_add_char(out, ']');
}

static void write_row(struct strbuf *out, const struct evaluation *query,
                      const struct eval_result *result, const struct eval_row *row) {
    bool matrix = query->eval.step_ms != 0 || result->type == VALUE_MATRIX;
    strbuf_add_text(out, "{\"metric\":");
    api_write_set(out, result->space, row->labels);
    strbuf_add_char(out, ',');
    if (matrix) {
        write_values(out, query, row, result->n_steps);
    } else {
        strbuf_add_text(out, "\"value\":");
        api_write_sample(out, query->eval.start_ms, row->values[0]);
    }
    strbuf_add_char(out, '}');
}

static void write_rows(struct api_out *out, const struct evaluation *query,
                       const struct eval_result *result, size_t n_rows) {
    strbuf_add_char(&out->text, '[');
    for (size_t i = 0; i < n_rows && api_out_turn(out); i++) {
        if (i > 0) {
            strbuf_add_char(&out->text, ',');
        }
        write_row(&out->text, query, result, &result->rows[i]);
    }
    strbuf_add_char(&out->text, ']');
}

/* Scalars and strings of an instant query are one sample. */
static void write_single(struct strbuf *out, const struct evaluation *query,
                         const struct eval_result *result) {
    if (result->type == VALUE_SCALAR) {
        api_write_sample(out, query->eval.start_ms, result->rows[0].values[0]);
        return;
    }
    strbuf_add_char(out, '[');
    api_write_time(out, query->eval.start_ms);
    strbuf_add_char(out, ',');
    json_escape(out, result->string);
    strbuf_add_char(out, ']');
}

/* The warnings of the evaluation and our own. */
static void add_warning(struct api_question *question, struct annotation_list *list,
                        const char *text) {
    char **texts = arena_array(&question->arena, list->n + 1, sizeof(*texts));
    for (size_t i = 0; i < list->n; i++) {
        texts[i] = list->texts[i];
    }
    texts[list->n] = (char *)(uintptr_t)arena_dup(&question->arena, str_of(text)).data;
    *list = (struct annotation_list){texts, list->n + 1, list->n + 1};
}

static void write_result(struct api_out *out, struct evaluation *query, struct eval_result *result,
                         const struct spent *spent) {
    bool range = query->eval.step_ms != 0;
    bool rows = range || result->type == VALUE_VECTOR || result->type == VALUE_MATRIX;
    size_t n_rows = result->n_rows;
    if (rows && query->limit > 0 && n_rows > query->limit) {
        n_rows = query->limit;
        add_warning(&query->question, &result->warnings, "results truncated due to limit");
    }
    enum value_type type = range ? VALUE_MATRIX : result->type;
    api_write_head(&out->text);
    strbuf_printf(&out->text, "{\"resultType\":\"%s\",\"result\":", value_type_api_names[type]);
    if (rows) {
        write_rows(out, query, result, n_rows);
    } else {
        write_single(&out->text, query, result);
    }
    if (query->stats) {
        write_stats(&out->text, result, spent);
    }
    strbuf_add_char(&out->text, '}');
    api_write_tail(&out->text, &result->warnings, &result->infos);
}

static void write_query(struct api_question *question, struct api_out *out) {
    static const enum api_error_type types[] = {
        [EVAL_E_FAILED] = API_EXECUTION,
        [EVAL_E_TOO_MANY] = API_EXECUTION,
        [EVAL_E_TIMEOUT] = API_TIMEOUT,
    };
    struct evaluation *query = evaluation_of(question);
    struct eval_result result = {0};
    struct error err = {0};
    uint64_t began = loop_clock_usec();
    int r = promql_eval(&query->parsed, question->web->sources.store, &query->eval,
                        &question->arena, &result, &err);
    const struct spent spent = {began - query->asked_usec, loop_clock_usec() - began};
    if (r != 0) {
        api_out_error(out, types[r], result.message != NULL ? result.message : err.text);
    } else {
        write_result(out, query, &result, &spent);
    }
    eval_result_deinit(&result);
}

/* ---- in the loop ---- */

static void evaluation_deinit(struct api_question *question) {
    parsed_deinit(&evaluation_of(question)->parsed);
}

static int fail_query(const struct error *err, struct api_failure *failure) {
    if (err->at.line == 0) {
        return api_fail(failure, API_BAD_DATA, "invalid parameter \"query\": parse error: %s",
                        err->text);
    }
    return api_fail(failure, API_BAD_DATA, "invalid parameter \"query\": %u:%u: parse error: %s",
                    err->at.line, err->at.column, err->text);
}

static int take_expression(struct evaluation *query, const struct web_request *request,
                           struct api_failure *failure) {
    struct str text = web_request_parameter(request, "query");
    if (text.len == 0) {
        return api_fail(failure, API_BAD_DATA,
                        "invalid parameter \"query\": unknown position: parse error: no expression "
                        "found in input");
    }
    query->text = arena_dup(&query->question.arena, text);
    query->question.text_bytes = text.len;
    return 0;
}

static int take_options(struct evaluation *query, const struct web_request *request,
                        struct api_failure *failure) {
    struct str text = web_request_parameter(request, "lookback_delta");
    int64_t usec = 0;
    query->stats = web_request_parameter(request, "stats").len > 0;
    query->eval.now_usec = loop_clock_usec;
    if (text.len == 0) {
        return 0;
    }
    if (api_parse_duration(text, &usec) < 0) {
        return api_fail(failure, API_BAD_DATA,
                        "error parsing lookback delta duration: cannot parse %s to a valid "
                        "duration",
                        api_quote(request, text));
    }
    int64_t ms = usec / (int64_t)USEC_PER_MSEC;
    query->eval.lookback_ms = ms < 0 ? 0 : ms > MOST_LOOKBACK_MS ? MOST_LOOKBACK_MS : ms;
    return 0;
}

static int check_type(const struct parsed *parsed, struct api_failure *failure) {
    enum value_type type = parsed->root->type;
    if (type == VALUE_VECTOR || type == VALUE_SCALAR) {
        return 0;
    }
    return api_fail(failure, API_BAD_DATA,
                    "invalid parameter \"query\": invalid expression type \"%s\" for range query, "
                    "must be Scalar or instant Vector",
                    value_type_names[type]);
}

static int prepare(struct api_question *question, struct api_failure *failure) {
    struct evaluation *query = evaluation_of(question);
    struct error err = {0};
    if (promql_parse(query->text, NULL, &question->arena, &query->parsed, &err) < 0) {
        return fail_query(&err, failure);
    }
    return query->range ? check_type(&query->parsed, failure) : 0;
}

static int take_times(struct evaluation *query, const struct web_request *request, bool range,
                      struct api_failure *failure) {
    if (!range) {
        query->eval.start_ms = loop_now_ms(query->question.web->sources.loop);
        return api_time_parameter(request, "time", &query->eval.start_ms, failure);
    }
    struct api_range times;
    int r = api_range_parameters(request, &times, failure);
    if (r == 0) {
        query->eval.start_ms = times.start_ms;
        query->eval.end_ms = times.end_ms;
        query->eval.step_ms = times.step_ms;
    }
    return r;
}

static int fill(struct evaluation *query, const struct web_request *request, bool range,
                struct api_failure *failure) {
    query->range = range;
    int r = api_limit_parameter(request, "limit", &query->limit, failure);
    r = r < 0 ? r : take_times(query, request, range, failure);
    r = r < 0 ? r : api_question_take_timeout(&query->question, request, failure);
    r = r < 0 ? r : take_options(query, request, failure);
    r = r < 0 ? r : take_expression(query, request, failure);
    query->eval.deadline_usec = query->question.deadline_usec;
    query->asked_usec = loop_now_usec(query->question.web->sources.loop);
    return r;
}

static void answer_query(struct web *web, const struct web_request *request, bool range,
                         struct web_answer *ret) {
    struct api_failure failure = {0};
    struct web_request with_form;
    struct api_question *question = api_question_new(web, request, sizeof(struct evaluation));
    question->prepare = prepare;
    question->write = write_query;
    question->deinit = evaluation_deinit;
    if (api_take_form(request, &with_form, &failure) < 0 ||
        fill(evaluation_of(question), &with_form, range, &failure) < 0) {
        api_answer_failure(&failure, ret);
        api_question_free(question);
        return;
    }
    api_ask(question, request, ret);
}

void api_query(struct web *web, const struct web_request *request, struct web_answer *ret) {
    answer_query(web, request, false, ret);
}

void api_query_range(struct web *web, const struct web_request *request, struct web_answer *ret) {
    answer_query(web, request, true, ret);
}

/* Many lines with a deep tree: more than its text says. */
static void write_formatted(struct api_question *question, struct api_out *out) {
    struct strbuf pretty = {0};
    expr_print_pretty(evaluation_of(question)->parsed.root, &pretty);
    api_write_head(&out->text);
    json_escape(&out->text, strbuf_view(&pretty));
    api_write_tail(&out->text, NULL, NULL);
    strbuf_deinit(&pretty);
}

void api_format_query(struct web *web, const struct web_request *request, struct web_answer *ret) {
    struct api_failure failure = {0};
    struct web_request with_form;
    struct api_question *question = api_question_new(web, request, sizeof(struct evaluation));
    question->prepare = prepare;
    question->write = write_formatted;
    question->deinit = evaluation_deinit;
    if (api_take_form(request, &with_form, &failure) < 0 ||
        take_expression(evaluation_of(question), &with_form, &failure) < 0) {
        api_answer_failure(&failure, ret);
        api_question_free(question);
        return;
    }
    api_ask(question, request, ret);
}

void api_empty_list(struct web *web, const struct web_request *request, struct web_answer *ret) {
    ret->status = 200;
    ret->content_type = "application/json";
    api_write_head(&ret->text);
    strbuf_add_text(&ret->text, "[]");
    api_write_tail(&ret->text, NULL, NULL);
}
