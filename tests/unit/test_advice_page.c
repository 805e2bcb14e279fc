/* SPDX-License-Identifier: Apache-2.0 */

/* /targets/NAME/WORD over HTTP, as a load balancer sees it, and an agent-check beside it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/json_check.h"
#include "tests/support/web_fixture.h"

static struct target_view *replica_of(struct web_fixture *f) {
    struct target_view *view = &f->sampler.targets[0].view;
    view->standing.role = ROLE_REPLICA;
    view->lag_seconds = 1;
    view->last_round_usec = loop_clock_usec();
    return view;
}

static void a_fit_target_is_200_with_a_sentence_and_a_weight(void **state) {
    struct web_fixture *f = *state;
    replica_of(f);
    assert_int_equal(web_fixture_get(f, "/targets/orders-1/replica?lag=5s", NULL), 200);
    assert_string_equal(web_reply_header(&f->reply, "X-Dbvitals-Weight"), "80%");
    assert_string_equal(web_reply_header(&f->reply, "Content-Type"), "application/json");
    assert_string_equal(
        web_fixture_body(f),
        "{\"target\":\"orders-1\",\"asked\":\"replica\",\"fit\":true,"
        "\"reason\":\"it is a replica, 1.0 s behind\",\"role\":\"replica\",\"weight\":80,"
        "\"factors\":{\"lag\":0.8,\"pool\":1,\"round\":1,\"cpu\":1},\"lag_seconds\":1}\n");
}

static void another_one_is_503_and_weighs_nothing(void **state) {
    struct web_fixture *f = *state;
    replica_of(f);
    assert_int_equal(web_fixture_get(f, "/targets/orders-1/primary", NULL), 503);
    assert_string_equal(web_reply_header(&f->reply, "X-Dbvitals-Weight"), "0%");
    assert_non_null(strstr(web_fixture_body(f), "\"fit\":false,\"reason\":\"it is no primary, its "
                                                "role is replica\""));
}

static void the_weight_alone_is_a_line(void **state) {
    struct web_fixture *f = *state;
    replica_of(f);
    assert_int_equal(web_fixture_get(f, "/targets/orders-1/replica?lag=2s&weight", NULL), 200);
    assert_string_equal(web_fixture_body(f), "50%\n");
    assert_int_equal(web_fixture_get(f, "/targets/orders-1/primary?weight", NULL), 503);
    assert_string_equal(web_fixture_body(f), "0%\n");
}

static void balancers_may_ask_with_head_and_options(void **state) {
    struct web_fixture *f = *state;
    static const char *const methods[] = {"HEAD", "OPTIONS"};
    replica_of(f);
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        struct strbuf line = {0};
        strbuf_printf(&line, "%s /targets/orders-1/replica", methods[i]);
        assert_int_equal(web_fixture_ask(f, line.data, NULL, NULL), 200);
        assert_string_equal(web_fixture_body(f), "");
        assert_string_equal(web_reply_header(&f->reply, "X-Dbvitals-Weight"), "100%");
        strbuf_clear(&line);
        strbuf_printf(&line, "%s /targets/orders-1/primary", methods[i]);
        assert_int_equal(web_fixture_ask(f, line.data, NULL, NULL), 503);
        strbuf_deinit(&line);
    }
    assert_int_equal(web_fixture_ask(f, "POST /targets/orders-1/replica", NULL, NULL), 405);
    assert_string_equal(web_reply_header(&f->reply, "Allow"), "GET, HEAD, OPTIONS");
    assert_int_equal(web_fixture_ask(f, "OPTIONS /metrics", NULL, NULL), 405);
}

static void mistakes_are_told_apart_from_advice(void **state) {
    struct web_fixture *f = *state;
    static const struct {
        const char *target;
        int status;
        const char *text;
    } cases[] = {
        {"/targets/orders-2/replica", 404, "no target 'orders-2' (did you mean 'orders-1'?)"},
        {"/targets/orders-1/replicas", 404, "asked for 'replicas' (did you mean 'replica'?)"},
        {"/targets/orders-1/", 404, "asked for '': primary, replica, read-only, writable"},
        {"/targets/orders-1", 404, "asked for ''"},
        {"/targets/orders-1/replica/", 404, "asked for 'replica/'"},
        {"/targets//replica", 404, "no target ''"},
        {"/targets/dbvitals/primary", 404, "no target 'dbvitals'"},
        {"/targets/host-1/primary", 404, "'host-1' is of type host: no clients are sent there"},
        {"/targets/orders-1/replica?lag=fast", 400, "lag should be a time such as 5s"},
        {"/targets/orders-1/replica?lags=5s", 400, "(did you mean 'lag'?)"},
        {"/targets/%ff%22/primary", 404, "there is no target '"},
    };
    replica_of(f);
    struct fake_target *host = fake_sampler_add(&f->sampler, "host-1", KIND_HOST, "db1");
    host->view.source = web_fixture_source(f, "host-1", "", 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(web_fixture_get(f, cases[i].target, NULL), cases[i].status);
        if (strstr(web_fixture_body(f), cases[i].text) == NULL) {
            fail_msg("%s: %s", cases[i].target, web_fixture_body(f));
        }
        assert_true(json_check(strbuf_view(&f->reply.body)));
    }
}

static void a_guessed_target_that_never_answered_is_none(void **state) {
    struct web_fixture *f = *state;
    replica_of(f)->source = NULL;
    assert_int_equal(web_fixture_get(f, "/targets/orders-1/replica", NULL), 404);
}

static void an_agent_address_answers_lines(void **state) {
    struct web_fixture *f = *state;
    static const char *const addresses[] = {"127.0.0.1:0"};
    struct web_client client;
    replica_of(f);
    f->options.agent_addresses = addresses;
    f->options.n_agent_addresses = 1;
    web_fixture_start(f);
    web_client_open(&client, f->loop, web_agent_address(f->web));
    web_client_send_text(&client, "orders-1 replica lag=5s\n");
    assert_true(web_client_wait_close(&client));
    assert_string_equal(strbuf_view(&client.received).data, "up 80%\n");
    web_client_close(&client);
    assert_int_equal(web_numbers(f->web).agent_answered, 1);
}

static void count_up(void *userdata) {
    (*(unsigned *)userdata)++;
}

static void leaving_waits_for_who_was_told_down_and_not_for_ever(void **state) {
    struct web_fixture *f = *state;
    static const char *const addresses[] = {"127.0.0.1:0"};
    struct web_client client;
    unsigned n_left = 0;
    replica_of(f);
    f->options.agent_addresses = addresses;
    f->options.n_agent_addresses = 1;
    web_fixture_start(f);
    assert_false(web_leave(f->web, count_up, &n_left));
    f->web = web_free(f->web);
    web_fixture_start(f);
    web_client_open(&client, f->loop, web_agent_address(f->web));
    web_client_send_text(&client, "orders-1 replica lag=0s\n");
    assert_true(web_client_wait_close(&client));
    assert_non_null(strstr(strbuf_view(&client.received).data, "down #"));
    web_client_close(&client);
    uint64_t begin = loop_clock_usec(), end = begin + 10ULL * 1000 * 1000;
    assert_true(web_leave(f->web, count_up, &n_left));
    while (n_left == 0 && loop_clock_usec() < end) {
        loop_run_once(f->loop, 10 * 1000);
    }
    assert_int_equal(n_left, 1);
    assert_true(loop_clock_usec() - begin >= 2ULL * 1000 * 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_fit_target_is_200_with_a_sentence_and_a_weight,
                                        web_fixture_set_up, web_fixture_tear_down),
        cmocka_unit_test_setup_teardown(another_one_is_503_and_weighs_nothing, web_fixture_set_up,
                                        web_fixture_tear_down),
        cmocka_unit_test_setup_teardown(the_weight_alone_is_a_line, web_fixture_set_up,
                                        web_fixture_tear_down),
        cmocka_unit_test_setup_teardown(balancers_may_ask_with_head_and_options, web_fixture_set_up,
                                        web_fixture_tear_down),
        cmocka_unit_test_setup_teardown(mistakes_are_told_apart_from_advice, web_fixture_set_up,
                                        web_fixture_tear_down),
        cmocka_unit_test_setup_teardown(a_guessed_target_that_never_answered_is_none,
                                        web_fixture_set_up, web_fixture_tear_down),
        cmocka_unit_test_setup_teardown(an_agent_address_answers_lines, web_fixture_set_up,
                                        web_fixture_tear_down),
        cmocka_unit_test_setup_teardown(leaving_waits_for_who_was_told_down_and_not_for_ever,
                                        web_fixture_set_up, web_fixture_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
