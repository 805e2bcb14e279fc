/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/check_format.h"

#include <string.h>

#include "base/json.h"
#include "sampler/service.h"

/* A status line names so many targets; all of them follow in the details. */
#define MOST_NAMED 5

const char *const check_format_names[] = {"table", "nagios", "json", NULL};

static const char *const status_names[] = {"ok", "warning", "critical", "unknown"};
static const char *const status_words[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};

/* What is known to be bad is worse than what is not known. */
static const int severity[] = {0, 1, 3, 2};

static enum check_status worse(enum check_status a, enum check_status b) {
    return severity[a] >= severity[b] ? a : b;
}

static enum check_status status_of(const struct target_view *target) {
    switch (target->health) {
    case TARGET_PENDING:
        return CHECK_UNKNOWN;
    case TARGET_DOWN:
        return CHECK_CRITICAL;
    case TARGET_UP:
        break;
    }
    return target->failed_collectors > 0 ? CHECK_WARNING : CHECK_OK;
}

/* Nobody has asked for a server here and there is none; one that answers, if only with a refusal,
 * is there. */
static bool is_absent(const struct target_view *target) {
    return target->options->guessed && target->health == TARGET_DOWN &&
           (target->last_failure.reason == REASON_REFUSED ||
            target->last_failure.reason == REASON_UNREACHABLE ||
            target->last_failure.reason == REASON_DNS);
}

static size_t count_samples(const struct target_view *target) {
    size_t samples = 0;
    for (size_t i = 0; i < sampler_target_collectors(target); i++) {
        samples += sampler_target_collector(target, i)->samples;
    }
    return samples;
}

static const char *role_of(const struct target_view *target) {
    int64_t role = ROLE_UNKNOWN;
    facts_get(&target->facts, FACT_ROLE, &role);
    return server_role_names[role];
}

static bool has_failed(const struct collector_view *view) {
    return view->enabled && error_is_set(&view->failure.error);
}

/* ---- the table ---- */

static void add_collectors(const struct target_view *target, struct strbuf *out) {
    for (size_t i = 0; i < sampler_target_collectors(target); i++) {
        const struct collector_view *view = sampler_target_collector(target, i);
        if (has_failed(view)) {
            strbuf_printf(out, "  collector '%s': %s: %s\n", view->collector->name,
                          client_reason_names[view->failure.reason], view->failure.error.text);
        }
    }
}

static void add_pool(const struct target_view *target, const char *before, struct strbuf *out) {
    double usage;
    if (service_pool_usage_percent(target->options->kind, &target->facts, &usage)) {
        strbuf_printf(out, "%spool %.0f %%", before, usage);
    }
}

/* Columns are as wide as what stands in them, so that long addresses do not break the table. */
struct widths {
    int name, address;
};

static int wider(int width, const char *text) {
    size_t len = strlen(text);
    return len > (size_t)width ? (int)len : width;
}

static void add_row(const struct target_view *target, const struct widths *widths,
                    struct strbuf *out) {
    const struct target_options *options = target->options;
    int64_t role;
    bool has_role =
        facts_get(&target->facts, FACT_ROLE, &role) && (enum server_role)role != ROLE_UNKNOWN;
    strbuf_printf(out, "%-*s  %-9s  %-*s  ", widths->name, options->name,
                  target_kind_names[options->kind], widths->address, target->instance);
    if (target->health == TARGET_PENDING) {
        strbuf_add_text(out, "pending  no round has ended\n");
        return;
    }
    if (target->health == TARGET_DOWN) {
        strbuf_printf(out, "%s  %s: %s\n", is_absent(target) ? "not found" : "down   ",
                      client_reason_names[target->last_failure.reason],
                      target->last_failure.error.text);
        return;
    }
    strbuf_printf(out, "up       %-8s %6.1f ms %6zu samples", has_role ? role_of(target) : "",
                  target->last_round_seconds * 1000.0, count_samples(target));
    add_pool(target, "  ", out);
    strbuf_add_text(out, target->pooler ? "  (through a pooler)\n" : "\n");
    add_collectors(target, out);
}

/* ---- Nagios ---- */

/* Texts of servers must not end the line or begin performance data. */
static void add_plain(struct strbuf *out, const char *text) {
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        strbuf_add_char(out, c == '|' ? '/' : c < ' ' || c == 0x7f ? ' ' : *text);
    }
}

static void add_failure(struct strbuf *out, const struct client_failure *failure) {
    strbuf_printf(out, "%s: ", client_reason_names[failure->reason]);
    add_plain(out, failure->error.text);
}

