/* SPDX-License-Identifier: Apache-2.0 */

/* The page at "/": every target with its health, and where the rest is. One self-contained document
 * without scripts; it loads itself again now and then. */
#include "web/pages.h"

#include "base/mem.h"
#include "base/utc.h"
#include "io/loop.h"
#include "web/html.h"
#include "web/landing_rules.h"
#include "web/landing_watch.h"
#include "web/server.h"
#include "web_assets.h"

static const char meta[] =
    "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n"
    "<meta http-equiv=\"refresh\" content=\"15\">\n";

static void add_link(struct strbuf *out, const struct web *web, const char *path,
                     const char *label) {
    strbuf_add_text(out, "<a href=\"");
    html_escape(out, str_of(web->link_prefix));
    html_escape(out, str_of(path));
    strbuf_add_text(out, "\">");
    html_escape(out, str_of(label));
    strbuf_add_text(out, "</a>\n");
}

/* Names of targets consist of characters that need no escape in a URL. */
static void add_target_link(struct strbuf *out, const struct web *web, const char *name,
                            const char *label) {
    CLEANUP(mem_freep)
    char *path = mem_printf("%s?target=%s", web->telemetry_path, name);
    add_link(out, web, path, label);
}

/* "up", since when, and why not if it is down. */
static void add_state(struct strbuf *out, const struct web *web, const struct target_view *target) {
    const char *health = target_health_names[target->health];
    int64_t age_ms = loop_now_ms(web->sources.loop) - target->health_since_ms;
    strbuf_printf(out, "<td class=\"wide\" data-is=\"Health\"><span class=\"state %s\">%s</span>",
                  health, health);
    if (target->health_since_ms > 0 && age_ms >= 0) {
        strbuf_add_text(out, " <span class=\"why\">for ");
        html_age(out, age_ms);
        strbuf_add_text(out, "</span>");
    }
    if (target->health == TARGET_DOWN && error_is_set(&target->last_failure.error)) {
        strbuf_add_text(out, "<div class=\"why\">");
        html_escape(out, str_of(target->last_failure.error.text));
        strbuf_add_text(out, "</div>");
    } else if (page_breaker_is_open(target)) {
        strbuf_add_text(out, "<div class=\"why\">sampling is held back by its breaker</div>");
    } else if (target->failed_collectors > 0) {
        strbuf_printf(out, "<div class=\"why\">failing collectors: %zu</div>",
                      target->failed_collectors);
    }
    strbuf_add_text(out, "</td>");
}

static void add_server(struct strbuf *out, const struct target_view *target) {
    char version[40];
    const char *known = page_version(target, version);
    strbuf_printf(out, "<td data-is=\"Server\">%s", target_kind_names[target->options->kind]);
    if (known != NULL) {
        strbuf_printf(out, " %s", known);
    }
    strbuf_add_text(out,
                    target->pooler ? " <span class=\"why\">through a pooler</span></td>" : "</td>");
}

static void add_target(struct strbuf *out, const struct web *web,
                       const struct target_view *target) {
    int64_t role = ROLE_UNKNOWN;
    facts_get(&target->facts, FACT_ROLE, &role);
    strbuf_add_text(out, "<tr><th scope=\"row\">");
    add_target_link(out, web, target->options->name, target->options->name);
    strbuf_add_text(out, "</th>");
    add_state(out, web, target);
    add_server(out, target);
    landing_add_cell(out, "Role", role == ROLE_UNKNOWN ? NULL : server_role_names[role]);
    landing_add_cell(out, "Cluster", target->options->cluster);
    landing_add_cell(out, "Address", target->instance);
    strbuf_add_text(out, "<td class=\"num\" data-is=\"Last round\">");
    if (target->last_round_ms > 0) {
        bool slow = target->last_round_seconds >= 1;
        strbuf_printf(out, slow ? "%.1f s" : "%.1f ms",
                      target->last_round_seconds * (slow ? 1 : 1000));
    }
    strbuf_add_text(out, "</td></tr>\n");
}

