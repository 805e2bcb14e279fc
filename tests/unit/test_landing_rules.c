/* SPDX-License-Identifier: Apache-2.0 */

/* Alerts and rules on the page at "/", over a web with rules that were evaluated. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tests/support/web_fixture.h"
#include "web/landing_rules.h"

#define GROUP(rules) "groups:\n- name: g\n  interval: 10s\n  rules:\n" rules

static struct rules *rules;

static uint64_t no_clock(void) {
    return 1000000;
}

/* Rules over the fixture's store, evaluated once or not at all. */
static void load(struct web_fixture *f, const char *text, bool evaluate) {
    const struct rules_options options = {.store = f->store, .now_usec = no_clock};
    const struct rule_options of_files = {.interval_ms = 10000};
    struct str name = str_of("/etc/<rules>.yml"), content = str_of(text);
    struct error_list errors = {0};
    struct rule_set *set = rule_set_new(&name, &content, 1, &of_files, &errors);
    if (set == NULL) {
        print_error("%s\n", errors.errors[0].text);
    }
    assert_non_null(set);
    error_list_deinit(&errors);
    rules = rules_new(&options);
    rules_set(rules, set, 0);
    if (evaluate) {
        rules_run_group(rules, 0, loop_now_ms(f->loop) - 65000);
    }
    f->sources.rules = rules;
}

static int tear_down(void **state) {
    rules = rules_free(rules);
    return web_fixture_tear_down(state);
}

static const char *page(struct web_fixture *f) {
    assert_int_equal(web_fixture_get(f, "/", NULL), 200);
    return web_fixture_body(f);
}

static void assert_has(struct web_fixture *f, const char *text) {
    if (strstr(page(f), text) == NULL) {
        print_error("no '%s' in:\n%s\n", text, web_fixture_body(f));
        fail();
    }
}

static void assert_order(struct web_fixture *f, const char *first, const char *second) {
    const char *body = page(f), *a = strstr(body, first), *b = strstr(body, second);
    assert_non_null(a);
    assert_non_null(b);
    assert_true(a < b);
}

static void without_rules_the_page_says_so(void **state) {
    struct web_fixture *f = *state;
    assert_has(f, "No alert is pending or fires.");
    assert_has(f, "No rules are loaded");
    assert_null(strstr(web_fixture_body(f), "href=\"#alerts\""));
}

static void an_alert_stands_with_all_that_is_known_of_it(void **state) {
    struct web_fixture *f = *state;
    load(
        f,
        GROUP(
            "  - alert: Hot\n    expr: vector(1.5) > 1\n"
            "    labels: {severity: critical, room: a}\n"
            "    annotations: {summary: It is hot., runbook_url: 'https://w.example/hot?a=1&b'}\n"),
        true);
    assert_has(f, "<title>all 2 up, 1 alert fires - dbvitals</title>");
    assert_has(f, "<p class=\"state down\"><a href=\"#alerts\">1 alert fires</a></p>");
    assert_has(f, "<span class=\"state firing\">firing</span><div class=\"why\">critical</div>");
    assert_has(f, "<a href=\"/graph?g0.expr=vector%281.5%29%20%3E%201&#38;g0.tab=0&#38;"
                  "g0.range_input=1h\">Hot</a>");
    assert_has(f, "<div class=\"summary\">It is hot.</div>");
    assert_has(f, "href=\"https://w.example/hot?a=1&#38;b\">What to do</a>");
    assert_has(f, "<span><b>room</b> a</span>");
    assert_has(f, ">1m5s <div");
    assert_has(f, ">1.5</td>");
}

static void links_begin_with_the_external_path(void **state) {
    struct web_fixture *f = *state;
    f->options.external_url = "https://mon.example.org/db";
    load(f, GROUP("  - {alert: A, expr: vector(1)}\n"), true);
    assert_has(f, "<a href=\"/db/graph?g0.expr=vector%281%29");
}

static void texts_of_alerts_are_never_markup(void **state) {
    struct web_fixture *f = *state;
    load(f,
         GROUP("  - alert: '<i>A'\n    expr: label_replace(vector(1), \"x\", \"'\\\"><script>\", "
               "\"\", \"\")\n"
               "    annotations:\n      summary: '<script>1</script>{{ $labels.x }}'\n"
               "      description: '<b onclick=x>'\n"
               "      runbook_url: 'javascript:alert(1)'\n"),
         true);
    const char *body = page(f);
    assert_non_null(strstr(body, "&#60;script&#62;1&#60;/script&#62;&#39;&#34;&#62;&#60;script"));
    assert_null(strstr(body, "<script"));
    assert_null(strstr(body, "<i>"));
    assert_null(strstr(body, "<b onclick"));
    assert_null(strstr(body, "href=\"javascript"));
    assert_non_null(strstr(body, "/etc/&#60;rules&#62;.yml"));
}

