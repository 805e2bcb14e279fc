/* SPDX-License-Identifier: Apache-2.0 */

/* The way of alerts to an Alertmanager that the test itself plays. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "fake_server.h"
#include "actions/alertmanager.h"
#include "base/mem.h"

#define FIRED_MS ((int64_t)1767323045678) /* 2026-01-02T03:04:05.678Z */

static struct loop *loop;
static struct worker_pool *pool;
static struct resolver *resolver;
static struct transfers *transfers;
static struct alertmanager *alertmanager;
static int listen_fd, fd;
static uint16_t port;
static struct strbuf request;

static int set_up(void **state) {
    assert_int_equal(loop_new(&loop), 0);
    pool = worker_pool_new(loop, NULL);
    resolver = resolver_new(loop, pool);
    transfers = transfers_new(loop, resolver);
    listen_fd = fake_listen(&port);
    fd = -1;
    return 0;
}

static int tear_down(void **state) {
    alertmanager = alertmanager_free(alertmanager);
    transfers = transfers_free(transfers);
    strbuf_deinit(&request);
    if (fd >= 0) {
        (void)close(fd);
    }
    (void)close(listen_fd);
    resolver = resolver_free(resolver);
    pool = worker_pool_free(pool);
    loop = loop_free(loop);
    return 0;
}

static void begin(struct alertmanager_options options) {
    static char url[64];
    static struct http_options http;
    (void)snprintf(url, sizeof(url), "http://me:pw@127.0.0.1:%u/am/", port);
    options.loop = loop;
    options.transfers = transfers;
    http = options.http != NULL ? *options.http : (struct http_options){0};
    http.url = url;
    options.http = &http;
    alertmanager = alertmanager_new(&options);
}

static struct alert_note make_note(uint64_t id, const char *name, int64_t resolved_ms) {
    const struct label labels[] = {{str_of("alertname"), str_of(name)},
                                   {str_of("site"), str_of("own")}};
    const struct label annotations[] = {{str_of("summary"), str_of("it \"broke\"")}};
    const struct label external[] = {{str_of("site"), str_of("a")}, {str_of("zone"), str_of("b")}};
    const struct alert_note_options options = {.external_url = str_of("http://me:9719/"),
                                               .external_labels = external,
                                               .n_external_labels = 2};
    const struct alert_view alert = {.id = id,
                                     .state = resolved_ms != 0 ? ALERT_INACTIVE : ALERT_FIRING,
                                     .labels = labels,
                                     .n_labels = 2,
                                     .annotations = annotations,
                                     .n_annotations = 1,
                                     .active_ms = FIRED_MS - 5000,
                                     .fired_ms = FIRED_MS,
                                     .resolved_ms = resolved_ms,
                                     .valid_until_ms = FIRED_MS + 240000,
                                     .query = str_of("up == 0 + 1")};
    const struct alert_event event = {ALERT_EVENT_FIRING, 1, &alert};
    struct alert_note note;
    assert_int_equal(alert_note_of(&event, &options, FIRED_MS, &note), 1);
    return note;
}

static void notify(uint64_t id, const char *name, int64_t resolved_ms) {
    struct alert_note note = make_note(id, name, resolved_ms);
    alertmanager_notify(alertmanager, &note);
    alert_note_deinit(&note);
}

/* Reads one request, of which bodies have a length. Return: how many alerts it carries. */
static int take_request(void) {
    uint64_t deadline = loop_clock_usec() + 10 * USEC_PER_SEC;
    strbuf_clear(&request);
    if (fd < 0) {
        fd = fake_accept(loop, listen_fd);
    }
    size_t whole = SIZE_MAX;
    while (request.len < whole && loop_clock_usec() < deadline) {
        char *room = strbuf_reserve(&request, 4096);
        ssize_t n = recv(fd, room, 4096, 0);
        if (n <= 0) {
            (void)loop_run_once(loop, USEC_PER_MSEC);
            continue;
        }
        request.len += (size_t)n;
        request.data[request.len] = '\0';
        const char *end = strstr(request.data, "\r\n\r\n");
        const char *length = strstr(request.data, "Content-Length: ");
        if (end != NULL && length != NULL) {
            whole = (size_t)(end + 4 - request.data) + strtoul(length + 16, NULL, 10);
        }
    }
    assert_int_equal(request.len, whole);
    int count = 0;
    for (const char *at = request.data; (at = strstr(at, "\"endsAt\"")) != NULL; at++) {
        count++;
    }
    return count;
}

