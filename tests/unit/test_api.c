/* SPDX-License-Identifier: Apache-2.0 */

/* The HTTP API over a small history: each path, each error, and what becomes of workers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "store/history.h"
#include "tests/support/web_fixture.h"

#define MANY 3000

/* temperature{room="a"}, {room="b"} and errors_total at 1, 2, ... 60 s, and many series. */
static int set_up(void **state) {
    int r = web_fixture_set_up(state);
    struct web_fixture *f = *state;
    store_set_history(f->store, (int64_t)3600 * 1000, (size_t)64 << 20);
    struct store_source *source =
        store_source_new(f->store, &(struct source_labels){.target = str_of("t1"),
                                                           .instance = str_of("10.0.0.9:1"),
                                                           .job = str_of("postgres")});
    struct store_feed *feed = store_feed_new(source, "history");
    static const struct batch_metric temperature = {"temperature", "How warm it is.", METRIC_GAUGE,
                                                    true};
    static const struct batch_metric errors = {"errors_total", "Mistakes.", METRIC_COUNTER, true};
    static const struct batch_metric many = {"many", "Many.", METRIC_UNTYPED, true};
    for (int second = 1; second <= 60; second++) {
        struct batch batch = {0};
        const struct label a = {str_of("room"), str_of("a")}, b = {str_of("room"), str_of("b")};
        batch_add(&batch, temperature, batch_add_labels(&batch, &a, 1), 20.5 + second % 3);
        batch_add(&batch, temperature, batch_add_labels(&batch, &b, 1), -3);
        batch_add(&batch, errors, (struct batch_labels){0}, 2 * second);
        for (int i = 0; i < MANY; i++) {
            char number[16];
            snprintf(number, sizeof(number), "%d", i);
            const struct label label = {str_of("i"), str_of(number)};
            batch_add(&batch, many, batch_add_labels(&batch, &label, 1), second * i + 0.1);
        }
        store_feed_commit(feed, &batch, (int64_t)second * 1000);
        batch_deinit(&batch);
    }
    store_publish(source);
    return r;
}

static const char *get(struct web_fixture *f, const char *target) {
    char whole[4096];
    snprintf(whole, sizeof(whole), "/api/v1/%s", target);
    web_fixture_get(f, whole, NULL);
    return web_fixture_body(f);
}

