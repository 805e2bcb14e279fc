/* SPDX-License-Identifier: Apache-2.0 */

/* What is posted to webhooks, Slack and PagerDuty. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "actions/channel_type.h"
#include "actions/wording.h"
#include "base/json_reader.h"
#include "base/macros.h"
#include "told_group.h"

static struct loop *loop;
static struct channel_options options;
static struct strbuf body;
static struct arena arena;

static int set_up(void **state) {
    assert_int_equal(loop_new(&loop), 0);
    options = (struct channel_options){0};
    return 0;
}

static int tear_down(void **state) {
    strbuf_deinit(&body);
    arena_deinit(&arena);
    loop = loop_free(loop);
    return 0;
}

/* Frees the notification. Return: the body as a tree. */
static const struct json_value *write(enum channel_kind kind, struct notification *notification) {
    static const struct channel_type *const types[] = {[CHANNEL_WEBHOOK] = &channel_webhook,
                                                       [CHANNEL_SLACK] = &channel_slack,
                                                       [CHANNEL_PAGERDUTY] = &channel_pagerduty};
    options.kind = kind;
    struct channel *channel = channel_new(
        &(struct channel_parts){.loop = loop, .external_url = str_of("http://me:9719/")}, "ops",
        &options);
    const struct json_value *tree = NULL;
    struct error err = {0};
    strbuf_clear(&body);
    types[kind]->write(channel, notification, &body);
    channel_free(channel);
    notification_free(notification);
    if (json_read(strbuf_view(&body), &arena, &tree, &err) < 0) {
        fail_msg("%s: %s", err.text, body.data);
    }
    return tree;
}

static const struct json_value *at(const struct json_value *value, const char *key) {
    const struct json_value *member = json_member(value, key);
    if (member == NULL) {
        fail_msg("there is no '%s' in: %s", key, body.data);
    }
    return member;
}

static void assert_text(const struct json_value *object, const char *key, const char *expected) {
    struct str text = json_text_of(at(object, key));
    if (!str_is(text, expected)) {
        fail_msg("'%s' is '%.*s' and not '%s'", key, (int)text.len, text.data, expected);
    }
}

/* ---- webhook ---- */

static void a_webhook_gets_what_alertmanager_posts(void **state) {
    write(CHANNEL_WEBHOOK, told_down());
    assert_string_equal(
        body.data,
        "{\"receiver\":\"ops\",\"status\":\"firing\",\"alerts\":[{\"status\":\"firing\","
        "\"labels\":{\"alertname\":\"PostgresDown\",\"cluster\":\"orders\","
        "\"severity\":\"critical\",\"target\":\"orders-1\"},"
        "\"annotations\":{\"description\":\"It does not answer.\","
        "\"runbook_url\":\"https://wiki.example/down?a=1&b=2\",\"summary\":\"orders-1 is down\"},"
        "\"startsAt\":\"2026-01-02T03:04:05.678Z\",\"endsAt\":\"0001-01-01T00:00:00Z\","
        "\"generatorURL\":\"http://me:9719/graph?g0.expr=pg_up+%3D%3D+0&g0.tab=1\","
        "\"fingerprint\":\"b44c66277ea93fac\"}],"
        "\"groupLabels\":{\"cluster\":\"orders\"},"
        "\"commonLabels\":{\"alertname\":\"PostgresDown\",\"cluster\":\"orders\","
        "\"severity\":\"critical\",\"target\":\"orders-1\"},"
        "\"commonAnnotations\":{\"description\":\"It does not answer.\","
        "\"runbook_url\":\"https://wiki.example/down?a=1&b=2\",\"summary\":\"orders-1 is down\"},"
        "\"externalURL\":\"http://me:9719\",\"version\":\"4\","
        "\"groupKey\":\"{}:{cluster=\\\"orders\\\"}\",\"truncatedAlerts\":0}");
}

static void a_webhook_is_told_of_ends(void **state) {
    struct notification *notification = told_down();
    told_add(notification, true, (const char *const[]){"alertname", "PostgresDown", NULL},
             (const char *const[]){NULL});
    const struct json_value *tree = write(CHANNEL_WEBHOOK, notification);
    assert_text(tree, "status", "firing");
    const struct json_value *over = &at(tree, "alerts")->items[1];
    assert_text(over, "status", "resolved");
    assert_text(over, "endsAt", "2026-01-02T03:05:05.678Z");
    assert_int_equal(at(tree, "commonLabels")->n_items, 1);
    assert_int_equal(at(tree, "commonAnnotations")->n_items, 0);
    notification = told_down();
    notification->alerts[0].resolved = true;
    notification->alerts[0].ends_ms = STARTS_MS + 1;
    assert_text(write(CHANNEL_WEBHOOK, notification), "status", "resolved");
}

