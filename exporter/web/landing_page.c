/* SPDX-License-Identifier: Apache-2.0 */

/* The page at "/": every target with its health, and where the rest is. One self-contained document
 * without scripts; it loads itself again now and then. */
#include "web/pages.h"

#include "base/duration.h"
#include "base/mem.h"
#include "io/loop.h"
#include "web/server.h"

static const char head[] =
    "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta http-equiv=\"refresh\" content=\"15\">\n<title>dbvitals</title>\n<style>\n"
    ":root{--ground:#fbfbfa;--card:#fff;--text:#1d2125;--soft:#667079;--line:#e4e6e8;--link:#"
    "1a5fb4;"
    "--up:#1b7f4b;--down:#c01c28;--pending:#94690a}\n"
    "@media(prefers-color-scheme:dark){:root{--ground:#15181b;--card:#1d2125;--text:#e6e8ea;"
    "--soft:#98a1a9;--line:#32383d;--link:#86b7f5;--up:#5fd39a;--down:#ff7b80;--pending:#e5b454}}\n"
    "*{box-sizing:border-box}\nbody{margin:0;background:var(--ground);color:var(--text);"
    "font:15px/1.5 system-ui,sans-serif}\n"
    "main{max-width:66rem;margin:0 auto;padding:2.5rem 1.25rem}\n"
    "h1{font-size:1.5rem;margin:0}\np{color:var(--soft);margin:.25rem 0 1.5rem}\n"
    "a{color:var(--link);text-decoration:none}\na:hover{text-decoration:underline}\n"
    "nav{display:flex;flex-wrap:wrap;gap:.35rem 1.25rem;margin:0 0 1.5rem}\n"
    ".card{background:var(--card);border:1px solid var(--line);border-radius:.6rem;"
    "overflow-x:auto}\n"
    "table{border-collapse:collapse;width:100%}\n"
    "th,td{text-align:left;padding:.55rem .9rem;border-top:1px solid var(--line);"
    "vertical-align:top}\n"
    "thead th{border-top:0;color:var(--soft);font-size:.8rem;font-weight:600}\n"
    ".state{white-space:nowrap;font-weight:600}\n.state::before{content:\"\";"
    "display:inline-block;width:.6em;height:.6em;border-radius:50%;background:currentColor;"
    "margin-right:.5em}\n"
    ".up{color:var(--up)}\n.down{color:var(--down)}\n.pending{color:var(--pending)}\n"
    ".why{color:var(--soft);font-size:.85rem;overflow-wrap:anywhere}\n"
    ".num{white-space:nowrap;font-variant-numeric:tabular-nums}\n"
    "</style>\n</head>\n<body>\n<main>\n<h1>dbvitals</h1>\n";

/* For text and for attributes in double quotes. */
static void add_escaped(struct strbuf *out, struct str text) {
    for (size_t i = 0; i < text.len;) {
        size_t len = utf8_length(text.data + i, text.len - i);
        char c = text.data[i];
        if (len == 0) {
            strbuf_add_text(out, "&#xfffd;");
            len = 1;
        } else if (c == '&' || c == '<' || c == '>' || c == '"' || c == '\'') {
            strbuf_printf(out, "&#%d;", c);
        } else {
            strbuf_add(out, text.data + i, len);
        }
        i += len;
    }
}

static void add_link(struct strbuf *out, const struct web *web, const char *path,
                     const char *label) {
    strbuf_add_text(out, "<a href=\"");
    add_escaped(out, str_of(web->link_prefix));
    add_escaped(out, str_of(path));
    strbuf_add_text(out, "\">");
    add_escaped(out, str_of(label));
    strbuf_add_text(out, "</a>\n");
}

/* Names of targets consist of characters that need no escape in a URL. */
static void add_target_link(struct strbuf *out, const struct web *web, const char *name) {
    CLEANUP(mem_freep)
    char *path = mem_printf("%s?target=%s", web->telemetry_path, name);
    add_link(out, web, path, name);
}

static void add_cell(struct strbuf *out, const char *text) {
    strbuf_add_text(out, "<td>");
    add_escaped(out, str_of(text != NULL ? text : ""));
    strbuf_add_text(out, "</td>");
}

