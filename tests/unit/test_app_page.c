/* SPDX-License-Identifier: Apache-2.0 */

/* What applications say of their breakers and caches, form by form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include "base/arena.h"
#include "sampler/app_page.h"

static struct arena arena;
static struct error err;

static int tear_down(void **state) {
    arena_deinit(&arena);
    return 0;
}

static int read_page(const struct app_options *options, const struct tree *tree,
                     const struct app_page **ret) {
    const struct client_reply reply = {.tree = tree};
    err = (struct error){0};
    *ret = NULL;
    return app_page_read(options, str_of("shop"), true, &reply, &arena, ret, &err);
}

static const struct app_page *read_text(const struct app_options *options, const char *text) {
    const struct tree tree = {.type = TREE_TEXT, .text = str_of(text)};
    const struct app_page *page;
    if (read_page(options, &tree, &page) < 0) {
        fail_msg("%s", err.text);
    }
    return page;
}

static int refuse(const struct app_options *options, struct str text) {
    const struct tree tree = {.type = TREE_TEXT, .text = text};
    const struct app_page *page;
    int r = read_page(options, &tree, &page);
    assert_true(r < 0 && page == NULL && error_is_set(&err));
    return r;
}

/* The cells of a row with '|' between, '-' for none. */
static void assert_row(const struct table *table, size_t row, const char *expected) {
    struct strbuf text = {0};
    assert_true(row < table->n_rows);
    for (size_t i = 0; i < table->n_columns; i++) {
        struct str cell = table_cell(table, row, i);
        strbuf_add_text(&text, i > 0 ? "|" : "");
        strbuf_add_str(&text, cell.data != NULL ? cell : str_of("-"));
    }
    assert_string_equal(text.data, expected);
    strbuf_deinit(&text);
}

/* ---- Spring Boot ---- */

#define SPRING_BREAKER(name, rate, failed, state)                                                  \
    "\"" name "\":{\"failureRate\":\"" rate "\",\"slowCallRate\":\"-1.0%\","                       \
    "\"failureRateThreshold\":\"50.0%\",\"slowCallRateThreshold\":\"100.0%\",\"bufferedCalls\":"   \
    "10,"                                                                                          \
    "\"failedCalls\":" failed                                                                      \
    ",\"slowCalls\":0,\"slowFailedCalls\":0,\"notPermittedCalls\":3,\"state\":\"" state "\"}"

static const struct app_options spring = {.format = APP_RESILIENCE4J};

static void reads_the_actuator(void **state) {
    const struct app_page *page = read_text(
        &spring,
        "{\"circuitBreakers\":{" SPRING_BREAKER("payments", "50.0%", "5", "OPEN") "," SPRING_BREAKER("stock", "-1.0%", "0", "CLOSED") "," SPRING_BREAKER(
            "mail", "12.5%", "1",
            "HALF_OPEN") "," SPRING_BREAKER("a", "0.0%", "0",
                                            "FORCED_OPEN") "," SPRING_BREAKER("b", "0.0%", "0",
                                                                              "DISABLED") "," SPRING_BREAKER("c",
                                                                                                             "0.0%",
                                                                                                             "0",
                                                                                                             "METRICS_ONLY") "," SPRING_BREAKER("d",
                                                                                                                                                "x",
                                                                                                                                                "null",
                                                                                                                                                "MELTED") "}}");
    assert_int_equal(page->breakers->n_rows, 7);
    assert_int_equal(page->caches->n_rows, 0);
    assert_row(page->breakers, 0, "shop|payments|open|0.5|5|-|-");
    assert_row(page->breakers, 1, "shop|stock|closed|-|0|-|-"); /* not enough calls to tell */
    assert_row(page->breakers, 2, "shop|mail|half_open|0.125|1|-|-");
    assert_row(page->breakers, 3, "shop|a|forced_open|0|0|-|-");
    assert_row(page->breakers, 4, "shop|b|disabled|0|0|-|-");
    assert_row(page->breakers, 5, "shop|c|metrics_only|0|0|-|-");
    assert_row(page->breakers, 6, "shop|d|MELTED|-|-|-|-");
}

