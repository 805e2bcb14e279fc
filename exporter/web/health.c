/* SPDX-License-Identifier: Apache-2.0 */

/* Is the daemon alive, has it begun, and how are the targets: for load balancers, service managers
 * and people. */
#include "web/pages.h"

#include <stdio.h>

#include "base/duration.h"
#include "base/json.h"
#include "base/utc.h"
#include "io/loop.h"

#define MOST_NAMED_PENDING 100
#define LONGEST_RETRY      3600

bool page_breaker_is_open(const struct target_view *target) {
    return target->breaker != NULL && (target->breaker->state == BREAKER_OPEN ||
                                       target->breaker->state == BREAKER_FORCED_OPEN);
}

void page_alive(struct web *web, const struct web_request *request, struct web_answer *ret) {
    ret->status = 200;
    ret->content_type = "text/plain; charset=utf-8";
    strbuf_add_text(&ret->text, "ok\n");
}

static struct json_writer begin_json(struct web_answer *ret) {
    ret->content_type = "application/json";
    return (struct json_writer){.out = &ret->text};
}

void page_ready(struct web *web, const struct web_request *request, struct web_answer *ret) {
    const struct sampler *sampler = web->sources.sampler;
    bool ready = sampler_is_ready(sampler);
    struct json_writer json = begin_json(ret);
    ret->status = ready ? 200 : 503;
    ret->retry_after = ready ? 0 : 1;
    json_object_begin(&json, NULL);
    json_text(&json, "status", ready ? "ready" : "starting");
    json_list_begin(&json, "pending");
    size_t named = 0;
    for (size_t i = 0; !ready && i < sampler_targets(sampler) && named < MOST_NAMED_PENDING; i++) {
        const struct target_view *target = sampler_target(sampler, i);
        if (target->health == TARGET_PENDING) {
            json_text(&json, NULL, target->options->name);
            named++;
        }
    }
    json_list_end(&json);
    json_object_end(&json);
    strbuf_add_char(&ret->text, '\n');
}

/* When it makes sense to ask again: at the next attempt, or when the next round has ended. */
static unsigned retry_seconds(const struct web *web, const struct target_view *target) {
    uint64_t now = loop_now_usec(web->sources.loop);
    uint64_t wait = target->options->interval_usec;
    if (page_breaker_is_open(target) && target->breaker->next_attempt_usec > now) {
        wait = target->breaker->next_attempt_usec - now;
    }
    uint64_t seconds = (wait + USEC_PER_SEC - 1) / USEC_PER_SEC;
    return seconds < 1 ? 1 : seconds > LONGEST_RETRY ? LONGEST_RETRY : (unsigned)seconds;
}

static void add_up(const struct web *web, const struct target_view *target,
                   struct page_summary *summary) {
    summary->up += target->health == TARGET_UP;
    summary->down += target->health == TARGET_DOWN;
    summary->pending += target->health == TARGET_PENDING;
    summary->failing_collectors |= target->failed_collectors > 0;
    if (target->options->required &&
        (target->health == TARGET_DOWN || page_breaker_is_open(target))) {
        unsigned seconds = retry_seconds(web, target);
        if (!summary->required_down || seconds < summary->retry_after) {
            summary->retry_after = seconds;
        }
        summary->required_down = true;
    }
}

struct page_summary page_sum_up(const struct web *web) {
    struct page_summary summary = {0};
    for (size_t i = 0; i < sampler_targets(web->sources.sampler); i++) {
        const struct target_view *target = sampler_target(web->sources.sampler, i);
        if (page_shows(target)) {
            add_up(web, target, &summary);
        }
    }
    return summary;
}

static void write_summary(struct json_writer *json, const struct page_summary *summary) {
    bool degraded = summary->down > 0 || summary->pending > 0 || summary->failing_collectors;
    json_text(json, "status", summary->required_down ? "down" : degraded ? "degraded" : "ok");
    json_object_begin(json, "targets");
    json_uint(json, "up", summary->up);
    json_uint(json, "down", summary->down);
    json_uint(json, "pending", summary->pending);
    json_object_end(json);
}

static void set_status(const struct page_summary *summary, struct web_answer *ret) {
    ret->status = summary->required_down ? 503 : 200;
    ret->retry_after = summary->retry_after;
}

void page_health(struct web *web, const struct web_request *request, struct web_answer *ret) {
    struct page_summary summary = page_sum_up(web);
    struct json_writer json = begin_json(ret);
    set_status(&summary, ret);
    json_object_begin(&json, NULL);
    write_summary(&json, &summary);
    json_object_end(&json);
    strbuf_add_char(&ret->text, '\n');
}

/* RFC 3339 in UTC; 0 is never. */
static void write_time(struct json_writer *json, const char *key, int64_t t_ms) {
    char text[UTC_TEXT_BYTES];
    if (t_ms > 0) {
        json_text(json, key, utc_format_ms(t_ms, text));
    } else {
        json_null(json, key);
    }
}

