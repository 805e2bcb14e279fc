/* SPDX-License-Identifier: Apache-2.0 */

#include "actions/wording.h"

#include <inttypes.h>
#include <stdio.h>

#include "actions/alert_note.h"
#include "base/macros.h"
#include "base/utc.h"

#define MOST_LINK_BYTES  2000
#define MOST_QUERY_BYTES 1500 /* in a link; escaped it is up to three times as long */
#define ELLIPSIS         "\xe2\x80\xa6"

const char *const severity_names[] = {"critical", "error", "warning", "info"};

static const struct {
    const char *word;
    enum severity severity;
} severities[] = {
    {"critical", SEVERITY_CRITICAL}, {"page", SEVERITY_CRITICAL}, {"error", SEVERITY_ERROR},
    {"major", SEVERITY_ERROR},       {"high", SEVERITY_ERROR},    {"warning", SEVERITY_WARNING},
    {"warn", SEVERITY_WARNING},      {"minor", SEVERITY_WARNING}, {"ticket", SEVERITY_WARNING},
    {"info", SEVERITY_INFO},         {"low", SEVERITY_INFO},      {"none", SEVERITY_INFO},
};

struct str wording_value(const struct label *labels, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++) {
        if (str_is(labels[i].name, name)) {
            return labels[i].value;
        }
    }
    return str_of("");
}

struct str wording_label(const struct notification_alert *alert, const char *name) {
    return wording_value(alert->labels, alert->n_labels, name);
}

struct str wording_annotation(const struct notification_alert *alert, const char *name) {
    return wording_value(alert->annotations, alert->n_annotations, name);
}

struct str wording_common(const struct notification *notification, const char *name) {
    struct str common = str_of("");
    for (size_t i = 0; i < notification->n_alerts; i++) {
        struct str value = wording_label(&notification->alerts[i], name);
        if (i > 0 && !str_equal(value, common)) {
            return str_of("");
        }
        common = value;
    }
    return common;
}

enum severity severity_of(const struct notification_alert *alert) {
    struct str word = wording_label(alert, "severity");
    for (size_t i = 0; i < ARRAY_LEN(severities); i++) {
        if (str_is(word, severities[i].word)) {
            return severities[i].severity;
        }
    }
    return SEVERITY_ERROR;
}

enum severity severity_worst(const struct notification *notification) {
    bool all = notification_is_resolved(notification);
    enum severity worst = SEVERITY_INFO;
    for (size_t i = 0; i < notification->n_alerts; i++) {
        const struct notification_alert *alert = &notification->alerts[i];
        enum severity severity = severity_of(alert);
        if ((all || !alert->resolved) && severity < worst) {
            worst = severity;
        }
    }
    return worst;
}

const char *wording_status(bool resolved) {
    return resolved ? "resolved" : "firing";
}

/* ---- texts ---- */

static void add_cut(struct strbuf *out, struct str text, size_t most_bytes, bool one_line) {
    size_t at = 0;
    while (at < text.len) {
        unsigned char c = (unsigned char)text.data[at];
        size_t len = utf8_length(text.data + at, text.len - at);
        size_t grows = len > 0 ? len : 3;
        if (grows > most_bytes) {
            strbuf_add_text(out, ELLIPSIS);
            return;
        }
        most_bytes -= grows;
        if (len == 0) {
            strbuf_add_text(out, "\xef\xbf\xbd");
        } else if ((c < 0x20 && (one_line || (c != '\n' && c != '\t'))) || c == 0x7f) {
            strbuf_add_char(out, ' ');
        } else {
            strbuf_add(out, text.data + at, len);
        }
        at += len > 0 ? len : 1;
    }
}

void wording_add(struct strbuf *out, struct str text, size_t most_bytes) {
    add_cut(out, text, most_bytes, false);
}

void wording_add_line(struct strbuf *out, struct str text, size_t most_bytes) {
    add_cut(out, text, most_bytes, true);
}

void wording_title(const struct notification *notification, struct strbuf *out) {
    static const char *const where[] = {"cluster", "target", "instance"};
    size_t firing = notification_firing(notification);
    struct strbuf line = {0};
    struct str name = wording_common(notification, "alertname");
    if (firing == 0) {
        strbuf_add_text(&line, "[RESOLVED] ");
    } else {
        strbuf_printf(&line, "[FIRING:%zu] ", firing + notification->left_out);
    }
    if (name.len > 0) {
        strbuf_add_str(&line, name);
    } else {
        strbuf_printf(&line, "%zu alerts", notification->n_alerts + notification->left_out);
    }
    size_t shown = 0;
    for (size_t i = 0; i < ARRAY_LEN(where); i++) {
        struct str value = wording_common(notification, where[i]);
        /* The instance is an address: it is shown where there is no better name. */
        if (value.len > 0 && (i < 2 || shown == 0)) {
            strbuf_add_text(&line, shown++ > 0 ? ", " : " (");
            strbuf_add_str(&line, value);
        }
    }
    strbuf_add_text(&line, shown > 0 ? ")" : "");
    wording_add_line(out, strbuf_view(&line), WORDING_TITLE_BYTES);
    strbuf_deinit(&line);
}

void wording_count(const struct notification *notification, struct strbuf *out) {
    size_t firing = notification_firing(notification);
    size_t over = notification->n_alerts - firing;
    if (firing > 0) {
        strbuf_printf(out, firing == 1 ? "%zu alert fires" : "%zu alerts fire", firing);
        if (over > 0) {
            strbuf_printf(out, over == 1 ? ", %zu is over" : ", %zu are over", over);
        }
    } else {
        strbuf_printf(out, over == 1 ? "%zu alert is over" : "%zu alerts are over", over);
    }
    if (notification->left_out > 0) {
        strbuf_printf(out, ", %zu more are not listed", notification->left_out);
    }
    strbuf_add_char(out, '.');
}

void wording_add_time(struct strbuf *out, int64_t t_ms) {
    char text[UTC_TEXT_BYTES];
    strbuf_add_text(out, utc_format(t_ms, UTC_SHOWN, text));
}

void wording_add_duration(struct strbuf *out, int64_t ms) {
    static const struct {
        int64_t seconds;
        char unit;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    int64_t seconds = ms > 0 ? ms / 1000 : 0;
    size_t i = 0;
    while (i + 1 < ARRAY_LEN(units) && seconds < units[i].seconds) {
        i++;
    }
    strbuf_printf(out, "%" PRId64 "%c", seconds / units[i].seconds, units[i].unit);
    seconds %= units[i].seconds;
    if (i + 1 < ARRAY_LEN(units) && seconds / units[i + 1].seconds > 0) {
        strbuf_printf(out, " %" PRId64 "%c", seconds / units[i + 1].seconds, units[i + 1].unit);
    }
}

bool wording_is_link(struct str url) {
    if (url.len > MOST_LINK_BYTES ||
        (!str_starts_with(url, "http://") && !str_starts_with(url, "https://"))) {
        return false;
    }
    for (size_t i = 0; i < url.len; i++) {
        unsigned char c = (unsigned char)url.data[i];
        if (c <= 0x20 || c >= 0x7f || strchr("<>\"'`|\\{}", c) != NULL) {
            return false;
        }
    }
    return true;
}

void wording_add_expression_url(struct strbuf *out, struct str external_url, struct str query) {
    if (query.len <= MOST_QUERY_BYTES) {
        alert_generator_url(external_url, query, out);
    } else {
        strbuf_add_str(out, external_url); /* a cut expression would be another one */
    }
}
