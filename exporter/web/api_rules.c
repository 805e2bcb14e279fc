/* SPDX-License-Identifier: Apache-2.0 */

/* Rules and alerts as the API shows them. They are written in the loop while they are few, so that
 * they can be seen however many questions are waiting, and by a worker otherwise or with match[].
 */
#include "web/api.h"

#include <stdio.h>

#include "promql/parser.h"
#include "web/api_json.h"
#include "web/api_question.h"

/* Rules and alerts: about a millisecond. */
#define MOST_IN_LOOP 500

/* Empty lists mean all. */
struct rules_question {
    struct api_question question;
    bool only_alerts, only_records, without_alerts;
    struct name_list names, groups, files;
    struct name_list texts; /* of match[] */
    struct parsed *selectors;
    size_t n_selectors;
};

static struct rules_question *rules_question_of(struct api_question *question) {
    return container_of(question, struct rules_question, question);
}

/* ---- alerts ---- */

/* One that is over is kept for a while, but is no alert for anybody who asks. */
static bool is_active(const struct alert_view *alert) {
    return alert->state != ALERT_INACTIVE && alert->resolved_ms == 0;
}

/* "1.5e+00": as Go prints it with an exponent. */
static void write_alert_value(struct json_writer *json, double value) {
    char text[40];
    if (value != value || value - value != 0) {
        snprintf(text, sizeof(text), "%s", value != value ? "NaN" : value > 0 ? "+Inf" : "-Inf");
    } else {
        for (int precision = 0; precision <= 16; precision++) {
            double back;
            snprintf(text, sizeof(text), "%.*e", precision, value);
            if (str_to_double(str_of(text), &back) && back == value) {
                break;
            }
        }
    }
    json_text(json, "value", text);
}

static void write_alert(struct json_writer *json, const struct alert_view *alert) {
    json_object_begin(json, NULL);
    api_write_labels(json, "labels", alert->labels, alert->n_labels);
    api_write_labels(json, "annotations", alert->annotations, alert->n_annotations);
    json_text(json, "state", alert_state_names[alert->state]);
    api_write_rfc3339(json, "activeAt", alert->active_ms);
    if (alert->keep_firing_since_ms != 0) {
        api_write_rfc3339(json, "keepFiringSince", alert->keep_firing_since_ms);
    }
    write_alert_value(json, alert->value);
    if (alert->restored) {
        json_bool(json, "restored", true);
    }
    json_object_end(json);
}

/* The alerts of a rule into a list that is open. */
static void write_alerts_of(struct json_writer *json, const struct rules *rules, size_t group,
                            size_t rule, struct api_out *out) {
    size_t n = rules_rule(rules, group, rule).n_alerts;
    for (size_t i = 0; i < n && api_out_turn(out); i++) {
        struct alert_view alert = rules_alert(rules, group, rule, i);
        if (is_active(&alert)) {
            write_alert(json, &alert);
        }
    }
}

static void write_alerts(struct api_question *question, struct api_out *out) {
    const struct rules *rules = question->web->sources.rules;
    struct json_writer json = {.out = &out->text};
    api_write_head(&out->text);
    json_object_begin(&json, NULL);
    json_list_begin(&json, "alerts");
    for (size_t i = 0; rules != NULL && i < rules_groups(rules); i++) {
        for (size_t k = 0; k < rules_group(rules, i).group->n_rules; k++) {
            write_alerts_of(&json, rules, i, k, out);
        }
    }
    json_list_end(&json);
    json_object_end(&json);
    api_write_tail(&out->text, NULL, NULL);
}

/* ---- rules ---- */

static void write_texts(struct json_writer *json, const char *key, const struct rule_text *texts,
                        size_t count) {
    json_object_begin(json, key);
    for (size_t i = 0; i < count; i++) {
        json_key(json, texts[i].name);
        json_str(json, NULL, texts[i].text);
    }
    json_object_end(json);
}

static void write_evaluation(struct json_writer *json, const struct rule_view *view) {
    json_text(json, "health", rule_health_names[view->health]);
    if (view->error != NULL) {
        json_text(json, "lastError", view->error);
    }
    json_double(json, "evaluationTime", view->seconds);
    api_write_rfc3339(json, "lastEvaluation", view->last_ms);
}

static void write_alerting(struct json_writer *json, const struct rules_question *asked,
                           size_t group, size_t index, const struct rule_view *view,
                           struct api_out *out) {
    const struct rule *rule = view->rule;
    json_object_begin(json, NULL);
    json_text(json, "state",
              view->health == RULE_UNKNOWN ? "unknown" : alert_state_names[view->state]);
    json_str(json, "name", rule->name);
    json_str(json, "query", rule->query);
    json_double(json, "duration", (double)rule->for_ms / 1000);
    json_double(json, "keepFiringFor", (double)rule->keep_firing_for_ms / 1000);
    write_texts(json, "labels", rule->labels, rule->n_labels);
    write_texts(json, "annotations", rule->annotations, rule->n_annotations);
    json_list_begin(json, "alerts");
    if (!asked->without_alerts) {
        write_alerts_of(json, asked->question.web->sources.rules, group, index, out);
    }
    json_list_end(json);
    write_evaluation(json, view);
    json_text(json, "type", "alerting");
    json_object_end(json);
}

