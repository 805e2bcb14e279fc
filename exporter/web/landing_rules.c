/* SPDX-License-Identifier: Apache-2.0 */

#include "web/landing_rules.h"

#include <stdlib.h>

#include "base/escape.h"
#include "base/mem.h"
#include "base/utc.h"
#include "io/loop.h"
#include "web/html.h"

/* A group is late when it was not evaluated for so many of its intervals, and a moment. */
#define LATE_INTERVALS 3
#define LATE_MS        5000

/* ---- alerts in the order in which somebody wants to see them ---- */

enum rank {
    FIRING_CRITICAL,
    FIRING_WARNING,
    FIRING_OTHER,
    PENDING_CRITICAL,
    PENDING_WARNING,
    PENDING_OTHER,
    ONLY_A_SIGN, /* severity "none" */
    RANKS
};

static struct str text_of(const struct label *labels, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++) {
        if (str_is(labels[i].name, name)) {
            return labels[i].value;
        }
    }
    return str_of("");
}

/* One that is over is kept for a while, but is no alert for anybody who looks. */
static bool is_active(const struct alert_view *alert) {
    return alert->state != ALERT_INACTIVE && alert->resolved_ms == 0;
}

static enum rank rank_of(const struct alert_view *alert) {
    struct str severity = text_of(alert->labels, alert->n_labels, "severity");
    if (str_is(severity, "none")) {
        return ONLY_A_SIGN;
    }
    int behind = str_is(severity, "critical") ? 0 : str_is(severity, "warning") ? 1 : 2;
    return (alert->state == ALERT_FIRING ? FIRING_CRITICAL : PENDING_CRITICAL) + (enum rank)behind;
}

static void visit(const struct rules *rules,
                  void (*seen)(void *userdata, const struct alert_view *alert), void *userdata) {
    for (size_t i = 0; rules != NULL && i < rules_groups(rules); i++) {
        for (size_t k = 0; k < rules_group(rules, i).group->n_rules; k++) {
            size_t n = rules_rule(rules, i, k).n_alerts;
            for (size_t j = 0; j < n; j++) {
                struct alert_view alert = rules_alert(rules, i, k, j);
                if (is_active(&alert)) {
                    seen(userdata, &alert);
                }
            }
        }
    }
}

static void count(void *userdata, const struct alert_view *alert) {
    struct landing_alerts *sum = userdata;
    enum rank rank = rank_of(alert);
    sum->firing += rank < PENDING_CRITICAL;
    sum->pending += rank >= PENDING_CRITICAL && rank < ONLY_A_SIGN;
    sum->critical |= rank == FIRING_CRITICAL;
}

struct landing_alerts landing_count_alerts(const struct web *web) {
    const struct rules *rules = web->sources.rules;
    struct landing_alerts sum = {0};
    visit(rules, count, &sum);
    for (size_t i = 0; rules != NULL && i < rules_groups(rules); i++) {
        for (size_t k = 0; k < rules_group(rules, i).group->n_rules; k++) {
            sum.failing_rules += rules_rule(rules, i, k).health == RULE_ERROR;
        }
    }
    return sum;
}

/* The first of each rank, so that one storm hides no other alert. */
struct ranked {
    struct alert_view alerts[RANKS][LANDING_MOST_ALERTS];
    size_t n[RANKS];
    size_t total;
};

static void take(void *userdata, const struct alert_view *alert) {
    struct ranked *ranked = userdata;
    enum rank rank = rank_of(alert);
    ranked->total++;
    if (ranked->n[rank] < LANDING_MOST_ALERTS) {
        ranked->alerts[rank][ranked->n[rank]++] = *alert;
    }
}

static int newest_first(const void *a, const void *b) {
    const struct alert_view *left = a, *right = b;
    return (left->active_ms < right->active_ms) - (left->active_ms > right->active_ms);
}

/* ---- one alert ---- */

static void add_graph_link(struct strbuf *out, const struct web *web, struct str expr,
                           struct str label) {
    strbuf_add_text(out, "<a href=\"");
    html_escape(out, str_of(web->link_prefix));
    strbuf_add_text(out, "/graph?g0.expr=");
    /* Nothing is left that could mean something in HTML either. */
    strbuf_add_percent(out, expr, URL_UNRESERVED);
    strbuf_add_text(out, "&#38;g0.tab=0&#38;g0.range_input=1h\">");
    html_escape(out, label);
    strbuf_add_text(out, "</a>");
}

static void add_labels(struct strbuf *out, const struct alert_view *alert) {
    strbuf_add_text(out, "<div class=\"labels\">");
    for (size_t i = 0; i < alert->n_labels; i++) {
        const struct label *label = &alert->labels[i];
        if (!str_is(label->name, "alertname") && !str_is(label->name, "severity")) {
            strbuf_add_text(out, "<span><b>");
            html_escape(out, label->name);
            strbuf_add_text(out, "</b> ");
            html_escape(out, label->value);
            strbuf_add_text(out, "</span>");
        }
    }
    strbuf_add_text(out, "</div>");
}

