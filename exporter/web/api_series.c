/* SPDX-License-Identifier: Apache-2.0 */

/* What there is: series, names and values of labels, metadata of metrics. All of them walk over
 * series or families, so a worker does it. */
#include "web/api.h"

#include <stdlib.h>

#include "base/mem.h"
#include "promql/label_space.h"
#include "web/api_json.h"
#include "web/api_listing.h"

#define VALUES_PREFIX API_PREFIX "label/"
#define VALUES_SUFFIX "/values"
#define ESCAPED       "U__" /* before names that are not words, as some clients send them */

static char truncated_text[] = "results truncated due to limit";
static char *truncated_texts[] = {truncated_text};
static const struct annotation_list truncated = {truncated_texts, 1, 1};

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
    struct listing *listing = api_listing_of(question);
    struct label_space space;
    struct sets sets = {0};
    label_space_init(&space, store_label_pool(question->web->sources.store), &question->arena);
    if (api_listing_visit(listing, add_set, &sets) < 0) {
        api_listing_say_regex(out);
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
    if (api_listing_visit(api_listing_of(question), add_names, &ids) < 0) {
        api_listing_say_regex(out);
    } else {
        write_texts(api_listing_of(question), &ids, out);
    }
    free(ids.bits);
}

static void write_label_values(struct api_question *question, struct api_out *out) {
    struct listing *listing = api_listing_of(question);
    struct ids ids = {0};
    const struct label_pool *pool = store_label_pool(question->web->sources.store);
    if (label_pool_find(pool, listing->name, &ids.name) &&
        api_listing_visit(listing, add_value, &ids) < 0) {
        api_listing_say_regex(out);
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
    const struct listing *listing = api_listing_of(question);
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

static void refuse(struct listing *listing, const struct api_failure *failure,
                   struct web_answer *ret) {
    api_answer_failure(failure, ret);
    api_question_free(&listing->question);
}

void api_series(struct web *web, const struct web_request *request, struct web_answer *ret) {
    struct listing *listing = api_listing_take(web, request, true, ret);
    if (listing != NULL) {
        api_listing_ask(listing, write_series, request, ret);
    }
}

void api_labels(struct web *web, const struct web_request *request, struct web_answer *ret) {
    struct listing *listing = api_listing_take(web, request, false, ret);
    if (listing != NULL) {
        api_listing_ask(listing, write_labels, request, ret);
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
    struct listing *listing = api_listing_of(question);
    /* There is one entry per metric anyway: the first definition of a family stays. */
    uint64_t per_metric;
    listing->name = arena_dup(&question->arena, web_request_parameter(request, "metric"));
    if (take_number(request, "limit", &listing->limit, &failure) < 0 ||
        take_number(request, "limit_per_metric", &per_metric, &failure) < 0) {
        refuse(listing, &failure, ret);
        return;
    }
    api_listing_ask(listing, write_metadata, request, ret);
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
        if (code.len >= sizeof(text)) {
            good = false;
            break;
        }
        memcpy(text, code.data, code.len);
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
    struct listing *listing = api_listing_take(web, request, false, ret);
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
    api_listing_ask(listing, write_label_values, request, ret);
}
