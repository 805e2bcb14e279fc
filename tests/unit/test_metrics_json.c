/* SPDX-License-Identifier: Apache-2.0 */

/* /metrics/json over sockets: which targets, their summaries, compression. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "base/duration.h"
#include "base/mem.h"
#include "tests/support/web_fixture.h"

static const char no_summary[] =
    "{\"database\":{\"query_count\":null,\"avg_latency_ms\":null,\"error_rate_percent\":null,"
    "\"throughput_qps\":null,\"window_seconds\":null},"
    "\"cache\":{\"hits\":null,\"misses\":null,\"hit_rate_percent\":null,"
    "\"eviction_rate_percent\":null,\"window_seconds\":null},"
    "\"connection_pool\":{\"total_connections\":null,\"active_connections\":null,"
    "\"utilization_percent\":null}}";

static const char *header(const struct web_fixture *f, const char *name) {
    const char *value = web_reply_header(&f->reply, name);
    return value != NULL ? value : "";
}

static bool body_has(const struct web_fixture *f, const char *text) {
    return strstr(web_fixture_body(f), text) != NULL;
}

static void one_target_is_a_list_of_one(void **state) {
    struct web_fixture *f = *state;
    char wanted[4096];
    assert_int_equal(web_fixture_get(f, "/metrics/json?target=cache-1", NULL), 200);
    assert_string_equal(header(f, "Content-Type"), "application/json");
    assert_string_equal(header(f, "Cache-Control"), "no-store");
    assert_string_equal(header(f, "Vary"), "Accept-Encoding");
    snprintf(wanted, sizeof(wanted),
             "{\"summary\":%s,\"targets\":[{\"name\":\"cache-1\",\"type\":\"redis\","
             "\"instance\":\"10.0.0.3:6379\",\"cluster\":null,\"labels\":{},\"health\":\"up\","
             "\"summary\":%s,\"metrics\":["
             "{\"name\":\"test_up\",\"type\":\"gauge\",\"samples\":[{\"labels\":{},\"value\":1}]},"
             "{\"name\":\"test_value\",\"type\":\"gauge\",\"samples\":["
             "{\"labels\":{\"number\":\"0\"},\"value\":0},"
             "{\"labels\":{\"number\":\"1\"},\"value\":1},"
             "{\"labels\":{\"number\":\"2\"},\"value\":2}]}]}]}\n",
             no_summary, no_summary);
    assert_string_equal(web_fixture_body(f), wanted);
}

static void all_targets_come_in_the_order_of_the_configuration(void **state) {
    struct web_fixture *f = *state;
    struct fake_target *hidden = fake_sampler_add(&f->sampler, "guessed", KIND_REDIS, "x:1");
    hidden->view.source = NULL;
    assert_int_equal(web_fixture_get(f, "/metrics/json", NULL), 200);
    const char *body = web_fixture_body(f);
    const char *orders = strstr(body, "{\"name\":\"orders-1\",\"type\":\"postgres\"");
    const char *cache = strstr(body, "{\"name\":\"cache-1\"");
    const char *self = strstr(body, "{\"name\":\"dbvitals\"");
    assert_true(orders != NULL && cache > orders && self > cache);
    assert_true(body_has(f, "\"cluster\":\"orders\""));
    assert_true(body_has(f, "{\"labels\":{\"number\":\"499\"},\"value\":499}"));
    assert_false(body_has(f, "guessed"));
    assert_int_equal(f->refreshes, 1);
}

static void the_daemon_itself_has_samples_but_no_summary(void **state) {
    struct web_fixture *f = *state;
    assert_int_equal(web_fixture_get(f, "/metrics/json?target=dbvitals", NULL), 200);
    assert_true(body_has(f, "\"summary\":null,\"metrics\":[{\"name\":\"test_up\""));
}

static void labels_of_a_target_stand_beside_it(void **state) {
    struct web_fixture *f = *state;
    struct target_options *options = &f->sampler.targets[0].options;
    options->labels[0] =
        (struct target_label){(char *)(uintptr_t) "tier", (char *)(uintptr_t) "\"gold\""};
    options->n_labels = 1;
    assert_int_equal(web_fixture_get(f, "/metrics/json?target=orders-1", NULL), 200);
    assert_true(body_has(f, "\"labels\":{\"tier\":\"\\\"gold\\\"\"}"));
}

static void note(struct fake_target *fake, uint64_t t_usec, int64_t factor) {
    struct facts *facts = &fake->view.facts;
    bool cache = fake->options.kind == KIND_REDIS;
    facts_set(facts, cache ? FACT_CACHE_HITS : FACT_COMMITS, 90 * factor);
    facts_set(facts, cache ? FACT_CACHE_MISSES : FACT_ROLLBACKS, 10 * factor);
    summary_note(&fake->traffic, fake->options.kind, t_usec, facts, facts);
}

static void summaries_stand_at_each_target_and_on_top(void **state) {
    struct web_fixture *f = *state;
    uint64_t now = loop_now_usec(f->loop);
    for (size_t i = 0; i < 2; i++) {
        note(&f->sampler.targets[i], now - 10 * USEC_PER_SEC, 1);
        note(&f->sampler.targets[i], now, 3);
    }
    facts_set(&f->sampler.targets[0].view.facts, FACT_CLIENT_BACKENDS, 12);
    facts_set(&f->sampler.targets[0].view.facts, FACT_MAX_CONNECTIONS, 50);
    static const char database[] =
        "\"database\":{\"query_count\":200,\"avg_latency_ms\":null,\"error_rate_percent\":10,"
        "\"throughput_qps\":20,\"window_seconds\":10}";
    static const char cache[] = "\"cache\":{\"hits\":180,\"misses\":20,\"hit_rate_percent\":90,"
                                "\"eviction_rate_percent\":null,\"window_seconds\":10}";
    static const char pool[] =
        "\"connection_pool\":{\"total_connections\":12,\"active_connections\":null,"
        "\"utilization_percent\":24}";
    assert_int_equal(web_fixture_get(f, "/metrics/json", NULL), 200);
    const char *body = web_fixture_body(f);
    const char *targets = strstr(body, "\"targets\":");
    const char *found[] = {strstr(body, database), strstr(body, cache), strstr(body, pool)};
    for (size_t i = 0; i < ARRAY_LEN(found); i++) {
        assert_true(found[i] != NULL && found[i] < targets);
    }
    assert_non_null(strstr(targets, database));
    assert_non_null(strstr(targets, cache));
    assert_int_equal(web_fixture_get(f, "/metrics/json?target=cache-1", NULL), 200);
    assert_false(body_has(f, database));
    assert_true(body_has(f, cache));
}

static void an_unknown_target_gets_a_suggestion(void **state) {
    struct web_fixture *f = *state;
    assert_int_equal(web_fixture_get(f, "/metrics/json?target=cahce-1", NULL), 404);
    assert_true(body_has(f, "did you mean 'cache-1'?"));
}

static void who_accepts_gzip_gets_it(void **state) {
    struct web_fixture *f = *state;
    static char out[1 << 17];
    web_fixture_get(f, "/metrics/json", NULL);
    assert_string_equal(header(f, "Content-Encoding"), "");
    char *plain = mem_strdup(web_fixture_body(f));
    web_fixture_get(f, "/metrics/json", "Accept-Encoding: gzip\r\n");
    assert_string_equal(header(f, "Content-Encoding"), "gzip");
    assert_true(f->reply.body.len < strlen(plain) / 5);
    z_stream stream = {.next_in = (Bytef *)f->reply.body.data,
                       .avail_in = (unsigned)f->reply.body.len,
                       .next_out = (Bytef *)out,
                       .avail_out = sizeof(out)};
    assert_int_equal(inflateInit2(&stream, 16 + MAX_WBITS), Z_OK);
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    assert_int_equal(stream.total_out, strlen(plain));
    assert_memory_equal(out, plain, strlen(plain));
    inflateEnd(&stream);
    free(plain);
}

static void a_target_that_goes_while_the_page_is_sent_is_left_out(void **state) {
    struct web_fixture *f = *state;
    struct web_client client;
    struct web_reply reply;
    /* More than sockets hold, so that the last targets are made later. */
    f->sampler.targets[0].view.source = web_fixture_source(f, "orders-big", "orders", 60000);
    web_fixture_start(f);
    web_client_open(&client, f->loop, web_address(f->web));
    web_client_send_text(&client, "GET /metrics/json HTTP/1.1\r\nHost: x\r\n"
                                  "Connection: close\r\n\r\n");
    for (unsigned turn = 0; turn < 1000 && client.received.len == 0; turn++) {
        web_client_turn(&client);
    }
    assert_true(client.received.len > 0);
    assert_null(strstr(client.received.data, "\"cache-1\""));
    f->sampler.n_targets = 1;
    assert_true(web_client_wait_close(&client));
    web_client_reply(&client, &reply);
    assert_int_equal(reply.status, 200);
    assert_null(strstr(reply.body.data, "\"cache-1\""));
    assert_non_null(strstr(reply.body.data, "}]}]},{\"name\":\"dbvitals\""));
    assert_string_equal(reply.body.data + reply.body.len - 5, "]}]}\n");
    web_reply_deinit(&reply);
    web_client_close(&client);
}

#define WEB_TEST(name)                                                                             \
    cmocka_unit_test_setup_teardown(name, web_fixture_set_up, web_fixture_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(one_target_is_a_list_of_one),
        WEB_TEST(all_targets_come_in_the_order_of_the_configuration),
        WEB_TEST(the_daemon_itself_has_samples_but_no_summary),
        WEB_TEST(labels_of_a_target_stand_beside_it),
        WEB_TEST(summaries_stand_at_each_target_and_on_top),
        WEB_TEST(an_unknown_target_gets_a_suggestion),
        WEB_TEST(who_accepts_gzip_gets_it),
        WEB_TEST(a_target_that_goes_while_the_page_is_sent_is_left_out),
    };
    return cmocka_run_group_tests_name("metrics_json", tests, NULL, NULL);
}
