/* SPDX-License-Identifier: Apache-2.0 */

/* Finding series. Each family has a list of its series by suffix; the name decides which lists are
 * walked, and other labels are compared as the numbers of their interned values: equality and sets
 * of literals are looked up once, a regex runs once for each value that is met. */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/regex.h"
#include "store/history.h"
#include "store/private.h"

/* --- Postings --- */

static struct posting *posting_of(const struct series *series) {
    return &series->family->postings[series->suffix];
}

void postings_add(struct series *series) {
    struct posting *posting = posting_of(series);
    struct store *store = series->source->store;
    const size_t before = posting->capacity;
    posting->series =
        mem_grow(posting->series, posting->n, &posting->capacity, sizeof(struct series *));
    store->numbers.bytes += (posting->capacity - before) * sizeof(struct series *);
    series->posting = (uint32_t)posting->n;
    posting->series[posting->n++] = series;
    store->series_generation++;
}

void postings_remove(struct series *series) {
    struct posting *posting = posting_of(series);
    struct series *last = posting->series[--posting->n];
    posting->series[series->posting] = last;
    last->posting = series->posting;
    series->source->store->series_generation++;
}

uint64_t store_series_generation(const struct store *store) {
    return store->series_generation;
}

/* --- Values that match --- */

enum test_kind {
    TEST_IDS,   /* the value is one of these */
    TEST_REGEX, /* asked once for each value */
};

#define NO_VALUE UINT32_MAX /* the label is not there */

/* What a regex said about a value. */
struct answer {
    uint32_t value; /* + 1; 0: none */
    bool holds;
};

/* A matcher of another label than the name, made ready for one call. */
struct test {
    const struct matcher *matcher;
    uint32_t name;
    enum test_kind kind;
    bool negated; /* of TEST_IDS */
    uint32_t *ids;
    size_t n_ids;
    struct answer *answers; /* a hash table; n_slots is a power of two */
    size_t n_slots, n_answers;
};

