/* SPDX-License-Identifier: Apache-2.0 */

/* An event for PagerDuty's Events API v2: a group of alerts is one incident there, which the
 * group's key finds again. */
#include <inttypes.h>

#include "actions/alert_note.h"
#include "actions/channel_type.h"
#include "actions/wording.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/utc.h"

#define MOST_KEY_BYTES     255
#define KEPT_KEY_BYTES     200 /* of a longer one, before its hash */
#define MOST_SUMMARY_BYTES 1020
#define MOST_WORD_BYTES    250
#define MOST_ALERTS        20 /* an event has at most 512 KB */
#define MOST_DETAIL_BYTES  2000
#define MOST_LABELS        32
#define MOST_LINKS         5

static void write_key(struct json_writer *json, struct str group_key) {
    struct strbuf key = {0};
    if (group_key.len <= MOST_KEY_BYTES && str_is_utf8(group_key)) {
        strbuf_add_str(&key, group_key);
    } else {
        wording_add(&key, group_key, KEPT_KEY_BYTES);
        strbuf_printf(&key, "#%016" PRIx64, hash_stable(group_key));
    }
    json_str(json, "dedup_key", strbuf_view(&key));
    strbuf_deinit(&key);
}

/* Nothing at all when there is no text. */
static void write_line(struct json_writer *json, const char *key, struct str text, size_t most) {
    if (text.len > 0) {
        struct strbuf line = {0};
        wording_add_line(&line, text, most);
        json_str(json, key, strbuf_view(&line));
        strbuf_deinit(&line);
    }
}

/* The one thing that the alerts are about, or else who tells. */
static struct str source_of(const struct channel *channel,
                            const struct notification *notification) {
    static const char *const names[] = {"target", "instance", "cluster", "job"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct str value = wording_common(notification, names[i]);
        if (value.len > 0) {
            return value;
        }
    }
    struct str url = channel->parts.external_url;
    return url.len > 0 ? url : str_of("dbvitals");
}

static void write_alert(struct json_writer *json, const struct notification_alert *alert) {
    char starts[UTC_TEXT_BYTES];
    utc_format_ms(alert->starts_ms, starts);
    json_object_begin(json, NULL);
    write_line(json, "alert", wording_label(alert, "alertname"), MOST_WORD_BYTES);
    json_text(json, "status", wording_status(alert->resolved));
    json_text(json, "since", starts);
    write_line(json, "summary", wording_annotation(alert, "summary"), MOST_DETAIL_BYTES);
    write_line(json, "description", wording_annotation(alert, "description"), MOST_DETAIL_BYTES);
    json_double(json, "value", alert->value);
    json_object_begin(json, "labels");
    for (size_t i = 0; i < alert->n_labels && i < MOST_LABELS; i++) {
        struct strbuf value = {0};
        wording_add_line(&value, alert->labels[i].value, MOST_WORD_BYTES);
        json_key(json, alert->labels[i].name);
        json_str(json, NULL, strbuf_view(&value));
        strbuf_deinit(&value);
    }
    json_object_end(json);
    json_object_end(json);
}

static void write_details(struct json_writer *json, const struct notification *notification) {
    size_t firing = notification_firing(notification);
    size_t listed = notification->n_alerts < MOST_ALERTS ? notification->n_alerts : MOST_ALERTS;
    json_object_begin(json, "custom_details");
    json_uint(json, "num_firing", firing);
    json_uint(json, "num_resolved", notification->n_alerts - firing);
    json_uint(json, "not_listed", notification->n_alerts - listed + notification->left_out);
    json_list_begin(json, "alerts");
    for (size_t i = 0; i < listed; i++) {
        write_alert(json, &notification->alerts[i]);
    }
    json_list_end(json);
    json_object_end(json);
}

static void write_summary(struct json_writer *json, const struct notification *notification) {
    struct strbuf summary = {0};
    wording_title(notification, &summary);
    if (notification->n_alerts > 0) {
        struct str first = wording_annotation(&notification->alerts[0], "summary");
        strbuf_add_text(&summary, first.len > 0 ? " " : "");
        strbuf_add_str(&summary, first);
    }
    write_line(json, "summary", strbuf_view(&summary), MOST_SUMMARY_BYTES);
    strbuf_deinit(&summary);
}

static void write_payload(struct json_writer *json, const struct channel *channel,
                          const struct notification *notification) {
    char time[UTC_TEXT_BYTES];
    utc_format_ms(notification->made_ms, time);
    json_object_begin(json, "payload");
    write_summary(json, notification);
    write_line(json, "source", source_of(channel, notification), MOST_WORD_BYTES);
    json_text(json, "severity", severity_names[severity_worst(notification)]);
    json_text(json, "timestamp", time);
    write_line(json, "component", wording_common(notification, "target"), MOST_WORD_BYTES);
    write_line(json, "group", wording_common(notification, "cluster"), MOST_WORD_BYTES);
    write_line(json, "class", wording_common(notification, "alertname"), MOST_WORD_BYTES);
    write_details(json, notification);
    json_object_end(json);
}

static void write_link(struct json_writer *json, struct str url, struct str text) {
    struct strbuf line = {0};
    wording_add_line(&line, text, MOST_WORD_BYTES);
    json_object_begin(json, NULL);
    json_str(json, "href", url);
    json_str(json, "text", strbuf_view(&line));
    json_object_end(json);
    strbuf_deinit(&line);
}

static bool is_new_runbook(const struct notification *notification, size_t index) {
    struct str url = wording_annotation(&notification->alerts[index], "runbook_url");
    for (size_t i = 0; i < index; i++) {
        if (str_equal(wording_annotation(&notification->alerts[i], "runbook_url"), url)) {
            return false;
        }
    }
    return wording_is_link(url);
}

static void write_links(struct json_writer *json, const struct channel *channel,
                        const struct notification *notification) {
    struct strbuf url = {0}, text = {0};
    json_list_begin(json, "links");
    if (notification->n_alerts > 0) {
        wording_add_expression_url(&url, channel->parts.external_url,
                                   notification->alerts[0].query);
    }
    if (wording_is_link(strbuf_view(&url))) {
        write_link(json, strbuf_view(&url), str_of("expression"));
    }
    size_t links = 1;
    for (size_t i = 0; i < notification->n_alerts && links < MOST_LINKS; i++) {
        if (is_new_runbook(notification, i)) {
            const struct notification_alert *alert = &notification->alerts[i];
            strbuf_clear(&text);
            strbuf_add_text(&text, "runbook: ");
            strbuf_add_str(&text, wording_label(alert, "alertname"));
            write_link(json, wording_annotation(alert, "runbook_url"), strbuf_view(&text));
            links++;
        }
    }
    json_list_end(json);
    strbuf_deinit(&url);
    strbuf_deinit(&text);
}

static void pagerduty_write(const struct channel *channel, const struct notification *notification,
                            struct strbuf *out) {
    struct json_writer json = {.out = out};
    bool over = notification_is_resolved(notification);
    json_object_begin(&json, NULL);
    json_text(&json, "routing_key", channel->options->routing_key);
    json_text(&json, "event_action", over ? "resolve" : "trigger");
    write_key(&json, notification->group_key);
    write_payload(&json, channel, notification);
    json_text(&json, "client", "dbvitals");
    if (wording_is_link(channel->parts.external_url)) {
        json_str(&json, "client_url", channel->parts.external_url);
    }
    write_links(&json, channel, notification);
    json_object_end(&json);
}

const struct channel_type channel_pagerduty = {
    .write = pagerduty_write,
    .url = "https://events.pagerduty.com/v2/enqueue",
};
