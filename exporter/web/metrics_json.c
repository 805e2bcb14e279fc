/* SPDX-License-Identifier: Apache-2.0 */

/* /metrics/json: the samples of /metrics for programs that read JSON, and what the last minute
 * comes to for each target and for all.
 *
 * The body is made target by target while it is sent, so that a large fleet costs no more memory
 * than its largest target and no turn of the loop more than one. Targets are looked up by name each
 * time: a reload may have taken one away meanwhile. */
#include "web/pages.h"

#include <math.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/mem.h"
#include "io/loop.h"
#include "sampler/summary.h"
#include "store/exposition.h"

struct json_page {
    struct web *web;
    struct arena arena; /* of the names */
    struct str *names;
    size_t n_names, at;
    bool begun, ended;
    struct json_writer json;
    struct strbuf text; /* the newest piece */
};

/* ---- summaries ---- */

static void sum_up(const struct web *web, const struct target_view *target, struct summary *ret) {
    summary_of(target->traffic, target->options->kind, &target->facts,
               loop_now_usec(web->sources.loop), ret);
}

/* NAN is null, which the writer knows. */
static void write_summary(struct json_writer *json, const struct summary *summary) {
    json_object_begin(json, "summary");
    json_object_begin(json, "database");
    json_double(json, "query_count", summary->query_count);
    json_double(json, "avg_latency_ms", summary->avg_latency_ms);
    json_double(json, "error_rate_percent", summary->error_rate_percent);
    json_double(json, "throughput_qps", summary->throughput_qps);
    json_double(json, "window_seconds", summary->database_seconds);
    json_object_end(json);
    json_object_begin(json, "cache");
    json_double(json, "hits", summary->hits);
    json_double(json, "misses", summary->misses);
    json_double(json, "hit_rate_percent", summary->hit_rate_percent);
    json_double(json, "eviction_rate_percent", summary->eviction_rate_percent);
    json_double(json, "window_seconds", summary->cache_seconds);
    json_object_end(json);
    json_object_begin(json, "connection_pool");
    json_double(json, "total_connections", summary->total_connections);
    json_double(json, "active_connections", summary->active_connections);
    json_double(json, "utilization_percent", summary->utilization_percent);
    json_object_end(json);
    json_object_end(json);
}

/* Of the targets on the page; the daemon itself has nothing of this. */
static void write_total(struct json_page *page) {
    struct summary_member *members = arena_array(&page->arena, page->n_names, sizeof(*members));
    struct summary total;
    size_t count = 0;
    for (size_t i = 0; i < page->n_names; i++) {
        const struct target_view *target = sampler_find(page->web->sources.sampler, page->names[i]);
        if (target != NULL && page_shows(target)) {
            struct summary_member *member = &members[count++];
            member->kind = target->options->kind;
            member->cluster = target->options->cluster;
            sum_up(page->web, target, &member->summary);
        }
    }
    summary_total(members, count, &total);
    write_summary(&page->json, &total);
}

/* ---- targets ---- */

static void write_labels(struct json_writer *json, const struct target_options *options) {
    json_object_begin(json, "labels");
    for (size_t i = 0; i < options->n_labels; i++) {
        json_text(json, options->labels[i].name, options->labels[i].value);
    }
    json_object_end(json);
}

static void write_target(struct json_page *page, const struct target_view *target) {
    struct json_writer *json = &page->json;
    struct summary summary;
    json_text(json, "name", target->options->name);
    json_text(json, "type", target_kind_names[target->options->kind]);
    json_text(json, "instance", target->instance);
    json_text(json, "cluster", target->options->cluster);
    write_labels(json, target->options);
    json_text(json, "health", target_health_names[target->health]);
    sum_up(page->web, target, &summary);
    write_summary(json, &summary);
}

static void write_self(struct json_writer *json, const struct web *web) {
    json_text(json, "name", TARGET_SELF);
    json_text(json, "type", TARGET_SELF);
    json_text(json, "instance", web->instance != NULL ? web->instance : TARGET_SELF);
    json_null(json, "cluster");
    json_object_begin(json, "labels");
    json_object_end(json);
    json_text(json, "health", target_health_names[TARGET_UP]);
    json_null(json, "summary");
}

static void write_one(struct json_page *page, struct str name) {
    struct store_source *source = page_find_source(page->web, name);
    if (source == NULL) {
        return; /* went away while the page was sent */
    }
    json_object_begin(&page->json, NULL);
    if (source == page->web->sources.self) {
        write_self(&page->json, page->web);
    } else {
        write_target(page, sampler_find(page->web->sources.sampler, name));
    }
    exposition_json(source, &page->json, "metrics");
    json_object_end(&page->json);
}

/* ---- the page ---- */

static bool next_piece(void *userdata, struct str *ret) {
    struct json_page *page = userdata;
    strbuf_clear(&page->text);
    if (page->ended) {
        return false;
    }
    if (!page->begun) {
        page->begun = true;
        json_object_begin(&page->json, NULL);
        write_total(page);
        json_list_begin(&page->json, "targets");
    } else if (page->at < page->n_names) {
        write_one(page, page->names[page->at++]);
    } else {
        page->ended = true;
        json_list_end(&page->json);
        json_object_end(&page->json);
        strbuf_add_char(&page->text, '\n');
    }
    *ret = strbuf_view(&page->text);
    return true;
}

static void free_page(void *userdata) {
    struct json_page *page = userdata;
    arena_deinit(&page->arena);
    strbuf_deinit(&page->text);
    free(page);
}

static void add_name(struct json_page *page, struct str name) {
    page->names[page->n_names++] = arena_dup(&page->arena, name);
}

static struct json_page *new_page(struct web *web, struct str only) {
    const struct sampler *sampler = web->sources.sampler;
    const size_t n_targets = sampler_targets(sampler);
    struct json_page *page = mem_alloc(sizeof(*page));
    page->web = web;
    page->json.out = &page->text;
    page->names = arena_array(&page->arena, n_targets + 1, sizeof(*page->names));
    if (only.len > 0) {
        add_name(page, only);
        return page;
    }
    for (size_t i = 0; i < n_targets; i++) {
        if (page_shows(sampler_target(sampler, i))) {
            add_name(page, str_of(sampler_target(sampler, i)->options->name));
        }
    }
    add_name(page, str_of(TARGET_SELF));
    return page;
}

void page_metrics_json(struct web *web, const struct web_request *request, struct web_answer *ret) {
    struct str name = web_request_parameter(request, "target");
    if (web->sources.actions.refresh_self != NULL) {
        web->sources.actions.refresh_self(web->sources.actions.userdata);
    }
    if (name.len > 0 && page_find_source(web, name) == NULL) {
        page_answer_unknown(web, request, name, ret);
        return;
    }
    const struct exposition_pieces pieces = {next_piece, free_page, new_page(web, name)};
    ret->gzip = web_request_accepts_gzip(request);
    struct exposition_reader *reader = exposition_reader_of(&pieces, ret->gzip);
    if (reader == NULL) {
        ret->gzip = false;
        reader = exposition_reader_of(&pieces, false);
    }
    ret->status = 200;
    ret->content_type = "application/json";
    ret->varies = true;
    ret->reader = page_reader(reader);
}