void landing_add_text(struct strbuf *out, const char *class, struct str text) {
    if (text.len > 0) {
        strbuf_printf(out, "<div class=\"%s\">", class);
        html_escape(out, text);
        strbuf_add_text(out, "</div>");
    }
}

void landing_add_cell(struct strbuf *out, const char *name, const char *text) {
    strbuf_printf(out, "<td data-is=\"%s\">", name);
    html_escape(out, str_of(text != NULL ? text : ""));
    strbuf_add_text(out, "</td>");
}

/* A link only when it is one for sure: annotations are made of what servers say. */
static void add_runbook(struct strbuf *out, struct str url) {
    bool is_link = str_starts_with(url, "http://") || str_starts_with(url, "https://");
    if (url.len == 0) {
        return;
    }
    strbuf_add_text(out, "<div class=\"why\">");
    if (is_link) {
        strbuf_add_text(out, "<a rel=\"noreferrer\" href=\"");
        html_escape(out, url);
        strbuf_add_text(out, "\">What to do</a></div>");
    } else {
        strbuf_add_text(out, "What to do: ");
        html_escape(out, url);
        strbuf_add_text(out, "</div>");
    }
}

/* Bytes and counts with all their digits. */
static void add_value(struct strbuf *out, double value) {
    bool whole = value > -1e15 && value < 1e15 && value == (double)(int64_t)value;
    strbuf_printf(out,
                  whole ? "<td class=\"num\" data-is=\"Value\">%.0f</td>"
                        : "<td class=\"num\" data-is=\"Value\">%.6g</td>",
                  value);
}

void landing_add_since(struct strbuf *out, int64_t since_ms, int64_t now_ms) {
    char text[UTC_TEXT_BYTES];
    bool recent = now_ms - since_ms < 72000000;
    strbuf_add_text(out, "<td class=\"line\" data-is=\"Since\">");
    html_age(out, now_ms - since_ms);
    strbuf_printf(out, " <div class=\"why\">%s UTC</div></td>",
                  utc_format(since_ms, recent ? "%H:%M:%S" : "%b %d %H:%M", text));
}

static void add_state(struct strbuf *out, const struct alert_view *alert, int64_t now_ms) {
    const char *state = alert_state_names[alert->state];
    strbuf_printf(out, "<td class=\"line\"><span class=\"state %s\">%s</span>",
                  rank_of(alert) == ONLY_A_SIGN ? "none" : state, state);
    landing_add_text(out, "why", text_of(alert->labels, alert->n_labels, "severity"));
    if (alert->restored) {
        strbuf_add_text(out, "<div class=\"why\">as before the restart</div>");
    } else if (alert->keep_firing_since_ms != 0) {
        strbuf_add_text(out, "<div class=\"why\">kept, over for ");
        html_age(out, now_ms - alert->keep_firing_since_ms);
        strbuf_add_text(out, "</div>");
    }
    strbuf_add_text(out, "</td>");
}

static void add_alert(struct strbuf *out, const struct web *web, const struct alert_view *alert) {
    int64_t now_ms = loop_now_ms(web->sources.loop);
    strbuf_add_text(out, "<tr>");
    add_state(out, alert, now_ms);
    strbuf_add_text(out, "<td class=\"wide\"><b>");
    add_graph_link(out, web, alert->query, text_of(alert->labels, alert->n_labels, "alertname"));
    strbuf_add_text(out, "</b>");
    landing_add_text(out, "summary", text_of(alert->annotations, alert->n_annotations, "summary"));
    landing_add_text(out, "why", text_of(alert->annotations, alert->n_annotations, "description"));
    add_runbook(out, text_of(alert->annotations, alert->n_annotations, "runbook_url"));
    add_labels(out, alert);
    strbuf_add_text(out, "</td>");
    landing_add_since(out, alert->active_ms, now_ms);
    add_value(out, alert->value);
    strbuf_add_text(out, "</tr>\n");
}

void landing_add_rest(struct strbuf *out, const struct web *web, size_t rest, const char *path,
                      unsigned columns) {
    if (rest > 0) {
        strbuf_printf(out, "<tr><td colspan=\"%u\" class=\"why\">and %zu more: <a href=\"", columns,
                      rest);
        html_escape(out, str_of(web->link_prefix));
        strbuf_printf(out, "%s\">all of them as JSON</a></td></tr>\n", path);
    }
}

