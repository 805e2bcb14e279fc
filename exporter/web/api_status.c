/* SPDX-License-Identifier: Apache-2.0 */

/* What the daemon says about itself where a Prometheus would, and the answer to paths of the API
 * that we do not have. */
#include "web/api.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/duration.h"
#include "store/history.h"
#include "web/api_json.h"
#include "web/api_question.h"
#include "web/routes.h"

/* Grafana asks for the version to know what it may send: this one has all that we answer, and has
 * nothing that we lack. */
#define SPOKEN_VERSION "3.5.0"
#define MOST_TOP       100
#define DEFAULT_TOP    10

static struct json_writer begin(struct web_answer *ret) {
    ret->status = 200;
    ret->content_type = "application/json";
    api_write_head(&ret->text);
    struct json_writer json = {.out = &ret->text};
    json_object_begin(&json, NULL);
    return json;
}

static void end(struct json_writer *json) {
    json_object_end(json);
    api_write_tail(json->out, NULL, NULL);
}

void api_buildinfo(struct web *web, const struct web_request *request, struct web_answer *ret) {
    struct json_writer json = begin(ret);
    json_text(&json, "version", SPOKEN_VERSION);
    json_text(&json, "revision", web->revision);
    json_text(&json, "branch", "");
    json_text(&json, "buildUser", "");
    json_text(&json, "buildDate", "");
    json_text(&json, "goVersion", "");
    json_text(&json, "dbvitalsVersion", web->version);
    end(&json);
}

void api_runtimeinfo(struct web *web, const struct web_request *request, struct web_answer *ret) {
    const struct web_actions *actions = &web->sources.actions;
    char host[HOST_NAME_MAX + 1] = "", folder[PATH_MAX] = "";
    bool ok = true;
    int64_t success_ms = web->start_ms;
    (void)gethostname(host, sizeof(host) - 1);
    if (getcwd(folder, sizeof(folder)) == NULL) {
        folder[0] = '\0';
    }
    if (actions->reload_state != NULL) {
        actions->reload_state(actions->userdata, &ok, &success_ms);
    }
    struct json_writer json = begin(ret);
    api_write_rfc3339(&json, "startTime", web->start_ms);
    json_text(&json, "CWD", folder);
    json_text(&json, "hostname", host);
    api_write_rfc3339(&json, "serverTime", loop_now_ms(web->sources.loop));
    json_bool(&json, "reloadConfigSuccess", ok);
    api_write_rfc3339(&json, "lastConfigTime", success_ms);
    json_int(&json, "corruptionCount", 0);
    end(&json);
}

void api_flags(struct web *web, const struct web_request *request, struct web_answer *ret) {
    char duration[32], number[24];
    struct json_writer json = begin(ret);
    snprintf(number, sizeof(number), "%d", API_WORKERS);
    json_text(&json, "query.max-concurrency", number);
    json_text(&json, "query.timeout", duration_format(API_DEFAULT_TIMEOUT_USEC, duration));
    json_text(&json, "query.lookback-delta", "5m");
    json_text(&json, "web.enable-lifecycle", web->enable_lifecycle ? "true" : "false");
    json_text(&json, "web.listen-address", web_address(web));
    json_text(&json, "web.route-prefix", web->landing_url);
    json_text(&json, "web.telemetry-path", web->telemetry_path);
    end(&json);
}

/* ---- configuration ---- */

static void write_config(struct api_question *question, struct api_out *out) {
    const struct web_actions *actions = &question->web->sources.actions;
    struct strbuf yaml = {0};
    if (actions->print_config != NULL) {
        actions->print_config(actions->userdata, &yaml);
    }
    struct json_writer json = {.out = &out->text};
    api_write_head(&out->text);
    json_object_begin(&json, NULL);
    json_str(&json, "yaml", strbuf_view(&yaml));
    end(&json);
    strbuf_deinit(&yaml);
}

void api_config(struct web *web, const struct web_request *request, struct web_answer *ret) {
    struct api_question *question = api_question_new(web, request, sizeof(*question));
    question->write = write_config;
    api_ask(question, request, ret);
}

/* ---- tsdb ---- */

struct tsdb_question {
    struct api_question question;
    size_t top;
};

/* The families with the most series, largest first. Return: how many. */
static size_t find_largest(struct store *store, const struct family *largest[MOST_TOP],
                           size_t most) {
    size_t n = 0, n_families = store_numbers(store).families;
    for (size_t i = 0; i < n_families; i++) {
        const struct family *family = store_family_at(store, i);
        size_t at = n;
        while (at > 0 && largest[at - 1]->n_live < family->n_live) {
            at--;
        }
        if (at == most || family->n_live == 0) {
            continue;
        }
        n += n < most;
        for (size_t k = n - 1; k > at; k--) {
            largest[k] = largest[k - 1];
        }
        largest[at] = family;
    }
    return n;
}

static void write_empty(struct json_writer *json, const char *key) {
    json_list_begin(json, key);
    json_list_end(json);
}

static void write_tsdb(struct api_question *question, struct api_out *out) {
    const struct tsdb_question *asked = container_of(question, struct tsdb_question, question);
    struct store *store = question->web->sources.store;
    struct store_numbers numbers = store_numbers(store);
    const struct family *largest[MOST_TOP];
    size_t n = find_largest(store, largest, asked->top);
    struct json_writer json = {.out = &out->text};
    api_write_head(&out->text);
    json_object_begin(&json, NULL);
    json_object_begin(&json, "headStats");
    json_uint(&json, "numSeries", numbers.series + numbers.stale_series);
    json_uint(&json, "chunkCount", store_history_numbers(store).blocks);
    json_object_end(&json);
    json_list_begin(&json, "seriesCountByMetricName");
    for (size_t i = 0; i < n; i++) {
        json_object_begin(&json, NULL);
        json_text(&json, "name", largest[i]->name);
        json_uint(&json, "value", largest[i]->n_live);
        json_object_end(&json);
    }
    json_list_end(&json);
    write_empty(&json, "labelValueCountByLabelName");
    write_empty(&json, "memoryInBytesByLabelName");
    write_empty(&json, "seriesCountByLabelValuePair");
    end(&json);
}

void api_tsdb(struct web *web, const struct web_request *request, struct web_answer *ret) {
    struct api_failure failure = {0};
    uint64_t limit = DEFAULT_TOP;
    if (api_limit_parameter(request, "limit", &limit, &failure) < 0) {
        api_answer_failure(&failure, ret);
        return;
    }
    struct api_question *question = api_question_new(web, request, sizeof(struct tsdb_question));
    struct tsdb_question *asked = container_of(question, struct tsdb_question, question);
    asked->top = limit < 1 ? 1 : limit > MOST_TOP ? MOST_TOP : (size_t)limit;
    question->write = write_tsdb;
    api_ask(question, request, ret);
}

/* ---- everything else ---- */

void api_not_found(struct web *web, const struct web_request *request, struct web_answer *ret) {
    struct api_failure failure = {0};
    struct str shown = web_request_show(request, request->path);
    size_t n_routes = 0; /* the last of them is this one */
    while (routes[n_routes].path != NULL) {
        n_routes++;
    }
    const char *near = str_suggest(request->path, routes, n_routes - 1, sizeof(routes[0]));
    if (near != NULL) {
        api_fail(&failure, API_NOT_FOUND, "there is nothing at '%.*s' (did you mean '%s'?)",
                 (int)shown.len, shown.data, near);
    } else {
        api_fail(&failure, API_NOT_FOUND, "there is nothing at '%.*s'", (int)shown.len, shown.data);
    }
    api_answer_failure(&failure, ret);
}
