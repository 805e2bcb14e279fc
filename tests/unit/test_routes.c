/* SPDX-License-Identifier: Apache-2.0 */

/* Requests taken apart, and the route table with what it answers outside of its rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/fake_sampler.h"
#include "web/pages.h"
#include "web/request.h"
#include "web/routes.h"

struct fixture {
    struct arena arena;
    struct sampler sampler;
    struct web web;
    struct web_request request;
    struct web_answer answer;
};

static int set_up(void **state) {
    static char telemetry_path[] = "/metrics", prefix[] = "", landing[] = "/";
    struct fixture *f = calloc(1, sizeof(*f));
    f->request.arena = &f->arena;
    f->web.telemetry_path = telemetry_path;
    f->web.route_prefix = prefix;
    f->web.link_prefix = prefix;
    f->web.landing_url = landing;
    f->web.sources.sampler = &f->sampler;
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    web_answer_deinit(&f->answer);
    arena_deinit(&f->arena);
    free(f);
    return 0;
}

static int parse(struct fixture *f, const char *target) {
    struct error error = {0};
    f->request.n_parameters = 0;
    return web_request_parse_target(&f->request, str_of(target), &error);
}

static const char *ask(struct fixture *f, const char *method, const char *target) {
    web_answer_deinit(&f->answer);
    f->request.method = str_of(method);
    assert_int_equal(parse(f, target), 0);
    routes_answer(&f->web, &f->request, &f->answer);
    return strbuf_view(&f->answer.text).data;
}

static void decodes_paths_and_parameters(void **state) {
    struct fixture *f = *state;
    assert_int_equal(parse(f, "/a+b%20c?target=x+y%22%0a&empty=&none&&target=second"), 0);
    assert_true(str_is(f->request.path, "/a+b c"));
    assert_true(str_is(web_request_parameter(&f->request, "target"), "x y\"\n"));
    assert_true(str_is(web_request_parameter(&f->request, "empty"), ""));
    assert_non_null(web_request_parameter(&f->request, "none").data);
    assert_null(web_request_parameter(&f->request, "absent").data);
}

static void a_zero_byte_does_not_end_a_path(void **state) {
    struct fixture *f = *state;
    assert_int_equal(parse(f, "/metrics%00/x"), 0);
    assert_int_equal(f->request.path.len, strlen("/metrics?/x"));
    ask(f, "GET", "/healthz%00");
    assert_int_equal(f->answer.status, 404);
}

static void refuses_broken_escapes_and_odd_targets(void **state) {
    struct fixture *f = *state;
    static const char *const cases[] = {
        "/%", "/%4", "/%zz", "/a?b=%f", "/?%=x", "healthz", "*", "http://a/metrics", ""};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(parse(f, cases[i]) < 0);
    }
}

static void refuses_too_many_parameters(void **state) {
    struct fixture *f = *state;
    char target[256] = "/x?";
    for (int i = 0; i < WEB_MOST_PARAMETERS; i++) {
        strcat(target, "a=1&");
    }
    assert_int_equal(parse(f, target), 0);
    strcat(target, "a=1");
    assert_true(parse(f, target) < 0);
}

static bool accepts_gzip(const char *value) {
    const struct web_pair header = {str_of("accept-ENCODING"), str_of(value)};
    const struct web_request request = {.headers = &header, .n_headers = value != NULL};
    return web_request_accepts_gzip(&request);
}

static void reads_accept_encoding(void **state) {
    assert_true(accepts_gzip("gzip"));
    assert_true(accepts_gzip("deflate, GZip;q=0.5"));
    assert_true(accepts_gzip("identity;q=1, *;q=0.1"));
    assert_true(accepts_gzip("*;q=0, gzip"));
    assert_false(accepts_gzip("gzip;q=0"));
    assert_false(accepts_gzip("gzip ; Q=0.000"));
    assert_false(accepts_gzip("gzip;q=0, *"));
    assert_false(accepts_gzip("*, gzip;q=0"));
    assert_false(accepts_gzip("gzipped, br"));
    assert_false(accepts_gzip(""));
    assert_false(accepts_gzip(NULL));
}

static bool has_etag(const char *value) {
    const struct web_pair header = {str_of("If-None-Match"), str_of(value)};
    const struct web_request request = {.headers = &header, .n_headers = 1};
    return web_request_has_etag(&request, "\"12-p\"");
}

static void reads_if_none_match(void **state) {
    assert_true(has_etag("\"12-p\""));
    assert_true(has_etag("\"1\", W/\"12-p\" , \"2\""));
    assert_true(has_etag("*"));
    assert_false(has_etag("12-p"));
    assert_false(has_etag("\"12-p"));
    assert_false(has_etag("\"12\""));
    assert_false(has_etag(""));
}

static const char *id_for(struct web_request *request, const char *given) {
    const struct web_pair header = {str_of("X-Request-Id"), str_of(given)};
    request->headers = &header;
    request->n_headers = 1;
    web_request_identify(request);
    return request->id;
}

static void takes_only_sane_request_ids_over(void **state) {
    struct web_request request = {0};
    char longest[WEB_ID_SIZE + 1];
    memset(longest, 'a', sizeof(longest));
    longest[WEB_ID_SIZE] = '\0';
    assert_string_equal(id_for(&request, "Ab.9_-"), "Ab.9_-");
    assert_string_equal(id_for(&request, longest + 1), longest + 1);
    static const char *const bad[] = {"", "a b", "a\r\nX-Evil: 1", "\"", "\xc3\xa9", "a/b"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(strlen(id_for(&request, bad[i])), 16);
        assert_int_equal(strspn(request.id, "0123456789abcdef"), 16);
    }
    assert_int_equal(strlen(id_for(&request, longest)), 16);
}

static void shows_foreign_text_cut(void **state) {
    struct fixture *f = *state;
    char text[300];
    memset(text, 'x', sizeof(text));
    assert_int_equal(web_request_show(&f->request, (struct str){text, 200}).len, 200);
    struct str shown = web_request_show(&f->request, (struct str){text, 201});
    assert_int_equal(shown.len, 203);
    assert_string_equal(shown.data + 199, "x...");
}

static void the_table_has_each_path_once(void **state) {
    for (const struct route *route = routes; route->path != NULL; route++) {
        assert_int_equal(route->path[0], '/');
        assert_in_range(route->methods, ROUTE_GET,
                        ROUTE_GET | ROUTE_POST | ROUTE_PUT | ROUTE_DELETE | ROUTE_OPTIONS);
        assert_non_null(route->handle);
        for (const struct route *other = route + 1; other->path != NULL; other++) {
            assert_true(strcmp(route->path, other->path) != 0 || route->end != other->end);
        }
    }
}

static void unknown_paths_get_a_sentence_with_a_suggestion(void **state) {
    struct fixture *f = *state;
    assert_string_equal(ask(f, "GET", "/metrisc"),
                        "{\"error\":\"there is nothing at '/metrisc' (did you mean '/metrics'?)\"}"
                        "\n");
    assert_int_equal(f->answer.status, 404);
    assert_string_equal(ask(f, "GET", "/../../etc/passwd"),
                        "{\"error\":\"there is nothing at '/../../etc/passwd'\"}\n");
    assert_int_equal(f->answer.status, 404);
    ask(f, "GET", "/healthz/");
    assert_int_equal(f->answer.status, 404);
}

static void other_methods_are_told_what_is_allowed(void **state) {
    struct fixture *f = *state;
    ask(f, "POST", "/healthz");
    assert_int_equal(f->answer.status, 405);
    assert_string_equal(f->answer.headers[0].name, "Allow");
    assert_string_equal(f->answer.headers[0].value, "GET, HEAD");
    ask(f, "GET", "/-/reload");
    assert_int_equal(f->answer.status, 405);
    assert_string_equal(f->answer.headers[0].value, "POST");
    ask(f, "BREW", "/-/log-level");
    assert_int_equal(f->answer.status, 405);
}

static void what_changes_something_needs_its_flag(void **state) {
    struct fixture *f = *state;
    assert_non_null(strstr(ask(f, "POST", "/-/reload"), "--web.enable-lifecycle"));
    assert_int_equal(f->answer.status, 403);
    assert_non_null(strstr(ask(f, "POST", "/-/log-level?level=debug"), "--web.enable-lifecycle"));
    assert_int_equal(f->answer.status, 403);
}

/* The right to change something is the table's: no handler has to think of it. */
static void every_method_of_every_route_reads_or_needs_the_control_socket(void **state) {
    struct fixture *f = *state;
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "DELETE"};
    size_t n_changes = 0, n_open = 0;
    for (const struct route *route = routes; route->path != NULL; route++) {
        assert_int_equal(route->changes & ~route->methods, 0);
        assert_int_equal(route->changes & ROUTE_GET, 0);
        bool form =
            str_starts_with(str_of(route->path), "/api/v1/") && (route->methods & ROUTE_GET) != 0;
        for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
            unsigned method = route_method_of(str_of(methods[i]));
            if ((route->methods & method) == 0) {
                ask(f, methods[i], route->path);
                assert_in_range(f->answer.status, 404, 405);
                continue;
            }
            /* What does not read alone changes; a POST that reads is a long GET. Anybody may say
             * what became of his calls. */
            bool open = (route->flags & ROUTE_OPEN) != 0;
            n_open += open;
            if (method != ROUTE_GET && !(method == ROUTE_POST && form) && !open) {
                assert_int_equal(route->changes & method, method);
            }
            if ((route->changes & method) != 0) {
                struct strbuf path = {0};
                strbuf_printf(&path, "%s%s", route->path,
                              (route->flags & ROUTE_BELOW) != 0 ? "x" : "");
                ask(f, methods[i], path.data);
                strbuf_deinit(&path);
                assert_int_equal(f->answer.status, 403);
                assert_true(route->command != NULL || (route->flags & ROUTE_LIFECYCLE) != 0);
                n_changes++;
            }
        }
    }
    assert_true(n_changes >= 4);
    assert_int_equal(n_open, 1); /* reports of calls alone */
}