static struct str long_text(struct notification *notification, size_t len) {
    char *text = arena_alloc(&notification->arena, len + 1);
    memset(text, 'x', len);
    return (struct str){text, len};
}

static void a_webhooks_body_is_limited(void **state) {
    struct notification *notification = told_new();
    for (int i = 0; i < NOTIFICATION_MOST_ALERTS; i++) {
        struct notification_alert *alert =
            told_add(notification, false, (const char *const[]){"alertname", "A", NULL},
                     (const char *const[]){"description", "", "summary", "", NULL});
        alert->annotations[0].value = long_text(notification, 100000);
        alert->annotations[1].value = long_text(notification, 100000);
    }
    notification->left_out = 5;
    const struct json_value *tree = write(CHANNEL_WEBHOOK, notification);
    assert_true(body.len < CHANNEL_MOST_BODY_BYTES + ((size_t)64 << 10));
    size_t listed = at(tree, "alerts")->n_items;
    assert_true(listed > 10 && listed < NOTIFICATION_MOST_ALERTS);
    assert_int_equal(at(tree, "truncatedAlerts")->number,
                     5 + NOTIFICATION_MOST_ALERTS - (double)listed);
    struct str cut = json_text_of(at(at(&at(tree, "alerts")->items[0], "annotations"), "summary"));
    assert_int_equal(cut.len, CHANNEL_MOST_VALUE_BYTES + 3);
}

/* ---- slack ---- */

static const struct json_value *attachment(const struct json_value *tree) {
    return &at(tree, "attachments")->items[0];
}

static void slack_gets_a_message(void **state) {
    options.slack_channel = (char[]){"#db"};
    options.slack_username = (char[]){"vitals"};
    write(CHANNEL_SLACK, told_down());
    assert_string_equal(
        body.data,
        "{\"channel\":\"#db\",\"username\":\"vitals\",\"attachments\":[{"
        "\"fallback\":\"[FIRING:1] PostgresDown (orders, orders-1)\",\"color\":\"#c81e1e\","
        "\"title\":\"[FIRING:1] PostgresDown (orders, orders-1)\","
        "\"title_link\":\"http://me:9719\","
        "\"text\":\"*PostgresDown* orders-1 is down\\nIt does not answer.\\nfor 1m 5s"
        " <http://me:9719/graph?g0.expr=pg_up+%3D%3D+0&amp;g0.tab=1|expression>"
        " <https://wiki.example/down?a=1&amp;b=2|runbook>\","
        "\"fields\":[{\"title\":\"cluster\",\"value\":\"orders\",\"short\":true},"
        "{\"title\":\"severity\",\"value\":\"critical\",\"short\":true},"
        "{\"title\":\"target\",\"value\":\"orders-1\",\"short\":true}],"
        "\"footer\":\"dbvitals\",\"ts\":1767323110,\"mrkdwn_in\":[\"text\"]}]}");
}

static void slack_sees_what_is_over(void **state) {
    struct notification *notification = told_down();
    notification->alerts[0].resolved = true;
    notification->alerts[0].ends_ms = STARTS_MS + 3 * 3600 * 1000;
    const struct json_value *it = attachment(write(CHANNEL_SLACK, notification));
    assert_text(it, "color", "#2e8b57");
    assert_text(it, "title", "[RESOLVED] PostgresDown (orders, orders-1)");
    assert_non_null(strstr(body.data, "over after 3h"));
}

static void slack_is_not_told_to_wake_everybody(void **state) {
    const struct json_value *it = attachment(write(CHANNEL_SLACK, told_hostile()));
    struct str text = json_text_of(at(it, "text"));
    assert_null(memmem(text.data, text.len, "<!channel>", 10));
    assert_non_null(memmem(text.data, text.len, "&lt;!channel&gt;", 16));
    assert_null(strstr(body.data, "javascript:"));
    assert_int_equal(at(it, "fields")->n_items, 2);
    assert_text(it, "color", "#e0531f"); /* an unknown severity is an error */
}