static void write_recording(struct json_writer *json, const struct rule_view *view) {
    const struct rule *rule = view->rule;
    json_object_begin(json, NULL);
    json_str(json, "name", rule->name);
    json_str(json, "query", rule->query);
    if (rule->n_labels > 0) {
        write_texts(json, "labels", rule->labels, rule->n_labels);
    }
    write_evaluation(json, view);
    json_text(json, "type", "recording");
    json_object_end(json);
}

static bool is_listed(const struct name_list *list, struct str name) {
    for (size_t i = 0; i < list->n_names; i++) {
        if (str_equal(list->names[i], name)) {
            return true;
        }
    }
    return list->n_names == 0;
}

static struct str label_of(const struct rule *rule, struct str name) {
    for (size_t i = 0; i < rule->n_labels; i++) {
        if (str_equal(rule->labels[i].name, name)) {
            return rule->labels[i].text;
        }
    }
    return str_of("");
}

static bool is_selected(const struct expr *selector, const struct rule *rule) {
    for (size_t i = 0; i < selector->selector.n_matchers; i++) {
        const struct matcher *matcher = &selector->selector.matchers[i];
        if (matcher_holds(matcher, label_of(rule, matcher->name)) != 1) {
            return false;
        }
    }
    return true;
}

static bool is_wanted(const struct rules_question *asked, const struct rule *rule) {
    bool selected = asked->n_selectors == 0;
    for (size_t i = 0; i < asked->n_selectors && !selected; i++) {
        selected = is_selected(expr_unwrap(asked->selectors[i].root), rule);
    }
    return selected && !(asked->only_alerts && rule->kind != RULE_ALERT) &&
           !(asked->only_records && rule->kind != RULE_RECORD) &&
           is_listed(&asked->names, rule->name);
}

static bool has_wanted(const struct rules_question *asked, const struct rule_group *group) {
    if (!is_listed(&asked->groups, group->name) || !is_listed(&asked->files, group->file)) {
        return false;
    }
    bool all = asked->n_selectors == 0 && asked->names.n_names == 0 && !asked->only_alerts &&
               !asked->only_records;
    for (size_t i = 0; i < group->n_rules && !all; i++) {
        all = is_wanted(asked, &group->rules[i]);
    }
    return all;
}

static void write_group(struct json_writer *json, const struct rules_question *asked, size_t index,
                        struct api_out *out) {
    const struct rules *rules = asked->question.web->sources.rules;
    struct group_view view = rules_group(rules, index);
    json_object_begin(json, NULL);
    json_str(json, "name", view.group->name);
    json_str(json, "file", view.group->file);
    json_list_begin(json, "rules");
    for (size_t i = 0; i < view.group->n_rules && api_out_turn(out); i++) {
        struct rule_view rule = rules_rule(rules, index, i);
        if (!is_wanted(asked, rule.rule)) {
            continue;
        }
        if (rule.rule->kind == RULE_ALERT) {
            write_alerting(json, asked, index, i, &rule, out);
        } else {
            write_recording(json, &rule);
        }
    }
    json_list_end(json);
    json_double(json, "interval", (double)view.group->interval_ms / 1000);
    json_uint(json, "limit", view.group->limit);
    json_double(json, "evaluationTime", view.seconds);
    api_write_rfc3339(json, "lastEvaluation", view.last_ms);
    json_object_end(json);
}

static void write_rules(struct api_question *question, struct api_out *out) {
    const struct rules_question *asked = rules_question_of(question);
    const struct rules *rules = question->web->sources.rules;
    struct json_writer json = {.out = &out->text};
    api_write_head(&out->text);
    json_object_begin(&json, NULL);
    json_list_begin(&json, "groups");
    for (size_t i = 0; rules != NULL && i < rules_groups(rules); i++) {
        if (has_wanted(asked, rules_group(rules, i).group)) {
            write_group(&json, asked, i, out);
        }
    }
    json_list_end(&json);
    json_object_end(&json);
    api_write_tail(&out->text, NULL, NULL);
}

/* ---- parameters ---- */

static void rules_question_deinit(struct api_question *question) {
    struct rules_question *asked = rules_question_of(question);
    for (size_t i = 0; i < asked->n_selectors; i++) {
        parsed_deinit(&asked->selectors[i]);
    }
}