static void an_application_may_have_no_breakers_yet(void **state) {
    assert_int_equal(read_text(&spring, "{\"circuitBreakers\":{}}")->breakers->n_rows, 0);
    assert_int_equal(read_text(&spring, "{\"circuitBreakers\":{\"a\":1}}")->breakers->n_rows, 1);
}

static void refuses_other_pages(void **state) {
    static const char *const pages[] = {
        "",       "{}",  "[]", "{\"circuitBreakers\":[]}",
        "<html>", "{\"", "1",  "{\"circuitBreakers\":{\"a\":{\"state\":1e999}}}"};
    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        assert_int_equal(refuse(&spring, str_of(pages[i])), -EPROTO);
    }
}

static void too_much_is_refused_with_the_reason(void **state) {
    struct strbuf text = {0};
    strbuf_add_text(&text, "{\"circuitBreakers\":{");
    for (int i = 0; i <= APP_MOST_BREAKERS; i++) {
        strbuf_printf(&text, "%s\"b%d\":{\"state\":\"OPEN\"}", i > 0 ? "," : "", i);
    }
    strbuf_add_text(&text, "}}");
    assert_int_equal(refuse(&spring, strbuf_view(&text)), -E2BIG);
    assert_non_null(strstr(err.text, "more than 1000 breakers"));

    strbuf_clear(&text);
    for (int i = 0; i < 100000; i++) {
        strbuf_add_char(&text, '[');
    }
    assert_int_equal(refuse(&spring, strbuf_view(&text)), -E2BIG);
    assert_non_null(strstr(err.text, "nested"));

    strbuf_clear(&text);
    strbuf_add_char(&text, '[');
    for (int i = 0; i < 100000; i++) {
        strbuf_add_text(&text, "1,");
    }
    assert_int_equal(refuse(&spring, strbuf_view(&text)), -E2BIG);
    assert_non_null(strstr(err.text, "values"));
    for (int i = 0; i < 500000; i++) {
        strbuf_add_text(&text, "1,");
    }
    assert_int_equal(refuse(&spring, strbuf_view(&text)), -E2BIG);
    assert_string_equal(err.text, "the JSON is longer than 512 KiB");

    strbuf_clear(&text);
    for (int i = 0; i <= 100000; i++) {
        strbuf_add_text(&text, "a 1\n");
    }
    assert_int_equal(refuse(&(struct app_options){.format = APP_ENVOY}, strbuf_view(&text)),
                     -E2BIG);
    assert_string_equal(err.text, "the page has more than 100000 lines");
    strbuf_deinit(&text);
}

/* ---- pointers ---- */

static struct app_item breakers[] = {
    {.name = (char *)(uintptr_t) "payments",
     .pointers = {(char *)(uintptr_t) "/circuit_breaker/state",
                  (char *)(uintptr_t) "/circuit_breaker/failure_count",
                  (char *)(uintptr_t) "/circuit_breaker/failure_rate",
                  (char *)(uintptr_t) "/circuit_breaker/last"}},
    {.name = (char *)(uintptr_t) "odd",
     .percent = true,
     .pointers = {(char *)(uintptr_t) "/a~1b/1/~0~01", NULL, (char *)(uintptr_t) "/a~1b/0"}},
};
static struct app_item caches[] = {
    {.name = (char *)(uintptr_t) "pages",
     .layer = (char *)(uintptr_t) "L1",
     .pointers = {(char *)(uintptr_t) "/cache/hits", (char *)(uintptr_t) "/cache/misses",
                  (char *)(uintptr_t) "/cache/size", (char *)(uintptr_t) "/cache/evictions",
                  (char *)(uintptr_t) "/cache/hit_rate"}},
};
static struct app_word words[] = {{(char *)(uintptr_t) "sick", APP_OPEN},
                                  {(char *)(uintptr_t) "0", APP_FORCED_OPEN},
                                  {(char *)(uintptr_t) "true", APP_HALF_OPEN}};
