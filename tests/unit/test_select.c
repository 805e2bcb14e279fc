/* SPDX-License-Identifier: Apache-2.0 */

/* Finding series by matchers, and sources that stand on no page. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/regex.h"
#include "store/history.h"
#include "store_fixture.h"

struct fixture {
    struct store *store;
    struct store_source *one, *two;
    struct store_feed *feeds[2];
    struct batch batch;
};

static const struct batch_metric latency = {"latency", "Help.", METRIC_HISTOGRAM, true};

static void say_all(struct fixture *f, struct store_feed *feed, int64_t t_ms) {
    const double bounds[] = {1}, counts[] = {2};
    batch_clear(&f->batch);
    say(&f->batch, "up", "", 1);
    say(&f->batch, "up_time", "", 1);
    for (int i = 0; i < 5; i++) {
        char labels[32];
        snprintf(labels, sizeof(labels), "db=d%d,kind=%s", i, i % 2 == 0 ? "even" : "odd");
        say(&f->batch, "size", labels, i);
    }
    say(&f->batch, "size", "", 9);
    batch_add_histogram(&f->batch, latency, NULL, 0, bounds, counts, 1, 3, 4);
    say(&f->batch, "latency_sum", "", 5); /* a family that is called like a part of another */
    assert_int_equal(store_feed_commit(feed, &f->batch, t_ms).appended, 13);
}

static int set_up(void **state) {
    struct fixture *f = mem_alloc(sizeof(*f));
    f->store = store_new(&(struct store_options){0});
    f->one = add_source(f->store, "one", "c");
    f->two = add_source(f->store, "two", "");
    f->feeds[0] = store_feed_new(f->one, "feed");
    f->feeds[1] = store_feed_new(f->two, "feed");
    say_all(f, f->feeds[0], 1000);
    say_all(f, f->feeds[1], 1000);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    store_free(f->store);
    batch_deinit(&f->batch);
    free(f);
    return 0;
}

/* Matchers as "name=value;db=~d.*;kind!=odd"; '#' stands for "__name__".
 * Return: how many are found, or the error. */
static int count(struct fixture *f, const char *text) {
    static const enum matcher_type order[] = {MATCH_NOT_REGEX, MATCH_REGEX, MATCH_NOT_EQUAL,
                                              MATCH_EQUAL};
    struct matcher matchers[8] = {0};
    struct selection selection;
    struct str rest = str_of(text);
    size_t n = 0;
    while (rest.len > 0) {
        struct str item = str_cut(&rest, ';');
        struct matcher *matcher = &matchers[n++];
        *matcher = (struct matcher){0};
        for (size_t i = 0; i < 4 && matcher->name.data == NULL; i++) {
            const char *sign = matcher_type_texts[order[i]];
            const char *at = memmem(item.data, item.len, sign, strlen(sign));
            if (at != NULL) {
                matcher->type = order[i];
                matcher->name = (struct str){item.data, (size_t)(at - item.data)};
                matcher->value =
                    (struct str){at + strlen(sign), item.len - matcher->name.len - strlen(sign)};
            }
        }
        if (str_is(matcher->name, "#")) {
            matcher->name = str_of("__name__");
        }
        assert_int_equal(matcher_prepare(matcher, NULL), 0);
    }
    int r = store_select(f->store, matchers, n, &selection);
    if (r == 0) {
        r = (int)selection.n_series;
        for (size_t i = 0; i < selection.n_series; i++) { /* each once */
            for (size_t k = 0; k < i; k++) {
                assert_ptr_not_equal(selection.series[i], selection.series[k]);
            }
        }
        selection_deinit(&selection);
    }
    for (size_t i = 0; i < n; i++) {
        matcher_deinit(&matchers[i]);
    }
    return r;
}

