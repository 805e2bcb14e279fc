/* SPDX-License-Identifier: Apache-2.0 */

/* The page at "/": every target with its health, and where the rest is. One self-contained document
 * without scripts; it loads itself again now and then. */
#include "web/pages.h"

#include <time.h>

#include "base/duration.h"
#include "base/mem.h"
#include "io/loop.h"
#include "web/server.h"

static const char meta[] =
    "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n"
    "<meta http-equiv=\"refresh\" content=\"15\">\n";

static const char style[] =
    "<style>\n"
    ":root{--ground:#f6f7f8;--card:#fff;--text:#1b2025;--soft:#5d6770;--line:#e2e5e8;"
    "--link:#1a5fb4;--up:#1b7f4b;--down:#c01c28;--pending:#8a6100}\n"
    "@media(prefers-color-scheme:dark){:root{--ground:#13161a;--card:#1c2126;--text:#e6e8ea;"
    "--soft:#9aa3ab;--line:#30363c;--link:#86b7f5;--up:#5fd39a;--down:#ff8085;"
    "--pending:#e5b454}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0;background:var(--ground);color:var(--text);"
    "font:15px/1.5 system-ui,-apple-system,sans-serif}\n"
    "main{max-width:70rem;margin:0 auto;padding:2rem 1.25rem}\n"
    "header{display:flex;flex-wrap:wrap;align-items:center;gap:.25rem 1rem;margin-bottom:1.25rem}\n"
    "h1{font-size:1.5rem;line-height:1.2;margin:0}\n"
    "header p{margin:0;padding:.15rem .8rem;border:1px solid;border-radius:1rem}\n"
    "nav{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;margin-left:auto}\n"
    "a{color:var(--link);text-decoration:none}\na:hover{text-decoration:underline}\n"
    ".card{background:var(--card);border:1px solid var(--line);border-radius:.6rem;"
    "overflow-x:auto}\n"
    "table{border-collapse:collapse;width:100%}\n"
    "th,td{text-align:left;padding:.55rem .9rem;border-top:1px solid var(--line);"
    "vertical-align:top}\n"
    "thead th{border-top:0;color:var(--soft);font-size:.8rem;font-weight:600;"
    "white-space:nowrap}\n"
    "tbody th{font-weight:600;overflow-wrap:anywhere;min-width:9.5rem}\n"
    "td{white-space:nowrap;font-variant-numeric:tabular-nums}\n"
    "td.health{white-space:normal;min-width:13rem}\n"
    ".num{text-align:right}\n"
    ".state{font-weight:600;white-space:nowrap}\n"
    ".state::before{content:\"\";display:inline-block;width:.6em;height:.6em;"
    "border-radius:50%;background:currentColor;margin-right:.5em}\n"
    ".up{color:var(--up)}\n.down{color:var(--down)}\n.pending{color:var(--pending)}\n"
    ".why{color:var(--soft);font-size:.85rem;overflow-wrap:anywhere}\n"
    "footer{color:var(--soft);font-size:.85rem;margin-top:1rem}\n"
    /* On a phone every target is a block of lines, each with its column's name. */
    "@media(max-width:60rem){main{padding:1.25rem .75rem}nav{margin-left:0}"
    "thead{display:none}tbody,tr,th,td{display:block}"
    "tr{padding:.6rem .9rem;border-top:1px solid var(--line)}tr:first-child{border-top:0}"
    "tbody th,td,td.health,td.num{border:0;padding:.1rem "
    "0;white-space:normal;overflow-wrap:anywhere;"
    "text-align:left}"
    "td:empty{display:none}td[data-is]::before{content:attr(data-is);color:var(--soft);"
    "font-size:.85rem;display:inline-block;width:6.5rem}}\n"
    "</style>\n</head>\n";

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
static void add_target_link(struct strbuf *out, const struct web *web, const char *name,
                            const char *label) {
    CLEANUP(mem_freep)
    char *path = mem_printf("%s?target=%s", web->telemetry_path, name);
    add_link(out, web, path, label);
}

