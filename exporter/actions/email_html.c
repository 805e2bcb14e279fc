/* SPDX-License-Identifier: Apache-2.0 */

/* Programs that show mails know little of HTML: tables for the layout, styles in each element, and
 * what only newer ones understand (dark colours, narrow screens) in <style>. */
#include "actions/email_body.h"
#include "actions/wording.h"
#include "base/escape.h"
#include "base/number.h"

#define FONT                                                                                       \
    "font-family:-apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;"
#define MONO "font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;"

/* White text can be read on each. */
static const char *const shades[] = {[SEVERITY_CRITICAL] = "#b42318",
                                     [SEVERITY_ERROR] = "#b93815",
                                     [SEVERITY_WARNING] = "#93560a",
                                     [SEVERITY_INFO] = "#1f5fbf"};
#define OVER_SHADE "#1a7a47"

static const char head[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n"
    "<meta name=\"supported-color-schemes\" content=\"light dark\">\n"
    "<style>\n:root{color-scheme:light dark}\n"
    "@media (prefers-color-scheme:dark){\n"
    ".page{background:#111417!important}\n"
    ".card{background:#1b1f24!important}\n"
    ".rule{border-color:#30363d!important}\n"
    ".ink{color:#e8eaed!important}\n"
    ".soft{color:#a3abb4!important}\n"
    ".chip{background:#2a3038!important;color:#d3d8de!important}\n"
    ".link{color:#84b8ff!important}\n}\n"
    "@media (max-width:480px){\n.outer{padding:0!important}\n"
    ".pad{padding-left:16px!important;padding-right:16px!important}\n"
    ".round{border-radius:0!important}\n}\n</style>\n";

static const struct escape escapes[] = {{'&', "&amp;"},  {'<', "&lt;"},   {'>', "&gt;"},
                                        {'"', "&quot;"}, {'\'', "&#39;"}, {'\n', "<br>\n"},
                                        {0, NULL}};

static void add_line(struct strbuf *out, struct str text, size_t most_bytes) {
    struct strbuf cut = {0};
    wording_add_line(&cut, str_trim(text), most_bytes);
    strbuf_add_escaped(out, strbuf_view(&cut), escapes);
    strbuf_deinit(&cut);
}

static void add_lines(struct strbuf *out, struct str text, size_t most_bytes) {
    struct strbuf cut = {0};
    wording_add(&cut, str_trim(text), most_bytes);
    strbuf_add_escaped(out, strbuf_view(&cut), escapes);
    strbuf_deinit(&cut);
}

static const char *shade_of(enum severity severity, bool over) {
    return over ? OVER_SHADE : shades[severity];
}

static void add_link(struct strbuf *out, struct str url, const char *word) {
    if (wording_is_link(url)) {
        strbuf_add_text(out, "<a class=\"link\" href=\"");
        strbuf_add_escaped(out, url, escapes);
        strbuf_printf(out,
                      "\" style=\"color:#1f5fbf;text-decoration:underline;white-space:nowrap;"
                      "display:inline-block;padding:4px 16px 4px 0;\">%s</a>",
                      word);
    }
}

/* ---- an alert ---- */

static void add_chips(struct strbuf *out, const struct notification_alert *alert) {
    strbuf_add_text(out, "<div style=\"margin-top:10px;font-size:12px;line-height:24px;\">");
    for (size_t i = 0; i < alert->n_labels && i < EMAIL_MOST_LABELS; i++) {
        const struct label *label = &alert->labels[i];
        if (str_is(label->name, "alertname") || str_is(label->name, "severity")) {
            continue;
        }
        strbuf_add_text(out,
                        "<span class=\"chip\" style=\"" MONO
                        "display:inline-block;background:#eef1f4;color:#3d4650;border-radius:4px;"
                        "padding:0 7px;margin:0 5px 5px 0;line-height:22px;"
                        "word-break:break-word;\">");
        add_line(out, label->name, EMAIL_MOST_NAME_BYTES);
        strbuf_add_text(out, "=");
        add_line(out, label->value, EMAIL_MOST_VALUE_BYTES);
        strbuf_add_text(out, "</span>\n");
    }
    strbuf_add_text(out, "</div>");
}

static void add_times(struct strbuf *out, const struct notification_alert *alert, int64_t now_ms) {
    char value[NUMBER_TEXT_SIZE];
    (void)number_format(alert->value, value);
    strbuf_add_text(out, "<div class=\"soft\" style=\"color:#5b6570;font-size:13px;"
                         "margin-top:8px;\">");
    if (alert->resolved) {
        strbuf_add_text(out, "over since ");
        wording_add_time(out, alert->ends_ms);
        strbuf_add_text(out, ", lasted ");
        wording_add_duration(out, alert->ends_ms - alert->starts_ms);
    } else {
        strbuf_add_text(out, "for ");
        wording_add_duration(out, now_ms - alert->starts_ms);
        strbuf_add_text(out, ", since ");
        wording_add_time(out, alert->starts_ms);
    }
    strbuf_printf(out, " &middot; value %s</div>", value);
}

static void add_alert(struct strbuf *out, const struct channel *channel,
                      const struct notification_alert *alert, int64_t now_ms) {
    struct str summary = wording_annotation(alert, "summary");
    struct str description = wording_annotation(alert, "description");
    enum severity severity = severity_of(alert);
    const char *shade = shade_of(severity, alert->resolved);
    struct strbuf url = {0};
    strbuf_printf(out,
                  "<tr><td class=\"card rule pad\" style=\"background:#ffffff;padding:18px 24px;"
                  "border-bottom:1px solid #e3e7eb;\">\n<div class=\"ink\" "
                  "style=\"color:#1b2127;font-size:16px;line-height:22px;font-weight:600;"
                  "word-break:break-word;\">"
                  "<span style=\"background:%s;color:#ffffff;border-radius:4px;"
                  "padding:2px 8px;margin:0 8px 3px 0;font-size:12px;font-weight:600;"
                  "display:inline-block;line-height:18px;\">%s</span>",
                  shade, alert->resolved ? "over" : severity_names[severity]);
    add_line(out, wording_label(alert, "alertname"), EMAIL_MOST_NAME_BYTES);
    strbuf_add_text(out, "</div>\n");
    if (summary.len > 0) {
        strbuf_add_text(out, "<div class=\"ink\" style=\"color:#1b2127;font-size:15px;"
                             "line-height:22px;margin-top:8px;word-break:break-word;\">");
        add_lines(out, summary, EMAIL_MOST_SUMMARY_BYTES);
        strbuf_add_text(out, "</div>\n");
    }
    if (description.len > 0 && !str_equal(description, summary)) {
        strbuf_add_text(out, "<div class=\"soft\" style=\"color:#5b6570;font-size:14px;"
                             "line-height:20px;margin-top:6px;word-break:break-word;\">");
        add_lines(out, description, EMAIL_MOST_DETAIL_BYTES);
        strbuf_add_text(out, "</div>\n");
    }
    add_times(out, alert, now_ms);
    add_chips(out, alert);
    strbuf_add_text(out, "<div style=\"font-size:14px;margin-top:4px;\">");
    add_link(out, wording_annotation(alert, "runbook_url"), "Runbook");
    wording_add_expression_url(&url, channel->parts.external_url, alert->query);
    add_link(out, strbuf_view(&url), "Expression");
    strbuf_add_text(out, "</div></td></tr>\n");
    strbuf_deinit(&url);
}

/* ---- the page ---- */

/* What stands beside the subject in a list of mails. */
static void add_preview(struct strbuf *out, const struct notification *notification) {
    strbuf_add_text(out, "<div style=\"display:none;max-height:0;overflow:hidden;\">");
    if (notification->n_alerts > 0) {
        add_line(out, wording_annotation(&notification->alerts[0], "summary"),
                 EMAIL_MOST_VALUE_BYTES);
    }
    strbuf_add_text(out, "</div>\n");
}

static void add_banner(struct strbuf *out, const struct notification *notification) {
    struct strbuf title = {0};
    bool over = notification_is_resolved(notification);
    wording_title(notification, &title);
    struct str rest = strbuf_view(&title);
    (void)str_cut(&rest, ']');
    strbuf_printf(out,
                  "<tr><td class=\"pad round\" style=\"background:%s;color:#ffffff;"
                  "padding:20px 24px;border-radius:8px 8px 0 0;\">\n"
                  "<div style=\"font-size:21px;line-height:28px;font-weight:600;color:#ffffff;"
                  "word-break:break-word;\">",
                  shade_of(severity_worst(notification), over));
    strbuf_add_escaped(out, str_trim(rest), escapes);
    strbuf_add_text(out, "</div>\n<div style=\"font-size:14px;line-height:20px;margin-top:4px;"
                         "color:#ffffff;\">");
    wording_count(notification, out);
    strbuf_add_text(out, "</div></td></tr>\n");
    strbuf_deinit(&title);
}

static void add_footer(struct strbuf *out, const struct channel *channel,
                       const struct notification *notification) {
    strbuf_add_text(out, "<tr><td class=\"soft pad\" style=\"color:#5b6570;font-size:12px;"
                         "line-height:18px;padding:14px 24px;\">");
    add_link(out, channel->parts.external_url, "Open dbvitals");
    strbuf_add_text(out, "receiver ");
    add_line(out, str_of(channel->receiver), EMAIL_MOST_NAME_BYTES);
    strbuf_add_text(out, ", ");
    wording_add_time(out, notification->made_ms);
    strbuf_add_text(out, "</td></tr>\n");
}

void email_html(const struct channel *channel, const struct notification *notification,
                struct strbuf *out) {
    strbuf_add_text(out, head);
    strbuf_add_text(out, "</head>\n<body class=\"page\" style=\"margin:0;padding:0;"
                         "background:#f0f2f4;\">\n");
    add_preview(out, notification);
    strbuf_add_text(out,
                    "<table role=\"presentation\" class=\"page\" width=\"100%\" "
                    "cellpadding=\"0\" cellspacing=\"0\" border=\"0\" "
                    "style=\"background:#f0f2f4;\"><tr><td align=\"center\" class=\"outer\" "
                    "style=\"padding:24px 12px;\">\n"
                    "<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" "
                    "cellspacing=\"0\" border=\"0\" style=\"max-width:600px;text-align:left;" FONT
                    "\">\n");
    add_banner(out, notification);
    size_t shown = 0;
    for (; shown < notification->n_alerts && shown < EMAIL_MOST_ALERTS; shown++) {
        add_alert(out, channel, &notification->alerts[shown], notification->made_ms);
    }
    if (shown < notification->n_alerts) {
        strbuf_printf(out,
                      "<tr><td class=\"card soft pad\" style=\"background:#ffffff;color:#5b6570;"
                      "padding:14px 24px;font-size:14px;\">and %zu more</td></tr>\n",
                      notification->n_alerts - shown);
    }
    add_footer(out, channel, notification);
    strbuf_add_text(out, "</table></td></tr></table></body></html>\n");
}