void landing_add_alerts(struct strbuf *out, const struct web *web) {
    struct ranked *ranked = mem_alloc(sizeof(*ranked));
    size_t shown = 0;
    visit(web->sources.rules, take, ranked);
    strbuf_add_text(out, "<h2 id=\"alerts\">Alerts</h2>\n<div class=\"card\"><table>\n<thead><tr>"
                         "<th>State</th><th>Alert</th><th>Since</th><th class=\"num\">Value</th>"
                         "</tr></thead>\n<tbody>\n");
    for (size_t rank = 0; rank < RANKS; rank++) {
        qsort(ranked->alerts[rank], ranked->n[rank], sizeof(struct alert_view), newest_first);
        for (size_t i = 0; i < ranked->n[rank] && shown < LANDING_MOST_ALERTS; i++, shown++) {
            add_alert(out, web, &ranked->alerts[rank][i]);
        }
    }
    if (shown == 0) {
        strbuf_add_text(out, "<tr><td colspan=\"4\" class=\"why\">No alert is pending or "
                             "fires.</td></tr>\n");
    }
    landing_add_rest(out, web, ranked->total - shown, "/api/v1/alerts", 4);
    strbuf_add_text(out, "</tbody>\n</table></div>\n");
    free(ranked);
}

/* ---- groups ---- */

/* How a group is, in a word that is also its class. */
static const char *health_of(const struct rules *rules, size_t index, int64_t now_ms) {
    struct group_view view = rules_group(rules, index);
    for (size_t i = 0; i < view.group->n_rules; i++) {
        if (rules_rule(rules, index, i).health == RULE_ERROR) {
            return "failing";
        }
    }
    if (view.last_ms == 0) {
        return "waiting";
    }
    bool late = now_ms - view.last_ms > LATE_INTERVALS * view.group->interval_ms + LATE_MS;
    return late ? "late" : "ok";
}

static void add_errors(struct strbuf *out, const struct web *web, size_t index) {
    const struct rules *rules = web->sources.rules;
    for (size_t i = 0; i < rules_group(rules, index).group->n_rules; i++) {
        struct rule_view view = rules_rule(rules, index, i);
        if (view.health == RULE_ERROR) {
            strbuf_add_text(out, "<div class=\"why\">");
            add_graph_link(out, web, view.rule->query, view.rule->name);
            strbuf_add_text(out, ": ");
            html_escape(out, str_of(view.error != NULL ? view.error : "no reason is known"));
            strbuf_add_text(out, "</div>");
        }
    }
}

static void add_group(struct strbuf *out, const struct web *web, size_t index, const char *health,
                      int64_t now_ms) {
    struct group_view view = rules_group(web->sources.rules, index);
    bool bad = str_is(str_of(health), "failing"), good = str_is(str_of(health), "ok");
    strbuf_add_text(out, "<tr><th scope=\"row\">");
    html_escape(out, view.group->name);
    landing_add_text(out, "why", view.group->file);
    strbuf_printf(out, "</th><td class=\"wide\"><span class=\"state %s\">%s</span>",
                  bad    ? "err"
                  : good ? "ok"
                         : "pending",
                  health);
    add_errors(out, web, index);
    strbuf_printf(out, "</td><td class=\"num\" data-is=\"Rules\">%zu</td>", view.group->n_rules);
    strbuf_add_text(out, "<td data-is=\"Evaluated\">");
    if (view.last_ms > 0) {
        html_age(out, now_ms - view.last_ms);
        strbuf_add_text(out, " ago, ");
    }
    strbuf_add_text(out, "every ");
    html_age(out, view.group->interval_ms);
    strbuf_add_text(out, "</td><td class=\"num\" data-is=\"Took\">");
    if (view.last_ms > 0) {
        strbuf_printf(out, "%.1f ms", view.seconds * 1000);
    }
    strbuf_add_text(out, "</td></tr>\n");
}

/* Groups that are well stand behind the others. Return: how many were added. */
static size_t add_groups(struct strbuf *out, const struct web *web, bool well, size_t most) {
    const struct rules *rules = web->sources.rules;
    int64_t now_ms = loop_now_ms(web->sources.loop);
    size_t added = 0;
    for (size_t i = 0; i < rules_groups(rules) && added < most; i++) {
        const char *health = health_of(rules, i, now_ms);
        if (str_is(str_of(health), "ok") == well) {
            add_group(out, web, i, health, now_ms);
            added++;
        }
    }
    return added;
}

void landing_add_rules(struct strbuf *out, const struct web *web) {
    size_t n = web->sources.rules != NULL ? rules_groups(web->sources.rules) : 0;
    strbuf_add_text(out, "<h2 id=\"rules\">Rules</h2>\n<div class=\"card\"><table>\n<thead><tr>"
                         "<th>Group</th><th>Health</th><th class=\"num\">Rules</th>"
                         "<th>Evaluated</th><th class=\"num\">Took</th></tr></thead>\n"
                         "<tbody>\n");
    if (n == 0) {
        strbuf_add_text(out, "<tr><td colspan=\"5\" class=\"why\">No rules are loaded; "
                             "<code>rules.files</code> of the configuration names them."
                             "</td></tr>\n");
    } else {
        size_t shown = add_groups(out, web, false, LANDING_MOST_GROUPS);
        shown += add_groups(out, web, true, LANDING_MOST_GROUPS - shown);
        landing_add_rest(out, web, n - shown, "/api/v1/rules", 5);
    }
    strbuf_add_text(out, "</tbody>\n</table></div>\n");
}