static void an_instant_query_is_a_vector(void **state) {
    struct web_fixture *f = *state;
    assert_string_equal(
        get(f, "query?query=temperature&time=60"),
        "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":["
        "{\"metric\":{\"__name__\":\"temperature\",\"instance\":\"10.0.0.9:1\",\"job\":\"postgres\""
        ",\"room\":\"a\",\"target\":\"t1\"},\"value\":[60,\"20.5\"]},"
        "{\"metric\":{\"__name__\":\"temperature\",\"instance\":\"10.0.0.9:1\",\"job\":\"postgres\""
        ",\"room\":\"b\",\"target\":\"t1\"},\"value\":[60,\"-3\"]}]}}");
    assert_int_equal(f->reply.status, 200);
    assert_string_equal(web_reply_header(&f->reply, "Content-Type"), "application/json");
}

static void other_types_have_their_shapes(void **state) {
    struct web_fixture *f = *state;
    assert_string_equal(get(f, "query?query=1%2F3&time=1.5"),
                        "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":"
                        "[1.500,\"0.3333333333333333\"]}}");
    assert_string_equal(get(f, "query?query=%22a%5C%22b%22&time=7"),
                        "{\"status\":\"success\",\"data\":{\"resultType\":\"string\",\"result\":"
                        "[7,\"a\\\"b\"]}}");
    assert_string_equal(get(f, "query?query=sum(errors_total)%5B3s:1s%5D&time=10"),
                        "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":["
                        "{\"metric\":{},\"values\":[[8,\"16\"],[9,\"18\"],[10,\"20\"]]}]}}");
    assert_string_equal(get(f, "query?query=absent_metric"),
                        "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\","
                        "\"result\":[]}}");
}

static void a_range_query_is_a_matrix(void **state) {
    struct web_fixture *f = *state;
    assert_string_equal(
        get(f, "query_range?query=sum(rate(errors_total%5B10s%5D))&start=20&end=30&step=5"),
        "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":["
        "{\"metric\":{},\"values\":[[20,\"2\"],[25,\"2\"],[30,\"2\"]]}]}}");
    assert_string_equal(get(f, "query_range?query=5&start=1&end=2&step=500ms"),
                        "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":["
                        "{\"metric\":{},\"values\":[[1,\"5\"],[1.500,\"5\"],[2,\"5\"]]}]}}");
}

static void mistakes_are_told_without_a_worker(void **state) {
    static const struct {
        const char *target;
        int status;
        const char *error;
    } rows[] = {
        {"query?query=", 400,
         "\"errorType\":\"bad_data\",\"error\":\"invalid parameter "
         "\\\"query\\\": unknown position: parse error: no expression found"},
        {"query?query=sum(", 400, "invalid parameter \\\"query\\\": 1:5: parse error: "},
        {"query?query=1&time=x", 400, "cannot parse \\\"x\\\" to a valid timestamp"},
        {"query?query=1&timeout=x", 400, "invalid parameter \\\"timeout\\\": cannot parse"},
        {"query?query=1&lookback_delta=x", 400, "error parsing lookback delta duration: "},
        {"query_range?query=up%5B5m%5D&start=1&end=2&step=1", 400,
         "invalid expression type \\\"range vector\\\" for range query"},
        {"query_range?query=1&start=1&end=2", 400, "invalid parameter \\\"step\\\""},
        {"series", 400, "no match[] parameter provided"},
        {"series?match[]=%7B%7D", 400, "match[]"},
        {"series?match[]=%7Ba!%3D%22x%22%7D", 400, "match[]"},
        {"labels?match[]=(", 400, "\"error\":\"1:2: parse error: "},
        /* That takes 2^30 steps, were it tried to the end. */
        {"query?query=%7Ba%3D~%22(%7C)%7B30%7D%5C%5Cb%22%7D", 400,
         "a regular expression takes too long on the empty text"},
        {"rules?match[]=", 400, "invalid parameter \\\"match[]\\\": 1:1: parse error: "},
        {"label/%FF/values", 400, "invalid label name: "},
        {"label//values", 400, "invalid label name: \\\"\\\""},
        {"rules?type=x", 400, "invalid parameter \\\"type\\\": not supported value \\\"x\\\""},
        {"nothing", 404, "\"errorType\":\"not_found\""},
        {"label/a", 404, "\"errorType\":\"not_found\""},
        {"label/a/values/b", 404, "\"errorType\":\"not_found\""},
    };
    struct web_fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *body = get(f, rows[i].target);
        if (f->reply.status != rows[i].status || strstr(body, rows[i].error) == NULL) {
            fail_msg("%s: %d %s", rows[i].target, f->reply.status, body);
        }
        assert_non_null(strstr(body, "{\"status\":\"error\",\"errorType\":\""));
    }
}

static void what_cannot_be_computed_is_422(void **state) {
    struct web_fixture *f = *state;
    const char *body = get(f, "query?query=temperature+%2B+on(job)+temperature&time=60");
    assert_int_equal(f->reply.status, 422);
    assert_non_null(strstr(body, "{\"status\":\"error\",\"errorType\":\"execution\",\"error\":"
                                 "\"found duplicate series for the match group"));
}

static void warnings_and_limits_are_shown(void **state) {
    struct web_fixture *f = *state;
    const char *body = get(f, "query?query=quantile(2,temperature)&time=60");
    assert_non_null(strstr(body, "\"warnings\":[\"PromQL warning: quantile value should be "
                                 "between 0 and 1, got 2 (1:10)\"]}"));
    body = get(f, "query?query=temperature&time=60&limit=1&stats=1");
    assert_non_null(strstr(body, "\"room\":\"a\""));
    assert_null(strstr(body, "\"room\":\"b\""));
    assert_non_null(strstr(body, "\"warnings\":[\"results truncated due to limit\"]}"));
    assert_non_null(strstr(body, "\"totalQueryableSamples\":"));
    body = get(f, "query?query=temperature&time=64&lookback_delta=3s");
    assert_non_null(strstr(body, "\"result\":[]"));
}

static void labels_and_series_are_listed(void **state) {
    struct web_fixture *f = *state;
    assert_string_equal(get(f, "labels?match[]=temperature"),
                        "{\"status\":\"success\",\"data\":[\"__name__\",\"instance\",\"job\","
                        "\"room\",\"target\"]}");
    assert_string_equal(get(f, "label/room/values"),
                        "{\"status\":\"success\",\"data\":[\"a\",\"b\"]}");
    assert_string_equal(get(f, "label/room/values?limit=1"),
                        "{\"status\":\"success\",\"data\":[\"a\"],\"warnings\":[\"results "
                        "truncated due to limit\"]}");
    assert_string_equal(get(f, "label/U__ro_6f_m/values"),
                        "{\"status\":\"success\",\"data\":[\"a\",\"b\"]}");
    assert_string_equal(get(f, "label/nobody_has_this/values"),
                        "{\"status\":\"success\",\"data\":[]}");
    assert_string_equal(get(f, "series?match[]=errors_total&match[]=%7B__name__%3D~%22err.*%22%7D"),
                        "{\"status\":\"success\",\"data\":[{\"__name__\":\"errors_total\","
                        "\"instance\":\"10.0.0.9:1\",\"job\":\"postgres\",\"target\":\"t1\"}]}");
    assert_string_equal(get(f, "series?match[]=errors_total&start=61&end=70"),
                        "{\"status\":\"success\",\"data\":[]}");
    assert_non_null(strstr(get(f, "series?match[]=errors_total&start=10&end=11"), "errors_total"));
    assert_string_equal(get(f, "metadata?metric=errors_total"),
                        "{\"status\":\"success\",\"data\":{\"errors_total\":[{\"type\":\"counter\","
                        "\"help\":\"Mistakes.\",\"unit\":\"\"}]}}");
    assert_non_null(strstr(get(f, "metadata"), "\"many\":[{\"type\":\"unknown\""));
}

static void a_form_may_be_posted(void **state) {
    struct web_fixture *f = *state;
    struct strbuf body = {0};
    strbuf_add_text(&body, "time=60&query=sum(temperature)");
    for (int i = 0; i < 10000; i++) {
        strbuf_add_text(&body, "%2B+1234567");
    }
    assert_int_equal(
        web_fixture_ask(f, "POST /api/v1/query",
                        "Content-Type: application/x-www-form-urlencoded\r\n", body.data),
        400); /* above 64 KiB of text once it is decoded, and 100 KiB of body are taken */
    assert_non_null(strstr(web_fixture_body(f), "\"bad_data\",\"error\":\"invalid parameter "
                                                "\\\"query\\\""));
    strbuf_clear(&body);
    strbuf_add_text(&body, "time=60&query=sum(temperature)%2B1");
    assert_int_equal(web_fixture_ask(f, "POST /api/v1/query?time=1",
                                     "Content-Type: application/x-www-form-urlencoded\r\n",
                                     body.data),
                     200);
    assert_non_null(strstr(web_fixture_body(f), "\"value\":[60,\"18.5\"]"));
    strbuf_deinit(&body);
    assert_int_equal(web_fixture_ask(f, "POST /api/v1/rules", NULL, ""), 405);
    assert_int_equal(web_fixture_ask(f, "DELETE /api/v1/query", NULL, NULL), 405);
    assert_string_equal(web_reply_header(&f->reply, "Allow"), "GET, HEAD, POST");
}

static void long_bodies_share_a_limit(void **state) {
    enum { LENGTH = 1000000, CLIENTS = 17 };
    struct web_fixture *f = *state;
    struct web_client clients[CLIENTS];
    static char body[LENGTH];
    memset(body, 'a', sizeof(body));
    web_fixture_start(f);
    for (size_t i = 0; i < CLIENTS; i++) {
        web_client_open(&clients[i], f->loop, web_address(f->web));
        web_client_send_text(&clients[i], "POST /api/v1/query HTTP/1.1\r\nHost: a\r\n"
                                          "Content-Length: 1000000\r\n\r\n");
        web_client_send(&clients[i], body, LENGTH - 1);
    }
    web_client_send(&clients[CLIENTS - 1], body, 1);
    assert_true(web_client_wait_text(&clients[CLIENTS - 1], "HTTP/1.1 503", 1));
    assert_true(web_client_wait_text(&clients[CLIENTS - 1], "too many long bodies", 1));
    for (size_t i = 0; i < CLIENTS; i++) {
        web_client_close(&clients[i]);
    }
    /* What they held is free again. */
    assert_int_equal(web_fixture_ask(f, "POST /api/v1/query?query=1",
                                     "Content-Type: application/x-www-form-urlencoded\r\n",
                                     "time=1"),
                     200);
}

static void answers_are_compressed_for_who_accepts_it(void **state) {
    struct web_fixture *f = *state;
    const char *target = "/api/v1/query?query=many&time=60";
    assert_int_equal(web_fixture_get(f, target, NULL), 200);
    size_t plain = f->reply.body.len;
    assert_int_equal(web_fixture_get(f, target, "Accept-Encoding: gzip\r\n"), 200);
    assert_string_equal(web_reply_header(&f->reply, "Content-Encoding"), "gzip");
    assert_true(f->reply.body.len < plain / 3);
    assert_memory_equal(f->reply.body.data, "\x1f\x8b", 2);
}

/* Pairs of all with all: hundreds of millions of samples. */
static const char heavy[] =
    "/api/v1/query_range?query=count_over_time((sum(rate(many%5B1m%5D))+%2B+avg(many))%5B1h:1s%5D)"
    "&start=0&end=10000&step=1";

static void what_takes_too_long_is_503(void **state) {
    struct web_fixture *f = *state;
    struct strbuf target = {0};
    strbuf_printf(&target, "%s&timeout=100ms", heavy);
    assert_int_equal(web_fixture_get(f, target.data, NULL), 503);
    assert_non_null(strstr(web_fixture_body(f), "\"errorType\":\"timeout\",\"error\":\"query timed "
                                                "out in"));
    strbuf_deinit(&target);
}

static void a_worker_ends_with_its_client(void **state) {
    struct web_fixture *f = *state;
    struct web_client clients[3];
    char request[512];
    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", heavy);
    web_fixture_start(f);
    /* Two hold both workers, the third waits in the queue. */
    for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
        web_client_open(&clients[i], f->loop, web_address(f->web));
        web_client_send_text(&clients[i], request);
    }
    for (int i = 0; i < 1000 && web_numbers(f->web).connections < ARRAY_LEN(clients); i++) {
        web_client_turn(&clients[0]);
    }
    /* What they sent is there; a few turns, and it is read. */
    for (int i = 0; i < 20; i++) {
        web_client_turn(&clients[0]);
    }
    assert_int_equal(web_numbers(f->web).connections, ARRAY_LEN(clients));
    assert_int_equal(web_numbers(f->web).requests, 0);
    for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
        web_client_close(&clients[i]);
    }
    /* Only when these have ended there is a worker for us. */
    assert_int_equal(web_fixture_get(f, "/api/v1/query?query=1&timeout=5s", NULL), 200);
    for (int i = 0; i < 1000 && web_numbers(f->web).connections > 0; i++) {
        loop_run_once(f->loop, 10 * 1000);
    }
    assert_int_equal(web_numbers(f->web).connections, 0);
    assert_int_equal(web_numbers(f->web).by_class[2], 1);
    assert_int_equal(web_numbers(f->web).by_class[5], 0);
}

static void a_full_queue_is_503(void **state) {
    struct web_fixture *f = *state;
    struct web_client clients[70];
    char request[512];
    snprintf(request, sizeof(request), "GET %s&timeout=60s HTTP/1.1\r\nHost: a\r\n\r\n", heavy);
    web_fixture_start(f);
    for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
        web_client_open(&clients[i], f->loop, web_address(f->web));
        web_client_send_text(&clients[i], request);
        web_client_turn(&clients[i]);
    }
    assert_true(web_client_wait_text(&clients[69], "\"errorType\":\"unavailable\"", 1));
    assert_int_equal(web_fixture_get(f, "/healthz", NULL), 200);
    assert_int_equal(web_fixture_get(f, "/api/v1/alerts", NULL), 200);
    assert_int_equal(web_fixture_get(f, "/api/v1/rules", NULL), 200);
    /* What these cost depends on whoever asks: never in the loop. */
    assert_int_equal(web_fixture_get(f, "/api/v1/rules?match[]=%7Ba%3D~%22.%22%7D", NULL), 503);
    assert_int_equal(web_fixture_get(f, "/api/v1/format_query?query=1", NULL), 503);
    for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
        web_client_close(&clients[i]);
    }
}

