/* SPDX-License-Identifier: Apache-2.0 */

/* An alert's news as it is kept until it has been delivered: written once, shared by all who wait
 * to send it. */
#pragma once

#include <stdint.h>

#include "actions/relabel.h"
#include "base/buffer.h"
#include "base/str.h"
#include "rules/event.h"

struct alert_note {
    uint64_t id;
    int64_t resolved_ms;  /* 0: it fires */
    int64_t valid_for_ms; /* how long a firing one holds without being sent again */
    struct buffer *json;  /* the object for Alertmanager's API, without endsAt and its end */
};

struct alert_note_options {
    struct str external_url;
    const struct label *external_labels; /* added where the alert has no such label */
    size_t n_external_labels;
    const struct relabel_step *relabel; /* then */
    size_t n_relabel;
};

/* Return: 1 and a note to be released with alert_note_deinit(); 0 when relabelling drops the alert
 * or leaves it without labels; -E2BIG when a regular expression of it hit a limit. */
int alert_note_of(const struct alert_event *event, const struct alert_note_options *options,
                  int64_t now_ms, struct alert_note *ret);
struct alert_note alert_note_ref(const struct alert_note *note);
void alert_note_deinit(struct alert_note *note);

/* Adds the whole object; until when it holds is reckoned from now_ms on. */
void alert_note_write(const struct alert_note *note, int64_t now_ms, struct strbuf *out);

/* Adds the page that shows the expression: URL/graph?g0.expr=...&g0.tab=1 */
void alert_generator_url(struct str external_url, struct str query, struct strbuf *out);
