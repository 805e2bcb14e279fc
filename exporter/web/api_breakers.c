/* SPDX-License-Identifier: Apache-2.0 */

/* Breakers that are kept for applications: whether a call may pass, what became of calls, and
 * operators' orders. All of it is answered in the loop, from memory; an order waits for the disk.
 */
#include "web/api.h"

#include <errno.h>
#include <stdlib.h>

#include "base/duration.h"
#include "base/json_reader.h"
#include "base/mem.h"
#include "circuits/circuit_json.h"
#include "web/api_json.h"
#include "web/api_question.h"
#include "web/routes.h"
#include "web/server.h"

#define MOST_CALLS       1000  /* in one report */
#define MOST_BODY_BYTES  65536 /* of a report: read in less than a millisecond */
#define MOST_DURATION    86400.0
#define MOST_RETRY_AFTER 86400

static struct circuit_time time_of(const struct web *web) {
    return (struct circuit_time){loop_now_usec(web->sources.loop), loop_now_ms(web->sources.loop)};
}

/* ---- which ---- */

static struct str name_of(const struct web_request *request, const char *end) {
    const size_t prefix = strlen(API_BREAKERS);
    return (struct str){request->path.data + prefix, request->path.len - prefix - strlen(end)};
}

/* Return: NULL with 404 in *ret. */
static struct kept_circuit *find(const struct web *web, const struct web_request *request,
                                 struct str name, struct web_answer *ret) {
    const struct circuits *circuits = web->sources.circuits;
    struct kept_circuit *kept = circuits != NULL ? circuits_find(circuits, name) : NULL;
    if (kept == NULL) {
        struct api_failure failure = {0};
        const size_t n = circuits != NULL ? circuits_count(circuits) : 0;
        const char **names = arena_array(request->arena, n + 1, sizeof(*names));
        for (size_t i = 0; i < n; i++) {
            names[i] = circuits_at(circuits, i)->options.name;
        }
        const char *meant = str_suggest(name, names, n, sizeof(*names));
        api_fail(&failure, API_NOT_FOUND, "there is no breaker %s%s%s%s", api_quote(request, name),
                 meant != NULL ? " (did you mean '" : "", meant != NULL ? meant : "",
                 meant != NULL ? "'?)" : "");
        api_answer_failure(&failure, ret);
    }
    return kept;
}

/* ---- asking ---- */

static void write_one(const struct kept_circuit *kept, struct circuit_time now,
                      struct web_answer *ret) {
    struct json_writer json = {.out = &ret->text};
    ret->content_type = "application/json";
    json_object_begin(&json, NULL);
    circuit_json_write(&json, kept, now);
    json_object_end(&json);
    strbuf_add_char(&ret->text, '\n');
}

/* Whole seconds, rounded up: who asks earlier is told no once more. */
static unsigned seconds_until(uint64_t usec) {
    uint64_t seconds = (usec + USEC_PER_SEC - 1) / USEC_PER_SEC;
    return seconds == 0 ? 1 : seconds < MOST_RETRY_AFTER ? (unsigned)seconds : MOST_RETRY_AFTER;
}

static void ask(struct web *web, const struct web_request *request, struct web_answer *ret) {
    struct kept_circuit *kept = find(web, request, name_of(request, ""), ret);
    struct circuit_time now = time_of(web);
    if (kept == NULL) {
        return;
    }
    bool passes = circuits_allow(web->sources.circuits, kept, now);
    ret->status = passes ? 200 : 503;
    if (!passes) {
        ret->retry_after = seconds_until(circuits_status(kept, now).retry_after_usec);
    }
    write_one(kept, now, ret);
}

void api_breakers(struct web *web, const struct web_request *request, struct web_answer *ret) {
    const struct circuits *circuits = web->sources.circuits;
    struct circuit_time now = time_of(web);
    struct str group = web_request_parameter(request, "group");
    struct str target = web_request_parameter(request, "target");
    struct json_writer json = {.out = &ret->text};
    ret->status = 200;
    ret->content_type = "application/json";
    api_write_head(&ret->text);
    json_object_begin(&json, NULL);
    json_bool(&json, "persistent", web->sources.keeps_parameters);
    json_list_begin(&json, "breakers");
    for (size_t i = 0; circuits != NULL && i < circuits_count(circuits); i++) {
        const struct kept_circuit *kept = circuits_at(circuits, i);
        if ((group.len == 0 || str_is(group, kept->options.group)) &&
            (target.len == 0 || str_is(target, kept->options.target))) {
            json_object_begin(&json, NULL);
            circuit_json_write(&json, kept, now);
            json_object_end(&json);
        }
    }
    json_list_end(&json);
    json_object_end(&json);
    api_write_tail(&ret->text, NULL, NULL);
}

/* ---- reports ---- */

struct call {
    bool failed;
    uint64_t duration_usec;
};

/* {"success": true, "duration": 0.012} */
static int read_call(const struct web_request *request, const struct json_value *value,
                     struct call *ret, struct api_failure *failure) {
    const struct json_value *success = json_member(value, "success");
    const struct json_value *duration = json_member(value, "duration");
    if (value->kind != JSON_IS_OBJECT || success == NULL || success->kind != JSON_IS_BOOL) {
        return api_fail(failure, API_BAD_DATA,
                        "a call should be an object such as {\"success\": true, \"duration\": "
                        "0.012}");
    }
    if (duration != NULL && (duration->kind != JSON_IS_NUMBER || !(duration->number >= 0) ||
                             duration->number > MOST_DURATION)) {
        return api_fail(failure, API_BAD_DATA, "'duration' should be seconds, from 0 to %.0f",
                        MOST_DURATION);
    }
    for (size_t i = 0; i < value->n_items; i++) {
        if (!str_is(value->items[i].key, "success") && !str_is(value->items[i].key, "duration")) {
            return api_fail(failure, API_BAD_DATA, "%s does not belong into a call",
                            api_quote(request, value->items[i].key));
        }
    }
    ret->failed = !success->truth;
    ret->duration_usec = duration != NULL ? (uint64_t)(duration->number * (double)USEC_PER_SEC) : 0;
    return 0;
}

