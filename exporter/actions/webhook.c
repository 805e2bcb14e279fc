/* SPDX-License-Identifier: Apache-2.0 */

/* The body that Alertmanager posts to webhooks, version "4" of it: what reads its webhooks reads
 * ours. */
#include <inttypes.h>
#include <stdio.h>

#include "actions/alert_note.h"
#include "actions/channel_type.h"
#include "actions/wording.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/utc.h"

/* As Go writes the time that is none. */
#define NO_TIME "0001-01-01T00:00:00Z"

uint64_t webhook_fingerprint(const struct label *labels, size_t count) {
    struct strbuf bytes = {0};
    for (size_t i = 0; i < count; i++) {
        strbuf_add_str(&bytes, labels[i].name);
        strbuf_add_char(&bytes, (char)0xff);
        strbuf_add_str(&bytes, labels[i].value);
        strbuf_add_char(&bytes, (char)0xff);
    }
    uint64_t fingerprint = hash_stable(strbuf_view(&bytes)); /* FNV-1a */
    strbuf_deinit(&bytes);
    return fingerprint;
}

static void write_value(struct json_writer *json, struct str value) {
    if (value.len <= CHANNEL_MOST_VALUE_BYTES) {
        json_str(json, NULL, value);
        return;
    }
    struct strbuf cut = {0};
    wording_add(&cut, value, CHANNEL_MOST_VALUE_BYTES);
    json_str(json, NULL, strbuf_view(&cut));
    strbuf_deinit(&cut);
}

static void write_labels(struct json_writer *json, const char *key, const struct label *labels,
                         size_t count) {
    json_object_begin(json, key);
    for (size_t i = 0; i < count; i++) {
        json_key(json, labels[i].name);
        write_value(json, labels[i].value);
    }
    json_object_end(json);
}

static void write_common(struct json_writer *json, const char *key,
                         const struct notification *notification, bool annotations) {
    struct arena arena = {0};
    struct label *common;
    size_t count = notification_common(notification, annotations, &arena, &common);
    write_labels(json, key, common, count);
    arena_deinit(&arena);
}

static void write_alert(struct json_writer *json, const struct channel *channel,
                        const struct notification_alert *alert) {
    char starts[UTC_TEXT_BYTES], ends[UTC_TEXT_BYTES] = NO_TIME, fingerprint[17];
    struct strbuf url = {0};
    utc_format_ms(alert->starts_ms, starts);
    if (alert->resolved) {
        utc_format_ms(alert->ends_ms, ends);
    }
    (void)snprintf(fingerprint, sizeof(fingerprint), "%016" PRIx64,
                   webhook_fingerprint(alert->labels, alert->n_labels));
    alert_generator_url(channel->parts.external_url, alert->query, &url);
    json_object_begin(json, NULL);
    json_text(json, "status", wording_status(alert->resolved));
    write_labels(json, "labels", alert->labels, alert->n_labels);
    write_labels(json, "annotations", alert->annotations, alert->n_annotations);
    json_text(json, "startsAt", starts);
    json_text(json, "endsAt", ends);
    json_str(json, "generatorURL", strbuf_view(&url));
    json_text(json, "fingerprint", fingerprint);
    json_object_end(json);
    strbuf_deinit(&url);
}

void webhook_write(const struct channel *channel, const struct notification *notification,
                   struct strbuf *out) {
    struct json_writer json = {.out = out};
    size_t written = 0;
    json_object_begin(&json, NULL);
    json_text(&json, "receiver", channel->receiver);
    json_text(&json, "status", wording_status(notification_is_resolved(notification)));
    json_list_begin(&json, "alerts");
    while (written < notification->n_alerts &&
           (written == 0 || out->len < CHANNEL_MOST_BODY_BYTES)) {
        write_alert(&json, channel, &notification->alerts[written++]);
    }
    json_list_end(&json);
    write_labels(&json, "groupLabels", notification->group_labels, notification->n_group_labels);
    write_common(&json, "commonLabels", notification, false);
    write_common(&json, "commonAnnotations", notification, true);
    json_str(&json, "externalURL", channel->parts.external_url);
    json_text(&json, "version", "4");
    json_str(&json, "groupKey", notification->group_key);
    json_uint(&json, "truncatedAlerts",
              notification->left_out + (notification->n_alerts - written));
    json_object_end(&json);
}

const struct channel_type channel_webhook = {.write = webhook_write};
