/* SPDX-License-Identifier: Apache-2.0 */

/* Parameters of the rules: what is in force where, and changes, which app makes. */
#include "web/api.h"

#include <errno.h>
#include <stdlib.h>

#include "base/json_reader.h"
#include "base/mem.h"
#include "web/api_json.h"
#include "web/api_question.h"
#include "web/routes.h"
#include "web/server.h"

#define MOST_IN_LOOP 50 /* targets */

/* ---- what is in force ---- */

struct parameters_question {
    struct api_question question;
    struct str name;   /* empty: all */
    struct str target; /* empty: all of which something is said */
    const char *type;  /* of the target */
};

static struct parameters_question *question_of(struct api_question *question) {
    return container_of(question, struct parameters_question, question);
}

static void write_setting(struct json_writer *json, const char *key,
                          const struct parameter_setting *setting) {
    if (setting != NULL) {
        json_double(json, key, setting->value);
    } else {
        json_null(json, key);
    }
}

/* What is said of a target, or of all (NULL), and what follows from that. */
static void write_values(struct json_writer *json, const struct parameters *parameters,
                         struct str name, const char *target) {
    const struct parameter_setting *changed = parameters_changed(parameters, name, target);
    double value;
    write_setting(json, "configured", parameters_configured(parameters, name, target));
    write_setting(json, "changed", changed);
    if (changed != NULL) {
        api_write_rfc3339(json, "changed_at", changed->changed_ms);
    } else {
        json_null(json, "changed_at");
    }
    if (parameters_get(parameters, name, target, &value)) {
        json_double(json, "value", value);
    } else {
        json_null(json, "value");
    }
}

static void write_target(struct json_writer *json, const struct parameters *parameters,
                         struct str name, const char *target) {
    json_object_begin(json, NULL);
    json_text(json, "target", target);
    write_values(json, parameters, name, target);
    json_object_end(json);
}

static void write_targets(struct json_writer *json, const struct parameters_question *asked,
                          struct str name) {
    const struct parameters *parameters = asked->question.web->sources.parameters;
    const char *target = NULL;
    json_list_begin(json, "targets");
    if (asked->target.len > 0) {
        write_target(json, parameters, name, asked->target.data);
    } else {
        while ((target = parameters_next_target(parameters, name, target)) != NULL) {
            write_target(json, parameters, name, target);
        }
    }
    json_list_end(json);
}

static void write_parameter(struct json_writer *json, const struct parameters_question *asked,
                            struct parameter_name one) {
    struct str name = str_of(one.name);
    json_object_begin(json, NULL);
    json_text(json, "name", one.name);
    json_text(json, "unit", parameter_unit_names[parameter_unit_of(name)]);
    json_text(json, "types", one.row != NULL ? one.row->types : NULL);
    json_text(json, "help", one.row != NULL ? one.row->help : NULL);
    if (one.row != NULL) {
        json_double(json, "default", one.row->fallback);
    } else {
        json_null(json, "default");
    }
    write_values(json, asked->question.web->sources.parameters, name, NULL);
    write_targets(json, asked, name);
    json_object_end(json);
}

static bool is_asked_for(const struct parameters_question *asked, struct parameter_name one) {
    bool fits = one.row == NULL || asked->type == NULL || parameter_fits(one.row, asked->type);
    return fits && (asked->name.len == 0 || str_is(asked->name, one.name));
}

static void write_parameters(struct api_question *question, struct api_out *out) {
    const struct parameters_question *asked = question_of(question);
    const struct web_sources *sources = &question->web->sources;
    struct json_writer json = {.out = &out->text};
    api_write_head(&out->text);
    json_object_begin(&json, NULL);
    json_bool(&json, "persistent", sources->keeps_parameters);
    json_list_begin(&json, "parameters");
    for (size_t i = 0; i < parameters_names(sources->parameters) && api_out_turn(out); i++) {
        struct parameter_name one = parameters_name(sources->parameters, i);
        if (is_asked_for(asked, one)) {
            write_parameter(&json, asked, one);
        }
    }
    json_list_end(&json);
    json_object_end(&json);
    api_write_tail(&out->text, NULL, NULL);
}

/* ---- checks ---- */

/* Return: 0 with NULL for no name, or -EINVAL with *failure. */
static int find_target(const struct web *web, const struct web_request *request, struct str name,
                       const struct target_view **ret, struct api_failure *failure) {
    *ret = name.len > 0 ? sampler_find(web->sources.sampler, name) : NULL;
    if (name.len > 0 && *ret == NULL) {
        return api_fail(failure, API_NOT_FOUND, "there is no target %s", api_quote(request, name));
    }
    return 0;
}