/* name: of the column, where the page is too narrow for a head. */
static void add_cell(struct strbuf *out, const char *name, const char *text) {
    strbuf_printf(out, "<td data-is=\"%s\">", name);
    add_escaped(out, str_of(text != NULL ? text : ""));
    strbuf_add_text(out, "</td>");
}

/* "up", since when, and why not if it is down. */
static void add_state(struct strbuf *out, const struct web *web, const struct target_view *target) {
    const char *health = target_health_names[target->health];
    int64_t age_ms = loop_now_ms(web->sources.loop) - target->health_since_ms;
    strbuf_printf(out, "<td class=\"health\"><span class=\"state %s\">%s</span>", health, health);
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
    add_cell(out, "Role", role == ROLE_UNKNOWN ? NULL : server_role_names[role]);
    add_cell(out, "Cluster", target->options->cluster);
    add_cell(out, "Address", target->instance);
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

/* The title and the icon say it too, for a tab that nobody looks at. */
static void add_head(struct strbuf *out, const struct web *web) {
    struct page_summary summary = page_sum_up(web);
    bool doubtful = summary.pending > 0 || summary.up == 0 || summary.failing_collectors;
    const char *state = summary.down > 0 ? "down" : doubtful ? "pending" : "up";
    const char *colour = summary.down > 0 ? "c01c28" : doubtful ? "c88800" : "1b9f5b";
    strbuf_add_text(out, meta);
    strbuf_add_text(out, "<title>");
    add_verdict(out, &summary);
    strbuf_printf(out,
                  " - dbvitals</title>\n<link rel=\"icon\" href=\"data:image/svg+xml,%%3Csvg "
                  "xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%%3E%%3Ccircle cx='8' "
                  "cy='8' r='7' fill='%%23%s'/%%3E%%3C/svg%%3E\">\n",
                  colour);
    strbuf_add_text(out, style);
    strbuf_printf(out, "<body>\n<main>\n<header><h1>dbvitals</h1>\n<p class=\"state %s\">", state);
    add_verdict(out, &summary);
    strbuf_add_text(out, "</p>\n");
    add_navigation(out, web);
    strbuf_add_text(out, "</header>\n");
}

static void add_footer(struct strbuf *out, const struct web *web) {
    char text[40];
    struct tm parts;
    time_t now = (time_t)(loop_now_ms(web->sources.loop) / 1000);
    if (gmtime_r(&now, &parts) != NULL &&
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &parts) > 0) {
        strbuf_printf(out, "<footer>As of %s; the page reloads every 15 seconds.</footer>\n", text);
    }
}

void page_landing(struct web *web, const struct web_request *request, struct web_answer *ret) {
    struct strbuf *out = &ret->text;
    ret->status = 200;
    ret->content_type = "text/html; charset=utf-8";
    web_answer_header(ret, "Content-Security-Policy",
                      "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
                      "frame-ancestors 'none'");
    add_head(out, web);
    strbuf_add_text(out, "<div class=\"card\"><table>\n<thead><tr><th>Target</th><th>Health</th>"
                         "<th>Server</th><th>Role</th><th>Cluster</th><th>Address</th>"
                         "<th class=\"num\">Last round</th></tr></thead>\n<tbody>\n");
    if (add_targets(out, web, true) + add_targets(out, web, false) == 0) {
        strbuf_add_text(out, "<tr><td colspan=\"7\" class=\"why\">No target has been found yet. "
                             "Without a configuration, servers of this machine are looked for; "
                             "<code>dbvitals check-config</code> prints which.</td></tr>\n");
    }
    strbuf_add_text(out, "</tbody>\n</table></div>\n");
    add_footer(out, web);
    strbuf_add_text(out, "</main>\n</body>\n</html>\n");
}