static const struct app_options json = {
    .format = APP_JSON,
    .breakers = breakers,
    .n_breakers = ARRAY_LEN(breakers),
    .caches = caches,
    .n_caches = ARRAY_LEN(caches),
    .words = words,
    .n_words = ARRAY_LEN(words),
};

static void follows_pointers(void **state) {
    const struct app_page *page =
        read_text(&json, "{\"status\":\"degraded\",\"circuit_breaker\":{\"state\":\"Half-Open\","
                         "\"failure_count\":4,\"failure_rate\":0.25,\"last\":1795254600123},"
                         "\"a/b\":[75,{\"~~1\":2}],\"cache\":{\"hits\":4000,\"misses\":\"300\","
                         "\"size\":12,\"evictions\":7,\"hit_rate\":\"93%\"}}");
    assert_row(page->breakers, 0, "shop|payments|half_open|0.25|4|1795254600.123|-");
    assert_row(page->breakers, 1, "shop|odd|half_open|0.75|-|-|-");
    assert_row(page->caches, 0, "shop|pages|L1|12|4000|300|7|0.93");
}

static void what_is_not_there_is_not_known(void **state) {
    const struct app_page *page =
        read_text(&json, "{\"circuit_breaker\":{\"state\":null},\"a/b\":[-1],\"cache\":[]}");
    assert_row(page->breakers, 0, "shop|payments|-|-|-|-|-");
    assert_row(page->breakers, 1, "shop|odd|-|-|-|-|-");
    assert_row(page->caches, 0, "shop|pages|L1|-|-|-|-|-");
    assert_int_equal(refuse(&json, str_of("{\"status\":\"up\"}")), -EPROTO);
    assert_string_equal(err.text, "none of the 11 pointers leads to a value of the page");
}

static const char *state_of(const char *value) {
    struct strbuf text = {0};
    strbuf_printf(&text, "{\"circuit_breaker\":{\"state\":%s}}", value);
    const struct app_page *page = read_text(&json, text.data);
    strbuf_deinit(&text);
    return arena_dup(&arena, table_cell(page->breakers, 0, 2)).data;
}

static void states_are_words_of_theirs_or_of_ours(void **state) {
    assert_string_equal(state_of("\"SICK\""), "open");
    assert_string_equal(state_of("0"), "forced_open"); /* theirs first */
    assert_string_equal(state_of("true"), "half_open");
    assert_string_equal(state_of("1"), "open");
    assert_string_equal(state_of("2"), "half_open");
    assert_string_equal(state_of("3"), "3");
    assert_string_equal(state_of("\"HalfOpen\""), "half_open");
    assert_string_equal(state_of("\"half open\""), "half_open");
    assert_string_equal(state_of("\"closed \""), "closed ");
    assert_string_equal(state_of("\"op\""), "op");
}

static void pointers_are_checked(void **state) {
    assert_true(app_pointer_is_valid("/a/b~0~1/0"));
    assert_true(app_pointer_is_valid("/"));
    assert_false(app_pointer_is_valid(""));
    assert_false(app_pointer_is_valid("a/b"));
    assert_false(app_pointer_is_valid("/a~"));
    assert_false(app_pointer_is_valid("/a~2"));
}

/* ---- text ---- */

static const struct app_options prometheus = {.format = APP_PROMETHEUS};
static const struct app_options envoy = {.format = APP_ENVOY};