/* What is down stands first, for a fleet does not fit on a screen. Return: how many were added. */
static size_t add_targets(struct strbuf *out, const struct web *web, bool down) {
    const struct sampler *sampler = web->sources.sampler;
    size_t added = 0;
    for (size_t i = 0; i < sampler_targets(sampler); i++) {
        const struct target_view *target = sampler_target(sampler, i);
        if (page_shows(target) && (target->health == TARGET_DOWN) == down) {
            add_target(out, web, target);
            added++;
        }
    }
    return added;
}

static void add_navigation(struct strbuf *out, const struct web *web) {
    strbuf_add_text(out, "<nav>\n");
    add_link(out, web, "/query", "Query");
    add_link(out, web, web->telemetry_path, "All metrics");
    add_target_link(out, web, TARGET_SELF, "Metrics of dbvitals");
    add_link(out, web, "/metrics/json", "As JSON");
    add_link(out, web, "/health/detailed", "Health");
    add_link(out, web, "/sd", "Service discovery");
    strbuf_add_text(out, "</nav>\n");
}

/* The one sentence that a glance is for. */
static void add_verdict(struct strbuf *out, const struct page_summary *summary) {
    unsigned all = summary->up + summary->down + summary->pending;
    if (summary->down > 0) {
        strbuf_printf(out, "%u of %u down", summary->down, all);
    } else if (summary->pending > 0) {
        strbuf_printf(out, "%u of %u not sampled yet", summary->pending, all);
    } else if (summary->failing_collectors) {
        strbuf_printf(out, "%u up, some collectors fail", all);
    } else if (all == 0) {
        strbuf_add_text(out, "no targets");
    } else {
        strbuf_printf(out, "all %u up", all);
    }
}

static void add_alert_count(struct strbuf *out, const struct landing_alerts *alerts) {
    bool fire = alerts->firing > 0;
    size_t n = fire ? alerts->firing : alerts->pending;
    strbuf_printf(out, "%zu alert%s %s", n, n == 1 ? "" : "s",
                  !fire    ? "pending"
                  : n == 1 ? "fires"
                           : "fire");
}

/* Beside the verdict on the targets. */
static void add_alert_verdict(struct strbuf *out, const struct landing_alerts *alerts) {
    if (alerts->firing + alerts->pending > 0) {
        bool red = alerts->critical;
        strbuf_printf(out, "<p class=\"state %s\"><a href=\"#alerts\">", red ? "down" : "pending");
        add_alert_count(out, alerts);
        strbuf_add_text(out, "</a></p>\n");
    }
    if (alerts->failing_rules > 0) {
        strbuf_printf(out, "<p class=\"state pending\"><a href=\"#rules\">%zu rule%s</a></p>\n",
                      alerts->failing_rules, alerts->failing_rules == 1 ? " fails" : "s fail");
    }
}

static void add_pill(struct strbuf *out, bool red, const char *section, size_t n, const char *one,
                     const char *many) {
    if (n > 0) {
        strbuf_printf(out, "<p class=\"state %s\"><a href=\"#%s\">%zu %s</a></p>\n",
                      red ? "down" : "pending", section, n, n == 1 ? one : many);
    }
}

static void add_watch_verdict(struct strbuf *out, const struct landing_watch *watch) {
    add_pill(out, watch->lost, "failover", watch->unhealthy, "cluster is not healthy",
             "clusters are not healthy");
    add_pill(out, watch->urgent, "plans", watch->waiting, "failover waits for you",
             "failovers wait for you");
    add_pill(out, false, "breakers", watch->breakers, "breaker keeps calls back",
             "breakers keep calls back");
}