static int check_name(const struct web *web, const struct web_request *request, struct str name,
                      struct api_failure *failure) {
    const struct web_actions *actions = &web->sources.actions;
    if (actions->knows_parameter(actions->userdata, name)) {
        return 0;
    }
    const char *meant = parameter_suggest(name);
    if (meant != NULL) {
        return api_fail(failure, API_NOT_FOUND, "there is no parameter %s (did you mean '%s'?)",
                        api_quote(request, name), meant);
    }
    return api_fail(failure, API_NOT_FOUND,
                    "there is no parameter %s: no rule reads it, and the configuration does not "
                    "name it",
                    api_quote(request, name));
}

static struct str name_of(const struct web_request *request) {
    const size_t prefix = strlen(API_PREFIX "parameters/");
    return (struct str){request->path.data + prefix, request->path.len - prefix};
}

static void ask(struct web *web, const struct web_request *request, struct str name,
                struct web_answer *ret) {
    const struct target_view *target;
    struct api_failure failure = {0};
    struct str target_name = web_request_parameter(request, "target");
    if ((name.len > 0 && check_name(web, request, name, &failure) < 0) ||
        find_target(web, request, target_name, &target, &failure) < 0) {
        api_answer_failure(&failure, ret);
        return;
    }
    struct api_question *question =
        api_question_new(web, request, sizeof(struct parameters_question));
    struct parameters_question *asked = question_of(question);
    asked->name = arena_dup(&question->arena, name);
    asked->target = arena_dup(&question->arena, target_name);
    asked->type = target != NULL ? target_kind_names[target->options->kind] : NULL;
    question->write = write_parameters;
    if (sampler_targets(web->sources.sampler) <= MOST_IN_LOOP) {
        api_answer_now(question, ret);
    } else {
        api_ask(question, request, ret);
    }
}

void api_parameters(struct web *web, const struct web_request *request, struct web_answer *ret) {
    ask(web, request, str_of(""), ret);
}

/* ---- changes ---- */

struct wish {
    const struct json_value *value; /* NULL: none was given */
    struct str target;
};

/* {"value": 5, "target": "orders-1"} */
static int read_wish(const struct web_request *request, struct wish *ret,
                     struct api_failure *failure) {
    const struct json_value *body = NULL;
    struct error err = {0};
    ret->target = web_request_parameter(request, "target");
    if (str_trim(request->body).len == 0) {
        return 0;
    }
    if (json_read(request->body, request->arena, &body, &err) < 0) {
        return api_fail(failure, API_BAD_DATA, "the body is no JSON: %s", err.text);
    }
    if (body->kind != JSON_IS_OBJECT) {
        return api_fail(failure, API_BAD_DATA,
                        "the body should be an object such as {\"value\": 5}");
    }
    for (size_t i = 0; i < body->n_items; i++) {
        const struct json_value *item = &body->items[i];
        if (str_is(item->key, "value")) {
            ret->value = item;
        } else if (str_is(item->key, "target") && item->kind == JSON_IS_TEXT) {
            ret->target = item->text;
        } else {
            return api_fail(failure, API_BAD_DATA,
                            "%s does not belong into the body, or is no text",
                            api_quote(request, item->key));
        }
    }
    return 0;
}

static int read_value(struct str name, const struct json_value *value, double *ret,
                      struct api_failure *failure) {
    struct error err = {0};
    int r;
    if (value == NULL) {
        return api_fail(failure, API_BAD_DATA, "the body needs a value: {\"value\": 5}");
    }
    if (value->kind == JSON_IS_NUMBER) {
        *ret = value->number;
        r = parameter_check(name, *ret, &err);
    } else if (value->kind == JSON_IS_TEXT) {
        r = parameter_parse(name, value->text, ret, &err);
    } else {
        r = error_say(&err, -EINVAL, "it should be a number or a text");
    }
    return r < 0 ? api_fail(failure, API_BAD_DATA, "the value does not fit: %s", err.text) : 0;
}

static int check_type(struct str name, const struct target_view *target,
                      struct api_failure *failure) {
    const struct parameter *parameter = parameter_find(name);
    const char *type = target != NULL ? target_kind_names[target->options->kind] : NULL;
    if (parameter == NULL || type == NULL || parameter_fits(parameter, type)) {
        return 0;
    }
    return api_fail(failure, API_BAD_DATA,
                    "a %s target has no parameter '%s': it is one of %s targets", type,
                    parameter->name, parameter->types);
}