static void answer(const char *status) {
    char text[128];
    (void)snprintf(text, sizeof(text), "HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n", status);
    uint64_t errors = alertmanager_stats(alertmanager).errors;
    uint64_t sent = alertmanager_stats(alertmanager).sent;
    uint64_t deadline = loop_clock_usec() + 10 * USEC_PER_SEC;
    assert_true(fake_say(loop, fd, text));
    struct alertmanager_stats stats;
    do {
        (void)loop_run_once(loop, USEC_PER_MSEC);
        stats = alertmanager_stats(alertmanager);
    } while (stats.errors == errors && stats.sent == sent && loop_clock_usec() < deadline);
}

static void assert_has(const char *text) {
    if (strstr(request.data, text) == NULL) {
        fail_msg("'%s' is not in: %s", text, request.data);
    }
}

static void writes_what_the_api_reads(void **state) {
    begin((struct alertmanager_options){0});
    struct alert_note firing = make_note(1, "Down", 0);
    struct strbuf text = {0};
    alert_note_write(&firing, FIRED_MS + 1000, &text);
    assert_string_equal(
        text.data, "{\"labels\":{\"alertname\":\"Down\",\"site\":\"own\",\"zone\":\"b\"},"
                   "\"annotations\":{\"summary\":\"it \\\"broke\\\"\"},"
                   "\"startsAt\":\"2026-01-02T03:04:05.678Z\","
                   "\"generatorURL\":\"http://me:9719/graph?g0.expr=up+%3D%3D+0+%2B+1&g0.tab=1\","
                   "\"endsAt\":\"2026-01-02T03:08:06.678Z\"}");
    strbuf_deinit(&text);
    alert_note_deinit(&firing);
    notify(1, "Down", FIRED_MS + 60000);
    assert_int_equal(take_request(), 1);
    assert_has("POST /am/api/v2/alerts HTTP/1.1\r\n");
    assert_has("Authorization: Basic bWU6cHc=\r\n");
    assert_has("\"endsAt\":\"2026-01-02T03:05:05.678Z\"}]");
    answer("200 OK");
    assert_int_equal(alertmanager_stats(alertmanager).sent, 1);
    assert_int_equal(alertmanager_stats(alertmanager).queued, 0);
}

static void newer_news_take_the_place_of_older(void **state) {
    begin((struct alertmanager_options){0});
    notify(1, "A", 0);
    notify(2, "B", 0);
    notify(1, "A", FIRED_MS + 1000);
    assert_int_equal(take_request(), 2);
    assert_has("03:04:06.678Z");
    answer("200 OK");
    assert_int_equal(alertmanager_stats(alertmanager).requests, 1);
}

static void an_old_firing_does_not_come_after_its_resolve(void **state) {
    begin((struct alertmanager_options){0});
    notify(1, "A", 0);
    notify(2, "B", 0);
    assert_int_equal(take_request(), 2);
    notify(1, "A", FIRED_MS + 1000); /* while the firing is under way */
    answer("500 No");
    assert_int_equal(take_request(), 2);
    assert_has("03:04:06.678Z");
    answer("200 OK");
    assert_int_equal(alertmanager_stats(alertmanager).sent, 2);
}

static void sends_large_amounts_in_batches(void **state) {
    begin((struct alertmanager_options){0});
    for (uint64_t i = 0; i < 300; i++) {
        notify(i, "A", 0);
    }
    assert_int_equal(take_request(), 256);
    answer("200 OK");
    assert_int_equal(take_request(), 44);
    answer("200 OK");
    assert_int_equal(alertmanager_stats(alertmanager).sent, 300);
}

static void drops_the_oldest_of_too_many(void **state) {
    begin((struct alertmanager_options){.max_queued = 2});
    notify(1, "First", 0);
    notify(2, "Second", 0);
    notify(3, "Third", 0);
    assert_int_equal(alertmanager_stats(alertmanager).dropped_full, 1);
    assert_int_equal(take_request(), 2);
    assert_null(strstr(request.data, "First"));
    assert_has("Third");
}

