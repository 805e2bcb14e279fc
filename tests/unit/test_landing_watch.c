/* SPDX-License-Identifier: Apache-2.0 */

/* Breakers, clusters and failovers on the page at "/": what stands there, in which order, and that
 * no text of others is ever markup. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/macros.h"
#include "base/mem.h"
#include "circuits/circuits.h"
#include "tests/support/web_fixture.h"
#include "web/landing_watch.h"

#define HOSTILE "<script>alert('1')</script>"
#define ESCAPED "&#60;script&#62;alert(&#39;1&#39;)&#60;/script&#62;"

static struct circuits *circuits;

static void changed(void *userdata, struct kept_circuit *kept, enum breaker_state from) {
    (void)userdata, (void)kept, (void)from;
}

static struct circuit_time now_of(const struct web_fixture *f) {
    return (struct circuit_time){loop_now_usec(f->loop), loop_now_ms(f->loop)};
}

/* Breakers by these names; all shed half of the calls of a pool that is full by 70 %. */
static void configure(struct web_fixture *f, const char *const *names, size_t n) {
    struct circuit_options *list = mem_array(n, sizeof(*list));
    for (size_t i = 0; i < n; i++) {
        list[i] = (struct circuit_options){
            .name = (char *)(uintptr_t)names[i],
            .target = (char *)(uintptr_t) "orders-1",
            .group = (char *)(uintptr_t) "shop",
            .policy = circuit_policy_default,
        };
        list[i].policy.shed_fraction = 0.5;
    }
    circuits = circuits_new(&(struct circuits_events){.changed = changed});
    circuits_configure(circuits, list, n, now_of(f).usec, now_of(f).ms);
    f->sources.circuits = circuits;
    free(list);
}

static int tear_down(void **state) {
    int r = web_fixture_tear_down(state);
    circuits = circuits_free(circuits);
    return r;
}

static const char *page(struct web_fixture *f) {
    assert_int_equal(web_fixture_get(f, "/", NULL), 200);
    return web_fixture_body(f);
}

static void assert_has(const char *text, const char *part) {
    if (strstr(text, part) == NULL) {
        fail_msg("no '%s' in:\n%s", part, text);
    }
}

static size_t count(const char *text, const char *part) {
    size_t n = 0;
    for (const char *at = strstr(text, part); at != NULL; at = strstr(at + 1, part)) {
        n++;
    }
    return n;
}

static void what_is_not_configured_has_no_section(void **state) {
    const char *body = page(*state);
    assert_null(strstr(body, "id=\"breakers\""));
    assert_null(strstr(body, "id=\"failover\""));
    assert_null(strstr(body, "id=\"plans\""));
}

static void breakers_that_keep_calls_back_stand_first(void **state) {
    static const char *const names[] = {"calm", "shedding", "held"};
    struct web_fixture *f = *state;
    configure(f, names, 3);
    circuits_pressure(circuits, circuits_at(circuits, 1), now_of(f),
                      &(struct circuit_pressure){.utilisation = 0.8});
    circuits_order(circuits, circuits_at(circuits, 2), now_of(f), BREAKER_FORCE_OPEN);
    const char *body = page(f);
    assert_has(body, "<h2 id=\"breakers\">");
    assert_has(body, ">calm</th><td class=\"line\" data-is=\"State\"><span class=\"state up\">"
                     "closed</span></td>");
    assert_has(body, ">shedding</th><td class=\"line\" data-is=\"State\"><span class=\"state "
                     "pending\">closed</span><div class=\"why\">sheds a share of the calls</div>");
    assert_has(body, ">held</th><td class=\"line\" data-is=\"State\"><span class=\"state down\">"
                     "forced_open</span></td>");
    assert_has(body, "<td data-is=\"Reason\">operator</td><td data-is=\"Target\">orders-1</td>"
                     "<td data-is=\"Group\">shop</td><td data-is=\"Owner\"></td>");
    assert_has(body, "<td data-is=\"Reason\">pool_utilisation</td>");
    assert_true(strstr(body, ">calm</th>") > strstr(body, ">held</th>"));
    assert_has(body, "<p class=\"state pending\"><a href=\"#breakers\">2 breakers keep calls back");
}

static void another_monitors_word_is_shown_with_its_owner_and_as_text(void **state) {
    static const char *const names[] = {"one"};
    struct web_fixture *f = *state;
    configure(f, names, 1);
    struct circuit_foreign foreign = {
        .state = BREAKER_OPEN,
        .since_ms = now_of(f).ms - 65000,
        .until_usec = now_of(f).usec + 60 * USEC_PER_SEC,
    };
    snprintf(foreign.owner, sizeof(foreign.owner), "%s", HOSTILE);
    snprintf(foreign.reason, sizeof(foreign.reason), "%s", HOSTILE);
    circuits_set_foreign(circuits_at(circuits, 0), &foreign);
    const char *body = page(f);
    assert_has(body, "<td data-is=\"Reason\">" ESCAPED "</td>");
    assert_has(body, "<td data-is=\"Owner\">" ESCAPED "</td>");
    assert_has(body, ">1m5s <div");
    assert_null(strstr(body, "<script"));
    assert_has(body, "1 breaker keeps calls back");
}