static void add_detail(const struct target_view *target, struct strbuf *out) {
    const struct target_options *options = target->options;
    strbuf_printf(out, "%s (%s ", options->name, target_kind_names[options->kind]);
    add_plain(out, target->instance);
    strbuf_printf(out, "): %s",
                  is_absent(target) ? "not found" : target_health_names[target->health]);
    if (target->health == TARGET_DOWN) {
        strbuf_add_text(out, ", ");
        add_failure(out, &target->last_failure);
    } else if (target->health == TARGET_UP) {
        strbuf_printf(out, ", %s, %.1f ms, %zu samples", role_of(target),
                      target->last_round_seconds * 1000.0, count_samples(target));
        add_pool(target, ", ", out);
        strbuf_add_text(out, target->pooler ? ", through a pooler" : "");
    }
    strbuf_add_char(out, '\n');
    for (size_t i = 0; target->health == TARGET_UP && i < sampler_target_collectors(target); i++) {
        const struct collector_view *view = sampler_target_collector(target, i);
        if (has_failed(view)) {
            strbuf_printf(out, "%s collector %s: ", options->name, view->collector->name);
            add_failure(out, &view->failure);
            strbuf_add_char(out, '\n');
        }
    }
}

/* 'label'=value[UOM];[warn];[crit];[min];[max]. Names of targets hold neither quotes nor equals
 * signs; a value that is not known is left out. */
static void add_performance(const struct target_view *target, struct strbuf *out) {
    const char *name = target->options->name;
    double usage;
    strbuf_printf(out, " '%s_up'=%d;;1:;0;1", name, target->health == TARGET_UP);
    if (target->health == TARGET_PENDING) {
        return;
    }
    strbuf_printf(out, " '%s_time'=%.6fs;;;0", name, target->last_round_seconds);
    if (target->health == TARGET_DOWN) {
        return;
    }
    strbuf_printf(out, " '%s_samples'=%zu;;;0", name, count_samples(target));
    strbuf_printf(out, " '%s_failed'=%zu;0;;0", name, target->failed_collectors);
    if (service_pool_usage_percent(target->options->kind, &target->facts, &usage)) {
        strbuf_printf(out, " '%s_pool'=%.1f%%;;;0", name, usage);
    }
}

/* Which targets have this status, "a, b and 3 more". */
struct naming {
    struct strbuf names;
    size_t count;
};

static void name_one(struct naming *naming, const char *name) {
    if (naming->count++ < MOST_NAMED) {
        strbuf_printf(&naming->names, "%s%s", naming->count > 1 ? ", " : "", name);
    }
}

static void add_naming(const struct naming *naming, const char *what, struct strbuf *out) {
    if (naming->count == 0) {
        return;
    }
    strbuf_add_str(out, strbuf_view(&naming->names));
    if (naming->count > MOST_NAMED) {
        strbuf_printf(out, " and %zu more", naming->count - MOST_NAMED);
    }
    strbuf_printf(out, ": %s; ", what);
}

/* ---- JSON ---- */

static void write_failure(struct json_writer *json, const struct client_failure *failure) {
    json_text(json, "reason", client_reason_names[failure->reason]);
    json_text(json, "text", failure->error.text);
}

static void write_collectors(struct json_writer *json, const struct target_view *target) {
    json_list_begin(json, "failed_collectors");
    for (size_t i = 0; i < sampler_target_collectors(target); i++) {
        const struct collector_view *view = sampler_target_collector(target, i);
        if (target->health == TARGET_UP && has_failed(view)) {
            json_object_begin(json, NULL);
            json_text(json, "name", view->collector->name);
            write_failure(json, &view->failure);
            json_object_end(json);
        }
    }
    json_list_end(json);
}

static void write_result(struct json_writer *json, const struct target_view *target) {
    double usage;
    bool up = target->health == TARGET_UP;
    bool known = up && service_pool_usage_percent(target->options->kind, &target->facts, &usage);
    json_text(json, "role", up ? role_of(target) : NULL);
    if (target->health == TARGET_PENDING) {
        json_null(json, "round_seconds");
    } else {
        json_double(json, "round_seconds", target->last_round_seconds);
    }
    json_uint(json, "samples", up ? count_samples(target) : 0);
    if (known) {
        json_double(json, "pool_usage_percent", usage);
    } else {
        json_null(json, "pool_usage_percent");
    }
    json_bool(json, "pooler", target->pooler);
}