static int compare_ids(const void *a, const void *b) {
    const uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static bool has_id(const struct test *test, uint32_t id) {
    return test->n_ids == 1 ? test->ids[0] == id
                            : test->n_ids > 0 && bsearch(&id, test->ids, test->n_ids, sizeof(id),
                                                         compare_ids) != NULL;
}

/* Texts that are in no label set cannot be met. */
static void find_ids(const struct label_pool *pool, struct test *test, const struct str *texts,
                     size_t n_texts) {
    test->kind = TEST_IDS;
    test->ids = mem_array(n_texts, sizeof(*test->ids));
    for (size_t i = 0; i < n_texts; i++) {
        uint32_t id = NO_VALUE;
        if (texts[i].len == 0 || label_pool_find(pool, texts[i], &id)) {
            test->ids[test->n_ids++] = id;
        }
    }
    qsort(test->ids, test->n_ids, sizeof(*test->ids), compare_ids);
}

static void prepare_test(const struct label_pool *pool, struct test *test) {
    const struct matcher *matcher = test->matcher;
    const struct str *set = NULL;
    const bool is_regex = matcher->type == MATCH_REGEX || matcher->type == MATCH_NOT_REGEX;
    const size_t n_set = is_regex ? regex_literals(matcher->regex, &set) : 0;
    test->negated = matcher->type == MATCH_NOT_EQUAL || matcher->type == MATCH_NOT_REGEX;
    if (!is_regex) {
        find_ids(pool, test, &matcher->value, 1);
    } else if (n_set > 0) {
        find_ids(pool, test, set, n_set);
    } else {
        test->kind = TEST_REGEX;
    }
}

static size_t slot_of(const struct test *test, uint32_t value) {
    size_t slot = (value * UINT32_C(2654435761)) & (test->n_slots - 1);
    while (test->answers[slot].value != 0 && test->answers[slot].value != value + 1) {
        slot = (slot + 1) & (test->n_slots - 1);
    }
    return slot;
}

static void grow_answers(struct test *test) {
    const struct test old = *test;
    test->n_slots = old.n_slots != 0 ? old.n_slots * 2 : 64;
    test->answers = mem_array(test->n_slots, sizeof(*test->answers));
    for (size_t i = 0; i < old.n_slots; i++) {
        if (old.answers[i].value != 0) {
            test->answers[slot_of(test, old.answers[i].value - 1)] = old.answers[i];
        }
    }
    free(old.answers);
}

/* Return: 1, 0, or -E2BIG. */
static int ask_regex(const struct label_pool *pool, struct test *test, uint32_t value) {
    if (test->n_answers * 2 >= test->n_slots) {
        grow_answers(test);
    }
    const uint32_t key = value == NO_VALUE ? UINT32_MAX - 1 : value; /* key + 1 is not 0 */
    struct answer *answer = &test->answers[slot_of(test, key)];
    if (answer->value == 0) {
        int r = matcher_holds(test->matcher,
                              value == NO_VALUE ? str_of("") : label_pool_text(pool, value));
        if (r < 0) {
            return r;
        }
        *answer = (struct answer){key + 1, r != 0};
        test->n_answers++;
    }
    return answer->holds;
}

static uint32_t value_of(const struct series *series, uint32_t name) {
    const struct label_set *labels = series->labels;
    for (size_t i = 0; i < labels->n_pairs; i++) {
        if (labels->pairs[i].name == name) {
            return labels->pairs[i].value;
        }
    }
    return NO_VALUE;
}

static int run_test(const struct label_pool *pool, struct test *test, const struct series *series) {
    const uint32_t value = value_of(series, test->name);
    if (test->kind == TEST_REGEX) {
        return ask_regex(pool, test, value);
    }
    return has_id(test, value) != test->negated;
}

/* --- Selecting --- */

struct search {
    const struct store *store;
    const struct matcher *matchers;
    size_t n_matchers;
    struct test *tests;
    size_t n_tests;
    struct selection found;
};

static bool is_of_name(const struct matcher *matcher) {
    return str_is(matcher->name, "__name__");
}

/* Return: 1, 0 when nothing can match, or -E2BIG. */
static int prepare_tests(struct search *search) {
    search->tests = mem_array(search->n_matchers, sizeof(*search->tests));
    for (size_t i = 0; i < search->n_matchers; i++) {
        const struct matcher *matcher = &search->matchers[i];
        struct test test = {.matcher = matcher};
        if (is_of_name(matcher)) {
            continue;
        }
        if (!label_pool_find(search->store->pool, matcher->name, &test.name)) {
            int r = matcher_holds(matcher, str_of("")); /* no series has that label */
            if (r != 1) {
                return r;
            }
            continue;
        }
        prepare_test(search->store->pool, &test);
        search->tests[search->n_tests++] = test;
    }
    return 1;
}

static int test_series(struct search *search, struct series *series) {
    for (size_t i = 0; i < search->n_tests; i++) {
        int r = run_test(search->store->pool, &search->tests[i], series);
        if (r != 1) {
            return r;
        }
    }
    struct selection *found = &search->found;
    found->series =
        mem_grow(found->series, found->n_series, &found->capacity, sizeof(struct series *));
    found->series[found->n_series++] = series;
    return 0;
}

/* All series of a family and suffix, if the name is right. */
static int search_posting(struct search *search, const struct family *family, size_t suffix) {
    const struct posting *posting = &family->postings[suffix];
    if (posting->n == 0) {
        return 0;
    }
    struct str name = {0};
    for (size_t i = 0; i < search->n_matchers; i++) {
        if (!is_of_name(&search->matchers[i])) {
            continue;
        }
        if (name.data == NULL) { /* as its first series has it */
            name = label_set_value(search->store->pool, posting->series[0]->labels, "__name__");
        }
        int r = matcher_holds(&search->matchers[i], name);
        if (r != 1) {
            return r;
        }
    }
    for (size_t i = 0; i < posting->n; i++) {
        int r = test_series(search, posting->series[i]);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

/* A name is that of a family, or of one and a suffix; "x_sum" may be both. */
static int search_name(struct search *search, struct str name) {
    for (size_t i = 0; i < N_METRIC_SUFFIXES; i++) {
        const struct str suffix = str_of(metric_suffix_names[i]);
        if (name.len < suffix.len || (suffix.len > 0 && memcmp(name.data + name.len - suffix.len,
                                                               suffix.data, suffix.len) != 0)) {
            continue;
        }
        const struct family *family = store_find_family(
            search->store, (struct str){name.data != NULL ? name.data : "", name.len - suffix.len});
        int r = family != NULL ? search_posting(search, family, i) : 0;
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int search_all(struct search *search) {
    for (size_t i = 0; i < search->store->n_families; i++) {
        const struct family *family = search->store->families[i];
        for (size_t suffix = 0; suffix < N_METRIC_SUFFIXES; suffix++) {
            int r = search_posting(search, family, suffix);
            if (r < 0) {
                return r;
            }
        }
    }
    return 0;
}

static int run_search(struct search *search) {
    int r = prepare_tests(search);
    if (r != 1) {
        return r;
    }
    for (size_t i = 0; i < search->n_matchers; i++) {
        const struct matcher *matcher = &search->matchers[i];
        const struct str *set;
        if (!is_of_name(matcher)) {
            continue;
        }
        if (matcher->type == MATCH_EQUAL) {
            return search_name(search, matcher->value);
        }
        const size_t n = matcher->type == MATCH_REGEX ? regex_literals(matcher->regex, &set) : 0;
        for (size_t k = 0; k < n; k++) {
            if ((r = search_name(search, set[k])) < 0) {
                return r;
            }
        }
        if (n > 0) {
            return 0;
        }
    }
    return search_all(search);
}

int store_select(const struct store *store, const struct matcher *matchers, size_t n_matchers,
                 struct selection *ret_selection) {
    struct search search = {.store = store, .matchers = matchers, .n_matchers = n_matchers};
    int r = run_search(&search);
    for (size_t i = 0; i < search.n_tests; i++) {
        free(search.tests[i].ids);
        free(search.tests[i].answers);
    }
    free(search.tests);
    if (r < 0) {
        selection_deinit(&search.found);
        return r;
    }
    *ret_selection = search.found;
    return 0;
}

void selection_deinit(struct selection *selection) {
    free(selection->series);
    *selection = (struct selection){0};
}