static void a_message_for_slack_is_short(void **state) {
    struct notification *notification = told_new();
    for (int i = 0; i < 100; i++) {
        struct notification_alert *alert = told_add(
            notification, false, (const char *const[]){"alertname", "&", "severity", "info", NULL},
            (const char *const[]){"description", "", "summary", "", NULL});
        alert->annotations[0].value = long_text(notification, 5000);
        alert->annotations[1].value = long_text(notification, 5000);
    }
    const struct json_value *it = attachment(write(CHANNEL_SLACK, notification));
    struct str text = json_text_of(at(it, "text"));
    assert_true(text.len < 3100);
    const char *rest = memmem(text.data, text.len, "\nand ", 5);
    assert_non_null(rest); /* seven of 400 bytes */
    assert_true(str_starts_with((struct str){rest, 13}, "\nand 93 more"));
    assert_text(it, "title", "[FIRING:100] &amp;");
}

/* ---- pagerduty ---- */

static void pagerduty_gets_an_event(void **state) {
    options.routing_key = (char[]){"R0UTING"};
    const struct json_value *tree = write(CHANNEL_PAGERDUTY, told_down());
    assert_text(tree, "routing_key", "R0UTING");
    assert_text(tree, "event_action", "trigger");
    assert_text(tree, "dedup_key", "{}:{cluster=\"orders\"}");
    assert_text(tree, "client", "dbvitals");
    assert_text(tree, "client_url", "http://me:9719");
    const struct json_value *payload = at(tree, "payload");
    assert_text(payload, "summary", "[FIRING:1] PostgresDown (orders, orders-1) orders-1 is down");
    assert_text(payload, "source", "orders-1");
    assert_text(payload, "severity", "critical");
    assert_text(payload, "timestamp", "2026-01-02T03:05:10.678Z");
    assert_text(payload, "component", "orders-1");
    assert_text(payload, "group", "orders");
    assert_text(payload, "class", "PostgresDown");
    const struct json_value *details = at(payload, "custom_details");
    assert_int_equal(at(details, "num_firing")->number, 1);
    assert_text(&at(details, "alerts")->items[0], "description", "It does not answer.");
    const struct json_value *links = at(tree, "links");
    assert_int_equal(links->n_items, 2);
    assert_text(&links->items[0], "href", "http://me:9719/graph?g0.expr=pg_up+%3D%3D+0&g0.tab=1");
    assert_text(&links->items[1], "text", "runbook: PostgresDown");
}

static void pagerduty_finds_its_incident_again(void **state) {
    struct notification *notification = told_down();
    notification->alerts[0].resolved = true;
    notification->alerts[0].ends_ms = STARTS_MS + 1;
    const struct json_value *tree = write(CHANNEL_PAGERDUTY, notification);
    assert_text(tree, "event_action", "resolve");
    assert_text(tree, "dedup_key", "{}:{cluster=\"orders\"}");
    char keys[3][300];
    for (size_t i = 0; i < 3; i++) {
        notification = told_down();
        struct str key = long_text(notification, 1000);
        arena_dup(&notification->arena, key);
        if (i == 2) {
            *(char *)(uintptr_t)(key.data + 999) = 'y';
        }
        notification->group_key = key;
        struct str written = json_text_of(at(write(CHANNEL_PAGERDUTY, notification), "dedup_key"));
        assert_true(written.len <= 255);
        memcpy(keys[i], written.data, written.len);
        keys[i][written.len] = '\0';
    }
    assert_string_equal(keys[0], keys[1]);
    assert_string_not_equal(keys[0], keys[2]);
}

static void pagerduty_gets_no_more_than_it_takes(void **state) {
    struct notification *notification = told_new();
    for (int i = 0; i < NOTIFICATION_MOST_ALERTS; i++) {
        struct notification_alert *alert =
            told_add(notification, false,
                     (const char *const[]){"alertname", "", "severity", "", "target", "", NULL},
                     (const char *const[]){"description", "", "summary", "", NULL});
        for (size_t j = 0; j < 3; j++) {
            alert->labels[j].value = long_text(notification, 10000);
        }
        alert->annotations[0].value = long_text(notification, 100000);
        alert->annotations[1].value = long_text(notification, 100000);
    }
    const struct json_value *tree = write(CHANNEL_PAGERDUTY, notification);
    assert_true(body.len < (size_t)512 * 1000);
    assert_true(json_text_of(at(at(tree, "payload"), "summary")).len <= 1024);
    assert_int_equal(at(at(at(tree, "payload"), "custom_details"), "not_listed")->number,
                     NOTIFICATION_MOST_ALERTS - 20);
}