static void reads_micrometer(void **state) {
    const struct app_page *page = read_text(
        &prometheus,
        "# HELP resilience4j_circuitbreaker_state The states of the circuit breaker\n"
        "# TYPE resilience4j_circuitbreaker_state gauge\n"
        "resilience4j_circuitbreaker_state{application=\"shop\",name=\"pay\",state=\"closed\",} "
        "0.0\n"
        "resilience4j_circuitbreaker_state{application=\"shop\",name=\"pay\",state=\"open\",} 1.0\n"
        "resilience4j_circuitbreaker_state{name=\"pay\",state=\"half_open\"} 0.0\n"
        "resilience4j_circuitbreaker_state{name=\"say \\\"no\\\"\\\\\\n\",state=\"closed\"} 1.0 "
        "1795254600123\r\n"
        "resilience4j_circuitbreaker_failure_rate{name=\"pay\"} 62.5\n"
        "resilience4j_circuitbreaker_failure_rate{name=\"say \\\"no\\\"\\\\\\n\"} -1.0\n"
        "resilience4j_circuitbreaker_buffered_calls{kind=\"failed\",name=\"pay\"} 5.0\n"
        "resilience4j_circuitbreaker_buffered_calls{kind=\"successful\",name=\"pay\"} 3.0\n"
        "jvm_memory_used_bytes{area=\"heap\"} 1.2E8\n"
        "cache_gets_total{cache=\"users\",result=\"hit\"} 100\n"
        "cache_gets_total{cache=\"users\",result=\"hit\",pod=\"2\"} 11\n"
        "cache_gets_total{cache=\"users\",result=\"miss\"} 9\n"
        "cache_size{cache=\"users\"} NaN\n"
        "cache_evictions_total{cache=\"users\"} 2\n"
        "cache_hits_total{layer=\"L1\"} 4\n");
    assert_int_equal(page->breakers->n_rows, 2);
    assert_row(page->breakers, 0, "shop|pay|open|0.625|5|-|-");
    assert_row(page->breakers, 1, "shop|say \"no\"\\\n|closed|-|-|-|-");
    assert_int_equal(page->caches->n_rows, 2);
    assert_row(page->caches, 0, "shop|users|-|-|111|9|2|-");
    assert_row(page->caches, 1, "shop|-|L1|-|4|-|-|-");
}

static void reads_numbers_of_states(void **state) {
    const struct app_page *page =
        read_text(&prometheus, "circuit_breaker_state 1\n"
                               "circuit_breaker_state{breaker=\"a\"} 0\n"
                               "  circuit_breaker_state { circuit = \"b\" , x=\"}\" } 2\n"
                               "circuit_breaker_state{name=\"c\"} 7\n"
                               "circuit_breaker_state{name=\"d\"} +Inf\n"
                               "circuit_breaker_state{name=\"e} 1\n"
                               "circuit_breaker_state{name=\"f\"\n");
    assert_int_equal(page->breakers->n_rows, 4);
    assert_row(page->breakers, 0, "shop|default|open|-|-|-|-");
    assert_row(page->breakers, 1, "shop|a|closed|-|-|-|-");
    assert_row(page->breakers, 2, "shop|b|half_open|-|-|-|-");
    assert_row(page->breakers, 3, "shop|c|unknown|-|-|-|-");
}

static void reads_envoy(void **state) {
    const struct app_page *page = read_text(
        &envoy,
        "# TYPE envoy_cluster_circuit_breakers_default_cx_open gauge\n"
        "envoy_cluster_circuit_breakers_default_cx_open{envoy_cluster_name=\"orders\"} 0\n"
        "envoy_cluster_circuit_breakers_default_rq_pending_open{envoy_cluster_name=\"orders\"} 1\n"
        "envoy_cluster_circuit_breakers_default_rq_open{envoy_cluster_name=\"orders\"} 0\n"
        "envoy_cluster_circuit_breakers_high_cx_open{envoy_cluster_name=\"orders\"} 0\n"
        "envoy_cluster_circuit_breakers_default_remaining_cx{envoy_cluster_name=\"orders\"} 9\n"
        "envoy_cluster_outlier_detection_ejections_active{envoy_cluster_name=\"orders\"} 2\n"
        "envoy_cluster_circuit_breakers_default_cx_open{envoy_cluster_name=\"stock\"} 0\n"
        "envoy_cluster_membership_healthy{envoy_cluster_name=\"orders\"} 3\n");
    assert_int_equal(page->breakers->n_rows, 3);
    assert_row(page->breakers, 0, "shop|orders|open|-|-|-|2");
    assert_row(page->breakers, 1, "shop|orders/high|closed|-|-|-|-");
    assert_row(page->breakers, 2, "shop|stock|closed|-|-|-|-");
}

