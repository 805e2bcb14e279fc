/* SPDX-License-Identifier: Apache-2.0 */

/* /targets/NAME/WORD: 200 or 503 for load balancers that look at the status alone, and a sentence
 * for whoever wonders why. */
#include "web/pages.h"

#include <math.h>
#include <stdio.h>

#include "base/json.h"
#include "io/loop.h"
#include "web/advice.h"

#define PREFIX       "/targets/"
#define LONGEST_PART 8 /* "100%", and its end */

static void answer_unknown_word(const struct web_request *request, struct str word,
                                struct web_answer *ret) {
    struct str shown = web_request_show(request, word);
    const char *near = advice_suggest(word);
    if (near != NULL) {
        web_answer_error(ret, 404, "no target is asked for '%.*s' (did you mean '%s'?)",
                         (int)shown.len, shown.data, near);
    } else {
        web_answer_error(ret, 404,
                         "no target is asked for '%.*s': primary, replica, read-only, writable "
                         "or health",
                         (int)shown.len, shown.len > 0 ? shown.data : "");
    }
}

static const struct target_view *find_target(const struct web *web,
                                             const struct web_request *request, struct str name,
                                             struct web_answer *ret) {
    const struct target_view *target = sampler_find(web->sources.sampler, name);
    if (target == NULL || !page_shows(target)) {
        page_answer_unknown(web, request, name, ret);
        return NULL;
    }
    if (!advice_knows(target->options->kind)) {
        web_answer_error(ret, 404, "'%s' is of type %s: no clients are sent there",
                         target->options->name, target_kind_names[target->options->kind]);
        return NULL;
    }
    return target;
}

static void write_known(struct json_writer *json, const char *key, double value) {
    if (!isnan(value)) {
        json_double(json, key, value);
    }
}

static void write_factors(struct json_writer *json, const struct weight_inputs *inputs) {
    json_object_begin(json, "factors");
    for (size_t i = 0; i < WEIGHT_FACTORS; i++) {
        json_double(json, weight_factors[i].name, weight_factor_of(&weight_factors[i], inputs));
    }
    json_object_end(json);
}

static void write_advice(const struct target_view *target, const struct advice_question *question,
                         const struct advice *advice, struct strbuf *out) {
    struct json_writer json = {.out = out};
    json_object_begin(&json, NULL);
    json_text(&json, "target", target->options->name);
    json_text(&json, "asked", question->word);
    json_bool(&json, "fit", advice->cause == ADVICE_FIT);
    json_text(&json, "reason", advice->text);
    json_text(&json, "role", advice->role);
    json_uint(&json, "weight", advice->weight);
    write_factors(&json, &advice->inputs);
    write_known(&json, "lag_seconds", advice->lag_seconds);
    write_known(&json, "lag_bytes", advice->lag_bytes);
    json_object_end(&json);
    strbuf_add_char(out, '\n');
}

static void answer_advice(const struct web_request *request, const struct target_view *target,
                          const struct advice_question *question, const struct advice *advice,
                          struct web_answer *ret) {
    char *percent = arena_alloc(request->arena, LONGEST_PART);
    snprintf(percent, LONGEST_PART, "%u%%", advice->weight <= 100 ? advice->weight : 100);
    ret->status = advice->cause == ADVICE_FIT ? 200 : 503;
    web_answer_header(ret, "X-Dbvitals-Weight", percent);
    if (str_is(request->method, "OPTIONS")) {
        web_answer_header(ret, "Allow", "GET, HEAD, OPTIONS");
    } else if (question->weight) {
        ret->content_type = "text/plain; charset=utf-8";
        strbuf_printf(&ret->text, "%s\n", percent);
    } else {
        ret->content_type = "application/json";
        write_advice(target, question, advice, &ret->text);
    }
}

void page_advice(struct web *web, const struct web_request *request, struct web_answer *ret) {
    struct str word = {request->path.data + strlen(PREFIX), request->path.len - strlen(PREFIX)};
    struct str name = str_cut(&word, '/');
    struct advice_question question;
    struct error error = {0};
    const struct target_view *target = find_target(web, request, name, ret);
    if (target == NULL) {
        return;
    }
    if (!advice_question_init(word, &question)) {
        answer_unknown_word(request, word, ret);
        return;
    }
    for (size_t i = 0; i < request->n_parameters; i++) {
        const struct web_pair *pair = &request->parameters[i];
        if (advice_question_set(&question, pair->name, pair->value, &error) < 0) {
            web_answer_error(ret, 400, "%s", error.text);
            return;
        }
    }
    struct advice advice;
    advice_give(web->sources.sampler, target, &question, loop_now_usec(web->sources.loop), &advice);
    answer_advice(request, target, &question, &advice, ret);
}