/* "up", since when, and why not if it is down. */
static void add_state(struct strbuf *out, const struct web *web, const struct target_view *target) {
    const char *health = target_health_names[target->health];
    int64_t age_ms = loop_now_ms(web->sources.loop) - target->health_since_ms;
    strbuf_printf(out, "<td><span class=\"state %s\">%s</span>", health, health);
    if (target->health_since_ms > 0 && age_ms >= 0) {
        char age[32];
        uint64_t seconds = (uint64_t)age_ms / 1000;
        /* Two units are enough for people. */
        seconds -= seconds >= 86400 ? seconds % 3600 : seconds >= 3600 ? seconds % 60 : 0;
        strbuf_printf(out, " <span class=\"why\">for %s</span>",
                      duration_format(seconds * USEC_PER_SEC, age));
    }
    if (target->health == TARGET_DOWN && error_is_set(&target->last_failure.error)) {
        strbuf_add_text(out, "<div class=\"why\">");
        add_escaped(out, str_of(target->last_failure.error.text));
        strbuf_add_text(out, "</div>");
    } else if (page_breaker_is_open(target)) {
        strbuf_add_text(out, "<div class=\"why\">sampling is held back by its breaker</div>");
    } else if (target->failed_collectors > 0) {
        strbuf_printf(out, "<div class=\"why\">failing collectors: %zu</div>",
                      target->failed_collectors);
    }
    strbuf_add_text(out, "</td>");
}

static void add_target(struct strbuf *out, const struct web *web,
                       const struct target_view *target) {
    int64_t role = ROLE_UNKNOWN;
    facts_get(&target->facts, FACT_ROLE, &role);
    strbuf_add_text(out, "<tr><td>");
    add_target_link(out, web, target->options->name);
    strbuf_add_text(out, "</td>");
    add_state(out, web, target);
    add_cell(out, target_kind_names[target->options->kind]);
    add_cell(out, role == ROLE_UNKNOWN ? NULL : server_role_names[role]);
    add_cell(out, target->options->cluster);
    add_cell(out, target->instance);
    if (target->last_round_ms > 0) {
        strbuf_printf(out, "<td class=\"num\">%.1f ms</td>", target->last_round_seconds * 1000);
    } else {
        add_cell(out, NULL);
    }
    strbuf_add_text(out, "</tr>\n");
}

static void add_navigation(struct strbuf *out, const struct web *web) {
    strbuf_add_text(out, "<nav>\n");
    add_link(out, web, web->telemetry_path, "All metrics");
    add_target_link(out, web, TARGET_SELF);
    add_link(out, web, "/metrics/json", "As JSON");
    add_link(out, web, "/health", "Health");
    add_link(out, web, "/health/detailed", "Health in detail");
    add_link(out, web, "/-/ready", "Ready");
    add_link(out, web, "/sd", "Service discovery");
    strbuf_add_text(out, "</nav>\n");
}

void page_landing(struct web *web, const struct web_request *request, struct web_answer *ret) {
    const struct sampler *sampler = web->sources.sampler;
    struct strbuf *out = &ret->text;
    size_t shown = 0;
    ret->status = 200;
    ret->content_type = "text/html; charset=utf-8";
    web_answer_header(ret, "Content-Security-Policy",
                      "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");
    strbuf_add_text(out, head);
    strbuf_add_text(out, "<p>Health and metrics of databases, poolers and caches.</p>\n");
    add_navigation(out, web);
    strbuf_add_text(out, "<div class=\"card\"><table>\n<thead><tr><th>Target</th><th>Health</th>"
                         "<th>Type</th><th>Role</th><th>Cluster</th><th>Address</th>"
                         "<th>Last round</th></tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < sampler_targets(sampler); i++) {
        const struct target_view *target = sampler_target(sampler, i);
        if (page_shows(target)) {
            add_target(out, web, target);
            shown++;
        }
    }
    if (shown == 0) {
        strbuf_add_text(out, "<tr><td colspan=\"7\" class=\"why\">No target has been found yet."
                             "</td></tr>\n");
    }
    strbuf_add_text(out, "</tbody>\n</table></div>\n</main>\n</body>\n</html>\n");
}