static void write_target(struct json_writer *json, const struct target_view *target) {
    json_object_begin(json, NULL);
    json_text(json, "name", target->options->name);
    json_text(json, "type", target_kind_names[target->options->kind]);
    json_text(json, "instance", target->instance);
    json_text(json, "cluster", target->options->cluster);
    json_text(json, "status", is_absent(target) ? "not_found" : status_names[status_of(target)]);
    json_text(json, "health", target_health_names[target->health]);
    write_result(json, target);
    if (target->health == TARGET_DOWN) {
        json_object_begin(json, "failure");
        write_failure(json, &target->last_failure);
        json_object_end(json);
    } else {
        json_null(json, "failure");
    }
    write_collectors(json, target);
    json_object_end(json);
}

/* ---- all targets ---- */

struct render {
    const struct sampler *sampler;
    const char *only;
    struct strbuf *out;
    enum check_status worst;
    struct check_count count;
};

/* The next target that was asked for, from *index on; NULL: no more. */
static const struct target_view *next_target(const struct render *render, size_t *index) {
    while (*index < sampler_targets(render->sampler)) {
        const struct target_view *target = sampler_target(render->sampler, (*index)++);
        if (render->only == NULL || strcmp(render->only, target->options->name) == 0) {
            return target;
        }
    }
    return NULL;
}

static void render_table(const struct render *render) {
    const struct target_view *target;
    struct widths widths = {.name = 10, .address = 14};
    for (size_t i = 0; (target = next_target(render, &i)) != NULL;) {
        widths.name = wider(widths.name, target->options->name);
        widths.address = wider(widths.address, target->instance);
    }
    strbuf_printf(render->out, "%-*s  %-9s  %-*s  %s\n", widths.name, "TARGET", "TYPE",
                  widths.address, "ADDRESS", "STATE");
    for (size_t i = 0; (target = next_target(render, &i)) != NULL;) {
        add_row(target, &widths, render->out);
    }
}

static void render_nagios(const struct render *render) {
    const struct target_view *target;
    struct naming by_status[CHECK_UNKNOWN + 1] = {0};
    struct strbuf details = {0}, performance = {0};
    for (size_t i = 0; (target = next_target(render, &i)) != NULL;) {
        if (!is_absent(target)) {
            name_one(&by_status[status_of(target)], target->options->name);
            add_performance(target, &performance);
        }
        add_detail(target, &details);
    }
    strbuf_printf(render->out, "DBVITALS %s - ", status_words[render->worst]);
    add_naming(&by_status[CHECK_CRITICAL], "down", render->out);
    add_naming(&by_status[CHECK_UNKNOWN], "no answer yet", render->out);
    add_naming(&by_status[CHECK_WARNING], "a collector fails", render->out);
    strbuf_printf(render->out, "%zu of %zu targets are up |",
                  by_status[CHECK_OK].count + by_status[CHECK_WARNING].count,
                  render->count.targets - render->count.absent);
    strbuf_add_str(render->out, strbuf_view(&performance));
    strbuf_add_char(render->out, '\n');
    strbuf_add_str(render->out, strbuf_view(&details));
    for (size_t i = 0; i < ARRAY_LEN(by_status); i++) {
        strbuf_deinit(&by_status[i].names);
    }
    strbuf_deinit(&details);
    strbuf_deinit(&performance);
}

static void render_json(const struct render *render) {
    struct json_writer json = {.out = render->out};
    const struct target_view *target;
    json_list_begin(&json, NULL);
    for (size_t i = 0; (target = next_target(render, &i)) != NULL;) {
        write_target(&json, target);
    }
    json_list_end(&json);
    strbuf_add_char(render->out, '\n');
}

enum check_status check_render(const struct sampler *sampler, const char *only,
                               enum check_format format, struct strbuf *out,
                               struct check_count *ret_count) {
    static void (*const renderers[])(const struct render *render) = {
        [CHECK_TABLE] = render_table,
        [CHECK_NAGIOS] = render_nagios,
        [CHECK_JSON] = render_json,
    };
    struct render render = {.sampler = sampler, .only = only, .out = out, .worst = CHECK_OK};
    const struct target_view *target;
    for (size_t i = 0; (target = next_target(&render, &i)) != NULL;) {
        render.count.targets++;
        if (is_absent(target)) {
            render.count.absent++;
        } else {
            render.worst = worse(render.worst, status_of(target));
        }
    }
    renderers[format](&render);
    *ret_count = render.count;
    return render.worst;
}

void check_render_failure(const char *why, struct strbuf *out) {
    strbuf_printf(out, "DBVITALS %s - ", status_words[CHECK_UNKNOWN]);
    add_plain(out, why);
    strbuf_add_char(out, '\n');
}