static const char *two_alertmanagers(void *userdata, size_t index) {
    static const char *const urls[] = {"http://a:9093/api/v2/alerts", "https://b/am/api/v2/alerts"};
    return index < ARRAY_LEN(urls) ? urls[index] : NULL;
}

static void alertmanagers_are_those_that_are_told(void **state) {
    struct web_fixture *f = *state;
    f->sources.actions.alertmanager = two_alertmanagers;
    assert_string_equal(
        get(f, "alertmanagers"),
        "{\"status\":\"success\",\"data\":{\"activeAlertmanagers\":[{\"url\":"
        "\"http://a:9093/api/v2/alerts\"},{\"url\":\"https://b/am/api/v2/alerts\"}],"
        "\"droppedAlertmanagers\":[]}}");
}

static void what_is_small_needs_no_worker(void **state) {
    struct web_fixture *f = *state;
    assert_string_equal(get(f, "alerts"), "{\"status\":\"success\",\"data\":{\"alerts\":[]}}");
    assert_string_equal(get(f, "rules"), "{\"status\":\"success\",\"data\":{\"groups\":[]}}");
    assert_non_null(strstr(get(f, "alertmanagers"), "\"activeAlertmanagers\":[]"));
    assert_string_equal(get(f, "query_exemplars"), "{\"status\":\"success\",\"data\":[]}");
    assert_string_equal(get(f, "targets/metadata"), "{\"status\":\"success\",\"data\":[]}");
    assert_non_null(strstr(get(f, "status/buildinfo"), "\"version\":\"3."));
    assert_non_null(strstr(get(f, "status/runtimeinfo"), "\"startTime\":\"20"));
    assert_non_null(strstr(get(f, "status/flags"), "\"query.lookback-delta\":\"5m\""));
    assert_string_equal(get(f, "format_query?query=sum(a)by(b)"),
                        "{\"status\":\"success\",\"data\":\"sum by (b) (a)\"}");
    assert_non_null(strstr(get(f, "targets"), "\"health\":\"up\""));
    assert_non_null(strstr(get(f, "targets?state=dropped"), "\"activeTargets\":[]"));
    assert_non_null(strstr(get(f, "status/tsdb?limit=1"),
                           "\"seriesCountByMetricName\":[{\"name\":\"many\",\"value\":3000}],"));
    assert_string_equal(get(f, "status/config"),
                        "{\"status\":\"success\",\"data\":{\"yaml\":\"\"}}");
}

