/* SPDX-License-Identifier: Apache-2.0 */

/* /federate: which samples it gives, and how they are written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tests/support/web_fixture.h"

static const struct batch_metric warm = {"warm", "How warm it is.", METRIC_GAUGE, true};
static const struct batch_metric alerts = {"ALERTS", "", METRIC_UNTYPED, true};

static void commit(struct store_source *source, const char *feed, struct batch_metric metric,
                   const struct label *labels, size_t n, double value, int64_t t_ms) {
    struct batch batch = {0};
    batch_add(&batch, metric, batch_add_labels(&batch, labels, n), value);
    store_feed_commit(store_feed_new(source, feed), &batch, t_ms);
    store_publish(source);
    batch_deinit(&batch);
}

static struct store_source *target(struct web_fixture *f, const char *name) {
    return store_source_new(f->store, &(struct source_labels){.target = str_of(name),
                                                              .instance = str_of("10.0.0.9:1"),
                                                              .job = str_of("redis")});
}

static struct store_source *hidden(struct web_fixture *f) {
    return store_source_new(f->store,
                            &(struct source_labels){.target = str_of("f;g"), .hidden = true});
}

static const char *get(struct web_fixture *f, const char *query) {
    char path[300];
    snprintf(path, sizeof(path), "/federate?%s", query);
    web_fixture_get(f, path, NULL);
    return web_fixture_body(f);
}

static void a_sample_has_its_labels_and_its_time(void **state) {
    struct web_fixture *f = *state;
    int64_t now_ms = loop_now_ms(f->loop);
    const struct label room = {str_of("room"), str_of("a\"\\\n")};
    char wanted[300];
    commit(target(f, "t1"), "x", warm, &room, 1, 20.5, now_ms - 1000);
    snprintf(wanted, sizeof(wanted),
             "# TYPE warm untyped\nwarm{instance=\"10.0.0.9:1\",job=\"redis\","
             "room=\"a\\\"\\\\\\n\",target=\"t1\"} 20.5 %" PRId64 "\n",
             now_ms - 1000);
    assert_string_equal(get(f, "match[]=warm"), wanted);
    assert_int_equal(f->reply.status, 200);
    assert_string_equal(web_reply_header(&f->reply, "Content-Type"),
                        "text/plain; version=0.0.4; charset=utf-8");
}

static void alerts_are_there_and_take_no_instance_of_the_reader(void **state) {
    struct web_fixture *f = *state;
    const struct label name = {str_of("alertname"), str_of("Down")};
    commit(hidden(f), "rule", alerts, &name, 1, 1, loop_now_ms(f->loop));
    assert_non_null(strstr(get(f, "match[]=ALERTS"),
                           "# TYPE ALERTS untyped\nALERTS{alertname=\"Down\",instance=\"\"} 1 "));
    web_fixture_get(f, "/metrics", NULL);
    assert_null(strstr(web_fixture_body(f), "ALERTS"));
}

static void samples_of_a_metric_stand_together_and_each_once(void **state) {
    struct web_fixture *f = *state;
    int64_t now_ms = loop_now_ms(f->loop);
    const struct label a = {str_of("A"), str_of("1")}, b = {str_of("b"), str_of("1")};
    struct store_source *source = target(f, "t1");
    static const struct batch_metric cold = {"cold", "", METRIC_GAUGE, true};
    commit(source, "1", warm, &a, 1, 1, now_ms);
    commit(source, "2", cold, &b, 1, 2, now_ms);
    commit(source, "3", warm, &b, 1, 3, now_ms);
    commit(source, "4", cold, &a, 1, 4, now_ms);
    const char *body = get(f, "match[]=warm&match[]=%7B__name__%3D~%22warm%7Ccold%22%7D");
    const char *type = strstr(body, "# TYPE warm untyped\n");
    assert_true(body == strstr(body, "# TYPE cold untyped\ncold{"));
    assert_non_null(type);
    assert_null(strstr(type, "cold"));
    size_t lines = 0;
    for (const char *at = body; (at = strchr(at, '\n')) != NULL; at++) {
        lines++;
    }
    assert_int_equal(lines, 6);
}

static void what_ended_or_is_old_is_left_out(void **state) {
    struct web_fixture *f = *state;
    int64_t now_ms = loop_now_ms(f->loop);
    struct store_source *ended = target(f, "t1");
    struct store_feed *feed = store_feed_new(ended, "x");
    struct batch batch = {0};
    batch_add(&batch, warm, (struct batch_labels){0}, 1);
    store_feed_commit(feed, &batch, now_ms - 2000);
    batch_clear(&batch);
    store_feed_commit(feed, &batch, now_ms - 1000);
    store_publish(ended);
    batch_deinit(&batch);
    commit(target(f, "t2"), "x", warm, NULL, 0, 2, now_ms - 301000);
    assert_string_equal(get(f, "match[]=warm"), "# nothing fits\n");
    assert_int_equal(f->reply.status, 200);
}

static void odd_names_become_usual_ones(void **state) {
    struct web_fixture *f = *state;
    const struct label odd = {str_of("9 l.a:b"), str_of("x")};
    struct batch_metric metric = {"a b:c\"\n", "", METRIC_UNTYPED, true};
    commit(hidden(f), "rule", metric, &odd, 1, 1, loop_now_ms(f->loop));
    assert_non_null(strstr(get(f, "match[]=%7B__name__%3D~%22a.b.*%5Cn%22%7D"),
                           "# TYPE a_b:c__ untyped\na_b:c__{__l_a_b=\"x\",instance=\"\"} 1 "));
}

static size_t site(void *userdata, const struct target_label **ret) {
    static char names[][10] = {"site", "instance", "target"}, value[] = "ams\"1";
    static const struct target_label labels[] = {
        {names[0], value}, {names[1], value}, {names[2], value}};
    *ret = labels;
    return ARRAY_LEN(labels);
}

static void labels_of_the_daemon_stand_where_a_series_has_none(void **state) {
    struct web_fixture *f = *state;
    f->sources.actions.external_labels = site;
    commit(hidden(f), "rule", alerts, NULL, 0, 1, loop_now_ms(f->loop));
    commit(target(f, "t1"), "x", warm, NULL, 0, 1, loop_now_ms(f->loop));
    assert_non_null(
        strstr(get(f, "match[]=ALERTS"),
               "ALERTS{site=\"ams\\\"1\",instance=\"ams\\\"1\",target=\"ams\\\"1\"} 1 "));
    assert_non_null(
        strstr(get(f, "match[]=warm"),
               "warm{instance=\"10.0.0.9:1\",job=\"redis\",target=\"t1\",site=\"ams\\\"1\"} 1 "));
}

static void mistakes_are_told(void **state) {
    struct web_fixture *f = *state;
    assert_non_null(strstr(get(f, ""), "no match[] parameter provided"));
    assert_int_equal(f->reply.status, 400);
    assert_non_null(strstr(get(f, "match[]=%7B"), "parse error"));
    assert_int_equal(f->reply.status, 400);
    assert_string_equal(web_reply_header(&f->reply, "Content-Type"), "application/json");
}

#define WITH_WEB(test)                                                                             \
    cmocka_unit_test_setup_teardown(test, web_fixture_set_up, web_fixture_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_WEB(a_sample_has_its_labels_and_its_time),
        WITH_WEB(alerts_are_there_and_take_no_instance_of_the_reader),
        WITH_WEB(samples_of_a_metric_stand_together_and_each_once),
        WITH_WEB(what_ended_or_is_old_is_left_out),
        WITH_WEB(odd_names_become_usual_ones),
        WITH_WEB(labels_of_the_daemon_stand_where_a_series_has_none),
        WITH_WEB(mistakes_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
