/* SPDX-License-Identifier: Apache-2.0 */

/* Our targets as a Prometheus would show them that had found them by /sd. */
#include "web/api.h"

#include <stdio.h>

#include "base/duration.h"
#include "base/mem.h"
#include "web/api_json.h"
#include "web/api_question.h"

#define MOST_IN_LOOP 200 /* targets: below a millisecond */

struct targets_question {
    struct api_question question;
    struct str address; /* ours */
    struct str pool;    /* only targets of this job; empty: all */
    bool no_active;
};

static struct targets_question *targets_question_of(struct api_question *question) {
    return container_of(question, struct targets_question, question);
}

static const char *job_of(const struct target_options *options) {
    return options->job != NULL ? options->job : target_kind_names[options->kind];
}

static void write_discovered(struct json_writer *json, const struct targets_question *asked,
                             const struct target_options *options) {
    const struct web *web = asked->question.web;
    char interval[32], timeout[32];
    json_object_begin(json, "discoveredLabels");
    json_str(json, "__address__", asked->address);
    json_text(json, "__metrics_path__", web->telemetry_path);
    json_text(json, "__param_target", options->name);
    json_text(json, "__scheme__", web->external_scheme);
    json_text(json, "__scrape_interval__", duration_format(options->interval_usec, interval));
    json_text(json, "__scrape_timeout__", duration_format(options->timeout_usec, timeout));
    json_text(json, "job", job_of(options));
    json_object_end(json);
}

static void write_labels(struct json_writer *json, const struct target_view *target) {
    const struct target_options *options = target->options;
    json_object_begin(json, "labels");
    if (options->cluster != NULL) {
        json_text(json, "cluster", options->cluster);
    }
    json_text(json, "instance", target->instance);
    json_text(json, "job", job_of(options));
    json_text(json, "target", options->name);
    for (size_t i = 0; i < options->n_labels; i++) {
        json_text(json, options->labels[i].name, options->labels[i].value);
    }
    json_object_end(json);
}

static void write_target(struct json_writer *json, const struct targets_question *asked,
                         const struct target_view *target) {
    static const char *const health[] = {
        [TARGET_PENDING] = "unknown", [TARGET_UP] = "up", [TARGET_DOWN] = "down"};
    const struct target_options *options = target->options;
    const struct web *web = asked->question.web;
    char interval[32], timeout[32];
    CLEANUP(mem_freep)
    char *url =
        mem_printf("%s://%.*s%s%s?target=%s", web->external_scheme, (int)asked->address.len,
                   asked->address.data, web->link_prefix, web->telemetry_path, options->name);
    json_object_begin(json, NULL);
    write_discovered(json, asked, options);
    write_labels(json, target);
    json_text(json, "scrapePool", job_of(options));
    json_text(json, "scrapeUrl", url);
    json_text(json, "globalUrl", url);
    json_text(json, "lastError",
              target->health == TARGET_DOWN ? target->last_failure.error.text : "");
    api_write_rfc3339(json, "lastScrape", target->last_round_ms);
    json_double(json, "lastScrapeDuration", target->last_round_seconds);
    json_text(json, "health", health[target->health]);
    json_text(json, "scrapeInterval", duration_format(options->interval_usec, interval));
    json_text(json, "scrapeTimeout", duration_format(options->timeout_usec, timeout));
    json_object_end(json);
}

static void write_targets(struct api_question *question, struct api_out *out) {
    const struct targets_question *asked = targets_question_of(question);
    const struct sampler *sampler = question->web->sources.sampler;
    size_t n = asked->no_active ? 0 : sampler_targets(sampler);
    struct json_writer json = {.out = &out->text};
    api_write_head(&out->text);
    json_object_begin(&json, NULL);
    json_list_begin(&json, "activeTargets");
    for (size_t i = 0; i < n && api_out_turn(out); i++) {
        const struct target_view *target = sampler_target(sampler, i);
        if (page_shows(target) &&
            (asked->pool.len == 0 || str_is(asked->pool, job_of(target->options)))) {
            write_target(&json, asked, target);
        }
    }
    json_list_end(&json);
    json_list_begin(&json, "droppedTargets");
    json_list_end(&json);
    json_object_begin(&json, "droppedTargetCounts");
    json_object_end(&json);
    json_object_end(&json);
    api_write_tail(&out->text, NULL, NULL);
}

void api_targets(struct web *web, const struct web_request *request, struct web_answer *ret) {
    struct api_question *question = api_question_new(web, request, sizeof(struct targets_question));
    struct targets_question *asked = targets_question_of(question);
    asked->address = arena_dup(&question->arena, page_our_address(web, request));
    asked->pool = arena_dup(&question->arena, web_request_parameter(request, "scrapePool"));
    asked->no_active = str_is(web_request_parameter(request, "state"), "dropped");
    question->write = write_targets;
    if (sampler_targets(web->sources.sampler) <= MOST_IN_LOOP) {
        api_answer_now(question, ret);
    } else {
        api_ask(question, request, ret);
    }
}
