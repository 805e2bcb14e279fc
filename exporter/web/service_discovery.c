/* SPDX-License-Identifier: Apache-2.0 */

/* Prometheus HTTP service discovery: one entry per target, scraped at us with ?target=, whose
 * `instance` is the database (https://prometheus.io/docs/prometheus/latest/http_sd/). */
#include "web/pages.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "web/server.h"

/* What Host may say; anything else is somebody playing with us. */
static bool is_host(struct str host) {
    for (size_t i = 0; i < host.len; i++) {
        char c = host.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && strchr(".-_:[]", c) == NULL) {
            return false;
        }
    }
    return host.len > 0 && host.len < 256;
}

struct str page_our_address(const struct web *web, const struct web_request *request) {
    if (web->external_host != NULL) {
        return str_of(web->external_host);
    }
    struct str host = web_request_header(request, "Host");
    return is_host(host) ? host : str_of(web_address(web));
}

/* What each entry has in common. */
struct common {
    struct str address;
    const char *scheme;
    char *metrics_path;
};

static void begin_entry(struct json_writer *json, const struct common *common, const char *target) {
    json_object_begin(json, NULL);
    json_list_begin(json, "targets");
    json_str(json, NULL, common->address);
    json_list_end(json);
    json_object_begin(json, "labels");
    json_text(json, "__scheme__", common->scheme);
    json_text(json, "__metrics_path__", common->metrics_path);
    json_text(json, "__param_target", target);
    json_text(json, "target", target);
}

static void end_entry(struct json_writer *json) {
    json_object_end(json);
    json_object_end(json);
}

static void write_target(struct json_writer *json, const struct common *common,
                         const struct target_view *target) {
    const struct target_options *options = target->options;
    begin_entry(json, common, options->name);
    json_text(json, "instance", target->instance);
    json_text(json, "job", options->job != NULL ? options->job : target_kind_names[options->kind]);
    if (options->cluster != NULL) {
        json_text(json, "cluster", options->cluster);
    }
    for (size_t i = 0; i < options->n_labels; i++) {
        json_text(json, options->labels[i].name, options->labels[i].value);
    }
    end_entry(json);
}

void page_service_discovery(struct web *web, const struct web_request *request,
                            struct web_answer *ret) {
    const struct sampler *sampler = web->sources.sampler;
    struct json_writer json = {.out = &ret->text};
    CLEANUP(mem_freep)
    char *path = mem_printf("%s%s", web->link_prefix, web->telemetry_path);
    const struct common common = {page_our_address(web, request), web->external_scheme, path};
    ret->status = 200;
    ret->content_type = "application/json";
    json_list_begin(&json, NULL);
    for (size_t i = 0; i < sampler_targets(sampler); i++) {
        const struct target_view *target = sampler_target(sampler, i);
        if (page_shows(target)) {
            write_target(&json, &common, target);
        }
    }
    if (web->sources.self != NULL) {
        begin_entry(&json, &common, TARGET_SELF);
        json_str(&json, "instance", web->instance != NULL ? str_of(web->instance) : common.address);
        json_text(&json, "job", TARGET_SELF);
        end_entry(&json);
    }
    json_list_end(&json);
    strbuf_add_char(&ret->text, '\n');
}