static void repeats_after_errors_that_pass(void **state) {
    static const char *const statuses[] = {"500 No", "429 Slowly", "302 Away"};
    begin((struct alertmanager_options){0});
    notify(1, "A", 0);
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        assert_int_equal(take_request(), 1);
        answer(statuses[i]);
    }
    assert_int_equal(take_request(), 1);
    answer("202 Fine");
    assert_int_equal(alertmanager_stats(alertmanager).errors, 3);
    assert_int_equal(alertmanager_stats(alertmanager).sent, 1);
}

static void what_is_refused_is_not_repeated(void **state) {
    begin((struct alertmanager_options){0});
    notify(1, "A", 0);
    notify(2, "B", 0);
    assert_int_equal(take_request(), 2);
    answer("401 Who");
    assert_int_equal(alertmanager_stats(alertmanager).dropped_refused, 2);
    assert_int_equal(alertmanager_stats(alertmanager).queued, 0);
}

static void one_bad_alert_does_not_take_others_with_it(void **state) {
    begin((struct alertmanager_options){0});
    for (uint64_t i = 0; i < 5; i++) {
        notify(i, i == 3 ? "Bad" : "Good", 0);
    }
    for (int i = 0; i < 20 && alertmanager_stats(alertmanager).queued > 0; i++) {
        (void)take_request();
        answer(strstr(request.data, "Bad") != NULL ? "400 Bad" : "200 OK");
    }
    struct alertmanager_stats stats = alertmanager_stats(alertmanager);
    assert_int_equal(stats.queued, 0);
    assert_int_equal(stats.sent, 4);
    assert_int_equal(stats.dropped_refused, 1);
}

static void waits_for_one_that_hangs_only_so_long(void **state) {
    const struct http_options http = {.timeout_usec = 50 * USEC_PER_MSEC};
    begin((struct alertmanager_options){.http = &http});
    notify(1, "A", 0);
    assert_int_equal(take_request(), 1);
    int hanging = fd;
    fd = -1;
    assert_int_equal(take_request(), 1); /* over another connection */
    answer("200 OK");
    assert_int_equal(alertmanager_stats(alertmanager).errors, 1);
    (void)close(hanging);
}

static void opens_its_breaker_when_nobody_is_there(void **state) {
    (void)close(listen_fd);
    listen_fd = -1;
    begin((struct alertmanager_options){0});
    notify(1, "A", 0);
    uint64_t deadline = loop_clock_usec() + 20 * USEC_PER_SEC;
    while (alertmanager_stats(alertmanager).breaker->state != BREAKER_OPEN &&
           loop_clock_usec() < deadline) {
        (void)loop_run_once(loop, 10 * USEC_PER_MSEC);
    }
    assert_int_equal(alertmanager_stats(alertmanager).breaker->state, BREAKER_OPEN);
    assert_int_equal(alertmanager_stats(alertmanager).errors, 5);
    assert_int_equal(alertmanager_stats(alertmanager).queued, 1);
}

static void shows_itself_without_credentials(void **state) {
    begin((struct alertmanager_options){0});
    struct batch batch = {0};
    alertmanager_collect(alertmanager, &batch);
    assert_int_equal(batch.n_samples, 8);
    assert_non_null(strstr(strbuf_view(&batch.text).data, "alertmanager=\"http://127.0.0.1:"));
    assert_null(strstr(strbuf_view(&batch.text).data, "pw"));
    batch_deinit(&batch);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(writes_what_the_api_reads),
        TEST(newer_news_take_the_place_of_older),
        TEST(an_old_firing_does_not_come_after_its_resolve),
        TEST(sends_large_amounts_in_batches),
        TEST(drops_the_oldest_of_too_many),
        TEST(repeats_after_errors_that_pass),
        TEST(what_is_refused_is_not_repeated),
        TEST(one_bad_alert_does_not_take_others_with_it),
        TEST(waits_for_one_that_hangs_only_so_long),
        TEST(opens_its_breaker_when_nobody_is_there),
        TEST(shows_itself_without_credentials),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