/* The title and the icon say it too, for a tab that nobody looks at. */
static void add_head(struct strbuf *out, const struct web *web) {
    struct page_summary summary = page_sum_up(web);
    struct landing_alerts alerts = landing_count_alerts(web);
    struct landing_watch watch = landing_count_watch(web);
    bool doubtful = summary.pending > 0 || summary.up == 0 || summary.failing_collectors;
    const char *state = summary.down > 0 ? "down" : doubtful ? "pending" : "up";
    bool red = summary.down > 0 || alerts.critical || watch.lost || watch.urgent;
    bool amber = doubtful || alerts.firing > 0 || alerts.failing_rules > 0 ||
                 watch.breakers + watch.unhealthy + watch.waiting > 0;
    const char *colour = red ? "c01c28" : amber ? "c88800" : "1b9f5b";
    strbuf_add_text(out, meta);
    strbuf_add_text(out, "<title>");
    add_verdict(out, &summary);
    if (alerts.firing > 0) {
        strbuf_add_text(out, ", ");
        add_alert_count(out, &alerts);
    }
    strbuf_printf(out,
                  " - dbvitals</title>\n<link rel=\"icon\" href=\"data:image/svg+xml,%%3Csvg "
                  "xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%%3E%%3Ccircle cx='8' "
                  "cy='8' r='7' fill='%%23%s'/%%3E%%3C/svg%%3E\">\n",
                  colour);
    strbuf_add_text(out, "<style>");
    strbuf_add(out, asset_status_style, sizeof(asset_status_style));
    strbuf_printf(
        out, "</style>\n</head>\n<body>\n<main>\n<header><h1>dbvitals</h1>\n<p class=\"state %s\">",
        state);
    add_verdict(out, &summary);
    strbuf_add_text(out, "</p>\n");
    add_alert_verdict(out, &alerts);
    add_watch_verdict(out, &watch);
    add_navigation(out, web);
    strbuf_add_text(out, "</header>\n");
}

static void add_footer(struct strbuf *out, const struct web *web) {
    char text[UTC_TEXT_BYTES];
    strbuf_printf(out, "<footer>As of %s; the page reloads every 15 seconds.</footer>\n",
                  utc_format(loop_now_ms(web->sources.loop), UTC_SHOWN, text));
}

static void add_target_table(struct strbuf *out, const struct web *web) {
    strbuf_add_text(out, "<h2 id=\"targets\">Targets</h2>\n<div "
                         "class=\"card\"><table>\n<thead><tr><th>Target</th><th>Health</th>"
                         "<th>Server</th><th>Role</th><th>Cluster</th><th>Address</th>"
                         "<th class=\"num\">Last round</th></tr></thead>\n<tbody>\n");
    if (add_targets(out, web, true) + add_targets(out, web, false) == 0) {
        strbuf_add_text(out, "<tr><td colspan=\"7\" class=\"why\">No target has been found yet. "
                             "Without a configuration, servers of this machine are looked for; "
                             "<code>dbvitals check-config</code> prints which.</td></tr>\n");
    }
    strbuf_add_text(out, "</tbody>\n</table></div>\n");
}

void page_landing(struct web *web, const struct web_request *request, struct web_answer *ret) {
    struct strbuf *out = &ret->text;
    ret->status = 200;
    ret->content_type = "text/html; charset=utf-8";
    web_answer_header(ret, "Content-Security-Policy", ASSET_STATUS_POLICY);
    watch_refresh(web->sources.watch);
    add_head(out, web);
    landing_add_alerts(out, web);
    landing_add_failover(out, web);
    landing_add_breakers(out, web);
    add_target_table(out, web);
    landing_add_rules(out, web);
    add_footer(out, web);
    strbuf_add_text(out, "</main>\n</body>\n</html>\n");
}

/* /alerts and /rules, where links in the field lead, are parts of the page. */
void page_section(struct web *web, const struct web_request *request, struct web_answer *ret) {
    CLEANUP(mem_freep)
    char *text =
        mem_printf("%s#%.*s", web->landing_url, (int)request->path.len - 1, request->path.data + 1);
    const char *url = arena_dup(request->arena, str_of(text)).data;
    ret->status = 302;
    ret->content_type = "text/plain; charset=utf-8";
    strbuf_printf(&ret->text, "it is at %s\n", url);
    web_answer_header(ret, "Location", url);
}
