/* SPDX-License-Identifier: Apache-2.0 */

#include "actions/alert_note.h"

#include <stdio.h>
#include <string.h>

#include "base/escape.h"
#include "base/json.h"
#include "base/utc.h"

#define FALLBACK_VALID_MS ((int64_t)4 * 60 * 1000) /* four times the usual delay between two */

void alert_generator_url(struct str external_url, struct str query, struct strbuf *out) {
    strbuf_add_str(out, str_drop_end(external_url, '/'));
    strbuf_add_text(out, "/graph?g0.expr=");
    strbuf_add_query_value(out, query);
    strbuf_add_text(out, "&g0.tab=1");
}

static bool has_label(const struct alert_view *alert, struct str name) {
    for (size_t i = 0; i < alert->n_labels; i++) {
        if (str_equal(alert->labels[i].name, name)) {
            return true;
        }
    }
    return false;
}

/* An empty value is the same as no label. */
static void write_label(struct json_writer *json, const struct label *label) {
    if (label->value.len > 0) {
        json_key(json, label->name);
        json_str(json, NULL, label->value);
    }
}

/* With the external ones, relabelled. */
static int labels_of(const struct alert_view *alert, const struct alert_note_options *options,
                     struct arena *arena, struct label **ret, size_t *n_ret) {
    size_t n = alert->n_labels;
    struct label *labels = arena_array(arena, n + options->n_external_labels + 1, sizeof(*labels));
    if (n > 0) {
        memcpy(labels, alert->labels, n * sizeof(*labels));
    }
    for (size_t i = 0; i < options->n_external_labels; i++) {
        if (!has_label(alert, options->external_labels[i].name)) {
            labels[n++] = options->external_labels[i];
        }
    }
    return relabel(options->relabel, options->n_relabel, labels, n, arena, ret, n_ret);
}

static void write_labels(struct json_writer *json, const struct alert_view *alert,
                         const struct label *labels, size_t n_labels) {
    json_object_begin(json, "labels");
    for (size_t i = 0; i < n_labels; i++) {
        write_label(json, &labels[i]);
    }
    json_object_end(json);
    json_object_begin(json, "annotations");
    for (size_t i = 0; i < alert->n_annotations; i++) {
        write_label(json, &alert->annotations[i]);
    }
    json_object_end(json);
}

int alert_note_of(const struct alert_event *event, const struct alert_note_options *options,
                  int64_t now_ms, struct alert_note *ret) {
    const struct alert_view *alert = event->alert;
    CLEANUP(arena_deinit)
    struct arena arena = {0};
    struct label *labels;
    size_t n_labels;
    int r = labels_of(alert, options, &arena, &labels, &n_labels);
    if (r <= 0 || n_labels == 0) {
        return r < 0 ? r : 0;
    }
    struct strbuf text = {0}, url = {0};
    struct json_writer json = {.out = &text};
    char starts[UTC_TEXT_BYTES];
    utc_format_ms(alert->fired_ms != 0 ? alert->fired_ms : alert->active_ms, starts);
    alert_generator_url(options->external_url, alert->query, &url);
    json_object_begin(&json, NULL);
    write_labels(&json, alert, labels, n_labels);
    json_text(&json, "startsAt", starts);
    json_str(&json, "generatorURL", strbuf_view(&url));
    strbuf_deinit(&url);
    int64_t valid_for_ms = alert->valid_until_ms - now_ms;
    *ret = (struct alert_note){
        .id = alert->id,
        .resolved_ms = alert->resolved_ms,
        .valid_for_ms = valid_for_ms > 0 ? valid_for_ms : FALLBACK_VALID_MS,
        .json = buffer_new(&text),
    };
    return 1;
}

struct alert_note alert_note_ref(const struct alert_note *note) {
    struct alert_note copy = *note;
    (void)buffer_ref(copy.json);
    return copy;
}

void alert_note_deinit(struct alert_note *note) {
    note->json = buffer_unref(note->json);
}

void alert_note_write(const struct alert_note *note, int64_t now_ms, struct strbuf *out) {
    char ends[UTC_TEXT_BYTES];
    utc_format_ms(note->resolved_ms != 0 ? note->resolved_ms : now_ms + note->valid_for_ms, ends);
    strbuf_add(out, note->json->data, note->json->len);
    strbuf_printf(out, ",\"endsAt\":\"%s\"}", ends);
}
