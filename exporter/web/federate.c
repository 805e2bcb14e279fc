/* SPDX-License-Identifier: Apache-2.0 */

/* /federate: the newest samples of selected series with their times, as a Prometheus gives them to
 * another one. It is the only page on which recorded series and ALERTS stand, for whoever asks by
 * name: a Prometheus that evaluates the same rules would count them twice. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/number.h"
#include "promql/label_space.h"
#include "store/history.h"
#include "web/api.h"
#include "web/api_listing.h"

/* What is older has no newest sample any more, as for an expression. */
#define LOOKBACK_MS ((int64_t)5 * 60 * 1000)

struct found {
    struct label_space space;
    int64_t now_ms;
    const struct series **series;
    size_t n, capacity;
};

static void add_series(void *userdata, const struct series *series) {
    struct found *found = userdata;
    int64_t t_ms = series->hot->t_ms;
    if (series_is_live(series) && t_ms > found->now_ms - LOOKBACK_MS) {
        found->series = mem_grow(found->series, found->n, &found->capacity, sizeof(*found->series));
        found->series[found->n++] = series;
    }
}

/* By name first: samples of a metric must stand together. */
static int compare_series(const void *a, const void *b, void *userdata) {
    const struct label_space *space = userdata;
    const struct series *left = *(const struct series *const *)a;
    const struct series *right = *(const struct series *const *)b;
    int order =
        str_compare(labels_metric(space, left->labels), labels_metric(space, right->labels));
    return order != 0 ? order : labels_compare(space, left->labels, right->labels);
}

/* Names may hold anything; the format knows letters, digits, '_' and in metrics ':'. */
static void write_name(struct strbuf *out, struct str name, bool metric) {
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (metric && c == ':');
        bool digit = c >= '0' && c <= '9' && i > 0;
        strbuf_add_char(out, letter || digit ? c : '_');
    }
}

static void write_label(struct strbuf *out, struct str name, struct str value, bool first) {
    strbuf_add_char(out, first ? '{' : ',');
    write_name(out, name, false);
    strbuf_add_text(out, "=\"");
    for (size_t i = 0; i < value.len; i++) {
        char c = value.data[i];
        if (c == '\n') {
            strbuf_add_text(out, "\\n");
            continue;
        }
        if (c == '\\' || c == '"') {
            strbuf_add_char(out, '\\');
        }
        strbuf_add_char(out, c);
    }
    strbuf_add_char(out, '"');
}

/* The labels of the daemon stand where a series has none of that name, and an empty instance keeps
 * the reader from putting its own there. */
static void write_labels(struct strbuf *out, const struct web *web, const struct found *found,
                         const struct label_set *set) {
    const struct target_label *labels = NULL;
    size_t n = 0;
    bool first = true, has_instance = false;
    for (size_t i = 0; i < set->n_pairs; i++) {
        struct str name = label_space_text(&found->space, set->pairs[i].name);
        if (!str_is(name, "__name__")) {
            write_label(out, name, label_space_text(&found->space, set->pairs[i].value), first);
            has_instance |= str_is(name, "instance");
            first = false;
        }
    }
    if (web->sources.actions.external_labels != NULL) {
        n = web->sources.actions.external_labels(web->sources.actions.userdata, &labels);
    }
    for (size_t i = 0; i < n; i++) {
        if (label_set_value(found->space.pool, set, labels[i].name).len == 0) {
            write_label(out, str_of(labels[i].name), str_of(labels[i].value), first);
            has_instance |= str_is(str_of(labels[i].name), "instance");
            first = false;
        }
    }
    if (!has_instance) {
        write_label(out, str_of("instance"), str_of(""), first);
    }
    strbuf_add_char(out, '}');
}

static void write_sample(struct strbuf *out, const struct web *web, const struct found *found,
                         const struct series *series) {
    char number[NUMBER_TEXT_SIZE];
    write_name(out, labels_metric(&found->space, series->labels), true);
    write_labels(out, web, found, series->labels);
    number_format(series->hot->value, number);
    strbuf_printf(out, " %s %" PRId64 "\n", number, series->hot->t_ms);
}

static void write_all(struct found *found, const struct web *web, struct api_out *out) {
    struct str before = {0};
    const struct series *last = NULL;
    if (found->n > 0) {
        qsort_r(found->series, found->n, sizeof(*found->series), compare_series, &found->space);
    } else {
        strbuf_add_text(&out->text, "# nothing fits\n");
    }
    for (size_t i = 0; i < found->n && api_out_turn(out); i++) {
        const struct series *series = found->series[i];
        struct str name = labels_metric(&found->space, series->labels);
        if (last != NULL && label_set_equal(last->labels, series->labels)) {
            continue; /* two selectors found it */
        }
        if (last == NULL || !str_equal(name, before)) {
            strbuf_add_text(&out->text, "# TYPE ");
            write_name(&out->text, name, true);
            strbuf_add_text(&out->text, " untyped\n");
        }
        write_sample(&out->text, web, found, series);
        before = name;
        last = series;
    }
}

static void write_federation(struct api_question *question, struct api_out *out) {
    const struct web *web = question->web;
    struct found found = {.now_ms = loop_now_ms(web->sources.loop)};
    label_space_init(&found.space, store_label_pool(web->sources.store), &question->arena);
    if (api_listing_visit(api_listing_of(question), add_series, &found) < 0) {
        api_listing_say_regex(out);
    } else {
        write_all(&found, web, out);
    }
    free(found.series);
    label_space_deinit(&found.space);
}

void page_federate(struct web *web, const struct web_request *request, struct web_answer *ret) {
    struct listing *listing = api_listing_take(web, request, true, ret);
    if (listing != NULL) {
        listing->question.content_type = "text/plain; version=0.0.4; charset=utf-8";
        api_listing_ask(listing, write_federation, request, ret);
    }
}
