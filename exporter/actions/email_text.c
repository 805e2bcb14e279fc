/* SPDX-License-Identifier: Apache-2.0 */

/* The plain version of a mail: for programs and people that want no HTML. */
#include "actions/email_body.h"
#include "actions/wording.h"
#include "base/number.h"

static void add_labels(struct strbuf *out, const struct notification_alert *alert) {
    strbuf_add_text(out, " ");
    for (size_t i = 0; i < alert->n_labels && i < EMAIL_MOST_LABELS; i++) {
        const struct label *label = &alert->labels[i];
        if (!str_is(label->name, "alertname") && !str_is(label->name, "severity")) {
            strbuf_add_char(out, ' ');
            wording_add_line(out, label->name, EMAIL_MOST_NAME_BYTES);
            strbuf_add_char(out, '=');
            wording_add_line(out, label->value, EMAIL_MOST_VALUE_BYTES);
        }
    }
    strbuf_add_char(out, '\n');
}

static void add_paragraph(struct strbuf *out, struct str text, size_t most_bytes) {
    struct strbuf cut = {0};
    wording_add(&cut, str_trim(text), most_bytes);
    struct str rest = strbuf_view(&cut);
    while (rest.len > 0) {
        strbuf_add_text(out, "  ");
        strbuf_add_str(out, str_cut(&rest, '\n'));
        strbuf_add_char(out, '\n');
    }
    strbuf_deinit(&cut);
}

static void add_alert(struct strbuf *out, const struct channel *channel,
                      const struct notification_alert *alert, int64_t now_ms) {
    char value[NUMBER_TEXT_SIZE];
    struct str summary = wording_annotation(alert, "summary");
    struct str description = wording_annotation(alert, "description");
    struct str runbook = wording_annotation(alert, "runbook_url");
    strbuf_add_text(out, alert->resolved ? "\nOVER    " : "\nFIRING  ");
    wording_add_line(out, wording_label(alert, "alertname"), EMAIL_MOST_NAME_BYTES);
    strbuf_printf(out, "  (%s)\n", severity_names[severity_of(alert)]);
    add_paragraph(out, summary, EMAIL_MOST_SUMMARY_BYTES);
    if (!str_equal(summary, description)) {
        add_paragraph(out, description, EMAIL_MOST_DETAIL_BYTES);
    }
    strbuf_add_text(out, "  since ");
    wording_add_time(out, alert->starts_ms);
    if (alert->resolved) {
        strbuf_add_text(out, ", over at ");
        wording_add_time(out, alert->ends_ms);
    }
    strbuf_add_text(out, ", ");
    wording_add_duration(out, (alert->resolved ? alert->ends_ms : now_ms) - alert->starts_ms);
    (void)number_format(alert->value, value);
    strbuf_printf(out, "; value %s\n", value);
    add_labels(out, alert);
    if (wording_is_link(runbook)) {
        strbuf_add_text(out, "  runbook: ");
        strbuf_add_str(out, runbook);
        strbuf_add_char(out, '\n');
    }
    strbuf_add_text(out, "  expression: ");
    wording_add_expression_url(out, channel->parts.external_url, alert->query);
    strbuf_add_char(out, '\n');
}

void email_text(const struct channel *channel, const struct notification *notification,
                struct strbuf *out) {
    wording_title(notification, out);
    strbuf_add_text(out, "\n\n");
    wording_count(notification, out);
    strbuf_add_char(out, '\n');
    size_t shown = 0;
    for (; shown < notification->n_alerts && shown < EMAIL_MOST_ALERTS; shown++) {
        add_alert(out, channel, &notification->alerts[shown], notification->made_ms);
    }
    if (shown < notification->n_alerts) {
        strbuf_printf(out, "\nand %zu more\n", notification->n_alerts - shown);
    }
    strbuf_add_text(out, "\n-- \ndbvitals, receiver ");
    wording_add_line(out, str_of(channel->receiver), EMAIL_MOST_NAME_BYTES);
    strbuf_add_char(out, '\n');
    strbuf_add_str(out, channel->parts.external_url);
    strbuf_add_char(out, '\n');
}
