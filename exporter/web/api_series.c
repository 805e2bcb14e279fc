/* SPDX-License-Identifier: Apache-2.0 */

/* What there is: series, names and values of labels, metadata of metrics. All of them walk over
 * series or families, so a worker does it. */
#include "web/api.h"

#include <stdlib.h>

#include "base/mem.h"
#include "promql/label_space.h"
#include "promql/parser.h"
#include "store/history.h"
#include "web/api_json.h"
#include "web/api_question.h"

#define VALUES_PREFIX API_PREFIX "label/"
#define VALUES_SUFFIX "/values"
/* What the parser says of it, in words that the API has others for. */
#define NOTHING_SELECTED "must contain at least one non-empty matcher"
#define ESCAPED          "U__" /* before names that are not words, as some clients send them */

struct listing {
    struct api_question question;
    struct parsed *selectors; /* of match[]; any of them */
    size_t n_selectors;
    bool needs_selector;
    bool bounded; /* start or end was given */
    int64_t start_ms, end_ms;
    uint64_t limit;  /* 0: none; of metadata UINT64_MAX */
    struct str name; /* of the label, or of the metric; empty: all */
};

static struct listing *listing_of(struct api_question *question) {
    return container_of(question, struct listing, question);
}

static char truncated_text[] = "results truncated due to limit";
static char *truncated_texts[] = {truncated_text};
static const struct annotation_list truncated = {truncated_texts, 1, 1};

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

