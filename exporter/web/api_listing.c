/* SPDX-License-Identifier: Apache-2.0 */

#include "web/api_listing.h"

#include <errno.h>
#include <string.h>

#include "promql/parser.h"
#include "store/history.h"

/* What the parser says of it, in words that the API has others for. */
#define NOTHING_SELECTED "must contain at least one non-empty matcher"

struct listing *api_listing_of(struct api_question *question) {
    return container_of(question, struct listing, question);
}

/* ---- series that are meant ---- */

/* Whether it has a sample in the time that was asked for. The newest one decides nearly always. */
static bool is_meant(const struct listing *listing, const struct series *series,
                     struct sample_buffer *buffer) {
    int64_t newest_ms = series->hot->t_ms;
    if (!listing->bounded) {
        return newest_ms != INT64_MIN;
    }
    if (newest_ms < listing->start_ms) {
        return false;
    }
    if (newest_ms <= listing->end_ms && !series_is_stale_value(series->hot->value)) {
        return true;
    }
    series_read(series, listing->start_ms - 1, listing->end_ms, buffer);
    for (size_t i = 0; i < buffer->n; i++) {
        if (buffer->t_ms[i] >= listing->start_ms && !series_is_stale_value(buffer->values[i])) {
            return true;
        }
    }
    return false;
}

int api_listing_visit(const struct listing *listing,
                      void (*seen)(void *userdata, const struct series *series), void *userdata) {
    const struct store *store = listing->question.web->sources.store;
    struct sample_buffer buffer = {0};
    int r = 0;
    for (size_t i = 0; r == 0 && (i == 0 || i < listing->n_selectors); i++) {
        struct selection selection = {0};
        const struct expr *selector =
            listing->n_selectors > 0 ? expr_unwrap(listing->selectors[i].root) : NULL;
        r = store_select(store, selector != NULL ? selector->selector.matchers : NULL,
                         selector != NULL ? selector->selector.n_matchers : 0, &selection);
        for (size_t k = 0; r == 0 && k < selection.n_series; k++) {
            if (is_meant(listing, selection.series[k], &buffer)) {
                seen(userdata, selection.series[k]);
            }
        }
        selection_deinit(&selection);
    }
    sample_buffer_deinit(&buffer);
    return r;
}

void api_listing_say_regex(struct api_out *out) {
    api_out_error(out, API_EXECUTION, "a regular expression takes too long on some value");
}

/* ---- in the loop ---- */

static void listing_deinit(struct api_question *question) {
    struct listing *listing = api_listing_of(question);
    for (size_t i = 0; i < listing->n_selectors; i++) {
        parsed_deinit(&listing->selectors[i]);
    }
}

/* Of series alone Prometheus says which parameter it was. */
static int fail_selector(const struct listing *listing, const struct error *err,
                         struct api_failure *failure) {
    const char *prefix = listing->needs_selector ? "invalid parameter \"match[]\": " : "";
    if (strstr(err->text, NOTHING_SELECTED) != NULL) {
        return api_fail(failure, API_BAD_DATA,
                        "%smatch[] must contain at least one non-empty matcher", prefix);
    }
    return api_fail(failure, API_BAD_DATA, "%s%u:%u: parse error: %s", prefix, err->at.line,
                    err->at.column, err->text);
}

static int prepare(struct api_question *question, struct api_failure *failure) {
    struct listing *listing = api_listing_of(question);
    struct error err = {0};
    listing->selectors =
        arena_array(&question->arena, listing->texts.n_names + 1, sizeof(*listing->selectors));
    for (size_t i = 0; i < listing->texts.n_names; i++) {
        if (promql_parse_selector(listing->texts.names[i], &question->arena, &listing->selectors[i],
                                  &err) < 0) {
            return fail_selector(listing, &err, failure);
        }
        listing->n_selectors++;
    }
    return 0;
}

static int take_selectors(struct listing *listing, const struct web_request *request,
                          struct api_failure *failure) {
    struct api_question *question = &listing->question;
    listing->texts = api_list_parameter(request, "match[]", &question->arena);
    question->prepare = prepare;
    question->text_bytes = api_list_bytes(&listing->texts);
    if (listing->needs_selector && listing->texts.n_names == 0) {
        return api_fail(failure, API_BAD_DATA, "no match[] parameter provided");
    }
    return 0;
}

static int take_bounds(struct listing *listing, const struct web_request *request,
                       struct api_failure *failure) {
    listing->start_ms = API_LEAST_TIME_MS;
    listing->end_ms = API_MOST_TIME_MS;
    listing->bounded = web_request_parameter(request, "start").len > 0 ||
                       web_request_parameter(request, "end").len > 0;
    int r = api_time_parameter(request, "start", &listing->start_ms, failure);
    return r < 0 ? r : api_time_parameter(request, "end", &listing->end_ms, failure);
}

struct listing *api_listing_take(struct web *web, const struct web_request *request,
                                 bool needs_selector, struct web_answer *ret) {
    struct api_failure failure = {0};
    struct web_request with_form;
    struct api_question *question = api_question_new(web, request, sizeof(struct listing));
    struct listing *listing = api_listing_of(question);
    question->deinit = listing_deinit;
    listing->needs_selector = needs_selector;
    int r = api_take_form(request, &with_form, &failure);
    r = r < 0 ? r : api_limit_parameter(&with_form, "limit", &listing->limit, &failure);
    r = r < 0 ? r : take_bounds(listing, &with_form, &failure);
    r = r < 0 ? r : take_selectors(listing, &with_form, &failure);
    if (r < 0) {
        api_answer_failure(&failure, ret);
        api_question_free(question);
        return NULL;
    }
    return listing;
}

void api_listing_ask(struct listing *listing,
                     void (*write)(struct api_question *question, struct api_out *out),
                     const struct web_request *request, struct web_answer *ret) {
    listing->question.write = write;
    api_ask(&listing->question, request, ret);
}
