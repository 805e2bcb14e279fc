/* SPDX-License-Identifier: Apache-2.0 */

/* A message for an incoming webhook of Slack, also understood by Mattermost and Rocket.Chat: one
 * attachment, whose coloured bar says at a glance how bad it is. */
#include "actions/alert_note.h"
#include "actions/channel_type.h"
#include "actions/wording.h"
#include "base/escape.h"
#include "base/json.h"

#define MOST_ALERTS        10
#define MOST_TEXT_BYTES    3000 /* Slack folds longer ones */
#define MOST_SUMMARY_BYTES 300
#define MOST_DETAIL_BYTES  500
#define MOST_FIELDS        8
#define MOST_NAME_BYTES    60
#define MOST_VALUE_BYTES   120
#define SHORT_VALUE_BYTES  28 /* two of these stand side by side */

static const char *const colors[] = {[SEVERITY_CRITICAL] = "#c81e1e",
                                     [SEVERITY_ERROR] = "#e0531f",
                                     [SEVERITY_WARNING] = "#e6a700",
                                     [SEVERITY_INFO] = "#3576d8"};
#define OVER_COLOR "#2e8b57"

/* Its markup has no escapes but these; without them "<!channel>" in a label would wake everybody.
 */
static const struct escape escapes[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {0, NULL}};

static void add(struct strbuf *out, struct str text, size_t most_bytes, bool one_line) {
    struct strbuf cut = {0};
    (one_line ? wording_add_line : wording_add)(&cut, text, most_bytes);
    strbuf_add_escaped(out, strbuf_view(&cut), escapes);
    strbuf_deinit(&cut);
}

static void add_link(struct strbuf *out, struct str url, const char *word) {
    if (wording_is_link(url)) {
        strbuf_add_text(out, " <");
        strbuf_add_escaped(out, url, escapes);
        strbuf_printf(out, "|%s>", word);
    }
}

static void add_alert(struct strbuf *out, const struct channel *channel,
                      const struct notification_alert *alert, int64_t now_ms) {
    struct str summary = wording_annotation(alert, "summary");
    struct str description = wording_annotation(alert, "description");
    strbuf_add_text(out, alert->resolved ? ":white_check_mark: *" : "*");
    add(out, wording_label(alert, "alertname"), MOST_NAME_BYTES, true);
    strbuf_add_text(out, "*");
    if (summary.len > 0) {
        strbuf_add_text(out, " ");
        add(out, summary, MOST_SUMMARY_BYTES, true);
    }
    if (description.len > 0 && !str_equal(description, summary) && !alert->resolved) {
        strbuf_add_char(out, '\n');
        add(out, description, MOST_DETAIL_BYTES, false);
    }
    struct strbuf url = {0};
    strbuf_add_text(out, alert->resolved ? "\nover after " : "\nfor ");
    wording_add_duration(out, (alert->resolved ? alert->ends_ms : now_ms) - alert->starts_ms);
    wording_add_expression_url(&url, channel->parts.external_url, alert->query);
    add_link(out, strbuf_view(&url), "expression");
    add_link(out, wording_annotation(alert, "runbook_url"), "runbook");
    strbuf_add_char(out, '\n');
    strbuf_deinit(&url);
}

static void add_alerts(struct strbuf *out, const struct channel *channel,
                       const struct notification *notification) {
    size_t shown = 0;
    while (shown < notification->n_alerts && shown < MOST_ALERTS) {
        size_t len = out->len;
        add_alert(out, channel, &notification->alerts[shown], notification->made_ms);
        if (out->len > MOST_TEXT_BYTES && shown > 0) {
            out->len = len; /* whole alerts, for a cut one may end within an escape */
            out->data[len] = '\0';
            break;
        }
        shown++;
    }
    size_t rest = notification->n_alerts - shown + notification->left_out;
    if (rest > 0) {
        strbuf_printf(out, "and %zu more\n", rest);
    }
}

static void write_fields(struct json_writer *json, const struct notification *notification) {
    struct arena arena = {0};
    struct label *common;
    size_t written = 0, count = notification_common(notification, false, &arena, &common);
    json_list_begin(json, "fields");
    for (size_t i = 0; i < count && written < MOST_FIELDS; i++) {
        struct strbuf name = {0}, value = {0};
        if (!str_is(common[i].name, "alertname")) {
            add(&name, common[i].name, MOST_NAME_BYTES, true);
            add(&value, common[i].value, MOST_VALUE_BYTES, true);
            json_object_begin(json, NULL);
            json_str(json, "title", strbuf_view(&name));
            json_str(json, "value", strbuf_view(&value));
            json_bool(json, "short", common[i].value.len <= SHORT_VALUE_BYTES);
            json_object_end(json);
            written++;
        }
        strbuf_deinit(&name);
        strbuf_deinit(&value);
    }
    json_list_end(json);
    arena_deinit(&arena);
}

static void slack_write(const struct channel *channel, const struct notification *notification,
                        struct strbuf *out) {
    struct json_writer json = {.out = out};
    struct strbuf line = {0}, title = {0}, text = {0};
    bool over = notification_is_resolved(notification);
    wording_title(notification, &line);
    strbuf_add_escaped(&title, strbuf_view(&line), escapes);
    add_alerts(&text, channel, notification);
    json_object_begin(&json, NULL);
    if (channel->options->slack_channel != NULL) {
        json_text(&json, "channel", channel->options->slack_channel);
    }
    if (channel->options->slack_username != NULL) {
        json_text(&json, "username", channel->options->slack_username);
    }
    json_list_begin(&json, "attachments");
    json_object_begin(&json, NULL);
    json_str(&json, "fallback", strbuf_view(&title));
    json_text(&json, "color", over ? OVER_COLOR : colors[severity_worst(notification)]);
    json_str(&json, "title", strbuf_view(&title));
    if (wording_is_link(channel->parts.external_url)) {
        json_str(&json, "title_link", channel->parts.external_url);
    }
    json_str(&json, "text", str_trim(strbuf_view(&text)));
    write_fields(&json, notification);
    json_text(&json, "footer", "dbvitals");
    json_int(&json, "ts", notification->made_ms / 1000);
    json_list_begin(&json, "mrkdwn_in");
    json_text(&json, NULL, "text");
    json_list_end(&json);
    json_object_end(&json);
    json_list_end(&json);
    json_object_end(&json);
    strbuf_deinit(&line);
    strbuf_deinit(&title);
    strbuf_deinit(&text);
}

const struct channel_type channel_slack = {.write = slack_write};