static int take_type(struct rules_question *asked, const struct web_request *request,
                     struct api_failure *failure) {
    struct str type = web_request_parameter(request, "type");
    asked->only_alerts = str_is(type, "alert");
    asked->only_records = str_is(type, "record");
    if (type.len > 0 && !asked->only_alerts && !asked->only_records) {
        return api_fail(failure, API_BAD_DATA, "invalid parameter \"type\": not supported value %s",
                        api_quote(request, type));
    }
    return 0;
}

static int take_flag(const struct web_request *request, const char *name, bool *ret,
                     struct api_failure *failure) {
    static const char *const yes[] = {"1", "t", "T", "TRUE", "true", "True"};
    static const char *const no[] = {"", "0", "f", "F", "FALSE", "false", "False"};
    struct str text = web_request_parameter(request, name);
    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        if (str_is(text, yes[i])) {
            *ret = true;
            return 0;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(no); i++) {
        if (str_is(text, no[i])) {
            return 0;
        }
    }
    return api_fail(failure, API_BAD_DATA,
                    "invalid parameter \"%s\": error converting %s to a boolean", name,
                    api_quote(request, text));
}

static int prepare(struct api_question *question, struct api_failure *failure) {
    struct rules_question *asked = rules_question_of(question);
    struct error err = {0};
    asked->selectors =
        arena_array(&question->arena, asked->texts.n_names + 1, sizeof(*asked->selectors));
    for (size_t i = 0; i < asked->texts.n_names; i++) {
        if (promql_parse_selector(asked->texts.names[i], &question->arena, &asked->selectors[i],
                                  &err) < 0) {
            return api_fail(failure, API_BAD_DATA,
                            "invalid parameter \"match[]\": %u:%u: parse error: %s", err.at.line,
                            err.at.column, err.text);
        }
        asked->n_selectors++;
    }
    return 0;
}

static int fill(struct rules_question *asked, const struct web_request *request,
                struct api_failure *failure) {
    struct arena *arena = &asked->question.arena;
    asked->names = api_list_parameter(request, "rule_name[]", arena);
    asked->groups = api_list_parameter(request, "rule_group[]", arena);
    asked->files = api_list_parameter(request, "file[]", arena);
    asked->texts = api_list_parameter(request, "match[]", arena);
    asked->question.prepare = asked->texts.n_names > 0 ? prepare : NULL;
    asked->question.text_bytes = api_list_bytes(&asked->texts);
    int r = take_type(asked, request, failure);
    return r < 0 ? r : take_flag(request, "exclude_alerts", &asked->without_alerts, failure);
}

/* Stops counting where it is too many. */
static bool are_few(const struct rules *rules) {
    size_t count = 0;
    for (size_t i = 0; rules != NULL && i < rules_groups(rules); i++) {
        for (size_t k = 0; k < rules_group(rules, i).group->n_rules; k++) {
            count += 1 + rules_rule(rules, i, k).n_alerts;
            if (count > MOST_IN_LOOP) {
                return false;
            }
        }
    }
    return true;
}

/* What regular expressions of match[] cost, nobody knows. */
static void ask(struct api_question *question,
                void (*write)(struct api_question *question, struct api_out *out),
                const struct web_request *request, struct web_answer *ret) {
    question->write = write;
    if (question->prepare == NULL && are_few(question->web->sources.rules)) {
        api_answer_now(question, ret);
    } else {
        api_ask(question, request, ret);
    }
}

void api_rules(struct web *web, const struct web_request *request, struct web_answer *ret) {
    struct api_failure failure = {0};
    struct api_question *question = api_question_new(web, request, sizeof(struct rules_question));
    question->deinit = rules_question_deinit;
    if (fill(rules_question_of(question), request, &failure) < 0) {
        api_answer_failure(&failure, ret);
        api_question_free(question);
        return;
    }
    ask(question, write_rules, request, ret);
}

void api_alerts(struct web *web, const struct web_request *request, struct web_answer *ret) {
    ask(api_question_new(web, request, sizeof(struct api_question)), write_alerts, request, ret);
}

void api_alertmanagers(struct web *web, const struct web_request *request, struct web_answer *ret) {
    const struct web_actions *actions = &web->sources.actions;
    struct json_writer json = {.out = &ret->text};
    const char *url;
    ret->status = 200;
    ret->content_type = "application/json";
    api_write_head(&ret->text);
    json_object_begin(&json, NULL);
    json_list_begin(&json, "activeAlertmanagers");
    for (size_t i = 0; actions->alertmanager != NULL &&
                       (url = actions->alertmanager(actions->userdata, i)) != NULL;
         i++) {
        json_object_begin(&json, NULL);
        json_text(&json, "url", url);
        json_object_end(&json);
    }
    json_list_end(&json);
    json_list_begin(&json, "droppedAlertmanagers");
    json_list_end(&json);
    json_object_end(&json);
    api_write_tail(&ret->text, NULL, NULL);
}