static const char rule_file[] = "groups:\n"
                                "- name: house\n"
                                "  interval: 10s\n"
                                "  rules:\n"
                                "  - record: room:warm\n"
                                "    expr: temperature>0\n"
                                "    labels: {kind: a}\n"
                                "  - alert: Cold\n"
                                "    expr: temperature < 0\n"
                                "    for: 1m\n"
                                "    labels: {severity: page, in: 'room {{ $labels.room }}'}\n"
                                "    annotations: {summary: 'only {{ $value }} degrees'}\n"
                                "  - alert: Broken\n"
                                "    expr: temperature + on(job) temperature\n";

static void drop_event(void *userdata, const struct alert_event *event) {
}
static void drop_change(void *userdata) {
}

static struct rules *make_rules(struct web_fixture *f) {
    struct str name = str_of("house.yml"), text = str_of(rule_file);
    struct error_list errors = {0};
    struct rule_set *set = rule_set_new(&name, &text, 1, &(struct rule_options){0}, &errors);
    assert_non_null(set);
    struct rules *rules = rules_new(&(struct rules_options){
        .store = f->store,
        .now_usec = loop_clock_usec,
        .event = drop_event,
        .state_changed = drop_change,
    });
    rules_set(rules, set, 59000);
    rules_start(rules, 59000);
    for (int64_t t_ms = 59000; t_ms <= 70000; t_ms += 100) {
        for (int i = 0; i < 10 && rules_run(rules, t_ms) <= t_ms; i++) {}
    }
    f->sources.rules = rules;
    return rules;
}