static void the_worst_stand_first_and_signs_of_life_last(void **state) {
    struct web_fixture *f = *state;
    load(f,
         GROUP("  - {alert: Watchdog, expr: vector(1), labels: {severity: none}}\n"
               "  - {alert: Soon, expr: vector(1), for: 1h, labels: {severity: critical}}\n"
               "  - {alert: Minor, expr: vector(1), labels: {severity: warning}}\n"
               "  - {alert: Major, expr: vector(1), labels: {severity: critical}}\n"),
         true);
    assert_order(f, ">Major<", ">Minor<");
    assert_order(f, ">Minor<", ">Soon<");
    assert_order(f, ">Soon<", ">Watchdog<");
    assert_has(f, ">2 alerts fire<");
    assert_has(f, "<span class=\"state none\">firing</span>");
}

static void a_sign_of_life_alone_alarms_nobody(void **state) {
    struct web_fixture *f = *state;
    load(f, GROUP("  - {alert: Watchdog, expr: vector(1), labels: {severity: none}}\n"), true);
    assert_has(f, "<title>all 2 up - dbvitals</title>");
    assert_has(f, ">Watchdog<");
    assert_null(strstr(web_fixture_body(f), "href=\"#alerts\""));
}

static void a_storm_is_cut_and_hides_no_other_alert(void **state) {
    struct web_fixture *f = *state;
    load(f,
         GROUP("  - {alert: Storm, expr: test_value, labels: {severity: warning}}\n"
               "  - {alert: Lonely, expr: vector(1), labels: {severity: critical}}\n"),
         false);
    rules_run_group(rules, 0, 1000); /* the time of the fixture's samples */
    assert_order(f, ">Lonely<", ">Storm<");
    size_t shown = 0;
    for (const char *at = page(f); (at = strstr(at, ">Storm<")) != NULL; at++) {
        shown++;
    }
    assert_int_equal(shown, LANDING_MOST_ALERTS - 1);
    assert_has(f, "and 405 more: <a href=\"/api/v1/alerts\">");
}

static void a_rule_that_fails_is_named_with_its_error(void **state) {
    struct web_fixture *f = *state;
    load(f,
         GROUP("  - {record: fine, expr: 1}\n"
               "  - {record: broken, expr: test_up, labels: {target: same}}\n"),
         false);
    rules_run_group(rules, 0, 1000);
    assert_has(f, "<a href=\"#rules\">1 rule fails</a>");
    assert_has(f, "<span class=\"state err\">failing</span>");
    assert_has(f, ">broken</a>: vector contains metrics with the same labelset");
    assert_null(strstr(web_fixture_body(f), ">fine</a>"));
}

static void groups_say_when_they_were_evaluated(void **state) {
    struct web_fixture *f = *state;
    load(f, GROUP("  - {record: fine, expr: 1}\n"), false);
    assert_has(f, "<span class=\"state pending\">waiting</span>");
    rules_run_group(rules, 0, loop_now_ms(f->loop) - 65000);
    assert_has(f, "<span class=\"state pending\">late</span>");
    assert_has(f, ">1m5s ago, every 10s</td>");
    rules_run_group(rules, 0, loop_now_ms(f->loop));
    assert_has(f, "<span class=\"state ok\">ok</span>");
}

#define WITH_WEB(test) cmocka_unit_test_setup_teardown(test, web_fixture_set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_WEB(without_rules_the_page_says_so),
        WITH_WEB(an_alert_stands_with_all_that_is_known_of_it),
        WITH_WEB(links_begin_with_the_external_path),
        WITH_WEB(texts_of_alerts_are_never_markup),
        WITH_WEB(the_worst_stand_first_and_signs_of_life_last),
        WITH_WEB(a_sign_of_life_alone_alarms_nobody),
        WITH_WEB(a_storm_is_cut_and_hides_no_other_alert),
        WITH_WEB(a_rule_that_fails_is_named_with_its_error),
        WITH_WEB(groups_say_when_they_were_evaluated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