const char *page_version(const struct target_view *target, char out[40]) {
    int version = target->version;
    if (version <= 0) {
        return NULL;
    }
    if (target->options->kind == KIND_POSTGRES && version >= 100000) {
        snprintf(out, 40, "%d.%d", version / 10000, version % 10000);
    } else {
        snprintf(out, 40, "%d.%d.%d", version / 10000, version / 100 % 100, version % 100);
    }
    return out;
}

static void write_failure(struct json_writer *json, const char *key,
                          const struct client_failure *failure) {
    if (!error_is_set(&failure->error)) {
        json_null(json, key);
        return;
    }
    json_object_begin(json, key);
    json_text(json, "reason", client_reason_names[failure->reason]);
    json_text(json, "end", client_end_names[failure->end]);
    json_text(json, "code", failure->sqlstate[0] != '\0' ? failure->sqlstate : NULL);
    json_text(json, "text", failure->error.text);
    json_object_end(json);
}

static void write_window(struct json_writer *json, const struct target_view *target) {
    unsigned n = target->n_window < TARGET_HEALTH_WINDOW ? target->n_window : TARGET_HEALTH_WINDOW;
    uint32_t mask = n == 32 ? UINT32_MAX : ((uint32_t)1 << n) - 1;
    json_object_begin(json, "window");
    json_uint(json, "rounds", n);
    if (n > 0) {
        json_double(json, "success_share",
                    (double)__builtin_popcount(target->window & mask) / (double)n);
    } else {
        json_null(json, "success_share");
    }
    json_object_end(json);
}

static void write_breaker(const struct web *web, struct json_writer *json,
                          const struct breaker *breaker) {
    if (breaker == NULL) {
        json_null(json, "breaker");
        return;
    }
    json_object_begin(json, "breaker");
    json_text(json, "state", breaker_state_names[breaker->state]);
    json_uint(json, "failures_in_a_row", breaker->failures_in_a_row);
    uint64_t now = loop_now_usec(web->sources.loop);
    if (breaker->state == BREAKER_OPEN) {
        uint64_t next = breaker->next_attempt_usec;
        json_double(json, "next_attempt_seconds", next > now ? (double)(next - now) / 1e6 : 0.0);
    }
    json_object_end(json);
}

static void write_failing_collectors(struct json_writer *json, const struct target_view *target) {
    json_list_begin(json, "failing_collectors");
    for (size_t i = 0; i < sampler_target_collectors(target); i++) {
        const struct collector_view *view = sampler_target_collector(target, i);
        if (view->enabled && error_is_set(&view->failure.error)) {
            json_object_begin(json, NULL);
            json_text(json, "name", view->collector->name);
            write_failure(json, "failure", &view->failure);
            json_object_end(json);
        }
    }
    json_list_end(json);
}

static void write_target(const struct web *web, struct json_writer *json,
                         const struct target_view *target) {
    char version[40];
    int64_t role = ROLE_UNKNOWN;
    facts_get(&target->facts, FACT_ROLE, &role);
    json_object_begin(json, NULL);
    json_text(json, "name", target->options->name);
    json_text(json, "type", target_kind_names[target->options->kind]);
    json_text(json, "instance", target->instance);
    json_text(json, "cluster", target->options->cluster);
    json_bool(json, "required", target->options->required);
    json_text(json, "health", target_health_names[target->health]);
    write_time(json, "since", target->health_since_ms);
    json_text(json, "role", role == ROLE_UNKNOWN ? NULL : server_role_names[role]);
    json_text(json, "version", page_version(target, version));
    json_bool(json, "pooler", target->pooler);
    write_time(json, "last_round", target->last_round_ms);
    write_time(json, "last_success", target->last_success_ms);
    json_double(json, "last_round_seconds", target->last_round_seconds);
    json_uint(json, "rounds", target->rounds);
    json_uint(json, "failed_rounds", target->failed_rounds);
    json_uint(json, "skipped_ticks", target->skipped_ticks);
    write_window(json, target);
    write_failure(json, "last_failure", &target->last_failure);
    write_breaker(web, json, target->breaker);
    write_failing_collectors(json, target);
    json_object_end(json);
}

void page_health_detailed(struct web *web, const struct web_request *request,
                          struct web_answer *ret) {
    struct page_summary summary = page_sum_up(web);
    struct json_writer json = begin_json(ret);
    set_status(&summary, ret);
    json_object_begin(&json, NULL);
    write_summary(&json, &summary);
    json_list_begin(&json, "details");
    for (size_t i = 0; i < sampler_targets(web->sources.sampler); i++) {
        const struct target_view *target = sampler_target(web->sources.sampler, i);
        if (page_shows(target)) {
            write_target(web, &json, target);
        }
    }
    json_list_end(&json);
    json_object_end(&json);
    strbuf_add_char(&ret->text, '\n');
}