static void expect(const char *body, const char *part) {
    if (body == NULL || strstr(body, part) == NULL) {
        fail_msg("'%s' is not in %s", part, body != NULL ? body : "nothing");
    }
}

static void rules_and_alerts_are_shown(void **state) {
    struct web_fixture *f = *state;
    struct rules *rules = make_rules(f);
    const char *body = get(f, "rules");
    expect(body, "{\"status\":\"success\",\"data\":{\"groups\":[{\"name\":\"house\",\"file\":"
                 "\"house.yml\",\"rules\":[{\"name\":\"room:warm\",\"query\":\"temperature > 0\","
                 "\"labels\":{\"kind\":\"a\"},\"health\":\"ok\",\"evaluationTime\":");
    expect(body, "\"type\":\"recording\"},{\"state\":\"pending\",\"name\":\"Cold\",\"query\":"
                 "\"temperature < 0\",\"duration\":60,\"keepFiringFor\":0,\"labels\":{\"in\":"
                 "\"room {{ $labels.room }}\",\"severity\":\"page\"},\"annotations\":{\"summary\":"
                 "\"only {{ $value }} degrees\"},\"alerts\":[{\"labels\":{\"alertname\":\"Cold\","
                 "\"in\":\"room b\",\"instance\":\"10.0.0.9:1\",\"job\":\"postgres\",\"room\":"
                 "\"b\",\"severity\":\"page\",\"target\":\"t1\"},\"annotations\":{\"summary\":"
                 "\"only -3 degrees\"},\"state\":\"pending\",\"activeAt\":\"1970-01-01T00:0");
    expect(body, "\"value\":\"-3e+00\"}],\"health\":\"ok\",");
    expect(body, "\"health\":\"err\",\"lastError\":\"found duplicate series for the match group");
    expect(body, "\"type\":\"alerting\"}],\"interval\":10,\"limit\":0,\"evaluationTime\":");
    body = get(f, "alerts");
    expect(body, "{\"status\":\"success\",\"data\":{\"alerts\":[{\"labels\":{\"alertname\":");
    expect(body, "\"value\":\"-3e+00\"}]}}");
    f->sources.rules = NULL;
    web_free(f->web);
    f->web = NULL;
    rules_free(rules);
}