static void the_control_socket_may_change_and_needs_no_prefix(void **state) {
    struct fixture *f = *state;
    static char prefix[] = "/db", socket_path[] = "/s/control.sock";
    f->web.control_path = socket_path;
    assert_non_null(strstr(ask(f, "PUT", "/api/v1/parameters/x"),
                           "'dbvitals set' on the daemon's host, or the socket "
                           "'/s/control.sock'"));
    f->web.route_prefix = prefix;
    f->request.caller.trusted = true;
    assert_string_equal(ask(f, "GET", "/healthz"), "ok\n");
    assert_string_equal(ask(f, "GET", "/db/healthz"), "ok\n");
    ask(f, "POST", "/-/log-level?level=none"); /* its own word, not that of the table */
    assert_int_equal(f->answer.status, 400);
}

static void the_prefix_stands_before_every_path(void **state) {
    struct fixture *f = *state;
    static char prefix[] = "/db", landing[] = "/db/";
    f->web.route_prefix = prefix;
    f->web.landing_url = landing;
    assert_string_equal(ask(f, "GET", "/db/healthz"), "ok\n");
    ask(f, "GET", "/healthz");
    assert_int_equal(f->answer.status, 404);
    ask(f, "GET", "/dbx/healthz");
    assert_int_equal(f->answer.status, 404);
    static const char *const redirected[] = {"/", "/db"};
    for (size_t i = 0; i < 2; i++) {
        ask(f, "GET", redirected[i]);
        assert_int_equal(f->answer.status, 302);
        assert_string_equal(f->answer.headers[0].value, "/db/");
    }
}

static void the_telemetry_path_moves(void **state) {
    struct fixture *f = *state;
    static char path[] = "/pgmetrics";
    f->web.telemetry_path = path;
    ask(f, "GET", "/metrics");
    assert_int_equal(f->answer.status, 404);
    ask(f, "PUT", "/pgmetrics");
    assert_int_equal(f->answer.status, 405);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(decodes_paths_and_parameters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_zero_byte_does_not_end_a_path, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_broken_escapes_and_odd_targets, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_too_many_parameters, set_up, tear_down),
        cmocka_unit_test(reads_accept_encoding),
        cmocka_unit_test(reads_if_none_match),
        cmocka_unit_test(takes_only_sane_request_ids_over),
        cmocka_unit_test_setup_teardown(shows_foreign_text_cut, set_up, tear_down),
        cmocka_unit_test(the_table_has_each_path_once),
        cmocka_unit_test_setup_teardown(unknown_paths_get_a_sentence_with_a_suggestion, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(other_methods_are_told_what_is_allowed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_changes_something_needs_its_flag, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            every_method_of_every_route_reads_or_needs_the_control_socket, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_control_socket_may_change_and_needs_no_prefix, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_prefix_stands_before_every_path, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_telemetry_path_moves, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
