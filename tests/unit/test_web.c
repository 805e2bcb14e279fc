/* SPDX-License-Identifier: Apache-2.0 */

/* A real web, asked over sockets: what each page answers. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/exposition.h"
#include "tests/support/web_fixture.h"

static const char *header(const struct web_fixture *f, const char *name) {
    const char *value = web_reply_header(&f->reply, name);
    return value != NULL ? value : "";
}

static bool body_has(const struct web_fixture *f, const char *text) {
    return strstr(web_fixture_body(f), text) != NULL;
}

static void a_page_has_the_headers_of_an_exposition(void **state) {
    struct web_fixture *f = *state;
    assert_int_equal(web_fixture_get(f, "/metrics?target=cache-1", NULL), 200);
    assert_string_equal(header(f, "Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
    assert_string_equal(header(f, "Cache-Control"), "no-cache");
    assert_string_equal(header(f, "Vary"), "Accept-Encoding");
    assert_string_equal(header(f, "X-Content-Type-Options"), "nosniff");
    assert_int_equal(header(f, "ETag")[0], '"');
    assert_int_equal(strlen(header(f, "X-Request-ID")), 16);
    assert_true(body_has(f, "# TYPE test_up gauge\n"));
    assert_true(body_has(f, "\ntest_value{number=\"2\"} 2\n"));
    assert_false(body_has(f, "target="));
}

static void the_joined_page_names_targets(void **state) {
    struct web_fixture *f = *state;
    static const char *const paths[] = {"/metrics", "/metrics?target=", "/metrics?other=1"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(web_fixture_get(f, paths[i], NULL), 200);
        assert_true(body_has(f, "target=\"cache-1\""));
        assert_true(body_has(f, "target=\"orders-1\""));
        assert_true(body_has(f, "target=\"dbvitals\""));
    }
}

static void our_own_samples_are_refreshed_and_have_a_page(void **state) {
    struct web_fixture *f = *state;
    assert_int_equal(web_fixture_get(f, "/metrics?target=dbvitals", NULL), 200);
    assert_true(body_has(f, "\ntest_value{number=\"0\"} 0\n"));
    assert_int_equal(f->refreshes, 1);
}

static void probe_and_scrape_need_a_target(void **state) {
    struct web_fixture *f = *state;
    assert_int_equal(web_fixture_get(f, "/probe", NULL), 400);
    assert_string_equal(header(f, "Content-Type"), "application/json");
    assert_string_equal(header(f, "Cache-Control"), "no-store");
    assert_int_equal(web_fixture_get(f, "/scrape?target=", NULL), 400);
    assert_int_equal(web_fixture_get(f, "/scrape?target=orders-1", NULL), 200);
    assert_int_equal(web_fixture_get(f, "/probe?target=orders-1&module=x", NULL), 200);
}

static void an_unknown_target_gets_a_suggestion(void **state) {
    struct web_fixture *f = *state;
    assert_int_equal(web_fixture_get(f, "/metrics?target=ordres-1", NULL), 404);
    assert_string_equal(web_fixture_body(f), "{\"error\":\"there is no target 'ordres-1' "
                                             "(did you mean 'orders-1'?)\"}\n");
}

static void a_name_with_quotes_and_newlines_stays_inside_its_string(void **state) {
    struct web_fixture *f = *state;
    assert_int_equal(web_fixture_get(f, "/metrics?target=%22%0A%ff%3Cb%3E", NULL), 404);
    assert_string_equal(web_fixture_body(f),
                        "{\"error\":\"there is no target '\\\"\\n\\ufffd<b>'\"}\n");
}

static void a_guessed_target_is_hidden_until_it_answered(void **state) {
    struct web_fixture *f = *state;
    fake_sampler_add(&f->sampler, "guess", KIND_REDIS, "localhost:6379");
    assert_int_equal(web_fixture_get(f, "/metrics?target=guess", NULL), 404);
    web_fixture_get(f, "/sd", NULL);
    assert_false(body_has(f, "guess"));
    web_fixture_get(f, "/", NULL);
    assert_false(body_has(f, "guess"));
    web_fixture_get(f, "/health/detailed", NULL);
    assert_false(body_has(f, "guess"));
}

static void head_has_the_headers_of_get_and_no_body(void **state) {
    struct web_fixture *f = *state;
    static const char *const paths[] = {"/metrics", "/healthz", "/sd", "/", "/nothing"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        char line[64], length[32];
        int status = web_fixture_get(f, paths[i], NULL);
        snprintf(length, sizeof(length), "%zu", f->reply.body.len);
        snprintf(line, sizeof(line), "HEAD %s", paths[i]);
        assert_int_equal(web_fixture_ask(f, line, NULL, NULL), status);
        assert_string_equal(header(f, "Content-Length"), length);
        assert_int_equal(f->reply.body.len, 0);
    }
}

static void an_unchanged_page_is_not_sent_again(void **state) {
    struct web_fixture *f = *state;
    static const char *const paths[] = {"/metrics", "/metrics?target=orders-1"};
    for (size_t i = 0; i < 2; i++) {
        char etag[64], headers[200];
        web_fixture_get(f, paths[i], NULL);
        snprintf(etag, sizeof(etag), "%s", header(f, "ETag"));
        snprintf(headers, sizeof(headers), "If-None-Match: \"other\", W/%s\r\n", etag);
        assert_int_equal(web_fixture_get(f, paths[i], headers), 304);
        assert_string_equal(header(f, "ETag"), etag);
        assert_string_equal(header(f, "Cache-Control"), "no-cache");
        assert_int_equal(f->reply.body.len, 0);
        assert_int_equal(web_fixture_get(f, paths[i], "If-None-Match: \"other\"\r\n"), 200);
    }
    web_fixture_source(f, "new-1", "", 1);
    char headers[200];
    snprintf(headers, sizeof(headers), "If-None-Match: %s\r\n", header(f, "ETag"));
    assert_int_equal(web_fixture_get(f, "/metrics", headers), 200);
}

static char *unzip(const struct strbuf *body, size_t size) {
    char *out = mem_alloc(size + 1);
    z_stream stream = {.next_in = (Bytef *)body->data,
                       .avail_in = (unsigned)body->len,
                       .next_out = (Bytef *)out,
                       .avail_out = (unsigned)size + 1};
    assert_int_equal(inflateInit2(&stream, 16 + MAX_WBITS), Z_OK);
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    assert_int_equal(stream.total_out, size);
    inflateEnd(&stream);
    return out;
}

static void a_page_is_compressed_for_who_accepts_it(void **state) {
    struct web_fixture *f = *state;
    web_fixture_get(f, "/metrics", "Accept-Encoding: gzip;q=0, br\r\n");
    assert_string_equal(header(f, "Content-Encoding"), "");
    char *plain = mem_strdup(web_fixture_body(f));
    web_fixture_get(f, "/metrics", "Accept-Encoding: br, gzip\r\n");
    assert_string_equal(header(f, "Content-Encoding"), "gzip");
    assert_true(f->reply.body.len < strlen(plain) / 3);
    char *unzipped = unzip(&f->reply.body, strlen(plain));
    assert_memory_equal(unzipped, plain, strlen(plain));
    free(unzipped);
    free(plain);
}

static void a_large_fleet_is_sent_in_pieces(void **state) {
    struct web_fixture *f = *state;
    for (unsigned i = 0; i < 30; i++) {
        char name[32];
        snprintf(name, sizeof(name), "fleet-%u", i);
        web_fixture_source(f, name, "a-cluster-with-a-long-name", 1000);
    }
    size_t size = exposition_joined_size(f->store, 1);
    assert_true(size > EXPOSITION_WHOLE_MOST_BYTES);
    assert_int_equal(web_fixture_get(f, "/metrics", NULL), 200);
    assert_int_equal(f->reply.body.len, size);
    char *plain = mem_strdup(web_fixture_body(f));
    char headers[200];
    snprintf(headers, sizeof(headers), "If-None-Match: %s\r\n", header(f, "ETag"));
    assert_int_equal(web_fixture_get(f, "/metrics", headers), 304);
    assert_int_equal(web_fixture_get(f, "/metrics", "Accept-Encoding: gzip\r\n"), 200);
    assert_string_equal(header(f, "Content-Encoding"), "gzip");
    char *unzipped = unzip(&f->reply.body, size);
    assert_memory_equal(unzipped, plain, size);
    free(unzipped);
    free(plain);
}

static void alive_is_a_word(void **state) {
    struct web_fixture *f = *state;
    assert_int_equal(web_fixture_get(f, "/healthz", NULL), 200);
    assert_string_equal(web_fixture_body(f), "ok\n");
    assert_int_equal(web_fixture_get(f, "/-/healthy", NULL), 200);
}

static void ready_says_what_is_pending(void **state) {
    struct web_fixture *f = *state;
    assert_int_equal(web_fixture_get(f, "/-/ready", NULL), 200);
    f->sampler.targets[1].view.health = TARGET_PENDING;
    assert_int_equal(web_fixture_get(f, "/-/ready", NULL), 503);
    assert_string_equal(web_fixture_body(f),
                        "{\"status\":\"starting\",\"pending\":[\"cache-1\"]}\n");
    assert_string_equal(header(f, "Retry-After"), "1");
}

static void health_is_down_only_for_what_is_required(void **state) {
    struct web_fixture *f = *state;
    assert_int_equal(web_fixture_get(f, "/health", NULL), 200);
    assert_string_equal(web_fixture_body(f), "{\"status\":\"ok\",\"targets\":{\"up\":2,\"down\":0,"
                                             "\"pending\":0}}\n");
    f->sampler.targets[1].view.health = TARGET_DOWN;
    assert_int_equal(web_fixture_get(f, "/health", NULL), 200);
    assert_true(body_has(f, "\"degraded\""));
    f->sampler.targets[0].view.health = TARGET_DOWN;
    assert_int_equal(web_fixture_get(f, "/health", NULL), 503);
    assert_true(body_has(f, "\"down\",\"targets\":{\"up\":0,\"down\":2"));
    assert_string_equal(header(f, "Retry-After"), "5");
    assert_int_equal(web_fixture_get(f, "/health/detailed", NULL), 503);
}

static void health_is_down_while_a_required_breaker_is_open(void **state) {
    struct web_fixture *f = *state;
    f->sampler.targets[1].breaker.state = BREAKER_OPEN;
    assert_int_equal(web_fixture_get(f, "/health", NULL), 200);
    f->sampler.targets[0].breaker.state = BREAKER_OPEN;
    f->sampler.targets[0].breaker.next_attempt_usec = loop_clock_usec() + 1000ULL * 1000 * 1000;
    assert_int_equal(web_fixture_get(f, "/health", NULL), 503);
    int seconds = atoi(header(f, "Retry-After"));
    assert_in_range(seconds, 980, 1001);
    f->sampler.targets[0].breaker.state = BREAKER_HALF_OPEN;
    assert_int_equal(web_fixture_get(f, "/health", NULL), 200);
}

static void details_tell_why_a_target_is_down(void **state) {
    struct web_fixture *f = *state;
    struct target_view *view = &f->sampler.targets[1].view;
    view->health = TARGET_DOWN;
    view->window = 0x5;
    view->n_window = 4;
    view->version = 70015;
    view->last_failure.reason = REASON_AUTH;
    view->last_failure.end = CLIENT_ALIVE;
    error_say(&view->last_failure.error, -EACCES, "WRONGPASS \"nope\"");
    facts_set(&view->facts, FACT_ROLE, ROLE_REPLICA);
    static const struct collector slow = {.name = "slowlog"};
    f->sampler.targets[1].collectors[0] = (struct collector_view){
        .collector = &slow, .enabled = true, .failure.reason = REASON_PERMISSION};
    error_say(&f->sampler.targets[1].collectors[0].failure.error, -EPERM, "NOPERM");
    f->sampler.targets[1].n_collectors = 1;
    f->sampler.targets[0].view.version = 150004;
    assert_int_equal(web_fixture_get(f, "/health/detailed", NULL), 200);
    static const char *const expected[] = {
        "\"status\":\"degraded\"",
        "{\"name\":\"orders-1\",\"type\":\"postgres\",\"instance\":\"10.0.0.1:5432\","
        "\"cluster\":\"orders\",\"required\":true,\"health\":\"up\","
        "\"since\":\"2023-11-14T22:13:20.123Z\",\"role\":null,\"version\":\"15.4\"",
        "\"role\":\"replica\",\"version\":\"7.0.15\"",
        "\"window\":{\"rounds\":4,\"success_share\":0.5}",
        "\"last_failure\":{\"reason\":\"auth\",\"end\":\"alive\",\"code\":null,",
        "\"text\":\"WRONGPASS \\\"nope\\\"\"}",
        "\"breaker\":{\"state\":\"closed\"",
        "\"failing_collectors\":[{\"name\":\"slowlog\",\"failure\":{\"reason\":\"permission\"",
    };
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        if (!body_has(f, expected[i])) {
            fail_msg("no %s in %s", expected[i], web_fixture_body(f));
        }
    }
}

static void service_discovery_lists_targets_and_us(void **state) {
    struct web_fixture *f = *state;
    struct target_label *label = &f->sampler.targets[0].options.labels[0];
    *label = (struct target_label){(char *)(uintptr_t) "tier", (char *)(uintptr_t) "gold"};
    f->sampler.targets[0].options.n_labels = 1;
    f->sampler.targets[1].options.job = (char *)(uintptr_t) "caches";
    assert_int_equal(web_fixture_get(f, "/sd", NULL), 200);
    assert_string_equal(header(f, "Content-Type"), "application/json");
    assert_string_equal(
        web_fixture_body(f),
        "[{\"targets\":[\"mon.example:9719\"],\"labels\":{\"__scheme__\":\"http\","
        "\"__metrics_path__\":\"/metrics\",\"__param_target\":\"orders-1\","
        "\"target\":\"orders-1\",\"instance\":\"10.0.0.1:5432\",\"job\":\"postgres\","
        "\"cluster\":\"orders\",\"tier\":\"gold\"}},"
        "{\"targets\":[\"mon.example:9719\"],\"labels\":{\"__scheme__\":\"http\","
        "\"__metrics_path__\":\"/metrics\",\"__param_target\":\"cache-1\","
        "\"target\":\"cache-1\",\"instance\":\"10.0.0.3:6379\",\"job\":\"caches\"}},"
        "{\"targets\":[\"mon.example:9719\"],\"labels\":{\"__scheme__\":\"http\","
        "\"__metrics_path__\":\"/metrics\",\"__param_target\":\"dbvitals\","
        "\"target\":\"dbvitals\",\"instance\":\"mon.example:9719\",\"job\":\"dbvitals\"}}]\n");
}

static void service_discovery_without_anything_is_an_empty_list(void **state) {
    struct web_fixture *f = *state;
    f->sampler.n_targets = 0;
    f->sources.self = NULL;
    web_fixture_get(f, "/sd", NULL);
    assert_string_equal(web_fixture_body(f), "[]\n");
}

static void an_external_url_stands_before_links(void **state) {
    struct web_fixture *f = *state;
    f->options.external_url = "https://mon.example.org/db/";
    web_fixture_get(f, "/sd", NULL);
    assert_true(body_has(f, "{\"targets\":[\"mon.example.org\"],\"labels\":{\"__scheme__\":"
                            "\"https\",\"__metrics_path__\":\"/db/metrics\""));
    web_fixture_get(f, "/", NULL);
    assert_true(body_has(f, "<a href=\"/db/metrics?target=orders-1\">orders-1</a>"));
}

static void an_odd_host_is_not_repeated(void **state) {
    struct web_fixture *f = *state;
    struct web_client client;
    web_fixture_start(f);
    web_client_open(&client, f->loop, web_address(f->web));
    web_client_send_text(&client, "GET /sd HTTP/1.1\r\nHost: a\"b/c\r\nConnection: close\r\n\r\n");
    assert_true(web_client_wait_close(&client));
    assert_non_null(strstr(client.received.data, web_address(f->web)));
    assert_null(strstr(client.received.data, "a\\\"b"));
    web_client_close(&client);
}

static void the_landing_page_escapes_what_servers_say(void **state) {
    struct web_fixture *f = *state;
    struct target_view *view = &f->sampler.targets[1].view;
    view->health = TARGET_DOWN;
    error_say(&view->last_failure.error, -EIO, "<script>alert('x')</script> & \"q\"");
    assert_int_equal(web_fixture_get(f, "/", NULL), 200);
    assert_string_equal(header(f, "Content-Type"), "text/html; charset=utf-8");
    assert_non_null(strstr(header(f, "Content-Security-Policy"), "default-src 'none'"));
    assert_false(body_has(f, "<script"));
    assert_true(body_has(f, "&#60;script&#62;alert(&#39;x&#39;)&#60;/script&#62; &#38; "
                            "&#34;q&#34;"));
    assert_true(body_has(f, "<a href=\"/metrics?target=cache-1\">cache-1</a>"));
}

static void the_landing_page_says_at_a_glance_how_all_are(void **state) {
    struct web_fixture *f = *state;
    struct target_view *orders = &f->sampler.targets[0].view, *cache = &f->sampler.targets[1].view;
    orders->version = 150002;
    cache->last_round_ms = 1;
    cache->last_round_seconds = 0.0042;
    web_fixture_get(f, "/", NULL);
    assert_true(body_has(f, "<title>all 2 up - dbvitals</title>"));
    assert_true(body_has(f, "<p class=\"state up\">all 2 up</p>"));
    assert_true(body_has(f, "postgres 15.2<"));
    assert_true(body_has(f, "4.2 ms<"));
    assert_true(strstr(web_fixture_body(f), ">orders-1<") <
                strstr(web_fixture_body(f), ">cache-1<"));

    orders->failed_collectors = 2;
    web_fixture_get(f, "/", NULL);
    assert_true(body_has(f, "2 up, some collectors fail</p>"));
    assert_true(body_has(f, "failing collectors: 2"));

    orders->health = TARGET_PENDING;
    web_fixture_get(f, "/", NULL);
    assert_true(body_has(f, "<p class=\"state pending\">1 of 2 not sampled yet</p>"));

    cache->health = TARGET_DOWN;
    cache->last_round_seconds = 3.04;
    web_fixture_get(f, "/", NULL);
    assert_true(body_has(f, "<p class=\"state down\">1 of 2 down</p>"));
    assert_true(body_has(f, "3.0 s<"));
    assert_true(strstr(web_fixture_body(f), ">cache-1<") <
                strstr(web_fixture_body(f), ">orders-1<"));
}

static void the_page_that_asks_is_constant_and_runs_nothing_foreign(void **state) {
    struct web_fixture *f = *state;
    char body[64 * 1024], etag[64], headers[100];
    assert_int_equal(web_fixture_get(f, "/graph?g0.expr=up&g0.tab=1", NULL), 200);
    assert_string_equal(header(f, "Content-Type"), "text/html; charset=utf-8");
    assert_string_equal(header(f, "Cache-Control"), "no-cache");
    const char *policy = header(f, "Content-Security-Policy");
    assert_non_null(strstr(policy, "default-src 'none'; style-src 'sha256-"));
    assert_non_null(strstr(policy, "script-src 'sha256-"));
    assert_non_null(strstr(policy, "connect-src 'self'"));
    assert_null(strstr(policy, "unsafe"));
    snprintf(body, sizeof(body), "%s", web_fixture_body(f));
    snprintf(etag, sizeof(etag), "%s", header(f, "ETag"));
    assert_int_equal(web_fixture_get(f, "/query?g0.expr=%3Cscript%3Ealert(1)%3C/script%3E", NULL),
                     200);
    assert_string_equal(web_fixture_body(f), body);
    assert_null(strstr(body, "innerHTML"));
    snprintf(headers, sizeof(headers), "If-None-Match: %s\r\n", etag);
    assert_int_equal(web_fixture_get(f, "/query", headers), 304);
    assert_int_equal(f->reply.body.len, 0);
}

static void links_of_the_field_lead_to_parts_of_the_page(void **state) {
    struct web_fixture *f = *state;
    f->options.external_url = "https://mon.example.org/db";
    assert_int_equal(web_fixture_get(f, "/alerts?search=x%0d%0aX-Evil:%201", NULL), 302);
    assert_string_equal(header(f, "Location"), "/db/#alerts");
    assert_int_equal(web_fixture_get(f, "/rules", NULL), 302);
    assert_string_equal(header(f, "Location"), "/db/#rules");
    assert_int_equal(web_fixture_get(f, "/", NULL), 200);
    assert_true(body_has(f, "id=\"alerts\"") && body_has(f, "id=\"rules\""));
}

static void the_landing_page_tells_of_an_open_breaker(void **state) {
    struct web_fixture *f = *state;
    f->sampler.targets[0].breaker.state = BREAKER_OPEN;
    web_fixture_get(f, "/", NULL);
    assert_true(body_has(f, "sampling is held back by its breaker"));
}

static void the_landing_page_without_targets_says_what_to_do(void **state) {
    struct web_fixture *f = *state;
    f->sampler.n_targets = 0;
    web_fixture_get(f, "/", NULL);
    assert_true(body_has(f, "<p class=\"state pending\">no targets</p>"));
    assert_true(body_has(f, "No target has been found yet."));
    assert_true(body_has(f, "check-config"));
}

static void ids_are_taken_over_and_echoed(void **state) {
    struct web_fixture *f = *state;
    web_fixture_get(f, "/healthz", "X-Request-ID: abc-1\r\nX-Correlation-ID: flow.7\r\n");
    assert_string_equal(header(f, "X-Request-ID"), "abc-1");
    assert_string_equal(header(f, "X-Correlation-ID"), "flow.7");
    web_fixture_get(f, "/nothing", "X-Request-ID: a b\r\nX-Correlation-ID: <x>\r\n");
    assert_int_equal(strlen(header(f, "X-Request-ID")), 16);
    assert_null(web_reply_header(&f->reply, "X-Correlation-ID"));
}

static void the_log_level_changes_on_request(void **state) {
    struct web_fixture *f = *state;
    f->options.enable_lifecycle = true;
    enum log_level before = log_get_level();
    log_set_level(LOG_LEVEL_ERROR);
    assert_int_equal(web_fixture_ask(f, "POST /-/log-level?level=warn", NULL, ""), 200);
    assert_string_equal(web_fixture_body(f), "{\"level\":\"warn\",\"previous\":\"error\"}\n");
    assert_int_equal(log_get_level(), LOG_LEVEL_WARN);
    assert_int_equal(web_fixture_ask(f, "POST /-/log-level", NULL, "level=error"), 200);
    assert_int_equal(log_get_level(), LOG_LEVEL_ERROR);
    assert_int_equal(web_fixture_ask(f, "POST /-/log-level?level=loud", NULL, ""), 400);
    assert_int_equal(web_fixture_ask(f, "POST /-/log-level", NULL, NULL), 400);
    assert_int_equal(log_get_level(), LOG_LEVEL_ERROR);
    log_set_level(before);
}

static void numbers_count_what_was_answered(void **state) {
    struct web_fixture *f = *state;
    web_fixture_get(f, "/healthz", NULL);
    web_fixture_get(f, "/nothing", NULL);
    struct web_numbers numbers = web_numbers(f->web);
    assert_int_equal(numbers.requests, 2);
    assert_int_equal(numbers.by_class[2], 1);
    assert_int_equal(numbers.by_class[4], 1);
    assert_int_equal(numbers.refused, 0);
}

#define WITH_WEB(test)                                                                             \
    cmocka_unit_test_setup_teardown(test, web_fixture_set_up, web_fixture_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_WEB(a_page_has_the_headers_of_an_exposition),
        WITH_WEB(the_joined_page_names_targets),
        WITH_WEB(our_own_samples_are_refreshed_and_have_a_page),
        WITH_WEB(probe_and_scrape_need_a_target),
        WITH_WEB(an_unknown_target_gets_a_suggestion),
        WITH_WEB(a_name_with_quotes_and_newlines_stays_inside_its_string),
        WITH_WEB(a_guessed_target_is_hidden_until_it_answered),
        WITH_WEB(head_has_the_headers_of_get_and_no_body),
        WITH_WEB(an_unchanged_page_is_not_sent_again),
        WITH_WEB(a_page_is_compressed_for_who_accepts_it),
        WITH_WEB(a_large_fleet_is_sent_in_pieces),
        WITH_WEB(alive_is_a_word),
        WITH_WEB(ready_says_what_is_pending),
        WITH_WEB(health_is_down_only_for_what_is_required),
        WITH_WEB(health_is_down_while_a_required_breaker_is_open),
        WITH_WEB(details_tell_why_a_target_is_down),
        WITH_WEB(service_discovery_lists_targets_and_us),
        WITH_WEB(service_discovery_without_anything_is_an_empty_list),
        WITH_WEB(an_external_url_stands_before_links),
        WITH_WEB(an_odd_host_is_not_repeated),
        WITH_WEB(the_landing_page_escapes_what_servers_say),
        WITH_WEB(the_landing_page_says_at_a_glance_how_all_are),
        WITH_WEB(the_page_that_asks_is_constant_and_runs_nothing_foreign),
        WITH_WEB(links_of_the_field_lead_to_parts_of_the_page),
        WITH_WEB(the_landing_page_tells_of_an_open_breaker),
        WITH_WEB(the_landing_page_without_targets_says_what_to_do),
        WITH_WEB(ids_are_taken_over_and_echoed),
        WITH_WEB(the_log_level_changes_on_request),
        WITH_WEB(numbers_count_what_was_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