static size_t count_of(const char *body, const char *part) {
    size_t count = 0;
    for (const char *at = body; (at = strstr(at, part)) != NULL; at += strlen(part)) {
        count++;
    }
    return count;
}

static void rules_are_chosen(void **state) {
    static const struct {
        const char *target;
        size_t rules, groups, alerts;
    } rows[] = {
        {"rules", 3, 1, 1},
        {"rules?type=alert", 2, 1, 1},
        {"rules?type=record", 1, 1, 0},
        {"rules?rule_name[]=Cold&rule_name[]=Broken", 2, 1, 1},
        {"rules?rule_name[]=Cold&exclude_alerts=true", 1, 1, 0},
        {"rules?rule_group[]=house&file[]=house.yml", 3, 1, 1},
        {"rules?rule_group[]=garden", 0, 0, 0},
        {"rules?file[]=garden.yml", 0, 0, 0},
        {"rules?match[]=%7Bseverity%3D%22page%22%7D", 1, 1, 1},
        {"rules?match[]=%7Bseverity%3D%22x%22%7D&match[]=%7Bkind%3D~%22.%22%7D", 1, 1, 0},
    };
    struct web_fixture *f = *state;
    struct rules *rules = make_rules(f);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *body = get(f, rows[i].target);
        if (count_of(body, "\"health\":") != rows[i].rules ||
            count_of(body, "\"interval\":") != rows[i].groups ||
            count_of(body, "\"activeAt\":") != rows[i].alerts) {
            fail_msg("%s: %s", rows[i].target, web_fixture_body(f));
        }
    }
    expect(get(f, "rules?exclude_alerts=maybe"), "invalid parameter \\\"exclude_alerts\\\"");
    web_free(f->web);
    f->web = NULL;
    rules_free(rules);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, web_fixture_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_instant_query_is_a_vector),
        TEST(other_types_have_their_shapes),
        TEST(a_range_query_is_a_matrix),
        TEST(mistakes_are_told_without_a_worker),
        TEST(what_cannot_be_computed_is_422),
        TEST(warnings_and_limits_are_shown),
        TEST(labels_and_series_are_listed),
        TEST(a_form_may_be_posted),
        TEST(long_bodies_share_a_limit),
        TEST(answers_are_compressed_for_who_accepts_it),
        TEST(what_takes_too_long_is_503),
        TEST(a_worker_ends_with_its_client),
        TEST(a_full_queue_is_503),
        TEST(alertmanagers_are_those_that_are_told),
        TEST(what_is_small_needs_no_worker),
        TEST(rules_and_alerts_are_shown),
        TEST(rules_are_chosen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
