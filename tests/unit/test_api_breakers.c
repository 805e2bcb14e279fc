/* SPDX-License-Identifier: Apache-2.0 */

/* Breakers over HTTP: whether a call may pass, reports, orders, and every mistake. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/duration.h"
#include "tests/support/json_check.h"
#include "tests/support/web_fixture.h"

#define QUEUE "/api/v1/breakers/queue"

static char folder[64], control[96], control_address[128];
static struct circuits *circuits;
static struct web_change_result outcome;
static struct web_breaker_order last;
static char last_name[32];
static unsigned n_orders;

static void changed(void *userdata, struct kept_circuit *kept, enum breaker_state from) {
}

static void order(void *userdata, const struct web_breaker_order *wanted,
                  void (*done)(void *done_userdata, const struct web_change_result *result),
                  void *done_userdata) {
    struct web_fixture *f = userdata;
    last = *wanted;
    (void)snprintf(last_name, sizeof(last_name), "%.*s", (int)wanted->name.len, wanted->name.data);
    n_orders++;
    if (!outcome.refused) {
        circuits_order(circuits, circuits_find(circuits, wanted->name),
                       (struct circuit_time){loop_now_usec(f->loop), loop_now_ms(f->loop)},
                       wanted->event);
    }
    done(done_userdata, &outcome);
}

static int set_up(void **state) {
    int r = web_fixture_set_up(state);
    struct web_fixture *f = *state;
    const struct circuit_options list[] = {
        {.name = (char *)(uintptr_t) "queue",
         .target = (char *)(uintptr_t) "orders-1",
         .group = (char *)(uintptr_t) "shop",
         .policy = circuit_policy_default},
        {.name = (char *)(uintptr_t) "report", .policy = circuit_policy_default},
    };
    (void)snprintf(folder, sizeof(folder), "/tmp/dbvitals-control-XXXXXX");
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    (void)snprintf(control, sizeof(control), "%s/" WEB_CONTROL_SOCKET, folder);
    (void)snprintf(control_address, sizeof(control_address), "unix:%s", control);
    circuits = circuits_new(&(struct circuits_events){.changed = changed});
    circuits_configure(circuits, list, 2, loop_now_usec(f->loop), loop_now_ms(f->loop));
    outcome = (struct web_change_result){.persistent = true};
    n_orders = 0;
    f->options.control_path = control;
    f->sources.circuits = circuits;
    f->sources.actions.order_breaker = order;
    web_fixture_start(f);
    return r;
}

static int tear_down(void **state) {
    int r = web_fixture_tear_down(state);
    circuits = circuits_free(circuits);
    return rmdir(folder) < 0 ? -1 : r;
}

static void expect(struct web_fixture *f, const char *line, const char *body, int status,
                   const char *part) {
    int found = web_fixture_ask(f, line, NULL, body);
    const char *text = web_fixture_body(f);
    if (found != status || strstr(text, part) == NULL || !json_check(strbuf_view(&f->reply.body))) {
        fail_msg("%s %s: %d %s", line, body != NULL ? body : "", found, text);
    }
}

static void expect_on_socket(struct web_fixture *f, const char *line, const char *body, int status,
                             const char *part) {
    web_reply_deinit(&f->reply);
    web_client_ask(f->loop, control_address, line, NULL, body, &f->reply);
    if (f->reply.status != status || strstr(web_fixture_body(f), part) == NULL) {
        fail_msg("%s %s: %d %s", line, body, f->reply.status, web_fixture_body(f));
    }
}

static void says_yes_while_it_is_closed(void **state) {
    expect(
        *state, "GET " QUEUE, NULL, 200,
        "{\"name\":\"queue\",\"state\":\"closed\",\"reason\":null,\"shedding\":false,\"since\":");
    expect(*state, "GET " QUEUE, NULL, 200,
           "\"retry_after\":0,\"owner\":null,\"own_state\":\"closed\",\"circuit\":\"all\","
           "\"group\":\"shop\",\"target\":\"orders-1\",\"cluster\":null}");
}

static void says_no_and_when_to_ask_again_while_it_is_open(void **state) {
    struct web_fixture *f = *state;
    for (int i = 0; i < 5; i++) {
        expect(f, "POST " QUEUE "/report", "{\"success\": false}", 200,
               i < 4 ? "\"state\":\"closed\"" : "\"state\":\"open\"");
    }
    expect(f, "GET " QUEUE, NULL, 503, "\"reason\":\"consecutive_failures\"");
    assert_non_null(strstr(strbuf_view(&f->reply.head).data, "Retry-After: "));
    assert_int_equal(circuits_at(circuits, 0)->circuit.breaker.rejected_total, 1);
    expect(f, "GET /api/v1/breakers", NULL, 200, "\"name\":\"queue\",\"state\":\"open\"");
    assert_int_equal(circuits_at(circuits, 0)->circuit.breaker.rejected_total, 1);
}

static void many_calls_are_one_report(void **state) {
    struct web_fixture *f = *state;
    expect(f, "POST " QUEUE "/report",
           "{\"calls\": [{\"success\": true, \"duration\": 0.2}, {\"success\": false}, "
           "{\"success\": true, \"duration\": 0}]}",
           200, "closed");
    const struct circuit *circuit = &circuits_at(circuits, 0)->circuit;
    assert_int_equal(circuit->calls_total[CIRCUIT_SLOW], 1);
    assert_int_equal(circuit->calls_total[CIRCUIT_FAILURE], 1);
    assert_int_equal(circuit->calls_total[CIRCUIT_SUCCESS], 1);
    expect(f, "POST " QUEUE "/report", "{\"calls\": []}", 200, "closed");
    expect(f, "POST /api/v1/breakers/report/report", "{\"success\": true}", 200,
           "\"name\":\"report\"");
}

static void lists_them_by_group_and_target(void **state) {
    struct web_fixture *f = *state;
    expect(f, "GET /api/v1/breakers", NULL, 200, "{\"status\":\"success\",\"data\":");
    assert_non_null(strstr(web_fixture_body(f), "\"name\":\"report\""));
    expect(f, "GET /api/v1/breakers?group=shop", NULL, 200, "\"name\":\"queue\"");
    assert_null(strstr(web_fixture_body(f), "\"name\":\"report\""));
    expect(f, "GET /api/v1/breakers?target=cache-1", NULL, 200, "\"breakers\":[]");
}

static void orders_come_over_the_socket_alone(void **state) {
    struct web_fixture *f = *state;
    expect(f, "POST " QUEUE, "{\"order\": \"force_open\"}", 403, "dbvitals breaker");
    assert_int_equal(n_orders, 0);
    expect_on_socket(f, "POST " QUEUE, "{\"order\": \"force_open\"}", 200,
                     "\"state\":\"forced_open\",\"reason\":\"operator\",\"shedding\":false");
    assert_non_null(strstr(web_fixture_body(f), "\"persistent\":true,\"why_not\":null"));
    assert_string_equal(last_name, "queue");
    assert_int_equal(last.event, BREAKER_FORCE_OPEN);
    assert_int_equal(last.uid, geteuid());
    assert_int_equal(last.pid, getpid());
    expect(f, "GET " QUEUE, NULL, 503, "forced_open");
    outcome = (struct web_change_result){.reason = "the disk is full"};
    expect_on_socket(f, "POST " QUEUE, "{\"order\": \"lift\"}", 200,
                     "\"persistent\":false,\"why_not\":\"the disk is full\"");
    outcome = (struct web_change_result){.refused = true, .reason = "no"};
    expect_on_socket(f, "POST " QUEUE, "{\"order\": \"lift\"}", 400, "\"error\":\"no\"");
}

static void every_mistake_has_a_sentence(void **state) {
    struct web_fixture *f = *state;
    static const struct {
        const char *line, *body;
        int status;
        const char *part;
    } rows[] = {
        {"GET /api/v1/breakers/queeu", NULL, 404, "did you mean 'queue'"},
        {"GET /api/v1/breakers/", NULL, 404, "there is nothing"},
        {"GET /api/v1/breakers/a%00b", NULL, 404, "there is no breaker"},
        {"PUT " QUEUE, "{}", 405, "GET, HEAD, POST"},
        {"GET " QUEUE "/report", NULL, 405, "only POST"},
        {"POST /api/v1/breakers/x/report", "{\"success\": true}", 404, "there is no breaker"},
        {"POST " QUEUE "/report", "", 400, "the body is no JSON"},
        {"POST " QUEUE "/report", "success", 400, "the body is no JSON"},
        {"POST " QUEUE "/report", "[]", 400, "a call should be an object"},
        {"POST " QUEUE "/report", "{}", 400, "a call should be an object"},
        {"POST " QUEUE "/report", "{\"success\": 1}", 400, "a call should be an object"},
        {"POST " QUEUE "/report", "{\"calls\": {}}", 400, "a call should be an object"},
        {"POST " QUEUE "/report", "{\"calls\": [1]}", 400, "a call should be an object"},
        {"POST " QUEUE "/report", "{\"success\": true, \"duration\": -1}", 400, "seconds"},
        {"POST " QUEUE "/report", "{\"success\": true, \"duration\": \"1s\"}", 400, "seconds"},
        {"POST " QUEUE "/report", "{\"success\": true, \"duration\": 1e9}", 400, "seconds"},
        {"POST " QUEUE "/report", "{\"success\": true, \"took\": 1}", 400,
         "\\\"took\\\" does not belong"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        expect(f, rows[i].line, rows[i].body, rows[i].status, rows[i].part);
    }
    static const char *const orders[] = {"",
                                         "{}",
                                         "[]",
                                         "{\"order\": \"open\"}",
                                         "{\"order\": \"tripped\"}",
                                         "{\"order\": \"lift\", \"for\": 5}"};
    for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
        expect_on_socket(f, "POST " QUEUE, orders[i], 400, "bad_data");
    }
    expect_on_socket(f, "POST /api/v1/breakers/x", "{\"order\": \"lift\"}", 404, "no breaker");
    assert_int_equal(n_orders, 0);
    assert_int_equal(circuits_at(circuits, 0)->circuit.calls_total[CIRCUIT_SUCCESS], 0);
}

static void more_than_a_thousand_calls_are_refused(void **state) {
    struct strbuf body = {0};
    strbuf_add_text(&body, "{\"calls\": [");
    for (int i = 0; i < 1001; i++) {
        strbuf_printf(&body, "%s{\"success\":true}", i > 0 ? "," : "");
    }
    strbuf_add_text(&body, "]}");
    expect(*state, "POST " QUEUE "/report", body.data, 400, "1001 calls are more than 1000");
    strbuf_deinit(&body);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(says_yes_while_it_is_closed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(says_no_and_when_to_ask_again_while_it_is_open, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(many_calls_are_one_report, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lists_them_by_group_and_target, set_up, tear_down),
        cmocka_unit_test_setup_teardown(orders_come_over_the_socket_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_mistake_has_a_sentence, set_up, tear_down),
        cmocka_unit_test_setup_teardown(more_than_a_thousand_calls_are_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