/* A target that has gone may have left a value behind. */
static bool is_left_behind(const struct web *web, const struct parameter_change *change) {
    if (change->target.len == 0 || memchr(change->target.data, '\0', change->target.len) != NULL) {
        return false;
    }
    CLEANUP(mem_freep)
    char *target = mem_strndup(change->target.data, change->target.len);
    return parameters_changed(web->sources.parameters, change->name, target) != NULL;
}

static int read_change(const struct web *web, const struct web_request *request,
                       struct parameter_change *ret, struct api_failure *failure) {
    const struct target_view *target;
    struct wish wish = {0};
    ret->name = name_of(request);
    ret->reset = str_is(request->method, "DELETE");
    if (check_name(web, request, ret->name, failure) < 0 ||
        read_wish(request, &wish, failure) < 0 ||
        (!ret->reset && read_value(ret->name, wish.value, &ret->value, failure) < 0)) {
        return -EINVAL;
    }
    ret->target = wish.target;
    if (ret->reset && is_left_behind(web, ret)) {
        return 0;
    }
    if (find_target(web, request, wish.target, &target, failure) < 0) {
        return -EINVAL;
    }
    return check_type(ret->name, target, failure);
}

/* Somebody who waits for a change to be on the disk. */
struct pending_change {
    struct web *web; /* as long as the answer is wanted */
    struct web_later *later;
    char *name, *target;
    bool had_value;
    double previous;
};

static void write_changed(const struct pending_change *pending,
                          const struct web_change_result *result, struct web_answer *answer) {
    const struct parameters *parameters = pending->web->sources.parameters;
    struct str name = str_of(pending->name);
    const char *other = NULL;
    struct json_writer json = {.out = &answer->text};
    answer->status = 200;
    answer->content_type = "application/json";
    api_write_head(&answer->text);
    json_object_begin(&json, NULL);
    json_text(&json, "name", pending->name);
    json_text(&json, "target", pending->target);
    write_values(&json, parameters, name, pending->target);
    if (pending->had_value) {
        json_double(&json, "previous", pending->previous);
    } else {
        json_null(&json, "previous");
    }
    json_bool(&json, "persistent", result->persistent);
    json_text(&json, "reason", result->reason);
    /* Those of which something is said themselves: what is said of all is not for them. */
    json_list_begin(&json, "others");
    while (pending->target == NULL &&
           (other = parameters_next_target(parameters, name, other)) != NULL) {
        json_text(&json, NULL, other);
    }
    json_list_end(&json);
    json_object_end(&json);
    api_write_tail(&answer->text, NULL, NULL);
}

static void change_done(void *userdata, const struct web_change_result *result) {
    struct pending_change *pending = userdata;
    struct web_answer answer = {0};
    if (result->refused) {
        struct api_failure failure = {0};
        api_fail(&failure, API_BAD_DATA, "%s", result->reason);
        api_answer_failure(&failure, &answer);
    } else if (web_later_is_wanted(pending->later)) {
        write_changed(pending, result, &answer);
    }
    web_later_end(pending->later, &answer);
    free(pending->name);
    free(pending->target);
    free(pending);
}

static void change(struct web *web, const struct web_request *request, struct web_answer *ret) {
    const struct web_actions *actions = &web->sources.actions;
    struct web_parameter_change asked = {
        .user = request->user, .uid = request->caller.uid, .pid = request->caller.pid};
    struct api_failure failure = {0};
    if (read_change(web, request, &asked.change, &failure) < 0) {
        api_answer_failure(&failure, ret);
        return;
    }
    struct str name = asked.change.name, target = asked.change.target;
    struct pending_change *pending = mem_alloc(sizeof(*pending));
    pending->web = web;
    pending->name = mem_strndup(name.data, name.len);
    pending->target = target.len > 0 ? mem_strndup(target.data, target.len) : NULL;
    pending->had_value =
        parameters_get(web->sources.parameters, name, pending->target, &pending->previous);
    ret->later = true;
    pending->later = web_later_new(request);
    actions->change_parameter(actions->userdata, &asked, change_done, pending);
}

void api_parameter(struct web *web, const struct web_request *request, struct web_answer *ret) {
    if (route_method_of(request->method) == ROUTE_GET) {
        ask(web, request, name_of(request), ret);
    } else {
        change(web, request, ret);
    }
}