static void refuses_what_is_no_exposition(void **state) {
    static const char *const pages[] = {"", "<!doctype html>\n<p>1", "{\"a\": 1}",
                                        "no healthy upstream", "\xff\xfe 1"};
    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        assert_int_equal(refuse(&envoy, str_of(pages[i])), -EPROTO);
        assert_int_equal(refuse(&prometheus, str_of(pages[i])), -EPROTO);
    }
    assert_int_equal(read_text(&prometheus, "go_goroutines NaN")->breakers->n_rows, 0);
}

static void breakers_of_an_exposition_are_counted(void **state) {
    struct strbuf text = {0};
    for (int i = 0; i <= APP_MOST_BREAKERS; i++) {
        strbuf_printf(&text, "circuit_breaker_state{name=\"%d\"} 0\n", i);
    }
    assert_int_equal(refuse(&prometheus, strbuf_view(&text)), -E2BIG);
    strbuf_deinit(&text);
}

/* ---- Redis ---- */

#define TEXT(value)                                                                                \
    {                                                                                              \
        .type = TREE_TEXT, .text = { value, sizeof(value) - 1 }                                    \
    }

static void reads_hashes_and_texts(void **state) {
    static const struct tree hash[] = {
        TEXT("OPEN"), TEXT("7"), {.type = TREE_NIL}, TEXT("1795254600")};
    const struct tree items[] = {
        TEXT("b:hash"),
        {.type = TREE_LIST, .items = hash, .n_items = ARRAY_LEN(hash)},
        TEXT("b:json"),
        TEXT("{\"state\":\"half_open\",\"failures\":\"3\",\"failure_rate\":\"20%\"}"),
        TEXT("b:word"),
        TEXT("Closed"),
        TEXT("b:number"),
        TEXT("1"),
        TEXT("b:cut"),
        TEXT("{\"state\":\"op"),
    };
    const struct app_options options = {.format = APP_REDIS};
    const struct tree tree = {.type = TREE_LIST, .items = items, .n_items = ARRAY_LEN(items)};
    const struct app_page *page;
    assert_int_equal(read_page(&options, &tree, &page), 0);
    assert_row(page->breakers, 0, "shop|b:hash|open|-|7|1795254600|-");
    assert_row(page->breakers, 1, "shop|b:json|half_open|0.2|3|-|-");
    assert_row(page->breakers, 2, "shop|b:word|closed|-|-|-|-");
    assert_row(page->breakers, 3, "shop|b:number|open|-|-|-|-");
    assert_row(page->breakers, 4, "shop|b:cut|{\"state\":\"op|-|-|-|-");
    assert_int_equal(refuse(&options, str_of("text")), -EPROTO);
}

static void service_names_may_be_hidden(void **state) {
    const struct tree tree = {.type = TREE_TEXT, .text = str_of("cache_hits_total 4\n")};
    const struct client_reply reply = {.tree = &tree};
    const struct app_page *page;
    assert_int_equal(app_page_read(&prometheus, str_of("a"), false, &reply, &arena, &page, &err),
                     0);
    assert_row(page->caches, 0, "a|-|-|-|-|-|-|-");
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(reads_the_actuator),
        TEST(an_application_may_have_no_breakers_yet),
        TEST(refuses_other_pages),
        TEST(too_much_is_refused_with_the_reason),
        TEST(follows_pointers),
        TEST(what_is_not_there_is_not_known),
        TEST(states_are_words_of_theirs_or_of_ours),
        TEST(pointers_are_checked),
        TEST(reads_micrometer),
        TEST(reads_numbers_of_states),
        TEST(reads_envoy),
        TEST(refuses_what_is_no_exposition),
        TEST(breakers_of_an_exposition_are_counted),
        TEST(reads_hashes_and_texts),
        TEST(service_names_may_be_hidden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