static void hostile_texts_stay_texts(void **state) {
    const struct json_value *tree = write(CHANNEL_WEBHOOK, told_hostile());
    struct str name = json_text_of(at(at(tree, "commonLabels"), "alertname"));
    assert_true(str_starts_with(name, "</td><script>alert(1)</script>\"'&<!channel> \r\nBcc:"));
    assert_true(str_is_utf8(name));
    options.routing_key = (char[]){"R"};
    tree = write(CHANNEL_PAGERDUTY, told_hostile());
    struct str summary = json_text_of(at(at(tree, "payload"), "summary"));
    assert_null(memchr(summary.data, '\n', summary.len));
    assert_int_equal(at(tree, "links")->n_items, 1);
}

/* ---- words ---- */

static void severities_have_many_names(void **state) {
    static const struct {
        const char *label, *severity;
    } cases[] = {{"critical", "critical"}, {"page", "critical"}, {"error", "error"},
                 {"warning", "warning"},   {"info", "info"},     {"none", "info"},
                 {"CRITICAL!", "error"},   {"", "error"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct notification *notification = told_new();
        told_add(notification, false, (const char *const[]){"severity", cases[i].label, NULL},
                 (const char *const[]){NULL});
        assert_string_equal(severity_names[severity_worst(notification)], cases[i].severity);
        /* What is over counts only when all is. */
        told_add(notification, true, (const char *const[]){"severity", "critical", NULL},
                 (const char *const[]){NULL});
        assert_string_equal(severity_names[severity_worst(notification)], cases[i].severity);
        notification_free(notification);
    }
}

static void texts_are_cut_at_characters(void **state) {
    static const struct {
        const char *text;
        size_t most;
        const char *expected;
    } cases[] = {{"abc", 3, "abc"},
                 {"abcd", 3, "abc\xe2\x80\xa6"},
                 {"\xc3\xa4\xc3\xa4", 3, "\xc3\xa4\xe2\x80\xa6"},
                 {"a\xff", 9, "a\xef\xbf\xbd"},
                 {"a\r\nb\t\x7f", 9, "a  b  "},
                 {"", 0, ""}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        strbuf_clear(&body);
        strbuf_add_text(&body, "");
        wording_add_line(&body, str_of(cases[i].text), cases[i].most);
        assert_string_equal(strbuf_view(&body).data, cases[i].expected);
    }
}

static void durations_have_two_units(void **state) {
    static const struct {
        int64_t ms;
        const char *expected;
    } cases[] = {{0, "0s"},          {-5, "0s"},       {59999, "59s"},      {60000, "1m"},
                 {3725000, "1h 2m"}, {86400000, "1d"}, {90000000, "1d 1h"}, {86405000, "1d"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        strbuf_clear(&body);
        wording_add_duration(&body, cases[i].ms);
        assert_string_equal(body.data, cases[i].expected);
    }
}

static void only_the_web_is_linked(void **state) {
    static const char *const no[] = {
        "",        "javascript:alert(1)", "http://a b",  "https://a\"b",
        "ftp://x", "http://a|b",          "https://a>b", "http://a\n"};
    for (size_t i = 0; i < ARRAY_LEN(no); i++) {
        assert_false(wording_is_link(str_of(no[i])));
    }
    assert_true(wording_is_link(str_of("https://wiki.example/a?b=%20&c#d")));
}

static void titles_say_what_and_where(void **state) {
    struct notification *notification = told_down();
    told_add(notification, false,
             (const char *const[]){"alertname", "Lag", "cluster", "orders", NULL},
             (const char *const[]){NULL});
    notification->left_out = 7;
    wording_title(notification, &body);
    assert_string_equal(body.data, "[FIRING:9] 9 alerts (orders)");
    strbuf_clear(&body);
    wording_count(notification, &body);
    assert_string_equal(body.data, "2 alerts fire, 7 more are not listed.");
    notification_free(notification);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_webhook_gets_what_alertmanager_posts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_webhook_is_told_of_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_webhooks_body_is_limited, set_up, tear_down),
        cmocka_unit_test_setup_teardown(slack_gets_a_message, set_up, tear_down),
        cmocka_unit_test_setup_teardown(slack_sees_what_is_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(slack_is_not_told_to_wake_everybody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_message_for_slack_is_short, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pagerduty_gets_an_event, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pagerduty_finds_its_incident_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pagerduty_gets_no_more_than_it_takes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(hostile_texts_stay_texts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(severities_have_many_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(texts_are_cut_at_characters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(durations_have_two_units, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_the_web_is_linked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(titles_say_what_and_where, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("channel_bodies", tests, NULL, NULL);
}