static void what_is_shown_of_many_is_bounded(void **state) {
    static char texts[LANDING_MOST_BREAKERS + 20][16];
    static const char *names[ARRAY_LEN(texts)];
    struct web_fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        snprintf(texts[i], sizeof(texts[i]), "b-%zu", i);
        names[i] = texts[i];
    }
    configure(f, names, ARRAY_LEN(texts));
    circuits_order(circuits, circuits_at(circuits, ARRAY_LEN(texts) - 1), now_of(f),
                   BREAKER_FORCE_OPEN);
    const char *body = page(f);
    assert_int_equal(count(body, "<th scope=\"row\">b-"), LANDING_MOST_BREAKERS);
    assert_has(body, ">b-119</th>"); /* the last, but it keeps calls back */
    assert_has(body, "and 20 more: <a href=\"/api/v1/breakers\">");
}

/* ---- rows ---- */

static void a_cluster_says_who_would_follow_and_what_forbids_it(void **state) {
    struct strbuf out = {0};
    struct cluster cluster;
    const struct failover_options options = {
        .cluster = (char *)(uintptr_t) "orders", .mode = FAILOVER_MANUAL, .failures = 3};
    cluster_init(&cluster, &options, 2);
    cluster.members[0].name = "orders-1";
    cluster.members[1].name = "<b>";
    cluster.primary = 0;
    cluster.candidate = 1;
    cluster.verdict = VERDICT_DEAD;
    cluster.verdict_since_usec = 10 * USEC_PER_SEC;
    memset(cluster.ready, true, sizeof(cluster.ready));
    landing_add_cluster(&out, &cluster, false, 15 * USEC_PER_SEC);
    assert_has(out.data, "<span class=\"state down\">dead</span><div class=\"why\">for 5s</div>");
    assert_has(out.data, "<td data-is=\"Primary\">orders-1</td>"
                         "<td data-is=\"Candidate\">&#60;b&#62;</td>"
                         "<td data-is=\"Mode\">manual</td>");
    assert_has(out.data, "<span class=\"state up\">ready</span></td>");
    strbuf_clear(&out);
    cluster.verdict = VERDICT_HEALTHY;
    cluster.candidate = CLUSTER_NO_MEMBER;
    cluster.ready[READY_CANDIDATE] = cluster.ready[READY_JOURNAL] = false;
    landing_add_cluster(&out, &cluster, true, 15 * USEC_PER_SEC);
    assert_has(out.data, "<span class=\"state up\">healthy</span>");
    assert_has(out.data, "<td data-is=\"Candidate\"></td>");
    struct strbuf words = {0};
    cluster_ready_words(&cluster, &words);
    assert_has(words.data, "; "); /* both */
    assert_has(out.data, "<span class=\"state pending\">not ready</span><div class=\"why\">");
    assert_has(out.data, "<div class=\"why\">maintenance</div>");
    strbuf_deinit(&words);
    strbuf_deinit(&out);
    cluster_deinit(&cluster);
}

static const char *row_of(struct strbuf *out, enum step step) {
    static struct plan_note note;
    struct plan plan = {
        .draft = {.id = str_of("orders-20261121T183000.123"),
                  .cluster = str_of("orders"),
                  .old_primary = str_of("orders-1"),
                  .new_primary = str_of("orders-2"),
                  .reason = str_of(HOSTILE),
                  .loss = {true, true, 1200, 2000},
                  .mode = PLAN_MANUAL,
                  .drafted_ms = 1000000},
        .step = step,
        .has_outcome = step == STEP_DONE,
        .outcome = {.recovery_ms = 1640, .lost_bytes = 7, .lost_ms = 500},
        .notes = &note,
        .n_notes = 1,
    };
    note = (struct plan_note){.text = str_of(HOSTILE)};
    strbuf_clear(out);
    landing_add_plan(out, &plan, 1065000);
    assert_null(strstr(out->data, "<script"));
    assert_int_equal(count(out->data, ESCAPED), 2);
    return out->data;
}

static void a_failover_says_what_people_have_to_do(void **state) {
    struct strbuf out = {0};
    const char *row = row_of(&out, STEP_WAITING);
    assert_has(row, "<span class=\"state pending\">waiting</span>");
    assert_has(row, "<code>dbvitals failover approve orders-20261121T183000.123</code>");
    assert_has(row, ">1m5s <div");
    assert_has(row, "orders-1 to orders-2");
    assert_has(row, "<div class=\"why\">the last position is 2.0 s old; 1.2 kB/s were written, so "
                    "about 2.4 kB more may be lost</div>");
    row = row_of(&out, STEP_DONE);
    assert_has(row, "<span class=\"state up\">done</span>");
    assert_has(row, "<code>dbvitals failover ack orders-20261121T183000.123</code>");
    assert_has(row, ">1.6 s<div class=\"why\">lost 7 B, 0.5 s</div>");
    row = row_of(&out, STEP_UNKNOWN);
    assert_has(row, "<span class=\"state down\">unknown</span>");
    assert_has(row, "failover ack ");
    for (int step = 0; step < STEPS; step++) {
        bool asks = step == STEP_WAITING || step_is_latched((enum step)step);
        assert_int_equal(count(row_of(&out, (enum step)step), "<code>"), asks);
    }
    strbuf_deinit(&out);
}

int main(void) {
#define WITH_WEB(test) cmocka_unit_test_setup_teardown(test, web_fixture_set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_WEB(what_is_not_configured_has_no_section),
        WITH_WEB(breakers_that_keep_calls_back_stand_first),
        WITH_WEB(another_monitors_word_is_shown_with_its_owner_and_as_text),
        WITH_WEB(what_is_shown_of_many_is_bounded),
        cmocka_unit_test(a_cluster_says_who_would_follow_and_what_forbids_it),
        cmocka_unit_test(a_failover_says_what_people_have_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