static void finds_what_the_matchers_say(void **state) {
    static const struct {
        const char *matchers;
        int found;
    } cases[] = {
        {"", 26},
        {"#=up", 2},
        {"#=nothing", 0},
        {"#=", 0},
        {"#!=", 26},
        {"#=up;target=one", 1},
        {"#=up;target=three", 0},
        {"#=up;target!=three", 2},
        {"#=up;instance=10.0.0.1:5432;job=postgres", 2},
        {"#=up;cluster=", 1},
        {"#=up;cluster!=", 1},
        {"#=up;unknown=", 2},
        {"#=up;unknown!=", 0},
        {"#=up;unknown=x", 0},
        {"#=up;unknown!=x", 2},
        {"#=up;unknown=~.*", 2},
        {"#=up;unknown=~.+", 0},
        {"#=up;unknown!~.+", 2},
        {"#=size", 12},
        {"#=size;db=d1", 2},
        {"#=size;db=", 2},
        {"#=size;db!=d1", 10},
        {"#=size;db=~d1|d3|nothing", 4},
        {"#=size;db!~d1|d3", 8},
        {"#=size;db=~d1|", 4},
        {"#=size;db!~d1|", 8},
        {"#=size;db=~d[1-3]", 6},
        {"#=size;db!~d[1-3]", 6},
        {"#=size;db=~d.*;kind=odd", 4},
        {"#=size;db=~d.*;kind!=odd;db!=d0;target=~t.*", 2},
        {"#=size;db=~(d2)?", 4},
        {"#=size;db=~.+", 10},
        {"#=~up|size", 14},
        {"#=~up.*", 4},
        {"#=~up.*;#!=up", 2},
        {"#=~up|up_time|nothing;#=~.*e", 2},
        {"#!~up.*", 22},
        {"#=latency", 0},
        {"#=latency_bucket", 4},
        {"#=latency_bucket;le=+Inf", 2},
        {"#=latency_sum", 4}, /* of the histogram and of the family */
        {"#=latency_count", 2},
        {"#=~latency_(sum|count)", 6},
        {"target=one", 13},
        {"db=d1", 2},
        {"#=up;#=size", 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int found = count(*state, cases[i].matchers);
        if (found != cases[i].found) {
            fail_msg("%s: %d", cases[i].matchers, found);
        }
    }
}

static void a_regex_that_hits_a_limit_is_an_error(void **state) {
    struct fixture *f = *state;
    batch_clear(&f->batch);
    say(&f->batch, "long", "v=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", 1);
    store_feed_commit(store_feed_new(f->one, "other"), &f->batch, 1000);
    assert_int_equal(count(f, "#=long;v=~(a|aa)+(a|aa)+"), -E2BIG);
    assert_int_equal(count(f, "#=long;v!~(a|aa)+(a|aa)+"), -E2BIG);
    assert_int_equal(count(f, "#=up;v!~(a|aa)+(a|aa)+"), 2); /* which is not asked here */
}

static void many_values_are_asked_once_each(void **state) {
    struct fixture *f = *state;
    struct store_feed *feed = store_feed_new(f->one, "many");
    batch_clear(&f->batch);
    for (int i = 0; i < 3000; i++) {
        char labels[48];
        snprintf(labels, sizeof(labels), "id=%d,group=g%d", i, i % 10);
        say(&f->batch, "many", labels, i);
    }
    store_feed_commit(feed, &f->batch, 1000);
    assert_int_equal(count(f, "#=many;group=~g[0-4];id!~.*7"), 1500); /* 7s are in g7 */
    assert_int_equal(count(f, "id=~.*7;group=~g.*"), 300);
}

static void stale_series_are_found_until_they_are_freed(void **state) {
    struct fixture *f = *state;
    uint64_t generation = store_series_generation(f->store);
    say_all(f, f->feeds[0], 2000); /* nothing comes or goes */
    store_feed_end(f->feeds[0], 3000);
    assert_int_equal(store_series_generation(f->store), generation);
    assert_int_equal(count(f, "#=up"), 2);
    store_expire(f->store, 3000 + 3600 * 1000);
    assert_true(store_series_generation(f->store) != generation);
    assert_int_equal(count(f, "#=up"), 1);
    assert_int_equal(count(f, ""), 13);
    generation = store_series_generation(f->store);
    say_all(f, f->feeds[0], 4000 + 3600 * 1000);
    assert_true(store_series_generation(f->store) != generation);
    assert_int_equal(count(f, ""), 26);
}

/* --- Hidden sources --- */

static struct store_source *add_hidden(struct store *store, const char *name) {
    return store_source_new(store, &(struct source_labels){.target = str_of(name), .hidden = true});
}

static void hidden_series_are_found_and_stand_on_no_page(void **state) {
    struct fixture *f = *state;
    struct strbuf before = {0};
    struct exposition_page page;
    exposition_joined(f->store, false, 0, &page);
    strbuf_add(&before, page.body->data, page.body->len);
    buffer_unref(page.body);

    struct store_source *hidden = add_hidden(f->store, "one");
    struct store_feed *feed = store_feed_new(hidden, "rules");
    batch_clear(&f->batch);
    say(&f->batch, "up", "target=one", 7);
    say(&f->batch, "only:here", "instance=x,job=y", 8);
    store_feed_commit(feed, &f->batch, 5);
    store_publish(hidden);
    assert_int_equal(count(f, "#=up"), 3);
    assert_int_equal(count(f, "#=only:here;instance=x;job=y"), 1);
    assert_joined(f->store, strbuf_view(&before).data);
    assert_int_equal(store_numbers(f->store).sources, 2);

    store_source_free(f->store, hidden, 10);
    assert_joined(f->store, strbuf_view(&before).data);
    assert_int_equal(count(f, "#=up"), 3);
    struct store_source *again = add_hidden(f->store, "one");
    assert_ptr_equal(again, hidden);
    store_source_free(f->store, again, 20);
    assert_ptr_not_equal(add_hidden(f->store, "other"), hidden);
    store_expire(f->store, 4000 * 1000);
    assert_int_equal(count(f, "#=only:here"), 0);
    assert_joined(f->store, strbuf_view(&before).data);
    strbuf_deinit(&before);
}

static void names_of_hidden_series_may_be_any_utf8(void **state) {
    struct fixture *f = *state;
    struct store_feed *feed = store_feed_new(add_hidden(f->store, "tests"), "load");
    struct label labels[] = {{str_of("label.name"), str_of("v")},
                             {str_of("a\"b\\c=\",\nd"), str_of("w\"x\\\n")},
                             {str_of("ключ"), str_of("é")},
                             {str_of("plain"), str_of("p")},
                             {str_of("0"), str_of("digit")}};
    batch_clear(&f->batch);
    struct batch_metric metric = {batch_keep_any_name(&f->batch, str_of("my.metric {}")), "",
                                  METRIC_UNTYPED, false};
    batch_add(&f->batch, metric, batch_add_labels(&f->batch, labels, 5), 1);
    metric.name = batch_keep_any_name(&f->batch, str_of(""));
    batch_add(&f->batch, metric, batch_add_labels(&f->batch, labels, 1), 2);
    assert_int_equal(store_feed_commit(feed, &f->batch, 1).appended, 2);
    assert_int_equal(count(f, "#=my.metric {};label.name=v;ключ=é;plain=p;0=digit"), 1);
    assert_int_equal(count(f, "label.name=~v"), 2);
    assert_int_equal(count(f, "#=;label.name=v"), 1);

    struct matcher matchers[] = {{MATCH_EQUAL, labels[1].name, labels[1].value, NULL}};
    struct selection selection;
    assert_int_equal(store_select(f->store, matchers, 1, &selection), 0);
    assert_int_equal(selection.n_series, 1);
    const struct label_pool *pool = store_label_pool(f->store);
    assert_int_equal(selection.series[0]->labels->n_pairs, 6);
    assert_true(
        str_is(label_set_value(pool, selection.series[0]->labels, "__name__"), "my.metric {}"));
    selection_deinit(&selection);

    /* The same labels again are the same series. */
    batch_clear(&f->batch);
    metric.name = batch_keep_any_name(&f->batch, str_of("my.metric {}"));
    batch_add(&f->batch, metric, batch_add_labels(&f->batch, labels, 5), 1);
    batch_add(&f->batch, metric, batch_add_labels(&f->batch, labels, 5), 1);
    assert_int_equal(store_feed_commit(feed, &f->batch, 2).duplicates, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(finds_what_the_matchers_say),
        TEST(a_regex_that_hits_a_limit_is_an_error),
        TEST(many_values_are_asked_once_each),
        TEST(stale_series_are_found_until_they_are_freed),
        TEST(hidden_series_are_found_and_stand_on_no_page),
        TEST(names_of_hidden_series_may_be_any_utf8),
    };
    return cmocka_run_group_tests_name("select", tests, NULL, NULL);
}