/* Visits the series of all selectors, some of them more than once. Return: 0 or -E2BIG. */
static int visit(const struct listing *listing,
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

static void say_regex(struct api_out *out) {
    api_out_error(out, API_EXECUTION, "a regular expression takes too long on some value");
}

/* ---- series ---- */

struct sets {
    const struct label_set **sets;
    size_t n, capacity;
};

static void add_set(void *userdata, const struct series *series) {
    struct sets *sets = userdata;
    sets->sets = mem_grow(sets->sets, sets->n, &sets->capacity, sizeof(struct label_set *));
    sets->sets[sets->n++] = series->labels;
}

static int compare_sets(const void *a, const void *b, void *space) {
    return labels_compare(space, *(const struct label_set *const *)a,
                          *(const struct label_set *const *)b);
}

/* Sorted, each once. */
static void sort_sets(struct sets *sets, struct label_space *space) {
    size_t n = 0;
    if (sets->n == 0) {
        return;
    }
    qsort_r(sets->sets, sets->n, sizeof(struct label_set *), compare_sets, space);
    for (size_t i = 0; i < sets->n; i++) {
        if (n == 0 || !label_set_equal(sets->sets[n - 1], sets->sets[i])) {
            sets->sets[n++] = sets->sets[i];
        }
    }
    sets->n = n;
}

/* How many are shown. */
static size_t cut(const struct listing *listing, size_t n) {
    return listing->limit > 0 && n > listing->limit ? (size_t)listing->limit : n;
}

static void write_sets(const struct listing *listing, const struct sets *sets,
                       const struct label_space *space, struct api_out *out) {
    size_t shown = cut(listing, sets->n);
    api_write_head(&out->text);
    strbuf_add_char(&out->text, '[');
    for (size_t i = 0; i < shown && api_out_turn(out); i++) {
        strbuf_add_text(&out->text, i > 0 ? "," : "");
        api_write_set(&out->text, space, sets->sets[i]);
    }
    strbuf_add_char(&out->text, ']');
    api_write_tail(&out->text, shown < sets->n ? &truncated : NULL, NULL);
}

static void write_series(struct api_question *question, struct api_out *out) {
    struct listing *listing = listing_of(question);
    struct label_space space;
    struct sets sets = {0};
    label_space_init(&space, store_label_pool(question->web->sources.store), &question->arena);
    if (visit(listing, add_set, &sets) < 0) {
        say_regex(out);
    } else {
        sort_sets(&sets, &space);
        write_sets(listing, &sets, &space, out);
    }
    free(sets.sets);
    label_space_deinit(&space);
}

/* ---- names and values of labels ---- */

/* Ids of interned texts, each once. */
struct ids {
    uint64_t *bits;
    size_t n_words;
    size_t n;
    uint32_t name; /* whose values they are */
};

static void add_id(struct ids *ids, uint32_t id) {
    size_t word = id / 64;
    uint64_t bit = UINT64_C(1) << (id % 64);
    if (word >= ids->n_words) {
        size_t larger = 2 * word + 64;
        ids->bits = mem_resize(ids->bits, larger, sizeof(*ids->bits));
        memset(ids->bits + ids->n_words, 0, (larger - ids->n_words) * sizeof(*ids->bits));
        ids->n_words = larger;
    }
    ids->n += (ids->bits[word] & bit) == 0;
    ids->bits[word] |= bit;
}

static void add_names(void *userdata, const struct series *series) {
    for (size_t i = 0; i < series->labels->n_pairs; i++) {
        add_id(userdata, series->labels->pairs[i].name);
    }
}

static void add_value(void *userdata, const struct series *series) {
    struct ids *ids = userdata;
    for (size_t i = 0; i < series->labels->n_pairs; i++) {
        if (series->labels->pairs[i].name == ids->name) {
            add_id(ids, series->labels->pairs[i].value);
            return;
        }
    }
}

static int compare_texts(const void *a, const void *b) {
    return str_compare(*(const struct str *)a, *(const struct str *)b);
}

static struct str *sorted_texts(const struct ids *ids, const struct label_pool *pool) {
    struct str *texts = mem_array(ids->n, sizeof(*texts));
    size_t n = 0;
    for (size_t id = 0; id < ids->n_words * 64 && n < ids->n; id++) {
        if ((ids->bits[id / 64] >> (id % 64) & 1) != 0) {
            texts[n++] = label_pool_text(pool, (uint32_t)id);
        }
    }
    qsort(texts, n, sizeof(*texts), compare_texts);
    return texts;
}

static void write_texts(const struct listing *listing, const struct ids *ids, struct api_out *out) {
    struct str *texts = sorted_texts(ids, store_label_pool(listing->question.web->sources.store));
    size_t shown = cut(listing, ids->n);
    api_write_head(&out->text);
    strbuf_add_char(&out->text, '[');
    for (size_t i = 0; i < shown && api_out_turn(out); i++) {
        strbuf_add_text(&out->text, i > 0 ? "," : "");
        json_escape(&out->text, texts[i]);
    }
    strbuf_add_char(&out->text, ']');
    api_write_tail(&out->text, shown < ids->n ? &truncated : NULL, NULL);
    free(texts);
}

static void write_labels(struct api_question *question, struct api_out *out) {
    struct ids ids = {0};
    if (visit(listing_of(question), add_names, &ids) < 0) {
        say_regex(out);
    } else {
        write_texts(listing_of(question), &ids, out);
    }
    free(ids.bits);
}

static void write_label_values(struct api_question *question, struct api_out *out) {
    struct listing *listing = listing_of(question);
    struct ids ids = {0};
    const struct label_pool *pool = store_label_pool(question->web->sources.store);
    if (label_pool_find(pool, listing->name, &ids.name) && visit(listing, add_value, &ids) < 0) {
        say_regex(out);
    } else {
        write_texts(listing, &ids, out);
    }
    free(ids.bits);
}

/* ---- metadata ---- */

static void write_family(struct json_writer *json, const struct family *family) {
    json_list_begin(json, family->name);
    json_object_begin(json, NULL);
    json_text(json, "type",
              family->type == METRIC_UNTYPED ? "unknown" : metric_type_names[family->type]);
    json_text(json, "help", family->help != NULL ? family->help : "");
    json_text(json, "unit", "");
    json_object_end(json);
    json_list_end(json);
}

static void write_metadata(struct api_question *question, struct api_out *out) {
    const struct listing *listing = listing_of(question);
    struct store *store = question->web->sources.store;
    size_t n = store_numbers(store).families, shown = 0;
    struct json_writer json = {.out = &out->text};
    api_write_head(&out->text);
    json_object_begin(&json, NULL);
    for (size_t i = 0; i < n && api_out_turn(out); i++) {
        const struct family *family = store_family_at(store, i);
        bool wanted = listing->name.len == 0 || str_is(listing->name, family->name);
        if (wanted && family->n_live > 0) {
            if (shown == listing->limit) {
                break;
            }
            write_family(&json, family);
            shown++;
        }
    }
    json_object_end(&json);
    api_write_tail(&out->text, NULL, NULL);
}

/* ---- in the loop ---- */

static void listing_deinit(struct api_question *question) {
    struct listing *listing = listing_of(question);
    for (size_t i = 0; i < listing->n_selectors; i++) {
        parsed_deinit(&listing->selectors[i]);
    }
}

static bool selects_something(const struct expr *selector) {
    for (size_t i = 0; i < selector->selector.n_matchers; i++) {
        if (matcher_holds(&selector->selector.matchers[i], str_of("")) == 0) {
            return true;
        }
    }
    return false;
}

/* Of series alone Prometheus says which parameter it was. */
static int fail_selector(const struct listing *listing, const struct error *err,
                         struct api_failure *failure) {
    const char *prefix = listing->needs_selector ? "invalid parameter \"match[]\": " : "";
    if (err == NULL || strstr(err->text, NOTHING_SELECTED) != NULL) {
        return api_fail(failure, API_BAD_DATA,
                        "%smatch[] must contain at least one non-empty matcher", prefix);
    }
    return api_fail(failure, API_BAD_DATA, "%s%u:%u: parse error: %s", prefix, err->at.line,
                    err->at.column, err->text);
}

static int take_selector(struct listing *listing, struct str text, struct api_failure *failure) {
    struct parsed *parsed = &listing->selectors[listing->n_selectors];
    struct error err = {0};
    if (promql_parse_selector(text, &listing->question.arena, parsed, &err) < 0) {
        return fail_selector(listing, &err, failure);
    }
    listing->n_selectors++;
    return selects_something(expr_unwrap(parsed->root)) ? 0 : fail_selector(listing, NULL, failure);
}

static int take_selectors(struct listing *listing, const struct web_request *request,
                          struct api_failure *failure) {
    listing->selectors =
        arena_array(&listing->question.arena, WEB_MOST_PARAMETERS, sizeof(struct parsed));
    int r = 0;
    for (size_t i = 0; r == 0 && i < request->n_parameters; i++) {
        if (str_is(request->parameters[i].name, "match[]")) {
            r = take_selector(listing, request->parameters[i].value, failure);
        }
    }
    if (r == 0 && listing->needs_selector && listing->n_selectors == 0) {
        return api_fail(failure, API_BAD_DATA, "no match[] parameter provided");
    }
    return r;
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

/* Return: the question, or NULL: it is answered. */
static struct listing *take_listing(struct web *web, const struct web_request *request,
                                    bool needs_selector, struct web_answer *ret) {
    struct api_failure failure = {0};
    struct web_request with_form;
    struct api_question *question = api_question_new(web, request, sizeof(struct listing));
    struct listing *listing = listing_of(question);
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

static void ask(struct listing *listing,
                void (*write)(struct api_question *question, struct api_out *out),
                const struct web_request *request, struct web_answer *ret) {
    listing->question.write = write;
    api_ask(&listing->question, request, ret);
}

static void refuse(struct listing *listing, const struct api_failure *failure,
                   struct web_answer *ret) {
    api_answer_failure(failure, ret);
    api_question_free(&listing->question);
}

void api_series(struct web *web, const struct web_request *request, struct web_answer *ret) {
    struct listing *listing = take_listing(web, request, true, ret);
    if (listing != NULL) {
        ask(listing, write_series, request, ret);
    }
}

void api_labels(struct web *web, const struct web_request *request, struct web_answer *ret) {
    struct listing *listing = take_listing(web, request, false, ret);
    if (listing != NULL) {
        ask(listing, write_labels, request, ret);
    }
}

/* Here a negative number means all, and none is none. */
static int take_number(const struct web_request *request, const char *name, uint64_t *ret,
                       struct api_failure *failure) {
    struct str text = web_request_parameter(request, name);
    int64_t number = -1;
    if (text.len > 0 && !str_to_int64(text, &number)) {
        return api_fail(failure, API_BAD_DATA, "%s must be a number", name);
    }
    *ret = number < 0 ? UINT64_MAX : (uint64_t)number;
    return 0;
}

void api_metadata(struct web *web, const struct web_request *request, struct web_answer *ret) {
    struct api_failure failure = {0};
    struct api_question *question = api_question_new(web, request, sizeof(struct listing));
    struct listing *listing = listing_of(question);
    /* There is one entry per metric anyway: the first definition of a family stays. */
    uint64_t per_metric;
    listing->name = arena_dup(&question->arena, web_request_parameter(request, "metric"));
    if (take_number(request, "limit", &listing->limit, &failure) < 0 ||
        take_number(request, "limit_per_metric", &per_metric, &failure) < 0) {
        refuse(listing, &failure, ret);
        return;
    }
    ask(listing, write_metadata, request, ret);
}

/* The name between "/api/v1/label/" and "/values". Return: false when the path is another. */
static bool label_of_path(struct str path, struct str *ret) {
    const size_t prefix = strlen(VALUES_PREFIX), suffix = strlen(VALUES_SUFFIX);
    if (path.len < prefix + suffix ||
        memcmp(path.data + path.len - suffix, VALUES_SUFFIX, suffix) != 0) {
        return false;
    }
    *ret = (struct str){path.data + prefix, path.len - prefix - suffix};
    return true;
}

/* "U__a_2e_b" is "a.b": an underscore is doubled, anything else stands as its code. What does not
 * fit that is taken as it is. */
static struct str unescape(struct arena *arena, struct str name) {
    struct strbuf out = {0};
    struct str rest = {name.data + strlen(ESCAPED), name.len - strlen(ESCAPED)};
    bool good = true;
    while (good && rest.len > 0) {
        struct str plain = str_cut(&rest, '_');
        strbuf_add_str(&out, plain);
        if (plain.data + plain.len == name.data + name.len) {
            break;
        }
        struct str code = str_cut(&rest, '_');
        char text[8] = {0}, *end = text;
        if (code.len == 0) {
            strbuf_add_char(&out, '_');
            continue;
        }
        memcpy(text, code.data, code.len < sizeof(text) ? code.len : 0);
        long number = strtol(text, &end, 16);
        good = end == text + code.len && number > 0 && number < 0x80;
        strbuf_add_char(&out, (char)number);
    }
    struct str result = good ? arena_dup(arena, strbuf_view(&out)) : name;
    strbuf_deinit(&out);
    return result;
}

void api_label_values(struct web *web, const struct web_request *request, struct web_answer *ret) {
    struct str name;
    if (!label_of_path(request->path, &name)) {
        api_not_found(web, request, ret);
        return;
    }
    struct listing *listing = take_listing(web, request, false, ret);
    if (listing == NULL) {
        return;
    }
    listing->name = str_starts_with(name, ESCAPED) ? unescape(&listing->question.arena, name)
                                                   : arena_dup(&listing->question.arena, name);
    if (name.len == 0 || !str_is_utf8(name)) {
        struct api_failure failure = {0};
        api_fail(&failure, API_BAD_DATA, "invalid label name: %s", api_quote(request, name));
        refuse(listing, &failure, ret);
        return;
    }
    ask(listing, write_label_values, request, ret);
}