/* One call, or {"calls": [...]}. Return: how many are in *ret, or -EINVAL with *failure. */
static int read_report(const struct web_request *request, struct call **ret,
                       struct api_failure *failure) {
    const struct json_value *body = NULL;
    struct error err = {0};
    if (request->body.len > MOST_BODY_BYTES) {
        return api_fail(failure, API_BAD_DATA, "a report has at most %d bytes", MOST_BODY_BYTES);
    }
    if (json_read(request->body, request->arena, &body, &err) < 0) {
        return api_fail(failure, API_BAD_DATA, "the body is no JSON: %s", err.text);
    }
    const struct json_value *calls = json_member(body, "calls");
    bool many = calls != NULL && calls->kind == JSON_IS_LIST && body->n_items == 1;
    size_t n = many ? calls->n_items : 1;
    if (n > MOST_CALLS) {
        return api_fail(failure, API_BAD_DATA, "%zu calls are more than %d", n, MOST_CALLS);
    }
    *ret = arena_array(request->arena, n + 1, sizeof(**ret));
    for (size_t i = 0; i < n; i++) {
        int r = read_call(request, many ? &calls->items[i] : body, &(*ret)[i], failure);
        if (r < 0) {
            return r;
        }
    }
    return (int)n;
}

void api_breaker_report(struct web *web, const struct web_request *request,
                        struct web_answer *ret) {
    struct kept_circuit *kept = find(web, request, name_of(request, API_REPORT), ret);
    struct circuit_time now = time_of(web);
    struct api_failure failure = {0};
    struct call *calls = NULL;
    if (kept == NULL) {
        return;
    }
    int n = read_report(request, &calls, &failure);
    if (n < 0) {
        api_answer_failure(&failure, ret);
        return;
    }
    for (int i = 0; i < n; i++) {
        circuits_call(web->sources.circuits, kept, now, calls[i].failed, calls[i].duration_usec);
    }
    ret->status = 200;
    write_one(kept, now, ret);
}

/* ---- orders ---- */

/* Somebody who waits for an order to be on the disk. */
struct pending_order {
    struct web *web; /* as long as the answer is wanted */
    struct web_later *later;
    char *name;
};

static void write_ordered(const struct pending_order *pending,
                          const struct web_change_result *result, struct web_answer *answer) {
    const struct kept_circuit *kept =
        circuits_find(pending->web->sources.circuits, str_of(pending->name));
    struct json_writer json = {.out = &answer->text};
    answer->status = 200;
    answer->content_type = "application/json";
    api_write_head(&answer->text);
    json_object_begin(&json, NULL);
    if (kept != NULL) { /* a reload may have come between */
        circuit_json_write(&json, kept, time_of(pending->web));
    }
    json_bool(&json, "persistent", result->persistent);
    json_text(&json, "why_not", result->reason);
    json_object_end(&json);
    api_write_tail(&answer->text, NULL, NULL);
}

static void order_done(void *userdata, const struct web_change_result *result) {
    struct pending_order *pending = userdata;
    struct web_answer answer = {0};
    if (result->refused) {
        struct api_failure failure = {0};
        api_fail(&failure, API_BAD_DATA, "%s", result->reason);
        api_answer_failure(&failure, &answer);
    } else if (web_later_is_wanted(pending->later)) {
        write_ordered(pending, result, &answer);
    }
    web_later_end(pending->later, &answer);
    free(pending->name);
    free(pending);
}

/* {"order": "force_open"} */
static int read_order(const struct web_request *request, enum breaker_event *ret,
                      struct api_failure *failure) {
    const struct json_value *body = NULL;
    struct error err = {0};
    if (json_read(request->body, request->arena, &body, &err) < 0) {
        return api_fail(failure, API_BAD_DATA, "the body is no JSON: %s", err.text);
    }
    struct str word = json_text_of(json_member(body, "order"));
    if (body->kind != JSON_IS_OBJECT || body->n_items != 1 || !circuits_order_of(word, ret)) {
        return api_fail(failure, API_BAD_DATA,
                        "the body should be {\"order\": \"force_open\"}, or force_closed, disable, "
                        "lift");
    }
    return 0;
}

static void order(struct web *web, const struct web_request *request, struct web_answer *ret) {
    const struct web_actions *actions = &web->sources.actions;
    struct api_failure failure = {0};
    struct web_breaker_order asked = {
        .name = name_of(request, ""),
        .uid = request->caller.uid,
        .pid = request->caller.pid,
    };
    if (find(web, request, asked.name, ret) == NULL) {
        return;
    }
    if (read_order(request, &asked.event, &failure) < 0) {
        api_answer_failure(&failure, ret);
        return;
    }
    struct pending_order *pending = mem_alloc(sizeof(*pending));
    pending->web = web;
    pending->name = mem_strndup(asked.name.data, asked.name.len);
    ret->later = true;
    pending->later = web_later_new(request);
    actions->order_breaker(actions->userdata, &asked, order_done, pending);
}

void api_breaker(struct web *web, const struct web_request *request, struct web_answer *ret) {
    if (route_method_of(request->method) == ROUTE_GET) {
        ask(web, request, ret);
    } else {
        order(web, request, ret);
    }
}
